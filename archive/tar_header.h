// SPDX-License-Identifier: MIT
//
// One block of a tar archive that is a header: its fields and their numbers. tar(5), POSIX.1 pax, GNU tar's tar.h.
#ifndef ARCHIVE_TAR_HEADER_H
#define ARCHIVE_TAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type;
    char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
    union {
        char prefix[155];
        struct {
            char atime[12], ctime[12], offset[12], longnames[4], unused;
            struct {
                char offset[12], bytes[12];
            } map[4];
            char is_extended;
            char real_size[12];
        } gnu;
        struct {
            char prefix[131], atime[12], ctime[12];
        } star;
    };
    char rest[8], star_trailer[4];
};
_Static_assert(sizeof(struct tar_header) == 512, "a header is one block");

// A continuation of an old GNU sparse map.
struct tar_extension {
    struct {
        char offset[12], bytes[12];
    } map[21];
    char is_extended;
    char rest[7];
};
_Static_assert(sizeof(struct tar_extension) == 512, "a continuation is one block");

enum tar_format { TAR_V7, TAR_USTAR, TAR_STAR, TAR_GNU, TAR_UNKNOWN };

enum tar_format tar_header_format(const struct tar_header *h);

// Whether the block is nothing but zeros; whether its checksum, signed or unsigned, is right.
bool tar_header_is_zero(const void *block);
bool tar_header_is_valid(const struct tar_header *h);

// The number in a field of `n` bytes: octal, with blanks before it, ended by NUL, a blank or the field's end; or in
// base 256. An empty field is 0. False for what tar implementations read in different ways.
bool tar_header_number(const char *field, size_t n, int64_t *value);
#define TAR_NUMBER(field, value) tar_header_number(field, sizeof(field), value)

// Whether a field has no number at all.
bool tar_header_is_empty(const char *field, size_t n);

#endif
