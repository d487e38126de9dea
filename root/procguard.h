// SPDX-License-Identifier: MIT
//
// What may be mounted on /proc and below it: whoever fakes its files has others write where he likes
// (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
#ifndef ROOT_PROCGUARD_H
#define ROOT_PROCGUARD_H

#include "root/rootfs.h"

// Whether the mount may go to `target`, which is open; `source` is that of a bind, else -1. With `plain` no link leads
// to it: the plan's own words say where it is. 0 or -EPERM, recorded.
int procguard_check(const struct enter *e, const struct plan_mount *m, int target, bool plain, int source);

#endif
