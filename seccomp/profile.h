// SPDX-License-Identifier: MIT
//
// The built-in seccomp filter: what a payload in somebody else's kernel objects must never do. It has the
// meaning of the container engines' default profile, and rows of our own. INTERFACE.md, "What a root is
// not"; seccomp(2). Which calls and why: profile_calls.h.
#ifndef SECCOMP_PROFILE_H
#define SECCOMP_PROFILE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// As KERNEL_VERSION() of linux/version.h, without the last part.
#define PROFILE_KERNEL(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

// What the filter depends on. All zero is the strictest filter.
struct profile_for {
    uint64_t capabilities; // that the payload keeps, as bits: calls that need them are allowed
    uint32_t kernel;       // PROFILE_KERNEL() of what runs: before 4.8 a tracer gets past any filter
    bool own_processes;    // it has a pid or user namespace of its own: it may trace
    bool new_userns;       // it may make user namespaces: clone, clone3 and unshare are allowed; to mount
                           // in one it needs CAP_SYS_ADMIN besides
};

// No filter of profile_default() has more instructions.
enum { PROFILE_MAX = 320 };

// Writes the filter into OUT, which has room for MAX instructions. Returns the number of
// instructions, or -E2BIG. Allocates nothing and makes no system call; the same settings give the
// same instructions.
int profile_default(const struct profile_for *to, struct sock_filter *out, size_t max);

#endif
