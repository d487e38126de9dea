// SPDX-License-Identifier: MIT
//
// Reads tar: v7, ustar (POSIX.1-1988), pax (POSIX.1-2001), GNU, star; sparse files of GNU's four kinds. A pull
// interface: the next entry, then its data as spans. Nothing is allocated.
//
// What two parsers could read differently is refused (CVE-2025-62518 and its kin): the rules stand in
// inroot-unpack(1), "What is refused". Every error is recorded, and is the archive's fault unless it is a read's.
#ifndef ARCHIVE_TAR_READ_H
#define ARCHIVE_TAR_READ_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/input.h"
#include "archive/pax.h"

enum tar_type {
    TAR_FILE,
    TAR_HARDLINK,
    TAR_SYMLINK,
    TAR_CHAR,
    TAR_BLOCK,
    TAR_DIRECTORY,
    TAR_FIFO,
};

enum {
    TAR_BLOCK_SIZE = 512,
    TAR_REGIONS_MAX = 65536, // of one sparse file
    TAR_PADDING_MAX = 1 << 20, // zeros after the end of the archive
};

struct tar_region {
    uint64_t offset, length;
};

struct tar_entry {
    enum tar_type type;
    const char *name, *link; // as in the archive; valid until the next tar_next()
    unsigned mode;           // 07777
    uint32_t uid, gid;       // never (uid_t)-1
    struct pax_time mtime, atime;
    bool has_atime;
    unsigned major, minor;
    bool sparse;
    uint64_t size;   // of the file, holes included
    uint64_t stored; // bytes in the archive
    uint64_t offset; // of its header
};

// A piece of a file's data, valid until the next call.
struct tar_span {
    uint64_t offset; // in the file
    const unsigned char *data;
    size_t length;
};

struct tar_reader {
    struct input *in;
    bool ignore_zeros;  // go on after the end of an archive
    bool strict;        // no end of the archive is an error
    bool has_end;       // it was there
    bool started;       // an entry or the end was read
    uint64_t left;      // bytes of the entry's data not read yet
    unsigned padding;   // bytes up to the next block, after them
    uint64_t region_at; // bytes read of the current region
    unsigned region, regions;
    bool has_long_name, has_long_link, has_pax;
    size_t pax_size;    // bytes of `records` that belong to the entry
    uint64_t special_at;     // offset of the first of the records that belong to the next entry
    unsigned char block[TAR_BLOCK_SIZE];
    struct pax pax, global;
    struct tar_entry entry;
    char name[PATH_MAX], link[PATH_MAX];
    struct tar_region map[TAR_REGIONS_MAX];
    char records[PAX_MAX];
};

// Skips what is left of the last entry and reads the next one: 1; 0 after the last, and *entry is NULL; -errno.
int tar_next(struct tar_reader *r, const struct tar_entry **entry);

// The next piece of the entry's data: 1; 0 after the last; -errno.
int tar_data(struct tar_reader *r, struct tar_span *span);

// Lets the kernel copy data to `fd`, whose offset is where it goes: *sent bytes, 0 if tar_data() is to be used.
// What the copying failed by is left in *number, and is not recorded.
int tar_send(struct tar_reader *r, int fd, uint64_t *sent, int *number);

// The entry's extended attributes and ACLs: as pax_next_attribute().
int tar_attribute(struct tar_reader *r, size_t *at, struct pax_attribute *attribute);

// After the last entry: zeros and nothing else may follow up to the end of the stream.
int tar_finish(struct tar_reader *r);

#endif
