// SPDX-License-Identifier: MIT
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "sys/err.h"
#include "test/unit/support.h"

enum { LINE_BYTES = 64 * 1024, MOUNTS = 8, STRING = 128 };

static struct {
    unsigned count;
    struct mountinfo mount[MOUNTS];
    char text[MOUNTS][5][STRING]; // the strings are valid during the call only
} seen;

static int remember(const struct mountinfo *m, void *context)
{
    const char *const strings[] = {m->root, m->point, m->options, m->type, m->features};
    (void)context;
    assert_true(seen.count < MOUNTS);
    for (int i = 0; i < 5; i++) {
        assert_true(strlen(strings[i]) < STRING);
        strcpy(seen.text[seen.count][i], strings[i]);
    }
    seen.mount[seen.count++] = *m;
    return 0;
}

static int read_bytes(const char *bytes, size_t n)
{
    int fd = hold_bytes(bytes, n);
    seen.count = 0;
    err_forget();
    int result = mountinfo_each(fd, remember, NULL);
    close(fd);
    return result;
}

static void assert_strings(unsigned i, const char *root, const char *point, const char *options,
                           const char *type)
{
    assert_true(i < seen.count);
    assert_string_equal(seen.text[i][0], root);
    assert_string_equal(seen.text[i][1], point);
    assert_string_equal(seen.text[i][2], options);
    assert_string_equal(seen.text[i][3], type);
}

static void assert_bad(const char *name, const char *bytes, size_t n)
{
    int result = read_bytes(bytes, n);
    if (result != -EBADMSG)
        fail_msg("%s: the result is %d", name, result);
    assert_string_equal(err_brief(), "read: EBADMSG");
}

static void fields_are_taken_apart(void **state)
{
    static const char text[] =
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "1 0 0:4294967295 / / ro - tmpfs none rw\n"
        "18446744073709551615 2147483648 4294967295:0 net:[4026531840] /n rw,nosuid - nsfs nsfs "
        "rw\n"
        "7 7 8:1 / /a rw shared:1 master:2 propagate_from:3 unbindable new:4 - fuse.x x rw\n"
        "8 7 8:1 / /b rw  - cut\n"
        "9 7 0:30 / /c rw - cgroup  rw,cpu,cpuacct\n"; // a source may be empty
    (void)state;

    assert_int_equal(read_bytes(text, sizeof(text) - 1), 0);
    assert_int_equal(seen.count, 6);
    assert_string_equal(seen.text[0][4], "rw,errors=continue");
    assert_string_equal(seen.text[4][4], "");
    assert_string_equal(seen.text[5][4], "rw,cpu,cpuacct");
    assert_strings(0, "/mnt1", "/mnt2", "rw,noatime", "ext3");
    assert_strings(1, "/", "/", "ro", "tmpfs");
    assert_strings(2, "net:[4026531840]", "/n", "rw,nosuid", "nsfs");
    assert_strings(3, "/", "/a", "rw", "fuse.x");
    assert_strings(4, "/", "/b", "rw", "cut");
    assert_int_equal(seen.mount[0].id, 36);
    assert_int_equal(seen.mount[0].parent, 35);
    assert_int_equal(seen.mount[0].major, 98);
    assert_int_equal(seen.mount[0].minor, 0);
    assert_int_equal(seen.mount[1].minor, UINT32_MAX);
    assert_int_equal(seen.mount[2].id, UINT64_MAX);
    assert_int_equal(seen.mount[2].parent, UINT64_C(1) << 31);
    assert_int_equal(seen.mount[2].major, UINT32_MAX);
}

