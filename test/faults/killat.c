// SPDX-License-Identifier: MIT
/*
 * Runs a program and strikes it at one system call, then says how the whole run ended.
 *
 *   killat OPTION... ACTION... -- PROGRAM [ARG]...
 *
 * Actions, where P is a process of the run (0 is PROGRAM, then in the order of their making) and N
 * counts its system calls from 1, the first one after PROGRAM's execve:
 *   list                  change nothing; a line for each call: P N NUMBER ARG0 ARG1 ARG2 ARG3 RAN
 *   kill-entry P N        SIGKILL before the call is carried out
 *   kill-exit P N         SIGKILL when the call has been carried out, before the program sees it
 *   fail P N ERRNO        the call is not carried out and fails
 *   short P N             a call that moves bytes is asked for half of them, or less
 *   deny ERRNO NUMBER...  every call of these numbers fails
 *
 * Once a process has become the payload it is left alone, and so are its children. Nothing outlives
 * killat: what has not ended after the time limit is killed and reported as hung. The answer is one
 * JSON object in the last line.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "killat_machine.h"

enum action { LIST, KILL_ENTRY, KILL_EXIT, FAIL, SHORT, DENY };

struct process {
    pid_t pid;
    int ordinal;
    unsigned long calls;
    int announced;  // its parent's fork event was seen
    int waiting;    // its first stop was seen
    int payload;
    int struck;     // the current call is replaced; its result is still to be set
    int changed;    // an argument of the current call is, the one of the number before; to be put back
    unsigned long before;
    int to_kill;    // the current call is the one that ends in SIGKILL
};

static struct {
    enum action action;
    int ordinal;
    unsigned long call;
    int error;
    int denied_count;
    unsigned long denied[32];
    const char *payload;    // comm of the payload
    const char *mountinfo;  // copy of the payload's /proc/PID/mountinfo
    const char *status;     // copy of each process' /proc/PID/status where it calls exit_group
    int answer;
    unsigned seconds;
    long uid;
} plan = {.payload = "", .answer = 1, .seconds = 10, .uid = -1};

static struct {
    int reached, ran, hung, crashed, exit, signal;
    unsigned long number, args[4];
} outcome = {.exit = -1};

static struct process table[256];
static int known, started;
static volatile sig_atomic_t late;

_Noreturn static void fail(const char *what)
{
    perror(what);
    _exit(99);
}

// -- processes ---------------------------------------------------------------------------------

static struct process *find(pid_t pid)
{
    for (int i = 0; i < known; i++)
        if (table[i].pid == pid)
            return &table[i];
    if (known == (int)(sizeof table / sizeof *table)) {
        errno = E2BIG;
        fail("processes");
    }
    table[known] = (struct process){.pid = pid, .ordinal = known};
    return &table[known++];
}

// A process that is being killed can't be restarted; its end is reported by waitpid.
static void resume(const struct process *p, int sig)
{
    ptrace(p->payload ? PTRACE_CONT : PTRACE_SYSCALL, p->pid, 0, sig);
}

static void kill_all(void)
{
    for (int i = 0; i < known; i++)
        if (table[i].pid > 0)
            kill(table[i].pid, SIGKILL);
}

static void on_alarm(int sig)
{
    (void)sig;
    late = 1;
}

// -- events ------------------------------------------------------------------------------------

static int open_of(pid_t pid, const char *file)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/%s", pid, file);
    return open(name, O_RDONLY | O_CLOEXEC);
}

// A process that is just being killed has none any more.
static void copy_of(pid_t pid, const char *file, const char *to, int flags)
{
    char buf[65536];
    ssize_t n;
    int in = open_of(pid, file);
    int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (out < 0)
        fail(to);
    while (in >= 0 && (n = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)n) != n)
            fail(to);
    close(in);
    close(out);
}

static int is_payload(pid_t pid)
{
    char comm[64] = "";
    int fd = open_of(pid, "comm");
    ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof comm - 1);
    close(fd);
    comm[strcspn(comm, "\n")] = 0;
    return n > 0 && strcmp(comm, plan.payload) == 0;
}

static void on_exec(struct process *p)
{
    if (!started) {
        started = 1;
        return;
    }
    if (!is_payload(p->pid))
        return;
    p->payload = 1;
    outcome.ran = 1;
    if (plan.mountinfo)
        copy_of(p->pid, "mountinfo", plan.mountinfo, O_TRUNC);
}

static void on_fork(struct process *parent)
{
    unsigned long pid = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid) < 0)
        return;
    struct process *child = find((pid_t)pid);
    child->announced = 1;
    child->payload = parent->payload;
    if (child->waiting)
        resume(child, 0);
}

static int is_denied(unsigned long number)
{
    for (int i = 0; i < plan.denied_count; i++)
        if (plan.denied[i] == number)
            return 1;
    return 0;
}

// The argument of a call that says how many bytes may be moved; -1 where there is none.
static int length_of(unsigned long number)
{
    if (number == SYS_sendfile)
        return 3;
    if (number == SYS_read || number == SYS_write || number == SYS_pread64 || number == SYS_pwrite64)
        return 2;
    return -1;
}

static void shorten(struct process *p, const struct __ptrace_syscall_info *info)
{
    int n = length_of(info->entry.nr);
    if (n < 0 || info->entry.args[n] < 2 || set_argument(p->pid, (unsigned)n, info->entry.args[n] / 2) < 0) {
        outcome.reached = 0;
        return;
    }
    p->changed = n + 1;
    p->before = info->entry.args[n];
}

static void mark_struck(struct process *p, const struct __ptrace_syscall_info *info)
{
    p->struck = p->changed = 1;
    p->before = info->entry.args[0];
}

static void strike(struct process *p, const struct __ptrace_syscall_info *info)
{
    outcome.reached = plan.action != KILL_EXIT;
    outcome.number = info->entry.nr;
    for (int i = 0; i < 4; i++)
        outcome.args[i] = info->entry.args[i];
    if (plan.action == KILL_ENTRY)
        kill(p->pid, SIGKILL);
    else if (plan.action == KILL_EXIT)
        p->to_kill = 1;
    else if (plan.action == SHORT)
        shorten(p, info);
    else if (replace_call(p->pid) == 0)
        mark_struck(p, info);
    else
        fail("PTRACE_SETREGSET");
}

static void on_call(struct process *p)
{
    struct __ptrace_syscall_info info = {0};
    if (!started || ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info) < 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        if (p->to_kill)
            outcome.reached = kill(p->pid, SIGKILL) == 0;
        if (((p->changed && set_argument(p->pid, (unsigned)p->changed - 1, p->before) < 0) ||
             (p->struck && set_result(p->pid, -plan.error) < 0)) && errno != ESRCH)
            fail("PTRACE_SETREGSET");
        p->struck = p->changed = p->to_kill = 0;
        return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    p->calls++;
    if (plan.status && info.entry.nr == SYS_exit_group)
        copy_of(p->pid, "status", plan.status, O_APPEND);
    if (plan.action == LIST)
        dprintf(plan.answer, "%d %lu %llu %lld %lld %lld %lld %d\n", p->ordinal, p->calls,
                (unsigned long long)info.entry.nr, (long long)info.entry.args[0],
                (long long)info.entry.args[1], (long long)info.entry.args[2],
                (long long)info.entry.args[3], outcome.ran);
    else if (plan.action == DENY ? is_denied(info.entry.nr)
                                 : p->ordinal == plan.ordinal && p->calls == plan.call)
        strike(p, &info);
}

static void on_end(struct process *p, int status)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    for (unsigned i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == crashes[i])
            outcome.crashed++;
    if (p->ordinal == 0 && WIFEXITED(status))
        outcome.exit = WEXITSTATUS(status);
    if (p->ordinal == 0 && WIFSIGNALED(status))
        outcome.signal = WTERMSIG(status);
    p->pid = -1;
}

static void on_stop(struct process *p, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    if (!p->waiting) {
        p->waiting = 1;
        if (p->announced)
            resume(p, 0);
        return;
    }
    if (sig == (SIGTRAP | 0x80))
        on_call(p);
    else if (event == PTRACE_EVENT_EXEC)
        on_exec(p);
    else if (event)
        on_fork(p);
    resume(p, sig == (SIGTRAP | 0x80) || event ? 0 : sig);
}

static void follow(void)
{
    int status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == ECHILD)
            return;
        if (late) {
            if (outcome.hung++)
                return;
            late = 0;
            kill_all();
            alarm(2);
        }
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status))
            on_stop(find(pid), status);
        else
            on_end(find(pid), status);
    }
}

// -- start -------------------------------------------------------------------------------------

_Noreturn static void child(char **argv)
{
    gid_t gid = (gid_t)plan.uid;
    if (plan.uid >= 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
                          setresuid((uid_t)plan.uid, (uid_t)plan.uid, (uid_t)plan.uid) < 0))
        fail("setresuid");
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        fail("PTRACE_TRACEME");
    raise(SIGSTOP);
    execv(argv[0], argv);
    fail(argv[0]);
}

static unsigned long number(const char *text)
{
    char *end = NULL;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (!text || end == text || *end) {
        fprintf(stderr, "killat: not a number: %s\n", text ? text : "");
        _exit(98);
    }
    return value;
}

static void parse_options(int argc, char **argv)
{
    int c;
    while ((c = getopt(argc, argv, "+o:m:p:s:u:t:")) != -1) {
        if (c == 'o')
            plan.answer = (int)number(optarg);
        else if (c == 'm')
            plan.mountinfo = optarg;
        else if (c == 's')
            plan.status = optarg;
        else if (c == 'p')
            plan.payload = optarg;
        else if (c == 'u')
            plan.uid = (long)number(optarg);
        else if (c == 't')
            plan.seconds = (unsigned)number(optarg);
        else
            _exit(98);
    }
}

// The program's words, after the action's and "--".
static char **parse_action(char **argv)
{
    static const char *const names[] = {"list", "kill-entry", "kill-exit", "fail", "short", "deny"};
    int a = 0;
    while (a <= DENY && *argv && strcmp(*argv, names[a]) != 0)
        a++;
    if (a > DENY || !*argv++)
        _exit(98);
    plan.action = (enum action)a;
    if (a != LIST && a != DENY) {
        plan.ordinal = (int)number(*argv++);
        plan.call = number(*argv++);
    }
    if (a == FAIL || a == DENY)
        plan.error = (int)number(*argv++);
    while (a == DENY && *argv && strcmp(*argv, "--") != 0 && plan.denied_count < 32)
        plan.denied[plan.denied_count++] = number(*argv++);
    if (!*argv || strcmp(*argv, "--") != 0 || !argv[1])
        _exit(98);
    return argv + 1;
}

static void answer(void)
{
    dprintf(plan.answer,
            "{\"reached\":%d,\"number\":%lu,\"args\":[%ld,%ld,%ld,%ld],\"ran\":%d,\"exit\":%d,"
            "\"signal\":%d,\"hung\":%d,\"crashed\":%d,\"processes\":%d}\n",
            outcome.reached, outcome.number, (long)outcome.args[0], (long)outcome.args[1],
            (long)outcome.args[2], (long)outcome.args[3], outcome.ran, outcome.exit,
            outcome.signal, outcome.hung, outcome.crashed, known);
}

int main(int argc, char **argv)
{
    int status;
    parse_options(argc, argv);
    char **program = parse_action(argv + optind);
    struct sigaction sa = {.sa_handler = on_alarm};
    if (sigaction(SIGALRM, &sa, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
        (plan.answer > 2 && fcntl(plan.answer, F_SETFD, FD_CLOEXEC) < 0))
        fail("start");
    pid_t pid = fork();
    if (pid == 0)
        child(program);
    if (pid < 0 || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, pid, 0,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) < 0)
        fail("PTRACE_SETOPTIONS");
    alarm(plan.seconds);
    struct process *first = find(pid);
    first->announced = first->waiting = 1;
    resume(first, 0);
    follow();
    answer();
    return 0;
}
