// SPDX-License-Identifier: MIT
#include "archive/pax.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/support.h"

#define RECORDS(text) text, sizeof(text) - 1

static struct pax pax;
static char *records; // of just their size: a byte too many stops the test

static int drop_records(void **state)
{
    (void)state;
    free(records);
    records = NULL;
    return 0;
}

// -- values of format 0.0 ----------------------------------------------------------------------

static uint64_t pairs[8];
static unsigned pair_count;

static int take_pair(void *context, enum pax_key key, uint64_t value)
{
    assert_ptr_equal(context, pairs);
    if (pair_count == COUNT(pairs) || (pair_count % 2 == 0) != (key == PAX_SPARSE_OFFSET))
        return -EBADMSG;
    pairs[pair_count++] = value;
    return 0;
}

static int parse(const char *text, size_t n)
{
    free(records);
    records = malloc(n + (n == 0));
    assert_non_null(records);
    memcpy(records, text, n);
    pair_count = 0;
    return pax_parse(&pax, records, n, &(struct pax_sparse){take_pair, pairs});
}

// -- numbers -----------------------------------------------------------------------------------

static void numbers_are_digits(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", 0, true, 0},
        {"00012", 99, true, 12},
        {"9223372036854775807", INT64_MAX, true, INT64_MAX},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"", 9, false, 0},
        {"1", 0, false, 0},
        {"10", 9, false, 0},
        {"9223372036854775808", INT64_MAX, false, 0},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1.0", 9, false, 0},
        {"0x1", 9, false, 0},
        {"1e1", 99, false, 0},
        {"5x", 99, false, 0}, // libarchive: 5
        {"\xb2", 99, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 0;
        if (pax_number(rows[i].text, strlen(rows[i].text), rows[i].max, &value) != rows[i].good)
            fail_msg("\"%s\" is %s", rows[i].text, rows[i].good ? "refused" : "taken");
        assert_int_equal(value, rows[i].value);
    }
}

