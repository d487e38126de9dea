// SPDX-License-Identifier: MIT
#ifndef ARCHIVE_REMOVE_H
#define ARCHIVE_REMOVE_H

// Removes the directory `name` in `parent` with all that is in it. No link is followed, no other mount entered;
// one descriptor, whatever the depth. A directory that somebody moves away meanwhile ends it with -ESTALE.
// -errno, not recorded.
int remove_tree(int parent, const char *name);

#endif
