// SPDX-License-Identifier: MIT
#include "sys/setuid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/start.h"

// Namespaces and mounts; seeing that "/" is the namespace's own root (setns(2) wants it); `lo`.
static const uint64_t kept = CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_NET_ADMIN);

// The effective id too, not that for files alone: a sysctl's mode and SO_PEERCRED go by the effective one. 0 stays
// as the saved id: it keeps the permitted set, and is one more reason for the kernel to refuse a ptrace(2).
static int borrow_rights(const struct caps_privilege *held)
{
    if (syscall(SYS_setresuid, held->uid, held->uid, 0) != 0)
        return err_at("setresuid", NULL);
    if (geteuid() != held->uid || (uid_t)setfsuid((uid_t)-1) != held->uid)
        return err_because("setresuid", NULL, EPERM, "files would be opened with root's rights");
    return 0;
}

static int set_caps(uint64_t effective, uint64_t permitted)
{
    uint64_t sets[3];
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
        {.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)},
    };
    if (syscall(SYS_capset, &header, data) != 0)
        return err_at("capset", NULL);
    int error = caps_get(sets);
    if (error == 0 && (sets[0] != effective || sets[1] != permitted || sets[2] != 0))
        error = err_because("capget", NULL, EPERM, "the capabilities are not those that were set");
    // Every change of ids or capabilities sets it to fs.suid_dumpable, which an administrator may have made 1: then
    // the caller could ptrace(2) what is still root's (CVE-2016-8659, CVE-2026-41163).
    return error < 0 ? error : start_dumpable(false);
}

// -- where it is refused -----------------------------------------------------------------------

// No mount is crossed and no magic link followed: in a namespace of his own a caller can lay another
// process's file over this one.
static int open_of_self(const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = resolve};
    if (proc_fd() < 0)
        return proc_missing();
    int fd = (int)syscall(SYS_openat2, proc_fd(), path, &how, sizeof(how));
    return fd >= 0 ? fd : err_at("openat2 /proc", path);
}

// All ids, each on itself: nobody can write this but in a namespace whose parent has the same (user_namespaces(7)).
static int check_map(const char *path)
{
    static const char *const fields[] = {"0", "0", "4294967295"};
    char text[128];
    AUTO_CLOSE int fd = open_of_self(path, O_RDONLY, RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
    ssize_t n = fd < 0 ? fd : fd_read_all(fd, text, sizeof(text) - 1, path);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    const char *at = text;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t length = strlen(fields[i]);
        at += strspn(at, " ");
        if (strncmp(at, fields[i], length) != 0 || (at[length] != ' ' && at[length] != '\n'))
            return err_because("start", path, EPERM, "set-uid in a user namespace, which is not supported");
        at += length;
    }
    return strcmp(at, "\n") == 0 ? 0
                                 : err_because("start", path, EPERM, "set-uid in a user namespace, which is not supported");
}

static int check_file(void)
{
    struct stat st;
    // The one magic link that is followed: it leads to the file, not to a name of it.
    AUTO_CLOSE int fd = open_of_self("self/exe", O_PATH, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) != 0)
        return err_at("fstat", "/proc/self/exe");
    if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        return err_because("start", "/proc/self/exe", EPERM, "set-uid, but others than root can write to the file");
    return 0;
}

// Without a true /proc neither can be told, and then the answer is no.
static int check_place(void)
{
    proc_open();
    int error = check_map("self/uid_map");
    if (error == 0)
        error = check_map("self/gid_map");
    if (error == 0)
        error = check_file();
    proc_close(); // its number may be one that the caller will name
    return error;
}

// -- the three moments -------------------------------------------------------------------------

int setuid_begin(struct caps_privilege *held)
{
    // What execve(2) left is fs.suid_dumpable, and so is what every change of ids leaves, for a moment.
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
        return err_because("start", NULL, EPERM, "set-uid where fs.suid_dumpable is 1: the caller could look into it");
    int error = start_dumpable(false);
    if (error < 0)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_NO_NEW_PRIVS");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_because("prctl", "PR_SET_NO_NEW_PRIVS", EPERM, "it is not set");
    if ((error = start_forbid_core()) < 0 || (error = caps_lower_bounding(0)) < 0 ||
        (error = borrow_rights(held)) < 0 || (error = set_caps(0, kept)) < 0)
        return error;
    held->permitted = held->effective = kept;
    return check_place();
}

int setuid_raise(const struct caps_privilege *held)
{
    return set_caps(held->permitted, held->permitted);
}

int setuid_lower(const struct caps_privilege *held)
{
    return set_caps(0, held->permitted);
}

ino_t setuid_mounts(void)
{
    struct stat st;
    return proc_fd() >= 0 && fstatat(proc_fd(), "self/ns/mnt", &st, 0) == 0 ? st.st_ino : 0;
}

static int verify_ids(const struct caps_privilege *held)
{
    uid_t u[3];
    gid_t g[3];
    if (getresuid(&u[0], &u[1], &u[2]) != 0 || getresgid(&g[0], &g[1], &g[2]) != 0)
        return err_at("getresuid", NULL);
    for (int i = 0; i < 3; i++) {
        if (u[i] != held->uid || g[i] != held->gid)
            return err_because("getresuid", NULL, EPERM, "the ids are not those that were set");
    }
    if ((uid_t)setfsuid((uid_t)-1) != held->uid)
        return err_because("setfsuid", NULL, EPERM, "the id for files is not the caller's");
    if (syscall(SYS_setresuid, 0, 0, 0) == 0 || syscall(SYS_setresuid, -1, 0, -1) == 0)
        return err_because("setresuid", "0", EPERM, "root could be taken back");
    return 0;
}

int setuid_surrender(const struct caps_privilege *held)
{
    // The groups are the caller's all the time. Bare calls: musl's stop all threads around theirs.
    if (syscall(SYS_setresgid, held->gid, held->gid, held->gid) != 0)
        return err_at("setresgid", NULL);
    if (syscall(SYS_setresuid, held->uid, held->uid, held->uid) != 0)
        return err_at("setresuid", NULL);
    int error = set_caps(0, 0);
    return error < 0 ? error : verify_ids(held);
}
