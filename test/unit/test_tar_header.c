// SPDX-License-Identifier: MIT
#include "archive/tar_header.h"

#include <stdlib.h>

#include "test/unit/support.h"

enum { UNTOUCHED = 12345 };

#define FIELD(text) text, sizeof(text) - 1

// -- numbers -----------------------------------------------------------------------------------

static const struct {
    const char *field;
    size_t n;
    int64_t value;
} numbers[] = {
    {FIELD("0000644\0"), 0644},
    {FIELD("000644 \0"), 0644}, // v7
    {FIELD("   644 \0"), 0644},
    {FIELD("00000644"), 0644}, // up to the field's end
    {FIELD("77777777"), 077777777},
    {FIELD("777777777777"), INT64_C(0777777777777)},
    {FIELD("00000000000 "), 0},
    {FIELD("0\0\0\0\0\0\0\0"), 0},
    {FIELD("       0"), 0},
    {FIELD("12\0xxxxx"), 012}, // what follows the end is nobody's number
    {FIELD("12  \0 \0 "), 012},
    {FIELD("\0\0\0\0\0\0\0\0"), 0},
    {FIELD("        "), 0},
    {FIELD("   \0   \0"), 0},
    {FIELD(" \0\0\0\0\0\0\0"), 0},
    {FIELD("\0       "), 0},
    {FIELD("\x80\0\0\0\0\0\0\0"), 0},
    {FIELD("\x80\0\0\0\0\0\1\2"), 0x102},
    {FIELD("\x80\xff\xff\xff\xff\xff\xff\xff"), INT64_C(0xffffffffffffff)},
    {FIELD("\x80\0\0\0\0\0\0\2\0\0\0\0"), INT64_C(1) << 33},
    {FIELD("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX},
    {FIELD("\xff\xff\xff\xff\xff\xff\xff\xff"), -1},
    {FIELD("\xff\xff\xff\xff\xff\xff\xff\xfe"), -2},
    {FIELD("\xff\0\0\0\0\0\0\0"), -(INT64_C(1) << 56)},
    {FIELD("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -1},
    {FIELD("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"), INT64_MIN},
};

static const struct {
    const char *field;
    size_t n;
} no_numbers[] = {
    {FIELD("0000648\0")},
    {FIELD("0000649\0")},
    {FIELD("-000644\0")},
    {FIELD("+000644\0")},
    {FIELD("-1\0\0\0\0\0\0")},
    {FIELD("\t00644\0\0")},
    {FIELD("\n00644\0\0")},
    {FIELD("0x1ff\0\0\0")},
    {FIELD("644x\0\0\0\0")},
    {FIELD("644\n\0\0\0\0")},
    {FIELD("12 34567")}, // to Go and Python an error
    {FIELD("12 \0"
           "4567")},
    {FIELD("xxxxxxxx")},
    {FIELD("\0000644\0")}, // GNU tar and Go read 0644, libarchive and Python 0
    {FIELD("  \0 644 ")},
    {FIELD(" \0\0\0\0\0\0x")},
    {FIELD("       x")},
    {FIELD("\x81\0\0\0\0\0\0\0")}, // libarchive: bits of the number
    {FIELD("\xc0\0\0\0\0\0\0\1")},
    {FIELD("\xfe\xff\xff\xff\xff\xff\xff\xff")},
    {FIELD("\xbf\xff\xff\xff\xff\xff\xff\xff")},
    {FIELD("\x80\0\0\0\x80\0\0\0\0\0\0\0")}, // 2^63
    {FIELD("\x80\0\0\1\0\0\0\0\0\0\0\0")},   // 2^64
    {FIELD("\x80\1\0\0\0\0\0\0\0\0\0\0")},
    {FIELD("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
    {FIELD("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff")}, // -2^63 - 1
    {FIELD("\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff")},
    {FIELD("\xff\0\0\0\0\0\0\0\0\0\0\0")},
};

// In memory of the field's own size: a byte too many stops the test.
static bool read_field(const char *bytes, size_t n, int64_t *value)
{
    char *field = test_malloc(n);
    memcpy(field, bytes, n);
    bool good = tar_header_number(field, n, value);
    test_free(field);
    return good;
}

static void numbers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        int64_t value = UNTOUCHED;
        if (!read_field(numbers[i].field, numbers[i].n, &value))
            fail_msg("number %zu is refused", i);
        if (value != numbers[i].value)
            fail_msg("number %zu is %jd", i, (intmax_t)value);
    }
}

static void what_tars_read_differently_is_no_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_numbers); i++) {
        int64_t value;
        if (read_field(no_numbers[i].field, no_numbers[i].n, &value))
            fail_msg("%zu is taken for a number", i);
    }
}

// Each width from one byte on, with each byte in each place: digits, and then NUL, blank or the end.
static void each_byte_in_each_place(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 12; n++) {
        for (size_t at = 0; at < n; at++) {
            for (unsigned byte = 0; byte < 0x80; byte++) {
                char field[12];
                int64_t value;
                memset(field, '1', sizeof(field));
                field[at] = (char)byte;
                // A NUL ends a number, and not before its first digit; a blank stands at either end.
                bool digit = byte >= '0' && byte <= '7', nul = byte == '\0' && (at > 0 || n == 1);
                bool wanted = digit || nul || (byte == ' ' && (at == 0 || at == n - 1));
                if (read_field(field, n, &value) != wanted)
                    fail_msg("byte 0x%02x in place %zu of %zu is %s", byte, at, n,
                             wanted ? "refused" : "taken");
            }
        }
    }
}

