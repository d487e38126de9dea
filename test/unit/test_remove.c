// SPDX-License-Identifier: MIT
#include "archive/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test/unit/support.h"

static char in_memory[] = "/dev/shm/inroot-remove.XXXXXX", elsewhere[] = "/tmp/inroot-remove.XXXXXX";
static const char *place;
static int top = -1; // holds "tree", which is removed, and "outside", which must stay as it is

static int make_place(void **state)
{
    (void)state;
    place = mkdtemp(in_memory);
    if (place == NULL)
        place = mkdtemp(elsewhere);
    return place != NULL && (top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 ? 0 : -1;
}

static int drop_place(void **state)
{
    (void)state;
    close(top);
    return rmdir(place);
}

static int make_outside(void **state)
{
    (void)state;
    int error = mkdirat(top, "outside", 0755) + mkdirat(top, "outside/sub", 0755) +
                mkdirat(top, "tree", 0755) + mknodat(top, "outside/file", S_IFREG | 0644, 0) +
                mknodat(top, "outside/sub/file", S_IFREG | 0600, 0);
    return error;
}

static bool is_there(const char *name)
{
    struct stat st;
    return fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// What was outside is there; and nothing else is left.
static int check_outside(void **state)
{
    (void)state;
    int error = unlinkat(top, "outside/sub/file", 0) + unlinkat(top, "outside/file", 0) +
                unlinkat(top, "outside/sub", AT_REMOVEDIR) + unlinkat(top, "outside", AT_REMOVEDIR);
    return error;
}

static int next_descriptor(void)
{
    int fd = dup(top);
    close(fd);
    return fd;
}

static void make(const char *const *names)
{
    for (; *names != NULL; names++) {
        size_t n = strlen(*names);
        bool directory = (*names)[n - 1] == '/';
        if ((directory ? mkdirat(top, *names, 0755) : mknodat(top, *names, S_IFREG | 0644, 0)) != 0)
            fail_msg("%s: %s", *names, strerror(errno));
    }
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void trees_are_removed(void **state)
{
    int before = next_descriptor();
    (void)state;
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0); // an empty one
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), -ENOENT);
    MAKE("tree/", "tree/a", "tree/b/", "tree/b/c/", "tree/b/c/d", "tree/b/e/", "tree/b/e/f/", "tree/g/",
         "tree/ ", "tree/\n", "tree/...", "tree/-rf");
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
    assert_false(is_there("tree"));
    assert_int_equal(next_descriptor(), before);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    MAKE("tree/d/", "tree/d/e/");
    assert_int_equal(symlinkat("../outside", top, "tree/to-outside"), 0);
    assert_int_equal(symlinkat("../../outside/sub", top, "tree/d/to-sub"), 0);
    assert_int_equal(symlinkat("../../../outside/file", top, "tree/d/e/to-file"), 0);
    assert_int_equal(symlinkat("/", top, "tree/d/e/to-root"), 0);
    assert_int_equal(symlinkat("none", top, "tree/d/dangling"), 0);
    assert_int_equal(symlinkat(".", top, "tree/d/loop"), 0);
    assert_int_equal(linkat(top, "outside/file", top, "tree/d/hard", 0), 0);
    assert_int_equal(mkfifoat(top, "tree/d/fifo", 0600), 0);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
    assert_false(is_there("tree"));
}

static void what_is_no_directory_stays(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("outside", top, "link"), 0);
    assert_int_equal(symlinkat("outside/", top, "link/"), -1);
    assert_int_equal(remove_tree(top, "link", NULL, NULL), -ENOTDIR);
    assert_int_equal(remove_tree(top, "outside/file", NULL, NULL), -ENOTDIR);
    assert_int_equal(remove_tree(top, "none", NULL, NULL), -ENOENT);
    assert_int_equal(remove_tree(-1, "outside", NULL, NULL), -EBADF);
    assert_true(is_there("link"));
    assert_int_equal(unlinkat(top, "link", 0), 0);
    assert_int_equal(unlinkat(top, "tree", AT_REMOVEDIR), 0);
}

