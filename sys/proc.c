// SPDX-License-Identifier: MIT
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/text.h"

enum { PROC_ROOT_INODE = 1 };

static int descriptor = -1;

static struct {
    int number;
    const char *reason;
} why = {ENOENT, "there is no procfs at this place"};

int proc_is_procfs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) != 0 ? -errno : fs.f_type == PROC_SUPER_MAGIC;
}

// Why there is none, for whoever needs it later.
static int missing(int number, const char *reason)
{
    why.number = number;
    why.reason = reason;
    return -number;
}

void proc_open(void)
{
    AUTO_CLOSE int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    int is = fd < 0 ? -errno : proc_is_procfs(fd);
    if (is < 0)
        missing(-is, NULL);
    else if (is == 0)
        return;
    else if (fstat(fd, &st) != 0)
        missing(errno, NULL);
    else if (st.st_ino == PROC_ROOT_INODE)
        descriptor = fd_take(&fd);
}

int proc_need(void)
{
    if (descriptor >= 0)
        return 0;
    AUTO_CLOSE int fs = mount_fsopen("proc");
    if (fs < 0)
        return err_at("fsopen", "proc");
    if (mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", "proc");
    descriptor = mount_fsmount(fs, 0);
    return descriptor >= 0 ? 0 : err_at("fsmount", "proc");
}

int proc_fd_path(int fd, char *path, size_t size)
{
    char link[32];
    struct text t = {link, sizeof(link), 0};
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)fd);
    text_end(&t);
    if (descriptor < 0)
        return proc_missing();
    ssize_t length = readlinkat(descriptor, link, path, size);
    if (length < 0)
        return err_at("readlink /proc", link);
    if ((size_t)length >= size)
        return err_no("readlink /proc", link, ENAMETOOLONG);
    path[length] = '\0';
    return 0;
}

int proc_check_numbers(void)
{
    char self[12] = "", number[11];
    if (descriptor < 0)
        return proc_missing();
    ssize_t n = readlinkat(descriptor, "self", self, sizeof(self) - 1);
    text_from_number(number, (uint32_t)getpid());
    if (n < 0)
        return err_at("readlink", "/proc/self");
    if (strcmp(self, number) != 0)
        return err_because("readlink", "/proc/self", EXDEV, "/proc is that of another pid namespace");
    return 0;
}

int proc_missing(void)
{
    return err_because("open", "/proc", why.number, why.reason);
}

int proc_fd(void)
{
    return descriptor;
}

void proc_close(void)
{
    fd_auto_close(&descriptor);
}

int proc_open_file(const char *path, int flags)
{
    if (descriptor < 0)
        return proc_missing();
    // A file of /proc may be over-mounted on its own: what is opened must be of procfs again.
    int fd = openat(descriptor, path, flags | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_at("open /proc", path);
    int is = proc_is_procfs(fd);
    if (is == 1)
        return fd;
    close(fd);
    return is < 0 ? err_no("fstatfs /proc", path, -is)
                  : err_because("open /proc", path, EXDEV, "something is mounted over it");
}

int proc_write(const char *path, const char *text)
{
    AUTO_CLOSE int fd = proc_open_file(path, O_WRONLY);
    if (fd < 0)
        return fd;
    size_t n = strlen(text);
    ssize_t wrote = write(fd, text, n);
    if (wrote < 0)
        return err_at("write /proc", path);
    if ((size_t)wrote != n)
        return err_no("write /proc", path, EIO);
    return 0;
}

ssize_t proc_read(const char *path, char *data, size_t size)
{
    AUTO_CLOSE int fd = proc_open_file(path, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t n = fd_read_all(fd, data, size - 1, path);
    if (n >= 0)
        data[n] = '\0';
    return n;
}
