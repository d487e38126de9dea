// SPDX-License-Identifier: MIT
//
// The payload's filter, from --seccomp to the kernel.
#ifndef CMD_EXEC_FILTER_H
#define CMD_EXEC_FILTER_H

#include "root/enter.h"

// Reads and compiles the caller's profile or program, before the root is entered. -errno, recorded.
int exec_filter_read(const struct plan *p);

// What was read comes once more, for running this program again from another place: as a
// descriptor, named in ARGUMENTS. -errno, recorded.
int exec_filter_hand_on(const struct plan *p, char **arguments);

// Makes the built-in filter, if that is the one, for what the payload is to be. -errno, recorded.
int exec_filter_make(const struct enter *e);

// Loads the filter; only execve, the report of its failure and _exit follow. -errno, recorded.
int exec_filter_load(void);

#endif
