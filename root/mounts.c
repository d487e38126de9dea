// SPDX-License-Identifier: MIT
//
// The mounts of the plan, in its order: each place is found when its turn comes, for what was mounted before may
// have changed what a path means.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan/mountspec.h"
#include "root/layer.h"
#include "root/procguard.h"
#include "root/rootfs.h"
#include "root/sources.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"
#include "sys/text.h"

const char *const plan_mount_types[] = {"bind",   "tmpfs",  "proc",    "sysfs",   "devpts",
                                        "mqueue", "cgroup", "cgroup2", "overlay", "devtmpfs", NULL};

// -- binds -------------------------------------------------------------------------------------

// overlayfs can't be laid over a file. A copy of it in a tmpfs is bound instead; the tmpfs is visible nowhere.
static int bind_copy(struct enter *e, const struct plan_mount *m, int source, int target)
{
    static const struct rootfs_how own = {0};
    struct rootfs_how how = source_how(e->plan, m);
    uint64_t attributes;
    if (mount_attributes_of(source, &attributes) != 0)
        return err_at("statfs", m->source);
    // What is forbidden on the source is so on the copy; but that is written to.
    how.set |= m->set_all | (attributes & ~(ATTR_RDONLY | m->clear | m->clear_all));
    how.clear |= ATTR_ATIME;
    how.set_all = 0;
    how.recursive = false;
    AUTO_CLOSE int tmpfs = rootfs_mount(e, "tmpfs", NULL, "mode=0700", &own, e->tree, "/");
    if (tmpfs < 0)
        return tmpfs;
    int error = copy_file(source, tmpfs, "file");
    AUTO_CLOSE int copy = error < 0 ? error : path_open_beneath(tmpfs, "file");
    AUTO_CLOSE int mount = copy < 0 ? copy : rootfs_bind(e, copy, target, &how, m->target);
    if (mount < 0)
        return mount;
    if (fchdir(tmpfs) != 0 || umount2(".", MNT_DETACH) != 0)
        return err_at("umount2", m->target);
    return 0;
}

static int attach_source(struct enter *e, const struct plan_mount *m, int source, bool detached, bool inside, int target)
{
    if (m->overlay && !mount_has_new_calls())
        return err_because("overlay", m->target, ENOSYS, "of a directory it takes the newer mount calls (Linux 5.12)");
    struct rootfs_how how = source_how(e->plan, m);
    int mount = detached ? rootfs_attach(e, source, target, m->target) : rootfs_bind(e, source, target, &how, m->target);
    AUTO_CLOSE int bound = detached ? -1 : mount;
    if (mount >= 0 && inside) {
        bool writable = (how.clear & ATTR_RDONLY) != 0, all = (how.clear_all & ATTR_RDONLY) != 0;
        int error = all ? 0 : rootfs_follow_read_only(e, source, bound, !writable, how.recursive);
        if (error < 0)
            return error;
    }
    if (mount < 0 || !m->overlay)
        return mount < 0 ? mount : 0;
    AUTO_CLOSE int layer = layer_cover_by_tmpfs(detached ? source : bound, m->target, LAYER_READ_ONLY);
    how = (struct rootfs_how){.propagation = m->propagation};
    return layer < 0 ? layer : rootfs_set(e, layer, &how, m->target);
}

static int bind(struct enter *e, unsigned i)
{
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    bool detached, plain;
    struct stat st = {0};
    AUTO_CLOSE int source = source_take(e, i, &detached);
    if (source < 0)
        return source;
    AUTO_CLOSE int target = rootfs_find(e, m->target, &plain);
    if ((target < 0 || m->overlay) && fstat(source, &st) != 0)
        return err_at("fstat", m->source);
    if (target == -ENOENT)
        target = rootfs_make(e, m->target, S_ISDIR(st.st_mode));
    else if (target < 0)
        return err_no("open", m->target, -target);
    int error = target < 0 ? target : procguard_check(e, m, target, plain, source);
    if (error < 0)
        return error;
    bool inside = e->sources[i].kind == SOURCE_INSIDE;
    return m->overlay && !S_ISDIR(st.st_mode) ? bind_copy(e, m, source, target)
                                              : attach_source(e, m, source, detached, inside, target);
}

// -- new file systems --------------------------------------------------------------------------

static bool has_mode(const char *data)
{
    for (const char *word = data; word != NULL; word = strchr(word, ',')) {
        word += *word == ',';
        if (strncmp(word, "mode=", 5) == 0)
            return true;
    }
    return false;
}

