// SPDX-License-Identifier: MIT
#include "root/settings.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/proc.h"
#include "sys/start.h"
#include "sys/text.h"

// -- clocks ------------------------------------------------------------------------------------

static void add_offset(struct text *t, const char *clock, const struct plan_time_offset *offset)
{
    if (!offset->given)
        return;
    text_add(t, clock);
    text_signed(t, offset->seconds);
    text_add(t, " ");
    text_number(t, offset->nanoseconds);
    text_add(t, "\n");
}

static int write_offsets(const struct plan *p)
{
    char text[128];
    struct text t = {text, sizeof(text), 0};
    add_offset(&t, "monotonic ", &p->monotonic);
    add_offset(&t, "boottime ", &p->boottime);
    text_end(&t);
    int error = proc_write("self/timens_offsets", text);
    if (error == -ERANGE)
        err_hint("time offsets: a clock would begin before 0, or end too soon");
    return error;
}

int settings_time_offsets(struct enter *e)
{
    if (e->plan->join_count == 0)
        return write_offsets(e->plan);
    // The files of a process that is not dumpable are the first root's.
    int error = start_dumpable(true);
    if (error == 0)
        error = write_offsets(e->plan);
    return error == 0 ? start_dumpable(false) : error;
}

// -- names and sysctls -------------------------------------------------------------------------

// A joined namespace may be the caller's own: what is written there would be the host's.
static int check_own(const struct enter *e, int flag, const char *option, const char *value)
{
    if (((e->plan->unshare | e->foreign) & flag) != 0)
        return 0;
    return err_because(option, value, EPERM, "the joined namespace is the caller's own");
}

int settings_hostname(struct enter *e)
{
    const char *name = e->plan->hostname;
    int error = check_own(e, CLONE_NEWUTS, "--hostname", name);
    if (error < 0)
        return error;
    return sethostname(name, strlen(name)) == 0 ? 0 : err_at("sethostname", name);
}

int settings_domainname(struct enter *e)
{
    const char *name = e->plan->domainname;
    int error = check_own(e, CLONE_NEWUTS, "domainname", name);
    if (error < 0)
        return error;
    return setdomainname(name, strlen(name)) == 0 ? 0 : err_at("setdomainname", name);
}

int settings_sysctls(struct enter *e)
{
    for (unsigned i = 0; i < e->plan->sysctl_count; i++) {
        const struct plan_sysctl *s = &e->plan->sysctl[i];
        int own = check_own(e, plan_sysctl_namespace(s->path), "--sysctl", s->text);
        if (own < 0)
            return own;
        int error = proc_write(s->path, s->value);
        if (error < 0)
            return error;
    }
    return 0;
}
