// SPDX-License-Identifier: MIT
#include "sys/num.h"

#include <limits.h>

#include "test/unit/support.h"

enum { UNTOUCHED = 12345 };

static const struct {
    const char *text;
    uint64_t max, value;
} decimals[] = {
    {"0", 0, 0},
    {"0", UINT64_MAX, 0},
    {"1", 1, 1},
    {"9", 9, 9},
    {"10", 10, 10},
    {"4294967294", UINT32_MAX - 1, UINT32_MAX - 1},
    {"4294967296", UINT64_MAX, UINT64_C(1) << 32},
    {"18446744073709551609", UINT64_MAX, UINT64_MAX - 6},
    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
};

static const struct {
    const char *text;
    uint64_t max;
} no_decimals[] = {
    {"", 9},
    {"-1", 9},
    {"-0", 9},
    {"+1", 9},
    {" 1", 9},
    {"\t1", 9},
    {"1 ", 9},
    {"1\n", 9},
    {"00", 9},
    {"01", 9},
    {"007", 9},
    {"0x1", UINT64_MAX},
    {"1x", UINT64_MAX},
    {"1e3", UINT64_MAX},
    {"1.0", UINT64_MAX},
    {"1K", UINT64_MAX},
    {"1_000", UINT64_MAX},
    {"ff", UINT64_MAX},
    {"\xd9\xa1", UINT64_MAX}, // a digit to Unicode, not to us
    {"/", UINT64_MAX},        // the characters on either side of the digits
    {":", UINT64_MAX},
    {"1", 0},
    {"2", 1},
    {"10", 9},
    {"11", 10},
    {"4294967295", UINT32_MAX - 1},
    {"18446744073709551615", UINT64_MAX - 1},
    {"18446744073709551616", UINT64_MAX},
    {"18446744073709551620", UINT64_MAX},
    {"28446744073709551615", UINT64_MAX},
    {"99999999999999999999", UINT64_MAX},
    {"184467440737095516150", UINT64_MAX},
    {"36893488147419103233", UINT64_MAX}, // 2^65 + 1
};

static void decimals_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(decimals); i++) {
        uint64_t value = UNTOUCHED;
        if (!num_decimal(decimals[i].text, decimals[i].max, &value))
            fail_msg("\"%s\" is refused", decimals[i].text);
        assert_int_equal(value, decimals[i].value);
    }
}

static void no_other_form_is_a_decimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_decimals); i++) {
        uint64_t value;
        if (num_decimal(no_decimals[i].text, no_decimals[i].max, &value))
            fail_msg("\"%s\" is taken", no_decimals[i].text);
    }
}

// Every number around each limit, so that no boundary is off by one.
static void each_limit_is_exact(void **state)
{
    char text[3] = "";
    (void)state;

    for (uint64_t max = 0; max < 100; max++) {
        for (uint64_t n = 0; n < 100; n++) {
            uint64_t value = UNTOUCHED;
            text[0] = (char)('0' + (n < 10 ? n : n / 10));
            text[1] = (char)(n < 10 ? '\0' : '0' + n % 10);
            assert_int_equal(num_decimal(text, max, &value), n <= max);
            assert_int_equal(value, n <= max ? n : UNTOUCHED);
        }
    }
}

static void a_prefix_ends_at_the_first_other_character(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
        size_t length;
    } rows[] = {
        {"12:34", true, 12, 2}, {"0:1", true, 0, 1},   {"0x1", true, 0, 1}, {"7", true, 7, 1},
        {"255,", true, 255, 3}, {"256,", false, 0, 0}, {":1", false, 0, 0}, {"", false, 0, 0},
        {"01:1", false, 0, 0},  {"-1:1", false, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *end = NULL;
        uint64_t value = UNTOUCHED;
        if (num_prefix(rows[i].text, 255, &value, &end) != rows[i].good)
            fail_msg("\"%s\" is %s", rows[i].text, rows[i].good ? "refused" : "taken");
        assert_int_equal(value, rows[i].good ? rows[i].value : UNTOUCHED);
        assert_ptr_equal(end, rows[i].good ? rows[i].text + rows[i].length : NULL);
    }
}

