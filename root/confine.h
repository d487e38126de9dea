// SPDX-License-Identifier: MIT
//
// What is left of the helper's powers when it does a job in the root itself.
#ifndef ROOT_CONFINE_H
#define ROOT_CONFINE_H

#include <stddef.h>
#include <stdint.h>

#include "root/enter.h"
#include "seccomp/cage.h"

// For good: no descriptor but those of `keep` (unsorted, below 0: none; at most 16) and the entered root; of the
// capabilities that are held only `capabilities`; no_new_privs; by Landlock nothing outside the root; the filter.
// -errno, recorded.
int confine(const struct enter *e, uint64_t capabilities, const int *keep, size_t count, enum cage cage);

#endif
