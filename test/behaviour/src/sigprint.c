/* SPDX-License-Identifier: MIT */
/* A payload that prints "ready", then the number of each signal it gets; TERM ends it with 42. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

int main(void)
{
    sigset_t all;
    int got;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    puts("ready");
    fflush(stdout);
    while ((got = sigwaitinfo(&all, NULL)) > 0) {
        printf("%d\n", got);
        fflush(stdout);
        if (got == SIGTERM)
            return 42;
    }
    return 1;
}
