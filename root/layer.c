// SPDX-License-Identifier: MIT
#include "root/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

// overlayfs takes only what is mounted in our namespace.
int layer_tmpfs(int at, const char *name, struct layer_upper *u)
{
    struct stat like;
    if (fstat(at, &like) != 0)
        return err_at("fstat", name);
    AUTO_CLOSE int fs = mount_fsopen("tmpfs");
    if (fs < 0)
        return err_at("fsopen", "tmpfs");
    if (mount_fsconfig(fs, CONFIG_STRING, "mode", "0700", 0) != 0 ||
        mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", "tmpfs");
    AUTO_CLOSE int tmpfs = mount_fsmount(fs, 0);
    if (tmpfs < 0)
        return err_at("fsmount", "tmpfs");
    if (mount_move(tmpfs, at, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return err_at("move_mount", "tmpfs");
    u->upper = make_layer(tmpfs, "upper", &like);
    u->work = u->upper < 0 ? u->upper : make_layer(tmpfs, "work", &like);
    return u->work < 0 ? u->work : 0;
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

// What is forbidden below is forbidden on the layer too.
static int create(int lower, const char *name, const struct layer_upper *u)
{
    uint64_t attributes;
    if (mount_attributes_of(lower, &attributes) != 0)
        return err_at("statfs", name);
    if (fchdir(proc_fd()) != 0)
        return err_at("fchdir", "/proc");
    AUTO_CLOSE int fs = mount_fsopen("overlay");
    if (fs < 0)
        return err_at("fsopen", "overlay");
    int error = set_layer(fs, "lowerdir", lower);
    if (error == 0)
        error = set_layer(fs, "upperdir", u->upper);
    if (error == 0)
        error = set_layer(fs, "workdir", u->work);
    if (error < 0)
        return error;
    if (in_user_namespace() && mount_fsconfig(fs, CONFIG_FLAG, "userxattr", NULL, 0) != 0)
        return err_at("fsconfig", "userxattr"); // 5.11: before it, no overlay in a user namespace at all
    if (mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0) {
        error = err_at("fsconfig", name);
        if (error == -EINVAL && in_user_namespace())
            err_hint("in a user namespace no overlay can be laid over a directory with mounts of others below it");
        return error;
    }
    int overlay = mount_fsmount(fs, (unsigned)attributes & ~(unsigned)ATTR_RDONLY);
    return overlay >= 0 ? overlay : err_at("fsmount", "overlay");
}

// -- what is mounted below ---------------------------------------------------------------------

struct submounts {
    uint64_t parent;  // the mount that is covered
    const char *path; // the place's own
    size_t prefix;    // its length; 0 of "/"
    size_t used;
    char paths[32768]; // relative to the place, each ended by a NUL byte
};

static int note_submount(const struct mountinfo *m, void *context)
{
    struct submounts *s = context;
    if (m->parent != s->parent || strncmp(m->point, s->path, s->prefix) != 0 || m->point[s->prefix] != '/' ||
        m->point[s->prefix + 1] == '\0')
        return 0;
    const char *path = m->point + s->prefix + 1;
    size_t n = strlen(path) + 1;
    if (s->used + n > sizeof(s->paths))
        return err_because("mount", m->point, E2BIG, "too many mounts below the root for an overlay");
    memcpy(s->paths + s->used, path, n);
    s->used += n;
    return 0;
}

static int find_submounts(int at, const char *name, struct submounts *s)
{
    static char path[PATH_MAX];
    int error = proc_fd_path(at, path, sizeof(path));
    if (error < 0)
        return error;
    s->used = 0;
    s->parent = mount_id(at);
    if (s->parent == 0)
        return err_at("statx", name);
    s->path = path;
    s->prefix = strcmp(path, "/") == 0 ? 0 : strlen(path);
    AUTO_CLOSE int mounts = mountinfo_open();
    return mounts < 0 ? mounts : mountinfo_each(mounts, note_submount, s);
}

static int bind_submount(int lower, int overlay, const char *path, enum layer_mounts mounts)
{
    AUTO_CLOSE int from = path_open_beneath(lower, path);
    if (from < 0)
        return from;
    AUTO_CLOSE int clone = mount_open_tree(from, "", TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
    if (clone < 0)
        return err_at("open_tree", path);
    if (mounts == LAYER_READ_ONLY && mount_setattr_of(clone, true, ATTR_RDONLY, MS_PRIVATE) != 0)
        return err_at("mount_setattr", path);
    AUTO_CLOSE int to = path_open_beneath(overlay, path);
    if (to < 0)
        return to;
    return mount_move(clone, to, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) == 0 ? 0 : err_at("move_mount", path);
}

int layer_cover(int at, const char *name, const struct layer_upper *u, enum layer_mounts mounts)
{
    static struct submounts below;
    int error = find_submounts(at, name, &below);
    if (error < 0)
        return error;
    AUTO_CLOSE int overlay = create(at, name, u);
    if (overlay < 0)
        return overlay;
    if (mount_move(overlay, at, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return err_at("move_mount", "overlay");
    for (size_t i = 0; i < below.used; i += strlen(below.paths + i) + 1) {
        error = bind_submount(at, overlay, below.paths + i, mounts);
        if (error < 0)
            return error;
    }
    return fd_take(&overlay);
}

int layer_cover_by_tmpfs(int at, const char *name, enum layer_mounts mounts)
{
    struct layer_upper u = {-1, -1};
    int error = layer_tmpfs(at, name, &u);
    int overlay = error < 0 ? error : layer_cover(at, name, &u, mounts);
    fd_auto_close(&u.upper);
    fd_auto_close(&u.work);
    return overlay;
}
