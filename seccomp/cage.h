// SPDX-License-Identifier: MIT
//
// Filters for the helper's own processes: a list of the calls that each makes, and death for any other. Unlike the
// payload's filter it names what is allowed, since the code that it holds is ours and known.
#ifndef SECCOMP_CAGE_H
#define SECCOMP_CAGE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum cage {
    CAGE_DECODER,   // read, send and exit: decode.h
    CAGE_EXTRACTOR, // makes, writes and removes below descriptors: extract.h
};

enum { CAGE_MAX = 160 };

// Loads the filter; needs no_new_privs. It can't be taken back. -errno, recorded.
int cage_shut(enum cage which);

// Writes the filter into OUT: how many instructions, or -E2BIG. The process `pid` may signal itself; what is not on
// the list is answered with `otherwise`, a SECCOMP_RET_ value.
int cage_write(enum cage which, int pid, uint32_t otherwise, struct sock_filter *out, size_t max);

#endif
