// SPDX-License-Identifier: MIT
//
// Set-uid mode: what an ordinary user's process that is root by the set-uid bit of this file may be, from
// its first step to the moment when it is the user's for good. Not a word here depends on the options.
#ifndef SYS_SETUID_H
#define SYS_SETUID_H

#include "sys/caps.h"

// Shortly after main: not dumpable, no_new_privs, no core, an empty bounding set; the effective ids are the
// caller's, and no capability is effective; a few stay permitted, and are what HELD says from here on.
// Refuses (-EPERM, recorded) a user namespace of other ids than the host's, and a file that others could
// write. -errno, recorded.
int setuid_begin(struct caps_privilege *held);

// What setuid_begin() left permitted becomes effective. -errno, recorded.
int setuid_raise(const struct caps_privilege *held);

// The same back: for what is to be done as by the caller. -errno, recorded.
int setuid_lower(const struct caps_privilege *held);

// The number of the mount namespace; 0 if it can't be told. Somebody else's filter on the caller can make unshare(2)
// say that it succeeded, and the next mount would be the host's.
ino_t setuid_mounts(void);

// The caller's ids, no capability in any set, not dumpable until execve(2); proved by reading it all back and
// by trying to get back. -errno, recorded: then the process must end.
int setuid_surrender(const struct caps_privilege *held);

#endif
