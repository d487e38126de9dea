// SPDX-License-Identifier: MIT
// path_open_directory(): with links, in a root.
#include "sys/path.h"

#include <errno.h>
#include <limits.h>

#include "test/unit/path_tree.h"

static const struct {
    const char *name, *target;
} inner_links[] = {
    {"to-inner", "/sub/inner"},
    {"up-and-down", "/../..//sub/../sub/./inner//"},
    {"sub/climbs", "../../../../sub/inner"},
    {"sub/inner/top", "/"},
    {"by-link", "to-sub/inner"},
    {"by-absolute", "/absolute/to-sub/../to-inner"},
    {"back", "forth"},
    {"forth", "sub/../back"},
    {"through-file", "sub/inner/file/.."},
    {"through-none", "none/.."},
    {"dots", "./."},
    {"a-blank", " "},
};

// As the table above; the links of both tables stand in the tree. `error` is what comes without links, 0 for
// the same.
static const struct {
    const char *path, *same;
    int error, without_links;
} places[] = {
    {"", ".", 0, 0},
    {".", ".", 0, 0},
    {"sub", "sub", 0, 0},
    {"sub/", "sub", 0, 0},
    {"sub/inner", "sub/inner", 0, 0},
    {"sub//inner///", "sub/inner", 0, 0},
    {"./sub/./inner/.", "sub/inner", 0, 0},
    {"...", "...", 0, 0},
    {"..a", "..a", 0, 0},
    {" ", " ", 0, 0},
    {NAME_255, NAME_255, 0, 0},
    {"none", NULL, ENOENT, 0},
    {"sub/none", NULL, ENOENT, 0},
    {"none/sub", NULL, ENOENT, 0},
    {"top", NULL, ENOTDIR, ENOTDIR},
    {"top/", NULL, ENOTDIR, ENOTDIR},
    {"top/sub", NULL, ENOTDIR, ENOTDIR},
    {"sub/inner/file", NULL, ENOTDIR, ENOTDIR},
    {NAME_255 "x", NULL, ENAMETOOLONG, 0},
    {"sub/" NAME_255 "x/file", NULL, ENAMETOOLONG, 0},
    // links, from here on
    {"to-sub", "sub", 0, ELOOP},
    {"to-sub/", "sub", 0, ELOOP},
    {"to-sub/inner", "sub/inner", 0, ELOOP},
    {"to-inner", "sub/inner", 0, ELOOP},
    {"up-and-down", "sub/inner", 0, ELOOP},
    {"up-and-down/.", "sub/inner", 0, ELOOP},
    {"sub/climbs", "sub/inner", 0, ELOOP},
    {"sub/up", ".", 0, ELOOP},
    {"sub/up/sub/up/sub", "sub", 0, ELOOP},
    {"sub/out", ".", 0, ELOOP},
    {"sub/out/etc", NULL, ENOENT, ELOOP},
    {"absolute", ".", 0, ELOOP},
    {"absolute/absolute/sub", "sub", 0, ELOOP},
    {"absolute/etc", NULL, ENOENT, ELOOP},
    {"sub/inner/top/to-sub/inner/top/sub", "sub", 0, ELOOP},
    {"sub/inner/dot/dot/dot", "sub/inner", 0, ELOOP},
    {"by-link", "sub/inner", 0, ELOOP},
    {"by-absolute", "sub/inner", 0, ELOOP},
    {"dots/sub", "sub", 0, ELOOP},
    {"a-blank", " ", 0, ELOOP},
    {"to-file", NULL, ENOTDIR, ELOOP},
    {"to-file/x", NULL, ENOTDIR, ELOOP},
    {"to-none", NULL, ENOENT, ELOOP},
    {"to-none/x", NULL, ENOENT, ELOOP},
    {"loop", NULL, ELOOP, 0},
    {"loop/x", NULL, ELOOP, 0},
    {"back", NULL, ELOOP, 0},
    {"through-file", NULL, ENOTDIR, ELOOP},
    {"through-none", NULL, ENOENT, ELOOP},
    // and names as archives never have them: only with links
    {"/", ".", 0, -1},
    {"//sub//", "sub", 0, -1},
    {"..", ".", 0, -1},
    {"../", ".", 0, -1},
    {"../../sub/../..", ".", 0, -1},
    {"/../sub", "sub", 0, -1},
    {"sub/..", ".", 0, -1},
    {"sub/inner/..", "sub", 0, -1},
    {"sub/inner/../../sub", "sub", 0, -1},
    {"to-sub/..", ".", 0, -1},
    {"to-inner/..", "sub", 0, -1},
    {"sub/climbs/../..", ".", 0, -1},
    {"top/..", NULL, ENOTDIR, -1},
    {"none/..", NULL, ENOENT, -1},
    {"to-file/..", NULL, ENOTDIR, -1},
};

