// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd/exec.h"
#include "cmd/join_options.h"
#include "plan/limits.h"
#include "plan/mountspec.h"
#include "plan/oci.h"
#include "sys/num.h"
#include "sys/ns.h"
#include "sys/fd.h"

static int take_read_only(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->read_only = true;
    return 0;
}

static int take_overlay(struct plan *p, const char *option, const char *value)
{
    if (strcmp(value, "tmpfs") == 0) {
        p->overlay = OVERLAY_TMPFS;
        return 0;
    }
    const char *colon = strchr(value, ':');
    if (colon == NULL || colon == value || colon[1] == '\0' || strchr(colon + 1, ':') != NULL)
        return plan_usage(option, value, "neither tmpfs nor UPPER:WORK");
    free(p->upper); // the last one counts
    free(p->work);
    p->overlay = OVERLAY_UPPER;
    p->upper = strndup(value, (size_t)(colon - value));
    p->work = strdup(colon + 1);
    return p->upper != NULL && p->work != NULL ? 0 : plan_usage(option, value, "no memory");
}

static int take_workdir(struct plan *p, const char *option, const char *value)
{
    if (value[0] != '/')
        return plan_usage(option, value, "not an absolute path");
    if (strlen(value) >= PATH_MAX)
        return plan_usage(option, value, "the path is too long");
    p->workdir = value;
    p->rootfs.make_workdir = false; // the payload makes it, not the helper
    return 0;
}

static int add_env(struct plan *p, const char *option, int what, const char *text)
{
    if (p->env_count == p->env_room) {
        unsigned room = p->env_room == 0 ? 16 : 2 * p->env_room;
        void *bigger = reallocarray(p->env, room, sizeof(*p->env));
        if (bigger == NULL)
            return plan_usage(option, text, "no memory");
        p->env = bigger;
        p->env_room = room;
    }
    p->env[p->env_count].what = what;
    p->env[p->env_count++].text = text;
    return 0;
}

static int take_env(struct plan *p, const char *option, const char *value)
{
    if (value[0] == '\0' || value[0] == '=')
        return plan_usage(option, value, "no name of a variable");
    return add_env(p, option, strchr(value, '=') != NULL ? ENV_SET : ENV_KEEP, value);
}

static int take_clear_env(struct plan *p, const char *option, const char *value)
{
    return add_env(p, option, ENV_CLEAR, value);
}

static int take_unset_env(struct plan *p, const char *option, const char *value)
{
    if (value[0] == '\0' || strchr(value, '=') != NULL)
        return plan_usage(option, value, "no name of a variable");
    return add_env(p, option, ENV_UNSET, value);
}

static int take_argv0(struct plan *p, const char *option, const char *value)
{
    (void)option;
    p->argv0 = value;
    return 0;
}

static int take_unshare_word(struct plan *p, const char *option, const char *word, size_t n)
{
    const struct ns_kind *kind = ns_find(word, n);
    if (kind == NULL || kind->flag == CLONE_NEWNS)
        return plan_usage(option, word, "no such namespace: user, pid, net, ipc, uts, cgroup, time");
    p->unshare |= kind->flag;
    return 0;
}

static int take_unshare(struct plan *p, const char *option, const char *value)
{
    return options_each_word(p, option, value, take_unshare_word);
}

static int take_user(struct plan *p, const char *option, const char *value)
{
    uint64_t id;
    const char *end;
    if (!num_prefix(value, UINT32_MAX - 1, &id, &end) || (*end != '\0' && *end != ':'))
        return plan_usage(option, value, "not UID[:GID] in numbers");
    p->uid = p->gid = (uint32_t)id;
    if (*end == ':' && !num_id(end + 1, &p->gid))
        return plan_usage(option, value, "not UID[:GID] in numbers");
    p->has_user = true;
    p->has_gid = *end == ':';
    return 0;
}

static int take_group_word(struct plan *p, const char *option, const char *word, size_t n)
{
    uint64_t id;
    const char *end;
    if (!num_prefix(word, UINT32_MAX - 1, &id, &end) || end != word + n)
        return plan_usage(option, word, "not the number of a group");
    if (p->group_count == GROUPS_MAX)
        return plan_usage(option, word, "more than 65536 groups");
    p->group[p->group_count++] = (uint32_t)id;
    return 0;
}

