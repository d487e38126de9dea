// SPDX-License-Identifier: MIT
//
// Errors. The call that fails records what it did, on what, and errno, once; whoever gives up
// reports it, once: one line on stderr and one record on the status descriptor.
//
// Functions that can fail return 0 (or a descriptor) or -errno, with the error recorded.
#ifndef SYS_ERR_H
#define SYS_ERR_H

#include <stdbool.h>

// Exit status of a helper that failed; the payload could not be run; it was not found (chroot, env, nsenter).
enum { EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_HELPER = 125, EXIT_NOT_RUN = 126, EXIT_NOT_FOUND = 127 };

// The name of the command, for "inroot COMMAND: …". Not copied.
void err_command(const char *name);

// The stage that the following calls belong to ("root", "userns", "payload" …). Not copied.
void err_stage(const char *stage);

// Records errno as the error of `op` on `path` (copied, may be NULL) and returns -errno.
int err_at(const char *op, const char *path);

// The same with a number and, where the kernel's words would not help, a reason of our own (not copied).
int err_no(const char *op, const char *path, int number);
int err_because(const char *op, const char *path, int number, const char *reason);

// What the user can do about the error that was recorded last. Copied, at most 511 bytes.
void err_hint(const char *hint);
void err_hint2(const char *hint, const char *name);

// The error as text and as a status record. Nothing is reported twice.
void err_report(void);

// A short text of the recorded error, "OP: ECODE", for the `fallback` field.
const char *err_brief(void);
bool err_is_hinted(void);
void err_forget(void);

// "EPERM" of EPERM; "E?" of a number that has no name.
const char *err_name(int number);

#endif
