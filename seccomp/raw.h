// SPDX-License-Identifier: MIT
//
// Programs for seccomp(2) as bytes: checked here as the kernel will check them
// (seccomp_check_filter() and bpf_check_classic(), Linux 3.5 to 6.18), so that a bad one is found
// while nothing has been given up yet.
#ifndef SECCOMP_RAW_H
#define SECCOMP_RAW_H

#include <linux/filter.h>
#include <stddef.h>

// NULL if the kernel takes the program; else why not, and *AT is the instruction.
const char *raw_check(const struct sock_filter *code, size_t count, size_t *at);

// Checks the program of SIZE bytes at BYTES and copies it to OUT, which has room for BPF_MAXINSNS.
// SOURCE is its name in errors: how many instructions, or -EINVAL or -E2BIG, recorded.
int raw_read(const void *bytes, size_t size, const char *source, struct sock_filter *out);

#endif
