// SPDX-License-Identifier: MIT
//
// What the parts of the tar reader share: tar_read.c has the stream, tar_special.c the records before an entry,
// tar_entry.c the entry itself, sparse.c its map.
#ifndef ARCHIVE_TAR_PARTS_H
#define ARCHIVE_TAR_PARTS_H

#include "archive/tar_header.h"
#include "archive/tar_read.h"

// What the entry is called so far, or the archive.
const char *tar_entry_name(const struct tar_reader *r);

// Records that the entry is refused by `rule`: -EBADMSG. That its data end too early.
int tar_refuse(const struct tar_reader *r, const char *rule, const char *reason);
int tar_truncated(const struct tar_reader *r);

// The next block: 1; 0 at the end of the stream; -errno. It is copied: a decoder could change its memory under us.
int tar_block(struct tar_reader *r, void *block);

static inline unsigned tar_padding_after(uint64_t size)
{
    return (unsigned)(-size % TAR_BLOCK_SIZE);
}

// A record that belongs to the next entry, or to all: x, g, L, K.
bool tar_is_special(char type);
int tar_take_special(struct tar_reader *r, const struct tar_header *h, enum tar_format format);

// Fills r->entry from its header and the records before it.
int tar_take_entry(struct tar_reader *r, const struct tar_header *h, enum tar_format format);

#endif
