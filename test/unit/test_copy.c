// SPDX-License-Identifier: MIT
#include "root/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "archive/remove.h"
#include "sys/proc.h"
#include "test/unit/support.h"

// Two file systems where there are two: copy_file_range(2) between them is another matter.
static char from_name[] = "/tmp/inroot-copy.XXXXXX", to_name[] = "/dev/shm/inroot-copy.XXXXXX";
static char to_else[] = "/tmp/inroot-copy.XXXXXX";
static const char *to_place;
static int from_top, to_top; // the parents of both directories
static int from, to;

static int make_places(void **state)
{
    (void)state;
    umask(022);
    proc_open();
    to_place = mkdtemp(to_name) != NULL ? to_name : mkdtemp(to_else);
    if (mkdtemp(from_name) == NULL || to_place == NULL)
        return -1;
    from_top = open(from_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    to_top = open(to_place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return from_top >= 0 && to_top >= 0 ? 0 : -1;
}

static int drop_places(void **state)
{
    (void)state;
    close(from_top);
    close(to_top);
    return rmdir(from_name) + rmdir(to_place);
}

static int begin(void **state)
{
    (void)state;
    if (mkdirat(from_top, "d", 0755) != 0 || mkdirat(to_top, "d", 0700) != 0)
        return -1;
    from = openat(from_top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    to = openat(to_top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return from >= 0 && to >= 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    close(from);
    close(to);
    return remove_tree(from_top, "d", NULL, NULL) + remove_tree(to_top, "d", NULL, NULL);
}

static void make_file(const char *name, const char *contents, mode_t mode)
{
    int fd = openat(from, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, contents, strlen(contents)), strlen(contents));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct stat look(const char *name)
{
    struct stat st;
    if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        fail_msg("%s: %s", name, strerror(errno));
    return st;
}

static void assert_contents(const char *name, const char *contents)
{
    char buffer[256];
    int fd = openat(to, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    close(fd);
    assert_int_equal(n, strlen(contents));
    assert_memory_equal(buffer, contents, n);
}

static int next_descriptor(void)
{
    int fd = dup(from);
    close(fd);
    return fd;
}

// -- what is copied ----------------------------------------------------------------------------

static void types_and_modes(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
    } directories[] = {{"a", 0710}, {"b", 01500}, {"c", 01777}, {"d", 0}, {"a/e", 02755}};
    struct timespec times[2] = {{1000000000, 1}, {1100000000, 999999999}};
    (void)state;
    for (size_t i = 0; i < COUNT(directories); i++)
        assert_int_equal(mkdirat(from, directories[i].name, 0755), 0);
    make_file("a/file", "contents", 0640);
    make_file("a/e/empty", "", 04755);
    make_file("b/\n", "odd", 0444);
    assert_int_equal(mkfifoat(from, "c/fifo", 0), 0);
    assert_int_equal(fchmodat(from, "c/fifo", 0622, 0), 0);
    assert_int_equal(mknodat(from, "c/socket", S_IFSOCK | 0600, 0), 0);
    assert_int_equal(linkat(from, "a/file", from, "a/second", 0), 0);
    assert_int_equal(utimensat(from, "a/file", times, 0), 0);
    for (size_t i = 0; i < COUNT(directories); i++)
        assert_int_equal(fchmodat(from, directories[i].name, directories[i].mode, 0), 0);
    assert_int_equal(utimensat(from, "a", times, 0), 0);
    int error = copy_directory(from, to, "/place");
    if (geteuid() != 0) { // what can't be read is not left out
        for (size_t i = 0; i < COUNT(directories); i++) {
            fchmodat(from, directories[i].name, 0700, 0);
            fchmodat(to, directories[i].name, 0700, 0);
        }
        assert_int_equal(error, -EACCES);
        return;
    }
    assert_int_equal(error, 0);
    for (size_t i = 0; i < COUNT(directories); i++)
        assert_int_equal(look(directories[i].name).st_mode, S_IFDIR | directories[i].mode);
    assert_contents("a/file", "contents");
    assert_contents("a/second", "contents");
    assert_contents("b/\n", "odd");
    assert_int_equal(look("a/e/empty").st_mode, S_IFREG | 04755);
    assert_int_equal(look("a/file").st_mode, S_IFREG | 0640);
    assert_int_equal(look("c/fifo").st_mode, S_IFIFO | 0622);
    assert_int_equal(look("c/socket").st_mode, S_IFSOCK | 0600);
    assert_int_equal(look("a/file").st_mtim.tv_sec, times[1].tv_sec);
    assert_int_equal(look("a").st_mtim.tv_nsec, times[1].tv_nsec);
    assert_int_equal(look(".").st_mode, S_IFDIR | 0700); // what is copied is below it
}

static void links_are_copied_and_not_followed(void **state)
{
    static const char *const targets[] = {"/", "/etc/passwd", "none", "..", ".", "loop", "/proc/self/root"};
    char name[2] = "0", target[64];
    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++, name[0]++)
        assert_int_equal(symlinkat(targets[i], from, name), 0);
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    name[0] = '0';
    for (size_t i = 0; i < COUNT(targets); i++, name[0]++) {
        ssize_t n = readlinkat(to, name, target, sizeof(target));
        assert_int_equal(n, strlen(targets[i]));
        assert_memory_equal(target, targets[i], n);
    }
}

static void owners_and_devices(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_file("file", "x", 0755);
    assert_int_equal(fchownat(from, "file", 1234, 5678, 0), 0);
    assert_int_equal(fchmodat(from, "file", 06755, 0), 0);
    assert_int_equal(symlinkat("x", from, "link"), 0);
    assert_int_equal(fchownat(from, "link", 77, 88, AT_SYMLINK_NOFOLLOW), 0);
    bool devices = mknodat(from, "null", S_IFCHR | 0640, makedev(1, 3)) == 0;
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    struct stat st = look("file");
    assert_true(st.st_uid == 1234 && st.st_gid == 5678 && st.st_mode == (S_IFREG | 06755));
    st = look("link");
    assert_true(st.st_uid == 77 && st.st_gid == 88);
    if (!devices)
        return;
    st = look("null");
    assert_true(st.st_rdev == makedev(1, 3) && st.st_mode == (S_IFCHR | 0640));
}

static void attributes(void **state)
{
    char value[8];
    (void)state;
    make_file("file", "x", 0644);
    int file = openat(from, "file", O_RDONLY | O_CLOEXEC);
    int result = fsetxattr(file, "user.test", "value", 5, 0);
    close(file);
    if (result != 0)
        skip();
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    file = openat(to, "file", O_RDONLY | O_CLOEXEC);
    ssize_t n = fgetxattr(file, "user.test", value, sizeof(value));
    int why = errno;
    close(file);
    assert_true(n == 5 || (n < 0 && why == ENOTSUP)); // tmpfs: since 6.6
}

static void holes_stay_holes(void **state)
{
    const off_t size = (off_t)1 << 40;
    char byte[3];
    (void)state;
    int fd = openat(from, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    if (pwrite(fd, "abc", 3, (off_t)1 << 30) != 3 || ftruncate(fd, size) != 0) {
        close(fd);
        skip(); // no file system for that
    }
    bool holes = lseek(fd, 0, SEEK_DATA) > 0;
    close(fd);
    if (!holes)
        skip();
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    struct stat st = look("sparse");
    assert_true(st.st_size == size && st.st_blocks < 1 << 20);
    fd = openat(to, "sparse", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, byte, 3, (off_t)1 << 30), 3);
    close(fd);
    assert_memory_equal(byte, "abc", 3);
}

// -- many, and deep ----------------------------------------------------------------------------

static void a_directory_goes_on_where_it_was_left(void **state)
{
    enum { MANY = 3000 };
    char name[32];
    (void)state;
    int before = next_descriptor();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "name-%u", i);
        if (i % 7 == 0)
            assert_int_equal(mkdirat(from, name, 0755), 0);
        else
            make_file(name, name, 0644);
    }
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "name-%u", i);
        if (i % 7 == 0)
            assert_true(S_ISDIR(look(name).st_mode));
        else
            assert_contents(name, name);
    }
    assert_int_equal(next_descriptor(), before);
}

