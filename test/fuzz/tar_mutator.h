// SPDX-License-Identifier: MIT
//
// Mutations of tar archives that get past the checksum: of fields, types, names, pax records, and of whole
// entries. What is changed is sealed again, most of the time.
#ifndef TEST_FUZZ_TAR_MUTATOR_H
#define TEST_FUZZ_TAR_MUTATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar_header.h"
#include "test/fuzz/tar_parts.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum { MUTATOR_ENTRIES = 64, MUTATOR_BLOCK = 512 };

static struct {
    uint64_t random;
    size_t count;
    struct {
        size_t header, end; // of the entry with its data
    } entry[MUTATOR_ENTRIES];
} mutator;

static inline uint32_t any(uint32_t below)
{
    mutator.random = mutator.random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(mutator.random >> 33) % below;
}

#define ANY_OF(list) (list)[any(sizeof(list) / sizeof((list)[0]))]

static inline struct tar_header *header_of(uint8_t *data, size_t i)
{
    return (struct tar_header *)(data + mutator.entry[i].header);
}

// Where the headers are, as the reader will go on from one to the next.
static inline void find_entries(uint8_t *data, size_t size)
{
    mutator.count = 0;
    for (size_t at = 0; at + MUTATOR_BLOCK <= size && mutator.count < MUTATOR_ENTRIES;) {
        struct tar_header *h = (struct tar_header *)(data + at);
        size_t end = at + MUTATOR_BLOCK;
        if (!tar_header_is_zero(h)) {
            int64_t n;
            bool more = h->type == 'S' && h->gnu.is_extended != 0;
            while (more && end + MUTATOR_BLOCK <= size) {
                more = ((struct tar_extension *)(data + end))->is_extended != 0;
                end += MUTATOR_BLOCK;
            }
            if (!TAR_NUMBER(h->size, &n) || n < 0 || (uint64_t)n > size - end)
                n = 0;
            end += (size_t)n + (-(size_t)n % MUTATOR_BLOCK);
            end = end > size ? size : end;
            mutator.entry[mutator.count].header = at;
            mutator.entry[mutator.count++].end = end;
        }
        at = end;
    }
}

static inline void seal_entries(uint8_t *data, size_t size)
{
    find_entries(data, size);
    for (size_t i = 0; i < mutator.count; i++)
        seal(header_of(data, i));
}

// -- one header --------------------------------------------------------------------------------

static inline void mutate_field(struct tar_header *h)
{
    static const struct {
        size_t at, n;
        bool number;
    } fields[] = {
        {offsetof(struct tar_header, name), 100, false},
        {offsetof(struct tar_header, mode), 8, true},
        {offsetof(struct tar_header, uid), 8, true},
        {offsetof(struct tar_header, gid), 8, true},
        {offsetof(struct tar_header, size), 12, true},
        {offsetof(struct tar_header, mtime), 12, true},
        {offsetof(struct tar_header, link), 100, false},
        {offsetof(struct tar_header, magic), 8, false},
        {offsetof(struct tar_header, major), 8, true},
        {offsetof(struct tar_header, minor), 8, true},
        {offsetof(struct tar_header, prefix), 155, false},
        {offsetof(struct tar_header, gnu.atime), 12, true},
        {offsetof(struct tar_header, gnu.map[0].offset), 12, true},
        {offsetof(struct tar_header, gnu.map[0].bytes), 12, true},
        {offsetof(struct tar_header, gnu.map[1].offset), 12, true},
        {offsetof(struct tar_header, gnu.map[1].bytes), 12, true},
        {offsetof(struct tar_header, gnu.is_extended), 1, false},
        {offsetof(struct tar_header, gnu.real_size), 12, true},
        {offsetof(struct tar_header, star_trailer), 4, false},
    };
    static const uint64_t numbers[] = {0,   1,    5,     07777,          511,       512,
                                       513, 4096, 65534, UINT32_MAX - 1, UINT32_MAX};
    size_t i = any(sizeof(fields) / sizeof(fields[0])), n = fields[i].n;
    char *field = (char *)h + fields[i].at;
    if (fields[i].number && any(2) == 0) {
        put_octal(field, n, ANY_OF(numbers));
        return;
    }
    size_t left = LLVMFuzzerMutate((uint8_t *)field, n, n);
    memset(field + left, 0, n - left);
}

