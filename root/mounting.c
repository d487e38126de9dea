// SPDX-License-Identifier: MIT
//
// Binds and new file systems over an opened place, and their attributes. A mount is complete before anybody sees it: by
// the newer calls as a detached one, by mount(2) where nobody looks (root/legacy.c).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "root/legacy.h"
#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

// -- attributes --------------------------------------------------------------------------------

static int set(int fd, bool recursive, const struct mount_attributes *a, const char *name)
{
    if ((a->set | a->clear | a->propagation) == 0 || mount_set_attributes(fd, recursive, a) == 0)
        return 0;
    if (errno != EPERM || (a->clear | (a->set & ROOTFS_TIMES)) == 0)
        return err_at("mount_setattr", name);
    return err_because("mount_setattr", name, EPERM, ROOTFS_LOCKED);
}

static int set_by_new_calls(int fd, const struct rootfs_how *how, const char *name)
{
    // What was cloned before the unshare is the host's peer: a slave first, with all that keeps what it has, or what
    // is mounted below would travel to the host.
    bool keeps = how->recursive && !how->propagation_all && how->propagation != 0;
    if ((keeps || how->propagation == MS_SHARED) && !how->keep_peers) {
        int error = set(fd, how->recursive, &(struct mount_attributes){.propagation = MS_SLAVE}, name);
        if (error < 0)
            return error;
    }
    struct mount_attributes own = {.set = how->set, .clear = how->clear};
    struct mount_attributes all = {.set = how->set_all, .clear = how->clear_all};
    // All of one mount is one call; and of several, what holds for all of them.
    if (how->propagation_all && how->recursive)
        all.propagation = how->propagation;
    else
        own.propagation = how->propagation;
    if (!how->recursive) {
        own.set |= all.set;
        own.clear |= all.clear;
        return set(fd, false, &own, name);
    }
    int error = set(fd, true, &all, name);
    bool done = (own.set & ~all.set) == 0 && (own.clear & ~all.clear) == 0 && own.propagation == 0;
    return error < 0 || done ? error : set(fd, false, &own, name);
}

int rootfs_set(struct enter *e, int fd, const struct rootfs_how *how, const char *name)
{
    (void)e;
    return mount_has_new_calls() ? set_by_new_calls(fd, how, name) : legacy_set(fd, how, name);
}

// -- binds -------------------------------------------------------------------------------------

int rootfs_refuse(int source, int target, const char *call, const char *name)
{
    struct stat from, to;
    int error = err_at(call, name);
    if (error == -EINVAL && fstat(source, &from) == 0 && fstat(target, &to) == 0 &&
        S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode))
        return err_because("mount", name, S_ISDIR(to.st_mode) ? EISDIR : ENOTDIR,
                           S_ISDIR(to.st_mode) ? "it is a directory, and what is to be mounted is a file"
                                               : "it is no directory, and what is to be mounted is one");
    return error;
}

int rootfs_attach(struct enter *e, int mount, int target, const char *name)
{
    (void)e;
    if (mount_move(mount, target, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) != 0)
        return rootfs_refuse(mount, target, "move_mount", name);
    return 0;
}

int rootfs_bind(struct enter *e, int source, int target, const struct rootfs_how *how, const char *name)
{
    if (!mount_has_new_calls())
        return legacy_bind(e, source, target, how, name);
    unsigned flags = TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC | (how->recursive ? AT_RECURSIVE : 0);
    AUTO_CLOSE int clone = mount_open_tree(source, "", flags);
    if (clone < 0)
        return err_at("open_tree", name);
    int error = set_by_new_calls(clone, how, name);
    if (error == 0)
        error = rootfs_attach(e, clone, target, name);
    return error < 0 ? error : fd_take(&clone);
}

// -- new file systems --------------------------------------------------------------------------

// What the file system itself says of an error, in its context (fsopen(2)): "e tmpfs: Bad value for 'size'".
static int failed(int fs, const char *name)
{
    char words[256];
    int error = err_at("fsconfig", name);
    ssize_t n = read(fs, words, sizeof(words) - 1);
    if (n > 2 && words[0] == 'e') {
        words[n - (words[n - 1] == '\n')] = '\0';
        err_hint2("the kernel says: ", words + 2);
    }
    return error;
}

// "a=b,c": each as a parameter of its own. The value is all that stands behind the first `=`. The kernel takes 255 bytes
// of each, and says EINVAL to more.
static int set_data(int fs, const char *data, const char *name)
{
    char word[2 * 256];
    while (data != NULL && *data != '\0') {
        size_t n = strcspn(data, ",");
        size_t key = strcspn(data, "=,");
        if (key > 255 || n - key > 256)
            return err_because("fsconfig", name, E2BIG, "an option of the file system is longer than 255 bytes");
        memcpy(word, data, n);
        word[n] = '\0';
        data += n + (data[n] == ',');
        char *value = strchr(word, '=');
        if (value != NULL)
            *value++ = '\0';
        if (n > 0 && mount_fsconfig(fs, value != NULL ? CONFIG_STRING : CONFIG_FLAG, word, value, 0) != 0)
            return failed(fs, name);
    }
    return 0;
}

// A procfs is that of the pid namespace of who opens it. A joined one is entered by children only: one of them does
// that and no more, into our table of descriptors.
static int open_in_joined(const char *type)
{
    int status, fd = -1, ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        int fs = mount_fsopen(type);
        fs = fs < 0 ? -errno : fs;
        _exit(write(to, &fs, sizeof(fs)) == (ssize_t)sizeof(fs) ? 0 : 1);
    }
    if (child < 0)
        return err_at("clone", type);
    // Whoever lives in there may stop it, and must not hold us up.
    pid_t waited = waitpid(child, &status, WUNTRACED);
    if (waited == child && WIFSTOPPED(status)) {
        kill(child, SIGKILL);
        waited = waitpid(child, &status, 0);
    }
    if (waited != child || status != 0 || read(from, &fd, sizeof(fd)) != (ssize_t)sizeof(fd))
        return err_because("fsopen", type, ECANCELED, "the process in the joined pid namespace was killed");
    return fd >= 0 ? fd : err_no("fsopen", type, -fd);
}

static int make(const struct enter *e, const char *type, const char *source, const char *data, uint64_t attributes,
                const char *name)
{
    bool joined = strcmp(type, "proc") == 0 && plan_forks_late(e->plan);
    AUTO_CLOSE int fs = joined ? open_in_joined(type) : mount_fsopen(type);
    if (fs < 0)
        return joined ? fs : err_at("fsopen", type);
    if (mount_fsconfig(fs, CONFIG_STRING, "source", source != NULL ? source : type, 0) != 0)
        return failed(fs, name);
    int error = set_data(fs, data, name);
    if (error < 0)
        return error;
    if (mount_fsconfig(fs, CONFIG_CREATE, NULL, NULL, 0) != 0)
        return failed(fs, name);
    int mount = mount_fsmount(fs, (unsigned)attributes);
    return mount >= 0 ? mount : err_at("fsmount", name);
}

int rootfs_mount(struct enter *e, const char *type, const char *source, const char *data,
                 const struct rootfs_how *how, int target, const char *name)
{
    if (!mount_has_new_calls())
        return legacy_mount(e, type, source, data, how, target, name);
    AUTO_CLOSE int mount = make(e, type, source, data, how->set | how->set_all, name);
    if (mount < 0)
        return mount;
    struct rootfs_how rest = {.propagation = how->propagation};
    int error = set_by_new_calls(mount, &rest, name);
    if (error == 0)
        error = rootfs_attach(e, mount, target, name);
    return error < 0 ? error : fd_take(&mount);
}
