// SPDX-License-Identifier: MIT
//
// Text and JSON into a buffer of one page, without stdio.
//
// A stream (`record` false) writes its buffer whenever it is full. A record is one write of at most
// OUT_MAX bytes: what does not fit is dropped, and `cut` says so.
#ifndef SYS_OUT_H
#define SYS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUT_MAX = 4096 };

struct out {
    int fd;
    bool record;
    bool cut;
    bool more; // JSON: a member precedes, so the next one starts with a comma
    int error; // errno of the first failed write
    size_t length;
    size_t reserve; // record: what a string leaves free for the members that follow it
    char data[OUT_MAX];
};

void out_init(struct out *o, int fd, bool record);
void out_bytes(struct out *o, const char *bytes, size_t n);
void out_text(struct out *o, const char *text);
void out_number(struct out *o, uint64_t n);
void out_octal(struct out *o, unsigned n);

// `text` with `"`, `\` and all outside printable ASCII as \xHH: it can't forge a field or drive a terminal.
void out_escaped(struct out *o, const char *text);

// JSON. `key` NULL inside arrays; keys are our own words and are not escaped. A string that is not
// UTF-8 becomes `KEY_hex` with its bytes in hexadecimal.
void out_open(struct out *o, const char *key, char bracket);
void out_close(struct out *o, char bracket);
void out_string(struct out *o, const char *key, const char *value);
void out_integer(struct out *o, const char *key, uint64_t value);
void out_signed(struct out *o, const char *key, int64_t value);
void out_bool(struct out *o, const char *key, bool value);
void out_null(struct out *o, const char *key);

// Writes what is there. 0 or -errno of the first write that failed.
int out_flush(struct out *o);

#endif
