// SPDX-License-Identifier: MIT
//
// Descriptors: owned by one variable, closed on exec, closed at the end of the block.
#ifndef SYS_FD_H
#define SYS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void fd_auto_close(int *fd);
#define AUTO_CLOSE __attribute__((cleanup(fd_auto_close)))

// Hands the descriptor over: the variable holds -1 afterwards.
int fd_take(int *fd);

// Opens each of 0, 1 and 2 that is closed on /dev/null. Where there is no /dev/null (an empty root) a
// pipe without its other end stands in: the number must not be given to a file that we open later.
int fd_open_standard(void);

// 0 if `fd` is open, else -errno (EBADF), not recorded.
int fd_check(int fd);

// A directory, or an O_PATH descriptor of one: a way out of any root. False also for a closed one.
bool fd_is_directory(int fd);

// A copy at 3 or above, close-on-exec. -errno, recorded.
int fd_copy(int fd);

// Puts /dev/null at `fd`.
int fd_blank(int fd);

// All of `n` bytes, or fewer at end of file; -errno, recorded as `op`.
ssize_t fd_read_all(int fd, void *data, size_t n, const char *op);

// A file in memory that holds the SIZE bytes of DATA, at its start; close on exec. -errno, recorded as of `op`.
int fd_of_bytes(const void *data, size_t size, const char *op);

// Closes all but the `count` descriptors in `keep`, which is sorted. `proc` is a descriptor of a procfs
// or -1: the way where close_range(2) is missing. Fails rather than leave one open.
int fd_close_all_but(const int *keep, size_t count, int proc);

#endif
