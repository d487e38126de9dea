// SPDX-License-Identifier: MIT
#include "cmd/exec_plan_process.h"

static void print_clock(const char *name, const struct plan_time_offset *offset, struct out *o)
{
    if (!offset->given)
        return;
    out_open(o, name, '{');
    out_signed(o, "seconds", offset->seconds);
    out_integer(o, "nanoseconds", offset->nanoseconds);
    out_close(o, '}');
}

void exec_print_settings(const struct plan *p, struct out *o)
{
    if (p->hostname != NULL)
        out_string(o, "hostname", p->hostname);
    if (p->domainname != NULL)
        out_string(o, "domainname", p->domainname);
    print_clock("monotonic", &p->monotonic, o);
    print_clock("boottime", &p->boottime, o);
    if (p->sysctl_count == 0)
        return;
    out_open(o, "sysctl", '[');
    for (unsigned i = 0; i < p->sysctl_count; i++)
        out_string(o, NULL, p->sysctl[i].text);
    out_close(o, ']');
}

static void print_groups(const struct plan *p, struct out *o)
{
    if (p->groups == GROUPS_KEEP) {
        out_string(o, "groups", "keep");
        return;
    }
    out_open(o, "groups", '[');
    for (unsigned i = 0; i < p->group_count; i++)
        out_integer(o, NULL, p->group[i]);
    out_close(o, ']');
}

static void print_limit(const char *key, rlim_t limit, struct out *o)
{
    if (limit == RLIM_INFINITY)
        out_string(o, key, "unlimited");
    else
        out_integer(o, key, limit);
}

static void print_limits(const struct plan *p, struct out *o)
{
    out_open(o, "rlimits", '[');
    for (unsigned i = 0; i < p->rlimit_count; i++) {
        out_open(o, NULL, '{');
        out_string(o, "name", p->rlimit[i].name);
        print_limit("soft", p->rlimit[i].limit.rlim_cur, o);
        print_limit("hard", p->rlimit[i].limit.rlim_max, o);
        out_close(o, '}');
    }
    out_close(o, ']');
}

static void print_environment(const struct plan *p, struct out *o)
{
    static const char *const names[] = {
        [ENV_CLEAR] = "clear", [ENV_SET] = "set", [ENV_KEEP] = "keep", [ENV_UNSET] = "unset"};
    out_open(o, "environment", '[');
    for (unsigned i = 0; i < p->env_count; i++) {
        out_open(o, NULL, '{');
        if (p->env[i].what == ENV_CLEAR)
            out_bool(o, names[ENV_CLEAR], true);
        else
            out_string(o, names[p->env[i].what], p->env[i].text);
        out_close(o, '}');
    }
    out_close(o, ']');
}

// With what --cap-add and --cap-drop make of them.
static void print_sets(const struct plan *p, uint64_t held, uint64_t allowed, struct out *o)
{
    static const char *const names[] = {
        [PLAN_BOUNDING] = "bounding",   [PLAN_EFFECTIVE] = "effective", [PLAN_INHERITABLE] = "inheritable",
        [PLAN_PERMITTED] = "permitted", [PLAN_AMBIENT] = "ambient"};
    uint64_t sets[PLAN_CAP_SETS];
    plan_cap_sets_of(p, p->uid, held, sets);
    out_open(o, "capability_sets", '{');
    for (int i = 0; i < PLAN_CAP_SETS; i++) {
        out_open(o, names[i], '[');
        for (int cap = 0; cap < 64; cap++) {
            const char *name = (sets[i] & allowed & CAPS_BIT(cap)) != 0 ? caps_name(cap) : NULL;
            if (name != NULL)
                out_string(o, NULL, name);
        }
        out_close(o, ']');
    }
    out_close(o, '}');
}

static void print_scheduler(const struct plan_scheduler *s, struct out *o)
{
    out_open(o, "scheduler", '{');
    out_integer(o, "policy", s->policy);
    out_integer(o, "flags", s->flags);
    out_signed(o, "nice", s->nice);
    out_integer(o, "priority", s->priority);
    out_integer(o, "runtime", s->runtime);
    out_integer(o, "deadline", s->deadline);
    out_integer(o, "period", s->period);
    out_close(o, '}');
}

void exec_print_process(const struct plan *p, uint64_t held, uint64_t allowed, struct out *o)
{
    const struct plan_process *process = &p->process;
    print_groups(p, o);
    if (p->has_cap_sets)
        print_sets(p, held, allowed, o);
    if (p->rlimit_count > 0)
        print_limits(p, o);
    if (p->has_umask)
        out_integer(o, "umask", p->umask);
    if (process->has_oom_score_adj)
        out_signed(o, "oom_score_adj", process->oom_score_adj);
    if (process->has_scheduler)
        print_scheduler(&process->scheduler, o);
    if (process->has_io_priority)
        out_integer(o, "io_priority", process->io_priority);
    if (process->has_personality)
        out_integer(o, "personality", process->personality);
    if (p->env_count > 0)
        print_environment(p, o);
}
