// SPDX-License-Identifier: MIT
//
// Trying instead of guessing: each probe is a forked child that does the thing itself, says over a pipe
// how it went, and exits. What it unshared or mounted goes with it; a filter that kills takes the child
// only.
#ifndef CMD_FEATURES_PROBE_H
#define CMD_FEATURES_PROBE_H

#include <stdbool.h>

#include "plan/plan.h"

enum probe_answer { PROBE_NO, PROBE_YES, PROBE_UNKNOWN };

enum probe_name {
    PROBE_AUTO,
    PROBE_PIVOT,
    PROBE_CHROOT,
    PROBE_USERNS,
    PROBE_IN_CHROOT,
    PROBE_OVERLAY,
    PROBE_OVERLAY_USERNS,
    PROBE_IDMAP_ROOT,
    PROBE_IDMAP_TMPFS,
    PROBE_SECCOMP,
    PROBE_CALLS, // from here on: newer system calls
    PROBE_LANDLOCK = PROBE_CALLS,
    PROBE_COUNT = PROBE_CALLS + 11,
};

struct probe_result {
    enum probe_answer works; // unknown: there was no child to try it
    int error;               // errno, 0 if it works
    int value;               // what the body returned
    char why[64];            // "OP: ECODE" of the error, else ""
    // Where a root was entered:
    enum plan_method method;
    bool userns;             // in a user namespace of its own
    bool legacy;             // ROOT was cloned by mount(2)
    char fallback[64];       // why not the better way, or ""
};

// What the probe is called in the output.
const char *probe_key(enum probe_name name);

// Runs one probe. `plan` is room for the child's plan, all zero.
struct probe_result probe_run(enum probe_name name, struct plan *plan, const struct caps_privilege *held);

// Whether this process is in a user namespace other than the first.
enum probe_answer probe_in_userns(void);

#endif
