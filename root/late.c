// SPDX-License-Identifier: MIT
//
// What becomes read-only last: places of other mounts are made in it still.
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"
#include "sys/proc.h"

enum { LATE_MAX = 2 * MOUNTS_MAX }; // of the plan, and clones of them

static int late[LATE_MAX]; // roots of mounts
static unsigned late_count;

int rootfs_set_read_only_later(struct enter *e, int fd)
{
    (void)e;
    if (fd < 0)
        return fd;
    if (late_count == LATE_MAX) {
        close(fd);
        return err_because("mount", NULL, E2BIG, "more than 8192 mounts that become read-only last");
    }
    late[late_count++] = fd;
    return 0;
}

static bool is_same_mount(int a, int b)
{
    struct stat one, two;
    if (fstat(a, &one) != 0 || fstat(b, &two) != 0 || one.st_dev != two.st_dev)
        return false;
    return mount_id(a) == mount_id(b); // without numbers (before 5.8) the file system says it: each is one of its own
}

// The clone of late[i], which is below `from`, in the clone of that.
static int find_clone(unsigned i, int from, int to, int *found)
{
    static char top[PATH_MAX], path[PATH_MAX];
    struct stat original, clone;
    int error = proc_fd_path(from, top, sizeof(top));
    if (error == 0)
        error = proc_fd_path(late[i], path, sizeof(path));
    if (error < 0)
        return error;
    size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(path, top, n) != 0 || path[n] != '/' || path[n + 1] == '\0')
        return 0;
    AUTO_CLOSE int fd = path_open_beneath(to, path + n + 1);
    if (fd < 0)
        return fd;
    if (fstat(fd, &clone) != 0 || fstat(late[i], &original) != 0)
        return err_at("fstat", path);
    if (clone.st_dev != original.st_dev || clone.st_ino != original.st_ino)
        return err_because("mount", path, ESTALE, "it is to be read-only, and something else is there");
    *found = fd_take(&fd);
    return 1;
}

int rootfs_follow_read_only(struct enter *e, int from, int to, bool itself, bool below)
{
    unsigned count = late_count;
    for (unsigned i = 0; i < count; i++) {
        AUTO_CLOSE int clone = -1;
        int error = 0;
        if (is_same_mount(late[i], from))
            error = itself ? (clone = fd_copy(to)) < 0 ? clone : 1 : 0;
        else if (below)
            error = find_clone(i, from, to, &clone);
        if (error > 0)
            error = rootfs_set_read_only_later(e, fd_take(&clone));
        if (error < 0)
            return error;
    }
    return 0;
}

int rootfs_finish(struct enter *e)
{
    static const struct rootfs_how how = {.set = ATTR_RDONLY};
    int error = 0;
    for (unsigned i = 0; i < late_count && error == 0; i++)
        error = rootfs_set(e, late[i], &how, "a mount that is to be read-only");
    while (late_count > 0)
        close(late[--late_count]);
    if (error == 0 && e->tree >= 0 && fchdir(e->tree) != 0)
        return err_at("fchdir", e->plan->root);
    return error;
}
