// SPDX-License-Identifier: MIT
#include "archive/tar_header.h"

#include <string.h>

enum tar_format tar_header_format(const struct tar_header *h)
{
    if (memcmp(h->magic, "ustar", 6) == 0)
        return memcmp(h->star_trailer, "tar", 4) == 0 ? TAR_STAR : TAR_USTAR;
    if (memcmp(h->magic, "ustar ", 6) == 0)
        return memcmp(h->version, " ", 2) == 0 ? TAR_GNU : TAR_UNKNOWN;
    return TAR_V7;
}

bool tar_header_is_zero(const void *block)
{
    const unsigned char *at = block;
    uint64_t any = 0;
    for (size_t i = 0; i < sizeof(struct tar_header); i += sizeof(any)) {
        uint64_t word;
        memcpy(&word, at + i, sizeof(word));
        any |= word;
        if (any != 0)
            return false;
    }
    return true;
}

// Four sums of 16 bits in each of two words: 64 words of at most 2 * 255 each fit.
static unsigned sum_bytes(const struct tar_header *h)
{
    const uint64_t low = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t sums = 0;
    for (size_t i = 0; i < sizeof(*h); i += sizeof(sums)) {
        uint64_t word;
        memcpy(&word, (const char *)h + i, sizeof(word));
        sums += (word & low) + (word >> 8 & low);
    }
    unsigned sum = 0;
    for (; sums != 0; sums >>= 16)
        sum += sums & 0xffff;
    return sum;
}

bool tar_header_is_valid(const struct tar_header *h)
{
    int64_t wanted;
    // In octal, and nothing else: GNU tar and libarchive take no other.
    if ((h->checksum[0] & 0x80) != 0 || tar_header_is_empty(h->checksum, sizeof(h->checksum)) ||
        !TAR_NUMBER(h->checksum, &wanted))
        return false;
    // The checksum's own bytes count as blanks.
    int64_t sum = sum_bytes(h) + (int64_t)(sizeof(h->checksum) * ' '), high = 0;
    const unsigned char *bytes = (const unsigned char *)h;
    for (size_t i = 0; i < sizeof(h->checksum); i++)
        sum -= (unsigned char)h->checksum[i];
    if (sum == wanted)
        return true;
    for (size_t i = 0; i < sizeof(*h); i++)
        high += bytes[i] >> 7;
    for (size_t i = 0; i < sizeof(h->checksum); i++)
        high -= (unsigned char)h->checksum[i] >> 7;
    return sum - 256 * high == wanted; // as old Sun tars summed up
}

static bool base_256(const unsigned char *field, size_t n, int64_t *value)
{
    bool negative = field[0] == 0xff;
    uint64_t sum = negative ? UINT64_MAX : 0;
    if (field[0] != 0x80 && !negative)
        return false;
    for (size_t i = 1; i < n; i++) {
        // What is pushed out at the top must be the sign.
        if (sum >> 56 != (negative ? 0xff : 0))
            return false;
        sum = sum << 8 | field[i];
    }
    *value = (int64_t)sum;
    return (*value < 0) == negative;
}

bool tar_header_is_empty(const char *field, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (field[i] != '\0' && field[i] != ' ')
            return false;
    }
    return true;
}

bool tar_header_number(const char *field, size_t n, int64_t *value)
{
    size_t i = 0;
    if ((field[0] & 0x80) != 0)
        return base_256((const unsigned char *)field, n, value);
    *value = 0;
    while (i < n && field[i] == ' ')
        i++;
    // A NUL in front of digits: some read the digits, others nothing.
    if (i == n || field[i] == '\0')
        return tar_header_is_empty(field, n);
    size_t digits = i;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (field[i] - '0');
    // What follows the NUL that ends it nobody reads; a blank may be followed by blanks only.
    return i > digits && (i == n || field[i] == '\0' || tar_header_is_empty(field + i, n - i));
}
