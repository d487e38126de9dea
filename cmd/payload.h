// SPDX-License-Identifier: MIT
//
// Finding the payload and becoming it, by execvp's rules.
#ifndef CMD_PAYLOAD_H
#define CMD_PAYLOAD_H

#include "plan/plan.h"

struct payload {
    char *const *argv;
    char *const *environment;
    int status;       // exit status of the failure: 126 or 127
    unsigned count;   // candidates that exist
    char *candidate[16];
};

// Looks COMMAND up: which files of PATH exist and may be executed. -errno, recorded, if none does.
int payload_find(const struct plan *p, char *const *environment, struct payload *found);

// execve of the candidates, in their order. Returns only on error: -errno, recorded.
int payload_execute(struct payload *found);

#endif
