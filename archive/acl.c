// SPDX-License-Identifier: MIT
#include "archive/acl.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "archive/pax.h"

enum { VERSION = 2, NO_ID = -1 };

// In the order in which the kernel wants them.
enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

static const struct tag {
    const char *name;
    uint16_t own, named; // without and with a qualifier; 0: not so
} tags[] = {
    {"user", USER_OBJ, USER}, {"u", USER_OBJ, USER}, {"group", GROUP_OBJ, GROUP}, {"g", GROUP_OBJ, GROUP},
    {"mask", MASK, 0},        {"m", MASK, 0},        {"other", OTHER, 0},         {"o", OTHER, 0},
};

bool acl_entry_is_user(const struct acl_entry *entry)
{
    return entry->tag == USER;
}

bool acl_entry_is_group(const struct acl_entry *entry)
{
    return entry->tag == GROUP;
}

// Tags ascend; entries of one tag stay in their order.
static int insert(struct acl *acl, uint16_t tag, uint16_t permissions, uint32_t id)
{
    if (acl->count == ACL_ENTRIES_MAX)
        return -E2BIG;
    unsigned at = acl->count++;
    for (; at > 0 && acl->entry[at - 1].tag > tag; at--)
        acl->entry[at] = acl->entry[at - 1];
    acl->entry[at] = (struct acl_entry){tag, permissions, id};
    return 0;
}

static bool parse_permissions(const char *text, size_t n, uint16_t *permissions)
{
    *permissions = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == 'r')
            *permissions |= 4;
        else if (text[i] == 'w')
            *permissions |= 2;
        else if (text[i] == 'x')
            *permissions |= 1;
        else if (text[i] != '-')
            return false;
    }
    return n > 0;
}

struct field {
    const char *text;
    size_t length;
};

// TAG:QUALIFIER:PERMISSIONS[:ID]
static int add_line(struct acl *acl, const struct field *field, unsigned fields)
{
    uint16_t permissions;
    uint64_t id;
    const struct tag *tag = tags;
    while (tag < tags + sizeof(tags) / sizeof(tags[0]) &&
           (strlen(tag->name) != field[0].length || memcmp(tag->name, field[0].text, field[0].length) != 0))
        tag++;
    if (tag == tags + sizeof(tags) / sizeof(tags[0]))
        return -EBADMSG;
    // "other::r--", and also "other:r--"
    bool is_short = fields == 2 && tag->named == 0;
    if ((fields < 3 && !is_short) || fields > 4)
        return -EBADMSG;
    const struct field *last = &field[is_short ? 1 : 2];
    if (!parse_permissions(last->text, last->length, &permissions))
        return -EBADMSG;
    if (is_short || field[1].length == 0)
        return insert(acl, tag->own, permissions, (uint32_t)NO_ID);
    if (tag->named == 0)
        return -EBADMSG;
    const struct field *number = &field[fields == 4 ? 3 : 1];
    if (!pax_number(number->text, number->length, UINT32_MAX - 1, &id))
        return -ESRCH;
    return insert(acl, tag->named, permissions, (uint32_t)id);
}

int acl_from_text(struct acl *acl, const char *text, size_t n)
{
    const char *end = text + n;
    acl->count = 0;
    while (text < end) {
        struct field field[4] = {{NULL, 0}};
        unsigned fields = 0;
        const char *stop = text;
        while (stop < end && *stop != '\n' && *stop != ',')
            stop++;
        const char *comment = memchr(text, '#', (size_t)(stop - text)); // "#effective:r--"
        const char *last = comment != NULL ? comment : stop;
        while (last > text && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        for (const char *at = text; at < last && fields < 4; fields++) {
            const char *colon = memchr(at, ':', (size_t)(last - at));
            field[fields] = (struct field){at, (size_t)((colon != NULL ? colon : last) - at)};
            at = colon != NULL ? colon + 1 : last;
            if (fields == 3 && colon != NULL)
                return -EBADMSG;
        }
        int error = fields > 0 ? add_line(acl, field, fields) : 0;
        if (error < 0)
            return error;
        text = stop + (stop < end);
    }
    return acl->count > 0 ? 0 : -EBADMSG;
}

int acl_from_bytes(struct acl *acl, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint32_t version;
    acl->count = 0;
    if (n < 4 || (n - 4) % 8 != 0)
        return -EBADMSG;
    memcpy(&version, at, 4);
    if (le32toh(version) != VERSION)
        return -EBADMSG;
    for (at += 4; at < (const unsigned char *)bytes + n; at += 8) {
        uint16_t tag, permissions;
        uint32_t id;
        memcpy(&tag, at, 2);
        memcpy(&permissions, at + 2, 2);
        memcpy(&id, at + 4, 4);
        int error = insert(acl, le16toh(tag), le16toh(permissions), le32toh(id));
        if (error < 0)
            return error;
    }
    return acl->count > 0 ? 0 : -EBADMSG;
}

bool acl_is_valid(const struct acl *acl)
{
    unsigned count[OTHER + 1] = {0};
    for (unsigned i = 0; i < acl->count; i++) {
        const struct acl_entry *e = &acl->entry[i];
        if (e->tag > OTHER || (e->tag & (e->tag - 1)) != 0 || e->tag == 0 || e->permissions > 7)
            return false;
        count[e->tag]++;
    }
    bool named = count[USER] + count[GROUP] > 0;
    return count[USER_OBJ] == 1 && count[GROUP_OBJ] == 1 && count[OTHER] == 1 && count[MASK] <= 1 &&
           (!named || count[MASK] == 1);
}

size_t acl_to_bytes(const struct acl *acl, void *bytes)
{
    unsigned char *at = bytes;
    uint32_t version = htole32(VERSION);
    memcpy(at, &version, 4);
    at += 4;
    for (unsigned i = 0; i < acl->count; i++, at += 8) {
        const struct acl_entry *e = &acl->entry[i];
        uint16_t tag = htole16(e->tag), permissions = htole16(e->permissions);
        uint32_t id = htole32(e->id);
        memcpy(at, &tag, 2);
        memcpy(at + 2, &permissions, 2);
        memcpy(at + 4, &id, 4);
    }
    return (size_t)(at - (unsigned char *)bytes);
}
