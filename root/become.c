// SPDX-License-Identifier: MIT
#include "root/become.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "root/monitor.h"
#include "root/process.h"
#include "sys/err.h"
#include "sys/start.h"

// -- what is wanted ----------------------------------------------------------------------------

static uint64_t allowed(const struct enter *e)
{
    return e->method == METHOD_CHROOT ? ~plan_chroot_forbidden() : ~UINT64_C(0);
}

uint64_t become_capabilities(const struct enter *e)
{
    return plan_capabilities(e->plan, e->plan->uid, e->held) & allowed(e);
}

static void wanted_sets(const struct enter *e, uint64_t sets[PLAN_CAP_SETS])
{
    plan_cap_sets_of(e->plan, e->plan->uid, e->held, sets);
    for (int i = 0; i < PLAN_CAP_SETS; i++)
        sets[i] &= allowed(e);
}

// -- the parts ---------------------------------------------------------------------------------

int become_session(const struct plan *p)
{
    if (!p->new_session)
        return 0;
    if (setsid() >= 0)
        return 0;
    // A leader of a process group can't; in its parent's group it is none. Where that is another
    // session's, there is no other way than a fork, which would change who the payload is.
    if (setpgid(0, getpgid(getppid())) == 0 && setsid() >= 0)
        return 0;
    int error = err_at("setsid", NULL);
    err_hint("the helper leads a session already; with --unshare=pid or --init the payload is another process");
    return error;
}

static int set_limits(const struct plan *p)
{
    int error = start_restore_limits();
    for (unsigned i = 0; i < p->rlimit_count && error == 0; i++) {
        if (setrlimit(p->rlimit[i].resource, &p->rlimit[i].limit) != 0)
            error = err_at("setrlimit", p->rlimit[i].name);
    }
    return error;
}

// In a namespace of one map line, and without CAP_SETGID, plan_check() has seen to it that there are none.
static bool may_set_groups(const struct enter *e)
{
    if (e->plan->userns && !e->plan->maps_by_program)
        return false;
    return (e->held & CAPS_BIT(CAP_SETGID)) != 0;
}

static bool has_group(const uint32_t *list, unsigned count, uint32_t group)
{
    for (unsigned i = 0; i < count; i++) {
        if (list[i] == group)
            return true;
    }
    return false;
}

static int verify_groups(const struct enter *e)
{
    static gid_t now[GROUPS_MAX];
    const struct plan *p = e->plan;
    if (p->groups == GROUPS_KEEP)
        return 0;
    int count = getgroups(GROUPS_MAX, now);
    if (count < 0)
        return err_at("getgroups", NULL);
    for (int i = 0; i < count; i++) {
        // The caller's own gid as the only one counts as none, where it is the payload's gid too.
        bool own = p->groups == GROUPS_CLEAR && count == 1 && now[i] == p->gid;
        if (!own && !has_group(p->group, p->group_count, now[i]))
            return err_because("getgroups", NULL, EPERM, "a group is left that was to be cleared");
    }
    return 0;
}

static int set_ids(const struct enter *e)
{
    const struct plan *p = e->plan;
    if (p->groups != GROUPS_KEEP && may_set_groups(e) && syscall(SYS_setgroups, p->group_count, p->group) != 0) {
        // A caller may be in a namespace where it is denied; then there must be none (verify_groups()).
        int error = err_at("setgroups", NULL);
        bool none = error == -EPERM && p->group_count == 0 && verify_groups(e) == 0;
        err_hint("--groups=keep lets the payload keep the caller's supplementary groups");
        if (!none)
            return error;
        err_forget();
    }
    // Bare calls: musl's stop all threads around theirs, and there are none.
    if (syscall(SYS_setresgid, p->gid, p->gid, p->gid) != 0)
        return err_at("setresgid", NULL);
    if (syscall(SYS_setresuid, p->uid, p->uid, p->uid) != 0)
        return err_at("setresuid", NULL);
    return 0;
}

