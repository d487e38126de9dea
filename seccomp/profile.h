// SPDX-License-Identifier: MIT
//
// The built-in seccomp filter: what a payload in somebody else's kernel objects must never do.
// INTERFACE.md, "What a root is not"; seccomp(2). Which calls and why: the table in profile.c.
#ifndef SECCOMP_PROFILE_H
#define SECCOMP_PROFILE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

// What the filter depends on. All false is the strictest filter.
struct profile_for {
    bool sys_admin;     // the payload keeps CAP_SYS_ADMIN: mount calls, swap and setns are allowed
    bool own_processes; // it has a pid or user namespace of its own: so are ptrace and its kin
    bool new_userns;    // it may make user namespaces: so are CLONE_NEWUSER and clone3; to mount in
                        // one it needs sys_admin besides
};

// No filter of profile_default() has more instructions.
enum { PROFILE_MAX = 128 };

// Writes the filter into OUT, which has room for MAX instructions. Returns the number of
// instructions, or -E2BIG. Allocates nothing and makes no system call; the same settings give the
// same instructions.
int profile_default(const struct profile_for *to, struct sock_filter *out, size_t max);

#endif
