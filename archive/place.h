// SPDX-License-Identifier: MIT
//
// The place of an entry: the directory that it goes into, made where it is missing, and what stands there already.
#ifndef ARCHIVE_PLACE_H
#define ARCHIVE_PLACE_H

#include "archive/extract.h"

// The descriptor of the entry's directory, the cache's. -errno, recorded.
int place_open(struct extract *x);

// The directory of the hard link's target, x->target; nothing is made.
int place_open_target(struct extract *x);

// After EEXIST for the entry in `parent`: removes what is there, as --existing says, so that it can be made. 0, or
// 1 if it is to be kept; -errno, recorded. `tries` is how often that was: somebody else may put it there again.
int place_clear(struct extract *x, int parent, unsigned tries);

#endif
