// SPDX-License-Identifier: MIT
#include "sys/text.h"

#include <stdio.h>

#include "test/unit/support.h"

static void words_are_joined(void **state)
{
    char data[16];
    struct text t = {data, sizeof(data), 0};
    (void)state;

    text_add(&t, "fd/");
    text_number(&t, 120);
    text_add(&t, "");
    text_add(&t, "/ns");
    assert_true(text_end(&t));
    assert_string_equal(data, "fd/120/ns");
    assert_int_equal(t.length, 9);
}

static void nothing_is_an_empty_string(void **state)
{
    char data[] = "x";
    struct text t = {data, 1, 0};
    (void)state;

    assert_true(text_end(&t));
    assert_string_equal(data, "");
}

// The buffers are allocated at their size: a byte too many stops the test.
static void it_fits_to_the_last_byte_or_is_refused(void **state)
{
    static const char word[] = "0123456789";
    (void)state;

    for (size_t size = 1; size <= sizeof(word) + 2; size++) {
        char *data = test_malloc(size);
        struct text t = {data, size, 0};
        text_add(&t, word);
        assert_int_equal(text_end(&t), size >= sizeof(word));
        assert_non_null(memchr(data, '\0', size));
        if (size >= sizeof(word))
            assert_string_equal(data, word);
        test_free(data);
    }
}

// A shorter word after one that did not fit must not make the whole look complete.
static void what_was_cut_stays_cut(void **state)
{
    char data[8];
    struct text t = {data, sizeof(data), 0};
    (void)state;

    text_add(&t, "abc");
    text_add(&t, "too long a word");
    text_add(&t, "d");
    text_number(&t, 1);
    assert_false(text_end(&t));
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(data[7], '\0');
}

static void numbers_are_decimal(void **state)
{
    static const uint64_t numbers[] = {0,          1,          9,
                                       10,         99,         100,
                                       UINT32_MAX, INT64_MAX,  UINT64_MAX - 1,
                                       UINT64_MAX, 1000000007, UINT64_C(10000000000000000000)};
    (void)state;

    for (size_t i = 0; i < COUNT(numbers); i++) {
        char data[21], want[32], small[11];
        struct text t = {data, sizeof(data), 0};
        text_number(&t, numbers[i]);
        assert_true(text_end(&t));
        snprintf(want, sizeof(want), "%ju", (uintmax_t)numbers[i]);
        assert_string_equal(data, want);
        snprintf(want, sizeof(want), "%u", (uint32_t)numbers[i]);
        text_from_number(small, (uint32_t)numbers[i]);
        assert_string_equal(small, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_joined),
        cmocka_unit_test(nothing_is_an_empty_string),
        cmocka_unit_test(it_fits_to_the_last_byte_or_is_refused),
        cmocka_unit_test(what_was_cut_stays_cut),
        cmocka_unit_test(numbers_are_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
