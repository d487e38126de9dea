// SPDX-License-Identifier: MIT
// Small parsers: ACLs as text and as bytes, patterns, names and link targets. The first byte says which.
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/acl.h"
#include "archive/glob.h"
#include "archive/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

// In memory of just its size.
static char *copy_of(const uint8_t *data, size_t size, bool as_text)
{
    char *copy = malloc(size + 1);
    MUST(copy != NULL);
    if (!as_text)
        copy = realloc(copy, size + (size == 0));
    if (size > 0)
        memcpy(copy, data, size);
    if (as_text)
        copy[size] = '\0';
    return copy;
}

// -- ACLs --------------------------------------------------------------------------------------

static struct acl acl, again;
static unsigned char bytes[ACL_BYTES_MAX];

// Tags ascend, and bytes say the same again.
static void check_acl(bool from_text)
{
    MUST(acl.count > 0 && acl.count <= ACL_ENTRIES_MAX);
    for (unsigned i = 0; i < acl.count; i++) {
        const struct acl_entry *e = &acl.entry[i];
        MUST(i == 0 || acl.entry[i - 1].tag <= e->tag);
        MUST(!from_text || e->permissions <= 7);
        MUST(!from_text || (e->id == UINT32_MAX) == (!acl_entry_is_user(e) && !acl_entry_is_group(e)));
    }
    size_t n = acl_to_bytes(&acl, bytes);
    MUST(n == 4 + 8 * (size_t)acl.count && acl_from_bytes(&again, bytes, n) == 0);
    MUST(again.count == acl.count && memcmp(again.entry, acl.entry, acl.count * sizeof(acl.entry[0])) == 0);
    (void)acl_is_valid(&acl);
}

static void try_acl(const uint8_t *data, size_t size, bool from_text)
{
    char *copy = copy_of(data, size, false);
    int error = from_text ? acl_from_text(&acl, copy, size) : acl_from_bytes(&acl, copy, size);
    MUST(error == 0 || error == -EBADMSG || error == -E2BIG || (from_text && error == -ESRCH));
    if (error == 0)
        check_acl(from_text);
    free(copy);
}

// -- patterns ----------------------------------------------------------------------------------

// Said once more, by recursion: what has neither brackets nor backslashes.
static bool slowly(const char *pattern, const char *text, bool above)
{
    if (*pattern == '\0')
        return *text == '\0' || (above && *text == '/');
    if (*pattern != '*')
        return *text != '\0' && (*pattern == *text || (*pattern == '?' && *text != '/')) &&
               slowly(pattern + 1, text + 1, above);
    bool any = pattern[1] == '*';
    for (;; text++) {
        if (slowly(pattern + (any ? 2 : 1), text, above))
            return true;
        if (*text == '\0' || (!any && *text == '/'))
            return false;
    }
}

static void try_glob(const uint8_t *data, size_t size)
{
    enum { SHORT = 12 };
    const uint8_t *end = memchr(data, '\0', size);
    size_t n = end != NULL ? (size_t)(end - data) : size;
    char *pattern = copy_of(data, n, true), *text = copy_of(data + n, size - n, true);
    const char *from = end != NULL ? text + 1 : text;
    struct globs globs = {.pattern = &pattern, .count = 1, .room = 1};
    bool whole = glob_matches(pattern, from, false), above = glob_matches(pattern, from, true);
    MUST(globs_match_path(&globs, from) == above && (above || !whole));
    if (n <= SHORT && strlen(from) <= SHORT && strpbrk(pattern, "[\\") == NULL)
        MUST(whole == slowly(pattern, from, false) && above == slowly(pattern, from, true));
    free(pattern);
    free(text);
}

// -- names -------------------------------------------------------------------------------------

static void check_name(const struct name *name)
{
    static struct name same;
    size_t components = name->length > 0, last = 0;
    MUST(name->length == strlen(name->path) && name->length < PATH_MAX);
    for (size_t i = 0; i < name->length; i++) {
        if (name->path[i] != '/')
            continue;
        components++;
        last = i;
    }
    MUST(name->depth == components && name->parent == last);
    for (const char *at = name->path; *at != '\0';) {
        size_t n = strcspn(at, "/");
        MUST(n > 0 && n <= NAME_MAX && !(at[0] == '.' && (n == 1 || (n == 2 && at[1] == '.'))));
        at += n;
        MUST(*at == '\0' || at[1] != '\0');
        at += *at == '/';
    }
    MUST(name_leaf(name) == name->path + (last > 0 ? last + 1 : 0));
    MUST(name_make(&same, "", name->path, 0) == 0 && strcmp(same.path, name->path) == 0);
}

// A target that does not climb, walked as text, never goes above where it may.
static void check_target(const char *target, size_t depth)
{
    if (name_link_climbs(depth, target))
        return;
    MUST(target[0] != '/');
    for (const char *at = target; *at != '\0';) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.')
            MUST(depth-- > 0);
        else if (n > 0 && !(n == 1 && at[0] == '.'))
            depth++;
        at += n + (at[n] == '/');
    }
}

static void try_name(const uint8_t *data, size_t size)
{
    static struct name name;
    if (size == 0)
        return;
    unsigned strip = data[0] % 4;
    const char *directory = (data[0] & 4) != 0 ? "d/e" : "";
    char *text = copy_of(data + 1, size - 1, true);
    int error = name_make(&name, directory, text, strip);
    MUST(error == 0 || error == -EPERM || error == -ENAMETOOLONG || (strip > 0 && error == -ENODATA));
    if (error == 0) {
        check_name(&name);
        MUST(strncmp(name.path, directory, strlen(directory)) == 0);
    }
    check_target(text, data[0] / 8 % 4);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        try_acl(data + 1, size - 1, true);
        break;
    case 1:
        try_acl(data + 1, size - 1, false);
        break;
    case 2:
        try_glob(data + 1, size - 1);
        break;
    default:
        try_name(data + 1, size - 1);
    }
    return 0;
}
