// SPDX-License-Identifier: MIT
//
// The processes that decode an archive beside the one that extracts it. They are started before the root is entered
// and die with the process that started them.
#ifndef ARCHIVE_WORKERS_H
#define ARCHIVE_WORKERS_H

#include "archive/input.h"

// Each takes what `in` has read already and puts what comes out in its place. -errno, recorded.
int workers_start_decoder(struct input *in);
int workers_start_program(struct input *in);

#endif