static int take_groups(struct plan *p, const char *option, const char *value)
{
    p->group_count = 0;
    p->groups = strcmp(value, "keep") == 0 ? GROUPS_KEEP : GROUPS_LIST;
    return p->groups == GROUPS_KEEP ? 0 : options_each_word(p, option, value, take_group_word);
}

static int find_capability(const char *option, const char *word, size_t n, uint64_t *set, bool *all)
{
    if (n == 3 && strncasecmp(word, "all", n) == 0) {
        *all = true;
        return 0;
    }
    int cap = caps_find(word, n);
    if (cap < 0)
        return plan_usage(option, word, "no such capability");
    *set |= CAPS_BIT(cap);
    return 0;
}

static int take_cap_add_word(struct plan *p, const char *option, const char *word, size_t n)
{
    return find_capability(option, word, n, &p->cap_add, &p->cap_add_all);
}

static int take_cap_add(struct plan *p, const char *option, const char *value)
{
    return options_each_word(p, option, value, take_cap_add_word);
}

static int take_cap_drop_word(struct plan *p, const char *option, const char *word, size_t n)
{
    return find_capability(option, word, n, &p->cap_drop, &p->cap_drop_all);
}

static int take_cap_drop(struct plan *p, const char *option, const char *value)
{
    return options_each_word(p, option, value, take_cap_drop_word);
}

static int take_no_new_privs(struct plan *p, const char *option, const char *value)
{
    p->new_privs = strcmp(value, "off") == 0;
    if (!p->new_privs && strcmp(value, "on") != 0)
        return plan_usage(option, value, "neither on nor off");
    return 0;
}

static int take_seccomp(struct plan *p, const char *option, const char *value)
{
    bool program = strncmp(value, "bpf:", 4) == 0;
    const char *source = value + (program ? 4 : 0);
    p->filter_fd = -1;
    p->filter_value = NULL; // the last one counts
    if (strcmp(value, "default") == 0 || strcmp(value, "none") == 0) {
        p->filter = strcmp(value, "none") == 0 ? FILTER_NONE : FILTER_DEFAULT;
        return 0;
    }
    p->filter = program ? FILTER_PROGRAM : FILTER_PROFILE;
    p->filter_value = value;
    if (source[0] == '\0')
        return plan_usage(option, value, "not default, none, [bpf:]FILE or [bpf:]fd:N");
    return strncmp(source, "fd:", 3) == 0 ? options_fd(option, source + 3, &p->filter_fd) : 0;
}

static int take_hostname(struct plan *p, const char *option, const char *value)
{
    size_t n = strlen(value);
    if (n == 0 || n > HOSTNAME_BYTES)
        return plan_usage(option, value, "not 1 to 64 bytes long");
    p->hostname = value;
    return 0;
}

static int take_umask(struct plan *p, const char *option, const char *value)
{
    if (!num_octal(value, 0777, &p->umask))
        return plan_usage(option, value, "not an octal number up to 777");
    p->has_umask = true;
    return 0;
}

#define TAKE_FLAG(name, member)                                                                    \
    static int name(struct plan *p, const char *option, const char *value)                         \
    {                                                                                              \
        (void)option, (void)value;                                                                 \
        p->member = true;                                                                          \
        return 0;                                                                                  \
    }
TAKE_FLAG(take_init, init)
TAKE_FLAG(take_new_session, new_session)
TAKE_FLAG(take_allow_host_proc, allow_host_proc)
TAKE_FLAG(take_dry_run, dry_run)
TAKE_FLAG(take_default_mounts, rootfs.default_mounts)
#undef TAKE_FLAG

static int take_pass_fd(struct plan *p, const char *option, const char *value)
{
    if (p->pass_fd_count == PASS_FDS_MAX)
        return plan_usage(option, value, "more than 256 of them");
    return options_fd(option, value, &p->pass_fd[p->pass_fd_count++]);
}

const char exec_usage[] = "Usage: inroot exec [OPTION]... ROOT [--] COMMAND [ARG]...\n"
                          "       inroot exec --config=FILE [OPTION]... [ROOT [[--] COMMAND [ARG]...]]\n"
                          "Enters the root file system ROOT (a directory or fd:N) and executes COMMAND there.\n\n";

