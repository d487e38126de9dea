// SPDX-License-Identifier: MIT
// Maps of sparse files. The bytes say which format, which regions, and what is wrong with them: the reader
// must take those that are right, with just these regions, and no other. Or they are the map itself, as it
// stands in an archive.
#include <stdarg.h>
#include <stdbool.h>

#include "test/fuzz/in_memory.h"
#include "test/fuzz/tar_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OLD, PAIRS, LIST, BEFORE, RAW_OLD, RAW_LIST, RAW_BEFORE, KINDS };
enum { REGIONS = 200, ROOM = 1 << 20 };

static struct {
    uint64_t offset, length;
} map[REGIONS];
static unsigned regions;
static uint64_t real_size, stored;

static const uint8_t *bytes;
static size_t left;

static uint8_t archive[ROOM];
static size_t archive_size;

static uint8_t take(void)
{
    return left > 0 ? (left--, *bytes++) : 0;
}

static void *put(const void *what, size_t n)
{
    void *at = archive + archive_size;
    MUST(n <= ROOM - archive_size);
    if (what != NULL)
        memcpy(at, what, n);
    else
        memset(at, 0, n);
    archive_size += n;
    return at;
}

static void pad(void)
{
    put(NULL, -archive_size % TAR_BLOCK_SIZE);
}

static struct tar_header *put_header(char type, const char *name, uint64_t n)
{
    struct tar_header *h = put(NULL, sizeof(*h));
    strcpy(h->name, name);
    put_octal(h->mode, 8, 0644);
    put_octal(h->size, 12, n);
    h->type = type;
    memcpy(h->magic,
           type == 'S' ? "ustar  "
                       : "ustar\0"
                         "00",
           8);
    seal(h);
    return h;
}

static char records[64 << 10];
static size_t records_size;

static void add_record(const char *format, ...)
{
    static char text[32 << 10];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    MUST(n > 0 && (size_t)n < sizeof(text));
    records_size += put_record(records + records_size, text, (size_t)n);
}

static void put_records(void)
{
    put_header('x', "PaxHeader", records_size);
    put(records, records_size);
    pad();
}

// -- regions, and what is wrong with them ------------------------------------------------------

static void take_regions(void)
{
    uint64_t end = 0;
    for (regions = 0; left > 0 && regions < REGIONS; regions++) {
        uint8_t gap = take(), length = take();
        map[regions].offset = end + (gap < 200 ? gap : (uint64_t)(gap - 199) << gap % 48);
        map[regions].length = length % 32;
        end = map[regions].offset + map[regions].length;
        stored += map[regions].length;
    }
    real_size = end;
}

static void spoil(uint8_t how)
{
    unsigned i = regions > 0 ? how / 16 % regions : 0;
    switch (how % 16) {
    case 1:
        stored++;
        return;
    case 2:
        stored -= stored > 0;
        return;
    case 3:
        real_size -= real_size > 0;
        return;
    case 4:
        real_size += how;
        return;
    case 5:
        map[i].offset -= map[i].offset > 0;
        return;
    case 6:
        map[i].length++;
        return;
    case 7:
        map[i].offset = INT64_MAX - how;
        return;
    case 8:
        map[i].length = INT64_MAX - how;
        return;
    case 9:
        if (i + 1 < regions) {
            uint64_t offset = map[i].offset;
            map[i].offset = map[i + 1].offset;
            map[i + 1].offset = offset;
        }
        return;
    default:
        return;
    }
}

static bool is_valid(void)
{
    uint64_t end = 0, sum = 0;
    for (unsigned i = 0; i < regions; i++) {
        if (map[i].offset < end || map[i].length > INT64_MAX - map[i].offset)
            return false;
        end = map[i].offset + map[i].length;
        sum += map[i].length;
    }
    return end <= real_size && sum == stored;
}

// -- the four formats --------------------------------------------------------------------------

// Octal digits where they fit; else base 256.
static void put_number(char field[12], uint64_t value)
{
    if (value < UINT64_C(1) << 33) {
        put_octal(field, 12, value);
        return;
    }
    field[0] = (char)0x80;
    for (size_t i = 11; i > 0; value >>= 8)
        field[i--] = (char)value;
}

static void put_old(void)
{
    struct tar_header *h = put_header('S', "sparse", stored);
    struct tar_extension *x = NULL;
    for (unsigned i = 0; i < regions; i++) {
        unsigned slot = i < 4 ? i : (i - 4) % 21;
        if (i >= 4 && slot == 0) {
            *(x == NULL ? &h->gnu.is_extended : &x->is_extended) = 1;
            x = put(NULL, sizeof(*x));
        }
        put_number(i < 4 ? h->gnu.map[slot].offset : x->map[slot].offset, map[i].offset);
        put_number(i < 4 ? h->gnu.map[slot].bytes : x->map[slot].bytes, map[i].length);
    }
    put_number(h->gnu.real_size, real_size);
    seal(h);
}

static void put_pairs(void)
{
    add_record("GNU.sparse.size=%ju", (uintmax_t)real_size);
    add_record("GNU.sparse.numblocks=%u", regions);
    for (unsigned i = 0; i < regions; i++) {
        add_record("GNU.sparse.offset=%ju", (uintmax_t)map[i].offset);
        add_record("GNU.sparse.numbytes=%ju", (uintmax_t)map[i].length);
    }
    put_records();
    put_header('0', "sparse", stored);
}