static void nest(unsigned depth)
{
    int fd = dup(from);
    for (unsigned i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    close(fd);
}

static void the_depth_has_a_limit(void **state)
{
    (void)state;
    int before = next_descriptor();
    nest(255);
    assert_int_equal(copy_directory(from, to, "/place"), 0);
    assert_int_equal(next_descriptor(), before);
    assert_int_equal(remove_tree(from, "d", NULL, NULL), 0);
    assert_int_equal(remove_tree(to, "d", NULL, NULL), 0);
    nest(256);
    assert_int_equal(copy_directory(from, to, "/place"), -ELOOP);
    assert_int_equal(next_descriptor(), before);
}

// -- one file ----------------------------------------------------------------------------------

static void one_file(void **state)
{
    (void)state;
    int before = next_descriptor();
    make_file("file", "127.0.0.1 localhost\n", 0644);
    int file = openat(from, "file", O_PATH | O_CLOEXEC);
    assert_int_equal(copy_file(file, to, "copy"), 0);
    assert_contents("copy", "127.0.0.1 localhost\n");
    assert_int_equal(copy_file(file, to, "copy"), -EEXIST);
    assert_int_equal(symlinkat("none", to, "link"), 0);
    assert_int_equal(copy_file(file, to, "link"), -EEXIST);
    close(file);
    assert_int_equal(mkfifoat(from, "fifo", 0600), 0);
    file = openat(from, "fifo", O_PATH | O_CLOEXEC);
    assert_int_equal(copy_file(file, to, "fifo"), -EINVAL); // and does not wait for a writer
    close(file);
    assert_int_equal(copy_file(from, to, "directory"), -EINVAL);
    assert_int_equal(next_descriptor(), before);
}

// -- in namespaces of a child ------------------------------------------------------------------

enum { CHILD_SKIPS = 77 };

static void in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPS)
        skip();
    assert_int_equal(status, 0);
}

