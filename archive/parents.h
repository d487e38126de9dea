// SPDX-License-Identifier: MIT
//
// Descriptors of the directories that entries were put into last. Names of directories mean what they meant when
// they were opened until an entry makes a link or removes something: then all are forgotten. (containerd's cache
// was CVE-2025-47290, libarchive's issue 745: neither was.)
#ifndef ARCHIVE_PARENTS_H
#define ARCHIVE_PARENTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { PARENTS = 12 };

struct parents {
    int root;
    bool no_links; // symbolic links on the way are refused
    bool stale;    // forget all before the next look
    unsigned next; // the one to be replaced
    struct parent {
        int fd; // -1: unused
        size_t length;
        char path[PATH_MAX];
    } parent[PARENTS];
};

void parents_begin(struct parents *p, int root, bool no_links);
void parents_end(struct parents *p);

// The directory at the first `length` bytes of `path`: its descriptor (O_PATH or not), which stays the cache's and
// is valid until the call after the next one; -errno, not recorded.
int parents_open(struct parents *p, const char *path, size_t length);

// Takes over `fd`, the directory at `path`.
void parents_keep(struct parents *p, const char *path, size_t length, int fd);

// What names mean may have changed. The directory that was opened last can be used on.
void parents_forget(struct parents *p);

#endif
