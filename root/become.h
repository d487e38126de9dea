// SPDX-License-Identifier: MIT
#ifndef ROOT_BECOME_H
#define ROOT_BECOME_H

#include <linux/filter.h>

#include "root/enter.h"

// A filter, ready to be loaded.
struct become_filter {
    unsigned short count; // 0: none
    struct sock_filter code[BPF_MAXINSNS];
};

// Makes this process what the plan says the payload is: limits, no_new_privs, ids, capabilities;
// then proves it by reading all of it back, and by trying to become root again. -errno, recorded.
// The filter is loaded by become_filtered(), unless only the privileges that are lost here can load it.
int become_payload(const struct enter *e, struct become_filter *filter);

// --new-session, in the process that will be the payload. -errno, recorded.
int become_session(const struct plan *p);

// Loads the filter; only execve, the report of its failure and _exit follow. -errno, recorded.
int become_filtered(struct become_filter *filter);

// Capabilities that the payload is to hold.
uint64_t become_capabilities(const struct enter *e);

#endif
