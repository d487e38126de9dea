// SPDX-License-Identifier: MIT
#include "archive/tar_read.h"

#include <errno.h>
#include <string.h>

#include "archive/fault.h"
#include "archive/sparse.h"
#include "archive/tar_header.h"
#include "sys/err.h"

enum {
    ID_MAX = UINT32_MAX - 1, // (uid_t)-1 is chown(2)'s "leave alone" (CVE-class: a set-user-ID file of root's)
    MAJOR_MAX = (1 << 12) - 1,
    MINOR_MAX = (1 << 20) - 1,
};

static const int64_t size_max_in_header = INT64_C(077777777777);

static const char *entry_name(const struct tar_reader *r)
{
    return r->name[0] != '\0' ? r->name : r->in->name;
}

int tar_refuse(const struct tar_reader *r, const char *rule, const char *reason)
{
    return fault_at(rule, entry_name(r), r->entry.offset, EBADMSG, reason);
}

// -- blocks ------------------------------------------------------------------------------------

// The next block: 1; 0 at the end of the stream; -errno. It is copied: a decoder could change its memory under us.
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

static unsigned padding_after(uint64_t size)
{
    return (unsigned)(-size % TAR_BLOCK_SIZE);
}

static int truncated(const struct tar_reader *r)
{
    return tar_refuse(r, "data", "the archive ends within the entry's data");
}

