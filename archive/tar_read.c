// SPDX-License-Identifier: MIT
#include "archive/tar_read.h"

#include <errno.h>
#include <string.h>

#include "archive/fault.h"
#include "archive/tar_parts.h"
#include "sys/err.h"

const char *tar_entry_name(const struct tar_reader *r)
{
    return r->name[0] != '\0' ? r->name : r->in->name;
}

int tar_refuse(const struct tar_reader *r, const char *rule, const char *reason)
{
    return fault_at(rule, tar_entry_name(r), r->entry.offset, EBADMSG, reason);
}

// -- blocks ------------------------------------------------------------------------------------

int tar_block(struct tar_reader *r, void *block)
{
    int error = input_fill(r->in, TAR_BLOCK_SIZE);
    if (error < 0)
        return error;
    size_t ready = input_ready(r->in);
    if (ready == 0)
        return 0;
    if (ready < TAR_BLOCK_SIZE)
        return fault_at("block", r->in->name, r->in->offset, EBADMSG, "the archive ends within a block");
    memcpy(block, input_data(r->in), TAR_BLOCK_SIZE);
    input_consume(r->in, TAR_BLOCK_SIZE);
    return 1;
}

int tar_truncated(const struct tar_reader *r)
{
    return tar_refuse(r, "data", "the archive ends within the entry's data");
}

// -- the stream --------------------------------------------------------------------------------

static int refuse_block(struct tar_reader *r)
{
    const char *what = r->started ? NULL : input_what(r->block, sizeof(r->block));
    if (what == NULL)
        return fault_at("header", r->in->name, r->entry.offset, EBADMSG,
                        r->started ? "no header, where one must be: its checksum is wrong" : "this is no tar archive");
    fault_at("format", r->in->name, r->entry.offset, EBADMSG, "what is unpacked is packed once more");
    err_hint2("unpack it until it is tar: it looks like ", what);
    return -EBADMSG;
}

static bool is_dangling(const struct tar_reader *r)
{
    return r->has_pax || r->has_long_name || r->has_long_link;
}

static int end_of_stream(struct tar_reader *r)
{
    if (is_dangling(r))
        return tar_refuse(r, "end", "a record without an entry");
    if (r->strict && r->started && !r->has_end)
        return fault_at("end", r->in->name, r->in->offset, EBADMSG, "the archive has no end");
    return 0;
}

// After a block of zeros: 1 at the end, 0 to go on, -errno.
static int end_of_archive(struct tar_reader *r)
{
    if (is_dangling(r))
        return tar_refuse(r, "end", "a record without an entry");
    r->started = true;
    if (r->ignore_zeros) {
        r->has_end = true;
        return 0;
    }
    uint64_t at = r->in->offset;
    int got = tar_block(r, r->block);
    if (got < 0)
        return got;
    if (got > 0 && !tar_header_is_zero(r->block))
        return fault_at("end", r->in->name, at, EBADMSG, "something follows a single block of zeros");
    r->has_end = got > 0;
    return got > 0 ? 1 : end_of_stream(r) < 0 ? -EBADMSG : 1;
}

static int skip_data(struct tar_reader *r)
{
    uint64_t missing;
    int error = input_skip(r->in, r->left, &missing);
    if (error == 0 && missing > 0)
        return tar_truncated(r);
    r->left = 0;
    // The stream may end here: then nothing is missing but zeros.
    if (error == 0)
        error = input_skip(r->in, r->padding, &missing);
    r->padding = 0;
    return error;
}

int tar_next(struct tar_reader *r, const struct tar_entry **entry)
{
    *entry = NULL;
    int error = skip_data(r);
    r->has_pax = r->has_long_name = r->has_long_link = false;
    r->pax_size = 0;
    while (error == 0) {
        if (!is_dangling(r)) {
            r->entry.offset = r->in->offset;
            r->name[0] = '\0';
        }
        error = tar_block(r, r->block);
        if (error < 0)
            return error;
        if (error == 0)
            return end_of_stream(r);
        const struct tar_header *h = (const struct tar_header *)r->block;
        if (tar_header_is_zero(h)) {
            error = end_of_archive(r);
            if (error != 0)
                return error < 0 ? error : 0;
            continue;
        }
        enum tar_format format = tar_header_format(h);
        if (!tar_header_is_valid(h))
            return refuse_block(r);
        r->started = true;
        r->has_end = false;
        if (format == TAR_UNKNOWN)
            return tar_refuse(r, "header", "a header of no known format");
        if (tar_is_special(h->type)) {
            error = tar_take_special(r, h, format);
            continue;
        }
        error = tar_take_entry(r, h, format);
        if (error < 0)
            return error;
        *entry = &r->entry;
        return 1;
    }
    return error;
}

int tar_finish(struct tar_reader *r)
{
    uint64_t zeros = 0;
    for (;;) {
        int error = input_fill(r->in, 1);
        if (error < 0)
            return error;
        size_t ready = input_ready(r->in);
        const unsigned char *data = input_data(r->in);
        if (ready == 0)
            return 0;
        for (size_t i = 0; i < ready; i++) {
            if (data[i] == 0 && ++zeros <= TAR_PADDING_MAX)
                continue;
            error = fault_at("end", r->in->name, r->in->offset + i, EBADMSG,
                             data[i] == 0 ? "more than 1 MiB of zeros follows the end of the archive"
                                          : "something follows the end of the archive");
            if (data[i] != 0)
                err_hint("--ignore-zeros goes on after the end, as tar's");
            return error;
        }
        input_consume(r->in, ready);
    }
}

// -- data --------------------------------------------------------------------------------------

int tar_data(struct tar_reader *r, struct tar_span *span)
{
    while (r->region < r->regions && r->region_at == r->map[r->region].length) {
        r->region++;
        r->region_at = 0;
    }
    if (r->region == r->regions)
        return 0;
    int error = input_fill(r->in, 1);
    if (error < 0)
        return error;
    size_t ready = input_ready(r->in);
    if (ready == 0)
        return tar_truncated(r);
    uint64_t wanted = r->map[r->region].length - r->region_at;
    span->offset = r->map[r->region].offset + r->region_at;
    span->data = input_data(r->in);
    span->length = wanted < ready ? (size_t)wanted : ready;
    input_consume(r->in, span->length);
    r->region_at += span->length;
    r->left -= span->length;
    return 1;
}

int tar_send(struct tar_reader *r, int fd, uint64_t *sent, int *number)
{
    enum { LEAST = INPUT_BUFFER }; // below that it is not worth a call of its own
    *sent = 0;
    if (r->entry.sparse || r->left < LEAST || !input_can_send(r->in))
        return 0;
    int error = input_send(r->in, fd, r->left, sent, number);
    if (*number == EINVAL || *number == ENOSYS) { // not between these two files
        *number = 0;
        return 0;
    }
    if (error == 0 && *number == 0 && *sent == 0)
        return tar_truncated(r);
    r->region_at += *sent;
    r->left -= *sent;
    return error;
}

int tar_attribute(struct tar_reader *r, size_t *at, struct pax_attribute *attribute)
{
    const char *why = "a malformed pax record";
    if (!r->has_pax || (r->pax.has & PAX_BIT(PAX_ATTRIBUTE)) == 0)
        return 0;
    int got = pax_next_attribute(r->records, r->pax_size, at, attribute, &why);
    return got < 0 ? tar_refuse(r, "xattr", why) : got;
}
