// SPDX-License-Identifier: MIT
//
// ROOT is cloned with all that is mounted below it and laid over itself, mount point or not: an
// inherited mount point is locked in a user namespace, and `/` is busy otherwise. What was opened before
// the unshare can't be cloned after it (EINVAL); the working directory was carried over.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

// Attributes and propagation are set on the clone before it becomes visible: no mount of the host arrives
// in it, not for a moment.
static int set_attributes(struct enter *e, int tree)
{
    uint64_t set = e->plan->read_only ? ATTR_RDONLY : 0;
    if (e->caller->set_uid)
        set |= ATTR_NOSUID | ATTR_NODEV;
    // An OCI config can ask for a root into which the host's mounts arrive still.
    uint64_t propagation = e->plan->rootfs.propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
    if (mount_setattr_of(tree, true, set, propagation) == 0)
        return 0;
    return err_at("mount_setattr", e->plan->root);
}

static int compare(const struct enter *e)
{
    struct stat tree, root;
    if (fstat(e->tree, &tree) != 0 || fstat(e->root, &root) != 0)
        return err_at("fstat", e->plan->root);
    if (tree.st_dev != root.st_dev || tree.st_ino != root.st_ino)
        return err_because("attach", e->plan->root, EXDEV, "something else came between");
    return 0;
}

static int clone_root(const struct enter *e)
{
    int tree = mount_open_tree(AT_FDCWD, ".", TREE_CLONE | AT_RECURSIVE | O_CLOEXEC);
    if (tree >= 0)
        return tree;
    int why = err_at("open_tree", e->plan->root);
    if (why == -EINVAL)
        err_hint("the root lies in another mount namespace, or on a mount that was detached");
    return why;
}

// Nothing above it: `..` of its root is itself, and no mount namespace is copied.
int attach_detached(struct enter *e)
{
    AUTO_CLOSE int tree = clone_root(e);
    if (tree < 0)
        return tree;
    int error = set_attributes(e, tree);
    if (error < 0)
        return error;
    if (fchdir(tree) != 0)
        return err_at("fchdir", e->plan->root);
    e->tree = fd_take(&tree);
    return compare(e);
}

static int attach_clone(struct enter *e)
{
    AUTO_CLOSE int tree = clone_root(e);
    if (tree < 0)
        return tree;
    int error = set_attributes(e, tree);
    if ((error == -ENOSYS || error == -EPERM) && !e->caller->set_uid)
        e->legacy = true; // 5.2 to 5.11, or a filter: by mount(2), when it is in place
    else if (error < 0)
        return error;
    if (mount_move(tree, AT_FDCWD, ".", MOVE_FROM_EMPTY) != 0)
        return err_at("move_mount", e->plan->root);
    if (fchdir(tree) != 0)
        return err_at("fchdir", e->plan->root);
    e->tree = fd_take(&tree);
    return 0;
}

// Without the new calls a bind needs a path for its target, and ROOT's can't be trusted to be the same
// still. `/` is a path that nobody can change: the clone is laid over it, and `/..` is what lies on top.
static int attach_bind(struct enter *e)
{
    e->legacy = true;
    if (mount(".", "/", NULL, MS_BIND | MS_REC, NULL) != 0)
        return err_at("mount", e->plan->root);
    if (chdir("/..") != 0)
        return err_at("chdir", "/..");
    e->tree = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return e->tree >= 0 ? 0 : err_at("open", e->plan->root);
}

// 1 or 0; -errno, recorded: what could not be compared must not pass for another place, and so for a chroot.
static int is_same_place(int a, int b)
{
    struct stat one, two;
    if (fstat(a, &one) != 0 || fstat(b, &two) != 0)
        return err_at("fstat", "/");
    errno = 0;
    uint64_t id = mount_id(a), other = id != 0 ? mount_id(b) : 0;
    if (other == 0 && errno != ENOSYS) // before 5.8 the kernel can't say
        return err_at("statx", "/");
    return one.st_dev == two.st_dev && one.st_ino == two.st_ino && id == other;
}

