// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"

static int change_root(struct enter *e)
{
    if (chroot(".") != 0)
        return err_at("chroot", e->plan->root);
    if (chdir("/") != 0)
        return err_at("chdir", "/");
    return 0;
}

int chroot_into(struct enter *e)
{
    // What was tried before may have left another working directory.
    if (fchdir(e->tree >= 0 ? e->tree : e->root) != 0)
        return err_at("fchdir", e->plan->root);
    return change_root(e);
}

// Hides a procfs or sysfs outside ROOT, as engines do: in a user namespace the kernel lets a new one be
// mounted only while a fully visible one is in the mount namespace.
static int hide_mount(const struct mountinfo *m, void *context)
{
    const char *root = context; // what lies below ROOT moves along with it
    size_t n = strlen(root);
    if ((strcmp(m->type, "proc") != 0 && strcmp(m->type, "sysfs") != 0) || strcmp(m->point, "/") == 0 ||
        (strncmp(m->point, root, n) == 0 && (m->point[n] == '/' || m->point[n] == '\0')))
        return 0;
    AUTO_CLOSE int fd = open(m->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return 0; // out of reach
    uint64_t id = mount_id(fd);
    if (id == 0)
        return err_at("statx", m->point);
    if (id != m->id || umount2(m->point, MNT_DETACH) == 0)
        return 0; // covered by another mount already, or gone
    int error = err_at("umount2", m->point);
    err_hint("it is locked in this user namespace, and --enter=move would leave it in force: --enter=pivot");
    return error;
}

int move_into(struct enter *e)
{
    AUTO_CLOSE int mounts = mountinfo_open();
    if (mounts < 0)
        return mounts;
    static char root[PATH_MAX];
    int error = proc_fd_path(e->tree, root, sizeof(root));
    if (error < 0)
        return error;
    error = mountinfo_each(mounts, hide_mount, root);
    if (error < 0)
        return error;
    if (fchdir(e->tree) != 0)
        return err_at("fchdir", e->plan->root);
    // Laid over it by mount(2), or of ROOT `/`, it lies there already, and nothing moves onto itself (ELOOP).
    if (strcmp(root, "/") != 0 && mount(".", "/", NULL, MS_MOVE, NULL) != 0)
        return err_at("mount", "MS_MOVE");
    return change_root(e);
}
