// SPDX-License-Identifier: MIT
//
// The records of --status-fd: one JSON object a line, each one write of at most 4096 bytes.
// EPIPE is ignored (SIGPIPE is ignored from start to exec): nobody has to read them.
#ifndef SYS_STATUS_H
#define SYS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

struct out;

struct status_failure {
    const char *stage, *op, *path; // path may be NULL
    int number;
    const char *code, *message, *hint; // hint may be NULL
};

// What unpack came to.
struct status_summary {
    uint64_t entries, files, directories, symlinks, hardlinks, devices, fifos, skipped, bytes;
    bool complete, end_marker;
    const char *last; // the entry that it stopped at; NULL if none
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
// Dropped where it would have to be waited for. `total` is 0 if it is not known.
void status_progress(uint64_t entries, uint64_t bytes, uint64_t total);
void status_end(const struct status_summary *summary);
// Its members into an open JSON object.
void status_put_summary(struct out *o, const struct status_summary *summary);
void status_error(const struct status_failure *failure);

#endif
