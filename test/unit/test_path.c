// SPDX-License-Identifier: MIT
#include "sys/path.h"

#include <errno.h>

#include "sys/err.h"
#include "test/unit/path_tree.h"

// `same` is what must be opened, where it is not `path` itself; NULL where `error` is to come.
static const struct {
    const char *path, *same;
    int error;
} rows[] = {
    {"", ".", 0},
    {".", ".", 0},
    {"sub", "sub", 0},
    {"sub/inner", "sub/inner", 0},
    {"sub/inner/file", "sub/inner/file", 0},
    {"sub//inner///file", "sub/inner/file", 0},
    {"./sub/./inner/.", "sub/inner", 0},
    {"sub/inner/", "sub/inner", 0},
    {"...", "...", 0},
    {"..a", "..a", 0},
    {" ", " ", 0},
    {"\n", "\n", 0},
    {NAME_255 "/" NAME_255, NAME_255 "/" NAME_255, 0},
    {"none", NULL, ENOENT},
    {"sub/none", NULL, ENOENT},
    {"none/file", NULL, ENOENT},
    {"top/file", NULL, ENOTDIR},
    {"..", NULL, EXDEV},
    {"../", NULL, EXDEV},
    {"../..", NULL, EXDEV},
    {"./..", NULL, EXDEV},
    {"to-sub", NULL, ELOOP},
    {"to-sub/inner", NULL, ELOOP},
    {"to-file", NULL, ELOOP},
    {"to-none", NULL, ELOOP},
    {"loop", NULL, ELOOP},
    {"absolute", NULL, ELOOP},
    {"absolute/etc", NULL, ELOOP},
    {"sub/up", NULL, ELOOP},
    {"sub/up/top", NULL, ELOOP},
    {"sub/out", NULL, ELOOP},
    {"sub/inner/dot/file", NULL, ELOOP},
    {NAME_255 "x", NULL, ENAMETOOLONG},
    {"sub/" NAME_255 "x/file", NULL, ENAMETOOLONG},
};

// How many rows come out otherwise; each is named. No descriptor may be left open.
static int try_all(void)
{
    int bad = 0, before = dup(top), after;
    close(before);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = path_open_beneath(top, rows[i].path);
        bool good;
        if (rows[i].same != NULL)
            good = fd >= 0 && is_same(fd, rows[i].same) && (fcntl(fd, F_GETFL) & O_PATH) != 0 &&
                   fcntl(fd, F_GETFD) == FD_CLOEXEC;
        else
            good = fd == -rows[i].error && strncmp(err_brief(), "open: ", 6) == 0 &&
                   strcmp(err_brief() + 6, err_name(rows[i].error)) == 0;
        if (!good)
            fprintf(stderr, "path \"%s\": %d\n", rows[i].path, fd);
        bad += !good;
        if (fd >= 0)
            close(fd);
    }
    after = dup(top);
    close(after);
    return bad + (after != before);
}

static void the_kernel_stays_beneath(void **state)
{
    (void)state;
    assert_int_equal(try_all(), 0);
}

static void the_walk_does_the_same(void **state)
{
    (void)state;
    try_without_openat2(ENOSYS, try_all);
    try_without_openat2(EPERM, try_all);
}

static void mounts_are_crossed_but_no_magic_links(void **state)
{
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat above, below;
    (void)state;

    assert_true(root >= 0);
    int self = openat(root, "proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (self < 0 || fstat(root, &above) != 0 || fstat(self, &below) != 0 ||
        above.st_dev == below.st_dev)
        skip();
    int sys = path_open_beneath(root, "proc/sys/kernel");
    assert_true(sys >= 0);
    assert_int_equal(path_open_beneath(self, "root"), -ELOOP);
    assert_int_equal(path_open_beneath(self, "cwd/."), -ELOOP);
    assert_int_equal(path_open_beneath(self, "fd/0"), -ELOOP);
    close(sys);
    close(self);
    close(root);
}

static void a_file_is_no_place_to_start(void **state)
{
    int file = openat(top, "top", O_PATH | O_CLOEXEC);
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(path_open_beneath(file, "x"), -ENOTDIR);
    assert_int_equal(path_open_beneath(-1, "x"), -EBADF);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_stays_beneath),
        cmocka_unit_test(the_walk_does_the_same),
        cmocka_unit_test(mounts_are_crossed_but_no_magic_links),
        cmocka_unit_test(a_file_is_no_place_to_start),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
