// SPDX-License-Identifier: MIT
//
// Finds what is to be done with a number, in the fewest steps for the numbers that count. bpf_search() is
// written in a part of the time, for some steps more.
#ifndef SECCOMP_DISPATCH_H
#define SECCOMP_DISPATCH_H

#include "seccomp/bpf.h"

// The numbers from FROM up to the next range's FROM go to TO.
struct dispatch_range {
    uint32_t from;
    uint32_t weight; // > 0: how often it is asked for
    bpf_label to;
};

enum { DISPATCH_MAX = 2100 }; // ranges of one search

// Looks the loaded word up. RANGES are 0 < COUNT <= DISPATCH_MAX, ascending, and start at 0.
// The result can be a label of RANGES: nothing is written for a single range. Not reentrant.
bpf_label dispatch_search(struct bpf_writer *writer, const struct dispatch_range *ranges,
                          size_t count);

#endif
