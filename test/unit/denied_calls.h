// SPDX-License-Identifier: MIT
//
// What the built-in filter is to refuse, as a list of its own beside the product's. Names only: that the
// numbers are the kernel's is test_calls.c's business. Any other call is allowed.
#ifndef TEST_UNIT_DENIED_CALLS_H
#define TEST_UNIT_DENIED_CALLS_H

#include <linux/capability.h>
#include <stdint.h>

#include "seccomp/calls.h"

// What is answered: EPERM; ENOSYS; or EPERM for some arguments.
enum kind { REFUSED, UNKNOWN, TTY, FAMILY, PERSONA, NAMESPACES, UNSHARE };

// What lifts it: any of some capabilities, or bits that are no capability's.
#define CAP(name) (UINT64_C(1) << CAP_##name)
#define NOTHING   UINT64_C(0)
#define NAMESPACE (UINT64_C(1) << 62) // that it may make user namespaces
#define TRACE     (UINT64_C(1) << 63) // namespaces of its own, and besides a kernel of 4.8 or a capability

static const struct expected {
    const char *name;
    int own, compat;
    enum kind kind;
    uint64_t needs;
} expected[] = {
#define ROW(name, kind, needs) {#name, NR_##name, NR32_##name, kind, needs},
// clang-format off
    ROW(_sysctl, REFUSED, NOTHING)
    ROW(afs_syscall, REFUSED, NOTHING)
    ROW(bdflush, REFUSED, NOTHING)
    ROW(break, REFUSED, NOTHING)
    ROW(create_module, REFUSED, NOTHING)
    ROW(ftime, REFUSED, NOTHING)
    ROW(get_kernel_syms, REFUSED, NOTHING)
    ROW(getpmsg, REFUSED, NOTHING)
    ROW(gtty, REFUSED, NOTHING)
    ROW(idle, REFUSED, NOTHING)
    ROW(kexec_file_load, REFUSED, NOTHING)
    ROW(kexec_load, REFUSED, NOTHING)
    ROW(lock, REFUSED, NOTHING)
    ROW(migrate_pages, REFUSED, NOTHING)
    ROW(move_pages, REFUSED, NOTHING)
    ROW(mpx, REFUSED, NOTHING)
    ROW(nfsservctl, REFUSED, NOTHING)
    ROW(nice, REFUSED, NOTHING)
    ROW(oldfstat, REFUSED, NOTHING)
    ROW(oldlstat, REFUSED, NOTHING)
    ROW(oldolduname, REFUSED, NOTHING)
    ROW(oldstat, REFUSED, NOTHING)
    ROW(olduname, REFUSED, NOTHING)
    ROW(pciconfig_iobase, REFUSED, NOTHING)
    ROW(pciconfig_read, REFUSED, NOTHING)
    ROW(pciconfig_write, REFUSED, NOTHING)
    ROW(prof, REFUSED, NOTHING)
    ROW(profil, REFUSED, NOTHING)
    ROW(putpmsg, REFUSED, NOTHING)
    ROW(query_module, REFUSED, NOTHING)
    ROW(readdir, REFUSED, NOTHING)
    ROW(security, REFUSED, NOTHING)
    ROW(sgetmask, REFUSED, NOTHING)
    ROW(sigaction, REFUSED, NOTHING)
    ROW(signal, REFUSED, NOTHING)
    ROW(sigpending, REFUSED, NOTHING)
    ROW(sigsuspend, REFUSED, NOTHING)
    ROW(ssetmask, REFUSED, NOTHING)
    ROW(stty, REFUSED, NOTHING)
    ROW(swapoff, REFUSED, NOTHING)
    ROW(swapon, REFUSED, NOTHING)
    ROW(sysfs, REFUSED, NOTHING)
    ROW(tuxcall, REFUSED, NOTHING)
    ROW(ulimit, REFUSED, NOTHING)
    ROW(uselib, REFUSED, NOTHING)
    ROW(userfaultfd, REFUSED, NOTHING)
    ROW(ustat, REFUSED, NOTHING)
    ROW(vm86, REFUSED, NOTHING)
    ROW(vm86old, REFUSED, NOTHING)
    ROW(vserver, REFUSED, NOTHING)
    ROW(add_key, REFUSED, NOTHING)
    ROW(request_key, REFUSED, NOTHING)
    ROW(keyctl, REFUSED, NOTHING)
    ROW(io_uring_setup, UNKNOWN, NOTHING)
    ROW(io_uring_enter, UNKNOWN, NOTHING)
    ROW(io_uring_register, UNKNOWN, NOTHING)
    ROW(ioctl, TTY, NOTHING)
    ROW(socket, FAMILY, NOTHING)
    ROW(personality, PERSONA, NOTHING)
    ROW(clone, NAMESPACES, NAMESPACE)
    ROW(unshare, UNSHARE, NAMESPACE)
    ROW(clone3, UNKNOWN, NAMESPACE)
    ROW(setns, REFUSED, CAP(SYS_ADMIN))
    ROW(mount, REFUSED, CAP(SYS_ADMIN))
    ROW(umount, REFUSED, CAP(SYS_ADMIN))
    ROW(umount2, REFUSED, CAP(SYS_ADMIN))
    ROW(pivot_root, REFUSED, CAP(SYS_ADMIN))
    ROW(move_mount, REFUSED, CAP(SYS_ADMIN))
    ROW(open_tree, REFUSED, CAP(SYS_ADMIN))
    ROW(open_tree_attr, REFUSED, CAP(SYS_ADMIN))
    ROW(fsopen, REFUSED, CAP(SYS_ADMIN))
    ROW(fsconfig, REFUSED, CAP(SYS_ADMIN))
    ROW(fsmount, REFUSED, CAP(SYS_ADMIN))
    ROW(fspick, REFUSED, CAP(SYS_ADMIN))
    ROW(mount_setattr, REFUSED, CAP(SYS_ADMIN))
    ROW(fanotify_init, REFUSED, CAP(SYS_ADMIN))
    ROW(lookup_dcookie, REFUSED, CAP(SYS_ADMIN))
    ROW(quotactl, REFUSED, CAP(SYS_ADMIN))
    ROW(quotactl_fd, REFUSED, CAP(SYS_ADMIN))
    ROW(setdomainname, REFUSED, CAP(SYS_ADMIN))
    ROW(sethostname, REFUSED, CAP(SYS_ADMIN))
    ROW(lsm_get_self_attr, REFUSED, CAP(SYS_ADMIN))
    ROW(lsm_set_self_attr, REFUSED, CAP(SYS_ADMIN))
    ROW(lsm_list_modules, REFUSED, CAP(SYS_ADMIN))
    ROW(bpf, REFUSED, CAP(SYS_ADMIN) | CAP(BPF))
    ROW(perf_event_open, REFUSED, CAP(SYS_ADMIN) | CAP(PERFMON))
    ROW(syslog, REFUSED, CAP(SYS_ADMIN) | CAP(SYSLOG))
    ROW(reboot, REFUSED, CAP(SYS_BOOT))
    ROW(chroot, REFUSED, CAP(SYS_CHROOT))
    ROW(init_module, REFUSED, CAP(SYS_MODULE))
    ROW(finit_module, REFUSED, CAP(SYS_MODULE))
    ROW(delete_module, REFUSED, CAP(SYS_MODULE))
    ROW(get_mempolicy, REFUSED, CAP(SYS_NICE))
    ROW(mbind, REFUSED, CAP(SYS_NICE))
    ROW(set_mempolicy, REFUSED, CAP(SYS_NICE))
    ROW(set_mempolicy_home_node, REFUSED, CAP(SYS_NICE))
    ROW(acct, REFUSED, CAP(SYS_PACCT))
    ROW(iopl, REFUSED, CAP(SYS_RAWIO))
    ROW(ioperm, REFUSED, CAP(SYS_RAWIO))
    ROW(settimeofday, REFUSED, CAP(SYS_TIME))
    ROW(stime, REFUSED, CAP(SYS_TIME))
    ROW(clock_settime, REFUSED, CAP(SYS_TIME))
    ROW(clock_settime64, REFUSED, CAP(SYS_TIME))
    ROW(vhangup, REFUSED, CAP(SYS_TTY_CONFIG))
    ROW(open_by_handle_at, REFUSED, NOTHING)
    ROW(ptrace, REFUSED, TRACE)
    ROW(process_vm_readv, REFUSED, TRACE)
    ROW(process_vm_writev, REFUSED, TRACE)
    ROW(process_madvise, REFUSED, TRACE | CAP(SYS_PTRACE))
    ROW(pidfd_getfd, REFUSED, TRACE | CAP(SYS_PTRACE))
    ROW(kcmp, REFUSED, TRACE | CAP(SYS_PTRACE))
// clang-format on
#undef ROW
};

enum { EXPECTATIONS = sizeof(expected) / sizeof(*expected) };

#endif