// The whole of a special record into `to`, with its padding.
static int read_body(struct tar_reader *r, char *to, uint64_t size)
{
    while (size > 0) {
        int error = input_fill(r->in, 1);
        if (error < 0)
            return error;
        size_t ready = input_ready(r->in), part = size < ready ? (size_t)size : ready;
        if (ready == 0)
            return truncated(r);
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
    error = input_skip(r->in, padding_after(size), &missing);
    return error < 0 || missing == 0 ? error : truncated(r);
}

// -- special records ---------------------------------------------------------------------------

static int record_size(const struct tar_reader *r, const struct tar_header *h, uint64_t max, uint64_t *size)
{
    int64_t value;
    if (!TAR_NUMBER(h->size, &value) || value <= 0)
        return tar_refuse(r, "size", "a record without a size");
    if ((uint64_t)value > max)
        return fault_at("size", entry_name(r), r->entry.offset, E2BIG, "a record that is too large");
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
        return fault_at("name", entry_name(r), r->entry.offset, n == 0 ? EBADMSG : ENAMETOOLONG,
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

// -- the entry ---------------------------------------------------------------------------------

static void copy_field(char *to, const char *field, size_t n)
{
    n = strnlen(field, n);
    memcpy(to, field, n);
    to[n] = '\0';
}

static bool copy_text(char to[PATH_MAX], const char *text)
{
    size_t n = strlen(text);
    if (n >= PATH_MAX)
        return false;
    memcpy(to, text, n + 1);
    return true;
}

static int take_names(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
{
    unsigned has = r->has_pax ? r->pax.has : 0;
    char *name = r->name;
    if (!r->has_long_name) {
        size_t room = format == TAR_USTAR ? sizeof(h->prefix) : format == TAR_STAR ? sizeof(h->star.prefix) : 0;
        size_t prefix = strnlen(h->prefix, room);
        // Who takes it for a ustar header reads on into the times.
        if (format == TAR_STAR && prefix == room && h->star.atime[0] != '\0')
            return tar_refuse(r, "name", "a star header whose prefix fills its field");
        memcpy(name, h->prefix, prefix);
        if (prefix > 0)
            name[prefix++] = '/';
        copy_field(name + prefix, h->name, sizeof(h->name));
    }
    if (!r->has_long_link)
        copy_field(r->link, h->link, sizeof(h->link));
    const char *path = (has & PAX_BIT(PAX_SPARSE_NAME)) != 0 ? r->pax.sparse_name
                       : (has & PAX_BIT(PAX_PATH)) != 0      ? r->pax.path
                                                             : NULL;
    if (path != NULL && !copy_text(name, path))
        return fault_at("name", r->name, r->entry.offset, ENAMETOOLONG, "a name of more than 4095 bytes");
    if ((has & PAX_BIT(PAX_LINKPATH)) != 0 && !copy_text(r->link, r->pax.linkpath))
        return fault_at("link", r->name, r->entry.offset, ENAMETOOLONG, "a target of more than 4095 bytes");
    r->entry.name = r->name;
    r->entry.link = r->link;
    return 0;
}

static int take_type(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
{
    static const struct {
        char type;
        enum tar_type is;
    } types[] = {
        {'0', TAR_FILE}, {'\0', TAR_FILE},  {'7', TAR_FILE},      {'1', TAR_HARDLINK}, {'2', TAR_SYMLINK},
        {'3', TAR_CHAR}, {'4', TAR_BLOCK},  {'5', TAR_DIRECTORY}, {'6', TAR_FIFO},     {'S', TAR_FILE},
    };
    size_t n = strlen(r->name);
    bool slash = n > 0 && r->name[n - 1] == '/';
    size_t i = 0;
    while (i < sizeof(types) / sizeof(types[0]) && types[i].type != h->type)
        i++;
    if (i == sizeof(types) / sizeof(types[0]) || (h->type == 'S' && format != TAR_GNU))
        return tar_refuse(r, "type", "an entry of a type that tar implementations treat differently");
    r->entry.type = types[i].is;
    if (r->entry.type != TAR_FILE || !slash)
        return 0;
    // So v7 marked directories. Of the newer type some make a file, and others a directory and take its data for headers.
    if (h->type != '\0')
        return tar_refuse(r, "type", "a regular file whose name ends in a slash");
    r->entry.type = TAR_DIRECTORY;
    return 0;
}

static int take_size(struct tar_reader *r, const struct tar_header *h)
{
    int64_t size;
    if (!TAR_NUMBER(h->size, &size) || size < 0)
        return tar_refuse(r, "size", "its size is no number that all read alike");
    if (r->has_pax && (r->pax.has & PAX_BIT(PAX_SIZE)) != 0) {
        // A header that can hold the size must agree (CVE-2025-62518).
        if ((int64_t)r->pax.size != size && (int64_t)r->pax.size <= size_max_in_header)
            return tar_refuse(r, "size", "the pax header and the header give different sizes");
        size = (int64_t)r->pax.size;
    }
    if (r->entry.type != TAR_FILE && size != 0)
        return tar_refuse(r, "size", "data on an entry that is no regular file");
    r->entry.size = r->entry.stored = (uint64_t)size;
    return 0;
}

static int take_id(const struct tar_reader *r, enum pax_key key, const char *field, size_t n, uint32_t *id)
{
    bool is_uid = key == PAX_UID;
    const struct pax *own = r->has_pax && (r->pax.has & PAX_BIT(key)) != 0        ? &r->pax
                            : (r->global.has & PAX_BIT(key)) != 0 ? &r->global
                                                                  : NULL;
    int64_t value;
    if (own != NULL)
        value = (int64_t)(is_uid ? own->uid : own->gid);
    else if (!tar_header_number(field, n, &value))
        value = -1;
    if (value < 0 || value > ID_MAX)
        return tar_refuse(r, is_uid ? "uid" : "gid", "its owner is no id from 0 to 4294967294");
    *id = (uint32_t)value;
    return 0;
}

static int take_times(struct tar_reader *r, const struct tar_header *h)
{
    struct tar_entry *e = &r->entry;
    unsigned own = r->has_pax ? r->pax.has : 0, all = r->global.has;
    e->mtime = (struct pax_time){0, 0};
    if ((own & PAX_BIT(PAX_MTIME)) != 0)
        e->mtime = r->pax.mtime;
    else if ((all & PAX_BIT(PAX_MTIME)) != 0)
        e->mtime = r->global.mtime;
    else if (!TAR_NUMBER(h->mtime, &e->mtime.seconds))
        return tar_refuse(r, "mtime", "its modification time is no number");
    e->has_atime = ((own | all) & PAX_BIT(PAX_ATIME)) != 0;
    if (e->has_atime)
        e->atime = (own & PAX_BIT(PAX_ATIME)) != 0 ? r->pax.atime : r->global.atime;
    return 0;
}

static int take_device(struct tar_reader *r, const struct tar_header *h)
{
    int64_t major, minor;
    if (!TAR_NUMBER(h->major, &major) || !TAR_NUMBER(h->minor, &minor) || major < 0 || minor < 0 ||
        major > MAJOR_MAX || minor > MINOR_MAX)
        return tar_refuse(r, "device", "a device number that Linux does not have");
    r->entry.major = (unsigned)major;
    r->entry.minor = (unsigned)minor;
    return 0;
}

// Old Go programs wrote a prefix where GNU headers have times, and read it back from there.
static bool has_gnu_times(const struct tar_header *h)
{
    int64_t time;
    return TAR_NUMBER(h->gnu.atime, &time) && TAR_NUMBER(h->gnu.ctime, &time);
}

static int take_entry(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
{
    struct tar_entry *e = &r->entry;
    int64_t mode = 0;
    int error = take_names(r, h, format);
    if (error == 0)
        error = take_type(r, h, format);
    if (error == 0 && format == TAR_GNU && !has_gnu_times(h))
        error = tar_refuse(r, "header", "a GNU header with something else in place of its times");
    if (error == 0)
        error = take_size(r, h);
    if (error == 0 && (!TAR_NUMBER(h->mode, &mode) || mode < 0))
        error = tar_refuse(r, "mode", "its mode is no number");
    if (error == 0)
        error = take_id(r, PAX_UID, h->uid, sizeof(h->uid), &e->uid);
    if (error == 0)
        error = take_id(r, PAX_GID, h->gid, sizeof(h->gid), &e->gid);
    if (error == 0)
        error = take_times(r, h);
    if (error == 0 && (e->type == TAR_CHAR || e->type == TAR_BLOCK))
        error = take_device(r, h);
    if (error < 0)
        return error;
    e->mode = (unsigned)mode & 07777; // some writers add the type's bits
    r->region = 0;
    r->region_at = 0;
    r->left = e->stored;
    r->padding = padding_after(e->stored);
    e->sparse = false;
    return sparse_begin(r, h);
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
        return truncated(r);
    r->left = 0;
    // The stream may end here: then nothing is missing but zeros.
    if (error == 0)
        error = input_skip(r->in, r->padding, &missing);
    r->padding = 0;
    return error;
}

static bool is_special(char type)
{
    return type != '\0' && strchr("xgLK", type) != NULL;
}

static int take_special(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
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
        if (is_special(h->type)) {
            error = take_special(r, h, format);
            continue;
        }
        error = take_entry(r, h, format);
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
        return truncated(r);
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
        return truncated(r);
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
