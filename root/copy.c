// SPDX-License-Identifier: MIT
//
// Copies of trees and files as cp -a makes them, from somebody's directory that may change meanwhile into a new file
// system that is ours alone. Everything is opened before it is looked at, and read through that descriptor.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/proc.h"
#include "sys/text.h"

enum {
    DEPTH_MAX = 256,     // two descriptors each
    STEPS_MAX = 1 << 24, // of entries: who makes them as fast as they are copied must not hold us for ever
    ATTRIBUTES_MAX = 65536,
};

struct level {
    int from, to;
    struct stat st; // of the source
    off_t next;     // where getdents64(2) goes on
    size_t path;    // length of the path before its name
};

static struct {
    struct level level[DEPTH_MAX];
    unsigned depth, steps;
    uint64_t mount; // what is mounted below is not part of it; 0: the kernel can't say, and the device must do
    dev_t device;
    char path[PATH_MAX]; // for errors: cut where it is too long
} tree;

// -- the path for errors -----------------------------------------------------------------------

static void go_to(const char *name)
{
    size_t n = strlen(tree.path);
    struct text t = {tree.path + n, sizeof(tree.path) - n, 0};
    text_add(&t, "/");
    text_add(&t, name);
    text_end(&t);
}

static int failed(const char *op)
{
    return err_at(op, tree.path);
}

// -- one thing's descriptors -------------------------------------------------------------------

// The very thing that was opened as O_PATH, and no other: opening a device by its name can do things.
static int open_again(int fd, int flags)
{
    char path[32];
    struct text t = {path, sizeof(path), 0};
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)fd);
    text_end(&t);
    if (proc_fd() < 0)
        return proc_missing();
    int again = openat(proc_fd(), path, flags | O_CLOEXEC);
    return again >= 0 ? again : failed("open");
}

// -- owner, mode, attributes, times ------------------------------------------------------------

static bool is_copied(const char *attribute)
{
    static const char *const names[] = {"security.capability", "system.posix_acl_access", "system.posix_acl_default"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(attribute, names[i]) == 0)
            return true;
    }
    return strncmp(attribute, "user.", 5) == 0;
}

// What the new file system has no attributes for can't be kept, and an ACL's ids need not be mapped.
static bool is_tolerable(const char *attribute)
{
    return errno == ENOTSUP || (errno == EINVAL && strncmp(attribute, "system.", 7) == 0);
}

static int copy_attributes(int from, int to)
{
    static char names[ATTRIBUTES_MAX], value[ATTRIBUTES_MAX]; // listxattr(2): the kernel's limits
    ssize_t size = flistxattr(from, names, sizeof(names));
    if (size < 0)
        return errno == ENOTSUP ? 0 : failed("listxattr");
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        if (!is_copied(name))
            continue;
        ssize_t n = fgetxattr(from, name, value, sizeof(value));
        if (n < 0 && (errno == ENODATA || errno == EOVERFLOW))
            continue; // removed since; or capabilities of another user namespace
        if (n < 0)
            return failed("getxattr");
        if (fsetxattr(to, name, value, (size_t)n, 0) != 0 && !is_tolerable(name))
            return failed("setxattr");
    }
    return 0;
}

// 1 if it has its owner, 0 if that is not mapped in our user namespace: then it is ours.
static int copy_owner(int to, const char *name, const struct stat *st)
{
    if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == EINVAL || errno == EPERM ? 0 : failed("chown");
}

// The owner first: a change of it takes set-id bits and capabilities away.
static int copy_owner_and_mode(int to, const char *name, const struct stat *st)
{
    int owned = copy_owner(to, name, st);
    if (owned < 0 || S_ISLNK(st->st_mode))
        return owned < 0 ? owned : 0;
    // What ran as somebody else must not run as us.
    mode_t mode = st->st_mode & (owned ? 07777 : 01777);
    return fchmodat(to, name, mode, 0) == 0 ? 0 : failed("chmod");
}

static int copy_times(int to, const char *name, const struct stat *st)
{
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : failed("utimensat");
}

