// SPDX-License-Identifier: MIT
#include "sys/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

enum { AGAIN_MAX = 128 }; // EAGAIN: a rename went on beside the walk; a loop of them must not starve us

static bool is_missing; // openat2(2): asked once

static int open_kernel(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
    for (int tries = 0;; tries++) {
        int fd = is_missing ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd < 0 && (is_missing || errno == ENOSYS)) {
            is_missing = true;
            return -ENOSYS;
        }
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

// -- with links, in a root ---------------------------------------------------------------------

// Where a walk is: `done` is the path from the root to `here` without links, `left` what is still to be
// walked. Each step up walks again from the root, so that nothing but the root's own descriptor says what is inside.
struct walk {
    int root, here;
    enum { FIND_DIRECTORY, FIND_ANY, MAKE_DIRECTORY, MAKE_FILE } want;
    unsigned links; // followed so far
    char done[PATH_MAX], left[PATH_MAX];
};

enum { LINKS_MAX = 40 }; // path_resolution(7)

static int start_at_root(struct walk *w)
{
    fd_auto_close(&w->here);
    w->here = openat(w->root, ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return w->here >= 0 ? 0 : -errno;
}

// One component that is no link; -ELOOP if it has become one.
static int go_down(struct walk *w, const char *name)
{
    int next = openat(w->here, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return errno == ENOTDIR ? -ELOOP : -errno;
    close(w->here);
    w->here = next;
    return 0;
}

static int go_up(struct walk *w)
{
    char *slash = strrchr(w->done, '/');
    if (slash != NULL)
        *slash = '\0'; // of ".." in the root nothing is left
    int error = start_at_root(w);
    for (char *at = w->done; error == 0 && *at == '/';) {
        char name[NAME_MAX + 1];
        size_t n = strcspn(++at, "/");
        memcpy(name, at, n);
        name[n] = '\0';
        error = go_down(w, name);
        at += n;
    }
    return error;
}

// What readlink(2) says of a magic link is no path: "socket:[1]", or one of another root. They are all below the
// directories of processes; the links in the root of a procfs (self, net, mounts) are ordinary.
static bool has_magic_links(int directory)
{
    struct statfs fs;
    struct stat st;
    return fstatfs(directory, &fs) != 0 || fstat(directory, &st) != 0 ||
           (fs.f_type == PROC_SUPER_MAGIC && st.st_ino != 1);
}

// Puts the link's target before what is left.
static int follow(struct walk *w, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(w->here, name, target, sizeof(target));
    if (n < 0)
        return errno == EINVAL ? -ENOTDIR : -errno; // no link, and no directory either
    if (has_magic_links(w->here))
        return -ELOOP;
    size_t rest = strlen(w->left);
    if (++w->links > LINKS_MAX || n == 0)
        return n == 0 ? -ENOENT : -ELOOP;
    if ((size_t)n + 1 + rest >= sizeof(w->left))
        return -ENAMETOOLONG;
    memmove(w->left + n + 1, w->left, rest + 1);
    memcpy(w->left, target, (size_t)n);
    w->left[n] = '/';
    if (target[0] != '/')
        return 0;
    w->done[0] = '\0';
    return start_at_root(w);
}

// The last component, which is no directory.
static int take_file(struct walk *w, const char *name)
{
    int next = step(w->here, name);
    if (next < 0)
        return next;
    close(w->here);
    w->here = next;
    return 0;
}

// A new directory in one of these is no mount point, but a cgroup of the host's, which would stay.
static bool is_of_cgroups(int directory)
{
    struct statfs fs;
    return fstatfs(directory, &fs) != 0 || fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC;
}

// What is missing on the way to what is wanted. Somebody may make it at the same moment.
static int make(const struct walk *w, const char *name)
{
    bool file = w->want == MAKE_FILE && w->left[0] == '\0';
    if (is_of_cgroups(w->here))
        return -EPERM;
    if (!file)
        return mkdirat(w->here, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
    AUTO_CLOSE int fd = openat(w->here, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd >= 0 || errno == EEXIST ? 0 : -errno;
}

// 0, 1 where it was a link and `left` is what it says now, or -errno.
static int find_component(struct walk *w, const char *name, bool no_links)
{
    bool makes = w->want == MAKE_DIRECTORY || w->want == MAKE_FILE;
    bool may_be_file = w->want != FIND_DIRECTORY && w->left[0] == '\0';
    int error = go_down(w, name);
    if (error == -ENOENT && makes && (error = make(w, name)) == 0)
        error = go_down(w, name);
    if (error == -ELOOP && !no_links) {
        error = follow(w, name);
        if (error != -ENOTDIR)
            return error == 0 ? 1 : error;
    }
    return error == -ENOTDIR && may_be_file ? take_file(w, name) : error;
}

static int take_component(struct walk *w, bool no_links)
{
    char name[NAME_MAX + 1];
    size_t n = strcspn(w->left, "/"), slashes = strspn(w->left + n, "/");
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, w->left, n);
    name[n] = '\0';
    memmove(w->left, w->left + n + slashes, strlen(w->left + n + slashes) + 1);
    if (n == 0 || strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0)
        return go_up(w);
    size_t done = strlen(w->done);
    if (done + 1 + n >= sizeof(w->done))
        return -ENAMETOOLONG;
    int error = -ENOTDIR;
    // What is no directory and then no link was exchanged in between, or is a file: looked at again to tell.
    for (int tries = 0; error == -ENOTDIR && tries < AGAIN_MAX; tries++)
        error = find_component(w, name, no_links);
    if (error != 0)
        return error < 0 ? error : 0;
    w->done[done] = '/';
    memcpy(w->done + done + 1, name, n + 1);
    return 0;
}

// *deepest, where wanted: on an error the directory that the walk had come to, else -1.
static int walk_in_root(int root, const char *path, int want, bool no_links, int *deepest)
{
    static struct walk w; // two paths: too much for a small stack
    w.root = root;
    w.here = -1;
    w.want = want;
    w.links = 0;
    w.done[0] = '\0';
    size_t n = strlen(path);
    if (n >= sizeof(w.left))
        return -ENAMETOOLONG;
    memcpy(w.left, path, n + 1);
    int error = start_at_root(&w);
    while (error == 0 && w.left[0] != '\0')
        error = take_component(&w, no_links);
    if (error == 0)
        return fd_take(&w.here);
    if (deepest != NULL)
        *deepest = fd_take(&w.here);
    fd_auto_close(&w.here);
    return error;
}

int path_open_any(int root, const char *path)
{
    const char *relative = *path == '\0' ? "." : path;
    int fd = open_kernel(root, relative, 0, RESOLVE_IN_ROOT);
    if (fd == -ENOSYS || fd == -EPERM || fd == -EAGAIN)
        fd = walk_in_root(root, relative, FIND_ANY, false, NULL);
    return fd;
}

int path_make(int root, const char *path, bool directory, int *deepest)
{
    return walk_in_root(root, path, directory ? MAKE_DIRECTORY : MAKE_FILE, false, deepest);
}

int path_open_directory(int root, const char *path, bool no_links)
{
    const char *relative = *path == '\0' ? "." : path;
    uint64_t resolve = no_links ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT;
    int fd = open_kernel(root, relative, O_DIRECTORY, resolve);
    if (fd == -ENOSYS || fd == -EPERM || fd == -EAGAIN)
        fd = walk_in_root(root, relative, FIND_DIRECTORY, no_links, NULL);
    return fd;
}

int path_open_plain(int dir, const char *path)
{
    const char *relative = *path == '\0' ? "." : path;
    int fd = open_kernel(dir, relative, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    return fd == -ENOSYS || fd == -EPERM || fd == -EAGAIN ? walk(dir, relative) : fd;
}

int path_open_beneath(int dir, const char *path)
{
    int fd = path_open_plain(dir, path);
    return fd >= 0 ? fd : err_no("open", path, -fd);
}
