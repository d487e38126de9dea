// SPDX-License-Identifier: MIT
#include "archive/sparse.h"

#include <errno.h>
#include <string.h>

#include "archive/fault.h"
#include "archive/tar_parts.h"

static int too_many(const struct tar_reader *r)
{
    return fault_at("sparse", r->name, r->entry.offset, E2BIG, "a sparse file of more than 65536 regions");
}

static int malformed(const struct tar_reader *r)
{
    return tar_refuse(r, "sparse", "a malformed map of a sparse file");
}

static int add_region(struct tar_reader *r, uint64_t offset, uint64_t length)
{
    if (r->regions == TAR_REGIONS_MAX)
        return too_many(r);
    r->map[r->regions++] = (struct tar_region){offset, length};
    return 0;
}

// -- pax 0.0 and 0.1 ---------------------------------------------------------------------------

// A region is counted when its length comes; until then it is marked by a length that no file has.
int sparse_take_pax(struct tar_reader *r, bool is_offset, uint64_t value)
{
    struct tar_region *last = r->regions > 0 ? &r->map[r->regions - 1] : NULL;
    bool open = last != NULL && last->length == UINT64_MAX;
    if (is_offset == open)
        return -EBADMSG;
    if (!is_offset) {
        last->length = value;
        return 0;
    }
    if (r->regions == TAR_REGIONS_MAX)
        return -E2BIG;
    r->map[r->regions++] = (struct tar_region){value, UINT64_MAX};
    return 0;
}

static int take_map_text(struct tar_reader *r, const char *text)
{
    uint64_t value[2];
    unsigned count = 0;
    for (r->regions = 0;; text++) {
        size_t n = strcspn(text, ",");
        if (!pax_number(text, n, INT64_MAX, &value[count % 2]))
            return malformed(r);
        int error = ++count % 2 == 0 ? add_region(r, value[0], value[1]) : 0;
        text += n;
        if (error < 0 || *text == '\0')
            return error < 0 || count % 2 == 0 ? error : malformed(r);
    }
}

// -- pax 1.0: the map stands before the data ---------------------------------------------------

struct map_text {
    struct tar_reader *r;
    size_t at; // in r->block; at its end the next one is read
};

static int next_map_number(struct map_text *m, uint64_t *value)
{
    char digits[20];
    size_t n = 0;
    struct tar_reader *r = m->r;
    for (;;) {
        if (m->at == TAR_BLOCK_SIZE) {
            int got = r->left >= TAR_BLOCK_SIZE ? tar_block(r, r->block) : 0;
            if (got <= 0)
                return got < 0 ? got : malformed(r);
            r->left -= TAR_BLOCK_SIZE;
            m->at = 0;
        }
        char c = (char)r->block[m->at++];
        if (c == '\n')
            return pax_number(digits, n, INT64_MAX, value) ? 0 : malformed(r);
        if (n == sizeof(digits))
            return malformed(r);
        digits[n++] = c;
    }
}

static int read_map(struct tar_reader *r)
{
    struct map_text m = {r, TAR_BLOCK_SIZE};
    uint64_t count = 0;
    r->regions = 0;
    int error = next_map_number(&m, &count);
    if (error == 0 && count > TAR_REGIONS_MAX)
        error = too_many(r);
    for (uint64_t i = 0; error == 0 && i < count; i++) {
        uint64_t offset = 0, length = 0;
        error = next_map_number(&m, &offset);
        if (error == 0)
            error = next_map_number(&m, &length);
        if (error == 0)
            error = add_region(r, offset, length);
    }
    return error;
}

// -- old GNU -----------------------------------------------------------------------------------

struct gnu_slot {
    char offset[12], bytes[12];
};

// Regions up to the first empty slot, after which there are only empty ones.
static int take_slots(struct tar_reader *r, const void *slots, size_t count, bool *ended)
{
    const struct gnu_slot *slot = slots;
    for (size_t i = 0; i < count; i++, slot++) {
        int64_t offset, length;
        bool is_empty = tar_header_is_empty(slot->bytes, sizeof(slot->bytes));
        if (is_empty != tar_header_is_empty(slot->offset, sizeof(slot->offset)))
            return malformed(r); // GNU tar looks at one of them for the end, Go and libarchive at the other
        if (is_empty) {
            *ended = true;
            continue;
        }
        if (*ended || !TAR_NUMBER(slot->offset, &offset) || !TAR_NUMBER(slot->bytes, &length) || offset < 0 ||
            length < 0)
            return malformed(r);
        int error = add_region(r, (uint64_t)offset, (uint64_t)length);
        if (error < 0)
            return error;
    }
    return 0;
}

