// SPDX-License-Identifier: MIT
//
// The options of the root file system that are more than text for the plan.
#ifndef CMD_ROOTFS_OPTIONS_H
#define CMD_ROOTFS_OPTIONS_H

#include "plan/plan.h"
#include "sys/out.h"

// The root file system into an open JSON object, in the order in which it is made.
void exec_print_rootfs(const struct plan *p, struct out *o);

#endif
