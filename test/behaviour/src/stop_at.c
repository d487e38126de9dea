/* SPDX-License-Identifier: MIT */
/*
 * Stops a set-uid program as its caller could, but at a chosen place:
 *
 *     stop-at UID N PROGRAM ARG...      run by root
 *
 * PROGRAM is run as UID and traced by root (so the kernel honours its set-uid bit) up to the N-th system-call stop of
 * all its processes together; then each is sent SIGSTOP and let go of, untraced. What is printed: "stopped PID..." and,
 * after a line on standard input, "end STATUS"; or "end STATUS" alone where there is no N-th stop.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 16 };

static struct tracee {
    pid_t pid;
    int held; /* let go of: not traced any more */
} tracees[MOST];
static int count;

static struct tracee *find(pid_t pid)
{
    for (int i = 0; i < count; i++) {
        if (tracees[i].pid == pid)
            return &tracees[i];
    }
    if (count == MOST)
        exit(70);
    tracees[count].pid = pid;
    tracees[count].held = 0;
    return &tracees[count++];
}

/* A child is known from its parent's word on: it may itself be heard of later. */
static void expect_child(pid_t parent, int status)
{
    unsigned long child;
    int event = status >> 16;
    if (WIFSTOPPED(status) && (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) &&
        ptrace(PTRACE_GETEVENTMSG, parent, 0, &child) == 0)
        find((pid_t)child);
}

static void forget(pid_t pid)
{
    struct tracee *t = find(pid);
    *t = tracees[--count];
}

static pid_t start(uid_t uid, char **command)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        _exit(71);
    raise(SIGSTOP);
    execv(command[0], command);
    _exit(72);
}

/* Pending when it is let go of: it stops before it does anything more of its own. */
static void let_go(struct tracee *t)
{
    kill(t->pid, SIGSTOP);
    if (ptrace(PTRACE_DETACH, t->pid, 0, 0) == 0)
        t->held = 1;
}

static int all_held(void)
{
    for (int i = 0; i < count; i++) {
        if (!tracees[i].held)
            return 0;
    }
    return 1;
}

static void interrupt_others(pid_t but)
{
    for (int i = 0; i < count; i++) {
        if (tracees[i].pid != but)
            ptrace(PTRACE_INTERRUPT, tracees[i].pid, 0, 0);
    }
}

static void wait_stopped(pid_t pid)
{
    char name[64], state = 0;
    for (int i = 0; i < 2000 && state != 'T' && state != 'Z'; i++) {
        snprintf(name, sizeof name, "/proc/%d/stat", pid);
        FILE *file = fopen(name, "r");
        if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            state = 'Z';
        if (file)
            fclose(file);
        usleep(500);
    }
}

static int finish(pid_t first)
{
    int status = 0;
    char line[16];
    printf("stopped");
    for (int i = 0; i < count; i++) {
        wait_stopped(tracees[i].pid);
        printf(" %d", tracees[i].pid);
    }
    puts("");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 73;
    /* More than once: a helper stops itself again when it hears that its payload was stopped. */
    while (waitpid(first, &status, WNOHANG) != first) {
        for (int i = 0; i < count; i++)
            kill(tracees[i].pid, SIGCONT);
        usleep(5000);
    }
    printf("end %d\n", status);
    return 0;
}

int main(int argc, char **argv)
{
    long left = argc > 3 ? atol(argv[2]) : 0;
    int status, freezing = 0;
    if (left < 1)
        return 64;
    pid_t first = start((uid_t)atoi(argv[1]), argv + 3), pid;
    waitpid(first, &status, WUNTRACED);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    if (ptrace(PTRACE_SEIZE, first, 0, options) != 0)
        return 65;
    find(first);
    kill(first, SIGCONT);
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        expect_child(pid, status);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            forget(pid);
            if (pid == first && !freezing) {
                printf("end %d\n", status);
                return 0;
            }
        } else if (freezing) {
            let_go(find(pid));
        } else {
            int number = WSTOPSIG(status), event = status >> 16;
            int is_call = number == (SIGTRAP | 0x80);
            find(pid);
            if (is_call && --left == 0) {
                freezing = 1;
                interrupt_others(pid);
                let_go(find(pid));
            } else if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
                ptrace(PTRACE_LISTEN, pid, 0, 0);
            } else {
                int passed = is_call || event != 0 || number == SIGTRAP ? 0 : number;
                ptrace(PTRACE_SYSCALL, pid, 0, passed);
            }
        }
        if (freezing && all_held())
            return finish(first);
    }
    return 66;
}
