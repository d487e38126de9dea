// SPDX-License-Identifier: MIT
#include "cmd/features_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "root/become.h"
#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/ns.h"
#include "sys/proc.h"
#include "sys/spawn.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

struct probe {
    const char *key;
    enum { OUTSIDE, ENTERED, ENTERED_IN_USERNS, ENTERED_TO_MOUNT } where;
    enum plan_method method;                // of entering
    int (*body)(const struct probe *probe); // what is tried there; NULL: becoming the payload
    int number, arguments[5];               // of a system call
};

// -- bodies ------------------------------------------------------------------------------------

static bool root_is(struct statx *stx)
{
    return syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, stx) == 0;
}

// 1 in a chroot, 0 if not. A chroot to a directory is no mount's root; to a mount point only the kernel can
// tell: a setns() to one's own mount namespace puts the process at that namespace's root.
static int find_chroot(const struct probe *probe)
{
    struct statx before, after;
    if (!root_is(&before))
        return err_at("statx", probe->key);
    if ((before.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
        (before.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0)
        return 1;
    AUTO_CLOSE int own = openat(proc_fd(), "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return err_at("open /proc", "self/ns/mnt");
    if (setns(own, CLONE_NEWNS) != 0)
        return err_at("setns", probe->key);
    if (!root_is(&after))
        return err_at("statx", probe->key);
    return before.stx_mnt_id != after.stx_mnt_id || before.stx_ino != after.stx_ino;
}

static int make_tmpfs(void)
{
    AUTO_CLOSE int fs = mount_fsopen("tmpfs");
    if (fs < 0)
        return err_at("fsopen", "tmpfs");
    if (mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", "tmpfs");
    int tmpfs = mount_fsmount(fs, 0);
    return tmpfs >= 0 ? tmpfs : err_at("fsmount", "tmpfs");
}

// Directories for the layers, on a tmpfs over the root: overlayfs takes only what is mounted in our
// namespace.
static int make_layers(void)
{
    static const char *const names[] = {"lower", "upper", "work"};
    AUTO_CLOSE int tmpfs = make_tmpfs();
    if (tmpfs < 0)
        return tmpfs;
    if (mount_move(tmpfs, AT_FDCWD, ".", MOVE_FROM_EMPTY) != 0)
        return err_at("move_mount", "tmpfs");
    if (fchdir(tmpfs) != 0)
        return err_at("fchdir", "tmpfs");
    for (int i = 0; i < 3; i++) {
        if (mkdir(names[i], 0700) != 0)
            return err_at("mkdir", names[i]);
    }
    return 0;
}

static int try_overlay(const struct probe *probe)
{
    int error = make_layers();
    if (error < 0)
        return error;
    AUTO_CLOSE int fs = mount_fsopen("overlay");
    if (fs < 0)
        return err_at("fsopen", probe->key);
    bool mine = probe_in_userns() == PROBE_YES;
    if (mount_fsconfig(fs, CONFIG_STRING, "lowerdir", "lower", 0) != 0 ||
        mount_fsconfig(fs, CONFIG_STRING, "upperdir", "upper", 0) != 0 ||
        mount_fsconfig(fs, CONFIG_STRING, "workdir", "work", 0) != 0 ||
        (mine && mount_fsconfig(fs, CONFIG_FLAG, "userxattr", NULL, 0) != 0) ||
        mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return err_at("fsconfig", probe->key);
    AUTO_CLOSE int overlay = mount_fsmount(fs, 0);
    return overlay >= 0 ? 0 : err_at("fsmount", probe->key);
}

// Moves to a user namespace with a map, and leaves a descriptor of it at the number `slot`.
static int leave_userns(int slot)
{
    int error = ns_unshare(CLONE_NEWUSER);
    if (error < 0 || (error = proc_write("self/setgroups", "deny")) < 0 ||
        (error = proc_write("self/uid_map", "0 0 1")) < 0 ||
        (error = proc_write("self/gid_map", "0 0 1")) < 0)
        return error;
    AUTO_CLOSE int own = openat(proc_fd(), "self/ns/user", O_RDONLY | O_CLOEXEC);
    return own >= 0 && dup3(own, slot, O_CLOEXEC) == slot ? 0 : -errno;
}

// A descriptor of another user namespace than our own: made by a process that shares our descriptors, and
// whose exit status is its errno.
static int make_userns(void)
{
    AUTO_CLOSE int slot = fd_copy(STDIN_FILENO);
    if (slot < 0)
        return slot;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return err_at("clone", NULL);
    if (pid == 0)
        _exit(-leave_userns(slot));
    int status;
    int error = spawn_wait(pid, &status);
    if (error < 0)
        return error;
    if (status != 0)
        return err_no("user namespace", NULL, WIFEXITED(status) ? WEXITSTATUS(status) : EPERM);
    return fd_take(&slot);
}

static int try_idmap(int mount)
{
    // struct mount_attr of mount_setattr(2); MOUNT_ATTR_IDMAP
    struct {
        uint64_t set, clear, propagation, userns;
    } attributes = {.set = 0x100000};
    AUTO_CLOSE int userns = make_userns();
    if (userns < 0)
        return userns;
    attributes.userns = (uint64_t)userns;
    if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0)
        return err_at("mount_setattr", "MOUNT_ATTR_IDMAP");
    return 0;
}

static int try_idmap_root(const struct probe *probe)
{
    // With all below it: in a user namespace they are locked together. Only `/` itself gets the map.
    AUTO_CLOSE int mount = mount_open_tree(AT_FDCWD, "/", TREE_CLONE | AT_RECURSIVE | O_CLOEXEC);
    return mount >= 0 ? try_idmap(mount) : err_at("open_tree", probe->key);
}

static int try_idmap_tmpfs(const struct probe *probe)
{
    (void)probe;
    AUTO_CLOSE int mount = make_tmpfs();
    return mount >= 0 ? try_idmap(mount) : mount;
}

// EFAULT where there are filters: seccomp(2), "NOTES".
static int try_seccomp(const struct probe *probe)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 || errno == EFAULT)
        return 0;
    return err_at("prctl", probe->key);
}

// A call that can't succeed, or changes nothing: any error but these comes from the call itself.
static int try_call(const struct probe *probe)
{
    const int *a = probe->arguments;
    long got = syscall(probe->number, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4]);
    if (got < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES))
        return err_at(probe->key, NULL);
    return got < 0 ? 0 : (int)got;
}

