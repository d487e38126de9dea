// SPDX-License-Identifier: MIT
#include "archive/dirs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/acl.h"
#include "test/unit/support.h"

enum { MANY = 20000 };

static struct dirs dirs;

static int begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < dirs.chunks; i++)
        munmap(dirs.chunk[i], DIRS_CHUNK);
    memset(&dirs, 0, sizeof(dirs));
    return 0;
}

static size_t depth_of(const char *path)
{
    size_t depth = *path != '\0';
    for (; *path != '\0'; path++)
        depth += *path == '/';
    return depth;
}

// An entry of which every field follows from `i`.
static struct dirs_entry entry_of(unsigned i)
{
    static char access[ACL_BYTES_MAX], inherited[ACL_BYTES_MAX];
    struct dirs_entry e = {
        .device = i * UINT64_C(0x10000001),
        .inode = ~(uint64_t)i,
        .mode = i % 010000,
        .mtime = {-(int64_t)i, i % 1000000000},
        .has_atime = i % 3 == 0,
        .access = access,
        .inherited = inherited,
        .access_size = i % 5 == 0 ? 4 + 8 * (i % 7) : 0,
        .inherited_size = i % 7 == 0 ? 4 + 8 * (i % 11) : 0,
    };
    if (e.has_atime)
        e.atime = (struct pax_time){INT64_MAX - i, i % 1000};
    memset(access, (int)i, sizeof(access));
    memset(inherited, (int)i + 1, sizeof(inherited));
    return e;
}

static void assert_same(const struct dirs_entry *got, unsigned i)
{
    const struct dirs_entry want = entry_of(i);
    assert_true(got->device == want.device && got->inode == want.inode && got->mode == want.mode);
    assert_true(got->mtime.seconds == want.mtime.seconds && got->mtime.nanoseconds == want.mtime.nanoseconds);
    assert_int_equal(got->has_atime, want.has_atime);
    if (want.has_atime)
        assert_true(got->atime.seconds == want.atime.seconds &&
                    got->atime.nanoseconds == want.atime.nanoseconds);
    assert_true(got->access_size == want.access_size && got->inherited_size == want.inherited_size);
    assert_memory_equal(got->access, want.access, want.access_size);
    assert_memory_equal(got->inherited, want.inherited, want.inherited_size);
}

static int add(const char *path, unsigned i)
{
    const struct dirs_entry e = entry_of(i);
    return dirs_add(&dirs, path, depth_of(path), &e);
}

// -- order -------------------------------------------------------------------------------------

static char listed[256];

static int list(void *context, const char *path, const struct dirs_entry *e)
{
    (void)context, (void)e;
    snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed), "%s%s", path, " ");
    return 0;
}

static const char *list_all(const char *const *paths)
{
    begin(NULL);
    for (unsigned i = 0; paths[i] != NULL; i++)
        assert_int_equal(add(paths[i], i), 0);
    listed[0] = '\0';
    assert_int_equal(dirs_each(&dirs, list, NULL), 0);
    return listed;
}

#define LIST(...) list_all((const char *const[]){__VA_ARGS__, NULL})

static void the_deepest_come_first(void **state)
{
    (void)state;
    assert_string_equal(list_all((const char *const[]){NULL}), "");
    assert_string_equal(LIST(""), " ");
    assert_string_equal(LIST("a"), "a ");
    assert_string_equal(LIST("", "a", "a/b", "c"), "a/b a c  ");
    assert_string_equal(LIST("a", "b", "a/c", "b/d", "a/e"), "a/c b/d a/e a b ");
    assert_string_equal(LIST("a/b/c", "a", "a/b"), "a/b/c a/b a ");
    assert_string_equal(LIST("a/b/c/d", "", "x/y", "x"), "a/b/c/d x/y x  ");
    // Names that begin alike are not below one another.
    assert_string_equal(LIST("a", "ab", "a/b", "ab/c"), "a/b ab/c a ab ");
    assert_string_equal(LIST("a", "a b", "a/b", "a-b/c"), "a/b a-b/c a a b ");
    // One that comes again is there twice: the later one counts, being set last.
    assert_string_equal(LIST("a", "a", "a/b", "a", "a/b"), "a/b a/b a a a ");
    assert_string_equal(LIST("", "", "a", ""), "a    ");
}

static int stop_at(void *context, const char *path, const struct dirs_entry *e)
{
    unsigned *left = context;
    (void)path, (void)e;
    return --*left == 0 ? -EIO : 0;
}

static void it_can_be_stopped(void **state)
{
    unsigned left = 2;
    (void)state;
    assert_int_equal(add("a", 1), 0);
    assert_int_equal(add("b", 2), 0);
    assert_int_equal(add("c", 3), 0);
    assert_int_equal(dirs_each(&dirs, stop_at, &left), -EIO);
    assert_int_equal(left, 0);
}

