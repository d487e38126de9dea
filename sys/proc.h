// SPDX-License-Identifier: MIT
//
// /proc through one descriptor, opened at start and checked to be the root of a procfs: a path below
// /proc can be over-mounted by whoever made the caller's root (CVE-2025-52881). None is used after the
// root is entered, but for the descriptor opened before.
#ifndef SYS_PROC_H
#define SYS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Opens /proc. A machine without one is no error here: what needs it fails then, by name.
void proc_open(void);
int proc_fd(void);
// Records why there is no descriptor, and returns it as -errno.
int proc_missing(void);
void proc_close(void);

// Opens PROC/path close-on-exec; -errno, recorded.
int proc_open_file(const char *path, int flags);

// One write of `text` to PROC/path. -errno, recorded.
int proc_write(const char *path, const char *text);

// Up to size-1 bytes of PROC/path, NUL-terminated: the length or -errno, recorded.
ssize_t proc_read(const char *path, char *data, size_t size);

// The path of an open descriptor as the kernel sees it now, for finding it again and for comparing.
int proc_fd_path(int fd, char *path, size_t size);

// Opens a procfs of its own where the machine has none at /proc; needs CAP_SYS_ADMIN. -errno, recorded.
int proc_need(void);

// -EXDEV, recorded, if its numbers are those of another pid namespace than ours: they would name strangers.
int proc_check_numbers(void);

// Whether `fd` lies on a procfs, by its magic number: 1 or 0; -errno, not recorded.
int proc_is_procfs(int fd);

#endif
