// SPDX-License-Identifier: MIT
/*
 * One run of a command on the clock: from before the spawn to the return of waitpid, as in
 * spawn.c, and the processor time of it and of all its descendants, those included that it left
 * without waiting for them.
 *
 *     once COMMAND [ARG]…      prints nanoseconds of wall time, microseconds user, microseconds
 * system
 */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what, int error)
{
    fprintf(stderr, "once: %s: %s\n", what, strerror(error));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static long long microseconds(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: once COMMAND [ARG]...\n", stderr);
        return 1;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        die("prctl", errno);

    int status;
    pid_t pid;
    int64_t start = now();
    int error = posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ);
    if (error)
        die(argv[1], error);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid", errno);
    int64_t took = now() - start;

    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    if (status != 0) {
        fprintf(stderr, "once: %s: wait status 0x%x\n", argv[1], status);
        return 1;
    }
    printf("%lld %lld %lld\n", (long long)took, microseconds(used.ru_utime),
           microseconds(used.ru_stime));
    return 0;
}
