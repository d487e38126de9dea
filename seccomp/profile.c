// SPDX-License-Identifier: MIT
#include "seccomp/profile.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/socket.h>

#include "seccomp/bpf.h"
#include "seccomp/calls.h"

// What is done with a call.
enum verdict {
    UNKNOWN,       // no row: as MISSING
    MISSING,       // ENOSYS, for calls that libraries know how to do without
    DENY,          // EPERM, what the kernel itself says to a caller without the privilege
    ALLOW,
    TTY,           // DENY where the ioctl types into a terminal
    FAMILY,        // DENY for two families of sockets
    PERSONA,       // DENY but for what 32-bit roots and uname26 need
    NO_NAMESPACES, // DENY where the flags ask for a namespace
    NO_USERNS,     // DENY where they ask for a user namespace
    VERDICTS
};

// When a row counts.
enum when {
    ALWAYS,
    NEW_USERNS,
    TRACES,     // in namespaces of its own: from 4.8 on, or with the capability
    TRACES_ANY, // in namespaces of its own, and with the capability
    // With one of these capabilities:
    ADMIN,
    ADMIN_OR_BPF,
    ADMIN_OR_PERFMON,
    ADMIN_OR_SYSLOG,
    BOOT,
    CHROOT,
    MODULE,
    NICE,
    PACCT,
    RAWIO,
    TIME,
    TTY_CONFIG,
    WHENS
};

#define BIT(name) (UINT64_C(1) << CAP_##name)

static const uint64_t capabilities[WHENS] = {
    [TRACES] = BIT(SYS_PTRACE),
    [TRACES_ANY] = BIT(SYS_PTRACE),
    [ADMIN] = BIT(SYS_ADMIN),
    [ADMIN_OR_BPF] = BIT(SYS_ADMIN) | BIT(BPF),
    [ADMIN_OR_PERFMON] = BIT(SYS_ADMIN) | BIT(PERFMON),
    [ADMIN_OR_SYSLOG] = BIT(SYS_ADMIN) | BIT(SYSLOG),
    [BOOT] = BIT(SYS_BOOT),
    [CHROOT] = BIT(SYS_CHROOT),
    [MODULE] = BIT(SYS_MODULE),
    [NICE] = BIT(SYS_NICE),
    [PACCT] = BIT(SYS_PACCT),
    [RAWIO] = BIT(SYS_RAWIO),
    [TIME] = BIT(SYS_TIME),
    [TTY_CONFIG] = BIT(SYS_TTY_CONFIG),
};

// Both numbers of a call; -1, for none, is above all numbers here.
enum { ARCHES = 2, COMMON = 424, NUMBERS = 512 };

static const struct row {
    uint16_t number[ARCHES];
    uint8_t when;
    uint8_t verdict;
} rows[] = {
// Names are pasted at once: some are macros of libc (pwrite64).
#define ROW(name, when, verdict) {{(uint16_t)NR_##name, (uint16_t)NR32_##name}, when, verdict},
#define ALLOWED(name)            {{(uint16_t)NR_##name, (uint16_t)NR32_##name}, ALWAYS, ALLOW},
#define REFUSED(name)            {{(uint16_t)NR_##name, (uint16_t)NR32_##name}, ALWAYS, DENY},
#include "seccomp/profile_calls.h"
};

// What is above NUMBERS. x86-64 and x32 share the kernel's table and AUDIT_ARCH_: x32 calls have bit 30
// set, and before 5.4 a kernel with x32 took its calls 512 to 547 without that bit too. From bit 31 on
// numbers are negative, and no call; -1 is one that a tracer wants skipped, and its result is to stay the
// tracer's.
static const struct above {
    uint32_t from;
    uint8_t verdict;
} above[] = {
    {NUMBERS, MISSING},
#if defined(__aarch64__)
    {NR32_breakpoint, ALLOW}, // arm's own, from here to get_tls
    {NR32_usr26, DENY},
    {NR32_set_tls, ALLOW},
    {NR32_get_tls, DENY},
    {NR32_get_tls + 1, MISSING},
#endif
    {0x80000000, ALLOW},
};

