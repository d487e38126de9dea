// SPDX-License-Identifier: MIT
#include "sys/status.h"

#include <errno.h>
#include <signal.h>

#include "test/unit/packets.h"

static void assert_record(const char *want)
{
    assert_int_equal(read_write(), strlen(want));
    assert_string_equal(got, want);
    assert_int_equal(read_write(), 0);
}

static void each_record_is_one_line(void **state)
{
    const struct status_failure full = {"root", "open", "/a\nb", ENOENT, "ENOENT", "no \"x\"", "h"};
    const struct status_failure bare = {"s", "o", NULL, EPERM, "EPERM", "m", NULL};
    const struct status_failure raw = {"s", "o", "/\xff", EIO, "EIO", "m", NULL};
    (void)state;

    assert_int_equal(status_set(ends[1]), -1);
    assert_int_equal(status_fd(), ends[1]);
    status_mounts_ready();
    assert_record("{\"type\":\"mounts-ready\"}\n");
    status_entered("pivot", "tmpdir", true, NULL);
    assert_record("{\"type\":\"entered\",\"method\":\"pivot\",\"pivot\":\"tmpdir\",\"userns\":true,"
                  "\"fallback\":null}\n");
    status_entered("chroot", NULL, false, "unshare: EPERM");
    assert_record("{\"type\":\"entered\",\"method\":\"chroot\",\"pivot\":null,\"userns\":false,"
                  "\"fallback\":\"unshare: EPERM\"}\n");
    status_payload(1234);
    assert_record("{\"type\":\"payload\",\"pid\":1234}\n");
    status_exit(7 << 8);
    assert_record("{\"type\":\"exit\",\"code\":7}\n");
    status_exit(SIGKILL);
    assert_record("{\"type\":\"exit\",\"signal\":9}\n");
    status_exit(SIGSEGV | 0x80); // with a core
    assert_record("{\"type\":\"exit\",\"signal\":11}\n");
    status_error(&full);
    assert_record("{\"type\":\"error\",\"stage\":\"root\",\"op\":\"open\",\"path\":\"/"
                  "a\\u000ab\",\"errno\":2,"
                  "\"code\":\"ENOENT\",\"message\":\"no \\u0022x\\u0022\",\"hint\":\"h\"}\n");
    status_error(&bare);
    assert_record("{\"type\":\"error\",\"stage\":\"s\",\"op\":\"o\",\"errno\":1,\"code\":\"EPERM\","
                  "\"message\":\"m\"}\n");
    status_error(&raw);
    assert_record(
        "{\"type\":\"error\",\"stage\":\"s\",\"op\":\"o\",\"path_hex\":\"2fff\",\"errno\":5,"
        "\"code\":\"EIO\",\"message\":\"m\"}\n");
}

static void without_a_descriptor_there_is_none(void **state)
{
    (void)state;
    status_set(-1);
    status_mounts_ready();
    status_payload(1);
    assert_int_equal(read_write(), 0);
}

// Whatever fills them, records have at most a page and end as JSON does; what follows the path
// stays.
static void a_long_record_is_cut_between_characters(void **state)
{
    static const struct {
        const char *unit, *escaped;
    } rows[] = {
        {"a", "a"},
        {"\n", "\\u000a"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xff", "ff"},
    };
    static char path[PAGE + 1], hint[512];
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t n = strlen(rows[i].unit), at = 0, escaped = strlen(rows[i].escaped);
        for (size_t k = 0; k + n < sizeof(path); k += n)
            strcpy(path + k, rows[i].unit);
        for (size_t k = 0; k + n < sizeof(hint); k += n)
            strcpy(hint + k, rows[i].unit);
        status_set(ends[1]);
        status_error(&(struct status_failure){"s", "o", path, EIO, "EIO", "m", hint});
        at = read_write();
        assert_in_range(at, PAGE / 2, PAGE);
        assert_string_equal(got + at - 3, "\"}\n");
        const char *start = strstr(got, ":\"o\",\""),
                   *rest = strstr(got, "\",\"errno\":5,\"code\":\"EIO\",");
        assert_non_null(start);
        assert_non_null(rest);
        assert_non_null(strstr(rest, "\"message\":\"m\",\"hint"));
        start = strstr(start + 6, "\":\"") + 3;
        for (; strncmp(start, rows[i].escaped, escaped) == 0; start += escaped)
            continue;
        assert_true(start == rest || strncmp(start, "...\"", 4) == 0);
        assert_int_equal(read_write(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(each_record_is_one_line),
        PIPE_TEST(without_a_descriptor_there_is_none),
        PIPE_TEST(a_long_record_is_cut_between_characters),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
