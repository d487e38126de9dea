// SPDX-License-Identifier: MIT
#include "cmd/features.h"

int features_main(char **argv, char **words, const struct caps_privilege *held)
{
    (void)argv, (void)words, (void)held;
    return 0;
}
