// SPDX-License-Identifier: MIT
//
// POSIX ACLs: as text (acl(5), and star's form with the number as a fourth field), and as the kernel keeps them
// in system.posix_acl_access and system.posix_acl_default (linux/posix_acl_xattr.h).
#ifndef ARCHIVE_ACL_H
#define ARCHIVE_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACL_ENTRIES_MAX = 1024, ACL_BYTES_MAX = 4 + 8 * ACL_ENTRIES_MAX };

struct acl {
    unsigned count;
    struct acl_entry {
        uint16_t tag, permissions;
        uint32_t id;
    } entry[ACL_ENTRIES_MAX];
};

// -EBADMSG; -ESRCH for a name where a number must be: nobody is asked what it means; -E2BIG.
int acl_from_text(struct acl *acl, const char *text, size_t n);
int acl_from_bytes(struct acl *acl, const void *bytes, size_t n);

// As acl(5) has it: one entry each for owner, group and others, and a mask where others are named.
bool acl_is_valid(const struct acl *acl);

bool acl_entry_is_user(const struct acl_entry *entry);
bool acl_entry_is_group(const struct acl_entry *entry);

// Into room for ACL_BYTES_MAX: how many bytes.
size_t acl_to_bytes(const struct acl *acl, void *bytes);

#endif
