// SPDX-License-Identifier: MIT
#include "root/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/proc.h"
#include "sys/text.h"

// -- the host's --------------------------------------------------------------------------------

static bool is_device(const struct stat *st, mode_t type, unsigned number_major, unsigned number_minor)
{
    return (st->st_mode & S_IFMT) == (type & S_IFMT) && st->st_rdev == makedev(number_major, number_minor);
}

int rootfs_host_device(const char *path, mode_t type, unsigned number_major, unsigned number_minor)
{
    struct stat st;
    AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", path);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", path);
    // What stands at a name of the host can be a file of somebody's (CVE-2025-31133).
    if (!is_device(&st, type, number_major, number_minor))
        return err_because("open", path, ENODEV, "on the host it is not the device of that type and number");
    return fd_take(&fd);
}

// -- what is there -----------------------------------------------------------------------------

static bool is_node(const struct stat *st, const struct node *n)
{
    return S_ISFIFO(n->mode) ? S_ISFIFO(st->st_mode) : is_device(st, n->mode, n->major, n->minor);
}

static const char *leaf(const struct node *n)
{
    return strrchr(n->path, '/') + 1;
}

// By the descriptor's number in /proc: fchmod(2) takes no O_PATH, and names can be exchanged.
static int change_mode(int fd, const struct node *n)
{
    char path[32];
    struct text t = {path, sizeof(path), 0};
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)fd);
    text_end(&t);
    if (proc_fd() < 0)
        return proc_missing();
    return fchmodat(proc_fd(), path, n->mode & 07777, 0) == 0 ? 0 : err_at("chmod", n->path);
}

// Somebody may have put something else there since.
static int complete(int dir, const struct node *n)
{
    struct stat st;
    AUTO_CLOSE int fd = openat(dir, leaf(n), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", n->path);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", n->path);
    if (!is_node(&st, n))
        return err_because("mknod", n->path, ESTALE, "something else came there meanwhile");
    if ((st.st_uid != n->uid || st.st_gid != n->gid) && fchownat(fd, "", n->uid, n->gid, AT_EMPTY_PATH) != 0)
        return err_at("chown", n->path);
    return (st.st_mode & 07777) == (n->mode & 07777) ? 0 : change_mode(fd, n); // a default ACL took some away
}

// -- the host's, bound -------------------------------------------------------------------------

static int make_file(struct enter *e, int dir, const struct node *n)
{
    struct stat st;
    if (mknodat(dir, leaf(n), S_IFREG, 0) != 0 && errno != EEXIST)
        return rootfs_make(e, n->path, false); // on a private layer
    AUTO_CLOSE int fd = openat(dir, leaf(n), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", n->path);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", n->path);
    if (!is_node(&st, n) && (!S_ISREG(st.st_mode) || st.st_size != 0))
        return err_because("mknod", n->path, EEXIST, "something else is there");
    return fd_take(&fd);
}

static int bind_node(struct enter *e, int dir, const struct node *n)
{
    static const struct rootfs_how how = {.set = ATTR_NOSUID | ATTR_NOEXEC, .propagation = MS_PRIVATE};
    AUTO_CLOSE int source = rootfs_host_device(n->source, n->mode, n->major, n->minor);
    if (source < 0)
        return source;
    AUTO_CLOSE int target = make_file(e, dir, n);
    if (target < 0)
        return target;
    AUTO_CLOSE int mount = rootfs_bind(e, source, target, &how, n->path);
    return mount < 0 ? mount : 0;
}

// -- either ------------------------------------------------------------------------------------

static bool in_own_user_namespace(const struct enter *e)
{
    return e->plan->userns || (e->plan->join_flags & CLONE_NEWUSER) != 0;
}

// What is there already: 1 if it will do, 0 if nothing is there. The spec has anything else an error. An empty file is
// what is left of a node in images that were unpacked without privileges: where no node can be made it is as good
// as none.
static int take_existing(const struct enter *e, int dir, const struct node *n)
{
    struct stat st;
    if (fstatat(dir, leaf(n), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : err_at("fstat", n->path);
    if (is_node(&st, n))
        return 1;
    if (!S_ISFIFO(n->mode) && S_ISREG(st.st_mode) && st.st_size == 0 && in_own_user_namespace(e))
        return 0;
    return err_because("mknod", n->path, EEXIST, "something else is there");
}

// A node on such a mount can be made, and never opened.
static bool is_nodev(int dir)
{
    struct statvfs fs;
    return fstatvfs(dir, &fs) == 0 && (fs.f_flag & ST_NODEV) != 0;
}

// On the overlay of a user namespace no node can be opened, whoever made it.
static bool is_dead(const struct enter *e, int dir)
{
    struct statfs fs;
    return in_own_user_namespace(e) && fstatfs(dir, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static int try_to_make(int dir, const struct node *n)
{
    mode_t mask = umask(0);
    int error = mknodat(dir, leaf(n), n->mode, makedev(n->major, n->minor)) == 0 ? 0 : -errno;
    umask(mask);
    return error;
}

int node_make(struct enter *e, int dir, const struct node *n)
{
    bool device = !S_ISFIFO(n->mode);
    int error = take_existing(e, dir, n);
    if (error < 0 || (error > 0 && (!device || !is_dead(e, dir))))
        return error < 0 ? error : 0;
    if (device && (in_own_user_namespace(e) || is_nodev(dir)))
        return bind_node(e, dir, n);
    error = try_to_make(dir, n);
    if (error == 0)
        return complete(dir, n);
    if (device && (error == -EPERM || error == -EACCES || error == -EROFS))
        return bind_node(e, dir, n);
    return err_no("mknod", n->path, -error);
}
