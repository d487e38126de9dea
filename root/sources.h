// SPDX-License-Identifier: MIT
//
// The sources of binds. What a caller with CAP_SYS_ADMIN names is cloned before the unshare, with his rights and
// from his working directory, and is complete then; what an ordinary user names is found again after it.
#ifndef ROOT_SOURCES_H
#define ROOT_SOURCES_H

#include <stdbool.h>
#include <sys/types.h>

#include "root/rootfs.h"

struct source {
    enum source_kind {
        SOURCE_NONE,
        SOURCE_CLONE,  // `fd` is detached, with its attributes
        SOURCE_GIVEN,  // `fd` is the caller's: a detached mount, or to be found again
        SOURCE_AGAIN,  // at `path`, which was `dev` and `ino`
        SOURCE_INSIDE, // at `path` in the root: earlier mounts may be part of it
    } kind;
    int fd;
    bool foreign; // given, and not what is at its path in the caller's mount namespace
    bool banked;  // `fd` lies in a socket, and comes out in the mounts' order
    dev_t dev;
    ino_t ino;
    mode_t type; // of st_mode
    char *path;  // room for PATH_MAX bytes
};

// What the mount's attributes are to be, once for both times.
struct rootfs_how source_how(const struct plan *p, const struct plan_mount *m);

// The source of mount I, opened or taken over: *detached says whether it can be attached as it is. A descriptor, the
// caller's to close, or -errno, recorded.
int source_take(struct enter *e, unsigned i, bool *detached);

// What must stay open until the last is taken: at most SOURCES_HELD descriptors, into FDS; some are -1. Their count.
enum { SOURCES_HELD = MOUNTS_MAX + 2 };
size_t sources_held(const struct enter *e, int *fds);

#endif