// -- contents ----------------------------------------------------------------------------------

// `n` bytes at `at`, or fewer at the end of the file.
static int copy_range(int from, int to, off_t at, off_t n)
{
    static char buffer[65536];
    loff_t in = at, out = at;
    while (n > 0) {
        ssize_t got = copy_file_range(from, &in, to, &out, (size_t)n, 0);
        if (got == 0)
            return 0;
        if (got < 0)
            break; // between two file systems only since 5.19
        n -= got;
    }
    while (n > 0) {
        ssize_t got = pread(from, buffer, n < (off_t)sizeof(buffer) ? (size_t)n : sizeof(buffer), in);
        if (got <= 0)
            return got == 0 ? 0 : failed("read");
        for (ssize_t done = 0; done < got;) {
            ssize_t wrote = pwrite(to, buffer + done, (size_t)(got - done), in + done);
            if (wrote < 0)
                return failed("write");
            done += wrote;
        }
        in += got;
        n -= got;
    }
    return 0;
}

// As long as the file is when it is opened: one that grows has no end. Holes stay holes: they would fill memory.
static int copy_contents(int from, int to, off_t size)
{
    off_t at = 0;
    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA), hole;
        if (data < 0 && errno == ENXIO)
            break; // a hole up to the end
        if (data < 0) {
            data = at;
            hole = size;
        } else if ((hole = lseek(from, data, SEEK_HOLE)) < 0) {
            return failed("lseek");
        }
        if (data >= size)
            break;
        hole = hole < size ? hole : size;
        int error = copy_range(from, to, data, hole - data);
        if (error < 0)
            return error;
        at = hole;
    }
    return ftruncate(to, size) == 0 ? 0 : failed("ftruncate");
}

static int copy_regular(int path, int to, const char *name)
{
    struct stat st;
    AUTO_CLOSE int from = open_again(path, O_RDONLY | O_NONBLOCK);
    if (from < 0)
        return from;
    if (fstat(from, &st) != 0)
        return failed("fstat");
    AUTO_CLOSE int file = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return failed("open");
    int error = copy_contents(from, file, st.st_size);
    if (error == 0)
        error = copy_owner_and_mode(to, name, &st);
    if (error == 0)
        error = copy_attributes(from, file);
    return error == 0 ? copy_times(to, name, &st) : error;
}

// -- what has no contents ----------------------------------------------------------------------

static int copy_link(int path, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(path, "", target, sizeof(target) - 1);
    if (n < 0)
        return failed("readlink");
    target[n] = '\0';
    return symlinkat(target, to, name) == 0 ? 0 : failed("symlink");
}

static int copy_node(int path, int to, const char *name, const struct stat *st)
{
    int error = 0;
    if (S_ISLNK(st->st_mode))
        error = copy_link(path, to, name);
    else if (mknodat(to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) != 0)
        error = failed("mknod");
    if (error == 0)
        error = copy_owner_and_mode(to, name, st);
    return error == 0 ? copy_times(to, name, st) : error;
}

// -- directories -------------------------------------------------------------------------------

static int enter(int from, int to, const struct stat *st, size_t path)
{
    AUTO_CLOSE int in = from, out = to;
    if (tree.depth == DEPTH_MAX)
        return err_because("copy", tree.path, ELOOP, "directories in it are nested more than 256 deep");
    tree.level[tree.depth++] = (struct level){fd_take(&in), fd_take(&out), *st, 0, path};
    return 0;
}

static int make_directory(int path, int to, const char *name, const struct stat *st, size_t path_length)
{
    if (mkdirat(to, name, 0700) != 0)
        return failed("mkdir");
    AUTO_CLOSE int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        return failed("open");
    AUTO_CLOSE int in = open_again(path, O_RDONLY | O_DIRECTORY);
    return in < 0 ? in : enter(fd_take(&in), fd_take(&out), st, path_length);
}

