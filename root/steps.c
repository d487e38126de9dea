// SPDX-License-Identifier: MIT
#include "root/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "root/hostproc.h"
#include "root/legacy.h"
#include "root/monitor.h"
#include "root/rootfs.h"
#include "root/seal.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/ns.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/setuid.h"
#include "sys/start.h"
#include "sys/status.h"

bool step_root_is_inside(const struct plan *p)
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

int step_open_root(struct enter *e)
{
    const struct plan *p = e->plan;
    struct stat st;
    if (p->root_fd >= 0) {
        e->root = fd_copy(p->root_fd);
        if (e->root < 0)
            return e->root;
        if (p->root_fd <= 2 && fd_blank(p->root_fd) < 0)
            return -EBADF;
    } else if (step_root_is_inside(p)) {
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

int step_raise(struct enter *e)
{
    return setuid_raise(e->caller);
}

int step_surrender(struct enter *e)
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

int step_fork(struct enter *e)
{
    if (!e->caller->set_uid)
        return monitor_fork(e->plan, e->caller);
    // An effective CAP_SYS_ADMIN would pass the caller's RLIMIT_NPROC.
    int error = setuid_lower(e->caller);
    if (error == 0)
        error = monitor_fork(e->plan, e->caller);
    return error < 0 ? error : setuid_raise(e->caller);
}

int step_attach(struct enter *e)
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
int step_protect(struct enter *e)
{
    int found = e->tree >= 0 ? hostproc_in_clone(e->tree) : hostproc_below(e->root);
    e->no_procfs = e->tree >= 0 && found == 0 && e->plan->rootfs.mount_count == 0 && !e->plan->rootfs.default_mounts;
    return found > 0 && e->protect != NULL ? e->protect(e) : found < 0 ? found : 0;
}

int step_loopback(struct enter *e)
{
    (void)e;
    return ns_loopback_up();
}

// Waits with the caller's signal mask: who sends SIGTERM meanwhile means it.
int step_wait(struct enter *e)
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
int step_hooks(struct enter *e)
{
    static const struct rootfs_how read_write = {.clear = ATTR_RDONLY}, read_only = {.set = ATTR_RDONLY};
    // What is read-only on the host stays so; in a user namespace that is locked, too.
    struct statvfs host;
    bool late = e->plan->read_only && e->plan->rootfs.read_only_late && !e->layered && fstatvfs(e->root, &host) == 0 &&
                (host.f_flag & ST_RDONLY) == 0;
    int error = late ? rootfs_set(e, e->tree, &read_write, e->plan->root) : 0;
    if (error == 0)
        error = rootfs_run_hooks(e);
    return error == 0 && late ? rootfs_set(e, e->tree, &read_only, e->plan->root) : error;
}

bool step_wants_procfs_check(const struct plan *p)
{
    // A pid namespace hides nothing in a procfs of the host's: same uid, and /proc/PID/root is open. Across
    // user namespaces the kernel asks for CAP_SYS_PTRACE; but the host's root may write to /proc/sys even so.
    return !p->allow_host_proc && (!p->userns || plan_maps_outer(&p->users, 0));
}

int step_change_root(struct enter *e)
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
        bool foreign = step_root_is_inside(e->plan) || step_wants_procfs_check(e->plan);
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
int step_check_procfs(struct enter *e)
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

int step_report(struct enter *e)
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
