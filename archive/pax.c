// SPDX-License-Identifier: MIT
#include "archive/pax.h"

#include <errno.h>
#include <string.h>

enum { XATTR_NAME_BYTES = 256, XATTR_VALUE_BYTES = 64 << 10 }; // xattr(7): more can't be set

// -- numbers and times -------------------------------------------------------------------------

bool pax_number(const char *text, size_t n, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || digit > max || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

// [-]SECONDS[.FRACTION]; what is finer than a nanosecond is cut off.
static bool parse_time(const char *text, size_t n, struct pax_time *time)
{
    bool negative = n > 0 && text[0] == '-';
    if (negative) {
        text++;
        n--;
    }
    const char *point = memchr(text, '.', n);
    size_t whole = point != NULL ? (size_t)(point - text) : n;
    uint64_t seconds;
    uint32_t nanoseconds = 0, unit = 100000000;
    if (!pax_number(text, whole, INT64_MAX, &seconds))
        return false;
    for (size_t i = whole + 1; i < n; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        nanoseconds += digit * unit;
        unit /= 10;
    }
    time->seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
    time->nanoseconds = nanoseconds;
    if (negative && nanoseconds > 0) { // -1.25 is 0.75 after -2
        time->seconds--;
        time->nanoseconds = 1000000000 - nanoseconds;
    }
    return true;
}

// -- records -----------------------------------------------------------------------------------

struct record {
    char *key, *value;
    size_t key_length, value_length;
};

// The record at *at, which is left behind it; false if there is none as it must be.
static bool next_record(char *data, size_t size, size_t *at, struct record *record)
{
    char *start = data + *at, *end = data + size;
    char *blank = memchr(start, ' ', (size_t)(end - start) < 8 ? (size_t)(end - start) : 8);
    uint64_t length;
    // "5 x=\n" is the shortest, and no length has a leading zero.
    if (blank == NULL || start[0] == '0' || !pax_number(start, (size_t)(blank - start), PAX_MAX, &length) ||
        length > (uint64_t)(end - start) || length < (uint64_t)(blank - start) + 4)
        return false;
    char *last = start + length - 1;
    record->key = blank + 1;
    char *equals = record->key;
    while (equals < last && *equals != '=' && *equals != '\0')
        equals++;
    if (equals == last || equals == record->key || (*last != '\n' && *last != '\0'))
        return false;
    if (*record->key == ' ' || *record->key == '\t') // GNU tar skips them, and others see another key
        return false;
    record->key_length = (size_t)(equals - record->key);
    record->value = equals + 1;
    record->value_length = (size_t)(last - record->value);
    *at += length;
    return true;
}

static const struct key_row {
    const char *name;
    enum pax_key key;
    bool prefix; // of a family of keys
} keys[] = {
    {"path", PAX_PATH, false},
    {"linkpath", PAX_LINKPATH, false},
    {"size", PAX_SIZE, false},
    {"uid", PAX_UID, false},
    {"gid", PAX_GID, false},
    {"mtime", PAX_MTIME, false},
    {"atime", PAX_ATIME, false},
    {"GNU.sparse.major", PAX_SPARSE_MAJOR, false},
    {"GNU.sparse.minor", PAX_SPARSE_MINOR, false},
    {"GNU.sparse.name", PAX_SPARSE_NAME, false},
    {"GNU.sparse.realsize", PAX_SPARSE_REALSIZE, false},
    {"GNU.sparse.size", PAX_SPARSE_SIZE, false},
    {"GNU.sparse.numblocks", PAX_SPARSE_BLOCKS, false},
    {"GNU.sparse.map", PAX_SPARSE_MAP, false},
    {"GNU.sparse.offset", PAX_SPARSE_OFFSET, false},
    {"GNU.sparse.numbytes", PAX_SPARSE_BYTES, false},
    {"SCHILY.xattr.", PAX_ATTRIBUTE, true},
    {"LIBARCHIVE.xattr.", PAX_ATTRIBUTE, true},
    {"SCHILY.acl.", PAX_ATTRIBUTE, true},
};

static const struct key_row *find_key(const struct record *record)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t n = strlen(keys[i].name);
        if (keys[i].prefix ? record->key_length < n : record->key_length != n)
            continue;
        if (memcmp(record->key, keys[i].name, n) == 0)
            return &keys[i];
    }
    return NULL;
}

static bool take_text(const struct record *r, const char **text)
{
    *text = r->value;
    return r->value_length > 0 && memchr(r->value, '\0', r->value_length) == NULL;
}

static bool take_number(const struct record *r, uint64_t *number)
{
    return pax_number(r->value, r->value_length, INT64_MAX, number);
}

