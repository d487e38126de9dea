// SPDX-License-Identifier: MIT
//
// Archives put together step by step, and what the reader makes of them as one line of text. Every archive is
// read from memory of just its size, and through a pipe that gives it away in small pieces.
#ifndef TEST_UNIT_TAR_STEPS_H
#define TEST_UNIT_TAR_STEPS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/tar_header.h"
#include "archive/tar_read.h"
#include "sys/err.h"
#include "test/unit/support.h"

enum { STEPS = 8, SETS = 12, ARCHIVE_ROOM = 4 << 20 };

// A block or more of an archive. A header (`name` is there) is ustar's unless something else is set, and what
// is set is in it before the checksum; its data follow, those of x and g made of records that '|' separates.
struct step {
    char type;
    const char *name, *link;
    const char *data; // without a name: bytes as they are, up to a block's end
    size_t size;      // of the data where they are no string, or where they come in a later step
    bool as_is;       // the data of x and g too
    bool is_bare;     // no padding
    unsigned zeros;   // blocks
    unsigned missing; // of zeros: bytes that the last one lacks
    struct {
        size_t at;
        const char *bytes;
        size_t n;
    } set[SETS];
};

#define SET(field, text)                                                                                     \
    {                                                                                                        \
        offsetof(struct tar_header, field), text, sizeof(text) - 1                                           \
    }
#define BYTES(text) .data = (text), .size = sizeof(text) - 1
#define FILE_OF(path, ...)                                                                                   \
    {                                                                                                        \
        .type = '0', .name = (path), .data = (__VA_ARGS__)                                                   \
    }
#define PAX(records)                                                                                         \
    {                                                                                                        \
        .type = 'x', .name = "PaxHeaders/x", .data = (records)                                               \
    }
#define GLOBAL(records)                                                                                      \
    {                                                                                                        \
        .type = 'g', .name = "GlobalHead", .data = (records)                                                 \
    }
#define END                                                                                                  \
    {                                                                                                        \
        .zeros = 2                                                                                           \
    }
#define GNU SET(magic, "ustar  \0")
#define V7  SET(magic, "\0\0\0\0\0\0\0\0")

static unsigned char archive[ARCHIVE_ROOM];
static size_t archive_size;

static inline void *put_bytes(const void *bytes, size_t n)
{
    void *at = archive + archive_size;
    assert_true(archive_size + n <= ARCHIVE_ROOM);
    if (bytes != NULL)
        memcpy(at, bytes, n);
    else
        memset(at, 0, n);
    archive_size += n;
    return at;
}

static inline void put_padding(void)
{
    put_bytes(NULL, -archive_size % TAR_BLOCK_SIZE);
}

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
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const unsigned char *)h)[i];
    put_octal(h->checksum, 7, sum);
}

// "path=x" as "11 path=x\n"; the length counts its own digits.
static inline void put_record(const char *text, size_t n)
{
    char digits[24];
    size_t length = n + 2, all = 0;
    while (all != length + (size_t)snprintf(digits, sizeof(digits), "%zu ", all) - 1)
        all = length + strlen(digits) - 1;
    put_bytes(digits, strlen(digits));
    put_bytes(text, n);
    put_bytes("\n", 1);
}

static inline void put_records(const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "|");
        put_record(text, n);
        text += n + (text[n] == '|');
    }
}

static inline void put_step(const struct step *s)
{
    size_t size = s->size == 0 && s->data != NULL ? strlen(s->data) : s->size;
    if (s->zeros > 0) {
        put_bytes(NULL, s->zeros * TAR_BLOCK_SIZE - s->missing);
        return;
    }
    if (s->name == NULL && s->data == NULL)
        return;
    struct tar_header *h = s->name != NULL ? put_bytes(NULL, sizeof(*h)) : NULL;
    size_t start = archive_size;
    bool records = (s->type == 'x' || s->type == 'g') && !s->as_is && s->data != NULL;
    if (records)
        put_records(s->data);
    else if (s->data != NULL)
        put_bytes(s->data, size);
    if (records)
        size = archive_size - start;
    if (!s->is_bare)
        put_padding();
    if (h == NULL)
        return;
    memcpy(h->name, s->name, strnlen(s->name, sizeof(h->name)));
    put_octal(h->mode, sizeof(h->mode), 0644);
    put_octal(h->uid, sizeof(h->uid), 0);
    put_octal(h->gid, sizeof(h->gid), 0);
    put_octal(h->size, sizeof(h->size), size);
    put_octal(h->mtime, sizeof(h->mtime), 0);
    h->type = s->type;
    if (s->link != NULL)
        memcpy(h->link, s->link, strnlen(s->link, sizeof(h->link)));
    memcpy(h->magic,
           "ustar\0"
           "00",
           8);
    for (size_t i = 0; i < SETS && s->set[i].bytes != NULL; i++)
        memcpy((char *)h + s->set[i].at, s->set[i].bytes, s->set[i].n);
    seal(h);
}

