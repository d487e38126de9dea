// SPDX-License-Identifier: MIT
//
// Numbers of the system calls that a built-in filter names, for both tables of calls of one build:
// the headers know the own one only, and only as far as they are new enough. CALL_name is x86-64,
// i386, aarch64, arm (EABI). From: syscall_64.tbl and syscall_32.tbl of arch/x86 and arch/arm64,
// and scripts/syscall.tbl, Linux 6.18.
#ifndef SECCOMP_SYSCALLS_H
#define SECCOMP_SYSCALLS_H

// From here on a number is the same call in every table: Linux 5.1 and later.
#define CALL_COMMON 424
// Above every number that is used below; x86-64's leftovers of x32 start here.
#define CALL_NUMBERS 512
#define CALL_ABSENT  CALL_NUMBERS

// The two tables of this build: the kernel's AUDIT_ARCH_ values, and how to choose from the four
// numbers.
#if defined(__x86_64__)
#define CALL_ARCHES                              AUDIT_ARCH_X86_64, AUDIT_ARCH_I386
#define CALL_PICK_OF(x86_64, i386, aarch64, arm) x86_64, i386
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define CALL_ARCHES                              AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM
#define CALL_PICK_OF(x86_64, i386, aarch64, arm) aarch64, arm
#else
// cppcheck-suppress preprocessorErrorDirective
#error "the system calls of this architecture are not known here"
#endif
#define CALL_PICK(...) CALL_PICK_OF(__VA_ARGS__)

// Both numbers of a call, for an array of two.
#define CALL(name) CALL_PICK(CALL_##name)

#define CALL__sysctl           156, 149, CALL_ABSENT, 149
#define CALL_acct              163, 51, 89, 51
#define CALL_add_key           248, 286, 217, 309
#define CALL_bpf               321, 357, 280, 386
#define CALL_clone             56, 120, 220, 120
#define CALL_clone3            435, 435, 435, 435
#define CALL_create_module     174, 127, CALL_ABSENT, CALL_ABSENT
#define CALL_delete_module     176, 129, 106, 129
#define CALL_finit_module      313, 350, 273, 379
#define CALL_fsconfig          431, 431, 431, 431
#define CALL_fsmount           432, 432, 432, 432
#define CALL_fsopen            430, 430, 430, 430
#define CALL_fspick            433, 433, 433, 433
#define CALL_get_kernel_syms   177, 130, CALL_ABSENT, CALL_ABSENT
#define CALL_init_module       175, 128, 105, 128
#define CALL_io_uring_enter    426, 426, 426, 426
#define CALL_io_uring_register 427, 427, 427, 427
#define CALL_io_uring_setup    425, 425, 425, 425
#define CALL_ioctl             16, 54, 29, 54
#define CALL_ioperm            173, 101, CALL_ABSENT, CALL_ABSENT
#define CALL_iopl              172, 110, CALL_ABSENT, CALL_ABSENT
#define CALL_kcmp              312, 349, 272, 378
#define CALL_kexec_file_load   320, CALL_ABSENT, 294, 401
#define CALL_kexec_load        246, 283, 104, 347
#define CALL_keyctl            250, 288, 219, 311
#define CALL_lookup_dcookie    212, 253, 18, 249
#define CALL_mount             165, 21, 40, 21
#define CALL_mount_setattr     442, 442, 442, 442
#define CALL_move_mount        429, 429, 429, 429
#define CALL_nfsservctl        180, 169, 42, 169
#define CALL_open_by_handle_at 304, 342, 265, 371
#define CALL_open_tree         428, 428, 428, 428
#define CALL_open_tree_attr    467, 467, 467, 467
#define CALL_perf_event_open   298, 336, 241, 364
#define CALL_pidfd_getfd       438, 438, 438, 438
#define CALL_pivot_root        155, 217, 41, 218
#define CALL_process_madvise   440, 440, 440, 440
#define CALL_process_vm_readv  310, 347, 270, 376
#define CALL_process_vm_writev 311, 348, 271, 377
#define CALL_ptrace            101, 26, 117, 26
#define CALL_query_module      178, 167, CALL_ABSENT, CALL_ABSENT
#define CALL_quotactl          179, 131, 60, 131
#define CALL_quotactl_fd       443, 443, 443, 443
#define CALL_reboot            169, 88, 142, 88
#define CALL_request_key       249, 287, 218, 310
#define CALL_setns             308, 346, 268, 375
#define CALL_swapoff           168, 115, 225, 115
#define CALL_swapon            167, 87, 224, 87
#define CALL_umount            CALL_ABSENT, 22, CALL_ABSENT, CALL_ABSENT
#define CALL_umount2           166, 52, 39, 52
#define CALL_unshare           272, 310, 97, 337
#define CALL_uselib            134, 86, CALL_ABSENT, 86
#define CALL_userfaultfd       323, 374, 282, 388

#endif
