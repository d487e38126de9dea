// SPDX-License-Identifier: MIT
//
// The maps of sparse files: old GNU (in the header), pax 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").
#ifndef ARCHIVE_SPARSE_H
#define ARCHIVE_SPARSE_H

#include <stdbool.h>

#include "archive/tar_header.h"
#include "archive/tar_read.h"

// Fills the map of the entry whose header was taken: one region for a file without holes, none for what is no file.
// Regions are in order, do not overlap, and hold exactly the stored bytes; else -errno, recorded.
int sparse_begin(struct tar_reader *r, const struct tar_header *h);

// The next offset, or length, of format 0.0. -E2BIG, or -EBADMSG when it is not its turn.
int sparse_take_pax(struct tar_reader *r, bool is_offset, uint64_t value);

#endif
