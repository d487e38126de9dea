// SPDX-License-Identifier: MIT
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "root/forward.h"
#include "sys/err.h"
#include "test/unit/support.h"

enum { NUMBERS = 8, HIGHEST = 64 };

static void descriptors_are_sorted_without_those_that_are_none(void **state)
{
    static const struct {
        size_t count, left;
        int fds[NUMBERS], sorted[NUMBERS];
    } rows[] = {
        {0, 0, {0}, {0}},
        {1, 1, {7}, {7}},
        {1, 0, {-1}, {0}},
        {3, 3, {0, 1, 2}, {0, 1, 2}},
        {3, 3, {2, 1, 0}, {0, 1, 2}},
        {7, 5, {0, 1, 2, -1, 9, -1, 4}, {0, 1, 2, 4, 9}},
        {7, 3, {-1, -1, -1, -1, 5, 3, 4}, {3, 4, 5}},
        {8, 8, {8, 7, 6, 5, 4, 3, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8}},
        {8, 7, {1023, 3, 2147483647, -5, 10, 3, 0, 100}, {0, 3, 3, 10, 100, 1023, 2147483647}},
        {4, 4, {5, 5, 5, 5}, {5, 5, 5, 5}},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        int *fds = test_malloc((rows[i].count + 1) * sizeof(*fds));
        memcpy(fds, rows[i].fds, rows[i].count * sizeof(*fds));
        assert_int_equal(forward_sort(fds, rows[i].count), rows[i].left);
        assert_memory_equal(fds, rows[i].sorted, rows[i].left * sizeof(*fds));
        test_free(fds);
    }
}

static void the_terminals_own_signals_are_not_passed_on_twice(void **state)
{
    static const struct {
        int number, code;
        bool own_session, wanted;
    } rows[] = {
        {SIGINT, SI_KERNEL, false, false},  {SIGINT, SI_KERNEL, true, true},
        {SIGINT, SI_USER, false, true},     {SIGINT, SI_QUEUE, false, true},
        {SIGINT, SI_TKILL, false, true},    {SIGQUIT, SI_KERNEL, false, false},
        {SIGTSTP, SI_KERNEL, false, false}, {SIGTTIN, SI_KERNEL, false, false},
        {SIGTTOU, SI_KERNEL, false, false}, {SIGWINCH, SI_KERNEL, false, false},
        {SIGHUP, SI_KERNEL, false, false},  {SIGCONT, SI_KERNEL, false, false},
        {SIGWINCH, SI_KERNEL, true, true},  {SIGTERM, SI_KERNEL, false, true},
        {SIGTERM, SI_USER, false, true},    {SIGALRM, SI_KERNEL, false, true},
        {SIGXCPU, SI_KERNEL, false, true},  {SIGIO, SI_KERNEL, false, true},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (forward_wanted(rows[i].number, rows[i].code, rows[i].own_session) != rows[i].wanted)
            fail_msg("row %zu, signal %d", i, rows[i].number);
    }
}

static void a_descriptor_has_one_owner(void **state)
{
    int ends[2], taken;
    (void)state;

    assert_int_equal(pipe(ends), 0);
    {
        AUTO_CLOSE int first = ends[0];
        AUTO_CLOSE int second = ends[1];
        AUTO_CLOSE int none = -1;
        taken = fd_take(&second);
        assert_int_equal(second, -1);
        assert_int_equal(fd_check(first), 0);
        (void)none;
    }
    assert_int_equal(fd_check(ends[0]), -EBADF);
    assert_int_equal(taken, ends[1]);
    assert_int_equal(fd_check(taken), 0);
    close(taken);
}

static void directories_are_seen_through_any_descriptor(void **state)
{
    int listing = open("/", O_RDONLY | O_DIRECTORY), bare = open("/", O_PATH);
    int file = open("/dev/null", O_RDONLY), bare_file = open("/dev/null", O_PATH);
    (void)state;

    assert_true(listing >= 0 && bare >= 0 && file >= 0 && bare_file >= 0);
    assert_true(fd_is_directory(listing));
    assert_true(fd_is_directory(bare));
    assert_false(fd_is_directory(file));
    assert_false(fd_is_directory(bare_file));
    assert_false(fd_is_directory(-1));
    close(listing);
    assert_false(fd_is_directory(listing));
    close(bare);
    close(file);
    close(bare_file);
}