const struct option_row exec_options[] = {
    {"--enter", "METHOD", options_enter, "auto, pivot, move or chroot (detached, confined: not for exec)"},
    {"--pivot", "PLACE", options_pivot, "where the old root goes: tmpdir or stacked"},
    {"--ro", NULL, take_read_only, "the root is read-only, submounts included"},
    {"--config", "FILE|fd:N", oci_config_take, "an OCI config.json; options override it wherever they stand"},
    {"--overlay", "tmpfs|UPPER:WORK", take_overlay, "writes go to a tmpfs or to UPPER"},
    {"--mount", "type=T,src=S,dst=D[,OPTION]...", mountspec_mount, "mount in the root; done in the order given (repeatable)"},
    {"--volume", "SRC:DST[:OPTIONS]", mountspec_volume, "bind SRC, read-write unless ro (repeatable)"},
    {"--tmpfs", "DST[:OPTIONS]", mountspec_tmpfs, "mount a tmpfs (repeatable)"},
    {"--device", "SRC[:DST]", mountspec_device, "make a device of the host available (repeatable)"},
    {"--default-mounts", NULL, take_default_mounts, "/proc, /sys, /dev and what belongs to them, as engines have it"},
    {"--mask", "PATH|none", mountspec_mask, "hide what is at PATH (repeatable)"},
    {"--ro-path", "PATH|none", mountspec_read_only, "make what is at PATH read-only (repeatable)"},
    {"--mount-fds", "N,...", mountspec_fds, "descriptors for ROOT and sources named fd, in their order"},
    {"--workdir", "DIR", take_workdir, "working directory inside the root (default /)"},
    {"--env", "NAME[=VALUE]", take_env, "set a variable, or keep it past --clear-env"},
    {"--clear-env", NULL, take_clear_env, "start from an empty environment"},
    {"--unset-env", "NAME", take_unset_env, "remove a variable"},
    {"--argv0", "STRING", take_argv0, "argv[0] of the payload"},
    {"--unshare", "LIST", take_unshare, "user,pid,net,ipc,uts,cgroup,time (mount is implied)"},
    {"--join", "TYPE[:SOURCE]", join_take_join, "enter a namespace: a path, fd:N, or that of --target (repeatable)"},
    {"--target", "PID|fd:N", join_take_target, "the process, or pidfd, whose namespaces --join=TYPE means"},
    {"--map-root-user", NULL, options_map_root, "map the caller's ids to 0"},
    {"--map-current-user", NULL, options_map_current, "map the caller's ids to themselves"},
    {"--map-auto", NULL, options_map_auto, "map the ranges of /etc/subuid and /etc/subgid"},
    {"--map-users", "INNER:OUTER:COUNT", options_map_users, "map user ids (repeatable)"},
    {"--map-groups", "INNER:OUTER:COUNT", options_map_groups, "map group ids (repeatable)"},
    {"--user", "UID[:GID]", take_user, "ids of the payload, numbers only"},
    {"--groups", "GID,...|keep", take_groups, "supplementary groups (default: none)"},
    {"--cap-add", "LIST", take_cap_add, "capabilities to add, or ALL"},
    {"--cap-drop", "LIST", take_cap_drop, "capabilities to drop, or ALL"},
    {"--no-new-privs", "on|off", take_no_new_privs, "default on"},
    {"--seccomp", "default|none|FILE|bpf:FILE", take_seccomp, "the filter of the payload; FILE can be fd:N"},
    {"--hostname", "NAME", take_hostname, "host name in a uts namespace"},
    {"--umask", "OCTAL", take_umask, "umask of the payload (default: the caller's)"},
    {"--rlimit", "NAME=SOFT[:HARD]", limits_take_rlimit, "a resource limit of the payload (repeatable)"},
    {"--sysctl", "KEY=VALUE", limits_take_sysctl, "a namespaced sysctl (repeatable)"},
    {"--init", NULL, take_init, "a pid 1 of our own in a new pid namespace"},
    {"--die-with-parent", NULL, options_die_with_parent, "die when the thread that started inroot ends"},
    {"--new-session", NULL, take_new_session, "run the payload in a new session"},
    {"--allow-host-proc", NULL, take_allow_host_proc, "accept a root that shows the caller's processes"},
    {"--pass-fd", "N", take_pass_fd, "hand descriptor N to the payload (repeatable)"},
    {"--status-fd", "N", options_status_fd, "write JSON records to N"},
    {"--sync-fd", "N", options_sync_fd, "wait for a byte on N before the root is entered"},
    {"--args-fd", "N", options_args_fd, "read further arguments, each ended by a NUL byte, from N"},
    {"--dry-run", NULL, take_dry_run, "print the plan as JSON and do nothing"},
    {"--help", NULL, NULL, "print this"},
    {NULL, NULL, NULL, NULL},
};
