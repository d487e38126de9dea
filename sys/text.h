// SPDX-License-Identifier: MIT
//
// Short strings in buffers of a fixed size, without stdio.
#ifndef SYS_TEXT_H
#define SYS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size;   // of data
    size_t length; // wanted so far; more than fits means that it was cut
};

void text_add(struct text *t, const char *s);
void text_number(struct text *t, uint64_t n);
void text_signed(struct text *t, int64_t n);
// Ends it with a NUL byte; false if it did not fit.
bool text_end(struct text *t);

// A 32-bit number; `s` has room for 11 bytes.
void text_from_number(char *s, uint32_t n);

#endif
