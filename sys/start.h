// SPDX-License-Identifier: MIT
//
// The state that a caller leaves a process in: signal mask and dispositions, umask, limits. The helper
// runs with all signals blocked and limits it can work with; the payload gets the caller's back.
#ifndef SYS_START_H
#define SYS_START_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

// Records the caller's parent first (a later getppid() tells whether it died), then prepares.
int start_prepare(void);

// Everything as it was when start_prepare() was called; for the payload, or for running this program again.
int start_restore(void);

// No core is dumped until the limits are restored. -errno, recorded.
int start_forbid_core(void);

// The limits alone, for who sets limits afterwards.
int start_restore_limits(void);

// Sets the mask to all signals but those that the set-up ignores, or to all. musl's own calls leave out
// 32 to 34, in both directions, though a caller may have blocked them.
int start_block(bool ignored_too);

// The caller's own mask for a moment: until start_block().
int start_unblock(void);
sigset_t start_all_signals(void);

// fd_read_all() of what may have to be waited for, under the caller's own mask: who sends SIGTERM meanwhile means it.
ssize_t start_read_all(int fd, void *data, size_t size, const char *op);

// The umask and the signal mask that the caller had; the parent that the caller had at start.
mode_t start_umask(void);
const sigset_t *start_mask(void);
pid_t start_parent(void);

// Dies of the signal `number`, whatever was done about it.
_Noreturn void start_die_by(int number);

// The kernel's own number for "parent dies"; set in the process that must die. -errno, recorded;
// -ESRCH when the parent `parent` is gone already.
int start_die_with(pid_t parent);

// Whether others may look into this process (PR_SET_DUMPABLE): the kernel decides anew when ids change or a
// user namespace is entered, so this is said again after each. Read back; -errno, recorded.
int start_dumpable(bool on);

// Makes RELRO pages read-only: musl 1.2.3's start code does not for a static-PIE.
int start_protect_relro(void);

#endif
