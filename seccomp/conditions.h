// SPDX-License-Identifier: MIT
//
// Conditions on the arguments of one call, as instructions.
#ifndef SECCOMP_CONDITIONS_H
#define SECCOMP_CONDITIONS_H

#include <stdbool.h>

#include "seccomp/bpf.h"
#include "seccomp/compile.h"

// The order in which rules of one number are asked, as the sign of a difference: that of
// libseccomp's tree.
int conditions_order(const struct compile_rule *a, const struct compile_rule *b);

// The rule's conditions hold for every call. On a 32-bit architecture only the low halves count.
bool conditions_always(const struct compile_rule *rule, bool narrow);

// Both rules ask for the same.
bool conditions_equal(const struct compile_rule *a, const struct compile_rule *b);

// Goes to the answer of the first of RULES (COUNT of them) whose conditions hold, else to
// OTHERWISE. ANSWERS are the labels of the rules' actions.
bpf_label conditions_put(struct bpf_writer *writer, const struct compile_rule *const *rules,
                         const bpf_label *answers, size_t count, bool narrow, bpf_label otherwise);

#endif