// What mount(2) takes as flags comes first (root/legacy.c). A tmpfs over a directory looks like it (runc issue 2683);
// in one that was made for it, as the kernel makes it: 1777.
static int compose(const struct plan_mount *m, const struct stat *covered, char *data, size_t size)
{
    struct text t = {data, size, 0};
    const char *const flags[] = {m->synchronous ? "sync," : "", m->dirsync ? "dirsync," : "",
                                 m->lazytime ? "lazytime," : "", m->mandatory ? "mand," : ""};
    for (int i = 0; i < 4; i++)
        text_add(&t, flags[i]);
    if (m->type == MOUNT_TMPFS && covered != NULL && !has_mode(m->data)) {
        unsigned mode = covered->st_mode & 07777;
        const char digits[] = {(char)('0' + (mode >> 9)), (char)('0' + (mode >> 6 & 7)), (char)('0' + (mode >> 3 & 7)),
                               (char)('0' + (mode & 7)), '\0'};
        text_add(&t, "mode=");
        text_add(&t, digits);
        text_add(&t, ",");
    }
    text_add(&t, m->data != NULL ? m->data : "");
    if (!text_end(&t))
        return err_because("mount", m->target, E2BIG, "its options are longer than 32 KiB");
    if (t.length > 0 && data[t.length - 1] == ',')
        data[t.length - 1] = '\0';
    return 0;
}

static int open_place(struct enter *e, const struct plan_mount *m, struct stat *covered, bool *existed, bool *plain)
{
    // A procfs or sysfs goes to a real directory and nowhere else: CVE-2019-19921, CVE-2023-27561.
    bool real = m->type == MOUNT_PROC || m->type == MOUNT_SYSFS;
    int fd = real ? path_open_directory(e->tree, m->target + strspn(m->target, "/"), true)
                  : rootfs_find(e, m->target, plain);
    *plain |= real;
    if (fd == -ELOOP || fd == -ENOTDIR)
        return err_because("mount", m->target, -fd, real ? "it must be mounted on an ordinary directory" : NULL);
    if (fd < 0 && fd != -ENOENT)
        return err_no("open", m->target, -fd);
    *existed = fd >= 0;
    if (fd < 0)
        fd = rootfs_make(e, m->target, true);
    if (fd >= 0 && fstat(fd, covered) != 0)
        return err_at("fstat", m->target);
    return fd;
}

static int mount_new(struct enter *e, const struct plan_mount *m, int target, const struct stat *covered)
{
    static char data[32 * 1024];
    const char *type = plan_mount_types[m->type];
    struct rootfs_how how = {.set = m->set,
                             .set_all = m->set_all,
                             .propagation = m->propagation == MS_PRIVATE ? 0 : m->propagation};
    bool later = m->type == MOUNT_TMPFS && ((how.set | how.set_all) & ATTR_RDONLY) != 0;
    int error = compose(m, covered, data, sizeof(data));
    if (error < 0)
        return error;
    if (later) { // other mounts may go into it
        how.set &= ~(uint64_t)ATTR_RDONLY;
        how.set_all &= ~(uint64_t)ATTR_RDONLY;
    }
    AUTO_CLOSE int below = m->copy_up ? openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (m->copy_up && below < 0)
        return err_at("open", m->target);
    AUTO_CLOSE int mount = rootfs_mount(e, type, m->source, data, &how, target, m->target);
    if (mount < 0)
        return mount;
    error = m->copy_up ? copy_directory(below, mount, m->target) : 0;
    return error == 0 && later ? rootfs_set_read_only_later(e, fd_take(&mount)) : error;
}

// In a user namespace a sysfs takes a network namespace of its own, and the engines bind the host's then.
static int bind_sysfs(struct enter *e, const struct plan_mount *m, int target)
{
    struct rootfs_how how = {.set_all = m->set | ATTR_RDONLY,
                             .propagation = MS_PRIVATE,
                             .propagation_all = true,
                             .recursive = true};
    AUTO_CLOSE int sys = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sys < 0)
        return err_at("open", "/sys");
    AUTO_CLOSE int mount = rootfs_bind(e, sys, target, &how, m->target);
    return mount < 0 ? mount : 0;
}

// Terminals then have the group of who opens them, as in any user namespace without the group tty.
static int mount_without_group(struct enter *e, const struct plan_mount *m, int target, const struct stat *covered)
{
    struct plan_mount other = *m;
    char *data = strndup(m->data, (size_t)(strstr(m->data, ",gid=") - m->data));
    if (data == NULL)
        return err_at("strndup", m->target);
    other.data = data;
    int error = mount_new(e, &other, target, covered);
    free(data);
    return error;
}

static int place(struct enter *e, const struct plan_mount *m)
{
    struct stat covered;
    bool existed = false, plain = false;
    AUTO_CLOSE int target = open_place(e, m, &covered, &existed, &plain);
    if (target < 0)
        return target;
    int error = procguard_check(e, m, target, plain, -1);
    if (error < 0)
        return error;
    if (m->type == MOUNT_DEVTMPFS)
        return dev_mount(e, m, target);
    if (m->type == MOUNT_CGROUP || m->type == MOUNT_CGROUP2)
        return cgroup_mount(e, m, target);
    error = mount_new(e, m, target, existed ? &covered : NULL);
    if (error == -EPERM && m->type == MOUNT_SYSFS && m->by_default) {
        err_forget();
        return bind_sysfs(e, m, target);
    }
    if (error == -EINVAL && m->type == MOUNT_DEVPTS && m->by_default && strstr(m->data, ",gid=") != NULL) {
        err_forget();
        return mount_without_group(e, m, target, existed ? &covered : NULL);
    }
    if (error == -EPERM && m->type == MOUNT_SYSFS)
        err_hint("in a user namespace a sysfs takes a network namespace of its own (--unshare=net), or bind the host's");
    if (error == -EPERM && m->type == MOUNT_PROC)
        err_hint("in a user namespace a procfs takes a pid namespace of its own (--unshare=pid)");
    if (error == -EPERM && m->type == MOUNT_MQUEUE)
        err_hint("in a user namespace an mqueue takes an ipc namespace of its own (--unshare=ipc)");
    return error;
}

