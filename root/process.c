// SPDX-License-Identifier: MIT
#include "root/process.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/proc.h"
#include "sys/text.h"

int process_oom_score(struct enter *e)
{
    char value[12];
    struct text t = {value, sizeof(value), 0};
    text_signed(&t, e->plan->process.oom_score_adj);
    text_end(&t);
    int error = proc_write("self/oom_score_adj", value);
    if (error == -EACCES)
        err_hint("process.oomScoreAdj: lowering it needs CAP_SYS_RESOURCE outside of any user namespace");
    return error;
}

// -- the payload -------------------------------------------------------------------------------

static int set_scheduler(const struct plan_scheduler *s)
{
    struct sched_attr wanted = {
        .size = sizeof(wanted),
        .sched_policy = s->policy,
        .sched_flags = s->flags,
        .sched_nice = s->nice,
        .sched_priority = s->priority,
        .sched_runtime = s->runtime,
        .sched_deadline = s->deadline,
        .sched_period = s->period,
    };
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) == 0)
        return 0;
    int error = err_at("sched_setattr", "process.scheduler");
    if (error == -EPERM)
        err_hint("this needs CAP_SYS_NICE outside of any user namespace");
    return error;
}

static int set_io_priority(unsigned priority)
{
    if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority) == 0)
        return 0;
    int error = err_at("ioprio_set", "process.ioPriority");
    if (error == -EPERM)
        err_hint("the class IOPRIO_CLASS_RT needs CAP_SYS_NICE outside of any user namespace");
    return error;
}

int process_become(const struct plan *p)
{
    const struct plan_process *wanted = &p->process;
    int error = wanted->has_io_priority ? set_io_priority(wanted->io_priority) : 0;
    if (error == 0 && wanted->has_scheduler)
        error = set_scheduler(&wanted->scheduler);
    if (error == 0 && wanted->has_personality && personality(wanted->personality) < 0)
        error = err_at("personality", "process.personality");
    return error;
}
