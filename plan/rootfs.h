// SPDX-License-Identifier: MIT
//
// What the payload's file system is made of, as options or an OCI config name it: part of struct plan.
#ifndef PLAN_ROOTFS_H
#define PLAN_ROOTFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/ids.h"

enum plan_mount_type {
    MOUNT_BIND,
    MOUNT_TMPFS,
    MOUNT_PROC,
    MOUNT_SYSFS,
    MOUNT_DEVPTS,
    MOUNT_MQUEUE,
    MOUNT_CGROUP, // version 2 where the host has that alone, else 1
    MOUNT_CGROUP2,
    MOUNT_OVERLAY,
    MOUNT_DEVTMPFS, // the minimal /dev: a tmpfs with the nodes that every program expects
};

extern const char *const plan_mount_types[]; // by enum plan_mount_type, NULL at the end

enum {
    MOUNTS_MAX = 4096,
    DEVICES_MAX = 1024,
    MOUNT_FDS_MAX = 1024,
    HIDDEN_MAX = 4096, // masks, and read-only paths: each
};

// One mount. Zero is what nobody asked for; `fd` alone is -1 then.
struct plan_mount {
    enum plan_mount_type type;
    const char *source; // bind: a path, or fd:N; else the word for mountinfo, NULL: the type's name
    const char *target; // as the user wrote it
    int fd;             // of a source fd:N, else -1
    bool recursive;     // bind: with the mounts below the source
    bool bind_word;     // `bind` or `rbind` was among its options
    bool remount;       // of what is at the target: change its attributes

    // MOUNT_ATTR_… of mount_setattr(2): those named are set or cleared, all others stay as the source has
    // them. `clear` has MOUNT_ATTR__ATIME wherever a time option is named.
    uint64_t set, clear;
    uint64_t set_all, clear_all; // rro and its kin: of all mounts below too
    bool weak_ro;                // `ro` of an option: below too, where the kernel can (mount_setattr(2))

    uint64_t propagation;  // MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE; 0: MS_PRIVATE, recursively
    bool propagation_all;  // the form with r
    bool synchronous, dirsync, lazytime, mandatory; // flags of a new file system
    const char *data; // the file system's own options, comma-separated, as mount(2) takes them; NULL: none

    bool copy_up;  // tmpfs: begins with what it covers
    bool overlay;  // bind: writes are thrown away
    bool idmap, idmap_all;                    // the latter: ridmap
    const struct id_maps *users, *groups;     // of idmap; NULL: those of the user namespace
    char *text; // an option's, cut up: `source` and `target` lie in it; the plan's
    // Of --default-mounts: where a sysfs can't be mounted the host's is bound, read-only; a devpts whose last option,
    // the group, is none of this user namespace does without.
    bool by_default;
};

// A device node in the root. `source` is a node of the host (--device), else it is made by numbers.
struct plan_device {
    const char *source; // NULL: by type and numbers
    const char *target; // as the user wrote it, absolute
    mode_t mode;        // type (S_IFCHR, S_IFBLK, S_IFIFO) and permissions
    unsigned major, minor;
    bool has_mode;      // permissions were named
    uint32_t uid, gid;
    char *text; // as of a mount
};

// A program of the host that is run when the mounts stand (OCI createContainer).
struct plan_hook {
    const char *path;
    char **arguments, **environment; // NULL-terminated; arguments NULL: the path alone
    unsigned timeout;                // seconds; 0: none
};

struct plan_rootfs {
    struct plan_mount *mount;
    unsigned mount_count, mount_room;
    struct plan_device *device; // besides those of the minimal /dev
    unsigned device_count, device_room;
    const char **mask, **read_only; // paths, absolute
    unsigned mask_count, mask_room, read_only_count, read_only_room;
    unsigned config_mask_count, config_read_only_count; // the first of them are an OCI config's
    bool mask_none, read_only_none;  // --mask=none: but for those of options there are none
    bool default_mounts;             // --default-mounts
    bool config_dev;                 // an OCI config: the nodes are made in /dev after all mounts, unless one is bound there
    uint64_t propagation;            // rootfsPropagation: MS_…; 0: MS_PRIVATE
    bool propagation_all;
    bool read_only_late;             // of root.readonly: hooks still write to the root
    bool make_workdir;               // an OCI config: by the helper, 0755
    struct plan_hook *hook;
    unsigned hook_count;
    const char *state; // JSON for the hooks' standard input, but for "pid" and "status"
    int *mount_fds;    // --mount-fds: in the order in which the mounts take them
    unsigned mount_fd_count;
};

#endif
