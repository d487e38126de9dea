// SPDX-License-Identifier: MIT
#include "sys/text.h"

#include <string.h>

void text_add(struct text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->length + n < t->size)
        memcpy(t->data + t->length, s, n);
    t->length += n;
}

void text_number(struct text *t, uint64_t n)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    text_add(t, digits + at);
}

void text_signed(struct text *t, int64_t n)
{
    if (n < 0)
        text_add(t, "-");
    text_number(t, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

bool text_end(struct text *t)
{
    bool fits = t->length < t->size;
    t->data[fits ? t->length : t->size - 1] = '\0';
    return fits;
}

void text_from_number(char *s, uint32_t n)
{
    struct text t = {s, 11, 0};
    text_number(&t, n);
    text_end(&t);
}
