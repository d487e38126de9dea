// SPDX-License-Identifier: MIT
//
// An OCI config's createContainer hooks: programs of the host, by the host's paths, in the container's namespaces.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "root/monitor.h"
#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/start.h"
#include "sys/text.h"

// -- what they read ----------------------------------------------------------------------------

// The state as a file at its start: a hook that does not read it can't hold us up, as with a pipe. What the plan
// can't know comes first: the status, and the pid that this process has in the container.
static int open_state(const struct plan_rootfs *r)
{
    const char *known = r->state != NULL ? r->state : "{}";
    size_t room = strlen(known) + 64;
    char *data = malloc(room);
    if (data == NULL)
        return err_at("malloc", "hook");
    known += *known == '{';
    struct text t = {data, room, 0};
    text_add(&t, "{\"status\":\"creating\",\"pid\":");
    text_number(&t, (uint64_t)getpid());
    text_add(&t, known[strspn(known, " \t\r\n")] == '}' ? "" : ",");
    text_add(&t, known);
    int fd = text_end(&t) ? fd_of_bytes(data, t.length, "hook") : err_no("hook", "state", E2BIG);
    free(data);
    return fd;
}

// -- waiting -----------------------------------------------------------------------------------

enum { SLICE_MS = 10 };

// Milliseconds; negative when the time is over, and INT64_MAX where there is no end to it.
static int64_t time_left(const struct plan_hook *h, const struct timespec *start)
{
    struct timespec now;
    if (h->timeout == 0)
        return INT64_MAX;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed = (int64_t)(now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
    return (int64_t)h->timeout * 1000 - passed;
}

// Until the hook ends, the time is over, or whoever ends the set-up says so: by a signal, which without a monitor
// has its own effect here and takes the hook along.
static void wait_a_while(int pidfd, pid_t pid, int64_t ms)
{
    struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = monitor_channel(), .events = POLLIN}};
    // Without pidfd_open(2) (Linux before 5.3, a filter) nothing wakes us: SIGCHLD is blocked, or does nothing.
    if (pidfd < 0 && ms > SLICE_MS)
        ms = SLICE_MS;
    const struct timespec limit = {ms / 1000, ms % 1000 * 1000000};
    if (ppoll(p, 2, ms == INT64_MAX ? NULL : &limit, monitor_channel() >= 0 ? NULL : start_mask()) > 0 &&
        p[1].revents != 0) {
        kill(-pid, SIGKILL); // what it has started too, unless that has left its group
        _exit(EXIT_HELPER); // the monitor got a signal, and dies of it
    }
}

static int wait_for(const struct plan_hook *h, pid_t pid, int *status)
{
    struct timespec start;
    pid_t got;
    clock_gettime(CLOCK_MONOTONIC, &start);
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    while ((got = waitpid(pid, status, WNOHANG)) == 0) {
        int64_t left = time_left(h, &start);
        if (left < 0) {
            kill(-pid, SIGKILL); // what it has started too, unless that has left its group
            int error = spawn_wait(pid, status);
            return error < 0 ? error : err_because("hook", h->path, ETIMEDOUT, "it was killed after its timeout");
        }
        wait_a_while(pidfd, pid, left);
    }
    return got == pid ? 0 : err_at("waitpid", h->path);
}

// -- running -----------------------------------------------------------------------------------

static int judge(const struct plan_hook *h, int status)
{
    static char reason[48];
    struct text t = {reason, sizeof(reason), 0};
    if (status == 0)
        return 0;
    text_add(&t, WIFSIGNALED(status) ? "it was killed by signal " : "it exited with status ");
    text_number(&t, (unsigned)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
    text_end(&t);
    return err_because("hook", h->path, ECANCELED, reason);
}

static int run(const struct enter *e, const struct plan_hook *h)
{
    char *const alone[] = {(char *)h->path, NULL};
    int status;
    if (h->path[0] != '/')
        return err_because("hook", h->path, EINVAL, "it is no absolute path");
    AUTO_CLOSE int state = open_state(&e->plan->rootfs);
    if (state < 0)
        return state;
    pid_t pid = spawn_start(&(struct spawn){
        .path = h->path,
        .argv = h->arguments != NULL ? h->arguments : alone,
        .environment = h->environment,
        .input = state,
        .output = -1,
        .hook = true,
    });
    if (pid < 0)
        return pid;
    int error = wait_for(h, pid, &status);
    return error < 0 ? error : judge(h, status);
}

// In the order of the config; the first that fails is the last.
int rootfs_run_hooks(struct enter *e)
{
    // The plan refused it already: the host's mounts must not be in their reach, nor they in others'.
    if (e->tree < 0 || (e->plan->join_flags & (CLONE_NEWNS | CLONE_NEWPID)) != 0)
        return err_because("hook", NULL, EPERM, "only with new mounts, and no joined mount or pid namespace");
    static char path[PATH_MAX];
    int error = proc_fd_path(e->tree, path, sizeof(path));
    if (error < 0)
        return error;
    // Laid over "/" (by mount(2), or of ROOT `/`): they would change what is below it instead.
    if (strcmp(path, "/") == 0)
        return err_because("hook", NULL, EOPNOTSUPP,
                           "no path leads to the mounts: without the newer mount calls, or of ROOT /");
    for (unsigned i = 0; i < e->plan->rootfs.hook_count; i++) {
        error = run(e, &e->plan->rootfs.hook[i]);
        if (error < 0)
            return error;
    }
    return 0;
}
