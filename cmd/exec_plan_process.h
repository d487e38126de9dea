// SPDX-License-Identifier: MIT
#ifndef CMD_EXEC_PLAN_PROCESS_H
#define CMD_EXEC_PLAN_PROCESS_H

#include "plan/plan.h"
#include "sys/out.h"

// What namespaces are told, into an open JSON object: names, clocks, sysctls.
void exec_print_settings(const struct plan *p, struct out *o);

// What the payload is given, but for its ids and its filter: groups, limits, sets, and what the kernel is
// told of it. Of the capabilities those in HELD are to be had, and those in ALLOWED are kept.
void exec_print_process(const struct plan *p, uint64_t held, uint64_t allowed, struct out *o);

#endif
