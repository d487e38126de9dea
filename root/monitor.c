// SPDX-License-Identifier: MIT
#include "root/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "root/forward.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/setuid.h"
#include "sys/start.h"
#include "sys/status.h"

enum { SAYS_EXECUTING = 'E', SAYS_FAILED = 'F' };

static int exec_channel = -1; // the payload's end: close-on-exec, so its end of file is the execve
static int init_channel = -1; // pid 1's end: wait statuses of the payload

// -- the side of the payload -------------------------------------------------------------------

int monitor_channel(void)
{
    return exec_channel;
}

static int say(char word)
{
    if (exec_channel < 0 || send(exec_channel, &word, 1, MSG_NOSIGNAL) == 1)
        return 0;
    return err_at("send", "the helper outside");
}

bool monitor_ends(int wait_ms)
{
    struct pollfd p = {.fd = exec_channel, .events = POLLIN};
    return exec_channel >= 0 && poll(&p, 1, wait_ms) > 0;
}

int monitor_executing(void)
{
    if (monitor_ends(0))
        _exit(EXIT_HELPER); // the helper outside dies of the signal that it got
    return say(SAYS_EXECUTING);
}

void monitor_failed(void)
{
    (void)say(SAYS_FAILED); // then the exit status has to do
}

int monitor_die_with(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_PDEATHSIG");
    // In a new pid namespace getppid() says nothing of a parent outside of it; its end of the channel does.
    struct pollfd p = {.fd = exec_channel, .events = 0};
    if (poll(&p, 1, 0) != 0)
        return err_because("poll", NULL, ESRCH, "the helper outside is gone");
    return 0;
}

// -- the monitor -------------------------------------------------------------------------------

struct monitor {
    const struct plan *plan;
    const struct caps_privilege *caller;
    pid_t child;
    pid_t payload;
    int signals, exec, init;
    bool executing, failed, started;
    int dying;  // the signal that ends the set-up
    bool has_status;
    int status; // of the payload, from pid 1
};

// One message of the exec channel; the kernel adds who sent it, as a pid of ours.
static void hear_exec(struct monitor *m)
{
    char word;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec io = {&word, 1};
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(m->exec, &message, MSG_DONTWAIT);
    if (n < 0)
        return;
    if (n == 0) {
        fd_auto_close(&m->exec);
        m->started = m->executing && !m->failed;
        if (m->started)
            status_payload(m->payload);
        return;
    }
    m->executing |= word == SAYS_EXECUTING;
    if (m->executing && m->dying != 0)
        kill(m->child, SIGKILL);
    m->failed |= word == SAYS_FAILED;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (word == SAYS_EXECUTING && header != NULL && header->cmsg_type == SCM_CREDENTIALS) {
        struct ucred who;
        memcpy(&who, CMSG_DATA(header), sizeof(who));
        m->payload = who.pid;
    }
}

static void hear_init(struct monitor *m)
{
    int status;
    ssize_t n = recv(m->init, &status, sizeof(status), MSG_DONTWAIT);
    if (n == 0) {
        fd_auto_close(&m->init);
    } else if (n == (ssize_t)sizeof(status) && WIFSTOPPED(status)) {
        forward_stop();
    } else if (n == (ssize_t)sizeof(status)) {
        m->has_status = true;
        m->status = status;
    }
}

