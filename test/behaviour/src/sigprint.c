/* SPDX-License-Identifier: MIT */
/* A payload that prints "ready", then the number of each signal it gets; TERM ends it with 42. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    sigset_t all;
    int got;
    /* Bare: musl's own calls leave out 32 to 34. */
    memset(&all, 0xff, sizeof(all));
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, _NSIG / 8);
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
