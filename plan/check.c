// SPDX-License-Identifier: MIT
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "plan/plan.h"
#include "plan/rootfs_check.h"
#include "sys/err.h"
#include "sys/fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const char *const plan_method_names[] = {"auto", "pivot", "detached", "move", "chroot", "confined",
                                         "joined", NULL};
const char *const plan_pivot_names[] = {"any", "tmpdir", "stacked", NULL};

static const struct {
    int number;
    const char *name;
} chroot_forbidden[] = {
    {CAP_SYS_CHROOT, "sys_chroot"}, {CAP_SYS_ADMIN, "sys_admin"},   {CAP_DAC_READ_SEARCH, "dac_read_search"},
    {CAP_SYS_PTRACE, "sys_ptrace"}, {CAP_SYS_MODULE, "sys_module"}, {CAP_SYS_RAWIO, "sys_rawio"},
    {CAP_MKNOD, "mknod"},
};
enum { CHROOT_FORBIDDEN = sizeof(chroot_forbidden) / sizeof(chroot_forbidden[0]) };

bool plan_stays(const struct plan *p)
{
    return p->init || ((p->unshare | p->join_flags) & (CLONE_NEWPID | CLONE_NEWTIME)) != 0;
}

bool plan_forks_late(const struct plan *p)
{
    return (p->join_flags & CLONE_NEWPID) != 0;
}

uint64_t plan_chroot_forbidden(void)
{
    uint64_t set = 0;
    for (int i = 0; i < CHROOT_FORBIDDEN; i++)
        set |= CAPS_BIT(chroot_forbidden[i].number);
    return set;
}

const char *plan_forbids_chroot(const struct plan *p)
{
    if (p->read_only)
        return "--ro";
    if (p->overlay != OVERLAY_NONE)
        return "--overlay";
    if (plan_rootfs_needs_mounts(p) != NULL)
        return plan_rootfs_needs_mounts(p);
    for (int i = 0; i < CHROOT_FORBIDDEN; i++) {
        if ((plan_named_capabilities(p) & CAPS_BIT(chroot_forbidden[i].number)) != 0)
            return chroot_forbidden[i].name;
    }
    return NULL;
}

static int check_method(const struct plan *p)
{
    const char *method = plan_method_names[p->method];
    if (!p->own_job && (p->method == METHOD_DETACHED || p->method == METHOD_CONFINED))
        return plan_usage("--enter", method, "never for exec: a payload would not be held in the root");
    if (p->pivot != PIVOT_ANY && p->method != METHOD_AUTO && p->method != METHOD_PIVOT)
        return plan_usage("--pivot", plan_pivot_names[p->pivot], "--enter names a method without pivot_root");
    const char *what = p->method == METHOD_CHROOT ? plan_forbids_chroot(p) : NULL;
    if (what != NULL) {
        bool mounts = p->read_only || p->overlay != OVERLAY_NONE || plan_rootfs_needs_mounts(p) != NULL;
        int error = plan_usage(mounts ? "--enter" : "--cap-add", what,
                               mounts ? "it needs a mount namespace" : "--cap-add names a capability that undoes a chroot");
        if (p->config != NULL)
            err_hint("with no mount namespace in the config's linux.namespaces the root is entered by chroot");
        return error;
    }
    if (p->read_only && p->overlay != OVERLAY_NONE)
        return plan_usage("--ro", NULL, "--ro and --overlay exclude each other");
    return 0;
}

// It is taken over, and blanked.
static bool is_source(const struct plan *p, int fd)
{
    for (unsigned i = 0; i < p->rootfs.mount_count; i++) {
        if (p->rootfs.mount[i].fd == fd)
            return true;
    }
    return false;
}

