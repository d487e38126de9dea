// SPDX-License-Identifier: MIT
//
// What an ordinary user may ask of a helper that the set-uid bit made root's. All of it is here: the options by
// name, for good words, and the plan that came of them, which is what counts.
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "plan/plan.h"
#include "sys/err.h"
#include "sys/ns.h"

static const char not_allowed[] = "not in set-uid mode";

static const char *const of_both[] = {
    "--enter", "--pivot", "--die-with-parent", "--status-fd", "--sync-fd", "--args-fd", NULL,
};

static const char *const of_exec[] = {
    "--ro",      "--workdir", "--env",   "--clear-env", "--unset-env", "--argv0",       "--umask",   "--pass-fd",
    "--unshare", "--init",    "--rlimit", "--cap-drop", "--seccomp",   "--new-session", "--groups",
    NULL,
};

// What an archive's files become is done with the caller's rights alone: nothing in there is worth refusing.
static const char *const of_unpack[] = {
    "--directory", "--policy",  "--same-owner",    "--no-same-owner",       "--chown",            "--map-uid",
    "--map-gid",   "--devices", "--xattrs",        "--acls",                "--no-same-permissions",
    "--include",   "--exclude", "--exclude-from",  "--strip-components",    "--existing",         "--no-overwrite-dir",
    "--max-bytes", "--max-entries", "--max-depth", "--max-ratio",           "--ignore-zeros",     "--sync",
    "--progress",  "--verbose", "--json",          NULL,
};

static bool is_listed(const char *const *list, const char *option)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, option) == 0)
            return true;
    }
    return false;
}

bool plan_allows_option(const struct plan *p, const char *option)
{
    return is_listed(of_both, option) || is_listed(p->unpack != NULL ? of_unpack : of_exec, option);
}

// -- the plan ----------------------------------------------------------------------------------

enum { NAMESPACES = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET };

// A plan of which only this is set that set-uid mode allows. It is held against the real one as a whole: what is
// added to struct plan some day is refused until it is added here.
static void copy_allowed(struct plan *to, const struct plan *p)
{
    to->set_uid = p->set_uid;
    to->unpack = p->unpack;
    to->own_job = p->own_job;
    to->allow_host_proc = p->own_job; // nothing in there is executed, or read
    to->root = p->root;
    to->root_word = p->root_word;
    to->root_fd = p->root_fd;
    to->method = p->method;
    to->pivot = p->pivot;
    to->read_only = p->read_only;
    to->unshare = p->unshare;
    to->uid = p->uid;
    to->gid = p->gid;
    to->groups = p->groups;
    to->cap_drop = p->cap_drop;
    to->cap_drop_all = p->cap_drop_all;
    to->filter = p->filter;
    to->filter_value = p->filter_value;
    to->workdir = p->workdir;
    to->argv0 = p->argv0;
    to->command = p->command;
    to->env = p->env;
    to->env_count = p->env_count;
    to->env_room = p->env_room;
    to->has_umask = p->has_umask;
    to->umask = p->umask;
    memcpy(to->rlimit, p->rlimit, sizeof(p->rlimit));
    to->rlimit_count = p->rlimit_count;
    memcpy(to->pass_fd, p->pass_fd, sizeof(p->pass_fd));
    to->pass_fd_count = p->pass_fd_count;
    to->status_fd = p->status_fd;
    to->sync_fd = p->sync_fd;
    to->args_fd = p->args_fd;
    to->filter_fd = p->filter_fd;
    to->config_fd = -1;
    to->init = p->init;
    to->die_with_parent = p->die_with_parent;
    to->new_session = p->new_session;
}

static int refuse(const char *option, const char *value)
{
    return err_because(option, value, EPERM, not_allowed);
}

// The kernel refuses these too: by then nothing is held that could raise a limit.
static int check_limits(const struct plan *p)
{
    struct rlimit now;
    for (unsigned i = 0; i < p->rlimit_count; i++) {
        if (getrlimit(p->rlimit[i].resource, &now) != 0)
            return err_at("getrlimit", p->rlimit[i].name);
        if (p->rlimit[i].limit.rlim_max > now.rlim_max)
            return refuse("--rlimit", p->rlimit[i].name);
    }
    return 0;
}

int plan_allow_set_uid(const struct plan *p, const struct caps_privilege *held)
{
    static struct plan allowed; // all zero, its padding too
    if (p->method != METHOD_AUTO && p->method != METHOD_PIVOT)
        return refuse("--enter", plan_method_names[p->method]);
    if (p->pivot != PIVOT_STACKED)
        return refuse("--pivot", plan_pivot_names[p->pivot]);
    for (const struct ns_kind *kind = ns_kinds; kind->name != NULL; kind++) {
        if ((p->unshare & kind->flag & ~NAMESPACES) != 0)
            return refuse("--unshare", kind->name);
    }
    if (p->uid != held->uid || p->gid != held->gid || p->has_user)
        return refuse("--user", NULL);
    if (p->groups != GROUPS_KEEP)
        return refuse("--groups", NULL);
    bool by_descriptor = p->filter == FILTER_PROGRAM && p->filter_fd >= 0;
    if (!p->own_job && p->filter != FILTER_DEFAULT && !by_descriptor)
        return refuse("--seccomp", p->filter_value != NULL ? p->filter_value : "none");
    int error = check_limits(p);
    if (error < 0)
        return error;
    copy_allowed(&allowed, p);
    // Padding that differed would refuse, never allow; both are static, and written to member by member.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c)
    return memcmp(&allowed, p, sizeof(*p)) == 0 ? 0 : refuse("the plan", "something in it");
}