static void escapes_are_undone_once(void **state)
{
    static const struct {
        const char *written, *meant;
    } rows[] = {
        {"/a\\040b", "/a b"},
        {"/a\\011b", "/a\tb"},
        {"/a\\012b", "/a\nb"},
        {"/a\\134b", "/a\\b"},
        {"/\\043", "/#"},
        {"/\\040\\040", "/  "},
        {"/\\377\\200", "/\xff\x80"},
        {"/\\134040", "/\\040"}, // a directory named \040
        {"/\\134\\060\\064\\060", "/\\040"},
        {"/\\", "/\\"}, // none of these is an escape
        {"/\\04", "/\\04"},
        {"/\\0", "/\\0"},
        {"/\\08", "/\\08"},
        {"/\\048", "/\\048"},
        {"/\\400", "/\\400"},
        {"/\\x20", "/\\x20"},
        {"/-", "/-"},
        {"/\xc3\xa9\xff", "/\xc3\xa9\xff"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char line[STRING];
        int n = snprintf(line, sizeof(line), "1 2 0:3 %s %s rw - proc x rw\n", rows[i].written,
                         rows[i].written);
        assert_int_equal(read_bytes(line, (size_t)n), 0);
        assert_int_equal(seen.count, 1);
        assert_strings(0, rows[i].meant, rows[i].meant, "rw", "proc");
    }
}

static void malformed_lines_are_errors(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "-",
        "1 ",
        "1 2 0:3 / /mnt rw",
        "1 2 0:3 / /mnt rw - ",
        "1 2 0:3 / /mnt rw master:1 ext4 x rw",
        "1 2 0:3 / /mnt rw -- ext4 x rw",
        " 1 2 0:3 / /mnt rw - ext4 x rw",
        "1  2 0:3 / /mnt rw - ext4 x rw",
        "x 2 0:3 / /mnt rw - ext4 x rw",
        "01 2 0:3 / /mnt rw - ext4 x rw",
        "18446744073709551616 2 0:3 / /mnt rw - ext4 x rw",
        "1 x 0:3 / /mnt rw - ext4 x rw",
        "1 2x 0:3 / /mnt rw - ext4 x rw",
        "1 2 03 / /mnt rw - ext4 x rw",
        "1 2 :3 / /mnt rw - ext4 x rw",
        "1 2 0: / /mnt rw - ext4 x rw",
        "1 2 0:3x / /mnt rw - ext4 x rw",
        "1 2 4294967296:0 / /mnt rw - ext4 x rw",
        "1 2 0:4294967296 / /mnt rw - ext4 x rw",
        "1\t2\t0:3\t/\t/mnt\trw\t-\text4\tx\trw",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[STRING];
        int n = snprintf(text, sizeof(text), "%s\n", lines[i]);
        assert_bad(lines[i], text, (size_t)n);
        assert_int_equal(seen.count, 0);
    }
}

static void an_end_within_a_line_is_an_error(void **state)
{
    static const char text[] = "1 2 0:3 / /mnt rw - ext4 x rw\n";
    (void)state;

    assert_int_equal(read_bytes(text, 0), 0);
    for (size_t n = 1; n < sizeof(text) - 1; n++)
        assert_bad("cut off", text, n);
    assert_int_equal(read_bytes(text, sizeof(text) - 1), 0);
}

// A line whose source is so long that the whole has `n` bytes, line feed included.
static char *long_line(size_t n)
{
    static const char head[] = "1 2 0:3 / /mnt rw - ext4 ";
    char *line = test_malloc(n);
    memset(line, 'x', n);
    memcpy(line, head, sizeof(head) - 1);
    line[n - 1] = '\n';
    return line;
}

static void lines_end_at_64_kib(void **state)
{
    (void)state;
    for (size_t n = LINE_BYTES - 2; n <= LINE_BYTES + 2; n++) {
        char *line = long_line(n);
        if (n <= LINE_BYTES)
            assert_int_equal(read_bytes(line, n), 0);
        else
            assert_bad("a line is too long", line, n);
        assert_int_equal(seen.count, n <= LINE_BYTES);
        test_free(line);
    }
}

static int count_lines(const struct mountinfo *m, void *context)
{
    uint64_t *next = context;
    assert_int_equal(m->id, (*next)++);
    assert_string_equal(m->point, "/mnt");
    return 0;
}

