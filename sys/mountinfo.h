// SPDX-License-Identifier: MIT
//
// /proc/self/mountinfo, line by line, from a page of memory of our own (proc_pid_mountinfo(5)).
#ifndef SYS_MOUNTINFO_H
#define SYS_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mountinfo {
    uint64_t id, parent;
    unsigned major, minor;
    const char *root;    // what of the file system is mounted; octal escapes undone
    const char *point;   // where, below the root of the process; octal escapes undone
    const char *options; // of the mount: "rw,nosuid,…"
    const char *type;
    const char *features; // the file system's own options: "rw,cpu,cpuacct"
    bool unbindable, shared; // of its optional fields
};

// Calls `visit` for each mount until it returns non-zero, and returns that; 0 after the last; -errno,
// recorded, if the file can't be read or a line is not as proc_pid_mountinfo(5) has it.
// Strings are valid during the call only. `fd` is an open mountinfo and is read to its end.
int mountinfo_each(int fd, int (*visit)(const struct mountinfo *m, void *context), void *context);

// The same for mounts of the file system type OF alone; other lines are not looked at.
int mountinfo_each_of(int fd, const char *of, int (*visit)(const struct mountinfo *m, void *context), void *context);

// Opens the caller's own mountinfo through the descriptor of /proc.
int mountinfo_open(void);

// "a,b,c" holds the word.
bool mountinfo_has_option(const char *options, const char *word);

#endif
