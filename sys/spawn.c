// SPDX-License-Identifier: MIT
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
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

static _Noreturn void become(char *const argv[], int output)
{
    static const int keep[] = {0, 1, 2};
    char *const environment[] = {NULL};
    if (output >= 0 && dup2(output, STDOUT_FILENO) < 0)
        _exit(EXIT_NOT_RUN);
    if (fd_close_all_but(keep, 3, proc_fd()) < 0 || start_restore() < 0)
        _exit(EXIT_NOT_RUN);
    execve(argv[0], argv, environment);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN);
}

int spawn_program(char *const argv[], char *output, size_t size)
{
    int ends[2] = {-1, -1};
    if (output != NULL && pipe2(ends, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_at("fork", argv[0]);
    if (pid == 0)
        become(argv, to);
    fd_auto_close(&to);
    ssize_t n = output != NULL ? fd_read_all(from, output, size - 1, argv[0]) : 0;
    fd_auto_close(&from);
    int status;
    int error = spawn_wait(pid, &status);
    if (error < 0 || n < 0)
        return error < 0 ? error : (int)n;
    if (output != NULL)
        output[n] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
        return err_no("execve", argv[0], ENOENT);
    if (status != 0)
        return err_because(argv[0], NULL, EPERM, "it failed");
    return 0;
}
