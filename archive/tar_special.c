// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "archive/fault.h"
#include "archive/sparse.h"
#include "archive/tar_parts.h"

// The whole of a special record into `to`, with its padding.
static int read_body(struct tar_reader *r, char *to, uint64_t size)
{
    while (size > 0) {
        int error = input_fill(r->in, 1);
        if (error < 0)
            return error;
        size_t ready = input_ready(r->in), part = size < ready ? (size_t)size : ready;
        if (ready == 0)
            return tar_truncated(r);
        memcpy(to, input_data(r->in), part);
        input_consume(r->in, part);
        to += part;
        size -= part;
    }
    return 0;
}

static int read_record(struct tar_reader *r, char *to, uint64_t size)
{
    uint64_t missing;
    int error = read_body(r, to, size);
    if (error < 0)
        return error;
    error = input_skip(r->in, tar_padding_after(size), &missing);
    return error < 0 || missing == 0 ? error : tar_truncated(r);
}

static int record_size(const struct tar_reader *r, const struct tar_header *h, uint64_t max, uint64_t *size)
{
    int64_t value;
    if (!TAR_NUMBER(h->size, &value) || value <= 0)
        return tar_refuse(r, "size", "a record without a size");
    if ((uint64_t)value > max)
        return fault_at("size", tar_entry_name(r), r->entry.offset, E2BIG, "a record that is too large");
    *size = (uint64_t)value;
    return 0;
}

// GNU's L and K: up to the first NUL, and nothing may hide behind it.
static int read_long(struct tar_reader *r, const struct tar_header *h, char *to, bool *has)
{
    uint64_t size = 0;
    int error = record_size(r, h, PATH_MAX, &size);
    if (error < 0)
        return error;
    if (*has || r->has_pax)
        return tar_refuse(r, "name", "two records give one name");
    char text[PATH_MAX + 1];
    error = read_record(r, text, size);
    if (error < 0)
        return error;
    text[size] = '\0';
    size_t n = strlen(text);
    for (size_t i = n; i < size; i++) {
        if (text[i] != '\0')
            return tar_refuse(r, "name", "something follows the NUL byte that ends a long name");
    }
    if (n == 0 || n >= PATH_MAX)
        return fault_at("name", tar_entry_name(r), r->entry.offset, n == 0 ? EBADMSG : ENAMETOOLONG,
                        n == 0 ? "a long name that is empty" : "a name of more than 4095 bytes");
    memcpy(to, text, n + 1);
    *has = true;
    return 0;
}

static int take_sparse(void *context, enum pax_key key, uint64_t value)
{
    return sparse_take_pax(context, key == PAX_SPARSE_OFFSET, value);
}

static int read_pax(struct tar_reader *r, const struct tar_header *h)
{
    if (r->has_pax)
        return tar_refuse(r, "pax", "two pax headers for one entry");
    if (r->has_long_name || r->has_long_link)
        return tar_refuse(r, "pax", "a pax header and a GNU long name for one entry");
    int error = record_size(r, h, PAX_MAX, &r->pax_size);
    if (error == 0)
        error = read_record(r, r->records, r->pax_size);
    if (error < 0)
        return error;
    r->regions = 0;
    r->has_pax = true;
    if (pax_parse(&r->pax, r->records, r->pax_size, &(struct pax_sparse){take_sparse, r}) < 0)
        return tar_refuse(r, "pax", r->pax.why);
    return 0;
}

// What is said of all later entries: only ids and times, since implementations differ in everything else.
static int read_global(struct tar_reader *r, const struct tar_header *h)
{
    const unsigned taken = PAX_BIT(PAX_UID) | PAX_BIT(PAX_GID) | PAX_BIT(PAX_MTIME) | PAX_BIT(PAX_ATIME);
    struct pax pax;
    uint64_t size = 0;
    if (r->has_pax || r->has_long_name || r->has_long_link)
        return tar_refuse(r, "pax", "a global header between an entry and its own");
    int error = record_size(r, h, PAX_MAX, &size);
    if (error == 0)
        error = read_record(r, r->records, size);
    if (error < 0)
        return error;
    if (pax_parse(&pax, r->records, size, NULL) < 0)
        return tar_refuse(r, "pax", pax.why);
    if ((pax.has & ~taken) != 0)
        return tar_refuse(r, "pax", "a global record about names, sizes or attributes");
    if ((pax.has & PAX_BIT(PAX_UID)) != 0)
        r->global.uid = pax.uid;
    if ((pax.has & PAX_BIT(PAX_GID)) != 0)
        r->global.gid = pax.gid;
    if ((pax.has & PAX_BIT(PAX_MTIME)) != 0)
        r->global.mtime = pax.mtime;
    if ((pax.has & PAX_BIT(PAX_ATIME)) != 0)
        r->global.atime = pax.atime;
    r->global.has |= pax.has;
    return 0;
}

bool tar_is_special(char type)
{
    return type != '\0' && strchr("xgLK", type) != NULL;
}

int tar_take_special(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
{
    bool gnu = h->type == 'L' || h->type == 'K';
    if (format == TAR_V7)
        return tar_refuse(r, "type", "a record of a newer format in an archive of the oldest");
    if (h->type == 'x')
        return read_pax(r, h);
    if (h->type == 'g')
        return read_global(r, h);
    return gnu && h->type == 'L' ? read_long(r, h, r->name, &r->has_long_name)
                                 : read_long(r, h, r->link, &r->has_long_link);
}
