// SPDX-License-Identifier: MIT
//
// A profile, as data, becomes a program for seccomp(2). A call's verdict depends on its
// architecture, its number and its arguments. Where several rules of one number apply, the answer
// is libseccomp's (2.5): the first rule without conditions, else the one with the highest first
// argument; of one argument equality goes before less before greater, and the narrower limit or the
// higher value first. On 32-bit architectures only the low halves of arguments and values count.
// The call -1 is one that a tracer wants skipped: always allowed.
#ifndef SECCOMP_COMPILE_H
#define SECCOMP_COMPILE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

// On whole 64-bit arguments, unsigned.
enum compile_op { OP_NE, OP_LT, OP_LE, OP_EQ, OP_GE, OP_GT, OP_MASKED_EQ };

struct compile_arg {
    uint8_t index, op;     // argument 0 to 5, enum compile_op
    uint64_t value, other; // OP_MASKED_EQ: (argument & value) == other, as OCI's
};

struct compile_rule {
    uint32_t number;
    uint8_t args;    // how many at ARG, ascending by index; all of them must hold
    uint32_t action; // SECCOMP_RET_..., with its data
    const struct compile_arg *arg;
};

struct compile_table {
    uint32_t arch; // AUDIT_ARCH_...
    const struct compile_rule *rule;
    size_t rules;    // in any order of numbers
    uint32_t newest; // above it are calls that the profile's writer can't have known
};

struct compile_profile {
    uint32_t fallback;   // for calls without a rule, and where no rule's conditions hold
    uint32_t newer;      // for numbers above `newest` (normally ERRNO|ENOSYS)
    uint32_t other_arch; // for architectures without a table (KILL_PROCESS)
    uint32_t x32;        // for x32's numbers, which come as AUDIT_ARCH_X86_64's (ERRNO|ENOSYS)
    const struct compile_table *table;
    size_t tables;
};

// Writes the program into OUT, which has room for MAX instructions: how many there are, -E2BIG if
// they don't fit or the kernel would not take so many, -EINVAL if the profile is none. Nothing is
// recorded. Makes no system call; the same profile gives the same instructions.
int compile_filter(const struct compile_profile *p, struct sock_filter *out, size_t max);

#endif
