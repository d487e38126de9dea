// SPDX-License-Identifier: MIT
//
// Resource limits (setrlimit(2)) and sysctls (sysctl(8)): the options --rlimit=NAME=SOFT[:HARD] and
// --sysctl=KEY=VALUE, and what an OCI config has instead of them.
#ifndef PLAN_LIMITS_H
#define PLAN_LIMITS_H

#include "plan/plan.h"

int limits_take_rlimit(struct plan *p, const char *option, const char *value);
int limits_take_sysctl(struct plan *p, const char *option, const char *value);

struct limits_row {
    const char *name; // "nofile"
    int resource;     // RLIMIT_NOFILE
    bool size;        // in bytes
};

// The row of the first `n` bytes of `name`, or NULL.
const struct limits_row *limits_find(const char *name, size_t n);

// Whether the plan has this limit; and sets it, in place of what was set before.
bool limits_has(const struct plan *p, const struct limits_row *row);
void limits_set(struct plan *p, const struct limits_row *row, struct rlimit limit);

#endif
