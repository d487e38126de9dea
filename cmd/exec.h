// SPDX-License-Identifier: MIT
//
// The commands. Each gets the words behind its name, NULL-terminated, and returns an exit status.
#ifndef CMD_EXEC_H
#define CMD_EXEC_H

#include "plan/options.h"
#include "sys/caps.h"

int exec_main(char **argv, char **words, const struct caps_privilege *held);

// The option table of exec.
extern const struct option_row exec_options[];
extern const char exec_usage[];

// The environment of the payload: the caller's, changed as --env and its kin say. -errno, recorded.
int exec_environment(const struct plan *p, char **before, char ***result);

// Prints the plan as JSON for --dry-run.
int exec_print_plan(const struct plan *p, const struct caps_privilege *held);

#endif
