// SPDX-License-Identifier: MIT
#include "archive/names.h"

#include <errno.h>
#include <string.h>

static int append(struct name *name, const char *component, size_t n)
{
    size_t slash = name->length > 0;
    if (n > NAME_MAX || name->length + slash + n >= sizeof(name->path))
        return -ENAMETOOLONG;
    name->parent = name->length;
    if (slash)
        name->path[name->length++] = '/';
    memcpy(name->path + name->length, component, n);
    name->length += n;
    name->path[name->length] = '\0';
    name->depth++;
    return 0;
}

static int append_all(struct name *name, const char *text, unsigned strip)
{
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "/");
        const char *component = at;
        at += n + (at[n] == '/');
        if (n == 0 || (n == 1 && component[0] == '.'))
            continue;
        if (n == 2 && component[0] == '.' && component[1] == '.')
            return -EPERM;
        if (strip > 0) {
            strip--;
            continue;
        }
        int error = append(name, component, n);
        if (error < 0)
            return error;
    }
    return 0;
}

int name_make(struct name *name, const char *directory, const char *text, unsigned strip)
{
    name->path[0] = '\0';
    name->length = name->depth = name->parent = 0;
    int error = append_all(name, directory, 0);
    size_t before = name->depth;
    if (error == 0)
        error = append_all(name, text, strip);
    if (error == 0 && strip > 0 && name->depth == before)
        return -ENODATA; // its own directory was stripped, or more
    return error;
}

const char *name_leaf(const struct name *name)
{
    return name->path + name->parent + (name->parent > 0);
}

bool name_link_climbs(size_t depth, const char *target)
{
    bool down = false;
    if (target[0] == '/')
        return true;
    for (const char *at = target; *at != '\0';) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            if (down || depth-- == 0)
                return true;
        } else if (n > 0 && !(n == 1 && at[0] == '.')) {
            down = true;
        }
        at += n + (at[n] == '/');
    }
    return false;
}
