// SPDX-License-Identifier: MIT
//
// Extended attributes and ACLs of an entry: which of them are taken, and setting them. xattr(7), acl(5).
#ifndef ARCHIVE_ATTRIBUTES_H
#define ARCHIVE_ATTRIBUTES_H

#include "archive/acl.h"
#include "archive/extract.h"

#define ATTRIBUTE_ACL_ACCESS  "system.posix_acl_access"
#define ATTRIBUTE_ACL_DEFAULT "system.posix_acl_default"

// Whether a pattern takes the attribute. What rules an overlay, a label of the host's and trusted.* are taken only by
// a pattern that begins with their prefix.
bool attributes_are_taken(const struct globs *patterns, const char *name);

// Sets those that are taken and no ACLs, of a file or directory that is open. -errno, recorded.
int attributes_set(struct extract *x, int fd);

// The same of anything else, in `parent`. user.* and capabilities it can't have: refused.
int attributes_set_node(struct extract *x, int parent);

// Sets the access ACL of an open file, with --acls: 1 if there was one, else 0; -errno, recorded.
int attributes_set_acls(struct extract *x, int fd);

// The ACLs as the kernel keeps them, in room for ACL_BYTES_MAX each; with --acls, else none.
int attributes_acls(struct extract *x, void *access, size_t *access_size, void *inherited, size_t *inherited_size);

#endif
