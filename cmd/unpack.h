// SPDX-License-Identifier: MIT
#ifndef CMD_UNPACK_H
#define CMD_UNPACK_H

#include "plan/options.h"
#include "sys/caps.h"

int unpack_main(char **argv, char **words, const struct caps_privilege *held);

extern const struct option_row unpack_options[];
extern const char unpack_usage[];

// Decides what was left open by the caller's privileges, and refuses what can't be meant. -errno, recorded.
int unpack_check(struct plan *p, const struct caps_privilege *held);

#endif
