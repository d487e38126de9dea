// SPDX-License-Identifier: MIT
#include "archive/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys/err.h"

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif

// -- which -------------------------------------------------------------------------------------

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool attributes_are_taken(const struct globs *patterns, const char *name)
{
    static const char *const to_be_named[] = {"trusted.overlay.", "user.overlay.", "trusted.", "security.selinux"};
    const char *prefix = "";
    for (size_t i = sizeof(to_be_named) / sizeof(to_be_named[0]); i-- > 0;) {
        if (starts_with(name, to_be_named[i]))
            prefix = to_be_named[i];
    }
    for (unsigned i = 0; i < patterns->count; i++) {
        if (starts_with(patterns->pattern[i], prefix) && glob_matches(patterns->pattern[i], name, false))
            return true;
    }
    return false;
}

// -- attributes --------------------------------------------------------------------------------

// struct xattr_args of setxattrat(2)
struct xattr_args {
    uint64_t value __attribute__((aligned(8)));
    uint32_t size, flags;
};

// What can't be opened is named, as setxattrat(2) takes no O_PATH descriptor; it is not followed.
static int set_by_name(int parent, const char *leaf, const struct pax_attribute *a)
{
    struct xattr_args args = {(uint64_t)(uintptr_t)a->value, (uint32_t)a->length, 0};
    // Before 6.13 there is no way below a descriptor: an error.
    long result = syscall(SYS_setxattrat, parent, leaf, AT_SYMLINK_NOFOLLOW, a->name, &args, sizeof(args));
    return result == 0 ? 0 : -errno;
}

static int set_failed(const struct extract *x, const char *name, int error)
{
    if (error == -ERANGE || error == -E2BIG || error == -EINVAL)
        return extract_refuse_as(x, -error, "xattr", "an extended attribute that Linux does not take");
    extract_failed(x, "setxattr", -error);
    err_hint2("--xattrs=none leaves all of them out, --xattrs=GLOB,... takes some; this one is ", name);
    return error;
}

static bool is_acl(const char *name)
{
    return strcmp(name, ATTRIBUTE_ACL_ACCESS) == 0 || strcmp(name, ATTRIBUTE_ACL_DEFAULT) == 0;
}

// The next one that is taken: 1; 0 after the last; -errno.
static int next_taken(struct extract *x, size_t *at, struct pax_attribute *a)
{
    int got;
    while ((got = tar_attribute(x->reader, at, a)) > 0) {
        if (a->kind == PAX_XATTR && !is_acl(a->name) && attributes_are_taken(&x->o->xattrs, a->name))
            return 1;
    }
    return got;
}

int attributes_set(struct extract *x, int fd)
{
    struct pax_attribute a;
    size_t at = 0;
    int got;
    while ((got = next_taken(x, &at, &a)) > 0) {
        if (fsetxattr(fd, a.name, a.value, a.length, 0) != 0)
            return set_failed(x, a.name, -errno);
    }
    return got;
}

int attributes_set_node(struct extract *x, int parent)
{
    struct pax_attribute a;
    size_t at = 0;
    int got;
    while ((got = next_taken(x, &at, &a)) > 0) {
        if (starts_with(a.name, "user.") || strcmp(a.name, XATTR_NAME_CAPS) == 0)
            return extract_refuse(x, "xattr", "an extended attribute that only files and directories can have");
        int error = set_by_name(parent, name_leaf(&x->name), &a);
        if (error < 0)
            return set_failed(x, a.name, error);
    }
    return got;
}

// -- ACLs --------------------------------------------------------------------------------------

// Ids in ACLs are the archive's, like owners.
static int map_entries(const struct extract *x, struct acl *acl)
{
    for (unsigned i = 0; i < acl->count; i++) {
        struct acl_entry *e = &acl->entry[i];
        bool user = acl_entry_is_user(e);
        const struct id_maps *maps = user ? &x->o->map_uid : &x->o->map_gid;
        if ((!user && !acl_entry_is_group(e)) || maps->count == 0 || ids_find_outer(maps, e->id, &e->id))
            continue;
        return extract_refuse(x, user ? "--map-uid" : "--map-gid", "an id of its ACL is not in the map");
    }
    return 0;
}

static int take_acl(struct extract *x, const struct pax_attribute *a, void *bytes, size_t *size)
{
    static struct acl acl;
    int error = a->kind == PAX_XATTR ? acl_from_bytes(&acl, a->value, a->length)
                                     : acl_from_text(&acl, a->value, a->length);
    if (error == -ESRCH) {
        extract_refuse_as(x, EINVAL, "acl", "its ACL names a user or group by name, and only numbers are taken");
        err_hint("GNU tar writes numbers with --numeric-owner");
        return -EINVAL;
    }
    if (error < 0)
        return extract_refuse_as(x, -error, "acl", "its ACL is malformed");
    if (!acl_is_valid(&acl))
        return extract_refuse_as(x, EINVAL, "acl", "its ACL is not one that acl(5) allows");
    error = map_entries(x, &acl);
    if (error == 0)
        *size = acl_to_bytes(&acl, bytes);
    return error;
}

int attributes_acls(struct extract *x, void *access, size_t *access_size, void *inherited, size_t *inherited_size)
{
    struct pax_attribute a;
    size_t at = 0;
    int got;
    *access_size = *inherited_size = 0;
    if (!x->o->acls)
        return 0;
    while ((got = tar_attribute(x->reader, &at, &a)) > 0) {
        bool is_default = a.kind == PAX_ACL_DEFAULT;
        if (a.kind == PAX_XATTR && !is_acl(a.name))
            continue;
        if (a.kind == PAX_XATTR)
            is_default = strcmp(a.name, ATTRIBUTE_ACL_DEFAULT) == 0;
        if (a.length == 0) // GNU tar writes an empty one for none
            continue;
        int error = is_default ? take_acl(x, &a, inherited, inherited_size) : take_acl(x, &a, access, access_size);
        if (error < 0)
            return error;
    }
    return got;
}

int attributes_set_acls(struct extract *x, int fd)
{
    char access[ACL_BYTES_MAX], inherited[ACL_BYTES_MAX];
    size_t size, inherited_size;
    int error = attributes_acls(x, access, &size, inherited, &inherited_size);
    if (error == 0 && inherited_size > 0)
        error = extract_refuse(x, "acl", "a default ACL on what is no directory");
    if (error < 0 || size == 0)
        return error;
    if (fsetxattr(fd, ATTRIBUTE_ACL_ACCESS, access, size, 0) == 0)
        return 1;
    bool unmapped = errno == EINVAL; // it was looked at before
    extract_failed(x, "setxattr", errno);
    err_hint(unmapped ? "its ACL has an id that is not mapped in this user namespace: without --acls they are left out"
                      : "without --acls they are left out");
    return -EPERM;
}
