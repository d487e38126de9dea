// SPDX-License-Identifier: MIT
//
// Numbers as INTERFACE has them: digits only. No sign, space, prefix, suffix, leading zero or overflow.
#ifndef SYS_NUM_H
#define SYS_NUM_H

#include <stdbool.h>
#include <stdint.h>

// The whole of `text` as a decimal number of at most `max`.
bool num_decimal(const char *text, uint64_t max, uint64_t *value);

// As num_decimal, but only up to `*end`, which is left at the first character that is no digit.
bool num_prefix(const char *text, uint64_t max, uint64_t *value, const char **end);

// As num_prefix, with a suffix K, M, G or T (powers of 1024).
bool num_size_prefix(const char *text, uint64_t *value, const char **end);

// The whole of `text` as an octal number of at most `max`; one leading zero is allowed.
bool num_octal(const char *text, unsigned max, unsigned *value);

// A user or group id: decimal, and not (uid_t)-1, which the kernel takes for "unchanged".
bool num_id(const char *text, uint32_t *id);

// A descriptor's number: 0 to INT_MAX.
bool num_fd(const char *text, int *fd);

#endif
