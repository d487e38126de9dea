// SPDX-License-Identifier: MIT
//
// Names and numbers of system calls: the headers know the own table of calls only, and only as far as they
// are new enough. The rows are in calls_table.h.
#ifndef SECCOMP_CALLS_H
#define SECCOMP_CALLS_H

#include <stddef.h>
#include <stdint.h>

enum calls_arch { CALLS_X86_64, CALLS_I386, CALLS_AARCH64, CALLS_ARM, CALLS_ARCHES };

// The two tables that a kernel of this build has.
#if defined(__x86_64__)
#define CALLS_OWN                         CALLS_X86_64
#define CALLS_COMPAT                      CALLS_I386
#define CALLS_NUMBER(x86, i386, aa, am)   (x86)
#define CALLS_NUMBER32(x86, i386, aa, am) (i386)
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define CALLS_OWN                         CALLS_AARCH64
#define CALLS_COMPAT                      CALLS_ARM
#define CALLS_NUMBER(x86, i386, aa, am)   (aa)
#define CALLS_NUMBER32(x86, i386, aa, am) (am)
#else
// cppcheck-suppress preprocessorErrorDirective
#error "the system calls of this architecture are not known here"
#endif

// Arm's own calls, cacheflush and set_tls among them, are numbered from here: more than 16 bits.
#define CALLS_ARM_PRIVATE 0xf0000

// NR_read, NR32_read and so on: the numbers in those two tables, -1 where a table has no such call.
#define CALL(name, ...) NR_##name = CALLS_NUMBER(__VA_ARGS__), NR32_##name = CALLS_NUMBER32(__VA_ARGS__),
enum {
#include "seccomp/calls_table.h"
};
#undef CALL

// The number of the call with the N bytes at NAME as its name, or -1.
int calls_find(enum calls_arch arch, const char *name, size_t n);

// The name of a call, or NULL. Where one call has two names (sync_file_range2 on arm) it is the first.
const char *calls_name(enum calls_arch arch, int number);

// The highest number, arm's own calls excepted.
uint32_t calls_newest(enum calls_arch arch);

// AUDIT_ARCH_ of struct seccomp_data.
uint32_t calls_audit(enum calls_arch arch);

#endif