static bool is_as_wanted(int fd, const char *same, int error)
{
    return same == NULL ? fd == -error
                        : fd >= 0 && is_same(fd, same) && (fcntl(fd, F_GETFL) & O_PATH) != 0 &&
                              fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

static int try_place(const char *path, bool no_links, const char *same, int error)
{
    int fd = path_open_directory(top, path, no_links);
    // Where links are refused the walk does not look whether it was one.
    bool good =
        is_as_wanted(fd, same, error) || (no_links && same == NULL && error == ENOTDIR && fd == -ELOOP);
    if (!good)
        fprintf(stderr, "directory \"%.60s\"%s: %d\n", path, no_links ? " without links" : "", fd);
    if (fd >= 0)
        close(fd);
    return !good;
}

// A chain of `count` links, each to the next, and the last one to sub.
static void chain_links(int count, bool make)
{
    for (int i = 0; i < count; i++) {
        char name[24], target[24];
        snprintf(name, sizeof(name), "chain-%d", i);
        snprintf(target, sizeof(target), i + 1 < count ? "chain-%d" : "/sub", i + 1);
        if (make)
            (void)symlinkat(target, top, name);
        else
            unlinkat(top, name, 0);
    }
}

// Paths, targets and both together up to what Linux takes.
static int try_long(void)
{
    static char path[2 * PATH_MAX];
    int bad = 0;
    for (size_t n = PATH_MAX - 2; n <= PATH_MAX + 1; n++) {
        memset(path, '/', n);
        for (size_t i = 0; i + 4 < n; i += 2)
            path[i] = '.';
        memcpy(path + n - 4, "/sub", 5);
        bad += try_place(path, false, n < PATH_MAX ? "sub" : NULL, ENAMETOOLONG);
        bad += try_place(path, true, n < PATH_MAX ? "sub" : NULL, ENAMETOOLONG);
    }
    memset(path, '/', PATH_MAX);
    for (size_t i = 0; i < PATH_MAX - 6; i += 2)
        path[i] = '.';
    strcpy(path + PATH_MAX - 6, "/sub"); // one byte less than a link can have: the walk adds a slash
    if (symlinkat(path, top, "long") != 0)
        return bad + 1;
    bad += try_place("long", false, "sub", 0);
    // The walk puts both into one buffer, and refuses what the kernel would still take.
    int fd = path_open_directory(top, "long/inner", false);
    bad += fd >= 0 ? !is_same(fd, "sub/inner") : fd != -ENAMETOOLONG;
    if (fd >= 0)
        close(fd);
    return bad + (unlinkat(top, "long", 0) != 0);
}

static int try_places(void)
{
    int bad = 0, before = dup(top), after;
    close(before);
    for (size_t i = 0; i < COUNT(places); i++) {
        bad += try_place(places[i].path, false, places[i].same, places[i].error);
        if (places[i].without_links == 0)
            bad += try_place(places[i].path, true, places[i].same, places[i].error);
        else if (places[i].without_links > 0)
            bad += try_place(places[i].path, true, NULL, places[i].without_links);
    }
    chain_links(41, true);
    bad += try_place("chain-1", false, "sub", 0); // 40
    bad += try_place("chain-0", false, NULL, ELOOP);
    bad += try_place("chain-21/../chain-21", false, "sub", 0);
    bad += try_place("chain-20/../chain-21", false, NULL, ELOOP);
    chain_links(41, false);
    bad += try_long();
    after = dup(top);
    close(after);
    return bad + (after != before);
}

static int with_inner_links(bool make)
{
    int bad = 0;
    for (size_t i = 0; i < COUNT(inner_links); i++)
        bad += (make ? symlinkat(inner_links[i].target, top, inner_links[i].name)
                     : unlinkat(top, inner_links[i].name, 0)) != 0;
    return bad;
}

static void links_stay_in_the_root(void **state)
{
    (void)state;
    assert_int_equal(with_inner_links(true), 0);
    assert_int_equal(try_places(), 0);
    try_without_openat2(ENOSYS, try_places);
    try_without_openat2(EPERM, try_places);
    try_without_openat2(EAGAIN, try_places);
    assert_int_equal(with_inner_links(false), 0);
}

// /proc's links lead to what they stand for, whatever their text is: refused, or taken as text, in the root.
static int try_magic_links(void)
{
    static const char *const names[] = {"root",     "cwd",    "exe",    "fd/0",
                                        "root/etc", "cwd/..", "ns/mnt", "task/../root"};
    int bad = 0, outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int self = openat(outside, "proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat root, got;
    if (self < 0 || fstat(self, &root) != 0)
        return 77;
    for (size_t i = 0; i < COUNT(names); i++) {
        int fd = path_open_directory(self, names[i], false);
        // What there is below /proc/self is of its device.
        bad += fd >= 0 && (fstat(fd, &got) != 0 || got.st_dev != root.st_dev);
        bad += fd >= 0 && i < 3 && got.st_ino != root.st_ino;
        bad += path_open_directory(self, names[i], true) >= 0;
        if (fd >= 0)
            close(fd);
    }
    int fd = path_open_directory(outside, "proc/self/task", false); // a link like another
    bad += fd < 0;
    close(fd);
    close(self);
    close(outside);
    return bad;
}

static void magic_links_are_harmless(void **state)
{
    (void)state;
    int bad = try_magic_links();
    if (bad == 77)
        skip();
    assert_int_equal(bad, 0);
    try_without_openat2(ENOSYS, try_magic_links);
}

static void a_file_is_no_root(void **state)
{
    int file = openat(top, "top", O_PATH | O_CLOEXEC);
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(path_open_directory(file, "x", false), -ENOTDIR);
    assert_int_equal(path_open_directory(file, "", false), -ENOTDIR);
    assert_int_equal(path_open_directory(-1, "x", false), -EBADF);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_stay_in_the_root),
        cmocka_unit_test(magic_links_are_harmless),
        cmocka_unit_test(a_file_is_no_root),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