static int change_mount(struct enter *e, const struct plan_mount *m)
{
    struct rootfs_how how = source_how(e->plan, m);
    how.recursive = true;
    how.propagation = m->propagation;
    AUTO_CLOSE int fd = rootfs_open(e, m->target);
    if (fd < 0)
        return err_no("open", m->target, -fd);
    int root = rootfs_is_root(e, fd, m->target); // a link of the image's can lead there
    if (root != 0)
        return root < 0 ? root : err_because("remount", m->target, EBUSY, "it is the root itself: --ro says what that is");
    int error = rootfs_set(e, fd, &how, m->target);
    return error == -EINVAL ? err_because("remount", m->target, EINVAL, "nothing is mounted there") : error;
}

// -- /tmp --------------------------------------------------------------------------------------

// 1 if there is nothing in it, 0 if there is, -errno.
static int is_empty(int directory)
{
    char entries[1024];
    AUTO_CLOSE int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        long n = syscall(SYS_getdents64, fd, entries, sizeof(entries));
        if (n <= 0)
            return n < 0 ? -errno : 1;
        for (long at = 0; at < n;) {
            struct dirent *d = (struct dirent *)(entries + at);
            if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                return 0;
            at += d->d_reclen;
        }
    }
}

// A tmpfs where ROOT has nothing to show there, after all other mounts: one of them may lie in it.
static int mount_tmp(struct enter *e)
{
    static const struct plan_mount tmp = {.type = MOUNT_TMPFS, .target = "/tmp", .fd = -1, .data = "mode=1777",
                                          .set = ATTR_NOSUID | ATTR_NODEV};
    const struct plan_rootfs *r = &e->plan->rootfs;
    char clean[PATH_MAX];
    for (unsigned i = 0; i < r->mount_count; i++) {
        if (plan_clean_path(r->mount[i].target, clean, sizeof(clean)) && strcmp(clean, "/tmp") == 0)
            return 0;
    }
    AUTO_CLOSE int fd = rootfs_open(e, "/tmp");
    int empty = fd == -ENOENT ? 1 : fd < 0 ? fd : is_empty(fd);
    if (empty == 0 || empty == -ENOTDIR)
        return 0;
    return empty < 0 ? err_no("open", "/tmp", -empty) : place(e, &tmp);
}

// -- all of it ---------------------------------------------------------------------------------

static int make_workdir(struct enter *e)
{
    const char *dir = e->plan->workdir;
    if (!e->plan->rootfs.make_workdir || dir == NULL)
        return 0;
    if (e->tree >= 0) {
        AUTO_CLOSE int made = rootfs_make(e, dir, true);
        return made < 0 ? made : 0;
    }
    // A root that is entered by chroot, or joined as it is: nothing is laid over that.
    AUTO_CLOSE int fd = path_make(e->root, dir, true, NULL);
    return fd < 0 ? err_no("mkdir", dir, -fd) : 0;
}

int rootfs_mount_all(struct enter *e)
{
    const struct plan_rootfs *r = &e->plan->rootfs;
    int error = 0;
    for (unsigned i = 0; i < r->mount_count && error == 0; i++) {
        const struct plan_mount *m = &r->mount[i];
        error = m->remount ? change_mount(e, m) : m->type == MOUNT_BIND ? bind(e, i) : place(e, m);
    }
    // A node of the plan's own comes first, and stays: it may have another mode.
    for (unsigned i = 0; i < r->device_count && error == 0; i++)
        error = dev_make(e, &r->device[i]);
    if (error == 0 && r->config_dev)
        error = dev_populate(e);
    if (error == 0 && r->default_mounts)
        error = mount_tmp(e);
    if (error == 0)
        error = make_workdir(e);
    if (error == 0 && e->tree >= 0 && fchdir(e->tree) != 0)
        error = err_at("fchdir", e->plan->root);
    return error;
}

int rootfs_set_propagation(struct enter *e)
{
    const struct plan_rootfs *r = &e->plan->rootfs;
    unsigned long flags = (unsigned long)r->propagation | (r->propagation_all ? MS_REC : 0);
    return mount(NULL, "/", NULL, flags, NULL) == 0 ? 0 : err_at("mount", "rootfsPropagation");
}