// Lines lie across each end of the buffer, wherever it falls.
static void many_lines_come_whole(void **state)
{
    enum { LINES = 20000 };
    char *text = test_malloc(LINES * 48);
    size_t n = 0;
    uint64_t next = 0;
    (void)state;

    for (unsigned i = 0; i < LINES; i++)
        n += (size_t)sprintf(text + n, "%u 2 0:3 / /mnt rw - ext4 %.*s rw\n", i, (int)(i % 13),
                             "xxxxxxxxxxxx");
    int fd = hold_bytes(text, n);
    assert_int_equal(mountinfo_each(fd, count_lines, &next), 0);
    assert_int_equal(next, LINES);
    close(fd);
    test_free(text);
}

static void a_line_may_come_in_pieces(void **state)
{
    static const char text[] = "1 2 0:3 / /a\\040b rw - ext4 x rw\n2 2 0:3 / /c rw - xfs x rw\n";
    enum { PIECE = 5 };
    int ends[2];
    (void)state;

    // Each write is a read of its own. The pipe holds 16 of them.
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
    for (size_t at = 0, n; at < sizeof(text) - 1; at += n) {
        n = sizeof(text) - 1 - at < PIECE ? sizeof(text) - 1 - at : PIECE;
        assert_int_equal(write(ends[1], text + at, n), n);
    }
    close(ends[1]);
    seen.count = 0;
    assert_int_equal(mountinfo_each(ends[0], remember, NULL), 0);
    close(ends[0]);
    assert_int_equal(seen.count, 2);
    assert_strings(0, "/", "/a b", "rw", "ext4");
    assert_strings(1, "/", "/c", "rw", "xfs");
}

static int stop_at_two(const struct mountinfo *m, void *context)
{
    ++*(int *)context;
    return m->id == 2 ? 77 : 0;
}

static void the_visitor_can_stop(void **state)
{
    static const char text[] = "1 0 0:3 / / rw - a x rw\n2 1 0:3 / /b rw - a x rw\nbad\n";
    int fd = hold_bytes(text, sizeof(text) - 1), calls = 0;
    (void)state;

    assert_int_equal(mountinfo_each(fd, stop_at_two, &calls), 77);
    assert_int_equal(calls, 2);
    close(fd);
    assert_bad("the third line", text, sizeof(text) - 1);
    assert_int_equal(seen.count, 2);
}

static void a_read_error_is_recorded(void **state)
{
    (void)state;
    assert_int_equal(mountinfo_each(-1, remember, NULL), -EBADF);
    assert_string_equal(err_brief(), "read: EBADF");
}

static void options_are_whole_words(void **state)
{
    static const struct {
        const char *options, *word;
        bool has;
    } rows[] = {
        {"rw,nosuid,nodev", "rw", true},
        {"rw,nosuid,nodev", "nodev", true},
        {"rw,nosuid,nodev", "no", false},
        {"rw,nosuid,nodev", "suid", false},
        {"rw,nosuid,nodev", "nodevs", false},
        {"rw,nosuid,nodev", "rw,nosuid", false},
        {"", "ro", false},
        {",,ro", "ro", true},
        {"errors=remount-ro", "ro", false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        if (mountinfo_has_option(rows[i].options, rows[i].word) != rows[i].has)
            fail_msg("\"%s\" in \"%s\"", rows[i].word, rows[i].options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_taken_apart),
        cmocka_unit_test(escapes_are_undone_once),
        cmocka_unit_test(malformed_lines_are_errors),
        cmocka_unit_test(an_end_within_a_line_is_an_error),
        cmocka_unit_test(lines_end_at_64_kib),
        cmocka_unit_test(many_lines_come_whole),
        cmocka_unit_test(a_line_may_come_in_pieces),
        cmocka_unit_test(the_visitor_can_stop),
        cmocka_unit_test(a_read_error_is_recorded),
        cmocka_unit_test(options_are_whole_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
