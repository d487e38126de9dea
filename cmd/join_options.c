// SPDX-License-Identifier: MIT
#include "cmd/join_options.h"

#include <limits.h>
#include <string.h>

#include "plan/options.h"
#include "sys/ns.h"
#include "sys/num.h"

// The N of fd:N where `value` is one; *fd is -1 otherwise.
static int take_descriptor(const char *option, const char *value, int *fd)
{
    *fd = -1;
    return strncmp(value, "fd:", 3) == 0 ? options_fd(option, value + 3, fd) : 0;
}

int join_take_join(struct plan *p, const char *option, const char *value)
{
    size_t n = strcspn(value, ":");
    const struct ns_kind *kind = ns_find(value, n);
    if (kind == NULL)
        return plan_usage(option, value, "no such namespace: user, mnt, pid, net, ipc, uts, cgroup, time");
    if ((p->join_flags & kind->flag) != 0)
        return plan_usage(option, value, "a namespace of this type was named before");
    if (value[n] == ':' && value[n + 1] == '\0')
        return plan_usage(option, value, "the SOURCE is empty");
    struct plan_join *j = &p->join[p->join_count++]; // each type once: there is room
    *j = (struct plan_join){kind->flag, kind->name, value[n] == ':' ? value + n + 1 : NULL, -1};
    p->join_flags |= kind->flag;
    return j->source != NULL ? take_descriptor(option, j->source, &j->fd) : 0;
}

int join_take_target(struct plan *p, const char *option, const char *value)
{
    uint64_t pid;
    if (p->target_by != TARGET_NONE)
        return plan_usage(option, value, "it was given before");
    int error = take_descriptor(option, value, &p->target_number);
    if (error < 0)
        return error;
    p->target = value;
    p->target_by = p->target_number >= 0 ? TARGET_FD : TARGET_PID;
    if (p->target_by == TARGET_FD)
        return 0;
    if (!num_decimal(value, INT_MAX, &pid) || pid == 0)
        return plan_usage(option, value, "neither the number of a process nor fd:N");
    p->target_number = (int)pid;
    return 0;
}
