// SPDX-License-Identifier: MIT
//
// The options --rlimit=NAME=SOFT[:HARD] (setrlimit(2)) and --sysctl=KEY=VALUE (sysctl(8)).
#ifndef CMD_LIMITS_H
#define CMD_LIMITS_H

#include "plan/plan.h"

int limits_take_rlimit(struct plan *p, const char *option, const char *value);
int limits_take_sysctl(struct plan *p, const char *option, const char *value);

#endif