// pivot_root(2) exchanges the mount that is the caller's "/". In a chroot on a mount point there are others above
// it, and they would stay above the new root: who can chroot() climbs there. setns(2) to our own mount namespace
// leads to its real root, which must be the same.
static int check_namespace_root(struct enter *e)
{
    AUTO_CLOSE int before = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (before < 0 || here < 0)
        return err_at("open", "/");
    if (self < 0 && proc_fd() >= 0)
        self = openat(proc_fd(), "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return err_at("pidfd_open", NULL);
    if (setns(self, CLONE_NEWNS) != 0) {
        // Nobody who lacks CAP_SYS_CHROOT can climb, and the payload gets nothing that we lack.
        bool harmless = errno == EPERM && (e->held & CAPS_BIT(CAP_SYS_CHROOT)) == 0;
        return harmless ? 0 : err_at("setns", "the own mount namespace");
    }
    AUTO_CLOSE int after = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int error = after < 0 ? err_at("open", "/") : is_same_place(before, after);
    if (error > 0)
        error = 0;
    else if (error == 0)
        error = err_because("check /", NULL, EINVAL, "it is not the root of the caller's mount namespace");
    if (error < 0 && (fchdir(before) != 0 || chroot(".") != 0))
        return err_because("chroot", "/", EIO, "the caller's root can't be put back");
    // Final: the working directory is the caller's "/" now, and no other way in may start from there.
    e->lost = fchdir(here) != 0;
    return e->lost ? err_at("fchdir", e->plan->root) : error;
}

static int check_copy(const struct mountinfo *m, void *context)
{
    (void)context;
    if (m->shared)
        return err_because("attach", m->point, EPERM, "it is shared with the host still");
    return m->unbindable ? err_because("attach", m->point, EPERM, "it is unbindable: not in set-uid mode") : 0;
}

// What is detached below must not be the host's, whatever mount(2) said. And a clone leaves an unbindable mount out, and
// shows what it covers; in a copied mount namespace newer kernels have none.
static int check_mounts(const struct enter *e)
{
    if (!e->caller->set_uid)
        return 0;
    AUTO_CLOSE int mounts = mountinfo_open();
    return mounts < 0 ? mounts : mountinfo_each(mounts, check_copy, NULL);
}

int attach_root(struct enter *e)
{
    int error = check_namespace_root(e);
    if (error < 0)
        return error;
    // Slave, not private: what is unmounted on the host must not be kept busy by us.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return err_at("mount", "MS_SLAVE");
    e->slave = true;
    error = check_mounts(e);
    if (error < 0)
        return error;
    error = attach_clone(e);
    // In set-uid mode no mount is seen for a moment that is neither nosuid nor nodev.
    if (e->tree < 0 && (error == -ENOSYS || error == -EPERM) && !e->caller->set_uid)
        error = attach_bind(e);
    if (error < 0)
        return error;
    if (e->legacy && e->plan->rootfs.propagation != MS_SLAVE && mount_make_private(".") != 0)
        return err_at("mount", "MS_PRIVATE");
    return compare(e);
}

// -- in set-uid mode ---------------------------------------------------------------------------

static int check_options(const struct mountinfo *m, void *context)
{
    const bool *read_only = context;
    bool right = mountinfo_has_option(m->options, "nosuid") && mountinfo_has_option(m->options, "nodev") &&
                 (!*read_only || mountinfo_has_option(m->options, "ro"));
    return right ? 0 : err_because("check mounts", m->point, EPERM, "it is not as this root's mounts are to be");
}

// Calls can seem to succeed by a filter that others have put on the caller; the mounts are what they are.
int attach_verify(struct enter *e)
{
    AUTO_CLOSE int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int mounts = mountinfo_open();
    if (slash < 0)
        return err_at("open", "/");
    if (mounts < 0)
        return mounts;
    int same = is_same_place(slash, e->tree);
    if (same <= 0)
        return same < 0 ? same : err_because("check /", e->plan->root, EPERM, "it is not the root that was to be entered");
    return mountinfo_each(mounts, check_options, &e->plan->read_only);
}
