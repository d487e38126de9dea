// SPDX-License-Identifier: MIT
//
// Which way in is taken: the first that is allowed here, as the unshare and the steps after it find out.
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "root/enter.h"
#include "sys/err.h"
#include "sys/ns.h"
#include "sys/setuid.h"

// pivot, chroot and, where nothing is executed, confined. A user namespace of the helper's own making is no reason
// to hold a payload less well; for a job of its own a chroot in there is as good as one outside.
static enum plan_method next_method(const struct enter *e)
{
    bool own_job = e->plan->own_job;
    if (e->caller->set_uid)
        return METHOD_AUTO;
    if (e->method == METHOD_PIVOT && (own_job || !e->plan->userns))
        return METHOD_CHROOT;
    return own_job && e->method == METHOD_CHROOT ? METHOD_CONFINED : METHOD_AUTO;
}

static void go_on_with(struct enter *e, enum plan_method method)
{
    const char *brief = err_brief();
    size_t n = strnlen(brief, sizeof(e->fallback) - 1);
    if (e->fallback[0] == '\0') // the first says most
        memcpy(e->fallback, brief, n);
    e->method = method;
    err_forget();
}

// Only for what says "not allowed" or "not here": a moment without memory must not lower security.
int enter_fall_back(struct enter *e, int error)
{
    bool denied = error == -EPERM || error == -ENOSYS || error == -EINVAL;
    enum plan_method next = next_method(e);
    if (!denied || e->plan->method != METHOD_AUTO || next == METHOD_AUTO || e->pivoted || e->lost)
        return error;
    const char *what = plan_forbids_chroot(e->plan);
    if (what != NULL) {
        err_hint2("a chroot could be entered, but not with ", what);
        return error;
    }
    go_on_with(e, next);
    return 0;
}

static void hint_at_unshare(const struct enter *e, int error)
{
    if ((e->plan->unshare & CLONE_NEWUSER) != 0 && (error == -EPERM || error == -EACCES))
        err_hint("user namespaces are denied: by kernel.unprivileged_userns_clone, "
                 "kernel.apparmor_restrict_unprivileged_userns (inroot's AppArmor profile lifts that, see inroot(1)) "
                 "or a seccomp filter, or the caller is in a chroot");
    else if (error == -ENOSPC)
        err_hint("a limit in /proc/sys/user (max_user_namespaces and its kin) is reached");
    else if (error == -EPERM)
        err_hint("new namespaces need CAP_SYS_ADMIN, or a user namespace (--map-root-user)");
}

// Nobody asked for the user namespace by name, and the job can be done without.
static int do_without_userns(struct enter *e, int error)
{
    const struct plan *p = e->plan;
    if (!p->own_job || p->method != METHOD_AUTO || p->map_given || (error != -EPERM && error != -ENOSYS))
        return error;
    e->plan->unshare &= ~CLONE_NEWUSER;
    e->plan->userns = false;
    go_on_with(e, METHOD_CONFINED);
    return 0;
}

int enter_unshare(struct enter *e)
{
    int others = e->plan->unshare;
    ino_t before = e->caller->set_uid ? setuid_mounts() : 0;
    bool mounts = e->method == METHOD_PIVOT || e->method == METHOD_MOVE;
    int error = ns_unshare(others | (mounts ? CLONE_NEWNS : 0));
    if (error < 0 && mounts && others == 0)
        error = enter_fall_back(e, error == -EINVAL ? -ECANCELED : error);
    else if (error < 0 && others == CLONE_NEWUSER)
        error = do_without_userns(e, error);
    if (error < 0)
        hint_at_unshare(e, error);
    else if (e->caller->set_uid && (before == 0 || setuid_mounts() == before))
        error = err_because("unshare", "mnt", EPERM, "the mount namespace is no other one");
    return error;
}
