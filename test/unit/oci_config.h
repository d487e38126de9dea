// SPDX-License-Identifier: MIT
//
// A config compiled into a plan, and the plan released.
#ifndef TEST_UNIT_OCI_CONFIG_H
#define TEST_UNIT_OCI_CONFIG_H

#include <stdlib.h>
#include <string.h>

#include "plan/oci.h"
#include "sys/err.h"
#include "test/unit/rootfs_release.h"

static struct plan plan;

static inline void release_plan(void)
{
    release_rootfs(&plan.rootfs);
    free(plan.env);
    memset(&plan, 0, sizeof(plan));
    plan.root_fd = plan.status_fd = plan.sync_fd = plan.args_fd = plan.filter_fd = plan.config_fd = -1;
}

static inline int compile_config(const char *text, size_t size, const char *directory)
{
    err_forget();
    release_plan();
    plan.config = "config.json";
    return oci_config_compile(&plan, text, size, directory);
}

#endif
