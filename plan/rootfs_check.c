// SPDX-License-Identifier: MIT
#include "plan/rootfs_check.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "plan/mountspec.h"
#include "sys/err.h"
#include "sys/mount.h"

const char *plan_rootfs_needs_mounts(const struct plan *p)
{
    const struct plan_rootfs *r = &p->rootfs;
    return r->mount_count > 0       ? "--mount"
           : r->default_mounts      ? "--default-mounts"
           : r->device_count > 0    ? "--device"
           : r->mask_count > 0      ? "--mask"
           : r->read_only_count > 0 ? "--ro-path"
           : r->config_dev          ? "linux.devices"
           : r->propagation != 0    ? "linux.rootfsPropagation"
           : r->hook_count > 0      ? "hooks"
                                    : NULL;
}

// -- --mount-fds -------------------------------------------------------------------------------

// The root first, if it is named `fd`, then each bind of source `fd`, in their order.
static int hand_out_fds(struct plan *p)
{
    struct plan_rootfs *r = &p->rootfs;
    unsigned wanted = 0;
    if (r->mount_fds == NULL)
        return 0;
    if (p->root != NULL && strcmp(p->root, "fd") == 0 && p->root_fd < 0 && wanted++ < r->mount_fd_count)
        p->root_fd = r->mount_fds[0];
    for (unsigned i = 0; i < r->mount_count; i++) {
        struct plan_mount *m = &r->mount[i];
        bool takes = m->type == MOUNT_BIND && !m->remount && m->fd < 0 && m->source != NULL && strcmp(m->source, "fd") == 0;
        if (takes && wanted++ < r->mount_fd_count)
            m->fd = r->mount_fds[wanted - 1];
    }
    if (wanted > r->mount_fd_count)
        return plan_usage("--mount-fds", NULL, "fewer descriptors than the root and the binds named `fd` take");
    if (wanted < r->mount_fd_count)
        return plan_usage("--mount-fds", NULL, "more descriptors than the root and the binds named `fd` take");
    return 0;
}

// -- defaults ----------------------------------------------------------------------------------