// Each number once; nothing that the payload gets may be a directory.
static int check_descriptors(const struct plan *p)
{
    static int used[PASS_FDS_MAX + 7 + JOINS_MAX + MOUNTS_MAX];
    int count = 0;
    const int target = p->target_by == TARGET_FD ? p->target_number : -1;
    const int ours[] = {p->root_fd, p->status_fd, p->sync_fd, p->args_fd, p->filter_fd, p->config_fd, target};
    for (int i = 0; i < 7; i++) {
        if (ours[i] >= 0)
            used[count++] = ours[i];
    }
    for (unsigned i = 0; i < p->join_count; i++) {
        if (p->join[i].fd >= 0)
            used[count++] = p->join[i].fd;
    }
    for (unsigned i = 0; i < p->rootfs.mount_count; i++) {
        if (p->rootfs.mount[i].fd >= 0)
            used[count++] = p->rootfs.mount[i].fd;
    }
    for (unsigned i = 0; i < p->pass_fd_count; i++)
        used[count++] = p->pass_fd[i];
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < i; k++) {
            if (used[i] == used[k])
                return plan_usage("descriptor", NULL, "one descriptor is named twice");
        }
    }
    static const char reason[] = "a directory is a way out of any root";
    for (unsigned i = 0; i < p->pass_fd_count; i++) {
        if (fd_is_directory(p->pass_fd[i]))
            return plan_usage("--pass-fd", NULL, reason);
    }
    static const char *const standard[] = {"standard input", "standard output", "standard error"};
    for (int fd = 0; fd <= 2; fd++) {
        if (fd != p->root_fd && !is_source(p, fd) && fd_is_directory(fd))
            return plan_usage("descriptor", standard[fd], reason);
    }
    return 0;
}

// kernel.hostname is none of them: its place is --hostname.
int plan_sysctl_namespace(const char *path)
{
    static const struct {
        const char *prefix;
        bool whole;
        int flag;
    } rows[] = {
        {"sys/net/", false, CLONE_NEWNET},
        {"sys/fs/mqueue/", false, CLONE_NEWIPC},
        {"sys/kernel/msgmax", true, CLONE_NEWIPC},
        {"sys/kernel/msgmnb", true, CLONE_NEWIPC},
        {"sys/kernel/msgmni", true, CLONE_NEWIPC},
        {"sys/kernel/sem", true, CLONE_NEWIPC},
        {"sys/kernel/shmall", true, CLONE_NEWIPC},
        {"sys/kernel/shmmax", true, CLONE_NEWIPC},
        {"sys/kernel/shmmni", true, CLONE_NEWIPC},
        {"sys/kernel/shm_rmid_forced", true, CLONE_NEWIPC},
        {"sys/kernel/domainname", true, CLONE_NEWUTS},
        {"sys/user/", false, CLONE_NEWUSER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].whole ? strcmp(path, rows[i].prefix) == 0
                          : strncmp(path, rows[i].prefix, strlen(rows[i].prefix)) == 0)
            return rows[i].flag;
    }
    return 0;
}

static bool has_odd_component(const char *path)
{
    for (const char *s = path; s != NULL; s = strchr(s, '/')) {
        s += *s == '/';
        size_t n = strcspn(s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return true;
    }
    return false;
}

static int check_namespaces(const struct plan *p)
{
    // Whether a joined one is another than the caller's is seen when it is opened.
    const int own = p->unshare | p->join_flags;
    if (p->hostname != NULL && (own & CLONE_NEWUTS) == 0)
        return plan_usage("--hostname", p->hostname, "this needs --unshare=uts");
    if (p->domainname != NULL && (own & CLONE_NEWUTS) == 0)
        return plan_usage("domainname", p->domainname, "this needs a uts namespace");
    if ((p->monotonic.given || p->boottime.given) && (p->unshare & CLONE_NEWTIME) == 0)
        return plan_usage("time offsets", NULL, "they need a new time namespace");
    for (unsigned i = 0; i < p->sysctl_count; i++) {
        const struct plan_sysctl *s = &p->sysctl[i];
        int flag = plan_sysctl_namespace(s->path);
        if (flag == 0 || has_odd_component(s->path))
            return plan_usage("--sysctl", s->text, "not a key that belongs to a namespace");
        if ((own & flag) == 0)
            return plan_usage("--sysctl", s->text, "this needs a namespace of its own, see --unshare");
    }
    return 0;
}

// -- user namespaces ---------------------------------------------------------------------------

static const uint64_t enough = CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_CHROOT);

