// SPDX-License-Identifier: MIT
//
// What an OCI config says of the payload as a process (struct plan_process). All functions: 0 or -errno, recorded.
#ifndef ROOT_PROCESS_H
#define ROOT_PROCESS_H

#include "root/enter.h"

// A step before the unshare, with the caller's rights.
int process_oom_score(struct enter *e);

// I/O priority, scheduler and personality of the process that will be the payload, while it holds what they need.
int process_become(const struct plan *p);

#endif
