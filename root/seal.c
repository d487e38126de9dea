// SPDX-License-Identifier: MIT
#include "root/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/proc.h"
#include "sys/start.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// A magic link: proc_open_file() refuses links, and this one must be followed to the file itself.
static int open_self(int flags)
{
    if (proc_fd() < 0) {
        int error = proc_missing();
        err_hint("the helper can't protect its own executable from the payload without /proc");
        return error;
    }
    int fd = openat(proc_fd(), "self/exe", flags | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open", "/proc/self/exe");
}

bool seal_is_sealed(void)
{
    struct statvfs fs;
    AUTO_CLOSE int self = open_self(O_RDONLY);
    if (self < 0)
        return false;
    int got = fcntl(self, F_GET_SEALS);
    if (got >= 0 && (got & seals) == seals)
        return true;
    return fstatvfs(self, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

bool seal_is_writable_by(unsigned uid)
{
    struct stat st;
    AUTO_CLOSE int self = open_self(O_PATH);
    return self < 0 || fstat(self, &st) != 0 || st.st_uid == uid || (st.st_mode & 022) != 0;
}

// A detached clone of the mount that the file is on: read-only for who gets at it that way.
static int clone_read_only(void)
{
    AUTO_CLOSE int self = open_self(O_PATH);
    if (self < 0)
        return self;
    AUTO_CLOSE int clone = mount_open_tree(self, "", TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC);
    if (clone < 0)
        return err_at("open_tree", "/proc/self/exe");
    if (mount_setattr_of(clone, false, ATTR_RDONLY, 0) != 0)
        return err_at("mount_setattr", "/proc/self/exe");
    return fd_take(&clone);
}

// RLIMIT_FSIZE counts for memory files too; the caller's own value is back before anything else runs.
static int with_file_size(struct rlimit *before)
{
    if (getrlimit(RLIMIT_FSIZE, before) != 0)
        return err_at("getrlimit", "RLIMIT_FSIZE");
    struct rlimit most = {before->rlim_max, before->rlim_max};
    return setrlimit(RLIMIT_FSIZE, &most) == 0 ? 0 : err_at("setrlimit", "RLIMIT_FSIZE");
}

static int copy_all(int from, int to)
{
    ssize_t n;
    do
        n = sendfile(to, from, NULL, 1 << 20);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0 ? 0 : err_at("sendfile", "/proc/self/exe");
}

static int sealed_copy(void)
{
    struct rlimit before;
    AUTO_CLOSE int self = open_self(O_RDONLY);
    if (self < 0)
        return self;
    int fd = memfd_create("inroot", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) // before 6.3 there is no such flag
        fd = memfd_create("inroot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    AUTO_CLOSE int copy = fd;
    if (copy < 0) {
        int error = err_at("memfd_create", NULL);
        err_hint("the helper must not run from a file that the payload could change; with vm.memfd_noexec=2 "
                 "it needs CAP_SYS_ADMIN, or an executable on a read-only mount");
        return error;
    }
    int error = with_file_size(&before);
    if (error == 0) {
        error = copy_all(self, copy);
        (void)setrlimit(RLIMIT_FSIZE, &before);
    }
    if (error < 0)
        return error;
    if (fcntl(copy, F_ADD_SEALS, seals) != 0)
        return err_at("fcntl", "F_ADD_SEALS");
    return fd_take(&copy);
}

static int run_from(int fd, char **argv, char **environment)
{
    int error = start_restore();
    if (error < 0)
        return error;
    syscall(SYS_execveat, fd, "", argv, environment, AT_EMPTY_PATH);
    error = err_at("execveat", "a copy of the helper");
    int again = start_prepare();
    return again < 0 ? again : error;
}

int seal_run_again(char **argv, char **environment)
{
    err_stage("seal");
    AUTO_CLOSE int clone = clone_read_only();
    if (clone >= 0)
        (void)run_from(clone, argv, environment);
    AUTO_CLOSE int copy = sealed_copy();
    return copy < 0 ? copy : run_from(copy, argv, environment);
}
