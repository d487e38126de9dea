// SPDX-License-Identifier: MIT
//
// The same as in root/rootfs.h by mount(2), for kernels before 5.12 and for filters that deny the newer calls. Places
// are named as "self/fd/N", relative to the checked descriptor of /proc; a mount is made on top of "/", and moved.
#ifndef ROOT_LEGACY_H
#define ROOT_LEGACY_H

#include "root/rootfs.h"

int legacy_set(int fd, const struct rootfs_how *how, const char *name);
int legacy_bind(struct enter *e, int source, int target, const struct rootfs_how *how, const char *name);
int legacy_mount(struct enter *e, const char *type, const char *source, const char *data,
                 const struct rootfs_how *how, int target, const char *name);

// All mounts of the tree become read-only.
int legacy_read_only(const struct enter *e);

#endif
