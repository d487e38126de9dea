// SPDX-License-Identifier: MIT
//
// What the plan's root file system leaves open is decided here, and what can't be meant is refused.
#ifndef PLAN_ROOTFS_CHECK_H
#define PLAN_ROOTFS_CHECK_H

#include "plan/plan.h"

// After namespaces and methods are decided. 0 or -EINVAL, recorded as a usage error.
int plan_check_rootfs(struct plan *p);

// What of it takes a mount namespace, by the option's name; NULL if nothing.
const char *plan_rootfs_needs_mounts(const struct plan *p);

#endif
