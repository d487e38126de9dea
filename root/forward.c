// SPDX-License-Identifier: MIT
#include "root/forward.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/caps.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/start.h"

bool forward_wanted(int number, int code, bool own_session)
{
    static const int of_terminal[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGHUP, SIGCONT};
    if (code != SI_KERNEL || own_session)
        return true;
    for (size_t i = 0; i < sizeof(of_terminal) / sizeof(of_terminal[0]); i++) {
        if (number == of_terminal[i])
            return false;
    }
    return true;
}

void forward_stop(void)
{
    kill(getpid(), SIGSTOP);
}

size_t forward_sort(int *fds, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        int fd = fds[i];
        if (fd < 0)
            continue;
        size_t at = left++;
        for (; at > 0 && fds[at - 1] > fd; at--)
            fds[at] = fds[at - 1];
        fds[at] = fd;
    }
    return left;
}

// The payload may be of the same uid and look at pid 1: nothing of the host is left in it.
static void forget_host(void)
{
    for (char **word = environ; word != NULL && *word != NULL; word++)
        memset(*word, 0, strlen(*word));
}

// Reaps all that has ended; the payload's statuses are passed on.
static void reap(pid_t payload, int channel)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != payload)
            continue;
        (void)send(channel, &status, sizeof(status), MSG_NOSIGNAL);
        if (!WIFSTOPPED(status))
            _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
}

int forward_prepare(const int keep[4])
{
    int fds[] = {0, 1, 2, keep[0], keep[1], keep[2], keep[3]};
    uint64_t sets[3];
    forget_host();
    int error = fd_close_all_but(fds, forward_sort(fds, 7), proc_fd());
    if (error == 0)
        error = start_block(true);
    if (error == 0)
        error = caps_get(sets);
    if (error == 0)
        error = caps_limit(sets[1] & CAPS_BIT(CAP_KILL));
    if (error < 0)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_at("prctl", NULL);
    return chdir("/") == 0 ? 0 : err_at("chdir", "/");
}

void forward_init(pid_t payload, int channel, bool own_session)
{
    sigset_t all = start_all_signals();
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number == SIGCHLD)
            reap(payload, channel);
        else if (number > 0 && forward_wanted(number, info.si_code, own_session))
            kill(payload, number);
    }
}
