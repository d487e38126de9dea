/* SPDX-License-Identifier: MIT */
/*
 * Joins the namespaces of a process as nobody should: join-careless PID PAYLOAD user|pid|mnt... Dumpable, from
 * the file that it was started from, with descriptors of the host's and all capabilities; stays so for a moment,
 * then executes PAYLOAD. What join-hostile finds here it would find in a helper that took no care.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int flags = 0;
    for (int i = 3; i < argc; i++)
        flags |= argv[i][0] == 'u' ? CLONE_NEWUSER : argv[i][0] == 'p' ? CLONE_NEWPID : CLONE_NEWNS;
    int pidfd = argc > 2 ? (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0) : -1;
    if (pidfd < 0 || open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 || setns(pidfd, flags) < 0)
        return 64;
    pid_t child = fork();
    if (child == 0) {
        if ((flags & CLONE_NEWUSER) != 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
            _exit(65);
        prctl(PR_SET_DUMPABLE, 1);
        usleep(100000);
        execl(argv[2], argv[2], NULL);
        _exit(66);
    }
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 67;
}
