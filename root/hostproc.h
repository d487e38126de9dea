// SPDX-License-Identifier: MIT
//
// A procfs inside ROOT: whose processes it shows, and what can be reached through it.
#ifndef ROOT_HOSTPROC_H
#define ROOT_HOSTPROC_H

#include <stdbool.h>

// Before entering: whether any procfs may lie at or below the directory `root`. In doubt yes.
bool hostproc_below(int root);

// The same for the root of a clone that has been attached in a mount namespace of our own: 1 or 0; -errno,
// recorded.
int hostproc_in_clone(int tree);

// Before a chroot: -EPERM, recorded, if the working directory, which is ROOT `name`, lies on a mount of another
// namespace, whose mounts can't be seen.
int hostproc_refuse_foreign(const char *name);

// Inside: -EPERM, recorded, when a procfs of the caller's own pid namespace can be seen, or one of which
// that can't be ruled out. With `own_pids` we are the first process of a pid namespace of our own, whose procfs is
// none of the caller's. *any says whether there is a procfs at all.
int hostproc_refuse(const char *root, bool own_pids, bool *any);

#endif