// A chain of directories below `fd`: paths do not reach that far.
static void make_chain(int fd, unsigned depth, const char *name)
{
    int here = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (; depth > 0; depth--) {
        assert_int_equal(mkdirat(here, name, 0755), 0);
        assert_true(mknodat(here, "file", S_IFREG | 0644, 0) == 0 || errno == EEXIST);
        int next = openat(here, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(here);
        here = next;
        assert_true(here >= 0);
    }
    close(here);
}

static void deep_trees_are_removed(void **state)
{
    static char name[NAME_MAX + 1];
    int before = next_descriptor();
    (void)state;
    memset(name, 'n', NAME_MAX);
    int tree = openat(top, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_chain(tree, 3000, "d");
    make_chain(tree, 300, name); // its paths are of 75 KB
    assert_int_equal(next_descriptor(), before + 1);
    close(tree);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
    assert_false(is_there("tree"));
    assert_int_equal(next_descriptor(), before);
}

static void too_deep_is_an_error(void **state)
{
    int before = next_descriptor();
    (void)state;
    int tree = openat(top, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_chain(tree, 4100, "d");
    close(tree);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), -ELOOP);
    assert_int_equal(next_descriptor(), before);
    // Two steps fewer, from below.
    tree = openat(top, "tree/d/d/d/d/d/d/d/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(remove_tree(tree, "d", NULL, NULL), 0);
    close(tree);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
}

static void wide_trees_are_removed(void **state)
{
    char name[64];
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "tree/directory-%u/", i);
        MAKE(name);
        for (unsigned j = 0; j < i % 17; j++) {
            snprintf(name, sizeof(name), "tree/directory-%u/sub-%u%s", i, j, j % 3 == 0 ? "/" : "");
            MAKE(name);
        }
        snprintf(name, sizeof(name), "tree/a-file-with-some-longer-name-%u", i);
        MAKE(name);
    }
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
    assert_false(is_there("tree"));
}

static int stop_soon(void *context)
{
    unsigned *left = context;
    return --*left == 0 ? -ECANCELED : 0;
}

// Who removes much is asked now and then whether to go on.
static void it_can_be_stopped(void **state)
{
    char name[64];
    unsigned left = 2;
    int before = next_descriptor();
    (void)state;
    MAKE("tree/a/");
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "tree/a/%u", i);
        MAKE(name);
    }
    assert_int_equal(remove_tree(top, "tree", stop_soon, &left), -ECANCELED);
    assert_int_equal(left, 0);
    assert_int_equal(next_descriptor(), before);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
}

static void what_can_not_be_read_is_an_error(void **state)
{
    (void)state;
    MAKE("tree/a/", "tree/a/b/", "tree/a/b/file");
    assert_int_equal(fchmodat(top, "tree/a/b", 0, 0), 0);
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 &&
            (fchownat(top, "tree", 1000, 1000, 0) != 0 || fchownat(top, "tree/a", 1000, 1000, 0) != 0 ||
             fchmodat(top, ".", 0777, 0) != 0 || setresgid(1000, 1000, 1000) != 0 ||
             setresuid(1000, 1000, 1000) != 0))
            _exit(100);
        _exit(-remove_tree(top, "tree", NULL, NULL));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EACCES);
    assert_int_equal(fchmodat(top, ".", 0700, 0), 0);
    assert_int_equal(fchmodat(top, "tree/a/b", 0700, 0), 0);
    assert_true(is_there("tree/a/b/file"));
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
}

static int try_with_mount(void)
{
    if (unshare(CLONE_NEWNS) != 0)
        return 1;
    top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC); // the old one is of the old namespace
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || top < 0 || fchdir(top) != 0 ||
        mount("none", "tree/a/m", "tmpfs", 0, "size=1M") != 0)
        return 99;
    if (mknodat(top, "tree/a/m/file", S_IFREG | 0644, 0) != 0)
        return 100;
    if (remove_tree(top, "tree", NULL, NULL) != -EBUSY ||
        remove_tree(top, "tree/a/m", NULL, NULL) != -EBUSY || !is_there("tree/a/m/file"))
        return 101;
    // A mount of the same file system is another mount too.
    return umount2("tree/a/m", MNT_DETACH) == 0 && mount("outside", "tree/a/m", NULL, MS_BIND, NULL) == 0 &&
                   remove_tree(top, "tree", NULL, NULL) == -EBUSY && is_there("outside/sub/file")
               ? 0
               : 102;
}

