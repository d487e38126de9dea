// SPDX-License-Identifier: MIT
//
// Names of entries, made plain: components without empty ones and `.`, joined by one slash. `..` has no place in
// them: what is below is decided by the kernel, and who reads an archive beforehand must see the same names.
#ifndef ARCHIVE_NAMES_H
#define ARCHIVE_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct name {
    char path[PATH_MAX]; // below ROOT; "" is ROOT itself
    size_t length;
    size_t depth;  // components
    size_t parent; // length of the directory's part: path[parent] is the slash before the last component
};

// Makes `text` plain, below the plain path `directory`, without its first `strip` components. 0;
// -ENODATA when no component is left of some; -EPERM for `..`; -ENAMETOOLONG, also for one component.
int name_make(struct name *name, const char *directory, const char *text, unsigned strip);

// The last component.
const char *name_leaf(const struct name *name);

// Whether a link with that target, `depth` real directories below the top, may lead above it: read as text. That is
// only sure while `..` comes first (a `..` behind a link's name goes elsewhere), so any other `..` counts too.
bool name_link_climbs(size_t depth, const char *target);

#endif
