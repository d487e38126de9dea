// SPDX-License-Identifier: MIT
#include "archive/parents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "test/unit/support.h"

enum { MANY = 40 };

static char place[] = "/tmp/inroot-parents.XXXXXX";
static int root = -1;
static struct parents parents;

static int make_tree(void **state)
{
    char name[16];
    (void)state;
    if (mkdtemp(place) == NULL || (root = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        if (mkdirat(root, name, 0755) != 0)
            return -1;
    }
    return mkdirat(root, "d0/sub", 0755) == 0 && symlinkat("d1", root, "link") == 0 &&
                   symlinkat("/d0", root, "absolute") == 0 && symlinkat("none", root, "dangling") == 0 &&
                   mknodat(root, "file", S_IFREG | 0644, 0) == 0
               ? 0
               : -1;
}

static int drop_tree(void **state)
{
    char command[64];
    (void)state;
    close(root);
    snprintf(command, sizeof(command), "rm -rf %s", place);
    return system(command);
}

static int open_path(const char *path)
{
    return parents_open(&parents, path, strlen(path));
}

static bool is_same(int fd, const char *name)
{
    struct stat got, want;
    return fd >= 0 && fstat(fd, &got) == 0 && fstatat(root, name, &want, 0) == 0 &&
           got.st_dev == want.st_dev && got.st_ino == want.st_ino;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void names_are_opened_once(void **state)
{
    int before = open_descriptors();
    (void)state;
    parents_begin(&parents, root, false);
    assert_int_equal(open_path(""), root);
    int fd = open_path("d0");
    assert_true(is_same(fd, "d0"));
    assert_int_equal(open_path("d0"), fd);
    int below = open_path("d0/sub");
    assert_true(is_same(below, "d0/sub"));
    assert_int_equal(open_path("d0"), fd);
    assert_int_equal(open_path("d0/sub"), below);
    // Only so many bytes of the name.
    assert_int_equal(parents_open(&parents, "d0/subway", 6), below);
    assert_int_equal(parents_open(&parents, "d0/sub", 2), fd);
    assert_int_equal(parents_open(&parents, "d0/sub", 0), root);
    assert_true(fd != below && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    parents_end(&parents);
    assert_int_equal(open_descriptors(), before);
    assert_true(fcntl(root, F_GETFD) >= 0);
}

static void what_can_not_be_opened(void **state)
{
    int before = open_descriptors();
    (void)state;
    parents_begin(&parents, root, false);
    assert_int_equal(open_path("none"), -ENOENT);
    assert_int_equal(open_path("none/sub"), -ENOENT);
    assert_int_equal(open_path("dangling"), -ENOENT);
    assert_int_equal(open_path("file"), -ENOTDIR);
    assert_int_equal(open_path("file/sub"), -ENOTDIR);
    assert_true(is_same(open_path("link"), "d1"));
    assert_true(is_same(open_path("absolute/sub"), "d0/sub"));
    parents_end(&parents);
    parents_begin(&parents, root, true);
    assert_int_equal(open_path("link"), -ELOOP);
    assert_int_equal(open_path("absolute/sub"), -ELOOP);
    assert_true(is_same(open_path("d0/sub"), "d0/sub"));
    parents_end(&parents);
    assert_int_equal(open_descriptors(), before);
}

// More than there is room for, and never a descriptor that is left open or closed twice.
static void only_some_are_kept(void **state)
{
    char name[24], again[24];
    int before = open_descriptors();
    (void)state;
    parents_begin(&parents, root, false);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof(name), "d%d", i);
            assert_true(is_same(open_path(name), name));
        }
    }
    assert_int_equal(open_descriptors(), before + PARENTS);
    srandom(1);
    for (int i = 0; i < 5000; i++) {
        // The last one is valid until the call after the next.
        snprintf(name, sizeof(name), "d%ld", random() % MANY);
        snprintf(again, sizeof(again), "d%ld", random() % MANY);
        int first = open_path(name), second = open_path(again);
        assert_true(is_same(first, name) && is_same(second, again));
    }
    parents_end(&parents);
    assert_int_equal(open_descriptors(), before);
    parents_end(&parents); // closes nothing twice
}

// What was one directory can be another after a link was made (CVE-2025-47290).
static void what_is_forgotten_is_looked_up_again(void **state)
{
    (void)state;
    parents_begin(&parents, root, false);
    int old = open_path("d2");
    assert_true(is_same(old, "d2"));
    assert_int_equal(renameat(root, "d2", root, "moved"), 0);
    assert_int_equal(symlinkat("d3", root, "d2"), 0);
    assert_int_equal(open_path("d2"), old); // nobody has said so yet
    parents_forget(&parents);
    assert_true(is_same(old, "moved")); // and it can be used on
    int new = open_path("d2");
    assert_true(is_same(new, "d3"));
    assert_int_equal(open_path("d2"), new);
    parents_forget(&parents);
    assert_int_equal(unlinkat(root, "d2", 0), 0);
    assert_int_equal(open_path("d2"), -ENOENT);
    assert_int_equal(renameat(root, "moved", root, "d2"), 0);
    assert_true(is_same(open_path("d2"), "d2"));
    // To forget twice, or when there is nothing, does no harm.
    parents_forget(&parents);
    parents_forget(&parents);
    assert_int_equal(open_path(""), root);
    assert_true(is_same(open_path("d2"), "d2"));
    parents_end(&parents);
}

static void directories_that_are_known_can_be_kept(void **state)
{
    int before = open_descriptors();
    (void)state;
    parents_begin(&parents, root, false);
    int fd = openat(root, "d5", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    parents_keep(&parents, "d5/ignored", 2, fd);
    assert_int_equal(open_path("d5"), fd);
    for (int i = 0; i < 3 * PARENTS; i++) {
        fd = openat(root, "d6", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        parents_keep(&parents, "d6", 2, fd);
        assert_true(is_same(open_path("d6"), "d6"));
    }
    assert_int_equal(open_descriptors(), before + PARENTS);
    parents_end(&parents);
    assert_int_equal(open_descriptors(), before);
}

// While one is being used the next is made, as on the way down to a missing one, also in a full cache.
static void what_was_opened_last_outlives_one_more(void **state)
{
    char name[16];
    (void)state;
    for (int filled = 0; filled < 2 * PARENTS; filled++) {
        parents_begin(&parents, root, false);
        for (int i = 0; i < filled; i++) {
            snprintf(name, sizeof(name), "d%d", i);
            assert_true(open_path(name) >= 0);
        }
        for (int i = 0; i < filled; i++) {
            snprintf(name, sizeof(name), "d%d", i);
            int known = open_path(name);
            int fd = openat(root, "d39", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            parents_keep(&parents, "d39", 3, fd);
            assert_true(is_same(known, name));
        }
        parents_end(&parents);
    }
}

static void the_longest_name(void **state)
{
    static char path[PATH_MAX];
    (void)state;
    parents_begin(&parents, root, false);
    for (size_t i = 0; i < PATH_MAX - 3; i += 2)
        memcpy(path + i, "./", 2);
    strcpy(path + PATH_MAX - 4, "d0");
    assert_true(is_same(open_path(path), "d0"));
    assert_true(is_same(open_path(path), "d0"));
    parents_end(&parents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_opened_once),
        cmocka_unit_test(what_can_not_be_opened),
        cmocka_unit_test(only_some_are_kept),
        cmocka_unit_test(what_is_forgotten_is_looked_up_again),
        cmocka_unit_test(directories_that_are_known_can_be_kept),
        cmocka_unit_test(what_was_opened_last_outlives_one_more),
        cmocka_unit_test(the_longest_name),
    };
    return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