// `path` is `top`, or below it; both are clean.
static bool is_within(const char *path, const char *top)
{
    size_t n = strlen(top);
    return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

// Something of the plan's own is mounted there, or above it, where the default would be hidden.
static bool is_given(const struct plan_rootfs *r, const char *target)
{
    char clean[PATH_MAX];
    for (unsigned i = 0; i < r->mount_count; i++) {
        const struct plan_mount *m = &r->mount[i];
        if (!m->remount && plan_clean_path(m->target, clean, sizeof(clean)) && is_within(target, clean))
            return true;
    }
    return false;
}

#define DEVPTS_DATA "newinstance,ptmxmode=0666,mode=0620"
#define DEVPTS_GROUP ",gid=5" // tty, as everywhere

// The engines' mounts; a word is in the set where the plan has what it needs.
static const struct default_mount {
    struct plan_mount mount;
    int needs; // CLONE_NEW…: its own namespace of that type
} defaults[] = {
    {{.type = MOUNT_PROC, .target = "/proc", .fd = -1, .set = ATTR_NOSUID | ATTR_NOEXEC | ATTR_NODEV}, 0},
    {{.type = MOUNT_SYSFS,
      .target = "/sys",
      .fd = -1,
      .set = ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC | ATTR_NODEV,
      .by_default = true},
     0},
    {{.type = MOUNT_DEVTMPFS, .target = "/dev", .fd = -1, .set = ATTR_NOSUID}, 0},
    {{.type = MOUNT_DEVPTS,
      .target = "/dev/pts",
      .fd = -1,
      .set = ATTR_NOSUID | ATTR_NOEXEC,
      .data = DEVPTS_DATA DEVPTS_GROUP,
      .by_default = true},
     0},
    {{.type = MOUNT_TMPFS,
      .target = "/dev/shm",
      .fd = -1,
      .set = ATTR_NOSUID | ATTR_NOEXEC | ATTR_NODEV,
      .data = "mode=1777,size=65536k"},
     0},
    {{.type = MOUNT_MQUEUE, .target = "/dev/mqueue", .fd = -1, .set = ATTR_NOSUID | ATTR_NOEXEC | ATTR_NODEV},
     CLONE_NEWIPC},
};

// Before all others, so that these can lie in them; a given one stands in place of the default (S1-10 skips it).
static int add_defaults(struct plan *p)
{
    struct plan_rootfs *r = &p->rootfs;
    const unsigned most = sizeof(defaults) / sizeof(defaults[0]);
    unsigned count = 0;
    if (!r->default_mounts)
        return 0;
    struct plan_mount *all = calloc(r->mount_count + most, sizeof(*all));
    if (all == NULL)
        return err_at("malloc", "--default-mounts");
    // What the maps of a namespace hold that is not ours to make is seen in there.
    bool tty = !p->userns || (!p->map_auto && plan_maps_inner(&p->groups_map, 5));
    for (unsigned i = 0; i < most; i++) {
        const struct default_mount *d = &defaults[i];
        if (is_given(r, d->mount.target) || (d->needs & ~(p->unshare | p->join_flags)) != 0)
            continue;
        all[count] = d->mount;
        const char *data = d->mount.type == MOUNT_DEVPTS && !tty ? DEVPTS_DATA : d->mount.data;
        if (data != NULL && (all[count].data = strdup(data)) == NULL) {
            int error = err_at("malloc", "--default-mounts");
            free(all);
            return error;
        }
        count++;
    }
    if (r->mount_count > 0)
        memcpy(all + count, r->mount, r->mount_count * sizeof(*all));
    free(r->mount);
    r->mount = all;
    r->mount_count += count;
    r->mount_room = r->mount_count;
    return 0;
}

// An option overrides what a config says.
static void drop_first(const char **list, unsigned *count, unsigned first)
{
    if (first > 0)
        memmove(list, list + first, (*count - first) * sizeof(*list));
    *count -= first;
}

static void drop_configs(struct plan_rootfs *r)
{
    if (r->mask_none)
        drop_first(r->mask, &r->mask_count, r->config_mask_count);
    if (r->read_only_none)
        drop_first(r->read_only, &r->read_only_count, r->config_read_only_count);
    r->config_mask_count = r->config_read_only_count = 0;
}

// What of a new procfs the engines hide, and protect.
static const char *const masked[] = {
    "/proc/acpi",       "/proc/asound",     "/proc/kcore",       "/proc/keys",     "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",    "/sys/firmware",
    "/sys/devices/virtual/powercap", NULL,
};
static const char *const protected[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static bool is_listed(const char *const *list, unsigned count, const char *path)
{
    char clean[PATH_MAX];
    for (unsigned i = 0; i < count; i++) {
        if (plan_clean_path(list[i], clean, sizeof(clean)) && strcmp(clean, path) == 0)
            return true;
    }
    return false;
}

// With no config a procfs of /proc comes as the engines give it: root in it could write to the host's settings.
static int guard_procfs(struct plan *p)
{
    struct plan_rootfs *r = &p->rootfs;
    bool any = false;
    char clean[PATH_MAX];
    for (unsigned i = 0; i < r->mount_count && p->config == NULL; i++)
        any |= r->mount[i].type == MOUNT_PROC &&
               plan_clean_path(r->mount[i].target, clean, sizeof(clean)) && strcmp(clean, "/proc") == 0;
    for (int i = 0; any && !r->mask_none && masked[i] != NULL; i++) {
        if (!is_listed(r->mask, r->mask_count, masked[i]) &&
            !plan_add_path(&r->mask, &r->mask_count, &r->mask_room, masked[i], "--mask"))
            return -EINVAL;
    }
    for (int i = 0; any && !r->read_only_none && protected[i] != NULL; i++) {
        if (!is_listed(r->read_only, r->read_only_count, protected[i]) &&
            !plan_add_path(&r->read_only, &r->read_only_count, &r->read_only_room, protected[i], "--ro-path"))
            return -EINVAL;
    }
    return 0;
}

// -- checks ------------------------------------------------------------------------------------

// A node's numbers are read where the helper is by then.
static int check_devices(const struct plan *p)
{
    for (unsigned i = 0; i < p->rootfs.device_count && (p->join_flags & CLONE_NEWNS) != 0; i++) {
        if (p->rootfs.device[i].source != NULL)
            return plan_usage("--device", p->rootfs.device[i].source, "not with --join=mnt: it would be that namespace's");
    }
    return 0;
}

static int check_idmap(const struct plan *p)
{
    for (unsigned i = 0; i < p->rootfs.mount_count; i++) {
        const struct plan_mount *m = &p->rootfs.mount[i];
        if (m->idmap && m->users == NULL && !p->userns)
            return plan_usage("--mount", m->target, "idmap without maps of its own takes those of a user namespace");
    }
    return 0;
}

int plan_check_rootfs(struct plan *p)
{
    drop_configs(&p->rootfs);
    int error = hand_out_fds(p);
    if (error < 0 || (error = add_defaults(p)) < 0 || (error = guard_procfs(p)) < 0)
        return error;
    const char *what = plan_rootfs_needs_mounts(p);
    if (what != NULL && p->method == METHOD_JOINED)
        return plan_usage(what, NULL, "not in the mount namespace of others: ROOT must be another than /");
    error = check_devices(p);
    return error < 0 ? error : check_idmap(p);
}