static int copy_with_mounts(void)
{
    // A descriptor from before knows nothing of the mounts in the new namespace.
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        chdir(from_name) != 0 || chdir("d") != 0 || mount("inside", "mounted", NULL, MS_BIND, NULL) != 0 ||
        mount("file", "covered", NULL, MS_BIND, NULL) != 0)
        return CHILD_SKIPS;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return here < 0 || copy_directory(here, to, "/place") != 0;
}

// Of the same file system even.
static void mounts_below_are_not_crossed(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(mkdirat(from, "mounted", 0755), 0);
    assert_int_equal(mkdirat(from, "inside", 0755), 0);
    make_file("inside/secret", "x", 0644);
    make_file("file", "contents", 0644);
    make_file("covered", "old", 0644);
    in_child(copy_with_mounts);
    assert_true(S_ISDIR(look("mounted").st_mode));
    assert_int_equal(look("inside/secret").st_size, 1);
    assert_int_equal(look("covered").st_size, 0);
    assert_int_equal(fstatat(to, "mounted/secret", &st, 0), -1);
}

static int copy_without_owners(void)
{
    if (unshare(CLONE_NEWUSER) != 0 || proc_write("self/uid_map", "0 0 1\n") != 0 ||
        proc_write("self/setgroups", "deny") != 0 || proc_write("self/gid_map", "0 0 1\n") != 0)
        return CHILD_SKIPS;
    return copy_directory(from, to, "/place") != 0;
}

// It ran as somebody who is not there; it must not run as us.
static void set_id_goes_with_its_owner(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_file("file", "x", 0644);
    make_file("own", "x", 04755);
    assert_int_equal(fchownat(from, "file", 1234, 5678, 0), 0);
    assert_int_equal(fchmodat(from, "file", 06755, 0), 0);
    in_child(copy_without_owners);
    struct stat st = look("file");
    assert_true(st.st_uid == 0 && st.st_gid == 0 && st.st_mode == (S_IFREG | 0755));
    assert_int_equal(look("own").st_mode, S_IFREG | 04755);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(types_and_modes, begin, end),
        cmocka_unit_test_setup_teardown(links_are_copied_and_not_followed, begin, end),
        cmocka_unit_test_setup_teardown(owners_and_devices, begin, end),
        cmocka_unit_test_setup_teardown(attributes, begin, end),
        cmocka_unit_test_setup_teardown(holes_stay_holes, begin, end),
        cmocka_unit_test_setup_teardown(a_directory_goes_on_where_it_was_left, begin, end),
        cmocka_unit_test_setup_teardown(the_depth_has_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(one_file, begin, end),
        cmocka_unit_test_setup_teardown(mounts_below_are_not_crossed, begin, end),
        cmocka_unit_test_setup_teardown(set_id_goes_with_its_owner, begin, end),
    };
    return cmocka_run_group_tests(tests, make_places, drop_places);
}
