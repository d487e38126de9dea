// SPDX-License-Identifier: MIT
//
// What the payload sees and must not change, and what it must not see. Last of all mounts, so that nothing comes
// on top; read-only paths first, so that what they take along is masked too.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"

enum { MASK_FLAGS = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC };

// -ENOENT, with nothing recorded: what is not there needs no hiding. Only of the path itself: it was taken for that
// when the thing to hide it with was missing (CVE-2025-31133).
static int open_hidden(const struct enter *e, const char *path)
{
    int fd = rootfs_open(e, path);
    if (fd == -ELOOP)
        return err_because("open", path, ELOOP, "too many links, or one of a procfs that leads out of the root");
    return fd >= 0 || fd == -ENOENT ? fd : err_no("open", path, -fd);
}

int hide_read_only(struct enter *e, const char *path)
{
    // Flags are added, none is taken away: what is nosuid, nodev or noexec there stays that.
    static const struct rootfs_how how = {
        .set_all = ATTR_RDONLY, .propagation = MS_PRIVATE, .propagation_all = true, .recursive = true};
    AUTO_CLOSE int place = open_hidden(e, path);
    if (place < 0)
        return place == -ENOENT ? 0 : place;
    int root = rootfs_is_root(e, place, path);
    if (root != 0)
        return root < 0 ? root : rootfs_set(e, e->tree, &how, path);
    AUTO_CLOSE int mount = rootfs_bind(e, place, place, &how, path);
    return mount < 0 ? mount : 0;
}

// -- masks -------------------------------------------------------------------------------------

struct masks {
    int null;  // the host's /dev/null; -1: no file was masked yet
    int empty; // the root of a read-only tmpfs; -1: no directory was masked yet
};

static bool is_same(int fd, const struct stat *st)
{
    struct stat other;
    return fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

// Each directory's mask is the same file system: a mount each is enough, and cheap (runc issue 4864).
static int mask_directory(struct enter *e, struct masks *m, int place, const char *path)
{
    static const struct rootfs_how how = {.set = MASK_FLAGS, .propagation = MS_PRIVATE};
    if (m->empty >= 0) {
        AUTO_CLOSE int mount = rootfs_bind(e, m->empty, place, &how, path);
        return mount < 0 ? mount : 0;
    }
    m->empty = rootfs_mount(e, "tmpfs", "tmpfs", "mode=755,nr_blocks=1,nr_inodes=1", &how, place, path);
    if (m->empty == -EINVAL) // Ubuntu's 5.4 wants one more
        m->empty = rootfs_mount(e, "tmpfs", "tmpfs", "mode=755,nr_blocks=1,nr_inodes=2", &how, place, path);
    return m->empty < 0 ? m->empty : 0;
}

static int mask_file(struct enter *e, struct masks *m, int place, const char *path)
{
    static const struct rootfs_how how = {.set = ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC, .propagation = MS_PRIVATE};
    if (m->null < 0)
        m->null = rootfs_host_device("/dev/null", S_IFCHR, 1, 3);
    AUTO_CLOSE int mount = m->null < 0 ? m->null : rootfs_bind(e, m->null, place, &how, path);
    return mount < 0 ? mount : 0;
}

static int mask(struct enter *e, struct masks *m, const char *path)
{
    struct stat st;
    AUTO_CLOSE int place = open_hidden(e, path);
    if (place < 0)
        return place == -ENOENT ? 0 : place;
    int root = rootfs_is_root(e, place, path);
    if (root != 0)
        return root < 0 ? root : err_because("mask", path, EINVAL, "it is the root itself");
    if (fstat(place, &st) != 0)
        return err_at("fstat", path);
    if (is_same(m->empty, &st) || is_same(m->null, &st)) // named twice, by whatever name
        return 0;
    return S_ISDIR(st.st_mode) ? mask_directory(e, m, place, path) : mask_file(e, m, place, path);
}

int hide_masks(struct enter *e)
{
    const struct plan_rootfs *r = &e->plan->rootfs;
    struct masks m = {-1, -1};
    int error = 0;
    for (unsigned i = 0; i < r->mask_count && error == 0; i++)
        error = mask(e, &m, r->mask[i]);
    fd_auto_close(&m.null);
    fd_auto_close(&m.empty);
    return error;
}

int rootfs_hide(struct enter *e)
{
    const struct plan_rootfs *r = &e->plan->rootfs;
    for (unsigned i = 0; i < r->read_only_count; i++) {
        int error = hide_read_only(e, r->read_only[i]);
        if (error < 0)
            return error;
    }
    int error = hide_masks(e);
    // By mount(2) it is another one now.
    return error < 0 || fchdir(e->tree) == 0 ? error : err_at("fchdir", e->plan->root);
}