static void copies_are_above_the_standard_ones(void **state)
{
    int copy = fd_copy(0);
    (void)state;

    assert_true(copy >= 3);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    close(copy);
    assert_int_equal(fd_copy(copy), -EBADF);
    assert_string_equal(err_brief(), "fcntl: EBADF");
}

static void a_blank_reads_nothing(void **state)
{
    char byte;
    int fd = hold_bytes("x", 1);
    (void)state;

    assert_int_equal(fd_blank(fd), 0);
    assert_int_equal(read(fd, &byte, 1), 0);
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
}

static void reading_goes_on_to_the_end(void **state)
{
    char data[8] = "";
    int ends[2];
    (void)state;

    // Each message is a read of its own.
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    for (const char *s = "abcdefgh"; *s != '\0'; s++)
        assert_int_equal(write(ends[1], s, 1), 1);
    assert_int_equal(fd_read_all(ends[0], data, 5, "op"), 5);
    assert_memory_equal(data, "abcde\0\0\0", 8);
    close(ends[0]);
    close(ends[1]);

    int fd = hold_bytes("xyz", 3);
    assert_int_equal(fd_read_all(fd, data, 0, "op"), 0);
    assert_int_equal(fd_read_all(fd, data, sizeof(data), "op"), 3);
    assert_memory_equal(data, "xyz", 3);
    assert_int_equal(fd_read_all(fd, data, sizeof(data), "op"), 0);
    close(fd);
    assert_int_equal(fd_read_all(fd, data, sizeof(data), "op"), -EBADF);
    assert_string_equal(err_brief(), "op: EBADF");
}

// In a child: which of 0 to HIGHEST are open afterwards, as the bits of its answer.
static void close_all_but(const int *keep, size_t count, int proc)
{
    uint64_t want = 0, left = 0;
    int answer[2];
    assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
    int spare = fcntl(answer[1], F_DUPFD_CLOEXEC, HIGHEST);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int kept[NUMBERS], reply = spare;
        memcpy(kept, keep, count * sizeof(*keep));
        kept[count] = reply;
        for (int fd = 3; fd < HIGHEST; fd++)
            dup2(0, fd);
        if (fd_close_all_but(kept, count + 1, proc) != 0)
            _exit(1);
        for (int fd = 0; fd < HIGHEST; fd++)
            left |= (uint64_t)(fd_check(fd) == 0) << fd;
        _exit(write(reply, &left, sizeof(left)) == sizeof(left) ? 0 : 2);
    }
    close(answer[1]);
    close(spare);
    for (size_t i = 0; i < count; i++)
        want |= UINT64_C(1) << keep[i];
    assert_int_equal(read(answer[0], &left, sizeof(left)), sizeof(left));
    assert_int_equal(left, want);
    close(answer[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void all_others_are_closed(void **state)
{
    (void)state;
    close_all_but((const int[]){0, 1, 2}, 3, -1);
    close_all_but((const int[]){0, 1, 2}, 3, 3);
    close_all_but((const int[]){0, 1, 2}, 3, 40);
    close_all_but((const int[]){0, 1, 2, 5, 6, 63}, 6, 7);
    close_all_but((const int[]){0, 1, 2, 40}, 4, 40);
    close_all_but((const int[]){1, 9}, 2, 0);
    close_all_but((const int[]){1, 5, 5, 9}, 4, 6);
    close_all_but((const int[]){0}, 0, 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_sorted_without_those_that_are_none),
        cmocka_unit_test(the_terminals_own_signals_are_not_passed_on_twice),
        cmocka_unit_test(a_descriptor_has_one_owner),
        cmocka_unit_test(directories_are_seen_through_any_descriptor),
        cmocka_unit_test(copies_are_above_the_standard_ones),
        cmocka_unit_test(a_blank_reads_nothing),
        cmocka_unit_test(reading_goes_on_to_the_end),
        cmocka_unit_test(all_others_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