static int read_gnu(struct tar_reader *r, const struct tar_header *h)
{
    int64_t size;
    bool ended = false, more = h->gnu.is_extended != 0;
    if (r->has_pax)
        return tar_refuse(r, "sparse", "a pax header on a sparse file of GNU's old format");
    if (!TAR_NUMBER(h->gnu.real_size, &size) || size < 0)
        return malformed(r);
    r->entry.size = (uint64_t)size;
    r->regions = 0;
    int error = take_slots(r, h->gnu.map, sizeof(h->gnu.map) / sizeof(h->gnu.map[0]), &ended);
    while (error == 0 && more) {
        struct tar_extension extension;
        if (ended) // GNU tar takes what follows for data then, others for more of the map
            return malformed(r);
        int got = tar_block(r, &extension);
        if (got <= 0)
            return got < 0 ? got : malformed(r);
        error = take_slots(r, extension.map, sizeof(extension.map) / sizeof(extension.map[0]), &ended);
        more = extension.is_extended != 0;
    }
    return error;
}

// -- all ---------------------------------------------------------------------------------------

static int check_map(const struct tar_reader *r)
{
    uint64_t end = 0, stored = 0;
    for (unsigned i = 0; i < r->regions; i++) {
        const struct tar_region *region = &r->map[i];
        if (region->offset < end || region->offset > r->entry.size ||
            region->length > r->entry.size - region->offset)
            return tar_refuse(r, "sparse", "regions out of order, over one another or past the file's end");
        end = region->offset + region->length;
        stored += region->length;
    }
    if (stored != r->left)
        return tar_refuse(r, "sparse", "a map that does not fit the stored data");
    return 0;
}

static int read_pax_map(struct tar_reader *r)
{
    const struct pax *pax = &r->pax;
    const unsigned version = PAX_BIT(PAX_SPARSE_MAJOR) | PAX_BIT(PAX_SPARSE_MINOR);
    const unsigned pairs = PAX_BIT(PAX_SPARSE_OFFSET) | PAX_BIT(PAX_SPARSE_BYTES);
    bool listed = (pax->has & pairs) != 0, mapped = (pax->has & PAX_BIT(PAX_SPARSE_MAP)) != 0;
    if ((pax->has & version) == version && pax->sparse_major == 1 && pax->sparse_minor == 0)
        return listed || mapped ? malformed(r) : read_map(r);
    if ((pax->has & version) != 0 && (pax->sparse_major != 0 || pax->sparse_minor > 1))
        return tar_refuse(r, "sparse", "a sparse file of an unknown version");
    int error = listed == mapped ? malformed(r) : mapped ? take_map_text(r, pax->sparse_map) : 0;
    if (error < 0)
        return error;
    if (r->regions > 0 && r->map[r->regions - 1].length == UINT64_MAX)
        return malformed(r);
    if ((pax->has & PAX_BIT(PAX_SPARSE_BLOCKS)) != 0 && pax->sparse_blocks != r->regions)
        return malformed(r);
    return 0;
}

int sparse_begin(struct tar_reader *r, const struct tar_header *h)
{
    const unsigned sizes = PAX_BIT(PAX_SPARSE_REALSIZE) | PAX_BIT(PAX_SPARSE_SIZE);
    const unsigned all = sizes | PAX_BIT(PAX_SPARSE_MAJOR) | PAX_BIT(PAX_SPARSE_MINOR) | PAX_BIT(PAX_SPARSE_NAME) |
                         PAX_BIT(PAX_SPARSE_BLOCKS) | PAX_BIT(PAX_SPARSE_MAP) | PAX_BIT(PAX_SPARSE_OFFSET) |
                         PAX_BIT(PAX_SPARSE_BYTES);
    struct tar_entry *e = &r->entry;
    bool by_pax = r->has_pax && (r->pax.has & all) != 0;
    int error;
    if (!by_pax && h->type != 'S') {
        r->regions = 1;
        r->map[0] = (struct tar_region){0, e->stored};
        return 0;
    }
    if (e->type != TAR_FILE || (h->type == 'S' && by_pax))
        return tar_refuse(r, "sparse", "a map on an entry that can't have one");
    e->sparse = true;
    if (h->type == 'S') {
        error = read_gnu(r, h);
    } else {
        if ((r->pax.has & sizes) == 0)
            return malformed(r);
        e->size = r->pax.sparse_size;
        error = read_pax_map(r);
    }
    return error < 0 ? error : check_map(r);
}
