// SPDX-License-Identifier: MIT
//
// Owners, modes, attributes and times of what was made. Each is set on a descriptor of the very thing, after looking
// whether it is: in the order owner, attributes, mode, ACLs, times, since each may undo the ones after it.
#ifndef ARCHIVE_META_H
#define ARCHIVE_META_H

#include "archive/extract.h"

// Decides mode and owner of x->entry. -errno, recorded.
int meta_decide(struct extract *x);

// Of a directory that has no entry; false if it stays as the kernel makes it.
bool meta_implied_owner(const struct extract *x, uid_t *owner, gid_t *group);

// The mode to make a file or directory with: the final one where nobody gets more by it for a moment.
unsigned meta_early_mode(const struct extract *x);

// A new regular file, written and open at `fd`; `st` is what fstat(2) said of it when it was made.
int meta_file(struct extract *x, int fd, const struct stat *st);

// A new symbolic link, fifo or device of that type (S_IFMT) in `parent`.
int meta_node(struct extract *x, int parent, mode_t type);

// A directory, new or not, at `fd`: owner and attributes; the rest is recorded for meta_directories().
int meta_directory(struct extract *x, int fd, bool is_new);

// At the end: mode, ACLs and times of all recorded directories.
int meta_directories(struct extract *x);

#endif