// Only now: files were made in it.
static int leave(bool is_top)
{
    struct level *l = &tree.level[--tree.depth];
    AUTO_CLOSE int from = l->from, to = l->to;
    int error = is_top ? 0 : copy_owner_and_mode(to, ".", &l->st);
    if (error == 0 && !is_top)
        error = copy_attributes(from, to);
    if (error == 0 && !is_top)
        error = copy_times(to, ".", &l->st);
    tree.path[l->path] = '\0';
    return error;
}

// By the device only where nothing better is known: on an overlay files have others than their directories.
static bool is_mount_point(int fd, const struct stat *st)
{
    if (tree.mount != 0)
        return mount_id(fd) != tree.mount;
    return S_ISDIR(st->st_mode) && st->st_dev != tree.device;
}

// 1 when it went down into a directory.
static int copy_entry(const struct level *l, const char *name)
{
    struct stat st;
    size_t path = strlen(tree.path);
    if (++tree.steps == STEPS_MAX)
        return err_because("copy", tree.path, EAGAIN, "there is no end of entries in it");
    go_to(name);
    AUTO_CLOSE int fd = openat(l->from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        tree.path[path] = '\0';
        return 0; // removed since
    }
    if (fd < 0)
        return failed("open");
    if (fstat(fd, &st) != 0)
        return failed("fstat");
    bool crosses = is_mount_point(fd, &st);
    int error;
    if (S_ISDIR(st.st_mode) && !crosses) {
        error = make_directory(fd, l->to, name, &st, path);
        return error < 0 ? error : 1;
    }
    if (S_ISDIR(st.st_mode))
        error = mkdirat(l->to, name, 0755) == 0 ? 0 : failed("mkdir");
    else if (crosses)
        error = mknodat(l->to, name, S_IFREG | 0644, 0) == 0 ? 0 : failed("mknod");
    else
        error = S_ISREG(st.st_mode) ? copy_regular(fd, l->to, name) : copy_node(fd, l->to, name, &st);
    tree.path[path] = '\0';
    return error;
}

// The level's next entries: 1 when it went down, 0 after the last one.
static int copy_level(struct level *l)
{
    char buffer[4096] __attribute__((aligned(8)));
    long n;
    if (lseek(l->from, l->next, SEEK_SET) < 0)
        return failed("lseek");
    while ((n = syscall(SYS_getdents64, l->from, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent *entry = (const struct dirent *)(buffer + at);
            at += entry->d_reclen;
            l->next = entry->d_off;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int result = copy_entry(l, entry->d_name);
            if (result != 0)
                return result;
        }
    }
    return n < 0 ? failed("getdents64") : 0;
}

static int start(int from, int to, const char *name)
{
    struct stat st;
    struct text t = {tree.path, sizeof(tree.path), 0};
    text_add(&t, name);
    text_end(&t);
    tree.depth = tree.steps = 0;
    AUTO_CLOSE int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in < 0 || out < 0)
        return failed("open");
    if (fstat(in, &st) != 0)
        return failed("fstat");
    tree.device = st.st_dev;
    tree.mount = mount_id(in);
    return enter(fd_take(&in), fd_take(&out), &st, strlen(tree.path));
}

int copy_directory(int from, int to, const char *name)
{
    int result = start(from, to, name);
    while (result >= 0 && tree.depth > 0) {
        result = copy_level(&tree.level[tree.depth - 1]);
        if (result == 0)
            result = leave(tree.depth == 1);
    }
    while (tree.depth > 0) { // after an error
        struct level *l = &tree.level[--tree.depth];
        close(l->from);
        close(l->to);
    }
    return result < 0 ? result : 0;
}

int copy_file(int from, int to, const char *name)
{
    struct stat st;
    struct text t = {tree.path, sizeof(tree.path), 0};
    text_add(&t, name);
    text_end(&t);
    if (fstat(from, &st) != 0)
        return failed("fstat");
    if (!S_ISREG(st.st_mode))
        return err_because("copy", name, EINVAL, "only a regular file can be copied");
    return copy_regular(from, to, name);
}
