// SPDX-License-Identifier: MIT
//
// What an OCI config tells the kernel of the process: OOM score, scheduler, I/O priority.
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sched.h>

#include "plan/oci_parts.h"

// -- the scheduler -----------------------------------------------------------------------------

enum { POLICY, NICE, PRIORITY, FLAGS, RUNTIME, DEADLINE, PERIOD };
static const struct oci_field scheduler_fields[] = {
    [POLICY] = {"policy", JSON_STRING, true},
    [NICE] = {"nice", JSON_INTEGER, false},
    [PRIORITY] = {"priority", JSON_INTEGER, false},
    [FLAGS] = {"flags", JSON_ARRAY, false},
    [RUNTIME] = {"runtime", JSON_INTEGER, false},
    [DEADLINE] = {"deadline", JSON_INTEGER, false},
    [PERIOD] = {"period", JSON_INTEGER, false},
    {NULL, 0, false},
};

// SCHED_ISO has a number in Linux, and nothing behind it.
static const char *const policies[] = {
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_IDLE", "SCHED_DEADLINE", NULL,
};
static const uint32_t policy_numbers[] = {
    SCHED_NORMAL, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE,
};

// SCHED_FLAG_UTIL_CLAMP_MIN and _MAX are none of them: the specification has no field for their values.
static const char *const flags[] = {
    "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",   "SCHED_FLAG_KEEP_PARAMS", NULL,
};
static const uint64_t flag_bits[] = {
    SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN, SCHED_FLAG_KEEP_POLICY,
    SCHED_FLAG_KEEP_PARAMS,
};

static int take_flag(void *to, const json_t *value)
{
    int i = oci_find(flags, value);
    if (i < 0)
        return oci_no(NULL, "no such flag: ", json_string_value(value));
    *(uint64_t *)to |= flag_bits[i];
    return 0;
}

static int take_time(const char *name, const json_t *value, uint64_t *to)
{
    if (value == NULL || oci_number(value, to))
        return 0;
    return oci_no(name, "out of range", NULL);
}

static int take_scheduler(struct plan_process *process, const json_t *object)
{
    const json_t *field[sizeof(scheduler_fields) / sizeof(scheduler_fields[0])];
    struct plan_scheduler *s = &process->scheduler;
    int64_t nice = 0, priority = 0;
    oci_below("scheduler");
    int error = oci_fields(object, scheduler_fields, field);
    if (error < 0)
        return error;
    int policy = oci_find(policies, field[POLICY]);
    if (policy < 0)
        return oci_no("policy", "no such policy: ", json_string_value(field[POLICY]));
    // The kernel would cut a nice value without a word.
    if ((error = oci_integer("nice", field[NICE], -20, 19, &nice)) < 0 ||
        (error = oci_integer("priority", field[PRIORITY], 0, INT32_MAX, &priority)) < 0 ||
        (error = oci_each("flags", field[FLAGS], take_flag, &s->flags)) < 0 ||
        (error = take_time("runtime", field[RUNTIME], &s->runtime)) < 0 ||
        (error = take_time("deadline", field[DEADLINE], &s->deadline)) < 0 ||
        (error = take_time("period", field[PERIOD], &s->period)) < 0)
        return error;
    s->policy = policy_numbers[policy];
    s->nice = (int32_t)nice;
    s->priority = (uint32_t)priority;
    process->has_scheduler = true;
    oci_leave();
    return 0;
}

// -- I/O ---------------------------------------------------------------------------------------

enum { CLASS, LEVEL };
static const struct oci_field io_fields[] = {
    [CLASS] = {"class", JSON_STRING, true},
    [LEVEL] = {"priority", JSON_INTEGER, true},
    {NULL, 0, false},
};

static int take_io_priority(struct plan_process *process, const json_t *object)
{
    static const char *const classes[] = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE", NULL};
    static const unsigned numbers[] = {IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE};
    const json_t *field[sizeof(io_fields) / sizeof(io_fields[0])];
    int64_t level = 0;
    oci_below("ioPriority");
    int error = oci_fields(object, io_fields, field);
    if (error < 0)
        return error;
    int class = oci_find(classes, field[CLASS]);
    if (class < 0)
        return oci_no("class", "no such class: ", json_string_value(field[CLASS]));
    if ((error = oci_integer("priority", field[LEVEL], 0, 7, &level)) < 0)
        return error;
    process->io_priority = numbers[class] << IOPRIO_CLASS_SHIFT | (unsigned)level;
    process->has_io_priority = true;
    oci_leave();
    return 0;
}

int oci_take_kernel(struct oci_config *c, const json_t *oom_score_adj, const json_t *scheduler,
                    const json_t *io_priority)
{
    struct plan_process *process = &c->plan->process;
    int64_t score = 0;
    int error = oci_integer("oomScoreAdj", oom_score_adj, -1000, 1000, &score);
    if (error < 0)
        return error;
    process->has_oom_score_adj = oom_score_adj != NULL;
    process->oom_score_adj = (int)score;
    if (scheduler != NULL && (error = take_scheduler(process, scheduler)) < 0)
        return error;
    return io_priority != NULL ? take_io_priority(process, io_priority) : 0;
}