static void mounts_are_not_entered(void **state)
{
    int status;
    (void)state;
    MAKE("tree/a/", "tree/a/m/");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(try_with_mount());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(remove_tree(top, "tree", NULL, NULL), 0);
    if (status == 1 << 8)
        skip();
    assert_int_equal(status, 0);
}

// -- beside somebody else ----------------------------------------------------------------------

// Moves directories out of the tree, and puts links to what is outside in their place.
static _Noreturn void swap_forever(void)
{
    for (;;) {
        (void)renameat2(top, "tree/a/b", top, "away", RENAME_NOREPLACE);
        (void)symlinkat("../../outside", top, "tree/a/b");
        (void)unlinkat(top, "tree/a/b", 0);
        (void)renameat2(top, "away", top, "tree/a/b", RENAME_NOREPLACE);
        (void)symlinkat("../outside", top, "tree/link");
        (void)renameat2(top, "tree/link", top, "tree/a", RENAME_EXCHANGE);
        (void)renameat2(top, "tree/link", top, "tree/a", RENAME_EXCHANGE);
    }
}

// Made where nobody swaps, and moved to its place.
static void put_tree(void)
{
    char name[32];
    MAKE("fresh/", "fresh/a/", "fresh/a/b/");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "fresh/a/b/%d/", i);
        MAKE(name);
        snprintf(name, sizeof(name), "fresh/a/b/%d/file", i);
        MAKE(name);
    }
    assert_int_equal(renameat2(top, "fresh", top, "tree", RENAME_NOREPLACE), 0);
}

static bool is_a_races(int error)
{
    static const int errors[] = {0, ESTALE, ENOENT, ENOTEMPTY, ENOTDIR, ELOOP};
    for (size_t i = 0; i < COUNT(errors); i++) {
        if (error == -errors[i])
            return true;
    }
    return false;
}

static void somebody_moves_directories_meanwhile(void **state)
{
    enum { ROUNDS = 1000, TRIES = 1000, ENOUGH = 20 };
    int moved = 0, i = 0;
    (void)state;
    assert_int_equal(unlinkat(top, "tree", AT_REMOVEDIR), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        swap_forever();
    for (; i < ROUNDS && moved < ENOUGH; i++) {
        put_tree();
        for (int tries = 0; is_there("tree"); tries++) {
            int error = remove_tree(top, "tree", NULL, NULL);
            moved += error != 0;
            if (!is_a_races(error) || tries == TRIES || !is_there("outside/file") ||
                !is_there("outside/sub/file")) {
                kill(child, SIGKILL);
                fail_msg("round %d: %d", i, error);
            }
        }
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    if (is_there("away"))
        assert_int_equal(remove_tree(top, "away", NULL, NULL), 0);
    print_message("%d removals of %d met a move\n", moved, i);
}

#define REMOVE_TEST(test) cmocka_unit_test_setup_teardown(test, make_outside, check_outside)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REMOVE_TEST(trees_are_removed),          REMOVE_TEST(links_are_not_followed),
        REMOVE_TEST(what_is_no_directory_stays), REMOVE_TEST(deep_trees_are_removed),
        REMOVE_TEST(too_deep_is_an_error),       REMOVE_TEST(wide_trees_are_removed),
        REMOVE_TEST(it_can_be_stopped),          REMOVE_TEST(what_can_not_be_read_is_an_error),
        REMOVE_TEST(mounts_are_not_entered),     REMOVE_TEST(somebody_moves_directories_meanwhile),
    };
    return cmocka_run_group_tests(tests, make_place, drop_place);
}