// -- the table ---------------------------------------------------------------------------------

// System calls by number: musl and older kernel headers lack some names, and from 424 on the numbers are
// the same everywhere.
#define CALL(name, number, ...) {#name, OUTSIDE, METHOD_AUTO, try_call, number, {__VA_ARGS__}}
// The two that look at CAP_SYS_ADMIN before they look at their arguments.
#define CALL_TO_MOUNT(name, number, ...)                                                           \
    {#name, ENTERED_TO_MOUNT, METHOD_PIVOT, try_call, number, {__VA_ARGS__}}

static const struct probe probes[PROBE_COUNT] = {
    [PROBE_AUTO] = {.key = "auto", .where = ENTERED, .method = METHOD_AUTO},
    [PROBE_PIVOT] = {.key = "pivot", .where = ENTERED, .method = METHOD_PIVOT},
    [PROBE_CHROOT] = {.key = "chroot", .where = ENTERED, .method = METHOD_CHROOT},
    // By chroot: no mount namespace is asked for besides.
    [PROBE_USERNS] = {.key = "user_namespaces", .where = ENTERED_IN_USERNS, .method = METHOD_CHROOT},
    [PROBE_IN_CHROOT] = {.key = "in_chroot", .where = OUTSIDE, .body = find_chroot},
    [PROBE_OVERLAY] = {"here", ENTERED, METHOD_PIVOT, try_overlay, 0, {0}},
    [PROBE_OVERLAY_USERNS] = {"user_namespace", ENTERED_IN_USERNS, METHOD_PIVOT, try_overlay, 0, {0}},
    [PROBE_IDMAP_ROOT] = {"root", ENTERED, METHOD_PIVOT, try_idmap_root, 0, {0}},
    [PROBE_IDMAP_TMPFS] = {"tmpfs", ENTERED, METHOD_PIVOT, try_idmap_tmpfs, 0, {0}},
    [PROBE_SECCOMP] = {.key = "seccomp_filter", .where = OUTSIDE, .body = try_seccomp},
    [PROBE_LANDLOCK] = CALL(landlock_create_ruleset, 444, 0, 0, 1), // LANDLOCK_CREATE_RULESET_VERSION
    CALL(openat2, 437, -1, 0, 0, 0),
    CALL(open_tree, 428, -1, 0, -1),
    CALL_TO_MOUNT(move_mount, 429, -1, 0, -1, 0, -1),
    CALL(mount_setattr, 442, -1, 0, -1, 0, 0),
    CALL_TO_MOUNT(fsopen, 430, 0, -1),
    CALL(close_range, 436, 1, 0, 0),
    CALL(pidfd_open, 434, -1, -1),
    CALL(clone3, 435, 0, 0),
    CALL(statmount, 457, 0, 0, 0, -1),
    CALL(listmount, 458, 0, 0, 0, -1),
};
#undef CALL
#undef CALL_TO_MOUNT

const char *probe_key(enum probe_name name)
{
    return probes[name].key;
}

// -- running one -------------------------------------------------------------------------------

enum probe_answer probe_in_userns(void)
{
    char map[64];
    if (proc_read("self/uid_map", map, sizeof(map)) < 0)
        return PROBE_UNKNOWN;
    return strstr(map, "4294967295") == NULL ? PROBE_YES : PROBE_NO;
}

// Enters `/`, as exec would enter a root, and becomes the payload: of what `/` holds nothing is touched.
static int enter(const struct probe *probe, struct plan *plan, const struct caps_privilege *held,
                 struct probe_result *result)
{
    struct enter e = {.plan = plan, .caller = held};
    plan->root = "/";
    plan->root_fd = plan->status_fd = plan->sync_fd = plan->args_fd = plan->filter_fd = plan->config_fd = -1;
    plan->method = probe->method;
    // plan_check() lets a place be named only where there may be a pivot.
    plan->pivot = probe->method == METHOD_CHROOT ? PIVOT_ANY : PIVOT_STACKED;
    plan->map_root = plan->map_given = probe->where == ENTERED_IN_USERNS;
    plan->groups = GROUPS_KEEP;
    plan->filter = FILTER_NONE;
    plan->allow_host_proc = true;
    int error = plan_check(plan, held);
    if (error == 0)
        error = enter_root(&e);
    result->method = e.method;
    result->userns = plan->userns;
    result->legacy = e.legacy;
    memcpy(result->fallback, e.fallback, sizeof(result->fallback) - 1); // err_brief(): less than that
    if (error == 0 && probe->body == NULL)
        error = become_payload(&e);
    return error;
}

static int run(const struct probe *probe, struct plan *plan, const struct caps_privilege *held,
               struct probe_result *result)
{
    // A payload must not get a directory as 0, 1 or 2; nobody gets these.
    for (int fd = 0; fd <= 2; fd++) {
        int error = fd_blank(fd);
        if (error < 0)
            return error;
    }
    if (probe->where != OUTSIDE) {
        int error = enter(probe, plan, held, result);
        // Without a way in the call is made out here; it may be denied then.
        if (error < 0 && probe->where != ENTERED_TO_MOUNT)
            return error;
    }
    return probe->body != NULL ? probe->body(probe) : 0;
}

static void note(struct probe_result *result, enum probe_answer works, int error, const char *why)
{
    result->works = works;
    result->error = error;
    size_t n = strnlen(why, sizeof(result->why) - 1);
    memcpy(result->why, why, n);
    result->why[n] = '\0';
}

static _Noreturn void be_child(enum probe_name name, struct plan *plan,
                               const struct caps_privilege *held, int to)
{
    struct probe_result result = {0};
    int got = run(&probes[name], plan, held, &result);
    if (got < 0)
        note(&result, PROBE_NO, -got, err_brief());
    else
        note(&result, PROBE_YES, 0, "");
    result.value = got < 0 ? 0 : got;
    // At most PIPE_BUF: all of it, or nothing.
    _exit(write(to, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : EXIT_HELPER);
}

struct probe_result probe_run(enum probe_name name, struct plan *plan, const struct caps_privilege *held)
{
    struct probe_result result = {0};
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        err_at("pipe2", NULL);
        note(&result, PROBE_UNKNOWN, errno, err_brief());
        return result;
    }
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t pid = fork();
    if (pid == 0)
        be_child(name, plan, held, to);
    if (pid < 0) {
        err_at("fork", NULL);
        note(&result, PROBE_UNKNOWN, errno, err_brief());
        return result;
    }
    fd_auto_close(&to);
    ssize_t n = fd_read_all(from, &result, sizeof(result), "read");
    if (spawn_wait(pid, &status) < 0 || n != (ssize_t)sizeof(result))
        note(&result, PROBE_NO, EPERM, "killed by a signal");
    return result;
}
