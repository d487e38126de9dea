// SPDX-License-Identifier: MIT
#include "sys/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/err.h"
#include "test/unit/support.h"

#define NAME_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME_255                                                                                   \
    NAME_64 NAME_64 NAME_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static char place[] = "/tmp/inroot-path.XXXXXX";
static int top = -1;

static const char *const directories[] = {"sub", "sub/inner", "...", "..a", " ", NAME_255};
static const char *const files[] = {"sub/inner/file", "\n", "top", NAME_255 "/" NAME_255};
static const struct {
    const char *name, *target;
} links[] = {
    {"to-sub", "sub"},          {"to-file", "sub/inner/file"},
    {"to-none", "none"},        {"loop", "loop"},
    {"absolute", "/"},          {"sub/up", ".."},
    {"sub/out", "../../../.."}, {"sub/inner/dot", "."},
};

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

static int make_tree(void **state)
{
    (void)state;
    if (mkdtemp(place) == NULL || (top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(directories); i++) {
        if (mkdirat(top, directories[i], 0755) != 0)
            return -1;
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        if (mknodat(top, files[i], S_IFREG | 0644, 0) != 0)
            return -1;
    }
    for (size_t i = 0; i < COUNT(links); i++) {
        if (symlinkat(links[i].target, top, links[i].name) != 0)
            return -1;
    }
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(links); i++)
        unlinkat(top, links[i].name, 0);
    for (size_t i = 0; i < COUNT(files); i++)
        unlinkat(top, files[i], 0);
    for (size_t i = COUNT(directories); i-- > 0;)
        unlinkat(top, directories[i], AT_REMOVEDIR);
    close(top);
    return rmdir(place);
}

static bool is_same(int fd, const char *name)
{
    struct stat got, want;
    return fstat(fd, &got) == 0 && fstatat(top, name, &want, AT_SYMLINK_NOFOLLOW) == 0 &&
           got.st_dev == want.st_dev && got.st_ino == want.st_ino;
}

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

static int refuse_openat2(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {COUNT(filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -1;
    return syscall(SYS_openat2, -1, NULL, NULL, 0) == -1 && errno == error ? 0 : -1;
}

// The rows once more where openat2(2) is answered with `error`.
static void try_without_openat2(int error)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(refuse_openat2(error) == 0 ? try_all() : 100);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_kernel_stays_beneath(void **state)
{
    (void)state;
    assert_int_equal(try_all(), 0);
}

static void the_walk_does_the_same(void **state)
{
    (void)state;
    try_without_openat2(ENOSYS);
    try_without_openat2(EPERM);
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