enum {
    ROWS = sizeof(rows) / sizeof(*rows),
    ABOVES = sizeof(above) / sizeof(*above),
    RANGES = NUMBERS + ABOVES
};

// clang-format off
#define BOTH(name) {(uint16_t)NR_##name, (uint16_t)NR32_##name}
// clang-format on

// What programs call all the time.
static const uint16_t hot[][ARCHES] = {
    BOTH(read),       BOTH(write),         BOTH(close),      BOTH(fstat),           BOTH(fstat64),
    BOTH(newfstatat), BOTH(fstatat64),     BOTH(mmap),       BOTH(mmap2),           BOTH(openat),
    BOTH(futex),      BOTH(futex_time64),  BOTH(epoll_wait), BOTH(epoll_pwait),     BOTH(sendto),
    BOTH(recvfrom),   BOTH(clock_gettime), BOTH(recv),       BOTH(clock_gettime64),
};
enum { HOT = sizeof(hot) / sizeof(*hot), HOT_WEIGHT = 64, NEW_CALLS = 48 };

// Arguments are 64 bits wide in the filter; the kernel uses the low halves of the ones that are compared
// here, so a filter that looked at all bits could be walked round (CVE-2019-10063).
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");
#define LOW_HALF_OF(argument) (offsetof(struct seccomp_data, args) + (argument) * sizeof(uint64_t))

#define NAMESPACES                                                                                         \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |          \
     CLONE_NEWNET)

// For each value of the low half of ARGUMENT: OTHERWISE, but for those in the list.
struct choice {
    uint8_t argument;
    uint8_t otherwise, listed;
    uint8_t count;
    uint32_t value[5];
};

static const struct choice choices[VERDICTS] = {
    [TTY] = {1, ALLOW, DENY, 2, {TIOCSTI, TIOCLINUX}},
    [FAMILY] = {0, ALLOW, DENY, 2, {AF_ALG, AF_VSOCK}},
    // PER_LINUX and PER_LINUX32, both with and without UNAME26; and the question.
    [PERSONA] = {0, DENY, ALLOW, 5, {0, 0x8, 0x20000, 0x20008, 0xffffffff}},
};

static bpf_label put_choice(struct bpf_writer *writer, const struct choice *choice, const bpf_label *to)
{
    bpf_label next = to[choice->otherwise];
    for (int i = choice->count - 1; i >= 0; i--)
        next = bpf_branch(writer, BPF_JEQ, choice->value[i], to[choice->listed], next);
    return bpf_load(writer, LOW_HALF_OF(choice->argument), next);
}

// The flags are the first argument of clone and unshare in all four tables.
static bpf_label put_flags(struct bpf_writer *writer, uint32_t refused, const bpf_label *to)
{
    bpf_label test = bpf_branch(writer, BPF_JSET, refused, to[DENY], to[ALLOW]);
    return bpf_load(writer, LOW_HALF_OF(0), test);
}

// The ends of the program, one for each verdict.
static void put_verdicts(struct bpf_writer *writer, bpf_label *to)
{
    to[UNKNOWN] = to[MISSING] = bpf_return(writer, SECCOMP_RET_ERRNO | ENOSYS);
    to[DENY] = bpf_return(writer, SECCOMP_RET_ERRNO | EPERM);
    to[ALLOW] = bpf_return(writer, SECCOMP_RET_ALLOW);
    for (int i = TTY; i <= PERSONA; i++)
        to[i] = put_choice(writer, &choices[i], to);
    to[NO_NAMESPACES] = put_flags(writer, NAMESPACES, to);
    to[NO_USERNS] = put_flags(writer, CLONE_NEWUSER, to);
}

static bool holds(const struct profile_for *to, enum when when)
{
    bool capable = (to->capabilities & capabilities[when]) != 0;
    switch (when) {
    case ALWAYS:
        return true;
    case NEW_USERNS:
        return to->new_userns;
    case TRACES:
        return to->own_processes && (capable || to->kernel >= PROFILE_KERNEL(4, 8));
    case TRACES_ANY:
        return to->own_processes && capable;
    default:
        return capable;
    }
}