static void put_list(void)
{
    static char text[REGIONS * 42];
    size_t n = 0;
    for (unsigned i = 0; i < regions; i++)
        n += (size_t)sprintf(text + n, "%s%ju,%ju", i > 0 ? "," : "", (uintmax_t)map[i].offset,
                             (uintmax_t)map[i].length);
    add_record("GNU.sparse.name=sparse");
    add_record("GNU.sparse.size=%ju", (uintmax_t)real_size);
    add_record("GNU.sparse.map=%s", text);
    put_records();
    put_header('0', "GNUSparseFile.0/sparse", stored);
}

static void put_before(void)
{
    add_record("GNU.sparse.major=1");
    add_record("GNU.sparse.minor=0");
    add_record("GNU.sparse.name=sparse");
    add_record("GNU.sparse.realsize=%ju", (uintmax_t)real_size);
    put_records();
    struct tar_header *h = put_header('0', "GNUSparseFile.0/sparse", 0);
    size_t start = archive_size;
    char line[48];
    put(line, (size_t)sprintf(line, "%u\n", regions));
    for (unsigned i = 0; i < regions; i++)
        put(line, (size_t)sprintf(line, "%ju\n%ju\n", (uintmax_t)map[i].offset, (uintmax_t)map[i].length));
    pad();
    put_octal(h->size, 12, archive_size - start + stored);
    seal(h);
}

// -- the map as it stands ----------------------------------------------------------------------

static void put_raw(int kind)
{
    size_t n = left;
    stored = take();
    real_size = (uint64_t)take() << take() % 40;
    n = left;
    if (kind == RAW_LIST) {
        add_record("GNU.sparse.size=%ju", (uintmax_t)real_size);
        add_record("GNU.sparse.map=%.*s", (int)(n < 9999 ? n : 9999), (const char *)bytes);
        put_records();
        put_header('0', "sparse", stored);
    } else if (kind == RAW_BEFORE) {
        add_record("GNU.sparse.major=1");
        add_record("GNU.sparse.minor=0");
        add_record("GNU.sparse.realsize=%ju", (uintmax_t)real_size);
        put_records();
        n = n < 9999 ? n : 9999;
        put_header('0', "sparse", n + -n % TAR_BLOCK_SIZE + stored);
        put(bytes, n);
        pad();
    } else {
        struct tar_header *h = put_header('S', "sparse", stored);
        size_t in_header = n < sizeof(h->gnu.map) ? n : sizeof(h->gnu.map);
        memcpy(h->gnu.map, bytes, in_header);
        h->gnu.is_extended = n > in_header;
        put_number(h->gnu.real_size, real_size);
        seal(h);
        for (size_t at = in_header; at < n && at < 9999; at += 504) {
            struct tar_extension *x = put(NULL, sizeof(*x));
            memcpy(x->map, bytes + at, n - at < 504 ? n - at : 504);
            x->is_extended = n - at > 504;
        }
    }
}

// -- what is read ------------------------------------------------------------------------------

// Each byte says which one it is, so that none is lost or comes twice.
static void put_stored(void)
{
    MUST(stored < ROOM / 2);
    for (uint64_t i = 0; i < stored; i++)
        *(uint8_t *)put(NULL, 1) = (uint8_t)(i * 7 + 1);
    pad();
    put_header('0', "next", 0);
    put(NULL, (size_t)2 * TAR_BLOCK_SIZE);
}

static int read_entry(const struct tar_entry *e)
{
    struct tar_span span;
    uint64_t at = 0, end = 0;
    unsigned region = 0;
    int got;
    while ((got = tar_data(&reader, &span)) > 0) {
        MUST(span.length > 0 && span.offset >= end && span.offset <= e->size &&
             span.length <= e->size - span.offset);
        for (; region < regions && (map[region].length == 0 || span.offset > map[region].offset); region++)
            MUST(map[region].length == 0 || end >= map[region].offset + map[region].length);
        MUST(region == regions || span.offset == map[region].offset);
        for (size_t i = 0; i < span.length; i++)
            MUST(span.data[i] == (uint8_t)(at++ * 7 + 1));
        end = span.offset + span.length;
    }
    MUST(got == 0 && at == stored);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const put_map[])(void) = {put_old, put_pairs, put_list, put_before};
    const struct tar_entry *e;
    bytes = data;
    left = size;
    archive_size = records_size = 0;
    stored = real_size = regions = 0;
    uint8_t kind = take() % KINDS, how = kind < RAW_OLD ? take() : 0;
    if (kind < RAW_OLD) {
        take_regions();
        spoil(how);
        if (kind == LIST && regions == 0)
            return 0; // there is no empty list
        put_map[kind]();
    } else {
        put_raw(kind);
    }
    bool valid = is_valid();
    put_stored();
    begin_reading(archive, archive_size);
    int got = tar_next(&reader, &e);
    if (kind < RAW_OLD)
        MUST((got == 1) == (valid && (kind != PAIRS || regions > 0)));
    if (got == 1) {
        MUST(e->sparse && strcmp(e->name, "sparse") == 0 && e->size == real_size);
        read_entry(e);
        MUST(tar_next(&reader, &e) == 1 && strcmp(e->name, "next") == 0);
        MUST(tar_next(&reader, &e) == 0 && reader.has_end);
    } else {
        check_error(got);
    }
    end_reading();
    return 0;
}