static inline void set_name(char field[100])
{
    static const char *const names[] = {
        "a",
        "b",
        "d",
        "d/",
        "d/a",
        "d/b",
        "l",
        "l/a",
        "l/l/a",
        ".",
        "",
        "/",
        "./",
        "/a",
        "..",
        "../a",
        "d/../a",
        "../outside",
        "/outside",
        "../../outside/file",
        "../outside/file",
        "d/..",
        "h",
        "d//./b",
        "d/d/d/d/d",
        "sub",
        "sub/a",
    };
    memset(field, 0, 100);
    strcpy(field, ANY_OF(names));
}

static inline void mutate_header(struct tar_header *h)
{
    static const char types[] = "000111222255556673xgLKSVX\0\0";
    static const char magics[][9] = {"ustar\0"
                                     "00",
                                     "ustar  \0", "\0\0\0\0\0\0\0\0"};
    switch (any(6)) {
    case 0:
        h->type = types[any(sizeof(types) - 1)];
        return;
    case 1:
        set_name(h->name);
        return;
    case 2:
        set_name(h->link);
        return;
    case 3:
        memcpy(h->magic, ANY_OF(magics), 8);
        return;
    default:
        mutate_field(h);
    }
}

// -- whole entries -----------------------------------------------------------------------------

// `out` has room for `max`; each part that does not fit is left out.
static inline size_t append(uint8_t *out, size_t at, size_t max, const void *part, size_t n)
{
    if (n > max - at)
        return at;
    memcpy(out + at, part, n);
    return at + n;
}

// Leaves out an entry, or puts it in once more in another place.
static inline size_t move_entry(uint8_t *data, size_t size, size_t max)
{
    uint8_t *out = malloc(max);
    size_t from = any((uint32_t)mutator.count), to = any((uint32_t)mutator.count), n = 0;
    bool drop = any(2) == 0;
    if (out == NULL)
        abort();
    for (size_t i = 0; i < mutator.count; i++) {
        size_t start = mutator.entry[i].header, length = mutator.entry[i].end - start;
        if (i == to)
            n = append(out, n, max, data + mutator.entry[from].header,
                       mutator.entry[from].end - mutator.entry[from].header);
        if (!drop || i != from)
            n = append(out, n, max, data + start, length);
    }
    size_t last = mutator.entry[mutator.count - 1].end;
    n = append(out, n, max, data + last, size - last);
    memcpy(data, out, n);
    free(out);
    return n;
}

// -- pax records -------------------------------------------------------------------------------

static const char *const mutator_records[] = {
    "path=d/x",
    "path=../x",
    "path=",
    "linkpath=a",
    "linkpath=/outside",
    "size=5",
    "size=0",
    "size=8589934592",
    "uid=7",
    "gid=4294967295",
    "mtime=1.5",
    "mtime=-1.5",
    "atime=3",
    "comment=x",
    " path=y",
    "GNU.sparse.major=1",
    "GNU.sparse.minor=0",
    "GNU.sparse.minor=1",
    "GNU.sparse.name=s",
    "GNU.sparse.realsize=4096",
    "GNU.sparse.size=4096",
    "GNU.sparse.numblocks=1",
    "GNU.sparse.map=0,1",
    "GNU.sparse.map=0,5",
    "GNU.sparse.offset=0",
    "GNU.sparse.numbytes=5",
    "SCHILY.xattr.user.a=b",
    "SCHILY.xattr.user.%3D=b",
    "SCHILY.xattr.trusted.overlay.opaque=y",
    "SCHILY.acl.access=user::rwx,group::r-x,other::---",
    "SCHILY.acl.default=user::rwx,group::r-x,other::---",
    "LIBARCHIVE.xattr.user.%41=QUJD",
    "SCHILY.xattr.security.capability=x",
};