static void sizes_have_suffixes(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
        size_t length;
    } rows[] = {
        {"0", true, 0, 1},
        {"1", true, 1, 1},
        {"1K", true, 1024, 2},
        {"1M", true, 1 << 20, 2},
        {"1G", true, 1 << 30, 2},
        {"1T", true, UINT64_C(1) << 40, 2},
        {"0T", true, 0, 2},
        {"4K:", true, 4096, 2},
        {"4:K", true, 4, 1},
        {"4k", true, 4, 1}, // whoever asks sees that something is left
        {"4P", true, 4, 1},
        {"4KK", true, 4096, 2},
        {"4 K", true, 4, 1},
        {"18446744073709551614", true, UINT64_MAX - 1, 20},
        {"18014398509481983K", true, UINT64_MAX - 1023, 18},
        {"17592186044415M", true, UINT64_MAX - ((UINT64_C(1) << 20) - 1), 15},
        {"16777215T", true, UINT64_MAX - ((UINT64_C(1) << 40) - 1), 9},
        {"18446744073709551615", false, 0, 0}, // it stands for no limit
        {"18014398509481984K", false, 0, 0},
        {"18014398509481985K", false, 0, 0},
        {"17592186044416M", false, 0, 0},
        {"17179869184G", false, 0, 0},
        {"16777216T", false, 0, 0},
        {"18446744073709551614K", false, 0, 0},
        {"", false, 0, 0},
        {"K", false, 0, 0},
        {"-1K", false, 0, 0},
        {"+1K", false, 0, 0},
        {"01K", false, 0, 0},
        {" 1K", false, 0, 0},
        {".5K", false, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *end = NULL;
        uint64_t value = UNTOUCHED;
        if (num_size_prefix(rows[i].text, &value, &end) != rows[i].good)
            fail_msg("\"%s\" is %s", rows[i].text, rows[i].good ? "refused" : "taken");
        if (!rows[i].good)
            continue;
        assert_int_equal(value, rows[i].value);
        assert_ptr_equal(end, rows[i].text + rows[i].length);
    }
}

static void octals_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned value;
    } rows[] = {
        {"0", 0}, {"7", 7}, {"07", 7}, {"22", 022}, {"022", 022}, {"777", 0777}, {"0777", 0777},
    };
    static const char *const bad[] = {
        "",    "8",   "9",    "08",    "00",
        "000", "-1",  "+7",   " 7",    "7 ",
        "0o7", "0x7", "1000", "01000", "1777",
        "7a7", "77:", "u=rw", "888",   "4000000000000000000000",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned value = UNTOUCHED;
        if (!num_octal(rows[i].text, 0777, &value))
            fail_msg("\"%s\" is refused", rows[i].text);
        assert_int_equal(value, rows[i].value);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        unsigned value = UNTOUCHED;
        if (num_octal(bad[i], 0777, &value))
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(value, UNTOUCHED);
    }
}

// (uid_t)-1 means "unchanged" to the kernel.
static void the_id_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "4294967295", "4294967296", "4294967297", "18446744073709551615", "-1", "", "root", "01",
    };
    uint32_t id = UNTOUCHED;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(num_id(bad[i], &id));
    assert_int_equal(id, UNTOUCHED);
    assert_true(num_id("0", &id));
    assert_int_equal(id, 0);
    assert_true(num_id("4294967294", &id));
    assert_int_equal(id, UINT32_MAX - 1);
}

static void descriptors_are_ints(void **state)
{
    static const char *const bad[] = {"2147483648", "4294967296", "-1", "", "0x3", "03", "3 "};
    int fd = UNTOUCHED;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(num_fd(bad[i], &fd));
    assert_int_equal(fd, UNTOUCHED);
    assert_true(num_fd("0", &fd));
    assert_int_equal(fd, 0);
    assert_true(num_fd("2147483647", &fd));
    assert_int_equal(fd, INT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_read),
        cmocka_unit_test(no_other_form_is_a_decimal),
        cmocka_unit_test(each_limit_is_exact),
        cmocka_unit_test(a_prefix_ends_at_the_first_other_character),
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(octals_are_read),
        cmocka_unit_test(the_id_that_is_none_is_refused),
        cmocka_unit_test(descriptors_are_ints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
