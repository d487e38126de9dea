// SPDX-License-Identifier: MIT
//
// Shell patterns as in glob(7): `*`, `?` and `[...]` do not match a slash, `**` matches everything. Bytes, no locale.
#ifndef ARCHIVE_GLOB_H
#define ARCHIVE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum { GLOBS_MAX = 4096 };

struct globs {
    char **pattern; // its own copies, which live as long as the process
    unsigned count, room;
};

// Adds the first `n` bytes of `pattern`. 0 or -ENOMEM, -E2BIG; not recorded.
int globs_add(struct globs *globs, const char *pattern, size_t n);

// Whether the pattern matches the whole of `text`; or, with `above`, that or a part that a slash follows.
bool glob_matches(const char *pattern, const char *text, bool above);

// Whether a pattern matches the path or one of the directories that lead to it.
bool globs_match_path(const struct globs *globs, const char *path);

#endif