static bool take_value(struct pax *pax, const struct record *r, enum pax_key key, const struct pax_sparse *sparse)
{
    uint64_t number;
    switch (key) {
    case PAX_PATH:
        return take_text(r, &pax->path);
    case PAX_LINKPATH:
        return take_text(r, &pax->linkpath);
    case PAX_SPARSE_NAME:
        return take_text(r, &pax->sparse_name);
    case PAX_SPARSE_MAP:
        return take_text(r, &pax->sparse_map);
    case PAX_SIZE:
        return take_number(r, &pax->size);
    case PAX_UID:
        return take_number(r, &pax->uid);
    case PAX_GID:
        return take_number(r, &pax->gid);
    case PAX_MTIME:
        return parse_time(r->value, r->value_length, &pax->mtime);
    case PAX_ATIME:
        return parse_time(r->value, r->value_length, &pax->atime);
    case PAX_SPARSE_MAJOR:
        return take_number(r, &pax->sparse_major);
    case PAX_SPARSE_MINOR:
        return take_number(r, &pax->sparse_minor);
    case PAX_SPARSE_REALSIZE: // two names of one thing, in two versions
    case PAX_SPARSE_SIZE:
        return (pax->has & (PAX_BIT(PAX_SPARSE_REALSIZE) | PAX_BIT(PAX_SPARSE_SIZE))) == 0 &&
               take_number(r, &pax->sparse_size);
    case PAX_SPARSE_BLOCKS:
        return take_number(r, &pax->sparse_blocks);
    case PAX_SPARSE_OFFSET:
    case PAX_SPARSE_BYTES:
        return sparse != NULL && take_number(r, &number) && sparse->take(sparse->context, key, number) == 0;
    default:
        return true; // attributes are looked at later
    }
}

int pax_parse(struct pax *pax, char *data, size_t size, const struct pax_sparse *sparse)
{
    const unsigned repeated = PAX_BIT(PAX_SPARSE_OFFSET) | PAX_BIT(PAX_SPARSE_BYTES) | PAX_BIT(PAX_ATTRIBUTE);
    *pax = (struct pax){.why = "a malformed pax record"};
    for (size_t at = 0; at < size;) {
        struct record record;
        if (!next_record(data, size, &at, &record) ||
            record.value[-1] != '=' || record.value[record.value_length] != '\n')
            return -EBADMSG;
        const struct key_row *row = find_key(&record);
        if (row == NULL)
            continue;
        unsigned bit = PAX_BIT(row->key);
        if ((pax->has & bit & ~repeated) != 0) {
            pax->why = "a pax record that stands there twice";
            return -EBADMSG;
        }
        if (!take_value(pax, &record, row->key, sparse)) {
            pax->why = "a pax record whose value is malformed";
            return -EBADMSG;
        }
        pax->has |= bit;
        record.value[record.value_length] = '\0';
    }
    return 0;
}

// -- attributes --------------------------------------------------------------------------------

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// GNU tar writes "=" and "%" in names as %3D and %25, since a key ends at the first "=", and nothing else so.
static bool decode_key(const char *from, size_t n, char *to)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        bool equals = n - i > 2 && memcmp(from + i, "%3D", 3) == 0;
        bool percent = n - i > 2 && memcmp(from + i, "%25", 3) == 0;
        if (length + 1 == XATTR_NAME_BYTES)
            return false;
        to[length++] = from[i];
        if (!equals && !percent)
            continue;
        to[length - 1] = equals ? '=' : '%';
        i += 2;
    }
    to[length] = '\0';
    return true;
}

// libarchive writes names with %XX and values in base64.
static bool decode_name(const char *from, size_t n, char *to)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(from[i + 1]) : -1, low = high >= 0 ? hex_digit(from[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (length + 1 == XATTR_NAME_BYTES)
            return false;
        to[length++] = c;
    }
    to[length] = '\0';
    return true;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static bool decode_base64(const char *from, size_t n, unsigned char *to, size_t *length)
{
    uint32_t bits = 0;
    unsigned count = 0;
    *length = 0;
    while (n > 0 && from[n - 1] == '=') // libarchive leaves them out
        n--;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(from[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (*length == XATTR_VALUE_BYTES)
            return false;
        to[(*length)++] = (unsigned char)(bits >> count);
    }
    return true;
}

static bool starts_with(const struct record *r, const char *prefix)
{
    size_t n = strlen(prefix);
    return r->key_length >= n && memcmp(r->key, prefix, n) == 0;
}

static bool take_attribute(const struct record *r, struct pax_attribute *a)
{
    static char name[XATTR_NAME_BYTES];
    static unsigned char value[XATTR_VALUE_BYTES];
    *a = (struct pax_attribute){PAX_XATTR, NULL, r->value, r->value_length};
    if (starts_with(r, "SCHILY.xattr.")) {
        size_t n = strlen("SCHILY.xattr.");
        a->name = name;
        return decode_key(r->key + n, r->key_length - n, name);
    }
    if (starts_with(r, "LIBARCHIVE.xattr.")) {
        size_t n = strlen("LIBARCHIVE.xattr.");
        a->name = name;
        a->value = value;
        return decode_name(r->key + n, r->key_length - n, name) &&
               decode_base64(r->value, r->value_length, value, &a->length);
    }
    a->kind = starts_with(r, "SCHILY.acl.default") ? PAX_ACL_DEFAULT : PAX_ACL_ACCESS;
    return true;
}

static bool is_attribute(const struct record *r)
{
    static const char *const exact[] = {"SCHILY.acl.access", "SCHILY.acl.default"}; // other kinds are NFSv4's
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        if (r->key_length == strlen(exact[i]) && starts_with(r, exact[i]))
            return true;
    }
    return starts_with(r, "SCHILY.xattr.") || starts_with(r, "LIBARCHIVE.xattr.");
}

int pax_next_attribute(char *data, size_t size, size_t *at, struct pax_attribute *attribute, const char **why)
{
    struct record record;
    while (*at < size) {
        if (!next_record(data, size, at, &record))
            return -EBADMSG;
        if (!is_attribute(&record))
            continue;
        if (take_attribute(&record, attribute))
            return 1;
        *why = "an extended attribute that can't be decoded";
        return -EBADMSG;
    }
    return 0;
}
