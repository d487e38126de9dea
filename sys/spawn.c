// SPDX-License-Identifier: MIT
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/start.h"

int spawn_wait(pid_t pid, int *status)
{
    pid_t got;
    do
        got = waitpid(pid, status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid ? 0 : err_at("waitpid", NULL);
}

// Of a parent in another pid namespace the number is 0.
static int die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return -1;
    pid_t now = getppid();
    return now == parent || now == 0 ? 0 : -1;
}

static int prepare(const struct spawn *s, int failure, pid_t parent)
{
    int keep[] = {0, 1, 2, failure};
    if (s->input >= 0 && dup2(s->input, STDIN_FILENO) < 0)
        return -1;
    if (s->output >= 0 && dup2(s->output, STDOUT_FILENO) < 0)
        return -1;
    if (s->hook && (die_with(parent) < 0 || setpgid(0, 0) != 0 || chdir("/") != 0))
        return -1;
    return fd_close_all_but(keep, 4, proc_fd()) < 0 || start_restore() < 0 ? -1 : 0;
}

// `failure` is a pipe that the execve closes.
static _Noreturn void become(const struct spawn *s, int failure, pid_t parent)
{
    static char *const none[] = {NULL};
    if (prepare(s, failure, parent) == 0)
        execve(s->path, s->argv, s->environment != NULL ? s->environment : none);
    int number = errno;
    ssize_t n = write(failure, &number, sizeof(number));
    _exit(n == (ssize_t)sizeof(number) ? EXIT_NOT_RUN : EXIT_HELPER);
}

pid_t spawn_start(const struct spawn *s)
{
    int ends[2], number, status;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_at("fork", s->path);
    if (pid == 0)
        become(s, to, parent);
    fd_auto_close(&to);
    ssize_t n = fd_read_all(from, &number, sizeof(number), s->path);
    if (n == 0)
        return pid;
    int error = spawn_wait(pid, &status);
    if (n < 0 || error < 0)
        return n < 0 ? (pid_t)n : error;
    return err_no("execve", s->path, n == (ssize_t)sizeof(number) ? number : EIO);
}

int spawn_program(char *const argv[], char *output, size_t size)
{
    int ends[2] = {-1, -1};
    if (output != NULL && pipe2(ends, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t pid = spawn_start(&(struct spawn){.path = argv[0], .argv = argv, .input = -1, .output = to});
    if (pid < 0)
        return pid;
    fd_auto_close(&to);
    ssize_t n = output != NULL ? fd_read_all(from, output, size - 1, argv[0]) : 0;
    fd_auto_close(&from);
    int status;
    int error = spawn_wait(pid, &status);
    if (error < 0 || n < 0)
        return error < 0 ? error : (int)n;
    if (output != NULL)
        output[n] = '\0';
    return status == 0 ? 0 : err_because(argv[0], NULL, EPERM, "it failed");
}