// -- many --------------------------------------------------------------------------------------

static char *paths[MANY];
static unsigned seen;
static size_t last_depth;

// The number of a directory is its modification time.
static int compare(void *context, const char *path, const struct dirs_entry *e)
{
    bool *met = context;
    unsigned i = (unsigned)-e->mtime.seconds;
    assert_true(i < MANY && !met[i]);
    assert_string_equal(path, paths[i]);
    assert_same(e, i);
    assert_true(depth_of(path) <= last_depth);
    last_depth = depth_of(path);
    met[i] = true;
    seen++;
    return 0;
}

// A random walk through a tree: below the last one, beside it, or back up to where it was before.
static void random_trees(void **state)
{
    static bool met[MANY];
    char path[PATH_MAX] = "";
    (void)state;
    srandom(1);
    for (unsigned i = 0; i < MANY; i++) {
        for (long up = random() % 4; up > 0; up--) {
            char *slash = strrchr(path, '/');
            *(slash != NULL ? slash : path) = '\0';
        }
        size_t n = strlen(path), more = (size_t)random() % (i % 1000 == 0 ? 255 : 12);
        if (more > 0 && n + more + 2 < 3000) {
            path[n] = '/';
            size_t start = n + (n > 0);
            for (size_t at = 0; at < more; at++)
                path[start + at] = (char)('a' + random() % 2);
            path[start + more] = '\0';
        }
        paths[i] = strdup(path);
        assert_non_null(paths[i]);
        assert_int_equal(add(path, i), 0);
    }
    last_depth = SIZE_MAX;
    assert_int_equal(dirs_each(&dirs, compare, met), 0);
    assert_int_equal(seen, MANY);
    for (unsigned i = 0; i < MANY; i++)
        free(paths[i]);
}

static int check_deep(void *context, const char *path, const struct dirs_entry *e)
{
    size_t *length = context;
    (void)e;
    assert_int_equal(strlen(path), *length);
    *length = *length < 2 ? 0 : *length - 2;
    return 0;
}

static void as_deep_as_a_path_goes(void **state)
{
    static char path[PATH_MAX];
    size_t length = 0;
    (void)state;
    assert_int_equal(add("", 0), 0);
    for (size_t i = 0; i < PATH_MAX - 1; i++) {
        path[i] = i % 2 == 0 ? 'a' : '/';
        if (i % 2 != 0)
            continue;
        path[i + 1] = '\0';
        assert_int_equal(add(path, 1), 0);
        length = i + 1;
    }
    assert_int_equal(length, PATH_MAX - 1);
    assert_int_equal(dirs_each(&dirs, check_deep, &length), 0);
}

static int count(void *context, const char *path, const struct dirs_entry *e)
{
    (void)path, (void)e;
    ++*(uint64_t *)context;
    return 0;
}

// 48 bytes each and its name, and 64 MiB for all.
static void memory_is_bounded(void **state)
{
    char path[32];
    uint64_t added = 0, found = 0;
    int error = 0;
    const struct dirs_entry e = {.mode = 0755};
    (void)state;
    assert_int_equal(dirs_add(&dirs, "directory", 1, &e), 0);
    while (error == 0 && added < 10000000) {
        snprintf(path, sizeof(path), "directory/%07u", (unsigned)added);
        error = dirs_add(&dirs, path, 2, &e);
        added += error == 0;
    }
    assert_int_equal(error, -E2BIG);
    assert_true(added >= ((uint64_t)DIRS_CHUNK * DIRS_CHUNKS - 100 * DIRS_CHUNKS) / 56);
    assert_int_equal(dirs_each(&dirs, count, &found), 0);
    assert_int_equal(found, added + 1);
    assert_int_equal(dirs_add(&dirs, "x", 1, &e), -E2BIG);
}

static void the_largest_acls(void **state)
{
    static char access[ACL_BYTES_MAX], inherited[ACL_BYTES_MAX], path[PATH_MAX];
    uint64_t found = 0;
    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    const struct dirs_entry e = {.access = access,
                                 .access_size = sizeof(access),
                                 .inherited = inherited,
                                 .inherited_size = sizeof(inherited),
                                 .has_atime = 1};
    for (int i = 0; i < 20; i++)
        assert_int_equal(dirs_add(&dirs, path, 1, &e), 0);
    assert_int_equal(dirs_each(&dirs, count, &found), 0);
    assert_int_equal(found, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_deepest_come_first, begin),
        cmocka_unit_test_setup(it_can_be_stopped, begin),
        cmocka_unit_test_setup(random_trees, begin),
        cmocka_unit_test_setup(as_deep_as_a_path_goes, begin),
        cmocka_unit_test_setup(memory_is_bounded, begin),
        cmocka_unit_test_setup(the_largest_acls, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
