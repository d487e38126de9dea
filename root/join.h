// SPDX-License-Identifier: MIT
//
// Entering namespaces that others live in (setns(2)). They may be hostile, and root in there: so what enters
// can't be looked into, runs from a sealed executable (cmd/exec.c), and holds nothing of the host's
// (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626).
#ifndef ROOT_JOIN_H
#define ROOT_JOIN_H

#include "root/enter.h"

// All: 0 or -errno, recorded.

// Opens every namespace, before any is entered, and proves that it is of its type; and where a process
// is the target, that they are all of that one process: it lived until all were open.
int join_open(struct enter *e);

// Enters them. Not dumpable from here to execve(2), and without any descriptor that the plan does not need.
int join_enter(struct enter *e);

#endif