static bool joins_userns(const struct plan *p)
{
    return (p->join_flags & CLONE_NEWUSER) != 0;
}

static void decide_userns(struct plan *p, const struct caps_privilege *held)
{
    bool without = p->method == METHOD_DETACHED || p->method == METHOD_CONFINED || joins_userns(p);
    if (p->map_given || (!without && (held->effective & enough) == 0))
        p->unshare |= CLONE_NEWUSER;
    p->userns = (p->unshare & CLONE_NEWUSER) != 0;
}

static bool map_finds_outer(const struct id_maps *maps, uint32_t outer, uint32_t *inner)
{
    for (unsigned i = 0; i < maps->count; i++) {
        const struct id_map *line = &maps->line[i];
        if (outer >= line->outer && outer - line->outer < line->count) {
            *inner = line->inner + (outer - line->outer);
            return true;
        }
    }
    return false;
}

bool plan_maps_outer(const struct id_maps *maps, uint32_t outer)
{
    uint32_t inner;
    return map_finds_outer(maps, outer, &inner);
}

bool plan_maps_inner(const struct id_maps *maps, uint32_t inner)
{
    for (unsigned i = 0; i < maps->count; i++) {
        if (inner >= maps->line[i].inner && inner - maps->line[i].inner < maps->line[i].count)
            return true;
    }
    return false;
}

static int check_maps(struct plan *p, const struct caps_privilege *held)
{
    if (p->map_root && p->map_current)
        return plan_usage("--map-root-user", NULL, "--map-root-user and --map-current-user exclude each other");
    bool own = p->users.count > 0 || p->groups_map.count > 0;
    if (own && (p->map_root || p->map_current || p->map_auto))
        return plan_usage("--map-users", NULL, "maps of one's own exclude the named ones");
    if (own && (p->users.count == 0 || p->groups_map.count == 0))
        return plan_usage(p->users.count == 0 ? "--map-users" : "--map-groups", NULL,
                          "--map-users and --map-groups are given together");
    if (!own && !p->map_auto) {
        bool same = p->map_current;
        p->users = (struct id_maps){1, {{same ? held->uid : 0, held->uid, 1}}};
        p->groups_map = (struct id_maps){1, {{same ? held->gid : 0, held->gid, 1}}};
    }
    const struct id_map *u = &p->users.line[0], *g = &p->groups_map.line[0];
    bool self_only = p->users.count == 1 && p->groups_map.count == 1 && u->count == 1 && g->count == 1 &&
                     u->outer == held->uid && g->outer == held->gid;
    p->maps_by_program = p->map_auto || !self_only;
    return 0;
}

// The payload's ids inside the namespace; the default is what the caller's own id is there, else 0.
int plan_decide_ids(struct plan *p, const struct caps_privilege *held)
{
    if (!p->has_user) {
        uint32_t uid, gid;
        if (map_finds_outer(&p->users, held->uid, &uid))
            p->uid = uid;
        else if (plan_maps_inner(&p->users, 0))
            p->uid = 0;
        else
            return plan_usage("--user", NULL, "neither the caller's id nor 0 is mapped: name one with --user");
        if (map_finds_outer(&p->groups_map, held->gid, &gid))
            p->gid = gid;
        else if (plan_maps_inner(&p->groups_map, p->uid))
            p->gid = p->uid;
        else
            return plan_usage("--user", NULL, "no group id is mapped: name one with --user=UID:GID");
    }
    if (!plan_maps_inner(&p->users, p->uid))
        return plan_usage("--user", NULL, "the user id is not mapped in the user namespace");
    if (!plan_maps_inner(&p->groups_map, p->gid))
        return plan_usage("--user", NULL, "the group id is not mapped in the user namespace");
    for (unsigned i = 0; i < p->group_count; i++) {
        if (!plan_maps_inner(&p->groups_map, p->group[i]))
            return plan_usage("--groups", NULL, "a group id is not mapped in the user namespace");
    }
    return 0;
}

