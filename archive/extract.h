// SPDX-License-Identifier: MIT
//
// Makes what an archive holds, below a directory and nowhere else: every name is reached through descriptors, its
// directory is resolved inside the root, and its last component is never followed. A file is new (O_EXCL) or an
// error; what stood in its place was removed, not written to: it may be a hard link into another tree.
#ifndef ARCHIVE_EXTRACT_H
#define ARCHIVE_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "archive/dirs.h"
#include "archive/names.h"
#include "archive/options.h"
#include "archive/parents.h"
#include "archive/tar_read.h"

struct extract_counts {
    uint64_t entries; // done, skipped ones included
    uint64_t files, directories, symlinks, hardlinks, devices, fifos, skipped;
    uint64_t bytes; // of data that were written
};

struct extract {
    const struct extract_options *o;
    struct tar_reader *reader;
    int root;        // of the names; a directory
    uid_t uid;       // that files get which this process makes
    gid_t gid;
    void (*named)(void *context, const char *name); // --verbose: each entry that was made; may be NULL
    void *context;

    struct extract_counts counts;
    size_t depth;                  // of options' directory
    const struct tar_entry *entry; // the one that is being made; NULL between them
    struct name name, target;
    unsigned mode;  // as it will be
    uid_t owner;    // likewise, where has_owner
    gid_t group;
    bool has_owner; // else files belong to whom the kernel gives them
    bool has_attributes;
    bool removed_names, removed_directories; // by entries: a recorded directory may be elsewhere, or gone
    struct parents parents;
    struct dirs dirs;
};

// Reads the archive to its end and makes all of it. The umask is 0. -errno, recorded.
int extract_all(struct extract *x);

// -- for its parts -----------------------------------------------------------------------------

// Records the error `number` of `op` on the entry's path: names that Linux can't have, or that lead through what is
// no directory, are the archive's fault. Returns -number.
int extract_failed(const struct extract *x, const char *op, int number);

// Records that the entry is refused by `rule`. Returns -EPERM, or -number.
int extract_refuse(const struct extract *x, const char *rule, const char *reason);
int extract_refuse_as(const struct extract *x, int number, const char *rule, const char *reason);

#endif
