// SPDX-License-Identifier: MIT
//
// Directories whose mode, times and ACLs are set last: what is put into one changes its time, may be forbidden by
// its mode, and would inherit its default ACL. 48 bytes each, its last components and its ACLs, up to 64 MiB.
#ifndef ARCHIVE_DIRS_H
#define ARCHIVE_DIRS_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/pax.h"

enum {
    DIRS_DEPTH = PATH_MAX / 2 + 1, // no path has more components
    DIRS_CHUNK = 64 << 10,
    DIRS_CHUNKS = 1024,
};

// What is to be set. An ACL of no bytes: none.
struct dirs_entry {
    dev_t device;
    ino_t inode;
    unsigned mode;
    struct pax_time mtime, atime;
    int has_atime;
    const void *access, *inherited; // ACLs as the kernel keeps them
    size_t access_size, inherited_size;
};

struct dirs {
    char *chunk[DIRS_CHUNKS];
    unsigned chunks;
    size_t used; // of the last one
    uint32_t first[DIRS_DEPTH], last[DIRS_DEPTH]; // lists by depth, in the order of the archive
    // The directory that was added last, and the ones above it that are recorded.
    char path[PATH_MAX];
    unsigned above;
    struct {
        uint32_t record;
        size_t length;
    } chain[DIRS_DEPTH];
};

// Records the directory at the plain `path` of `depth` components. -ENOMEM, -E2BIG; not recorded.
int dirs_add(struct dirs *d, const char *path, size_t depth, const struct dirs_entry *entry);

// Calls `visit` with each path and entry, the deepest first, until it returns non-zero; returns that.
int dirs_each(const struct dirs *d, int (*visit)(void *context, const char *path, const struct dirs_entry *entry),
              void *context);

#endif
