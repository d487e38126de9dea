// SPDX-License-Identifier: MIT
//
// Where the helper stays: the process that the caller started waits outside the new pid namespace,
// passes signals in and the exit status out. With --init a second one is pid 1 inside.
#ifndef ROOT_MONITOR_H
#define ROOT_MONITOR_H

#include <stdbool.h>

#include "plan/plan.h"

// Forks. Returns 0 in the child, which goes on; the parent becomes the monitor and exits with the
// payload's status. -errno, recorded, if there is no child.
int monitor_fork(const struct plan *p, const struct caps_privilege *caller);

// --init: forks the payload off pid 1 and returns 0 in it. Pid 1 never returns.
int monitor_init(const struct plan *p);

// The channel that tells of the execve: to be kept open until then. -1 where the helper does not stay.
int monitor_channel(void);

// Whether a signal has ended the set-up, or the monitor is gone: then this process exits, silently.
bool monitor_ends(int wait_ms);

// Says that execve comes next (-errno, recorded, if nobody hears it); that this process reported its error.
int monitor_executing(void);
void monitor_failed(void);

// Orders the death of this process for when the monitor dies. -ESRCH, recorded, if it is gone already.
int monitor_die_with(void);

#endif
