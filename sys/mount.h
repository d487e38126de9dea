// SPDX-License-Identifier: MIT
//
// The mount system calls that libc lacks, as bare calls: -1 and errno. Sources: open_tree(2),
// move_mount(2), mount_setattr(2), fsopen(2), fsconfig(2), fsmount(2), pivot_root(2), statx(2).
#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

// Constants of linux/mount.h, which can't be included beside every libc's sys/mount.h.
enum {
    TREE_CLONE = 1,          // OPEN_TREE_CLONE
    MOVE_FROM_EMPTY = 0x4,   // MOVE_MOUNT_F_EMPTY_PATH
    MOVE_TO_EMPTY = 0x40,    // MOVE_MOUNT_T_EMPTY_PATH
    ATTR_RDONLY = 0x1,       // MOUNT_ATTR_RDONLY
    ATTR_NOSUID = 0x2,       // MOUNT_ATTR_NOSUID
    ATTR_NODEV = 0x4,        // MOUNT_ATTR_NODEV
    ATTR_NOEXEC = 0x8,       // MOUNT_ATTR_NOEXEC
    ATTR_ATIME = 0x70,       // MOUNT_ATTR__ATIME: the field of the next two and relatime, which is 0
    ATTR_NOATIME = 0x10,     // MOUNT_ATTR_NOATIME
    ATTR_STRICTATIME = 0x20, // MOUNT_ATTR_STRICTATIME
    ATTR_NODIRATIME = 0x80,  // MOUNT_ATTR_NODIRATIME
    ATTR_IDMAP = 0x100000,   // MOUNT_ATTR_IDMAP
    ATTR_NOSYMFOLLOW = 0x200000, // MOUNT_ATTR_NOSYMFOLLOW
    CONFIG_FLAG = 0,         // FSCONFIG_SET_FLAG
    CONFIG_STRING = 1,       // FSCONFIG_SET_STRING
    CONFIG_FD = 5,           // FSCONFIG_SET_FD
    CONFIG_CREATE = 6,       // FSCONFIG_CMD_CREATE
};

// struct mount_attr of mount_setattr(2)
struct mount_attributes {
    uint64_t set, clear, propagation, userns;
};

// Whether all of open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2) and mount_setattr(2) are there and
// no filter denies them (ENOSYS, EPERM). For who holds CAP_SYS_ADMIN: to others they are all denied. Asked once.
bool mount_has_new_calls(void);

int mount_open_tree(int dirfd, const char *path, unsigned flags);
int mount_move(int from, int to_dirfd, const char *to, unsigned flags);
int mount_fsopen(const char *type);
int mount_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux);
int mount_fsmount(int fs, unsigned attributes);
int mount_pivot(const char *new_root, const char *put_old);

// Sets attributes and propagation of the mount at `fd`, with AT_RECURSIVE of all below it.
int mount_set_attributes(int fd, bool recursive, const struct mount_attributes *attributes);
int mount_setattr_of(int fd, bool recursive, uint64_t set, uint64_t propagation);

// The ATTR_… that the mount has that `fd` lies on, and ATTR_RDONLY if its file system is read-only.
int mount_attributes_of(int fd, uint64_t *attributes);

// The mount that `fd` lies on, as mountinfo numbers it; 0 and errno if the kernel (< 5.8) can't say.
uint64_t mount_id(int fd);

// The unique ids of all mounts below the one that `fd` is the root of: how many, or -1 and errno (ENOSYS before
// 6.8, E2BIG if there are more than `max`).
int mount_list_below(int fd, uint64_t *ids, int max);

// The magic number of a mount's file system, by unique id; 0 and errno if the kernel can't say.
uint64_t mount_magic(uint64_t id);

// "." of the working directory of a process is what a fallback on mount(2) works on: it needs no path.
// Makes all mounts at and below `path` private.
int mount_make_private(const char *path);

#endif
