// SPDX-License-Identifier: MIT
#include "seccomp/calls.h"

#include <linux/audit.h>
#include <string.h>

// The names in one string after the other, and rows with places in it: pointers would be twice as large,
// and each would be relocated at every start.
static const struct names {
#define CALL(name, ...) char at_##name[sizeof(#name)];
#include "seccomp/calls_table.h"
#undef CALL
} names = {
#define CALL(name, ...) #name,
#include "seccomp/calls_table.h"
#undef CALL
};

enum { NONE = UINT16_MAX, PRIVATE = 0x8000 };

// 16 bits a number.
#define PACK(number) (uint16_t)((number) < CALLS_ARM_PRIVATE ? (number) : PRIVATE | ((number)&0xff))

static const struct row {
    uint16_t name;
    uint16_t number[CALLS_ARCHES];
} rows[] = {
#define CALL(name, x86_64, i386, aarch64, arm)                                                             \
    {offsetof(struct names, at_##name), {PACK(x86_64), PACK(i386), PACK(aarch64), PACK(arm)}},
#include "seccomp/calls_table.h"
#undef CALL
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

static const char *name_of(const struct row *row)
{
    return (const char *)&names + row->name;
}

static int number_of(const struct row *row, enum calls_arch arch)
{
    uint16_t number = row->number[arch];
    if (number == NONE)
        return -1;
    return number < PRIVATE ? number : CALLS_ARM_PRIVATE + (number - PRIVATE);
}

// As strcmp(3), with a name that has no end of its own.
static int compare(const char *name, size_t n, const char *with)
{
    int order = strncmp(name, with, n);
    return order != 0 ? order : -(with[n] != '\0');
}

int calls_find(enum calls_arch arch, const char *name, size_t n)
{
    size_t from = 0, to = ROWS;
    if (n == 0 || memchr(name, '\0', n) != NULL)
        return -1;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare(name, n, name_of(&rows[middle]));
        if (order == 0)
            return number_of(&rows[middle], arch);
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return -1;
}

const char *calls_name(enum calls_arch arch, int number)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (number >= 0 && number_of(&rows[i], arch) == number)
            return name_of(&rows[i]);
    }
    return NULL;
}

uint32_t calls_newest(enum calls_arch arch)
{
    int newest = 0;
    for (size_t i = 0; i < ROWS; i++) {
        int number = number_of(&rows[i], arch);
        if (number > newest && number < CALLS_ARM_PRIVATE)
            newest = number;
    }
    return (uint32_t)newest;
}

uint32_t calls_audit(enum calls_arch arch)
{
    static const uint32_t audit[CALLS_ARCHES] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
                                                 AUDIT_ARCH_ARM};
    return audit[arch];
}
