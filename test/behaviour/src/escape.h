/* SPDX-License-Identifier: MIT */
/*
 * What the escape payloads have in common: one line for each attempt, "REACHED what" or
 * "refused what errno"; the last line is "end", so that a payload that was cut short is seen.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline void tell(const char *what, int reached)
{
    int error = errno;
    if (reached)
        printf("REACHED %s\n", what);
    else
        printf("refused %s %s\n", what, strerror(error));
    fflush(stdout);
}

/* For a call that must fail. */
static inline void attempt(const char *what, long result)
{
    tell(what, result >= 0);
}

static inline int finish(void)
{
    puts("end");
    return fflush(stdout) == 0 ? 0 : 1;
}

#endif
