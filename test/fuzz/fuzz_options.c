// SPDX-License-Identifier: MIT
// Any words as the arguments of exec, up to the checked plan. The first byte says who calls.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/exec.h"
#include "sys/err.h"
#include "sys/status.h"
#include "test/unit/rootfs_release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

// What the kernel must never see: ids, ranges and paths that the parser should have refused.
static void check_plan(const struct plan *p)
{
    for (unsigned i = 0; i < p->users.count; i++) {
        const struct id_map *line = &p->users.line[i];
        if (line->count == 0 || line->outer > UINT32_MAX - line->count)
            abort();
    }
    if (p->has_user && (p->uid == UINT32_MAX || p->gid == UINT32_MAX))
        abort();
    if (p->has_umask && p->umask > 0777)
        abort();
    for (unsigned i = 0; i < p->rlimit_count; i++) {
        if (p->rlimit[i].limit.rlim_cur > p->rlimit[i].limit.rlim_max)
            abort();
    }
    for (unsigned i = 0; i < p->sysctl_count; i++) {
        if (strstr(p->sysctl[i].path, "/../") != NULL || strncmp(p->sysctl[i].path, "sys/", 4) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plan plan;
    char *words[WORDS_MAX + 1], **operands;
    unsigned count = 0;
    if (size < 2)
        return 0;
    char *text = malloc(size);
    if (text == NULL)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    for (char *word = text; word < text + size - 1 && count < WORDS_MAX; word += strlen(word) + 1) {
        if (strncmp(word, "--args-fd", 9) != 0) // it would read what is really open
            words[count++] = word;
    }
    words[count] = NULL;

    memset(&plan, 0, sizeof(plan));
    plan.root_fd = plan.status_fd = plan.sync_fd = plan.args_fd = plan.filter_fd = plan.config_fd = -1;
    uint64_t held = (data[0] & 1) != 0 ? UINT64_MAX >> 23 : 0;
    const struct caps_privilege caller = {
        .uid = data[0] & 2, .gid = data[0] & 4, .effective = held, .permitted = held};
    int error = options_parse(exec_options, &plan, words, &operands);
    if (error == OPTIONS_OK && operands[0] != NULL && options_root(&plan, operands[0]) == 0) {
        plan.command = operands;
        if (plan_check(&plan, &caller) == 0)
            check_plan(&plan);
    } else if (error < 0 && strchr(err_brief(), ':') == NULL) {
        abort(); // an error that says nothing
    }
    status_set(-1);
    free(plan.upper);
    free(plan.work);
    free(plan.env);
    release_rootfs(&plan.rootfs);
    free(text);
    return 0;
}
