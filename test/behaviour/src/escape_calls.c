/* SPDX-License-Identifier: MIT */
/*
 * System calls that would undo a changed root or get round it:
 * escape-calls HANDLE-TYPE HANDLE-HEX MAJOR MINOR [NAMESPACE-FD]...
 * The handle (name_to_handle_at) is of a file outside, on the file system of this root; MAJOR and
 * MINOR name a disk of the host; the descriptors are namespaces of the host.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "escape.h"

/* sys/mount.h and linux/mount.h do not go together. */
enum { DETACH = 2 };

static long mount_call(const char *source, const char *target, const char *type, unsigned long flags)
{
    return syscall(SYS_mount, source, target, type, flags, NULL);
}

static void mounts(void)
{
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    attempt("mount-proc", mount_call("proc", "/mnt", "proc", 0));
    attempt("mount-tmpfs", mount_call("tmpfs", "/mnt", "tmpfs", 0));
    attempt("mount-devtmpfs", mount_call("dev", "/mnt", "devtmpfs", 0));
    attempt("mount-bind", mount_call("/", "/mnt", NULL, MS_BIND | MS_REC));
    attempt("mount-move", mount_call("/", "/mnt", NULL, MS_MOVE));
    attempt("mount-remount", mount_call(NULL, "/", NULL, MS_REMOUNT | MS_BIND));
    attempt("mount-shared", mount_call(NULL, "/", NULL, MS_SHARED | MS_REC));
    attempt("umount", syscall(SYS_umount2, "/", 0));
    attempt("umount-detach", syscall(SYS_umount2, "/", DETACH));
    attempt("umount-proc", syscall(SYS_umount2, "/proc", DETACH));
    attempt("pivot-stacked", syscall(SYS_pivot_root, ".", "."));
    attempt("pivot-tmp", syscall(SYS_pivot_root, "/", "/tmp"));
    attempt("fsopen", syscall(SYS_fsopen, "proc", 0));
    attempt("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
    attempt("open-tree", syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE));
    attempt("move-mount", syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/mnt", 0));
    attempt("mount-setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &writable,
                                     sizeof writable));
}

static long make_namespace_by_clone3(unsigned long long flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = 17 /* SIGCHLD */};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

static long make_namespace_by_clone(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | 17 /* SIGCHLD */, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

static void namespaces(char **fds)
{
    char what[64];
    attempt("unshare-mnt", unshare(CLONE_NEWNS));
    attempt("unshare-user", unshare(CLONE_NEWUSER));
    attempt("unshare-user-and-mnt", unshare(CLONE_NEWUSER | CLONE_NEWNS));
    attempt("unshare-pid", unshare(CLONE_NEWPID));
    attempt("clone-user", make_namespace_by_clone(CLONE_NEWUSER));
    attempt("clone3-user", make_namespace_by_clone3(CLONE_NEWUSER));
    attempt("clone3-mnt", make_namespace_by_clone3(CLONE_NEWNS));
    for (; *fds; fds++) {
        snprintf(what, sizeof what, "setns-%s", *fds);
        attempt(what, setns(atoi(*fds), 0));
    }
    /* Where the payload sees the host's process numbers, 1 is the host's init. */
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    if (init >= 0)
        attempt("setns-pidfd", setns(init, CLONE_NEWNS));
}

static void by_handle(const char *type, const char *hex)
{
    static const char *const places[] = {"/", "/etc/inside", "/tmp"};
    union {
        struct file_handle handle;
        char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u = {0};
    u.handle.handle_type = atoi(type);
    u.handle.handle_bytes = (unsigned)strlen(hex) / 2;
    for (unsigned i = 0; i < u.handle.handle_bytes && i < MAX_HANDLE_SZ; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        u.handle.f_handle[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        int at = open(places[i], O_RDONLY);
        int fd = open_by_handle_at(at, &u.handle, O_RDONLY);
        attempt("open-by-handle", fd);
        close(fd);
        close(at);
    }
}

static void devices(unsigned major, unsigned minor)
{
    attempt("mknod-disk", mknod("/tmp/disk", S_IFBLK | 0600, makedev(major, minor)));
    attempt("mknod-mem", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
    attempt("mknod-kmsg", mknod("/tmp/kmsg", S_IFCHR | 0600, makedev(1, 11)));
    attempt("open-disk", open("/tmp/disk", O_RDONLY));
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    by_handle(argv[1], argv[2]);
    devices((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    mounts();
    namespaces(argv + 5);
    return finish();
}
