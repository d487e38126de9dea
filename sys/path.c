// SPDX-License-Identifier: MIT
#include "sys/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

enum { AGAIN_MAX = 128 }; // EAGAIN: a rename went on beside the walk; a loop of them must not starve us

static int open_kernel(int dir, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0;; tries++) {
        int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN || tries == AGAIN_MAX)
            return -errno;
    }
}

static int step(int dir, const char *name)
{
    struct stat st;
    AUTO_CLOSE int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return -errno;
    return S_ISLNK(st.st_mode) ? -ELOOP : fd_take(&fd);
}

static int walk(int dir, const char *path)
{
    AUTO_CLOSE int here = openat(dir, ".", O_PATH | O_CLOEXEC);
    if (here < 0)
        return -errno;
    while (*path != '\0') {
        char name[NAME_MAX + 1];
        size_t n = strcspn(path, "/");
        if (n > NAME_MAX)
            return -ENAMETOOLONG;
        memcpy(name, path, n);
        name[n] = '\0';
        path += n + (path[n] == '/');
        if (n == 0 || strcmp(name, ".") == 0)
            continue;
        int next = strcmp(name, "..") == 0 ? -EXDEV : step(here, name);
        if (next < 0)
            return next;
        close(here);
        here = next;
    }
    return fd_take(&here);
}

int path_open_beneath(int dir, const char *path)
{
    const char *relative = *path == '\0' ? "." : path;
    int fd = open_kernel(dir, relative);
    if (fd == -ENOSYS || fd == -EPERM || fd == -EAGAIN)
        fd = walk(dir, relative);
    return fd >= 0 ? fd : err_no("open", path, -fd);
}
