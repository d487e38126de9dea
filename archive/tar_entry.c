// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "archive/fault.h"
#include "archive/sparse.h"
#include "archive/tar_parts.h"

enum {
    ID_MAX = UINT32_MAX - 1, // (uid_t)-1 is chown(2)'s "leave alone" (CVE-class: a set-user-ID file of root's)
    MAJOR_MAX = (1 << 12) - 1,
    MINOR_MAX = (1 << 20) - 1,
};

static const int64_t size_max_in_header = INT64_C(077777777777);

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

static bool is_zero(const char *from, const char *to)
{
    while (from < to && *from == '\0')
        from++;
    return from == to;
}

// Old Go programs wrote a prefix where GNU headers have times, and read it back from there. libarchive takes a map
// of what is not sparse, and loses its place.
static bool is_plain_gnu(const struct tar_header *h)
{
    int64_t time;
    return TAR_NUMBER(h->gnu.atime, &time) && TAR_NUMBER(h->gnu.ctime, &time) &&
           (h->type == 'S' || is_zero(h->gnu.offset, h->rest));
}

// What stands behind the end of a prefix is a map for some.
static bool is_plain_ustar(const struct tar_header *h)
{
    const char *end = h->prefix + sizeof(h->prefix);
    return is_zero(h->prefix + strnlen(h->prefix, sizeof(h->prefix)), end);
}

int tar_take_entry(struct tar_reader *r, const struct tar_header *h, enum tar_format format)
{
    struct tar_entry *e = &r->entry;
    int64_t mode = 0;
    int error = take_names(r, h, format);
    if (error == 0)
        error = take_type(r, h, format);
    if (error == 0 && format == TAR_GNU && !is_plain_gnu(h))
        error = tar_refuse(r, "header", "a GNU header with something else in place of its times, or a map of no use");
    if (error == 0 && format == TAR_USTAR && !is_plain_ustar(h))
        error = tar_refuse(r, "header", "something behind the end of its prefix");
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
    r->padding = tar_padding_after(e->stored);
    e->sparse = false;
    return sparse_begin(r, h);
}
