// SPDX-License-Identifier: MIT
#include "sys/out.h"

#include <signal.h>
#include <sys/wait.h>

#include "test/unit/packets.h"

static struct out o;

static void assert_written(const char *want)
{
    assert_int_equal(out_flush(&o), 0);
    assert_int_equal(read_write(), strlen(want));
    assert_string_equal(got, want);
    assert_int_equal(read_write(), 0);
}

static void names_are_escaped(void **state)
{
    static const struct {
        const char *name, *shown;
    } rows[] = {
        {"/usr/bin/~a b", "/usr/bin/~a b"},
        {"a\"b", "a\\x22b"},
        {"a\\b", "a\\x5cb"},
        {"\\x41", "\\x5cx41"},
        {"\n\r\t", "\\x0a\\x0d\\x09"},
        {"\x1b[2J", "\\x1b[2J"},
        {"\x7f\x80\x9b\xff", "\\x7f\\x80\\x9b\\xff"},
        {"\xc3\xa9", "\\xc3\\xa9"},
        {"\x01\x1f", "\\x01\\x1f"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        out_init(&o, ends[1], true);
        out_escaped(&o, rows[i].name);
        assert_written(rows[i].shown);
    }
}

// KEY or KEY_hex, and the value.
static const struct {
    const char *value, *json;
} strings[] = {
    {"", "\"k\":\"\""},
    {"plain /~", "\"k\":\"plain /~\""},
    {"\"\\", "\"k\":\"\\u0022\\u005c\""},
    {"\x01\b\t\n\f\r\x1f", "\"k\":\"\\u0001\\u0008\\u0009\\u000a\\u000c\\u000d\\u001f\""},
    {"\x1b[0m\x7f", "\"k\":\"\\u001b[0m\\u007f\""},
    {"\xc2\x80\xdf\xbf", "\"k\":\"\xc2\x80\xdf\xbf\""}, // the first and last of each length
    {"\xe0\xa0\x80\xef\xbf\xbf", "\"k\":\"\xe0\xa0\x80\xef\xbf\xbf\""},
    {"\xed\x9f\xbf\xee\x80\x80", "\"k\":\"\xed\x9f\xbf\xee\x80\x80\""},
    {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\"k\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""},
    {"\xf1\x80\x80\x80\xf3\xbf\xbf\xbf", "\"k\":\"\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\""},
    {"\x80", "\"k_hex\":\"80\""}, // a tail alone
    {"a\xff\"\n", "\"k_hex\":\"61ff220a\""},
    {"\xc0\x80", "\"k_hex\":\"c080\""}, // overlong forms
    {"\xc1\xbf", "\"k_hex\":\"c1bf\""},
    {"\xe0\x9f\xbf", "\"k_hex\":\"e09fbf\""},
    {"\xf0\x8f\xbf\xbf", "\"k_hex\":\"f08fbfbf\""},
    {"\xed\xa0\x80", "\"k_hex\":\"eda080\""}, // surrogates
    {"\xed\xbf\xbf", "\"k_hex\":\"edbfbf\""},
    {"\xf4\x90\x80\x80", "\"k_hex\":\"f4908080\""}, // above U+10FFFF
    {"\xf5\x80\x80\x80", "\"k_hex\":\"f5808080\""},
    {"\xf8\x88\x80\x80\x80", "\"k_hex\":\"f888808080\""},
    {"\xc3", "\"k_hex\":\"c3\""}, // cut off
    {"\xe2\x82", "\"k_hex\":\"e282\""},
    {"\xf0\x9f\x98", "\"k_hex\":\"f09f98\""},
    {"\xc3"
     "a",
     "\"k_hex\":\"c361\""},
    {"\xe2\x82"
     "a",
     "\"k_hex\":\"e28261\""},
};

static void strings_are_json_or_hexadecimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(strings); i++) {
        // A copy of its size: reading past the end stops the test.
        char *value = test_malloc(strlen(strings[i].value) + 1);
        strcpy(value, strings[i].value);
        out_init(&o, ends[1], true);
        out_string(&o, "k", value);
        assert_written(strings[i].json);
        test_free(value);
    }
}

static void members_are_separated(void **state)
{
    (void)state;
    out_init(&o, ends[1], true);
    out_open(&o, NULL, '{');
    out_string(&o, "a", "x");
    out_open(&o, "b", '[');
    out_close(&o, ']');
    out_open(&o, "c", '[');
    out_integer(&o, NULL, 0);
    out_integer(&o, NULL, UINT64_MAX);
    out_signed(&o, NULL, -1);
    out_signed(&o, NULL, INT64_MIN);
    out_signed(&o, NULL, INT64_MAX);
    out_string(&o, NULL, "y");
    out_open(&o, NULL, '{');
    out_bool(&o, "t", true);
    out_bool(&o, "f", false);
    out_close(&o, '}');
    out_close(&o, ']');
    out_null(&o, "n");
    out_close(&o, '}');
    out_octal(&o, 0755);
    out_octal(&o, 0);
    out_octal(&o, UINT32_MAX);
    assert_written(
        "{\"a\":\"x\",\"b\":[],\"c\":[0,18446744073709551615,-1,-9223372036854775808,"
        "9223372036854775807,\"y\",{\"t\":true,\"f\":false}],"
        "\"n\":null}755037777777777");
}

static void a_stream_goes_on_after_each_page(void **state)
{
    enum { LENGTH = 3 * PAGE + 10 };
    char *text = test_malloc(LENGTH);
    (void)state;

    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (char)('a' + i % 26);
    out_init(&o, ends[1], false);
    out_bytes(&o, text, 7);
    out_bytes(&o, text + 7, LENGTH - 7);
    assert_int_equal(out_flush(&o), 0);
    assert_false(o.cut);
    for (size_t at = 0, n; at < LENGTH; at += n) {
        n = read_write();
        assert_int_equal(n, LENGTH - at < PAGE ? LENGTH - at : PAGE);
        assert_memory_equal(got, text + at, n);
    }
    assert_int_equal(read_write(), 0);
    test_free(text);
}

static void the_first_failed_write_is_kept(void **state)
{
    (void)state;
    close(ends[0]);
    ends[0] = -1;
    out_init(&o, ends[1], false);
    out_text(&o, "x");
    assert_int_equal(out_flush(&o), -EPIPE);
    o.fd = -1;
    out_text(&o, "y");
    assert_int_equal(out_flush(&o), -EPIPE);
}

static void it_waits_where_there_is_no_room(void **state)
{
    pid_t reader;
    int status;
    (void)state;

    while (write(ends[1], "full", 4) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
    reader = fork();
    assert_true(reader >= 0);
    if (reader == 0) {
        do
            usleep(1000);
        while (read_write() > 0 && strcmp(got, "late") != 0);
        _exit(strcmp(got, "late"));
    }
    out_init(&o, ends[1], true);
    out_text(&o, "late");
    assert_int_equal(out_flush(&o), 0);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(names_are_escaped),
        PIPE_TEST(strings_are_json_or_hexadecimal),
        PIPE_TEST(members_are_separated),
        PIPE_TEST(a_stream_goes_on_after_each_page),
        PIPE_TEST(the_first_failed_write_is_kept),
        PIPE_TEST(it_waits_where_there_is_no_room),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
