// SPDX-License-Identifier: MIT
//
// What the root file system of a plan owns, given back.
#ifndef TEST_UNIT_ROOTFS_RELEASE_H
#define TEST_UNIT_ROOTFS_RELEASE_H

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

static inline void release_rootfs(struct plan_rootfs *r)
{
    for (unsigned i = 0; i < r->mount_count; i++) {
        free((char *)r->mount[i].data);
        free(r->mount[i].text);
    }
    for (unsigned i = 0; i < r->device_count; i++)
        free(r->device[i].text);
    free(r->mount);
    free(r->device);
    free(r->mask);
    free(r->read_only);
    free(r->mount_fds);
    memset(r, 0, sizeof(*r));
}

#endif
