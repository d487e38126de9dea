// SPDX-License-Identifier: MIT
//
// Errors that are the archive's: recorded as every other (sys/err.h), and remembered as such, because the exit
// status depends on it.
#ifndef ARCHIVE_FAULT_H
#define ARCHIVE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

// Records that `op` of the entry (or the archive) `name` failed with the errno `number`, with `reason` and the
// place: "REASON, at byte OFFSET". Returns -number.
int fault_at(const char *op, const char *name, uint64_t offset, int number, const char *reason);

// The same without a place.
int fault(const char *op, const char *name, int number, const char *reason);

// Whether the error that was recorded last by one of these is the archive's fault.
bool fault_is_archives(void);

#endif
