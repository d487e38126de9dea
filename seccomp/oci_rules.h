// SPDX-License-Identifier: MIT
//
// The rules of an OCI profile for the architectures of this kernel, as libseccomp 2.5 takes them
// when runc adds them one by one.
#ifndef SECCOMP_OCI_RULES_H
#define SECCOMP_OCI_RULES_H

#include <stdbool.h>

#include "seccomp/compile.h"

// All rules of a profile are forgotten; `compat`: there is a table of the 32-bit calls, too.
void oci_rules_start(bool compat);

// Adds a rule for the call NAME where it exists; ARG are COUNT conditions in any order, and every
// index but once. NULL, or why not.
const char *oci_rules_add(const char *name, size_t n, uint32_t action,
                          const struct compile_arg *arg, unsigned count);

// NAME is one of the profile's calls, even if it got no rule.
void oci_rules_name(const char *name, size_t n);

// Adds what follows from all rules, and returns the COUNT tables, this kernel's own first. NULL if there
// is no room.
const struct compile_table *oci_rules_finish(size_t *count);

#endif
