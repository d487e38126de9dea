// SPDX-License-Identifier: MIT
//
// The record of who called, and capability sets (capabilities(7)). libcap-ng does what it does without reading
// /proc: names, and capset(2). Its other parts open /proc/PID/status by path, in a root that is not ours.
//
// Trap of libcap-ng: state staged before fork() is lost. caps_become() is called only in the process
// that execs, after its last fork.
#ifndef SYS_CAPS_H
#define SYS_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Set once at start; never derived from geteuid() later (CVE-2020-5291).
struct caps_privilege {
    uid_t uid;
    gid_t gid;
    uint64_t effective, permitted, ambient;
    bool set_uid; // an ordinary user's process, which the set-uid bit of this file made root's
};

#define CAPS_BIT(number) (UINT64_C(1) << (number))

// Reads ids and capabilities of this process. Refuses (-EPERM, recorded) a process that a set-gid bit, the
// set-uid bit of another owner than root or file capabilities made more than its caller. An AT_SECURE start by
// an LSM alone is fine.
int caps_record(struct caps_privilege *held);

// Capability number of a name with or without CAP_, of `n` bytes; -1 if there is none.
int caps_find(const char *name, size_t n);

// "chown" of 0; NULL of a number that has no name.
const char *caps_name(int number);

// Lowers the bounding set to `bounding`, while CAP_SETPCAP is effective. -EPERM, recorded, if it is not.
int caps_lower_bounding(uint64_t bounding);

// The bounding set, by prctl(2). -errno, recorded.
int caps_get_bounding(uint64_t *bounding);

struct caps_sets {
    uint64_t permitted, effective, inheritable, ambient;
};

// Gives this process these sets and verifies each by reading it back. -errno, recorded.
int caps_become(const struct caps_sets *wanted);

// Drops all but `set` from effective and permitted of the calling process; inheritable and ambient too.
int caps_limit(uint64_t set);

// effective, permitted, inheritable of this process by capget(2).
int caps_get(uint64_t sets[3]);

#endif
