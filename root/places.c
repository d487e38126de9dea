// SPDX-License-Identifier: MIT
//
// Where mounts go: found below the tree's descriptor at the moment when it is needed, and made where it is missing.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "root/layer.h"
#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"

int rootfs_open(const struct enter *e, const char *path)
{
    return path_open_any(e->tree, path);
}

int rootfs_find(const struct enter *e, const char *path, bool *plain)
{
    int fd = path_open_plain(e->tree, path + strspn(path, "/"));
    *plain = fd >= 0;
    return fd == -ELOOP || fd == -EXDEV ? path_open_any(e->tree, path) : fd;
}

// Answers that say "not in this directory", where another layer helps.
static bool gives_way(int error)
{
    static const int errors[] = {EROFS, EACCES, EPERM, EOVERFLOW, ENOSPC, EDQUOT};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (error == -errors[i])
            return true;
    }
    return false;
}

// The kernel's own file systems take no files; what they lack must not be made up.
static bool is_kernels(int directory)
{
    struct statfs fs;
    return fstatfs(directory, &fs) != 0 || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
           fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC;
}

int rootfs_is_root(const struct enter *e, int fd, const char *path)
{
    struct stat a, b;
    if (fstat(fd, &a) != 0 || fstat(e->tree, &b) != 0)
        return err_at("fstat", path);
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && mount_id(fd) == mount_id(e->tree);
}

// An overlay over `directory`, which is on a mount that can't be written; it becomes read-only as that is.
static int lay_over(struct enter *e, int directory, const char *path)
{
    if (!mount_has_new_calls()) {
        int error = err_because("mkdir", path, EROFS, "the mount point is missing, and the root can't be written");
        err_hint("to lay a private layer over it takes the newer mount calls (Linux 5.12), which are missing here");
        return error;
    }
    int is_root = rootfs_is_root(e, directory, path);
    if (is_root < 0)
        return is_root;
    AUTO_CLOSE int overlay = layer_cover_by_tmpfs(directory, path, LAYER_AS_THEY_ARE);
    if (overlay < 0)
        return overlay;
    int error = rootfs_follow_read_only(e, directory, overlay, false, true);
    if (error < 0)
        return error;
    if (is_root) { // what is opened below a descriptor is not seen through what covers that
        close(e->tree);
        e->tree = fcntl(overlay, F_DUPFD_CLOEXEC, 3);
        e->layered = true;
        if (e->tree < 0)
            return err_at("fcntl", path);
    }
    return rootfs_set_read_only_later(e, fd_take(&overlay));
}

int rootfs_make(struct enter *e, const char *path, bool directory)
{
    int fd = path_open_any(e->tree, path);
    if (fd != -ENOENT)
        return fd >= 0 ? fd : err_no("open", path, -fd);
    AUTO_CLOSE int deepest = -1;
    fd = path_make(e->tree, path, directory, &deepest);
    if (fd >= 0)
        return fd;
    if (deepest >= 0 && gives_way(fd) && is_kernels(deepest))
        return err_because("mkdir", path, -fd, "it would lie in a file system of the kernel's, which takes no mount points");
    if (deepest < 0 || !gives_way(fd))
        return err_no("mkdir", path, -fd);
    int error = lay_over(e, deepest, path);
    if (error < 0)
        return error;
    fd = path_make(e->tree, path, directory, NULL);
    return fd >= 0 ? fd : err_no("mkdir", path, -fd);
}
