// SPDX-License-Identifier: MIT
// Any bytes as an OCI config. What is taken must be a plan that holds what it promises; what is not, an error in words.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plan/oci.h"
#include "sys/err.h"
#include "sys/status.h"

#include "test/unit/oci_config.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_absolute(const char *path)
{
    return path != NULL && path[0] == '/';
}

static void check_maps(const struct id_maps *maps)
{
    MUST(maps->count <= MAP_LINES);
    for (unsigned i = 0; i < maps->count; i++) {
        const struct id_map *line = &maps->line[i];
        MUST(line->count > 0 && (uint64_t)line->inner + line->count <= UINT32_MAX);
        MUST((uint64_t)line->outer + line->count <= UINT32_MAX);
    }
}

static void check_rootfs(const struct plan_rootfs *r)
{
    for (unsigned i = 0; i < r->mount_count; i++) {
        const struct plan_mount *m = &r->mount[i];
        MUST(is_absolute(m->target) && m->fd == -1 && !m->weak_ro);
        MUST(m->type != MOUNT_BIND || m->remount || is_absolute(m->source));
        MUST((m->users == NULL) == (m->groups == NULL));
        if (m->users != NULL) {
            check_maps(m->users);
            check_maps(m->groups);
        }
    }
    for (unsigned i = 0; i < r->device_count; i++) {
        const mode_t type = r->device[i].mode & S_IFMT;
        MUST(is_absolute(r->device[i].target) && r->device[i].source == NULL);
        MUST(type == S_IFCHR || type == S_IFBLK || type == S_IFIFO);
    }
    for (unsigned i = 0; i < r->mask_count; i++)
        MUST(is_absolute(r->mask[i]));
    for (unsigned i = 0; i < r->read_only_count; i++)
        MUST(is_absolute(r->read_only[i]));
    for (unsigned i = 0; i < r->hook_count; i++)
        MUST(is_absolute(r->hook[i].path) && r->hook[i].environment != NULL);
    MUST(r->hook_count == 0 || r->state[0] == '{');
}

static void check_plan(void)
{
    MUST(plan.root == NULL || is_absolute(plan.root));
    MUST(plan.workdir == NULL || is_absolute(plan.workdir));
    MUST(plan.command == NULL || plan.command[0] != NULL);
    MUST(plan.uid != UINT32_MAX && plan.gid != UINT32_MAX && plan.umask <= 0777);
    MUST(plan.env_count > 0 && plan.env[0].what == ENV_CLEAR && plan.env_count <= plan.env_room);
    for (unsigned i = 1; i < plan.env_count; i++)
        MUST(strchr(plan.env[i].text, '=') > plan.env[i].text);
    for (unsigned i = 0; i < plan.rlimit_count; i++)
        MUST(plan.rlimit[i].limit.rlim_cur <= plan.rlimit[i].limit.rlim_max);
    for (unsigned i = 0; i < plan.join_count; i++)
        MUST(is_absolute(plan.join[i].source) && (plan.unshare & plan.join[i].flag) == 0);
    MUST(plan.root_fd == -1 && plan.config_fd == -1);
    check_maps(&plan.users);
    check_maps(&plan.groups_map);
    check_rootfs(&plan.rootfs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    status_set(-1);
    if (compile_config((const char *)data, size, "/usr/..") == 0)
        check_plan();
    else if (strchr(err_brief(), ':') == NULL)
        abort(); // an error that says nothing
    release_plan();
    return 0;
}