static void times_have_nanoseconds(void **state)
{
    static const struct {
        const char *record;
        bool good;
        int64_t seconds;
        uint32_t nanoseconds;
    } rows[] = {
        {"11 mtime=0\n", true, 0, 0},
        {"13 mtime=1.5\n", true, 1, 500000000},
        {"12 mtime=1.\n", true, 1, 0},
        {"21 mtime=1.000000001\n", true, 1, 1},
        {"22 mtime=1.0000000019\n", true, 1, 1},
        {"21 mtime=1.999999999\n", true, 1, 999999999},
        {"29 mtime=1.99999999999999999\n", true, 1, 999999999},
        {"12 mtime=-1\n", true, -1, 0},
        {"14 mtime=-0.5\n", true, -1, 500000000},
        {"15 mtime=-1.25\n", true, -2, 750000000},
        {"12 mtime=-0\n", true, 0, 0},
        {"22 mtime=-0.000000001\n", true, -1, 999999999},
        {"29 mtime=9223372036854775807\n", true, INT64_MAX, 0},
        {"32 mtime=-9223372036854775807.5\n", true, INT64_MIN, 500000000},
        {"30 mtime=-9223372036854775808\n", false, 0, 0},
        {"29 mtime=9223372036854775808\n", false, 0, 0},
        {"9 mtime=\n", false, 0, 0},
        {"11 mtime=-\n", false, 0, 0},
        {"12 mtime=.5\n", false, 0, 0},
        {"13 mtime=-.5\n", false, 0, 0},
        {"13 mtime=--1\n", false, 0, 0},
        {"12 mtime=+1\n", false, 0, 0},
        {"12 mtime= 1\n", false, 0, 0},
        {"14 mtime=1.-5\n", false, 0, 0},
        {"15 mtime=1.5.0\n", false, 0, 0},
        {"13 mtime=1,5\n", false, 0, 0},
        {"13 mtime=1e3\n", false, 0, 0},
        {"13 mtime=nan\n", false, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int error = parse(rows[i].record, strlen(rows[i].record));
        if (error != (rows[i].good ? 0 : -EBADMSG))
            fail_msg("%s is %d", rows[i].record, error);
        if (!rows[i].good)
            continue;
        assert_int_equal(pax.has, PAX_BIT(PAX_MTIME));
        assert_int_equal(pax.mtime.seconds, rows[i].seconds);
        assert_int_equal(pax.mtime.nanoseconds, rows[i].nanoseconds);
    }
}

// -- records -----------------------------------------------------------------------------------

static void every_key_is_read(void **state)
{
    static const char text[] = "9 path=p\n"
                               "14 linkpath=l\n"
                               "9 size=5\n"
                               "8 uid=1\n"
                               "8 gid=2\n"
                               "11 mtime=3\n"
                               "11 atime=4\n"
                               "22 GNU.sparse.major=1\n"
                               "22 GNU.sparse.minor=0\n"
                               "21 GNU.sparse.name=n\n"
                               "25 GNU.sparse.realsize=6\n"
                               "26 GNU.sparse.numblocks=2\n"
                               "22 GNU.sparse.map=0,1\n"
                               "23 GNU.sparse.offset=7\n"
                               "25 GNU.sparse.numbytes=8\n"
                               "23 GNU.sparse.offset=9\n"
                               "26 GNU.sparse.numbytes=10\n"
                               "25 SCHILY.xattr.user.a=b\n"
                               "12 comment=\n";
    const unsigned all = (PAX_BIT(PAX_KEYS) - 1) & ~PAX_BIT(PAX_SPARSE_SIZE);
    (void)state;
    if (parse(RECORDS(text)) != 0)
        fail_msg("%s", pax.why);
    assert_int_equal(pax.has, all);
    assert_string_equal(pax.path, "p");
    assert_string_equal(pax.linkpath, "l");
    assert_string_equal(pax.sparse_name, "n");
    assert_string_equal(pax.sparse_map, "0,1");
    assert_int_equal(pax.size, 5);
    assert_int_equal(pax.uid, 1);
    assert_int_equal(pax.gid, 2);
    assert_int_equal(pax.mtime.seconds, 3);
    assert_int_equal(pax.atime.seconds, 4);
    assert_int_equal(pax.sparse_major, 1);
    assert_int_equal(pax.sparse_minor, 0);
    assert_int_equal(pax.sparse_size, 6);
    assert_int_equal(pax.sparse_blocks, 2);
    assert_int_equal(pair_count, 4);
    assert_true(pairs[0] == 7 && pairs[1] == 8 && pairs[2] == 9 && pairs[3] == 10);
}

static const struct {
    const char *text;
    size_t n;
    unsigned has;
} good[] = {
    {RECORDS(""), 0},
    {RECORDS("5 a=\n"), 0},
    {RECORDS("6 a==\n"), 0},
    {RECORDS("6 a=\n\n"), 0}, // a newline is a value like another
    {RECORDS("24 a=\n9 path=x\n9 path=y\n"), 0},
    {RECORDS("7 a=\0\0\n"), 0},
    {RECORDS("9 path=x\n5 a=\n"), PAX_BIT(PAX_PATH)},
    {RECORDS("9 path==\n"), PAX_BIT(PAX_PATH)},
    {RECORDS("12 path=a b\n"), PAX_BIT(PAX_PATH)},
    {RECORDS("12 path=a\nb\n"), PAX_BIT(PAX_PATH)},
    {RECORDS("9 path=\n\n"), PAX_BIT(PAX_PATH)},
    {RECORDS("9 Path=x\n"), 0},
    {RECORDS("11 path =x\n"), 0},
    {RECORDS("11 paths=x\n"), 0},
    {RECORDS("8 pat=x\n"), 0},
    {RECORDS("20 GNU.sparse.maps=\n"), 0},
    {RECORDS("20 SCHILY.acl.ace=x\n"), PAX_BIT(PAX_ATTRIBUTE)},
    {RECORDS("17 SCHILY.xattr=\n"), 0},
    {RECORDS("18 SCHILY.xattr.=\n"), PAX_BIT(PAX_ATTRIBUTE)},
    {RECORDS("8 uid=0\n"), PAX_BIT(PAX_UID)},
    {RECORDS("27 uid=9223372036854775807\n"), PAX_BIT(PAX_UID)},
};

static const struct {
    const char *text;
    size_t n;
} bad[] = {
    // lengths
    {RECORDS("path=x\n")},
    {RECORDS(" path=x\n")},
    {RECORDS("x path=x\n")},
    {RECORDS("09 path=x\n")},
    {RECORDS("010 path=x\n")},
    {RECORDS("+9 path=x\n")},
    {RECORDS("+10 path=x\n")},
    {RECORDS("-9 path=x\n")},
    {RECORDS(" 9 path=x\n")},
    {RECORDS("0x9 path=x\n")},
    {RECORDS("9\tpath=x\n")},
    {RECORDS("9path=xy\n")},
    {RECORDS("9  path=x\n9 size=1\n")},
    {RECORDS("8 path=x\n")},
    {RECORDS("11 path=x\n")},
    {RECORDS("0 path=x\n")},
    {RECORDS("1 path=x\n")},
    {RECORDS("2 path=x\n")},
    {RECORDS("3 =\n")},
    {RECORDS("99999999 path=x\n")},
    {RECORDS("1048577 path=x\n")},
    {RECORDS("18446744073709551625 path=x\n")},
    {RECORDS("9")},
    {RECORDS("9 ")},
    {RECORDS("9 path=x")},
    {RECORDS("\n")},
    {RECORDS("\0")},
    {RECORDS("9 path=x\n\0\0\0")},
    {RECORDS("9 path=x\n\n")},
    {RECORDS("9 path=x\n8 path=y\n")},
    {RECORDS("9 path=x\n11 size=1\n")},
    // ends and keys
    {RECORDS("9 path=x\0")},
    {RECORDS("9 path=xy")},
    {RECORDS("9 path\0x\n")},
    {RECORDS("10 p\0th=x\n")},
    {RECORDS("4 =\n")},
    {RECORDS("11  path=x\n")}, // GNU tar: path
    {RECORDS("11 \tpath=x\n")},
    {RECORDS("9 size=0\n13  size=512\n")},
    {RECORDS("9 pathxx\n")},
    {RECORDS("5 =a\n")},
    {RECORDS("6 \0a=\n")},
    {RECORDS("10 path\n=x\n9 path=y")},
    // values
    {RECORDS("8 path=\n")},
    {RECORDS("13 linkpath=\n")},
    {RECORDS("8 size=\n")},
    {RECORDS("7 uid=\n")},
    {RECORDS("7 gid=\n")},
    {RECORDS("9 mtime=\n")},
    {RECORDS("9 atime=\n")},
    {RECORDS("12 path=a\0b\n")},
    {RECORDS("11 path=a\0\n")},
    {RECORDS("11 path=\0a\n")},
    {RECORDS("16 linkpath=a\0b\n")},
    {RECORDS("11 size=-1\n")},
    {RECORDS("11 size=5x\n")},
    {RECORDS("13 size=0x10\n")},
    {RECORDS("11 size= 5\n")},
    {RECORDS("11 size=5 \n")},
    {RECORDS("28 size=9223372036854775808\n")},
    {RECORDS("9 uid=-1\n")},
    {RECORDS("12 uid=root\n")},
    {RECORDS("23 GNU.sparse.major=1x\n")},
    {RECORDS("19 GNU.sparse.map=\n")},
    {RECORDS("20 GNU.sparse.name=\n")},
    // twice
    {RECORDS("9 path=x\n9 path=x\n")},
    {RECORDS("9 size=1\n8 uid=1\n9 size=1\n")},
    {RECORDS("11 mtime=1\n11 mtime=1\n")},
    {RECORDS("22 GNU.sparse.map=0,1\n22 GNU.sparse.map=0,1\n")},
    {RECORDS("21 GNU.sparse.size=1\n21 GNU.sparse.size=1\n")},
    {RECORDS("25 GNU.sparse.realsize=1\n21 GNU.sparse.size=1\n")},
    {RECORDS("21 GNU.sparse.size=1\n25 GNU.sparse.realsize=1\n")},
    // regions out of turn
    {RECORDS("25 GNU.sparse.numbytes=8\n")},
    {RECORDS("23 GNU.sparse.offset=7\n23 GNU.sparse.offset=7\n")},
};

static void records_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int error = parse(good[i].text, good[i].n);
        if (error != 0)
            fail_msg("\"%s\": %d, %s", good[i].text, error, pax.why);
        assert_int_equal(pax.has, good[i].has);
    }
}

