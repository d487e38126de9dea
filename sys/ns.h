// SPDX-License-Identifier: MIT
//
// Namespaces, as unshare(1) and /proc/PID/ns name them.
#ifndef SYS_NS_H
#define SYS_NS_H

#include <stdbool.h>
#include <stddef.h>

struct ns_kind {
    const char *name; // "user"
    int flag;         // CLONE_NEWUSER
    const char *file; // the newest member's file in /proc: "self/ns/user"
};

// Ends with a row whose name is NULL.
extern const struct ns_kind ns_kinds[];

// The row of the first `n` bytes of `name`, or NULL.
const struct ns_kind *ns_find(const char *name, size_t n);

// unshare(2); -errno, recorded.
int ns_unshare(int flags);

// Whether `fd` is a namespace of that kind (nsfs(5), ioctl_ns(2)). -errno, recorded as an error of `path`.
int ns_check(int fd, int flag, const char *path);

// setns(2); -errno, recorded.
int ns_enter(int fd, int flag);

// Brings the loopback interface of a new network namespace up.
int ns_loopback_up(void);


#endif
