// SPDX-License-Identifier: MIT
#include "seccomp/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "seccomp/bpf.h"
#include "seccomp/calls.h"
#include "sys/err.h"

enum { D = 1 << CAGE_DECODER, E = 1 << CAGE_EXTRACTOR };

// Which argument decides, where the number alone does not.
enum rule { ANY, NO_FOLLOW, NO_EXEC, SELF };

static const struct row {
    int number;
    uint8_t cages;
    uint8_t rule;
} rows[] = {
    {NR_read, D | E, ANY},
    {NR_write, D | E, ANY},
    {NR_recvfrom, D | E, ANY},
    {NR_sendto, D | E, ANY},
    {NR_exit_group, D | E, ANY},
    {NR_exit, D | E, ANY},
    {NR_restart_syscall, D | E, ANY},

    // Names are opened below descriptors, and links followed by openat2 alone, in the root.
    {NR_openat, E, NO_FOLLOW},
    {NR_openat2, E, ANY},
    {NR_close, E, ANY},
    {NR_newfstatat, E, ANY},
    {NR_fstat, E, ANY},
    {NR_statx, E, ANY},
    {NR_readlinkat, E, ANY},
    {NR_fstatfs, E, ANY}, // whether a link that openat2 is not there for can be a magic one
    {NR_getdents64, E, ANY},

    {NR_mkdirat, E, ANY},
    {NR_mknodat, E, ANY},
    {NR_symlinkat, E, ANY},
    {NR_linkat, E, ANY},
    {NR_unlinkat, E, ANY},
    {NR_fchown, E, ANY},
    {NR_fchownat, E, ANY},
    {NR_fchmod, E, ANY},
    {NR_fchmodat2, E, ANY},
    {NR_utimensat, E, ANY},
    {NR_fsetxattr, E, ANY},
    {NR_setxattrat, E, ANY},
    {NR_pwrite64, E, ANY},
    {NR_sendfile, E, ANY},
    {NR_lseek, E, ANY},
    {NR_ftruncate, E, ANY},
    {NR_syncfs, E, ANY},

    // Memory, time, waiting, and the signal that a run ends by.
    {NR_mmap, E, NO_EXEC},
    {NR_munmap, E, ANY},
    {NR_clock_gettime, E, ANY},
    {NR_ppoll, D | E, ANY},
    {NR_poll, D | E, ANY},
    {NR_rt_sigtimedwait, E, ANY},
    {NR_rt_sigprocmask, E, ANY},
    {NR_rt_sigaction, E, ANY},
    {NR_rt_sigreturn, E, ANY},
    {NR_wait4, E, ANY},
    {NR_tkill, E, SELF},
    {NR_pidfd_send_signal, E, ANY}, // to the decoders: it holds no other pidfds
    {NR_gettid, E, ANY},
};

// NUMBERS is above every number that is used.
enum { ROWS = sizeof(rows) / sizeof(rows[0]), RANGES = 2 * ROWS + 2, NUMBERS = 512 };

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

    ranges[count++] = (struct bpf_range){0, 0, no};
    for (int number = 0; number < NUMBERS; number++) {
        const struct row *row = find_row(which, number);
        bpf_label end = row != NULL ? ends[row->rule] : no;
        if (end == ranges[count - 1].to)
            continue;
        if (number == 0)
            count = 0;
        ranges[count++] = (struct bpf_range){(uint32_t)number, 0, end};
    }
    if (ranges[count - 1].to != no)
        ranges[count++] = (struct bpf_range){NUMBERS, 0, no};
    bpf_label calls = bpf_search(&writer, ranges, count);
    calls = bpf_load(&writer, offsetof(struct seccomp_data, nr), calls);
    bpf_label all = bpf_branch(&writer, BPF_JEQ, calls_audit(CALLS_OWN), calls, no);
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
