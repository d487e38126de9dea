// SPDX-License-Identifier: MIT
#include "sys/num.h"

#include <limits.h>
#include <string.h>

bool num_prefix(const char *text, uint64_t max, uint64_t *value, const char **end)
{
    const char *s = text;
    uint64_t n = 0;
    if (*s == '0' && s[1] >= '0' && s[1] <= '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        unsigned digit = (unsigned)(*s - '0');
        if (n > (max - digit) / 10 || digit > max)
            return false;
        n = n * 10 + digit;
    }
    if (s == text)
        return false;
    *value = n;
    *end = s;
    return true;
}

bool num_size_prefix(const char *text, uint64_t *value, const char **end)
{
    static const char suffixes[] = "KMGT";
    uint64_t n;
    if (!num_prefix(text, UINT64_MAX - 1, &n, end))
        return false;
    const char *suffix = **end != '\0' ? strchr(suffixes, **end) : NULL;
    unsigned shift = suffix != NULL ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    *end += suffix != NULL;
    *value = n << shift;
    return *value >> shift == n;
}

bool num_decimal(const char *text, uint64_t max, uint64_t *value)
{
    const char *end;
    return num_prefix(text, max, value, &end) && *end == '\0';
}

bool num_octal(const char *text, unsigned max, unsigned *value)
{
    unsigned n = 0;
    const char *s = text;
    if (*s == '0' && s[1] == '0')
        return false;
    for (; *s >= '0' && *s <= '7'; s++) {
        n = n * 8 + (unsigned)(*s - '0');
        if (n > max)
            return false;
    }
    if (s == text || *s != '\0')
        return false;
    *value = n;
    return true;
}

bool num_id(const char *text, uint32_t *id)
{
    uint64_t n;
    if (!num_decimal(text, UINT32_MAX - 1, &n))
        return false;
    *id = (uint32_t)n;
    return true;
}

bool num_fd(const char *text, int *fd)
{
    uint64_t n;
    if (!num_decimal(text, INT_MAX, &n))
        return false;
    *fd = (int)n;
    return true;
}
