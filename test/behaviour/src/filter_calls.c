/* SPDX-License-Identifier: MIT */
/*
 * Makes system calls that come to nothing in the kernel, each for a reason of its own, and says what became
 * of each: filter-calls, a line "NAME ERRNO" each. What a filter answers is told from the kernel's answer
 * by its errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BAD 1L /* no address */

static const struct {
    const char *name;
    long number, argument[5];
} calls[] = {
    {"getppid", SYS_getppid, {0}},
    {"ioctl-sti", SYS_ioctl, {-1, TIOCSTI}},
    {"ioctl-sti-high", SYS_ioctl, {-1, 0x12300000000 | TIOCSTI}},
    {"ioctl-linux", SYS_ioctl, {-1, TIOCLINUX}},
    {"ioctl-winsize", SYS_ioctl, {-1, TIOCGWINSZ}},
    {"socket-vsock", SYS_socket, {40, -1}},
    {"socket-alg", SYS_socket, {38, -1}},
    {"socket-alg-high", SYS_socket, {1L << 32 | 38, -1}},
    {"socket-unix", SYS_socket, {1, -1}},
    {"personality-random", SYS_personality, {0x40000}},
    {"personality-32", SYS_personality, {8}},
    {"clone-user", SYS_clone, {CLONE_NEWUSER | CLONE_SIGHAND}},
    {"clone-mount", SYS_clone, {CLONE_NEWNS | CLONE_FS}},
    {"clone-plain", SYS_clone, {CLONE_SIGHAND}},
    {"clone3", SYS_clone3, {BAD, 0}},
    {"unshare-user", SYS_unshare, {CLONE_NEWUSER | 1}},
    {"unshare-files", SYS_unshare, {1}},
    {"setns", SYS_setns, {-1, 0}},
    {"mount", SYS_mount, {BAD, BAD, BAD, 0, 0}},
    {"open_tree", SYS_open_tree, {-1, BAD, 0}},
    {"chroot", SYS_chroot, {BAD}},
    {"acct", SYS_acct, {BAD}},
    {"bpf", SYS_bpf, {-1, 0, 0}},
    {"perf_event_open", SYS_perf_event_open, {BAD, 0, -1, -1, 0}},
    {"syslog", SYS_syslog, {-1, 0, 0}},
    {"clock_settime", SYS_clock_settime, {0, BAD}},
    {"reboot", SYS_reboot, {0, 0, 0, 0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1, BAD, 0}},
    {"name_to_handle_at", SYS_name_to_handle_at, {-1, BAD, BAD, BAD, 0}},
    {"ptrace", SYS_ptrace, {7 /* CONT */, -1, 0, 0}},
    {"process_vm_readv", SYS_process_vm_readv, {-1, 0, 0, 0, 0}},
    {"pidfd_getfd", SYS_pidfd_getfd, {-1, -1, 0}},
    {"keyctl", SYS_keyctl, {-1}},
    {"userfaultfd", SYS_userfaultfd, {-1}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, -1}},
    {"swapon", SYS_swapon, {BAD, 0}},
    {"io_uring_setup", SYS_io_uring_setup, {0, BAD}},
    {"unborn", 511, {0}},
#ifdef __x86_64__
    {"x32", 0x40000000 | SYS_getppid, {0}},
#endif
};

int main(void)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        const long *a = calls[i].argument;
        errno = 0;
        long result = syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], 0L);
        printf("%s %d\n", calls[i].name, result == -1 ? errno : 0);
    }
    return 0;
}
