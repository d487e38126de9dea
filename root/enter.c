// SPDX-License-Identifier: MIT
#include "root/enter.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "root/join.h"
#include "root/monitor.h"
#include "root/process.h"
#include "root/rootfs.h"
#include "root/settings.h"
#include "root/steps.h"
#include "sys/err.h"

// -- the table ---------------------------------------------------------------------------------

static bool always(const struct plan *p)
{
    (void)p;
    return true;
}

static bool is_set_uid(const struct plan *p)
{
    return p->set_uid;
}

static bool wants_join(const struct plan *p)
{
    return p->join_count > 0;
}

static bool root_is_outside(const struct plan *p)
{
    return !step_root_is_inside(p);
}

static bool forks_early(const struct plan *p)
{
    return plan_stays(p) && !plan_forks_late(p);
}

static bool wants_userns(const struct plan *p)
{
    return p->userns;
}

static bool has_payload(const struct plan *p)
{
    return !p->own_job;
}

static bool wants_mounts(const struct plan *p)
{
    return p->method != METHOD_CHROOT && p->method != METHOD_CONFINED && p->method != METHOD_JOINED;
}

static bool wants_rootfs(const struct plan *p)
{
    const struct plan_rootfs *r = &p->rootfs;
    return r->mount_count > 0 || r->device_count > 0 || r->config_dev || r->default_mounts || r->make_workdir;
}

static bool wants_sources(const struct plan *p)
{
    return p->rootfs.mount_count > 0;
}

static bool wants_hiding(const struct plan *p)
{
    return p->rootfs.mask_count > 0 || p->rootfs.read_only_count > 0;
}

static bool wants_hooks(const struct plan *p)
{
    return p->rootfs.hook_count > 0;
}

static bool wants_propagation(const struct plan *p)
{
    // Private it is from the start, and the mounts' own words stay.
    return p->rootfs.propagation != 0 && p->rootfs.propagation != MS_PRIVATE;
}

static bool wants_overlay(const struct plan *p)
{
    return p->overlay != OVERLAY_NONE;
}

static bool wants_loopback(const struct plan *p)
{
    return (p->unshare & CLONE_NEWNET) != 0;
}

static bool wants_hostname(const struct plan *p)
{
    return p->hostname != NULL;
}

static bool wants_domainname(const struct plan *p)
{
    return p->domainname != NULL;
}

static bool wants_oom_score(const struct plan *p)
{
    return p->process.has_oom_score_adj;
}

static bool wants_time_offsets(const struct plan *p)
{
    return p->monotonic.given || p->boottime.given;
}

static bool wants_sysctls(const struct plan *p)
{
    return p->sysctl_count > 0;
}

static bool wants_init(const struct plan *p)
{
    return p->init;
}

static int fork_init(struct enter *e)
{
    return monitor_init(e->plan);
}

// One row a step, in their order. `name` is the stage in errors and the step in --dry-run. In set-uid mode no
// step is taken that is not marked so: whatever the plan says, and the parser let pass.
static const struct step {
    const char *name;
    bool (*wanted)(const struct plan *p);
    int (*run)(struct enter *e);
    bool set_uid;
} steps[] = {
    // Before anything makes this process not dumpable, or takes the right to lower it (CAP_SYS_RESOURCE).
    {"oom-score", wants_oom_score, process_oom_score, false},
    // By path or by process, all before the first is entered.
    {"open-join", wants_join, join_open, false},
    // Before the working directory changes: relative paths are the caller's.
    {"open-overlay", wants_overlay, overlay_open, false},
    // The child that stays outside, of joined namespaces too.
    {"prepare-maps", wants_userns, userns_prepare, false},
    // With the caller's rights and paths; mapped ids take the maps of the step before.
    {"open-sources", wants_sources, rootfs_open_sources, false},
    // By path once, or the descriptor: nothing re-reads the path.
    {"open-root", root_is_outside, step_open_root, true},
    {"join", wants_join, join_enter, false},
    {"open-root", step_root_is_inside, step_open_root, false},
    // No sooner: up to here nothing but the caller's own rights was in force.
    {"raise-capabilities", is_set_uid, step_raise, true},
    {"unshare", always, enter_unshare, true},
    // Before any mount: only a mapped id can own files.
    {"write-maps", wants_userns, userns_write_maps, false},
    // Once a process is in the namespace the kernel takes none.
    {"time-offsets", wants_time_offsets, settings_time_offsets, false},
    // A new pid or time namespace holds children only; the mounts below are the child's work. Into a joined
    // pid namespace the body forks.
    {"fork", forks_early, step_fork, true},
    {"attach-root", wants_mounts, step_attach, true},
    {"protect-executable", has_payload, step_protect, true},
    {"mount-overlay", wants_overlay, overlay_mount, false},
    // In the child: a procfs is that of the pid namespace of who mounts it.
    {"mount", wants_rootfs, rootfs_mount_all, false},
    {"loopback", wants_loopback, step_loopback, true},
    {"hostname", wants_hostname, settings_hostname, false},
    {"domainname", wants_domainname, settings_domainname, false},
    // While the host's /proc is still there.
    {"sysctl", wants_sysctls, settings_sysctls, false},
    {"mounts-ready", always, step_wait, true},
    // They may add to the root still, by the host's paths.
    {"hooks", wants_hooks, step_hooks, false},
    // Nothing is written or mounted after these; masks come last, to cover all the rest.
    {"hide", wants_hiding, rootfs_hide, false},
    {"read-only", wants_rootfs, rootfs_finish, false},
    {"change-root", always, step_change_root, true},
    // No sooner: the parent of a new root must not be shared.
    {"propagation", wants_propagation, rootfs_set_propagation, false},
    // For good; what is left to do is the caller's to do.
    {"surrender", is_set_uid, step_surrender, true},
    {"check-procfs", step_wants_procfs_check, step_check_procfs, true},
    {"entered", always, step_report, true},
    // Last: pid 1 holds nothing that the steps before needed.
    {"init", wants_init, fork_init, true},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

// The caller is who the record says, not who the plan says.
int enter_allowed(const struct enter *e)
{
    err_stage("set-uid");
    if (e->plan->set_uid != e->caller->set_uid)
        return err_because("plan", NULL, EPERM, "it is another caller's");
    return e->caller->set_uid ? plan_allow_set_uid(e->plan, e->caller) : 0;
}

int enter_root(struct enter *e)
{
    e->root = e->tree = e->upper = e->work = e->map_channel = e->inside = -1;
    memset(e->join, -1, sizeof(e->join));
    e->held = e->caller->permitted;
    e->method = e->plan->method == METHOD_AUTO ? METHOD_PIVOT : e->plan->method;
    e->pivot = e->plan->pivot;
    int allowed = enter_allowed(e);
    if (allowed < 0)
        return allowed;
    for (int i = 0; i < STEPS; i++) {
        if (!steps[i].wanted(e->plan))
            continue;
        err_stage(steps[i].name);
        int error = e->caller->set_uid && !steps[i].set_uid
                        ? err_because("step", steps[i].name, EPERM, "not in set-uid mode")
                        : steps[i].run(e);
        if (error < 0)
            return error;
    }
    return 0;
}

void enter_print(const struct plan *p, struct out *o)
{
    for (int i = 0; i < STEPS; i++) {
        if (steps[i].wanted(p))
            out_string(o, NULL, steps[i].name);
    }
    if (plan_forks_late(p))
        out_string(o, NULL, "fork");
}
