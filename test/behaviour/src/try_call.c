/* SPDX-License-Identifier: MIT */
/*
 * try-call NAME...: makes each call, with a pointer or a descriptor that can't be, and prints "NAME ERRNO" lines.
 * The method is that of bubblewrap's tests: EFAULT and EBADF are the kernel's word, anything else is a filter's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static long try(const char *name)
{
    char *bad = (char *)1;
    if (strcmp(name, "chroot") == 0)
        return syscall(SYS_chroot, bad);
    if (strcmp(name, "fchmodat") == 0)
        return syscall(SYS_fchmodat, AT_FDCWD, bad, 0);
    if (strcmp(name, "clone3") == 0)
        return syscall(SYS_clone3, bad, 64);
    if (strcmp(name, "listen") == 0)
        return syscall(SYS_listen, -1, 0);
    if (strcmp(name, "prctl") == 0)
        return syscall(SYS_prctl, PR_GET_CHILD_SUBREAPER, bad, 0, 0, 0);
    if (strcmp(name, "tiocnotty") == 0)
        return syscall(SYS_ioctl, -1, TIOCNOTTY);
    if (strcmp(name, "tiocsti") == 0)
        return syscall(SYS_ioctl, -1, TIOCSTI, bad);
    if (strcmp(name, "tiocsti-high") == 0) /* CVE-2019-10063 */
        return syscall(SYS_ioctl, -1, 0x123UL << 32 | TIOCSTI, bad);
    if (strcmp(name, "newer") == 0)
        return syscall(1000, 0);
    errno = 0;
    return -1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        errno = 0;
        try(argv[i]);
        printf("%s %d\n", argv[i], errno);
    }
    return 0;
}
