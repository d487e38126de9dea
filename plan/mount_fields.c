// SPDX-License-Identifier: MIT
#include "plan/mount_fields.h"

#include <stddef.h>
#include <string.h>

bool mount_fields_are_quoted_well(const char *text)
{
    for (const char *s = text; *s != '\0'; s += *s == ',') {
        if (*s != '"') {
            s += strcspn(s, ",");
            continue;
        }
        for (s++; *s != '\0' && (*s != '"' || s[1] == '"'); s++)
            s += *s == '"';
        if (*s++ == '\0' || (*s != ',' && *s != '\0'))
            return false;
    }
    return true;
}

char *mount_fields_next(char **rest)
{
    char *s = *rest, *field = s, *to = s;
    if (*s != '"') {
        s += strcspn(s, ",");
        to = s;
    } else {
        for (s++; *s != '"' || s[1] == '"'; *to++ = *s++)
            s += *s == '"';
        s++;
    }
    *rest = *s == ',' ? s + 1 : NULL;
    *to = '\0';
    return field;
}
