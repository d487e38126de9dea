// SPDX-License-Identifier: MIT
#ifndef ROOT_BECOME_H
#define ROOT_BECOME_H

#include <linux/filter.h>

#include "root/enter.h"

// A filter, ready to be loaded: two programs at most, ours before the caller's, which can be any.
struct become_filter {
    struct become_program {
        unsigned short count; // 0: none
        unsigned flags;       // SECCOMP_FILTER_FLAG_...
        struct sock_filter code[BPF_MAXINSNS];
    } program[2];
};

// Makes this process what the plan says the payload is: limits, no_new_privs, ids, capabilities;
// then proves it by reading all of it back, and by trying to become root again. -errno, recorded.
// CAP_SYS_ADMIN stays besides, until execve(2), where only it can load the plan's filter.
int become_payload(const struct enter *e);

// --new-session, in the process that will be the payload. -errno, recorded.
int become_session(const struct plan *p);

// Loads the filter; only execve, the report of its failure and _exit follow. -errno, recorded.
int become_filtered(const struct become_filter *filter);

// Capabilities that the payload is to hold.
uint64_t become_capabilities(const struct enter *e);

#endif
