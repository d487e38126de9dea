// SPDX-License-Identifier: MIT
//
// What archives are made of: numbers in octal, checksums, pax records.
#ifndef TEST_FUZZ_TAR_PARTS_H
#define TEST_FUZZ_TAR_PARTS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "archive/tar_header.h"

static inline void put_octal(char *field, size_t n, uint64_t value)
{
    field[--n] = '\0';
    for (; n-- > 0; value >>= 3)
        field[n] = (char)('0' + (value & 7));
}

static inline void seal(struct tar_header *h)
{
    unsigned sum = 0;
    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t at = 0; at < sizeof(*h); at++)
        sum += ((const unsigned char *)h)[at];
    put_octal(h->checksum, 7, sum);
}

// The text as a record with its length: how many bytes.
static inline size_t put_record(char *to, const char *text, size_t n)
{
    size_t length = n + 2;
    while (length != n + 2 + (size_t)snprintf(NULL, 0, "%zu", length))
        length = n + 2 + (size_t)snprintf(NULL, 0, "%zu", length);
    size_t start = (size_t)sprintf(to, "%zu ", length);
    memcpy(to + start, text, n);
    to[start + n] = '\n';
    return length;
}

#endif
