// SPDX-License-Identifier: MIT
#ifndef ARCHIVE_REMOVE_H
#define ARCHIVE_REMOVE_H

// Removes the directory `name` in `parent` with all that is in it. No link is followed, no other mount entered;
// one descriptor, whatever the depth. A directory that somebody moves away meanwhile ends it with -ESTALE.
// `look` is called now and then, and ends it by what is not 0. -errno, not recorded but for look's.
int remove_tree(int parent, const char *name, int (*look)(void *context), void *context);

#endif