static int verify_ids(const struct enter *e)
{
    const struct plan *p = e->plan;
    uid_t u[3];
    gid_t g[3];
    if (getresuid(&u[0], &u[1], &u[2]) != 0 || getresgid(&g[0], &g[1], &g[2]) != 0)
        return err_at("getresuid", NULL);
    for (int i = 0; i < 3; i++) {
        if (u[i] != p->uid || g[i] != p->gid)
            return err_because("getresuid", NULL, EPERM, "the ids are not those that were set");
    }
    // Trying to get back is the proof (setuid(2) has lied before: CVE-2013-6825 and its kin).
    uint64_t sets[PLAN_CAP_SETS];
    wanted_sets(e, sets);
    if (p->uid != 0 && (sets[PLAN_EFFECTIVE] & CAPS_BIT(CAP_SETUID)) == 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
        return err_because("setresuid", "0", EPERM, "root could be taken back");
    return verify_groups(e);
}

static int verify_no_new_privs(const struct plan *p)
{
    int got = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (got < 0)
        return err_at("prctl", "PR_GET_NO_NEW_PRIVS");
    if (!p->new_privs && got != 1)
        return err_because("prctl", "PR_GET_NO_NEW_PRIVS", EPERM, "it is not set");
    return 0;
}

// Without no_new_privs only CAP_SYS_ADMIN loads a filter, and any filter comes last: ERRNO(0) for setresuid or
// capset would make them succeed and do nothing. So it stays until execve(2), which takes it: in a root payload's
// permitted set there is what the bounding set has, in any other's what is ambient (capabilities(7)).
static uint64_t for_the_filter(const struct enter *e)
{
    const struct plan *p = e->plan;
    return p->new_privs && p->filter != FILTER_NONE ? CAPS_BIT(CAP_SYS_ADMIN) & e->held : 0;
}

// What an OCI config names is there afterwards, not only what is too much gone.
static int set_bounding(const struct enter *e, const uint64_t sets[PLAN_CAP_SETS])
{
    uint64_t now;
    int error = caps_lower_bounding(sets[PLAN_BOUNDING]);
    if (error < 0 || !e->plan->has_cap_sets)
        return error;
    error = caps_get_bounding(&now);
    if (error == 0 && now != sets[PLAN_BOUNDING])
        error = err_because("prctl", "PR_CAPBSET_READ", EPERM, "the caller's own bounding set lacks a capability");
    return error;
}

// What comes of them is execve(2)'s to say (capabilities(7)): root's permitted set is what is inheritable or
// bounding, and all of it is effective; anybody else's is the ambient set.
static int set_capabilities(const struct enter *e, const uint64_t sets[PLAN_CAP_SETS], bool keep)
{
    uint64_t besides = for_the_filter(e);
    const struct caps_sets wanted = {
        .permitted = sets[PLAN_PERMITTED] | besides,
        .effective = sets[PLAN_EFFECTIVE] | besides,
        .inheritable = sets[PLAN_INHERITABLE],
        .ambient = sets[PLAN_AMBIENT],
    };
    int error = caps_become(&wanted);
    if (error == 0 && keep && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_KEEPCAPS");
    return error;
}

// The order given for the death of the parent is lost when ids change, so it is given (again) here.
static int die_with_parent(const struct plan *p)
{
    if (!p->die_with_parent)
        return 0;
    if (!plan_stays(p) || plan_forks_late(p))
        return start_die_with(start_parent());
    return p->init ? 0 : monitor_die_with(); // below pid 1 the kernel sees to it
}

// -- all of it ---------------------------------------------------------------------------------

// Flags came with seccomp(2), Linux 3.17, one by one.
static int load(const struct become_program *from)
{
    struct sock_fprog program = {from->count, (struct sock_filter *)from->code};
    if (from->flags == 0)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : err_at("prctl", "PR_SET_SECCOMP");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, from->flags, &program) == 0)
        return 0;
    int error = err_at("seccomp", NULL);
    if (error == -EINVAL)
        err_hint("this kernel doesn't know a flag of the profile");
    return error;
}

int become_filtered(const struct become_filter *filter)
{
    int error = 0;
    for (int i = 0; i < 2 && error == 0; i++)
        error = filter->program[i].count > 0 ? load(&filter->program[i]) : 0;
    return error;
}

int become_payload(const struct enter *e)
{
    const struct plan *p = e->plan;
    uint64_t sets[PLAN_CAP_SETS];
    wanted_sets(e, sets);
    int error = set_limits(p);
    if (error == 0)
        error = process_become(p);
    if (error < 0)
        return error;
    if (!p->new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_NO_NEW_PRIVS");
    error = set_bounding(e, sets);
    if (error < 0)
        return error;
    // Through the change of ids: the inheritable set can be filled from the permitted one alone.
    uint64_t needed = sets[PLAN_PERMITTED] | sets[PLAN_INHERITABLE] | for_the_filter(e);
    bool keep = p->uid != 0 && needed != 0;
    if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_KEEPCAPS");
    if ((error = set_ids(e)) < 0 || (error = set_capabilities(e, sets, keep)) < 0 || (error = verify_ids(e)) < 0 ||
        (error = verify_no_new_privs(p)) < 0)
        return error;
    return die_with_parent(p);
}
