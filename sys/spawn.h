// SPDX-License-Identifier: MIT
//
// Helper programs of the host: newuidmap, newgidmap, id. By absolute path, with an empty environment,
// no descriptor but 0-2, and the caller's signal state; only exit status 0 is success.
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

// Runs argv[0] and waits for it. With `output` up to size-1 bytes of what it prints, NUL-terminated.
int spawn_program(char *const argv[], char *output, size_t size);

// Waits for `pid` through signals; the raw status, or -errno, recorded.
int spawn_wait(pid_t pid, int *status);

#endif