static inline void put_steps(const struct step steps[STEPS])
{
    archive_size = 0;
    for (size_t i = 0; i < STEPS; i++)
        put_step(&steps[i]);
}

// -- reading -----------------------------------------------------------------------------------

static struct tar_reader reader;
static struct input input;
static char told[64 << 10];
static size_t told_size;

static inline void tell(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(told + told_size, sizeof(told) - told_size, format, list);
    va_end(list);
    assert_true(n >= 0 && (size_t)n < sizeof(told) - told_size);
    told_size += (size_t)n;
}

static inline void tell_data(const struct tar_entry *e, int *error)
{
    struct tar_span span;
    uint64_t end = 0, stored = 0;
    while ((*error = tar_data(&reader, &span)) > 0) {
        // In order, not over one another, within the file.
        assert_true(span.offset >= end && span.length > 0);
        assert_true(span.offset <= e->size && span.length <= e->size - span.offset);
        if (e->sparse && (stored == 0 || span.offset != end))
            tell(stored == 0 ? "[%ju" : " %ju", (uintmax_t)span.offset);
        end = span.offset + span.length;
        stored += span.length;
    }
    if (*error < 0)
        return;
    assert_int_equal(reader.left, 0);
    if (!e->sparse)
        assert_int_equal(stored, e->size);
    tell(e->sparse ? (stored > 0 ? "]%ju/%ju" : "[]%ju/%ju") : "%ju", (uintmax_t)stored, (uintmax_t)e->size);
}

// "-name=5 ddir lname>target": each entry by its type and name, then "." for the end of the archive or "~"
// for none, or
// "!" and the error. Of a sparse file where data start, its stored bytes and its size.
static inline const char *tell_all(void)
{
    const struct tar_entry *e;
    int error;
    told_size = 0;
    told[0] = '\0';
    while ((error = tar_next(&reader, &e)) > 0) {
        assert_true(strlen(e->name) < PATH_MAX && strlen(e->link) < PATH_MAX && (e->mode & ~07777U) == 0);
        assert_true(e->uid != UINT32_MAX && e->gid != UINT32_MAX);
        tell("%c%s", "-hlcbdp"[e->type], e -> name);
        if (e->type == TAR_HARDLINK || e->type == TAR_SYMLINK)
            tell(">%s", e->link);
        if (e->type == TAR_FILE)
            tell("=");
        if (e->type == TAR_FILE)
            tell_data(e, &error);
        tell(" ");
        if (error < 0)
            break;
    }
    if (error == 0)
        assert_null(e);
    if (error == 0)
        error = tar_finish(&reader);
    if (error < 0)
        tell("!%s", err_brief());
    else
        tell(reader.has_end ? "." : "~");
    return told;
}

static inline void begin_reading(void)
{
    err_forget();
    memset(&reader, 0, offsetof(struct tar_reader, name));
    reader.in = &input;
    input = (struct input){.name = "test", .fd = -1, .max_ratio = 1000};
}

static inline const char *read_memory(void)
{
    begin_reading();
    unsigned char *copy = malloc(archive_size + (archive_size == 0));
    assert_non_null(copy);
    memcpy(copy, archive, archive_size);
    input.data = copy;
    input.end = archive_size;
    input.ended = true;
    tell_all();
    free(copy);
    return told;
}

// Through a pipe that keeps each write of `piece` bytes apart.
static inline const char *read_pipe(size_t piece)
{
    int both[2];
    begin_reading();
    assert_int_equal(pipe2(both, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
    assert_true(fcntl(both[1], F_SETPIPE_SZ, 1 << 20) > 0);
    for (size_t at = 0; at < archive_size; at += piece) {
        size_t n = archive_size - at < piece ? archive_size - at : piece;
        assert_int_equal(write(both[1], archive + at, n), n);
    }
    close(both[1]);
    if (input_open(&input, both[0], "test") == 0)
        tell_all();
    else
        snprintf(told, sizeof(told), "!%s", err_brief());
    close(both[0]);
    return told;
}

struct row {
    const char *what;
    struct step steps[STEPS];
    const char *wanted;
};

// How many rows are read otherwise, in one way or another; each is named.
static inline int try_row(const struct row *row)
{
    static const size_t pieces[] = {4096, 512, 509, 100};
    put_steps(row->steps);
    const char *got = read_memory();
    for (size_t i = 0; strcmp(got, row->wanted) == 0 && i < COUNT(pieces); i++) {
        if (archive_size / pieces[i] < 250)
            got = read_pipe(pieces[i]);
    }
    if (strcmp(got, row->wanted) == 0)
        return 0;
    print_error("%s: \"%s\", and not \"%s\"\n", row->what, got, row->wanted);
    return 1;
}

static inline int try_rows(const struct row *rows, size_t count)
{
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += try_row(&rows[i]);
    return bad;
}

#endif
