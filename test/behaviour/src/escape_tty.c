/* SPDX-License-Identifier: MIT */
/*
 * Types into the terminal that is standard input: what it types is run by the shell outside.
 * The kernel looks at the lower 32 bits of a request only; so must a filter (CVE-2019-10063).
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

#include "escape.h"

static void type(const char *what, unsigned long request)
{
    char key = 'x', paste[2] = {3, 0}; /* TIOCLINUX 3: paste the selection (CVE-2023-28100) */
    void *argument = (request & 0xffffffff) == TIOCLINUX ? (void *)paste : (void *)&key;
    attempt(what, syscall(SYS_ioctl, 0L, request, argument));
}

int main(void)
{
    struct termios now;
    if (!isatty(0) || tcgetattr(0, &now) < 0)
        return 64;
    type("tiocsti", TIOCSTI);
    type("tiocsti-high-1", TIOCSTI | 1UL << 32);
    type("tiocsti-high-all", TIOCSTI | 0xffffffffUL << 32);
    type("tiocsti-high-sign", TIOCSTI | 1UL << 63);
    type("tioclinux", TIOCLINUX);
    type("tioclinux-high", TIOCLINUX | 0x123UL << 32);
    return finish();
}
