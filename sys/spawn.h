// SPDX-License-Identifier: MIT
//
// Programs of the host: newuidmap, newgidmap, id, and an OCI config's hooks. By absolute path, with no descriptor
// but 0-2, and the caller's signal state, umask and limits.
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spawn {
    const char *path;
    char *const *argv, *const *environment; // environment NULL: an empty one
    int input, output; // for its standard input and output; -1: ours
    bool hook;         // starts in "/", and is killed when this process dies
};

// Starts it. Its pid once it is executed; else -errno, recorded.
pid_t spawn_start(const struct spawn *s);

// Runs argv[0] with an empty environment and waits for it; only exit status 0 is success. With `output` up to size-1 bytes of what it prints, NUL-terminated.
int spawn_program(char *const argv[], char *output, size_t size);

// Waits for `pid` through signals; the raw status, or -errno, recorded.
int spawn_wait(pid_t pid, int *status);

#endif
