// SPDX-License-Identifier: MIT
//
// Maps of user or group ids, as lines INNER:OUTER:COUNT (user_namespaces(7)).
#ifndef ARCHIVE_IDS_H
#define ARCHIVE_IDS_H

#include <stdbool.h>
#include <stdint.h>

enum { MAP_LINES = 340 }; // user_namespaces(7): what the kernel takes

struct id_map {
    uint32_t inner, outer, count;
};

struct id_maps {
    unsigned count;
    struct id_map line[MAP_LINES];
};

// What `inner` is outside; false if no line maps it.
bool ids_find_outer(const struct id_maps *maps, uint32_t inner, uint32_t *outer);

#endif
