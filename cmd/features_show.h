// SPDX-License-Identifier: MIT
#ifndef CMD_FEATURES_SHOW_H
#define CMD_FEATURES_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/utsname.h>

#include "cmd/features_probe.h"
#include "sys/out.h"

enum features_limit { LIMIT_USERNS, LIMIT_CLONE, LIMIT_APPARMOR, LIMIT_MEMFD, LIMITS };

struct features_limit_row {
    const char *key, *name, *path; // in JSON, of sysctl(8), below /proc
};
extern const struct features_limit_row features_limits[LIMITS];

// What was found out.
struct features {
    struct utsname system;
    const struct caps_privilege *caller;
    enum probe_answer in_chroot, in_userns;
    bool has_limit[LIMITS], has_seccomp;
    uint64_t limit[LIMITS], seccomp; // seccomp: mode of the caller's filter, 0 for none
    const char *denied_by;           // who denies user namespaces; NULL: nobody
    bool newuidmap, newgidmap;
    struct probe_result probe[PROBE_COUNT];
};

// One JSON object on one line; what is not known is null.
void features_print_json(struct out *o, const struct features *f);

// For people: at most 24 lines of at most 80 columns.
void features_print_screen(struct out *o, const struct features *f);

#endif
