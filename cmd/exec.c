// SPDX-License-Identifier: MIT
#include "cmd/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/exec_filter.h"
#include "cmd/exec_seal.h"
#include "cmd/payload.h"
#include "root/become.h"
#include "root/forward.h"
#include "root/monitor.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/start.h"
#include "sys/status.h"

// -- before ------------------------------------------------------------------------------------

static int parse(struct plan *p, char **words, const struct caps_privilege *held)
{
    char **operands;
    int error = options_parse(exec_options, p, words, &operands);
    if (error != OPTIONS_OK)
        return error;
    if (operands[0] != NULL) {
        error = options_root(p, operands[0]);
        if (error < 0)
            return error;
        p->root_word = p->args_fd < 0 ? operands : NULL;
        operands += 1 + (operands[1] != NULL && strcmp(operands[1], "--") == 0);
    }
    if (operands[0] != NULL)
        p->command = operands;
    if (p->root == NULL) // a config may have brought both
        return plan_usage("ROOT", NULL, "no root was given");
    if (p->command == NULL)
        return plan_usage("COMMAND", NULL, "no command was given");
    return plan_check(p, held);
}

// Descriptors of our own, only now: none of the numbers that the user gave can mean them.
static int open_own(const struct plan *p)
{
    if (p->status_fd >= 0) {
        int copy = fd_copy(p->status_fd); // the number may be one of the payload's
        if (copy < 0)
            return copy;
        status_set(copy);
    }
    proc_open();
    return 0;
}

// -- inside ------------------------------------------------------------------------------------

static int close_others(const struct plan *p)
{
    int keep[PASS_FDS_MAX + 5] = {0, 1, 2, status_fd(), monitor_channel()};
    for (unsigned i = 0; i < p->pass_fd_count; i++) {
        keep[5 + i] = p->pass_fd[i];
        if (fcntl(p->pass_fd[i], F_SETFD, 0) != 0)
            return err_at("fcntl", "--pass-fd");
    }
    return fd_close_all_but(keep, forward_sort(keep, 5 + p->pass_fd_count), proc_fd());
}

// No magic links: /proc/self/fd/N and its kin lead out of the root (CVE-2024-21626).
static int change_directory(const char *dir)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    AUTO_CLOSE int fd = (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));
    // EMFILE: the payload's own limit is in force.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EMFILE))
        return chdir(dir) == 0 ? 0 : -errno; // what it led to is seen by getcwd() below
    if (fd < 0)
        return -errno;
    return fchdir(fd) == 0 ? 0 : -errno;
}

static int make_directories(const char *dir)
{
    char path[PATH_MAX];
    size_t n = strlen(dir); // below PATH_MAX, by its option
    memcpy(path, dir, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        path[i] = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return err_at("mkdir", path);
        if (i < n)
            path[i] = '/';
    }
    return 0;
}

static int enter_workdir(const struct plan *p)
{
    char where[PATH_MAX];
    if (p->workdir != NULL) {
        int error = change_directory(p->workdir);
        if (error == -ENOENT) {
            error = make_directories(p->workdir);
            if (error < 0)
                return error;
            error = change_directory(p->workdir);
        }
        if (error < 0)
            return err_no("chdir", p->workdir, -error);
    }
    if (getcwd(where, sizeof(where)) == NULL)
        return err_at("getcwd", p->workdir);
    if (where[0] != '/')
        return err_because("getcwd", p->workdir, EXDEV, "the working directory is outside the root");
    return 0;
}

// What lives in a joined pid namespace sees a process that is no more than the payload.
static int fork_late(const struct enter *e)
{
    err_stage("fork");
    proc_close(); // close_others() did: from here on the number means nothing
    int error = monitor_fork(e->plan, e->caller);
    if (error == -ENOMEM)
        err_hint("a pid namespace takes no more processes once its pid 1 has ended");
    err_stage("payload");
    return error;
}

static int run_payload(struct enter *e, int *status)
{
    struct payload payload;
    char **environment;
    err_stage("payload");
    int error = exec_environment(e->plan, environ, &environment);
    if (error == 0)
        error = exec_filter_make(e);
    if (error == 0)
        error = become_payload(e);
    if (error == 0 && e->plan->join_count > 0)
        error = start_dumpable(false); // once more, after the change of ids
    if (error == 0)
        error = close_others(e->plan);
    if (error == 0 && plan_forks_late(e->plan))
        error = fork_late(e);
    if (error == 0)
        error = become_session(e->plan);
    if (error == 0)
        error = enter_workdir(e->plan);
    if (error < 0)
        return error;
    err_stage("exec");
    error = payload_find(e->plan, environment, &payload);
    if (error < 0) {
        *status = payload.status;
        return error;
    }
    error = start_restore();
    if (e->plan->has_umask)
        umask(e->plan->umask);
    // Before the filter, which need not let it pass.
    if (error == 0)
        error = monitor_executing();
    if (error == 0)
        error = exec_filter_load();
    if (error < 0)
        return error;
    error = payload_execute(&payload);
    *status = payload.status;
    return error;
}

int exec_main(char **argv, char **words, const struct caps_privilege *held)
{
    static struct plan plan; // its tables are large: not initialised, so that they take no room in the file
    struct enter e = {.plan = &plan, .caller = held};
    int status = EXIT_HELPER;
    exec_seal_early(argv, words, held);
    plan.set_uid = held->set_uid;
    plan.root_fd = plan.status_fd = plan.sync_fd = plan.args_fd = plan.filter_fd = plan.config_fd = -1;
    int error = parse(&plan, words, held);
    if (error == OPTIONS_HELP)
        return options_help(exec_usage, exec_options) < 0 ? EXIT_HELPER : 0;
    // What is in the config is held against what is known, whoever reads it.
    if (error == 0 && plan.dry_run && !plan.set_uid && plan.filter == FILTER_CONFIG)
        error = exec_filter_read(&plan);
    if (error == 0 && plan.dry_run && !plan.set_uid)
        return exec_print_plan(&plan, held) < 0 ? EXIT_HELPER : 0;
    if (error == 0)
        error = enter_allowed(&e);
    if (error == 0)
        error = open_own(&plan);
    if (error == 0 && plan.die_with_parent)
        error = start_die_with(start_parent());
    if (error == 0)
        error = exec_seal(&e, argv);
    if (error == 0 && plan.args_fd >= 0 && plan.args_fd <= 2)
        error = fd_blank(plan.args_fd); // it may be our own copy of secret arguments
    if (error == 0)
        error = exec_filter_read(&plan);
    if (error == 0)
        error = enter_root(&e);
    if (error == 0)
        (void)run_payload(&e, &status); // returns on error only
    err_report();
    monitor_failed();
    return status;
}
