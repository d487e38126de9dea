// SPDX-License-Identifier: MIT
#include "archive/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/mount.h"

enum {
    DEPTH_MAX = 4096,    // deeper than any path can be said in one call
    STEPS_MAX = 1 << 26, // somebody who fills the directory as fast as it is emptied must not hold us for ever
};

struct place {
    dev_t device;
    ino_t inode;
};

static struct {
    struct place above[DEPTH_MAX]; // who a directory's `..` must be
    unsigned depth;
    int fd;
    uint64_t mount;
    unsigned steps;
    int (*look)(void *context);
    void *context;
} tree;

static int identify(int fd, struct place *place)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    *place = (struct place){st.st_dev, st.st_ino};
    return 0;
}

static int open_directory(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

// The mount that `fd` lies on; 0 for all where the kernel can't say: then rmdir(2) finds a mount point busy.
static int find_mount(int fd, uint64_t *id)
{
    errno = 0;
    *id = mount_id(fd);
    return *id != 0 || errno == ENOSYS ? 0 : -errno;
}

static int descend(const char *name)
{
    if (tree.depth == DEPTH_MAX)
        return -ELOOP;
    int error = identify(tree.fd, &tree.above[tree.depth]);
    AUTO_CLOSE int fd = error < 0 ? error : open_directory(tree.fd, name);
    if (fd < 0)
        return fd;
    uint64_t mount;
    error = find_mount(fd, &mount);
    if (error < 0 || mount != tree.mount)
        return error < 0 ? error : -EBUSY;
    close(tree.fd);
    tree.fd = fd_take(&fd);
    tree.depth++;
    return 0;
}

// By "..", which can lead anywhere once the directory was moved: it must be the one that we came from.
static int ascend(void)
{
    struct place place = {0, 0};
    AUTO_CLOSE int fd = open_directory(tree.fd, "..");
    int error = fd < 0 ? fd : identify(fd, &place);
    if (error < 0)
        return error;
    const struct place *wanted = &tree.above[--tree.depth];
    if (place.device != wanted->device || place.inode != wanted->inode)
        return -ESTALE;
    close(tree.fd);
    tree.fd = fd_take(&fd);
    return 0;
}

// 1 if the entry is a directory that is not empty.
static int remove_entry(const struct dirent *entry)
{
    if (entry->d_type != DT_DIR) {
        if (unlinkat(tree.fd, entry->d_name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM) // of a directory, by POSIX
            return -errno;
    }
    if (unlinkat(tree.fd, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

static int count_step(void)
{
    enum { LOOK_EVERY = 4096 };
    if (++tree.steps == STEPS_MAX)
        return -EAGAIN;
    return tree.steps % LOOK_EVERY == 0 && tree.look != NULL ? tree.look(tree.context) : 0;
}

// Empties the directory; 1 when it went down into one below it instead.
static int empty(void)
{
    char buffer[4096] __attribute__((aligned(8)));
    long n;
    if (lseek(tree.fd, 0, SEEK_SET) != 0)
        return -errno;
    while ((n = syscall(SYS_getdents64, tree.fd, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent *entry = (const struct dirent *)(buffer + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int left = count_step();
            if (left == 0)
                left = remove_entry(entry);
            int error = left > 0 ? descend(entry->d_name) : 0;
            if (left != 0)
                return error < 0 ? error : left;
        }
    }
    return n < 0 ? -errno : 0;
}

static int empty_all(void)
{
    for (;;) {
        int error = empty();
        if (error < 0)
            return error;
        if (error > 0)
            continue;
        if (tree.depth == 0)
            return 0;
        error = ascend();
        if (error < 0)
            return error;
    }
}

int remove_tree(int parent, const char *name, int (*look)(void *context), void *context)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -errno;
    tree.fd = open_directory(parent, name);
    if (tree.fd < 0)
        return tree.fd;
    tree.depth = tree.steps = 0;
    tree.look = look;
    tree.context = context;
    uint64_t above;
    int error = find_mount(tree.fd, &tree.mount);
    if (error == 0)
        error = find_mount(parent, &above);
    if (error == 0)
        error = tree.mount != above ? -EBUSY : empty_all();
    fd_auto_close(&tree.fd);
    if (error < 0)
        return error;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}
