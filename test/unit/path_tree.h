// SPDX-License-Identifier: MIT
//
// A tree with links of every kind, and a kernel that does not know openat2(2).
#ifndef TEST_UNIT_PATH_TREE_H
#define TEST_UNIT_PATH_TREE_H

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

#include "sys/path.h"
#include "test/unit/support.h"

#define NAME_64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME_255 NAME_64 NAME_64 NAME_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

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

static inline int make_tree(void **state)
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

static inline int remove_tree(void **state)
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

static inline bool is_same(int fd, const char *name)
{
    struct stat got, want;
    return fstat(fd, &got) == 0 && fstatat(top, name, &want, AT_SYMLINK_NOFOLLOW) == 0 &&
           got.st_dev == want.st_dev && got.st_ino == want.st_ino;
}

static inline int refuse_openat2(int error)
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

// What `try` does once more where openat2(2) is answered with `error`.
static inline void try_without_openat2(int error, int (*try)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(refuse_openat2(error) == 0 ? try() : 100);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#endif
