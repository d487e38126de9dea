/* SPDX-License-Identifier: MIT */
/*
 * session-key NAME: whether the caller's session keyring has a key of that name.
 * session-key NAME PROGRAM ARG...: makes a session keyring with such a key, then runs the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 64;
    if (argc == 2) {
        long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[1], 0);
        puts(key > 0 ? "found" : errno == ENOKEY ? "none" : strerror(errno));
        return 0;
    }
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
        syscall(SYS_add_key, "user", argv[1], "secret", 6, KEY_SPEC_SESSION_KEYRING) < 0)
        return 65;
    execv(argv[2], argv + 2);
    return 66;
}
