// SPDX-License-Identifier: MIT
//
// The records of pax headers: "LENGTH KEY=VALUE\n" (POSIX.1-2001, pax), and what GNU tar, star and libarchive add.
#ifndef ARCHIVE_PAX_H
#define ARCHIVE_PAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAX_MAX = 1 << 20 }; // bytes of one header's records

struct pax_time {
    int64_t seconds;
    uint32_t nanoseconds;
};

enum pax_key {
    PAX_PATH,
    PAX_LINKPATH,
    PAX_SIZE,
    PAX_UID,
    PAX_GID,
    PAX_MTIME,
    PAX_ATIME,
    PAX_SPARSE_MAJOR,
    PAX_SPARSE_MINOR,
    PAX_SPARSE_NAME,
    PAX_SPARSE_REALSIZE,
    PAX_SPARSE_SIZE,
    PAX_SPARSE_BLOCKS,
    PAX_SPARSE_MAP,
    PAX_SPARSE_OFFSET, // of format 0.0, with the next one: as often as there are regions
    PAX_SPARSE_BYTES,
    PAX_ATTRIBUTE, // SCHILY.xattr., LIBARCHIVE.xattr., SCHILY.acl.
    PAX_KEYS,
};
#define PAX_BIT(key) (1U << (key))

struct pax {
    unsigned has; // PAX_BIT of each key that was seen
    const char *path, *linkpath, *sparse_name, *sparse_map;
    uint64_t size, uid, gid, sparse_major, sparse_minor, sparse_size, sparse_blocks;
    struct pax_time mtime, atime;
    const char *why; // what is wrong, after an error
};

// Where the offsets and lengths of sparse format 0.0 go, in their order: 0 or -errno.
struct pax_sparse {
    int (*take)(void *context, enum pax_key key, uint64_t value);
    void *context;
};

// Parses the `size` bytes at `data`, which must stay: strings of `pax` point into them, and newlines that end a
// value become NUL bytes. 0; -EBADMSG and `pax->why`. Keys that are not known are skipped.
int pax_parse(struct pax *pax, char *data, size_t size, const struct pax_sparse *sparse);

// Digits, and nothing else, of at most `max`.
bool pax_number(const char *text, size_t n, uint64_t max, uint64_t *value);

enum pax_attribute_kind { PAX_XATTR, PAX_ACL_ACCESS, PAX_ACL_DEFAULT };

struct pax_attribute {
    enum pax_attribute_kind kind;
    const char *name; // of an xattr, NUL-terminated
    const void *value;
    size_t length;
};

// Goes through the attributes in records that pax_parse() took: *at is 0 at first. 1; 0 after the last; -EBADMSG
// with *why for one that can't be decoded.
int pax_next_attribute(char *data, size_t size, size_t *at, struct pax_attribute *attribute, const char **why);

#endif
