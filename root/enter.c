// SPDX-License-Identifier: MIT
#include "root/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root/hostproc.h"
#include "root/join.h"
#include "root/legacy.h"
#include "root/monitor.h"
#include "root/process.h"
#include "root/rootfs.h"
#include "root/seal.h"
#include "root/settings.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/ns.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/setuid.h"
#include "sys/start.h"
#include "sys/status.h"

// -- the steps ---------------------------------------------------------------------------------

static bool root_is_inside(const struct plan *p)
{
    return (p->join_flags & CLONE_NEWNS) != 0;
}

// In a joined mount namespace others make the links. A magic one, of a procfs, would lead out of it.
static int open_inside(const struct plan *p)
{
    AUTO_CLOSE int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = slash < 0 ? -errno : path_open_directory(slash, p->root, false);
    return fd >= 0 ? fd : err_no("open", p->root, -fd);
}

static int open_root(struct enter *e)
{
    const struct plan *p = e->plan;
    struct stat st;
    if (p->root_fd >= 0) {
        e->root = fd_copy(p->root_fd);
        if (e->root < 0)
            return e->root;
        if (p->root_fd <= 2 && fd_blank(p->root_fd) < 0)
            return -EBADF;
    } else if (root_is_inside(p)) {
        e->root = open_inside(p);
        if (e->root < 0)
            return e->root;
    } else {
        e->root = open(p->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (e->root < 0)
            return err_at("open", p->root);
    }
    if (fstat(e->root, &st) != 0)
        return err_at("fstat", p->root);
    if (!S_ISDIR(st.st_mode))
        return err_no("open", p->root, ENOTDIR);
    // The working directory is what an unshare carries over into the new mount namespace.
    return fchdir(e->root) == 0 ? 0 : err_at("chdir", p->root);
}

static int raise_capabilities(struct enter *e)
{
    return setuid_raise(e->caller);
}

static int surrender(struct enter *e)
{
    e->held = 0;
    int error = attach_verify(e);
    if (error == 0)
        error = setuid_surrender(e->caller);
    // The kernel forgets the order with the change of ids.
    if (error == 0 && e->plan->die_with_parent)
        error = plan_stays(e->plan) ? monitor_die_with() : start_die_with(start_parent());
    return error;
}

static int fork_monitor(struct enter *e)
{
    if (!e->caller->set_uid)
        return monitor_fork(e->plan, e->caller);
    // An effective CAP_SYS_ADMIN would pass the caller's RLIMIT_NPROC.
    int error = setuid_lower(e->caller);
    if (error == 0)
        error = monitor_fork(e->plan, e->caller);
    return error < 0 ? error : setuid_raise(e->caller);
}

static int attach(struct enter *e)
{
    if (e->method == METHOD_DETACHED)
        return attach_detached(e);
    if (e->method != METHOD_PIVOT && e->method != METHOD_MOVE)
        return 0;
    int error = attach_root(e);
    // EINVAL counts before `/` is slave only: the caller is in a chroot.
    if (error < 0 && (error != -EINVAL || !e->slave))
        return enter_fall_back(e, error);
    return error == 0 && e->legacy && e->plan->read_only ? legacy_read_only(e) : error;
}

// Listing ROOT's own mounts is cheap, the host's are not: so the look comes after the clone was made.
static int protect_executable(struct enter *e)
{
    int found = e->tree >= 0 ? hostproc_in_clone(e->tree) : hostproc_below(e->root);
    e->no_procfs = e->tree >= 0 && found == 0 && e->plan->rootfs.mount_count == 0 && !e->plan->rootfs.default_mounts;
    return found > 0 && e->protect != NULL ? e->protect(e) : found < 0 ? found : 0;
}

static int loopback(struct enter *e)
{
    (void)e;
    return ns_loopback_up();
}

// Waits with the caller's signal mask: who sends SIGTERM meanwhile means it.
static int wait_for_parent(struct enter *e)
{
    status_mounts_ready();
    if (e->plan->sync_fd < 0)
        return 0;
    struct pollfd p[] = {{.fd = e->plan->sync_fd, .events = POLLIN}, {.fd = monitor_channel(), .events = POLLIN}};
    char byte;
    ssize_t n;
    do {
        // The monitor takes the signals where there is one by now.
        const sigset_t *mask = monitor_channel() >= 0 ? NULL : start_mask();
        n = ppoll(p, 2, NULL, mask) < 0 ? -1 : 0;
        if (n == 0 && p[1].revents != 0)
            _exit(EXIT_HELPER); // the monitor got a signal, and dies of it
        if (n == 0)
            n = read(e->plan->sync_fd, &byte, 1);
        else if (errno == EINTR && e->interrupted != NULL) {
            int error = e->interrupted(e->context);
            if (error < 0)
                return error;
            errno = EINTR;
        }
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0)
        return err_at("read", "--sync-fd");
    return n == 1 ? 0 : err_because("--sync-fd", NULL, EPIPE, "end of file: the parent is gone");
}

// A hook adds to a root that becomes read-only after it.
static int run_hooks(struct enter *e)
{
    static const struct rootfs_how read_write = {.clear = ATTR_RDONLY}, read_only = {.set = ATTR_RDONLY};
    bool late = e->plan->rootfs.read_only_late && !e->layered;
    int error = late ? rootfs_set(e, e->tree, &read_write, e->plan->root) : 0;
    if (error == 0)
        error = rootfs_run_hooks(e);
    return error == 0 && late ? rootfs_set(e, e->tree, &read_only, e->plan->root) : error;
}

static bool wants_procfs_check(const struct plan *p)
{
    // A pid namespace hides nothing in a procfs of the host's: same uid, and /proc/PID/root is open. Across
    // user namespaces the kernel asks for CAP_SYS_PTRACE; but the host's root may write to /proc/sys even so.
    return !p->allow_host_proc && (!p->userns || plan_maps_outer(&p->users, 0));
}

static int change_root(struct enter *e)
{
    int error = 0;
    if (e->method == METHOD_PIVOT) {
        error = pivot_into(e);
        if (error < 0)
            error = enter_fall_back(e, error);
    } else if (e->method == METHOD_MOVE) {
        error = move_into(e);
    } else if (e->method == METHOD_DETACHED) {
        error = chroot_into(e);
    }
    if (error == 0 && e->method == METHOD_CHROOT) {
        bool foreign = root_is_inside(e->plan) || wants_procfs_check(e->plan);
        if (e->tree < 0 && foreign && proc_need() == 0)
            error = hostproc_refuse_foreign(e->plan->root);
        if (error == 0)
            error = chroot_into(e);
        if (error < 0)
            error = enter_fall_back(e, error);
    }
    return error;
}

// What the payload could reach through a procfs in the root: other processes, and this executable.
static int check_procfs(struct enter *e)
{
    const struct plan *p = e->plan;
    bool any = false;
    // The root of another mount namespace is taken as it is, as nsenter does.
    bool as_it_is = e->method == METHOD_JOINED && (e->foreign & CLONE_NEWNS) != 0;
    if (e->no_procfs || as_it_is)
        return 0;
    // A look at each mount's magic number is cheaper than the list of them all, which need not be read then.
    if (e->method == METHOD_PIVOT) {
        AUTO_CLOSE int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int found = slash < 0 ? err_at("open", "/") : hostproc_in_clone(slash);
        if (found <= 0)
            return found;
    }
    int error = hostproc_refuse(p->root, (p->unshare & CLONE_NEWPID) != 0, &any);
    if (error < 0)
        return error;
    // After a chroot the mounts are the host's still: one may have arrived since the look.
    if (any && e->protect != NULL && !seal_is_sealed())
        return err_because("check /proc", p->root, EAGAIN, "a procfs was mounted meanwhile");
    return 0;
}

static int report_entered(struct enter *e)
{
    bool pivoted = e->method == METHOD_PIVOT;
    status_entered(plan_method_names[e->method], pivoted ? plan_pivot_names[e->pivot] : NULL, e->plan->userns,
                   e->fallback[0] != '\0' ? e->fallback : NULL);
    // A detached tree lasts as long as its descriptor.
    int *entered = e->method == METHOD_DETACHED ? &e->tree : &e->root;
    if (e->plan->own_job && (e->method == METHOD_DETACHED || e->method == METHOD_CONFINED))
        e->inside = fd_take(entered);
    else if (e->plan->own_job && (e->inside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return err_at("open", "/");
    fd_auto_close(&e->root);
    fd_auto_close(&e->tree);
    return 0;
}

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
    return !root_is_inside(p);
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
    {"open-root", root_is_outside, open_root, true},
    {"join", wants_join, join_enter, false},
    {"open-root", root_is_inside, open_root, false},
    // No sooner: up to here nothing but the caller's own rights was in force.
    {"raise-capabilities", is_set_uid, raise_capabilities, true},
    {"unshare", always, enter_unshare, true},
    // Before any mount: only a mapped id can own files.
    {"write-maps", wants_userns, userns_write_maps, false},
    // Once a process is in the namespace the kernel takes none.
    {"time-offsets", wants_time_offsets, settings_time_offsets, false},
    // A new pid or time namespace holds children only; the mounts below are the child's work. Into a joined
    // pid namespace the body forks.
    {"fork", forks_early, fork_monitor, true},
    {"attach-root", wants_mounts, attach, true},
    {"protect-executable", has_payload, protect_executable, true},
    {"mount-overlay", wants_overlay, overlay_mount, false},
    // In the child: a procfs is that of the pid namespace of who mounts it.
    {"mount", wants_rootfs, rootfs_mount_all, false},
    {"loopback", wants_loopback, loopback, true},
    {"hostname", wants_hostname, settings_hostname, false},
    {"domainname", wants_domainname, settings_domainname, false},
    // While the host's /proc is still there.
    {"sysctl", wants_sysctls, settings_sysctls, false},
    {"mounts-ready", always, wait_for_parent, true},
    // They may add to the root still, by the host's paths.
    {"hooks", wants_hooks, run_hooks, false},
    // Nothing is written or mounted after these; masks come last, to cover all the rest.
    {"hide", wants_hiding, rootfs_hide, false},
    {"read-only", wants_rootfs, rootfs_finish, false},
    {"change-root", always, change_root, true},
    // No sooner: the parent of a new root must not be shared.
    {"propagation", wants_propagation, rootfs_set_propagation, false},
    // For good; what is left to do is the caller's to do.
    {"surrender", is_set_uid, surrender, true},
    {"check-procfs", wants_procfs_check, check_procfs, true},
    {"entered", always, report_entered, true},
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
