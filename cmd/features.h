// SPDX-License-Identifier: MIT
#ifndef CMD_FEATURES_H
#define CMD_FEATURES_H

#include "sys/caps.h"

// `inroot features`: what this host allows, for people or (--json) for programs.
int features_main(char **argv, char **words, const struct caps_privilege *held);

#endif
