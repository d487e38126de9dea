// SPDX-License-Identifier: MIT
#include "seccomp/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp/bpf.h"
#include "seccomp/syscalls.h"
#include "sys/err.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif

enum { D = 1 << CAGE_DECODER, E = 1 << CAGE_EXTRACTOR };

// Which argument decides, where the number alone does not.
enum rule { ANY, NO_FOLLOW, NO_EXEC, SELF };

static const struct row {
    int number;
    uint8_t cages;
    uint8_t rule;
} rows[] = {
    {SYS_read, D | E, ANY},
    {SYS_write, D | E, ANY},
    {SYS_recvfrom, D | E, ANY},
    {SYS_sendto, D | E, ANY},
    {SYS_exit_group, D | E, ANY},
    {SYS_exit, D | E, ANY},
    {SYS_restart_syscall, D | E, ANY},

    // Names are opened below descriptors, and links followed by openat2 alone, in the root.
    {SYS_openat, E, NO_FOLLOW},
    {SYS_openat2, E, ANY},
    {SYS_close, E, ANY},
#ifdef SYS_newfstatat
    {SYS_newfstatat, E, ANY},
#endif
    {SYS_fstat, E, ANY},
    {SYS_statx, E, ANY},
    {SYS_readlinkat, E, ANY},
    {SYS_getdents64, E, ANY},

    {SYS_mkdirat, E, ANY},
    {SYS_mknodat, E, ANY},
    {SYS_symlinkat, E, ANY},
    {SYS_linkat, E, ANY},
    {SYS_unlinkat, E, ANY},
    {SYS_fchown, E, ANY},
    {SYS_fchownat, E, ANY},
    {SYS_fchmod, E, ANY},
    {SYS_fchmodat2, E, ANY},
    {SYS_utimensat, E, ANY},
    {SYS_fsetxattr, E, ANY},
    {SYS_setxattrat, E, ANY},
    {SYS_pwrite64, E, ANY},
    {SYS_sendfile, E, ANY},
    {SYS_lseek, E, ANY},
    {SYS_ftruncate, E, ANY},
    {SYS_syncfs, E, ANY},

    // Memory, time, waiting, and the signal that a run ends by.
    {SYS_mmap, E, NO_EXEC},
    {SYS_munmap, E, ANY},
    {SYS_clock_gettime, E, ANY},
    {SYS_ppoll, D | E, ANY},
#ifdef SYS_poll
    {SYS_poll, D | E, ANY},
#endif
    {SYS_rt_sigtimedwait, E, ANY},
    {SYS_rt_sigprocmask, E, ANY},
    {SYS_rt_sigaction, E, ANY},
    {SYS_rt_sigreturn, E, ANY},
    {SYS_wait4, E, ANY},
    {SYS_tkill, E, SELF},
    {SYS_pidfd_send_signal, E, ANY}, // to the decoders: it holds no other pidfds
    {SYS_gettid, E, ANY},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), RANGES = 2 * ROWS + 2 };

static const uint32_t arches[] = {CALL_ARCHES};

#define LOW_HALF_OF(argument) (offsetof(struct seccomp_data, args) + (argument) * sizeof(uint64_t))

// What the sanitizers' run-time does on top is not known: their build tries the code, not the cage.
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
static const uint32_t unlisted = SECCOMP_RET_ALLOW;
#else
static const uint32_t unlisted = SECCOMP_RET_KILL_PROCESS;
#endif

static const struct row *find_row(enum cage which, int number)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].number == number && (rows[i].cages & 1 << which) != 0)
            return &rows[i];
    }
    return NULL;
}

int cage_write(enum cage which, int pid, uint32_t otherwise, struct sock_filter *out, size_t max)
{
    struct bpf_writer writer = {.out = out, .max = max};
    struct bpf_range ranges[RANGES];
    size_t count = 0;
    bpf_label no = bpf_return(&writer, otherwise);
    bpf_label any = bpf_return(&writer, SECCOMP_RET_ALLOW);
    bpf_label no_follow = bpf_branch(&writer, BPF_JSET, O_NOFOLLOW, any, no);
    no_follow = bpf_load(&writer, LOW_HALF_OF(2), no_follow);
    bpf_label no_exec = bpf_branch(&writer, BPF_JSET, PROT_EXEC, no, any);
    no_exec = bpf_load(&writer, LOW_HALF_OF(2), no_exec);
    bpf_label self = bpf_branch(&writer, BPF_JEQ, (uint32_t)pid, any, no);
    self = bpf_load(&writer, LOW_HALF_OF(0), self);
    const bpf_label ends[] = {[ANY] = any, [NO_FOLLOW] = no_follow, [NO_EXEC] = no_exec, [SELF] = self};

    ranges[count++] = (struct bpf_range){0, no};
    for (int number = 0; number < CALL_NUMBERS; number++) {
        const struct row *row = find_row(which, number);
        bpf_label end = row != NULL ? ends[row->rule] : no;
        if (end == ranges[count - 1].to)
            continue;
        if (number == 0)
            count = 0;
        ranges[count++] = (struct bpf_range){(uint32_t)number, end};
    }
    if (ranges[count - 1].to != no)
        ranges[count++] = (struct bpf_range){CALL_NUMBERS, no};
    bpf_label calls = bpf_search(&writer, ranges, count);
    calls = bpf_load(&writer, offsetof(struct seccomp_data, nr), calls);
    bpf_label all = bpf_branch(&writer, BPF_JEQ, arches[0], calls, no);
    bpf_load(&writer, offsetof(struct seccomp_data, arch), all);
    return bpf_finish(&writer);
}

int cage_shut(enum cage which)
{
    struct sock_filter code[CAGE_MAX];
    int count = cage_write(which, getpid(), unlisted, code, CAGE_MAX);
    if (count < 0)
        return err_no("seccomp", NULL, -count);
    struct sock_fprog program = {(unsigned short)count, code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return err_at("prctl", "PR_SET_SECCOMP");
    return 0;
}
