// SPDX-License-Identifier: MIT
// Any bytes as a tar archive: entries with their data and attributes, or an error. A byte after whole blocks
// says how it is read.
#include "test/fuzz/in_memory.h"
#include "test/fuzz/tar_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct tar_entry *e)
{
    MUST(e->type <= TAR_FIFO && (e->mode & ~07777U) == 0 && e->uid != UINT32_MAX && e->gid != UINT32_MAX);
    MUST(strlen(e->name) < PATH_MAX && strlen(e->link) < PATH_MAX);
    MUST(e->mtime.nanoseconds < 1000000000 && (!e->has_atime || e->atime.nanoseconds < 1000000000));
    MUST(e->type == TAR_FILE || (e->stored == 0 && e->size == 0 && !e->sparse));
    MUST(e->size <= INT64_MAX && e->stored <= INT64_MAX && (e->sparse || e->size == e->stored));
    MUST(e->type != TAR_FILE || e->name[0] == '\0' || e->name[strlen(e->name) - 1] != '/');
    MUST((e->type != TAR_CHAR && e->type != TAR_BLOCK) || (e->major < 1 << 12 && e->minor < 1 << 20));
}

static int read_data(const struct tar_entry *e)
{
    struct tar_span span;
    uint64_t end = 0, stored = 0;
    int got;
    while ((got = tar_data(&reader, &span)) > 0) {
        MUST(span.length > 0 && span.offset >= end && span.length <= e->size &&
             span.offset <= e->size - span.length);
        MUST(span.data >= input.data && span.data + span.length <= input.data + input.end);
        end = span.offset + span.length;
        stored += span.length;
    }
    MUST(got < 0 || (reader.left == 0 && stored <= e->stored && (e->sparse || stored == e->size)));
    return got;
}

static int read_attributes(void)
{
    struct pax_attribute a;
    size_t at = 0;
    int got;
    unsigned sum = 0;
    while ((got = tar_attribute(&reader, &at, &a)) > 0) {
        MUST(a.kind != PAX_XATTR || (a.name != NULL && strlen(a.name) < 256));
        for (size_t i = 0; i < a.length; i++)
            sum += ((const unsigned char *)a.value)[i];
    }
    return got < 0 ? got : (int)(sum & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t way = size % TAR_BLOCK_SIZE == 1 ? data[--size] : 0;
    const struct tar_entry *e;
    uint64_t offset = 0;
    int got;
    begin_reading(data, size);
    reader.ignore_zeros = (way & 1) != 0;
    reader.strict = (way & 2) != 0;
    while ((got = tar_next(&reader, &e)) > 0) {
        MUST(e->offset >= offset && e->offset < input.offset);
        offset = input.offset;
        check_entry(e);
        got = read_attributes();
        // Twice, as it is done, and with the same result; data are read, or left to be skipped.
        if (got >= 0)
            MUST(read_attributes() == got);
        if (got >= 0 && (way & 4) == 0)
            got = read_data(e);
        if (got < 0)
            break;
    }
    if (got == 0) {
        MUST(e == NULL && (!reader.strict || reader.has_end || !reader.started));
        got = tar_finish(&reader);
        MUST(got != 0 || input_ready(&input) == 0);
    }
    if (got < 0)
        check_error(got);
    end_reading();
    return 0;
}
