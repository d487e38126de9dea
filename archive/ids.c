// SPDX-License-Identifier: MIT
#include "archive/ids.h"

bool ids_find_outer(const struct id_maps *maps, uint32_t inner, uint32_t *outer)
{
    for (unsigned i = 0; i < maps->count; i++) {
        const struct id_map *line = &maps->line[i];
        if (inner >= line->inner && inner - line->inner < line->count) {
            *outer = line->outer + (inner - line->inner);
            return true;
        }
    }
    return false;
}