static void an_empty_field_is_blank_or_zero(void **state)
{
    (void)state;
    assert_true(tar_header_is_empty(FIELD("\0\0 \0")));
    assert_true(tar_header_is_empty("x", 0));
    assert_false(tar_header_is_empty(FIELD("\0\0 0")));
    assert_false(tar_header_is_empty(FIELD("\x80\0\0\0")));
    assert_false(tar_header_is_empty(FIELD("\t\0\0\0")));
}

// -- headers -----------------------------------------------------------------------------------

static void formats_are_told_by_their_magic(void **state)
{
    static const struct {
        const char *magic, *trailer;
        enum tar_format format;
    } rows[] = {
        {"\0\0\0\0\0\0\0\0", "\0\0\0\0", TAR_V7},
        {"\0\0\0\0\0\0\0\0", "tar\0", TAR_V7},
        {"ustar\0"
         "00",
         "\0\0\0\0", TAR_USTAR},
        {"ustar\0"
         "00",
         "tar\0", TAR_STAR},
        {"ustar\0\0\0", "\0\0\0\0", TAR_USTAR},
        {"ustar\0  ", "tar ", TAR_USTAR},
        {"ustar  \0", "\0\0\0\0", TAR_GNU},
        {"ustar  \0", "tar\0", TAR_GNU},
        {"ustar 00", "\0\0\0\0", TAR_UNKNOWN},
        {"ustar   ", "\0\0\0\0", TAR_UNKNOWN},
        {"ustar \0\0", "\0\0\0\0", TAR_UNKNOWN},
        {"USTAR\0"
         "00",
         "\0\0\0\0", TAR_V7},
        {"ustarx00", "\0\0\0\0", TAR_V7},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tar_header h = {.type = '0'};
        memcpy(h.magic, rows[i].magic, 8);
        memcpy(h.star_trailer, rows[i].trailer, 4);
        if (tar_header_format(&h) != rows[i].format)
            fail_msg("magic %zu is format %d", i, tar_header_format(&h));
    }
}

static void a_zero_block_has_no_other_byte(void **state)
{
    unsigned char block[512] = {0};
    (void)state;
    assert_true(tar_header_is_zero(block));
    for (size_t i = 0; i < sizeof(block); i++) {
        for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
            block[i] = (unsigned char)bit;
            assert_false(tar_header_is_zero(block));
        }
        block[i] = 0;
    }
}

// The sum byte by byte, as POSIX says it, with signed or unsigned ones.
static int sum_of(const struct tar_header *h, bool with_sign)
{
    const unsigned char *bytes = (const unsigned char *)h;
    int sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++) {
        bool own = i >= offsetof(struct tar_header, checksum) && i < offsetof(struct tar_header, type);
        unsigned char byte = own ? ' ' : bytes[i];
        sum += with_sign ? (signed char)byte : byte;
    }
    return sum;
}

static bool put_sum(struct tar_header *h, int sum)
{
    if (sum < 0)
        return false; // no octal number: no old tar wrote it
    for (size_t i = 6; i-- > 0; sum >>= 3)
        h->checksum[i] = (char)('0' + (sum & 7));
    h->checksum[6] = '\0';
    h->checksum[7] = ' ';
    return true;
}

static void checksums_are_signed_or_unsigned(void **state)
{
    struct tar_header h;
    unsigned taken = 0;
    (void)state;
    srandom(1);
    for (int i = 0; i < 20000; i++) {
        unsigned char *bytes = (unsigned char *)&h;
        // From all zero over ASCII to all 0xff.
        for (size_t at = 0; at < sizeof(h); at++)
            bytes[at] = (unsigned char)(i % 4 == 0   ? random()
                                        : i % 4 == 1 ? random() & 0x7f
                                        : i % 4 == 2 ? 0xff
                                                     : 0);
        int plain = sum_of(&h, false), with_sign = sum_of(&h, true);
        assert_true(put_sum(&h, plain));
        assert_true(tar_header_is_valid(&h));
        if (put_sum(&h, with_sign)) {
            assert_true(tar_header_is_valid(&h));
            taken++;
        }
        assert_true(put_sum(&h, plain + 1));
        assert_false(tar_header_is_valid(&h) && with_sign != plain + 1);
        assert_true(put_sum(&h, plain ^ 0400));
        assert_false(tar_header_is_valid(&h) && with_sign != (plain ^ 0400));
    }
    assert_true(taken > 10000);
}

static void a_checksum_must_be_there(void **state)
{
    static const char *const empty[] = {"\0\0\0\0\0\0\0\0", "        ", "\0       ", "      \0 "};
    struct tar_header h = {.type = '0'};
    (void)state;
    for (size_t i = 0; i < COUNT(empty); i++) {
        memcpy(h.checksum, empty[i], sizeof(h.checksum));
        assert_false(tar_header_is_valid(&h));
    }
    memcpy(h.checksum, "460 \0\0\0\0", sizeof(h.checksum)); // eight blanks and '0'
    assert_true(tar_header_is_valid(&h));
    memcpy(h.checksum, "\x80\0\0\0\0\0\1\x30", sizeof(h.checksum)); // the same in base 256
    assert_false(tar_header_is_valid(&h));
    memcpy(h.checksum, "46x\0\0\0\0\0", sizeof(h.checksum));
    assert_false(tar_header_is_valid(&h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(what_tars_read_differently_is_no_number),
        cmocka_unit_test(each_byte_in_each_place),
        cmocka_unit_test(an_empty_field_is_blank_or_zero),
        cmocka_unit_test(formats_are_told_by_their_magic),
        cmocka_unit_test(a_zero_block_has_no_other_byte),
        cmocka_unit_test(checksums_are_signed_or_unsigned),
        cmocka_unit_test(a_checksum_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
