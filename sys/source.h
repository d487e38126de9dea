// SPDX-License-Identifier: MIT
//
// Whole texts that the caller names: a file, or a descriptor, which can be a pipe.
#ifndef SYS_SOURCE_H
#define SYS_SOURCE_H

#include <stddef.h>
#include <sys/types.h>

// Reads at most SIZE bytes of the descriptor FD, or, where that is -1, of the regular file NAME. FD stays
// open, but as a standard descriptor it becomes /dev/null: it would stay the payload's. How many, or -errno,
// recorded as of OP.
ssize_t source_read(const char *op, const char *name, int fd, void *data, size_t size);

#endif
