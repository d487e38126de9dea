// SPDX-License-Identifier: MIT
//
// What the built-in filter is to refuse, as a list of its own beside the product's: names only, the
// numbers are those of the kernel's headers.
#ifndef TEST_UNIT_DENIED_CALLS_H
#define TEST_UNIT_DENIED_CALLS_H

#include <linux/audit.h>

enum kind { REFUSED, UNKNOWN, TTY, USERNS };
enum needs { NOTHING, ADMIN, OWN, USER };

#define EXPECTED(X)                                                                                \
    X(ioctl, TTY, NOTHING)                                                                         \
    X(add_key, REFUSED, NOTHING)                                                                   \
    X(request_key, REFUSED, NOTHING)                                                               \
    X(keyctl, REFUSED, NOTHING)                                                                    \
    X(open_by_handle_at, REFUSED, NOTHING)                                                         \
    X(kexec_load, REFUSED, NOTHING)                                                                \
    X(kexec_file_load, REFUSED, NOTHING)                                                           \
    X(bpf, REFUSED, NOTHING)                                                                       \
    X(perf_event_open, REFUSED, NOTHING)                                                           \
    X(userfaultfd, REFUSED, NOTHING)                                                               \
    X(create_module, REFUSED, NOTHING)                                                             \
    X(init_module, REFUSED, NOTHING)                                                               \
    X(finit_module, REFUSED, NOTHING)                                                              \
    X(delete_module, REFUSED, NOTHING)                                                             \
    X(get_kernel_syms, REFUSED, NOTHING)                                                           \
    X(query_module, REFUSED, NOTHING)                                                              \
    X(iopl, REFUSED, NOTHING)                                                                      \
    X(ioperm, REFUSED, NOTHING)                                                                    \
    X(reboot, REFUSED, NOTHING)                                                                    \
    X(acct, REFUSED, NOTHING)                                                                      \
    X(quotactl, REFUSED, NOTHING)                                                                  \
    X(quotactl_fd, REFUSED, NOTHING)                                                               \
    X(lookup_dcookie, REFUSED, NOTHING)                                                            \
    X(nfsservctl, REFUSED, NOTHING)                                                                \
    X(_sysctl, REFUSED, NOTHING)                                                                   \
    X(uselib, REFUSED, NOTHING)                                                                    \
    X(io_uring_setup, UNKNOWN, NOTHING)                                                            \
    X(io_uring_enter, UNKNOWN, NOTHING)                                                            \
    X(io_uring_register, UNKNOWN, NOTHING)                                                         \
    X(clone, USERNS, USER)                                                                         \
    X(unshare, USERNS, USER)                                                                       \
    X(clone3, UNKNOWN, USER)                                                                       \
    X(setns, REFUSED, ADMIN)                                                                       \
    X(mount, REFUSED, ADMIN)                                                                       \
    X(umount, REFUSED, ADMIN)                                                                      \
    X(umount2, REFUSED, ADMIN)                                                                     \
    X(pivot_root, REFUSED, ADMIN)                                                                  \
    X(move_mount, REFUSED, ADMIN)                                                                  \
    X(open_tree, REFUSED, ADMIN)                                                                   \
    X(open_tree_attr, REFUSED, ADMIN)                                                              \
    X(fsopen, REFUSED, ADMIN)                                                                      \
    X(fsconfig, REFUSED, ADMIN)                                                                    \
    X(fsmount, REFUSED, ADMIN)                                                                     \
    X(fspick, REFUSED, ADMIN)                                                                      \
    X(mount_setattr, REFUSED, ADMIN)                                                               \
    X(swapon, REFUSED, ADMIN)                                                                      \
    X(swapoff, REFUSED, ADMIN)                                                                     \
    X(ptrace, REFUSED, OWN)                                                                        \
    X(process_vm_readv, REFUSED, OWN)                                                              \
    X(process_vm_writev, REFUSED, OWN)                                                             \
    X(process_madvise, REFUSED, OWN)                                                               \
    X(pidfd_getfd, REFUSED, OWN)                                                                   \
    X(kcmp, REFUSED, OWN)

struct expected {
    const char *name;
    int number;
    enum kind kind;
    enum needs needs;
};
#define ROW(name, kind, needs) {#name, __NR_##name, kind, needs},

// A table of calls has only some of the old ones, and older headers lack the newest one.
#define ABSENT         (-1)
#define OPEN_TREE_ATTR 467

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define OTHER  AUDIT_ARCH_I386

#include <asm/unistd_32.h>
#define __NR_kexec_file_load ABSENT
#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr OPEN_TREE_ATTR
#endif
static const struct expected other[] = {EXPECTED(ROW)};
#undef __NR_kexec_file_load
#undef __NR_umount

#include <asm/unistd_64.h>
#define __NR_umount ABSENT
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define OTHER  AUDIT_ARCH_ARM

// No header here knows the numbers of 32-bit arm: of that table only the part that all share is
// compared.
#include <asm/unistd.h>
#define __NR__sysctl         ABSENT
#define __NR_create_module   ABSENT
#define __NR_get_kernel_syms ABSENT
#define __NR_ioperm          ABSENT
#define __NR_iopl            ABSENT
#define __NR_query_module    ABSENT
#define __NR_umount          ABSENT
#define __NR_uselib          ABSENT
#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr OPEN_TREE_ATTR
#endif
#endif
static const struct expected native[] = {EXPECTED(ROW)};

#endif
