// SPDX-License-Identifier: MIT
//
// The records of --status-fd: one JSON object a line, each one write of at most 4096 bytes.
// EPIPE is ignored (SIGPIPE is ignored from start to exec): nobody has to read them.
#ifndef SYS_STATUS_H
#define SYS_STATUS_H

#include <stdbool.h>

struct status_failure {
    const char *stage, *op, *path; // path may be NULL
    int number;
    const char *code, *message, *hint; // hint may be NULL
};

// `fd` is the helper's own, close-on-exec; -1 for none. Returns the descriptor set before.
int status_set(int fd);
int status_fd(void);

void status_mounts_ready(void);
// `pivot` is NULL where there was none, `fallback` is NULL when the best way was taken.
void status_entered(const char *method, const char *pivot, bool userns, const char *fallback);
void status_payload(int pid);
// The raw status of waitpid(2).
void status_exit(int wait_status);
void status_error(const struct status_failure *failure);

#endif
