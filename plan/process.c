// SPDX-License-Identifier: MIT
//
// What an OCI config says of the process, held against what Linux can do.
#include <linux/sched.h>
#include <sched.h>
#include <string.h>

#include "plan/plan.h"

static const struct plan_sysctl *find_sysctl(const struct plan *p, const char *path)
{
    for (unsigned i = 0; i < p->sysctl_count; i++) {
        if (strcmp(p->sysctl[i].path, path) == 0)
            return &p->sysctl[i];
    }
    return NULL;
}

int plan_check_process(const struct plan *p)
{
    const struct plan_scheduler *s = &p->process.scheduler;
    // Into a joined pid namespace the payload is forked with nothing left of the rights that set its scheduler.
    bool forks = (p->join_flags & CLONE_NEWPID) != 0;
    if (p->process.has_scheduler && forks && s->policy == SCHED_DEADLINE)
        return plan_usage("process.scheduler", "SCHED_DEADLINE",
                          "such a process can't fork, as a joined pid namespace wants it to");
    if (p->process.has_scheduler && forks && (s->flags & SCHED_FLAG_RESET_ON_FORK) != 0)
        return plan_usage("process.scheduler", "SCHED_FLAG_RESET_ON_FORK",
                          "a joined pid namespace is entered by a fork");
    const struct plan_sysctl *domain = find_sysctl(p, "sys/kernel/domainname");
    if (p->domainname != NULL && domain != NULL && strcmp(domain->value, p->domainname) != 0)
        return plan_usage("--sysctl", domain->text, "domainname says another one");
    return 0;
}