// Records of `n` bytes at `from`: one is changed, left out or added; lengths are right in all that could be
// read.
static inline size_t mutate_records(const char *from, size_t n, char *to, size_t max)
{
    size_t out = 0, which = any(4), seen = 0;
    char text[256];
    for (size_t at = 0; at < n && out + 2 * sizeof(text) < max; seen++) {
        char *stop;
        size_t length = strtoul(from + at, &stop, 10), start = (size_t)(stop - from) + 1;
        if (length == 0 || length > n - at || start >= at + length || at + length - start > sizeof(text))
            break;
        size_t used = at + length - 1 - start;
        memcpy(text, from + start, used);
        at += length;
        if (seen == which && any(3) == 0)
            continue;
        if (seen == which)
            used = LLVMFuzzerMutate((uint8_t *)text, used, sizeof(text) - 1);
        out += put_record(to + out, text, used);
    }
    if (out == 0 || any(2) == 0) {
        const char *record = ANY_OF(mutator_records);
        out += put_record(to + out, record, strlen(record));
    }
    return out;
}

static inline size_t mutate_pax(uint8_t *data, size_t size, size_t max, size_t i)
{
    enum { ROOM = 4096 };
    static char records[ROOM + MUTATOR_BLOCK];
    size_t start = mutator.entry[i].header + MUTATOR_BLOCK, end = mutator.entry[i].end;
    int64_t n;
    if (end <= start || !TAR_NUMBER(header_of(data, i)->size, &n) || n <= 0 || (size_t)n > end - start)
        return size;
    char *from = malloc((size_t)n + 1);
    uint8_t *out = malloc(max);
    if (from == NULL || out == NULL)
        abort();
    memcpy(from, data + start, (size_t)n);
    from[n] = '\0';
    size_t made = mutate_records(from, (size_t)n, records, ROOM);
    free(from);
    put_octal(header_of(data, i)->size, 12, made);
    memset(records + made, 0, MUTATOR_BLOCK);
    size_t at = append(out, 0, max, data, start);
    at = append(out, at, max, records, made + (-made % MUTATOR_BLOCK));
    at = append(out, at, max, data + end, size - end);
    memcpy(data, out, at);
    free(out);
    return at;
}

// A pax header before an entry.
static inline size_t insert_pax(uint8_t *data, size_t size, size_t max, size_t i)
{
    struct tar_header h = {.name = "PaxHeader",
                           .mode = "0000644",
                           .uid = "0000000",
                           .gid = "0000000",
                           .mtime = "00000000000",
                           .type = any(8) == 0 ? 'g' : 'x',
                           .magic = "ustar",
                           .version = "00"};
    char records[MUTATOR_BLOCK] = "";
    size_t made = 0, at = mutator.entry[i].header;
    for (uint32_t count = 1 + any(4); count > 0; count--) {
        const char *record = ANY_OF(mutator_records);
        made += put_record(records + made, record, strlen(record));
    }
    if (size + 2 * MUTATOR_BLOCK > max)
        return size;
    put_octal(h.size, sizeof(h.size), made);
    memmove(data + at + 2 * MUTATOR_BLOCK, data + at, size - at);
    memcpy(data + at, &h, MUTATOR_BLOCK);
    memcpy(data + at + MUTATOR_BLOCK, records, MUTATOR_BLOCK);
    return size + 2 * MUTATOR_BLOCK;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    mutator.random = seed;
    find_entries(data, size);
    uint32_t what = any(16);
    if (mutator.count == 0 || what < 3) {
        size = LLVMFuzzerMutate(data, size, max_size);
    } else {
        size_t i = any((uint32_t)mutator.count);
        char type = header_of(data, i)->type;
        if ((type == 'x' || type == 'g') && what < 12)
            size = mutate_pax(data, size, max_size, i);
        else if (what < 6)
            size = move_entry(data, size, max_size);
        else if (what < 8)
            size = insert_pax(data, size, max_size, i);
        else
            mutate_header(header_of(data, i));
    }
    if (any(16) != 0)
        seal_entries(data, size);
    return size;
}

#endif
