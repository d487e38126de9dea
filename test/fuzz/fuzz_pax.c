// SPDX-License-Identifier: MIT
// Any bytes as the records of a pax header, and what was taken as attributes.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/pax.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

// Most of the time lengths are made right: a record is what a newline ends.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    uint8_t *out = malloc(max_size);
    size_t made = 0;
    MUST(out != NULL);
    for (size_t at = 0; seed % 4 != 0 && at < size;) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t end = newline != NULL ? (size_t)(newline - data) : size, start = at;
        while (start < end && data[start] >= '0' && data[start] <= '9')
            start++;
        size_t n = end - start + 1, length = n + 1; // the blank is the text's own
        while (length != n + (size_t)snprintf(NULL, 0, "%zu", length))
            length = n + (size_t)snprintf(NULL, 0, "%zu", length);
        if (length > max_size - made || length > 9999)
            break;
        char digits[8];
        int digit_count = snprintf(digits, sizeof(digits), "%zu", length);
        memcpy(out + made, digits, (size_t)digit_count);
        memcpy(out + made + digit_count, data + start, n - 1);
        out[made + length - 1] = '\n';
        made += length;
        at = end + 1;
    }
    if (made > 0) {
        memcpy(data, out, made);
        size = made;
    }
    free(out);
    return size;
}

// The grammar once more: "LENGTH KEY=VALUE\n", of at least 5 bytes.
static bool is_well_formed(const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t digits = 0, length = 0;
        for (; digits < size && digits < 8 && data[digits] >= '0' && data[digits] <= '9'; digits++)
            length = length * 10 + (data[digits] - (size_t)'0');
        if (digits == 0 || data[0] == '0' || digits == size || data[digits] != ' ' || length > size ||
            length < digits + 4 || data[length - 1] != '\n')
            return false;
        const uint8_t *key = data + digits + 1, *equals = memchr(key, '=', length - digits - 2);
        if (equals == NULL || equals == key || memchr(key, '\0', (size_t)(equals - key)) != NULL ||
            *key == ' ' || *key == '\t')
            return false;
        data += length;
        size -= length;
    }
    return true;
}

struct pairs {
    bool open;
    unsigned count;
};

static int take_pair(void *context, enum pax_key key, uint64_t value)
{
    struct pairs *pairs = context;
    MUST(value <= INT64_MAX && (key == PAX_SPARSE_OFFSET || key == PAX_SPARSE_BYTES));
    if (pairs->open == (key == PAX_SPARSE_OFFSET))
        return -1;
    pairs->open = !pairs->open;
    pairs->count++;
    return 0;
}

static void check_text(const struct pax *pax, enum pax_key key, const char *text, const char *data,
                       size_t size)
{
    if ((pax->has & PAX_BIT(key)) != 0)
        MUST(text > data && text < data + size && *text != '\0' &&
             strnlen(text, size) < (size_t)(data + size - text));
}

static void check(const struct pax *pax, const char *data, size_t size)
{
    check_text(pax, PAX_PATH, pax->path, data, size);
    check_text(pax, PAX_LINKPATH, pax->linkpath, data, size);
    check_text(pax, PAX_SPARSE_NAME, pax->sparse_name, data, size);
    check_text(pax, PAX_SPARSE_MAP, pax->sparse_map, data, size);
    MUST(pax->size <= INT64_MAX && pax->uid <= INT64_MAX && pax->gid <= INT64_MAX);
    MUST(pax->mtime.nanoseconds < 1000000000 && pax->atime.nanoseconds < 1000000000);
    MUST((pax->has & PAX_BIT(PAX_SPARSE_REALSIZE)) == 0 || (pax->has & PAX_BIT(PAX_SPARSE_SIZE)) == 0);
}

// How many there are, or the error; their bytes are looked at.
static int each_attribute(char *data, size_t size, unsigned *sum)
{
    struct pax_attribute a;
    const char *why = NULL;
    size_t at = 0;
    int got, count = 0;
    for (; (got = pax_next_attribute(data, size, &at, &a, &why)) > 0; count++) {
        const char *value = a.value;
        MUST(at <= size && (a.kind != PAX_XATTR || strlen(a.name) < 256));
        for (const char *name = a.kind == PAX_XATTR ? a.name : ""; *name != '\0'; name++)
            *sum = *sum * 31 + (unsigned char)*name;
        for (size_t i = 0; i < a.length; i++)
            *sum = *sum * 31 + (unsigned char)value[i];
    }
    MUST(got == 0 || why != NULL);
    return got < 0 ? got : count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pax pax;
    struct pairs pairs = {false, 0};
    char *copy = malloc(size + (size == 0));
    MUST(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    if (pax_parse(&pax, copy, size, &(struct pax_sparse){take_pair, &pairs}) == 0) {
        unsigned first = 0, second = 0;
        MUST(is_well_formed(data, size));
        check(&pax, copy, size);
        int count = each_attribute(copy, size, &first);
        MUST(each_attribute(copy, size, &second) == count && first == second);
        MUST(count == 0 || (pax.has & PAX_BIT(PAX_ATTRIBUTE)) != 0);
        check(&pax, copy, size); // they are left as they were
    } else {
        MUST(pax.why != NULL && pax.why[0] != '\0');
    }
    free(copy);
    return 0;
}