// The verdict on each number of one table of calls. COUNTS are the conditions that hold.
static void judge(const bool *counts, int arch, uint8_t *verdicts)
{
    memset(verdicts, UNKNOWN, NUMBERS);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].number[arch] >= NUMBERS)
            continue;
        uint8_t *verdict = &verdicts[rows[i].number[arch]];
        if (counts[rows[i].when])
            *verdict = rows[i].verdict;
        else if (*verdict == UNKNOWN)
            *verdict = DENY;
    }
}

// Not initialised as a whole: that would be three pages more at every start.
struct search {
    size_t count;
    struct bpf_range ranges[RANGES];
};

// Ranges of the same verdict become one.
static void add_range(struct search *search, uint32_t from, uint32_t weight, bpf_label to)
{
    if (search->count > 0 && search->ranges[search->count - 1].to == to)
        search->ranges[search->count - 1].weight += weight;
    else
        search->ranges[search->count++] = (struct bpf_range){from, weight, to};
}

// The search through all numbers from COMMON on, where a number is the same call in every table: Linux 5.1
// and later. It is the first table's, and does for both: what the other one lacks (memfd_secret on arm,
// x32's numbers) has the kernel's ENOSYS.
static bpf_label put_common(struct bpf_writer *writer, const uint8_t *verdicts, const bpf_label *ends)
{
    struct search search;

    search.count = 0;
    for (uint32_t i = COMMON; i < NUMBERS; i++)
        add_range(&search, i, 0, ends[verdicts[i]]);
    for (size_t i = 0; i < ABOVES; i++)
        add_range(&search, above[i].from, 0, ends[above[i].verdict]);
    return bpf_search(writer, search.ranges, search.count);
}

// The kernel looks up each number once, programs some of them all the time.
static bpf_label put_own(struct bpf_writer *writer, int arch, const uint8_t *verdicts,
                         const bpf_label *ends, bpf_label common)
{
    struct search search;
    uint8_t weights[COMMON];

    search.count = 0;
    memset(weights, 1, COMMON);
    for (size_t i = 0; i < HOT; i++) {
        if (hot[i][arch] < COMMON)
            weights[hot[i][arch]] = HOT_WEIGHT;
    }
    for (uint32_t i = 0; i < COMMON; i++)
        add_range(&search, i, weights[i], ends[verdicts[i]]);
    add_range(&search, COMMON, NEW_CALLS, common);
    return bpf_search(writer, search.ranges, search.count);
}

// The rows are resolved for both tables at compile time. The program is not: there would have to be one for
// each set of 13 capabilities. Writing it takes some 6 us, which compile_filter(), for profiles of any kind,
// takes ten times; loading it 0.15 us for each instruction (the JIT), and 1 us for each one that a number
// passes on average: the kernel walks through the filter once for each number of both tables, to learn which
// calls need no filter at all. Hence the trees, and the part that the tables share.
int profile_default(const struct profile_for *to, struct sock_filter *out, size_t max)
{
    struct bpf_writer writer = {.out = out, .max = max};
    bpf_label ends[VERDICTS];
    bool counts[WHENS];
    uint8_t verdicts[ARCHES][NUMBERS];
    const uint32_t arches[ARCHES] = {calls_audit(CALLS_OWN), calls_audit(CALLS_COMPAT)};

    for (int when = 0; when < WHENS; when++)
        counts[when] = holds(to, (enum when)when);
    for (int arch = 0; arch < ARCHES; arch++)
        judge(counts, arch, verdicts[arch]);
    put_verdicts(&writer, ends);
    bpf_label common = put_common(&writer, verdicts[0], ends);
    // A table of calls of which nothing is known: no kernel of this architecture has a third, and a
    // payload that found one would have no filter at all.
    bpf_label other = bpf_return(&writer, SECCOMP_RET_KILL_PROCESS);
    for (int arch = ARCHES - 1; arch >= 0; arch--) {
        bpf_label own = put_own(&writer, arch, verdicts[arch], ends, common);
        own = bpf_load(&writer, offsetof(struct seccomp_data, nr), own);
        other = bpf_branch(&writer, BPF_JEQ, arches[arch], own, other);
    }
    bpf_load(&writer, offsetof(struct seccomp_data, arch), other);
    return bpf_finish(&writer);
}
