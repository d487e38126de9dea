// SPDX-License-Identifier: MIT
#include "root/rootfs.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sys/proc.h"
#include "test/unit/support.h"

static const struct id_maps users = {2, {{0, 100000, 1000}, {1000, 5, 1}}}, groups = {1, {{0, 7, 3}}};

static ino_t number_of(int fd)
{
    struct stat st;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static void need_privileges(void)
{
    if (geteuid() != 0)
        skip();
    int fd = idmap_namespace(&users, &groups);
    if (fd == -EPERM || fd == -ENOSPC || fd == -EINVAL)
        skip(); // of a root that is none, or of a machine that allows no user namespaces
    close(fd);
}

// As the kernel prints them: three columns of ten.
static int maps_are(int fd, const char *uids, const char *gids)
{
    char text[256];
    if (setns(fd, CLONE_NEWUSER) != 0)
        return 1;
    if (proc_read("self/uid_map", text, sizeof(text)) < 0 || strcmp(text, uids) != 0)
        return 2;
    return proc_read("self/gid_map", text, sizeof(text)) < 0 || strcmp(text, gids) != 0 ? 3 : 0;
}

static void the_maps_are_as_asked(void **state)
{
    int status;
    (void)state;
    need_privileges();
    int fd = idmap_namespace(&users, &groups);
    pid_t pid = fork();
    if (pid == 0)
        _exit(maps_are(fd, "         0     100000       1000\n      1000          5          1\n",
                       "         0          7          3\n"));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); // nobody is left in it
    assert_int_equal(errno, ECHILD);
}

static void the_same_maps_are_one_namespace(void **state)
{
    struct id_maps other = users;
    (void)state;
    need_privileges();
    int first = idmap_namespace(&users, &groups), second = idmap_namespace(&users, &groups);
    assert_int_not_equal(first, second);
    assert_int_equal(number_of(first), number_of(second));
    close(second);
    other.line[1].outer = 6;
    second = idmap_namespace(&other, &groups);
    assert_int_not_equal(number_of(first), number_of(second));
    close(first);
    close(second);
    int before = dup(0), after;
    for (int i = 0; i < 50; i++) {
        close(idmap_namespace(&users, &groups));
        close(idmap_namespace(&other, &groups));
    }
    after = dup(0);
    assert_int_equal(after, before + 1);
    close(before);
    close(after);
}

static void what_the_kernel_refuses(void **state)
{
    static const struct id_maps overlapping = {2, {{0, 0, 10}, {5, 50, 10}}};
    (void)state;
    need_privileges();
    assert_int_equal(idmap_namespace(&overlapping, &groups), -EINVAL);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    int fd = idmap_namespace(&users, &groups);
    assert_true(fd >= 0);
    close(fd);
}

static void not_without_privileges(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    assert_true(idmap_namespace(&users, &groups) < 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maps_are_as_asked),
        cmocka_unit_test(the_same_maps_are_one_namespace),
        cmocka_unit_test(what_the_kernel_refuses),
        cmocka_unit_test(not_without_privileges),
    };
    proc_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