static void every_other_form_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse(bad[i].text, bad[i].n) != -EBADMSG)
            fail_msg("\"%s\" is taken", bad[i].text);
        assert_non_null(pax.why);
        assert_true(strlen(pax.why) > 0);
    }
}

static void regions_without_a_taker_are_refused(void **state)
{
    char text[] = "23 GNU.sparse.offset=7\n";
    (void)state;
    assert_int_equal(pax_parse(&pax, text, sizeof(text) - 1, NULL), -EBADMSG);
}

// A good record cut at each byte, and each byte of it replaced by each other one: never another value of
// `path`.
static void a_damaged_record_is_not_misread(void **state)
{
    static const char text[] = "13 path=abcd\n8 uid=1\n";
    char damaged[sizeof(text)];
    (void)state;
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(parse(text, n), n == 0 || n == 13 ? 0 : -EBADMSG);
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(damaged, text, sizeof(text));
            damaged[at] = (char)byte;
            if (parse(damaged, sizeof(text) - 1) != 0 || (pax.has & PAX_BIT(PAX_PATH)) == 0)
                continue;
            assert_int_equal(strlen(pax.path), 4);
            assert_memory_equal(pax.path, damaged + 8, 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits),
        cmocka_unit_test_teardown(times_have_nanoseconds, drop_records),
        cmocka_unit_test_teardown(every_key_is_read, drop_records),
        cmocka_unit_test_teardown(records_are_taken_apart, drop_records),
        cmocka_unit_test_teardown(every_other_form_is_refused, drop_records),
        cmocka_unit_test(regions_without_a_taker_are_refused),
        cmocka_unit_test_teardown(a_damaged_record_is_not_misread, drop_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
