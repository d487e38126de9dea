// SPDX-License-Identifier: MIT
//
// Namespaces to be joined, held against all that can't be meant together with them.
#include <sched.h>
#include <string.h>

#include "plan/plan.h"

static const struct plan_join *find(const struct plan *p, int flags)
{
    for (unsigned i = 0; i < p->join_count; i++) {
        if ((p->join[i].flag & flags) != 0)
            return &p->join[i];
    }
    return NULL;
}

static int check_target(const struct plan *p)
{
    const struct plan_join *of_target = NULL;
    for (unsigned i = 0; i < p->join_count && of_target == NULL; i++)
        of_target = p->join[i].source == NULL ? &p->join[i] : NULL;
    if (of_target != NULL && p->target_by == TARGET_NONE)
        return plan_usage("--join", of_target->name, "it has no SOURCE, and there is no --target");
    if (of_target == NULL && p->target_by != TARGET_NONE)
        return plan_usage("--target", p->target, "no --join without a SOURCE means it");
    return 0;
}

// Descriptors of the caller's mount namespace can't be mounted, or mounted on, in another one.
static int check_mounts(struct plan *p)
{
    bool slash = p->root[strspn(p->root, "/")] == '\0' && p->root[0] == '/';
    if (p->root_fd >= 0)
        return plan_usage("ROOT", p->root,
                          "with --join=mnt it is a path in there: nothing can be mounted on a descriptor");
    if (p->overlay == OVERLAY_UPPER)
        return plan_usage("--overlay", p->upper,
                          "with --join=mnt only tmpfs: a directory out here can't be mounted in there");
    if (!slash || p->method != METHOD_AUTO || p->pivot != PIVOT_ANY)
        return 0;
    if (p->read_only || p->overlay != OVERLAY_NONE)
        return plan_usage(p->read_only ? "--ro" : "--overlay", NULL,
                          "ROOT / with --join=mnt is taken as it is");
    p->method = METHOD_JOINED;
    return 0;
}

// Their paths would be those of whoever made the mounts in there; and in their pid namespace others see a process
// that has the host's root.
static int check_hooks(const struct plan *p)
{
    const struct plan_join *j = find(p, CLONE_NEWNS | CLONE_NEWPID);
    if (p->rootfs.hook_count == 0 || j == NULL)
        return 0;
    bool seen = j->flag == CLONE_NEWPID;
    return plan_usage("hooks", p->rootfs.hook[0].path,
                      seen ? "not in a joined pid namespace: who lives there could take them over"
                           : "not in a joined mount namespace: its programs are not this one's");
}

int plan_check_joins(struct plan *p)
{
    int error = check_target(p);
    if (error < 0)
        return error;
    const struct plan_join *both = find(p, p->unshare);
    if (both != NULL && both->flag == CLONE_NEWPID && p->init)
        return plan_usage("--init", NULL, "with --join=pid there is a pid 1 already");
    if (both != NULL)
        return plan_usage("--join", both->name, "--unshare names the same type");
    if ((p->join_flags & CLONE_NEWUSER) != 0 && p->map_given)
        return plan_usage("--join", "user", "the --map options are for a user namespace of one's own");
    if ((error = check_hooks(p)) < 0)
        return error;
    return (p->join_flags & CLONE_NEWNS) != 0 ? check_mounts(p) : 0;
}
