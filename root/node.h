// SPDX-License-Identifier: MIT
//
// Device nodes and fifos of the payload: made, or, where that is denied, the host's node bound on an empty file.
#ifndef ROOT_NODE_H
#define ROOT_NODE_H

#include "root/rootfs.h"

struct node {
    const char *path;   // in the root
    mode_t mode;        // type (S_IFCHR, S_IFBLK, S_IFIFO) and permissions, whatever the umask
    unsigned major, minor;
    uint32_t uid, gid;
    const char *source; // the host's node of that type and number, for binding it
};

// Makes the node in `dir` (O_PATH), which is the directory of its path. One that is there already stays as it is;
// anything else there is an error. 0 or -errno, recorded.
int node_make(struct enter *e, int dir, const struct node *n);

#endif
