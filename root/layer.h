// SPDX-License-Identifier: MIT
//
// overlayfs over a place of the tree: the lower layer is what is there, and is never changed.
#ifndef ROOT_LAYER_H
#define ROOT_LAYER_H

#include <stdbool.h>

struct layer_upper {
    int upper, work; // directories, mounted in this mount namespace; closed by who has them
};

// What is mounted below a place comes on top of the layer again.
enum layer_mounts {
    LAYER_AS_THEY_ARE,
    LAYER_READ_ONLY, // what is written there would go past the overlay
};

// Lays a tmpfs over the directory `at` and makes both directories in it; the upper one has AT's mode and owner.
// 0 or -errno, recorded as of NAME.
int layer_tmpfs(int at, const char *name, struct layer_upper *u);

// Lays the overlay over what is topmost at the directory AT, which stays the lower layer. The overlay's root, or
// -errno, recorded. The working directory is another one afterwards.
int layer_cover(int at, const char *name, const struct layer_upper *u, enum layer_mounts mounts);

// Both: with a tmpfs.
int layer_cover_by_tmpfs(int at, const char *name, enum layer_mounts mounts);

#endif
