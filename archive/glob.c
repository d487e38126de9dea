// SPDX-License-Identifier: MIT
#include "archive/glob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int globs_add(struct globs *globs, const char *pattern, size_t n)
{
    if (globs->count == GLOBS_MAX)
        return -E2BIG;
    if (globs->count == globs->room) {
        unsigned room = globs->room == 0 ? 16 : 2 * globs->room;
        char **bigger = reallocarray(globs->pattern, room, sizeof(*bigger));
        if (bigger == NULL)
            return -ENOMEM;
        globs->pattern = bigger;
        globs->room = room;
    }
    char *copy = strndup(pattern, n);
    if (copy == NULL)
        return -ENOMEM;
    globs->pattern[globs->count++] = copy;
    return 0;
}

// One character against a `[...]` at *pattern, which is left behind it. One that is not closed is itself.
static bool match_bracket(const char **pattern, unsigned char c)
{
    const char *p = *pattern + 1;
    bool negated = *p == '!' || *p == '^', found = false;
    p += negated;
    const char *first = p;
    while (*p != '\0' && (*p != ']' || p == first)) {
        unsigned char low = (unsigned char)*p++, high = low;
        if (*p == '-' && p[1] != '\0' && p[1] != ']') {
            high = (unsigned char)p[1];
            p += 2;
        }
        found |= c >= low && c <= high;
    }
    if (*p == '\0') {
        ++*pattern;
        return c == '[';
    }
    *pattern = p + 1;
    return found != negated && c != '/';
}

// One character that is no star; *pattern is left behind it.
static bool match_one(const char **pattern, unsigned char c)
{
    unsigned char p = (unsigned char)**pattern;
    if (p == '[')
        return match_bracket(pattern, c);
    if (p == '\\' && (*pattern)[1] != '\0')
        p = (unsigned char)*++*pattern;
    else if (p == '?' && c != '/') {
        ++*pattern;
        return true;
    }
    ++*pattern;
    return p == c;
}

// Two places to come back to, no recursion: a `*` that fails at a slash leaves it to the last `**`.
bool glob_matches(const char *pattern, const char *text, bool above)
{
    struct {
        const char *pattern, *text;
    } star = {NULL, NULL}, stars = {NULL, NULL};
    for (;;) {
        if (pattern[0] == '*') {
            bool any = pattern[1] == '*';
            pattern += any ? 2 : 1;
            if (any) {
                stars.pattern = pattern;
                stars.text = text;
                star.pattern = NULL;
            } else {
                star.pattern = pattern;
                star.text = text;
            }
            continue;
        }
        if (*pattern == '\0' && (*text == '\0' || (above && *text == '/')))
            return true;
        if (*text != '\0' && *pattern != '\0') {
            const char *next = pattern;
            if (match_one(&next, (unsigned char)*text)) {
                pattern = next;
                text++;
                continue;
            }
        }
        if (star.pattern != NULL && *star.text != '\0' && *star.text != '/') {
            text = ++star.text;
            pattern = star.pattern;
        } else if (stars.pattern != NULL && *stars.text != '\0') {
            text = ++stars.text;
            pattern = stars.pattern;
            star.pattern = NULL;
        } else {
            return false;
        }
    }
}

bool globs_match_path(const struct globs *globs, const char *path)
{
    for (unsigned i = 0; i < globs->count; i++) {
        if (glob_matches(globs->pattern[i], path, true))
            return true;
    }
    return false;
}
