// SPDX-License-Identifier: MIT
#include "sys/ns.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct ns_kind ns_kinds[] = {
    {"user", CLONE_NEWUSER, "self/ns/user"},  {"mnt", CLONE_NEWNS, "self/ns/mnt"},
    {"pid", CLONE_NEWPID, "self/ns/pid"},     {"net", CLONE_NEWNET, "self/ns/net"},
    {"ipc", CLONE_NEWIPC, "self/ns/ipc"},     {"uts", CLONE_NEWUTS, "self/ns/uts"},
    {"cgroup", CLONE_NEWCGROUP, "self/ns/cgroup"}, {"time", CLONE_NEWTIME, "self/ns/time"},
    {NULL, 0, NULL},
};

const struct ns_kind *ns_find(const char *name, size_t n)
{
    for (const struct ns_kind *kind = ns_kinds; kind->name != NULL; kind++) {
        if (strlen(kind->name) == n && memcmp(kind->name, name, n) == 0)
            return kind;
    }
    return NULL;
}

static const char *name_of(int flags)
{
    const char *name = NULL;
    for (const struct ns_kind *kind = ns_kinds; kind->name != NULL; kind++) {
        if ((flags & kind->flag) != 0 && (name == NULL || kind->flag == CLONE_NEWUSER))
            name = kind->name;
    }
    return name;
}

int ns_unshare(int flags)
{
    return flags == 0 || unshare(flags) == 0 ? 0 : err_at("unshare", name_of(flags));
}

int ns_check(int fd, int flag, const char *path)
{
    struct statfs fs;
    // The number of the ioctl may mean anything to another kind of file.
    if (fstatfs(fd, &fs) != 0)
        return err_at("fstatfs", path);
    if (fs.f_type != NSFS_MAGIC)
        return err_because("setns", path, EINVAL, "it is no namespace");
    int kind = ioctl(fd, NS_GET_NSTYPE);
    if (kind < 0)
        return err_at("NS_GET_NSTYPE", path);
    return kind == flag ? 0 : err_because("setns", path, EINVAL, "it is a namespace of another type");
}

int ns_enter(int fd, int flag)
{
    return setns(fd, flag) == 0 ? 0 : err_at("setns", name_of(flag));
}

int ns_loopback_up(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_at("socket", "AF_INET");
    struct ifreq request = {.ifr_flags = IFF_UP};
    memcpy(request.ifr_name, "lo", sizeof("lo"));
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        return err_at("SIOCSIFFLAGS", "lo");
    return 0;
}
