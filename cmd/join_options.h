// SPDX-License-Identifier: MIT
//
// The options --join=TYPE[:SOURCE] and --target=PID|fd:N (setns(2), pidfd_open(2)).
#ifndef CMD_JOIN_OPTIONS_H
#define CMD_JOIN_OPTIONS_H

#include "plan/plan.h"

int join_take_join(struct plan *p, const char *option, const char *value);
int join_take_target(struct plan *p, const char *option, const char *value);

#endif
