// SPDX-License-Identifier: MIT
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

int mount_open_tree(int dirfd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

int mount_move(int from, int to_dirfd, const char *to, unsigned flags)
{
    return (int)syscall(SYS_move_mount, from, "", to_dirfd, to, flags);
}

int mount_fsopen(const char *type)
{
    return (int)syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
}

int mount_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux)
{
    return (int)syscall(SYS_fsconfig, fs, command, key, value, aux);
}

int mount_fsmount(int fs, unsigned attributes)
{
    return (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, attributes);
}

int mount_pivot(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int mount_setattr_of(int fd, bool recursive, uint64_t set, uint64_t propagation)
{
    struct mount_attributes attributes = {.set = set, .propagation = propagation};
    return mount_set_attributes(fd, recursive, &attributes);
}

int mount_set_attributes(int fd, bool recursive, const struct mount_attributes *attributes)
{
    unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    return (int)syscall(SYS_mount_setattr, fd, "", flags, attributes, sizeof(*attributes));
}

static bool is_there(long result)
{
    return result >= 0 || (errno != ENOSYS && errno != EPERM);
}

// Each is asked what can't be done, and has to say so by another error.
bool mount_has_new_calls(void)
{
    static enum { UNKNOWN, PRESENT, MISSING } state;
    if (state == UNKNOWN) {
        bool all = is_there(mount_open_tree(-1, "", AT_EMPTY_PATH | O_CLOEXEC)) &&
                   is_there(mount_move(-1, -1, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY)) &&
                   is_there(mount_fsopen(NULL)) && is_there(mount_fsconfig(-1, CONFIG_CREATE, NULL, NULL, 0)) &&
                   is_there(mount_fsmount(-1, 0)) && is_there(mount_setattr_of(-1, false, ATTR_RDONLY, 0));
        state = all ? PRESENT : MISSING;
    }
    return state == PRESENT;
}

int mount_attributes_of(int fd, uint64_t *attributes)
{
    // f_flags of statfs(2)
    static const struct {
        uint64_t attribute;
        unsigned long flag;
    } rows[] = {
        {ATTR_RDONLY, 0x1},    {ATTR_NOSUID, 0x2},      {ATTR_NODEV, 0x4},          {ATTR_NOEXEC, 0x8},
        {ATTR_NOATIME, 0x400}, {ATTR_NODIRATIME, 0x800}, {ATTR_NOSYMFOLLOW, 0x2000},
    };
    const unsigned long relatime = 0x1000;
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0)
        return -1;
    *attributes = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        *attributes |= (fs.f_flag & rows[i].flag) != 0 ? rows[i].attribute : 0;
    if ((*attributes & ATTR_NOATIME) == 0 && (fs.f_flag & relatime) == 0)
        *attributes |= ATTR_STRICTATIME;
    return 0;
}

uint64_t mount_id(int fd)
{
    struct statx stx;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) != 0)
        return 0;
    if ((stx.stx_mask & STATX_MNT_ID) != 0)
        return stx.stx_mnt_id;
    errno = ENOSYS;
    return 0;
}

#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

// struct mnt_id_req of statmount(2), as of 6.8
struct request {
    uint32_t size, spare;
    uint64_t id, parameter;
};

int mount_list_below(int fd, uint64_t *ids, int max)
{
    struct statx stx;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx) != 0)
        return -1;
    if ((stx.stx_mask & STATX_MNT_ID_UNIQUE) == 0) {
        errno = ENOSYS;
        return -1;
    }
    struct request request = {.size = sizeof(request), .id = stx.stx_mnt_id};
    long count = syscall(SYS_listmount, &request, ids, max, 0);
    if (count == max) {
        errno = E2BIG;
        return -1;
    }
    return (int)count;
}

uint64_t mount_magic(uint64_t id)
{
    // struct statmount: what stands before its strings
    struct {
        uint32_t size, options;
        uint64_t mask;
        uint32_t major, minor;
        uint64_t magic;
        uint64_t rest[60];
    } answer = {.magic = 0};
    const uint64_t superblock = 1; // STATMOUNT_SB_BASIC
    struct request request = {.size = sizeof(request), .id = id, .parameter = superblock};
    if (syscall(SYS_statmount, &request, &answer, sizeof(answer), 0) != 0)
        return 0;
    return (answer.mask & superblock) != 0 ? answer.magic : 0;
}

int mount_make_private(const char *path)
{
    return mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL);
}