// A map of one line denies setgroups (user_namespaces(7)): then the groups must be none, or be kept.
// The caller's own gid as its only one counts as none.
static int check_groups(const struct plan *p, const struct caps_privilege *held)
{
    if (joins_userns(p))
        return 0; // what its maps allow is seen in there
    bool may_set = p->userns ? p->maps_by_program : (held->effective & CAPS_BIT(CAP_SETGID)) != 0;
    if (may_set || p->groups == GROUPS_KEEP)
        return 0;
    gid_t now[1];
    int count = getgroups(1, now);
    if (count > 1 || (count < 0 && errno == EINVAL) || (count == 1 && now[0] != held->gid)) {
        plan_usage("--groups", NULL, "the caller's supplementary groups can't be cleared here");
        err_hint("--groups=keep lets the payload keep them; several map lines (--map-auto) let them be set");
        return -EINVAL;
    }
    if (p->groups == GROUPS_LIST)
        return plan_usage("--groups", NULL, "supplementary groups can't be set here");
    return 0;
}

static int check_caller(struct plan *p, const struct caps_privilege *held)
{
    int error = plan_check_cap_sets(p);
    if (error < 0)
        return error;
    if (joins_userns(p))
        return 0; // the caller's ids and capabilities are nothing in there
    if (!p->has_user && !p->userns) {
        p->uid = held->uid;
        p->gid = held->gid;
    }
    uint64_t setids = CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID);
    bool same = p->uid == held->uid && p->gid == held->gid;
    if (!p->userns && !same && (held->effective & setids) != setids) {
        plan_usage("--user", NULL, "other ids than the caller's need CAP_SETUID and CAP_SETGID");
        return -EINVAL;
    }
    if (!p->userns && (error = plan_check_held(p, held)) < 0)
        return error;
    // Without no_new_privs only CAP_SYS_ADMIN can load a filter, and the kernel checks it at that moment.
    bool admin = p->userns || (held->effective & CAPS_BIT(CAP_SYS_ADMIN)) != 0;
    if (p->new_privs && p->filter != FILTER_NONE && !admin) {
        plan_usage("--no-new-privs", "off", "a filter can't be loaded without CAP_SYS_ADMIN");
        err_hint("--seccomp=none goes without the filter");
        return -EINVAL;
    }
    return 0;
}

// The payload is the caller, and root makes no directory where the caller says.
static int check_set_uid(struct plan *p, const struct caps_privilege *held)
{
    if (p->pivot == PIVOT_ANY && (p->method == METHOD_AUTO || p->method == METHOD_PIVOT))
        p->pivot = PIVOT_STACKED;
    if (p->groups == GROUPS_CLEAR)
        p->groups = GROUPS_KEEP;
    if (!p->has_user) {
        p->uid = held->uid;
        p->gid = held->gid;
    }
    err_stage("usage");
    return PLAN_PARSER_REFUSES ? plan_allow_set_uid(p, held) : 0;
}

static int check_all(struct plan *p, const struct caps_privilege *held)
{
    int error;
    if (p->init)
        p->unshare |= CLONE_NEWPID;
    if (p->set_uid && (error = check_set_uid(p, held)) < 0)
        return error;
    if ((error = plan_check_joins(p)) < 0)
        return error;
    decide_userns(p, held);
    if ((error = plan_check_rootfs(p)) < 0 || (error = check_method(p)) < 0 || (error = check_descriptors(p)) < 0 ||
        (error = check_namespaces(p)) < 0)
        return error;
    if (p->userns && ((error = check_maps(p, held)) < 0 ||
                      (!p->map_auto && (error = plan_decide_ids(p, held)) < 0)))
        return error;
    if ((error = check_caller(p, held)) < 0)
        return error;
    if ((error = plan_check_process(p)) < 0)
        return error;
    return check_groups(p, held);
}

int plan_check(struct plan *p, const struct caps_privilege *held)
{
    int error = check_all(p, held);
    if (error == 0 || PLAN_PARSER_REFUSES || !p->set_uid)
        return error;
    err_forget();
    return 0;
}
