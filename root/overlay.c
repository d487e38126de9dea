// SPDX-License-Identifier: MIT
//
// --overlay: ROOT is the lower layer and is never changed; the upper one is a tmpfs or a directory of the
// user's. The overlay is laid over the clone of ROOT, and becomes what is pivoted into.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/text.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

// -- the upper layer ---------------------------------------------------------------------------

int overlay_open(struct enter *e)
{
    const struct plan *p = e->plan;
    if (p->overlay != OVERLAY_UPPER)
        return 0;
    e->upper = open(p->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (e->upper < 0)
        return err_at("open", p->upper);
    e->work = open(p->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return e->work >= 0 ? 0 : err_at("open", p->work);
}

// A directory that was opened before the unshare is found again by the path that the kernel knows for it,
// in our namespace, and must be the same.
static int find_again(int *fd, const char *name)
{
    char path[PATH_MAX];
    struct stat before, after;
    int error = proc_fd_path(*fd, path, sizeof(path));
    if (error < 0)
        return error;
    AUTO_CLOSE int again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        return err_at("open", path);
    if (fstat(*fd, &before) != 0 || fstat(again, &after) != 0)
        return err_at("fstat", name);
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
        return err_because("open", name, ESTALE, "another directory is there now");
    close(*fd);
    *fd = fd_take(&again);
    return 0;
}

static int make_layer(int tmpfs, const char *name, const struct stat *like)
{
    // The overlay's root shows the upper directory's owner and mode: they must be ROOT's.
    if (mkdirat(tmpfs, name, 0700) != 0)
        return err_at("mkdir", name);
    // In a user namespace ROOT's owner may not be mapped; then it is whoever the payload's root is.
    if (fchownat(tmpfs, name, like->st_uid, like->st_gid, 0) != 0 && errno != EINVAL && errno != EPERM)
        return err_at("chown", name);
    if (fchmodat(tmpfs, name, like->st_mode & 07777, 0) != 0)
        return err_at("chmod", name);
    int fd = openat(tmpfs, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open", name);
}

// A tmpfs, laid over the clone: overlayfs takes only what is mounted in our namespace.
static int mount_tmpfs(struct enter *e)
{
    struct stat like;
    AUTO_CLOSE int fs = mount_fsopen("tmpfs");
    if (fs < 0)
        return err_at("fsopen", "tmpfs");
    if (mount_fsconfig(fs, CONFIG_STRING, "mode", "0700", 0) != 0 ||
        mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", "tmpfs");
    AUTO_CLOSE int tmpfs = mount_fsmount(fs, 0);
    if (tmpfs < 0)
        return err_at("fsmount", "tmpfs");
    if (mount_move(tmpfs, e->tree, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return err_at("move_mount", "tmpfs");
    if (fstat(e->tree, &like) != 0)
        return err_at("fstat", e->plan->root);
    e->upper = make_layer(tmpfs, "upper", &like);
    if (e->upper < 0)
        return e->upper;
    e->work = make_layer(tmpfs, "work", &like);
    return e->work < 0 ? e->work : 0;
}

// -- the overlay -------------------------------------------------------------------------------

// Layers go in as "self/fd/N", relative to the checked descriptor of /proc: no path, no quoting.
static int set_layer(int fs, const char *key, int fd)
{
    char path[32];
    struct text t = {path, sizeof(path), 0};
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)fd);
    text_end(&t);
    return mount_fsconfig(fs, CONFIG_STRING, key, path, 0) == 0 ? 0 : err_at("fsconfig", key);
}

// Whether trusted.* attributes are out of reach.
static bool in_user_namespace(void)
{
    char map[64];
    if (proc_read("self/uid_map", map, sizeof(map)) < 0)
        return false;
    return strstr(map, "4294967295") == NULL;
}

static int create_overlay(const struct enter *e)
{
    AUTO_CLOSE int fs = mount_fsopen("overlay");
    if (fs < 0)
        return err_at("fsopen", "overlay");
    int error = set_layer(fs, "lowerdir", e->tree);
    if (error == 0)
        error = set_layer(fs, "upperdir", e->upper);
    if (error == 0)
        error = set_layer(fs, "workdir", e->work);
    if (error < 0)
        return error;
    if (in_user_namespace() && mount_fsconfig(fs, CONFIG_FLAG, "userxattr", NULL, 0) != 0)
        return err_at("fsconfig", "userxattr"); // 5.11: before it, no overlay in a user namespace at all
    if (mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", "overlay");
    int overlay = mount_fsmount(fs, 0);
    return overlay >= 0 ? overlay : err_at("fsmount", "overlay");
}

// -- submounts of ROOT -------------------------------------------------------------------------

struct submounts {
    uint64_t parent;  // the clone's mount
    size_t prefix;    // length of ROOT's path
    size_t used;
    char paths[32768]; // relative to ROOT, each ended by a NUL byte
};

static int note_submount(const struct mountinfo *m, void *context)
{
    struct submounts *s = context;
    if (m->parent != s->parent || strlen(m->point) <= s->prefix)
        return 0;
    const char *path = m->point + s->prefix + (m->point[s->prefix] == '/');
    size_t n = strlen(path) + 1;
    if (s->used + n > sizeof(s->paths))
        return err_because("mount", m->point, E2BIG, "too many mounts below the root for an overlay");
    memcpy(s->paths + s->used, path, n);
    s->used += n;
    return 0;
}

// Read-only: what is written there would go to the host, past the overlay.
static int bind_submount(const struct enter *e, int overlay, const char *path)
{
    AUTO_CLOSE int from = path_open_beneath(e->tree, path);
    if (from < 0)
        return from;
    AUTO_CLOSE int clone = mount_open_tree(from, "", TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
    if (clone < 0)
        return err_at("open_tree", path);
    if (mount_setattr_of(clone, true, ATTR_RDONLY, MS_PRIVATE) != 0)
        return err_at("mount_setattr", path);
    AUTO_CLOSE int to = path_open_beneath(overlay, path);
    if (to < 0)
        return to;
    if (mount_move(clone, to, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return err_at("move_mount", path);
    return 0;
}

static int find_submounts(const struct enter *e, struct submounts *s)
{
    static char root[PATH_MAX];
    int error = proc_fd_path(e->tree, root, sizeof(root));
    if (error < 0)
        return error;
    s->parent = mount_id(e->tree);
    if (s->parent == 0)
        return err_at("statx", e->plan->root);
    s->prefix = strcmp(root, "/") == 0 ? 0 : strlen(root);
    AUTO_CLOSE int mounts = mountinfo_open();
    return mounts < 0 ? mounts : mountinfo_each(mounts, note_submount, s);
}

// overlayfs itself does not see it: its lower layer is a clone, another mount.
static int refuse_below_root(const struct enter *e, int layer, const char *name)
{
    static char root[PATH_MAX], path[PATH_MAX];
    int error = proc_fd_path(e->root, root, sizeof(root));
    if (error < 0 || (error = proc_fd_path(layer, path, sizeof(path))) < 0)
        return error;
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0'))
        return err_because("overlay", name, EINVAL, "it lies in the root");
    return 0;
}

int overlay_mount(struct enter *e)
{
    static struct submounts submounts;
    if (e->plan->overlay == OVERLAY_NONE)
        return 0;
    int error = find_submounts(e, &submounts); // while the clone is on top, and its paths are ROOT's
    if (error == 0 && e->plan->overlay == OVERLAY_TMPFS)
        error = mount_tmpfs(e);
    else if (error == 0 && (error = refuse_below_root(e, e->upper, e->plan->upper)) == 0 &&
             (error = refuse_below_root(e, e->work, e->plan->work)) == 0 &&
             (error = find_again(&e->upper, e->plan->upper)) == 0)
        error = find_again(&e->work, e->plan->work);
    if (error < 0)
        return error;
    if (fchdir(proc_fd()) != 0)
        return err_at("fchdir", "/proc");
    AUTO_CLOSE int overlay = create_overlay(e);
    if (overlay < 0)
        return overlay;
    if (mount_move(overlay, e->tree, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return err_at("move_mount", "overlay");
    for (size_t at = 0; at < submounts.used; at += strlen(submounts.paths + at) + 1) {
        error = bind_submount(e, overlay, submounts.paths + at);
        if (error < 0)
            return error;
    }
    if (fchdir(overlay) != 0)
        return err_at("fchdir", "overlay");
    close(e->tree);
    e->tree = fd_take(&overlay);
    fd_auto_close(&e->upper);
    fd_auto_close(&e->work);
    return 0;
}