static void drain(struct monitor *m)
{
    struct pollfd p[2] = {{.fd = m->exec, .events = POLLIN}, {.fd = m->init, .events = POLLIN}};
    while ((m->exec >= 0 || m->init >= 0) && poll(p, 2, 0) > 0) {
        if (p[0].revents != 0)
            hear_exec(m);
        if (p[1].revents != 0)
            hear_init(m);
        p[0].fd = m->exec;
        p[1].fd = m->init;
    }
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static _Noreturn void finish(struct monitor *m, int status)
{
    drain(m);
    if (m->dying != 0)
        start_die_by(m->dying); // as it would have without a child
    if (m->failed)
        exit(exit_code(status)); // said already by who failed
    if (m->has_status)
        status = m->status;
    if (!m->executing && WIFEXITED(status))
        exit(exit_code(status)); // it has said why, if not to us
    if (!m->executing) {
        err_because("wait", NULL, ECANCELED, "the process that sets up the root was killed");
        err_report();
        exit(EXIT_HELPER);
    }
    status_exit(status);
    exit(exit_code(status));
}

// The child ends where it waits, or when it comes to execve: in between it cleans up after itself, and a kill
// would leave the directory of the pivot.
static void end_set_up(struct monitor *m, int number)
{
    m->dying = number;
    (void)send(m->exec, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// As it would without a child: not what the caller blocks, or ignores (nohup).
static bool ends_set_up(int number)
{
    struct sigaction now;
    if (number != SIGTERM && number != SIGINT && number != SIGHUP && number != SIGQUIT)
        return false;
    return !sigismember(start_mask(), number) && sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static void hear_signal(struct monitor *m)
{
    struct signalfd_siginfo info;
    if (read(m->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    int number = (int)info.ssi_signo;
    if (info.ssi_pid == (uint32_t)getpid())
        return; // SIGPIPE of our own write to a status descriptor that nobody reads
    if (number != SIGCHLD) {
        if (!m->executing && ends_set_up(number))
            end_set_up(m, number);
        else if (forward_wanted(number, info.ssi_code, m->plan->new_session))
            kill(m->child, number);
        return;
    }
    int status;
    while (waitpid(m->child, &status, WNOHANG | WUNTRACED) == m->child) {
        if (!WIFSTOPPED(status))
            finish(m, status);
        forward_stop();
    }
}

// What the monitor holds from here on: a descriptor for each thing it listens to, and the right to signal.
static int shed(const struct monitor *m, const struct caps_privilege *now)
{
    // First of all: it has nothing to do that the caller could not.
    if (m->caller->set_uid) {
        int lost = setuid_surrender(m->caller);
        if (lost == 0 && m->plan->die_with_parent)
            lost = start_die_with(start_parent());
        if (lost < 0)
            return lost;
    }
    int keep[] = {0, 1, 2, m->signals, m->exec, m->init, status_fd()};
    size_t count = forward_sort(keep, sizeof(keep) / sizeof(keep[0]));
    int error = fd_close_all_but(keep, count, proc_fd());
    if (error < 0 && plan_forks_late(m->plan)) {
        // Without close_range(2), and no procfs by now; but all others than the payload's are closed already.
        err_forget();
        error = 0;
        for (unsigned i = 0; i < m->plan->pass_fd_count; i++)
            close(m->plan->pass_fd[i]);
    }
    if (error < 0)
        return error;
    // It must not pin the old root; once the root is pivoted "/" is the new one for this process too.
    if (chdir("/") != 0)
        return err_at("chdir", "/");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_at("prctl", NULL);
    return caps_limit(now->permitted & CAPS_BIT(CAP_KILL));
}

static _Noreturn void monitor(struct monitor *m)
{
    sigset_t all = start_all_signals();
    struct caps_privilege now = {.permitted = 0};
    uint64_t sets[3];
    m->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    int error = m->signals < 0 ? err_at("signalfd", NULL) : start_block(true);
    if (error == 0)
        error = caps_get(sets);
    if (error == 0) {
        now.permitted = sets[1];
        error = shed(m, &now);
    }
    // Only now the child goes on: it is never killed in the middle of its work by a failure out here.
    // EPIPE: it has failed, and has said so.
    if (error == 0 && send(m->exec, "", 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
        error = err_at("send", "the child");
    if (error < 0) {
        kill(m->child, SIGKILL);
        waitpid(m->child, NULL, 0);
        err_report();
        exit(EXIT_HELPER);
    }
    for (;;) {
        struct pollfd p[] = {{.fd = m->signals, .events = POLLIN},
                             {.fd = m->exec, .events = POLLIN},
                             {.fd = m->init, .events = POLLIN}};
        if (poll(p, 3, -1) < 0)
            continue;
        if (p[1].revents != 0)
            hear_exec(m);
        if (p[2].revents != 0)
            hear_init(m);
        if (p[0].revents != 0)
            hear_signal(m);
    }
}

// -- forking -----------------------------------------------------------------------------------

// A pair of message sockets; the monitor's end learns the sender's pid.
static int open_channel(int *outside, int *inside)
{
    int ends[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return err_at("socketpair", NULL);
    *outside = ends[0];
    *inside = ends[1];
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
        return err_at("setsockopt", "SO_PASSCRED");
    return 0;
}

// In a new process, until the other side is what it shall be. End of file: it failed, and has said so.
static int wait_for_go(int from, bool die)
{
    char byte;
    int error = die ? monitor_die_with() : 0;
    if (error < 0)
        return error;
    ssize_t n = read(from, &byte, 1);
    if (n < 0)
        return err_at("read", "the other side");
    if (n == 0)
        _exit(EXIT_HELPER);
    return 0;
}

int monitor_fork(const struct plan *p, const struct caps_privilege *caller)
{
    struct monitor m = {.plan = p, .caller = caller, .signals = -1, .exec = -1, .init = -1};
    int error = open_channel(&m.exec, &exec_channel);
    if (error == 0 && p->init)
        error = open_channel(&m.init, &init_channel);
    if (error < 0)
        return error;
    m.child = m.payload = fork();
    if (m.child < 0)
        return err_at("fork", NULL);
    if (m.child > 0) {
        fd_auto_close(&exec_channel);
        fd_auto_close(&init_channel);
        monitor(&m);
    }
    fd_auto_close(&m.exec);
    fd_auto_close(&m.init);
    return wait_for_go(exec_channel, p->die_with_parent);
}

int monitor_init(const struct plan *p)
{
    // The payload waits until pid 1 has given up what it held: nobody looks at it before.
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int wait = ends[0];
    AUTO_CLOSE int ready = ends[1];
    pid_t payload = fork();
    if (payload < 0)
        return err_at("fork", NULL);
    if (payload == 0) {
        fd_auto_close(&init_channel);
        fd_auto_close(&ready);
        return wait_for_go(wait, false);
    }
    int error = forward_prepare((const int[]){init_channel, exec_channel, ready, status_fd()});
    if (error == 0 && write(ready, "", 1) != 1 && errno != EPIPE) // as above
        error = err_at("write", "pipe");
    if (error < 0) {
        err_report();
        monitor_failed();
        _exit(EXIT_HELPER); // and the kernel ends all in its pid namespace
    }
    fd_auto_close(&ready);
    fd_auto_close(&exec_channel);
    close(status_set(-1));
    forward_init(payload, init_channel, p->new_session);
}
