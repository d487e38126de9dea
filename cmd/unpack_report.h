// SPDX-License-Identifier: MIT
//
// What is said while an archive is unpacked and afterwards, and the signals that end it.
#ifndef CMD_UNPACK_REPORT_H
#define CMD_UNPACK_REPORT_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "archive/extract.h"
#include "plan/plan.h"

struct report {
    const struct plan *plan;
    struct extract *x;
    struct input *in;
    sigset_t watched;      // signals that end the run
    int ended_by;          // the one that did; 0
    bool shows;            // a progress line
    bool line;             // one stands on the terminal
    struct timespec begun;
    long told;             // seconds after that when progress was told last
};

// Before anything is waited for.
void report_begin(struct report *r, const struct plan *plan, struct extract *x, struct input *in);

// For input.h: looks for signals, tells progress, and waits for the descriptor. -ECANCELED, recorded.
int report_pause(void *context, int fd);

// Opens the archive; a signal can end that too. -errno, recorded.
int report_open(struct report *r, const char *path);

// After a call that a signal has interrupted: -ECANCELED, recorded, if that ends the run.
int report_interrupted(void *context);

// For extract.h: --verbose.
void report_name(void *context, const char *name);

// The summary; then the error that was recorded. Dies by the signal if it was one. -errno of what can't be printed.
int report_end(struct report *r, bool complete);

#endif
