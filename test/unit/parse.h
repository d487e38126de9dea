// SPDX-License-Identifier: MIT
//
// Words parsed into a plan as `exec` does it.
#ifndef TEST_UNIT_PARSE_H
#define TEST_UNIT_PARSE_H

#include <stdlib.h>

#include "cmd/exec.h"
#include "plan/options.h"
#include "sys/err.h"
#include "sys/status.h"
#include "test/unit/rootfs_release.h"
#include "test/unit/support.h"

static struct plan plan;
static char **operands;

static inline int parse_words(char **words)
{
    status_set(-1);
    err_forget();
    free(plan.env);
    free(plan.upper);
    free(plan.work);
    release_rootfs(&plan.rootfs);
    memset(&plan, 0, sizeof(plan));
    plan.root_fd = plan.status_fd = plan.sync_fd = plan.args_fd = plan.filter_fd = plan.config_fd = -1;
    operands = NULL;
    return options_parse(exec_options, &plan, words, &operands);
}

#define PARSE(...) parse_words((char *[]){__VA_ARGS__, NULL})

#endif
