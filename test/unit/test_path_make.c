// SPDX-License-Identifier: MIT
// path_make() and path_open_any(): what is missing is made below the root and nowhere else.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "sys/fd.h"
#include "sys/path.h"

static char top[] = "/tmp/inroot-make.XXXXXX";
static int outside, root;

static int set_up(void **state)
{
    (void)state;
    umask(022);
    assert_non_null(mkdtemp(top));
    outside = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(outside, "root", 0755), 0);
    root = openat(outside, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(root >= 0);
    return 0;
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    close(root);
    close(outside);
    strcpy(command, "rm -rf ");
    strcat(command, top);
    return system(command);
}

static void link_to(const char *target, const char *name)
{
    assert_int_equal(symlinkat(target, root, name), 0);
}

static mode_t mode_of(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode : 0;
}

static void assert_made(const char *path, bool directory, const char *at, mode_t mode)
{
    struct stat made, there;
    int deepest = -1, fd = path_make(root, path, directory, &deepest);
    assert_true(fd >= 0);
    assert_int_equal(deepest, -1);
    assert_int_equal(fstat(fd, &made), 0);
    assert_int_equal(fstatat(root, at, &there, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(made.st_ino, there.st_ino);
    assert_int_equal(there.st_mode, mode);
    close(fd);
}

static void test_made(void **state)
{
    (void)state;
    assert_made("/a/b/c", true, "a/b/c", S_IFDIR | 0755);
    assert_made("a/b/file", false, "a/b/file", S_IFREG | 0644);
    assert_made("/a//b/./file/", false, "a/b/file", S_IFREG | 0644); // it is there
    assert_made("/../../up", true, "up", S_IFDIR | 0755);
    assert_made("/n/../m", true, "m", S_IFDIR | 0755);
    assert_int_equal(fchmodat(root, "up", 02770, 0), 0);
    assert_made("/up", true, "up", S_IFDIR | 02770); // and stays as it is
    assert_int_equal(mode_of(outside, "up"), 0);
}

static void test_links(void **state)
{
    (void)state;
    link_to("/in/there", "absolute");
    link_to("../../../rel/ative", "relative");
    link_to("/target-file", "dangling");
    assert_made("/absolute/x", true, "in/there/x", S_IFDIR | 0755);
    assert_made("/relative", true, "rel/ative", S_IFDIR | 0755);
    assert_made("/dangling", false, "target-file", S_IFREG | 0644);
    assert_int_equal(mode_of(outside, "rel"), 0);
    link_to("loop", "loop");
    assert_int_equal(path_make(root, "/loop/x", true, NULL), -ELOOP);
    assert_int_equal(path_open_any(root, "/loop"), -ELOOP);
}

static void test_in_the_way(void **state)
{
    int deepest = -1;
    (void)state;
    assert_made("/file", false, "file", S_IFREG | 0644);
    assert_int_equal(path_make(root, "/file/x", true, &deepest), -ENOTDIR);
    fd_auto_close(&deepest);
    int fd = path_open_any(root, "/file");
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(path_open_any(root, "/none"), -ENOENT);
}

// The directory where it failed is what a layer goes over.
static void test_deepest(void **state)
{
    struct stat st, there;
    int deepest = -1;
    (void)state;
    if (geteuid() == 0)
        skip(); // nothing is denied to root
    assert_made("/closed", true, "closed", S_IFDIR | 0755);
    assert_int_equal(fchmodat(root, "closed", 0555, 0), 0);
    assert_int_equal(path_make(root, "/closed/x/y", true, &deepest), -EACCES);
    assert_int_equal(fstat(deepest, &st), 0);
    assert_int_equal(fstatat(root, "closed", &there, 0), 0);
    assert_int_equal(st.st_ino, there.st_ino);
    fd_auto_close(&deepest);
    assert_int_equal(fchmodat(root, "closed", 0755, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_deepest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
