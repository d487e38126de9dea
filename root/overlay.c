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
#include "root/layer.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"

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

static int open_layers(struct enter *e, struct layer_upper *u)
{
    const struct plan *p = e->plan;
    if (p->overlay == OVERLAY_TMPFS)
        return layer_tmpfs(e->tree, p->root, u);
    int error = refuse_below_root(e, e->upper, p->upper);
    if (error == 0 && (error = refuse_below_root(e, e->work, p->work)) == 0 &&
        (error = find_again(&e->upper, p->upper)) == 0)
        error = find_again(&e->work, p->work);
    *u = (struct layer_upper){fd_take(&e->upper), fd_take(&e->work)};
    return error;
}

int overlay_mount(struct enter *e)
{
    struct layer_upper u = {-1, -1};
    if (e->plan->overlay == OVERLAY_NONE)
        return 0;
    int error = open_layers(e, &u);
    AUTO_CLOSE int overlay = error < 0 ? error : layer_cover(e->tree, e->plan->root, &u, LAYER_READ_ONLY);
    fd_auto_close(&u.upper);
    fd_auto_close(&u.work);
    if (overlay < 0)
        return overlay;
    if (fchdir(overlay) != 0)
        return err_at("fchdir", "overlay");
    close(e->tree);
    e->tree = fd_take(&overlay);
    e->layered = true;
    return 0;
}
