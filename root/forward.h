// SPDX-License-Identifier: MIT
//
// Signals from a process to another, and the pid 1 that does nothing else.
#ifndef ROOT_FORWARD_H
#define ROOT_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Whether a signal that came with `code` (siginfo_t) goes on to the payload: not what the terminal sent to
// the whole group, which has it already, unless the payload is in a session of its own.
bool forward_wanted(int number, int code, bool own_session);

// Stops this process as the payload was stopped, until somebody continues it.
void forward_stop(void);

// What a pid 1 must not hold any longer is given up. `keep`: four descriptors besides 0-2. -errno, recorded.
int forward_prepare(const int keep[4]);

// Pid 1: reaps, forwards, tells `channel` each wait status of `payload`, and exits when that has ended.
_Noreturn void forward_init(pid_t payload, int channel, bool own_session);

// Sorts descriptors ascending and leaves out those below 0; how many are left.
size_t forward_sort(int *fds, size_t count);

#endif
