// SPDX-License-Identifier: MIT
#include "seccomp/profile.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>

#include "seccomp/bpf.h"
#include "seccomp/syscalls.h"

// What is done with a call. ALLOW is 0, and what a call without a row gets: the filter is not what
// holds a payload inside (namespaces, ids and capabilities are), it takes away single calls that
// those let through. An allow-list would break payloads with every new kernel and libc, for calls
// that are checked like the old ones.
enum verdict {
    ALLOW,
    DENY,    // EPERM, what the kernel itself says to a caller without the privilege
    MISSING, // ENOSYS, for calls that libraries know how to do without
    TTY,     // DENY where the ioctl types into a terminal
    USERNS,  // DENY where the flags ask for a user namespace
    VERDICTS
};

// The setting under which a row does not count.
enum unless { ALWAYS, SYS_ADMIN, OWN_PROCESSES, NEW_USERNS };

enum { ARCHES = 2 };

struct row {
    uint16_t number[ARCHES];
    uint8_t unless;
    uint8_t verdict;
};

// Calls that look as if they belonged here and are allowed on purpose: name_to_handle_at (a handle
// without open_by_handle_at opens nothing), vmsplice (its bugs are long mended, and programs use
// it), personality (wine, gdb and 32-bit roots need it; what it weakens is the caller's own address
// space).
static const struct row rows[] = {
    // A terminal is the host's: what is typed into it is run outside (CVE-2017-5226,
    // CVE-2023-28100).
    {{CALL(ioctl)}, ALWAYS, TTY},

    // Keyrings belong to no namespace but the user's.
    {{CALL(add_key)}, ALWAYS, DENY},
    {{CALL(request_key)}, ALWAYS, DENY},
    {{CALL(keyctl)}, ALWAYS, DENY},

    // Opens any inode of the file system that ROOT lies on, outside of ROOT too.
    {{CALL(open_by_handle_at)}, ALWAYS, DENY},

    // In a user namespace of its own making a payload holds every capability again, and with them
    // reaches most of what gets attacked in kernels.
    {{CALL(clone)}, NEW_USERNS, USERNS},
    {{CALL(unshare)}, NEW_USERNS, USERNS},
    // Its flags lie in memory, where no filter can look. Every libc goes on to clone after ENOSYS,
    // not after EPERM.
    {{CALL(clone3)}, NEW_USERNS, MISSING},

    // Without the capability the kernel refuses these too, until one of its checks is wrong.
    {{CALL(setns)}, SYS_ADMIN, DENY},
    {{CALL(mount)}, SYS_ADMIN, DENY},
    {{CALL(umount)}, SYS_ADMIN, DENY},
    {{CALL(umount2)}, SYS_ADMIN, DENY},
    {{CALL(pivot_root)}, SYS_ADMIN, DENY},
    {{CALL(move_mount)}, SYS_ADMIN, DENY},
    {{CALL(open_tree)}, SYS_ADMIN, DENY},
    {{CALL(open_tree_attr)}, SYS_ADMIN, DENY},
    {{CALL(fsopen)}, SYS_ADMIN, DENY},
    {{CALL(fsconfig)}, SYS_ADMIN, DENY},
    {{CALL(fsmount)}, SYS_ADMIN, DENY},
    {{CALL(fspick)}, SYS_ADMIN, DENY},
    {{CALL(mount_setattr)}, SYS_ADMIN, DENY},
    {{CALL(swapon)}, SYS_ADMIN, DENY},
    {{CALL(swapoff)}, SYS_ADMIN, DENY},

    // Processes of the same uid, which are the host's when the payload has no pid or user namespace
    // of its own.
    {{CALL(ptrace)}, OWN_PROCESSES, DENY},
    {{CALL(process_vm_readv)}, OWN_PROCESSES, DENY},
    {{CALL(process_vm_writev)}, OWN_PROCESSES, DENY},
    {{CALL(process_madvise)}, OWN_PROCESSES, DENY},
    {{CALL(pidfd_getfd)}, OWN_PROCESSES, DENY},
    {{CALL(kcmp)}, OWN_PROCESSES, DENY},

    // The machine itself.
    {{CALL(kexec_load)}, ALWAYS, DENY},
    {{CALL(kexec_file_load)}, ALWAYS, DENY},
    {{CALL(reboot)}, ALWAYS, DENY},
    {{CALL(create_module)}, ALWAYS, DENY},
    {{CALL(init_module)}, ALWAYS, DENY},
    {{CALL(finit_module)}, ALWAYS, DENY},
    {{CALL(delete_module)}, ALWAYS, DENY},
    {{CALL(get_kernel_syms)}, ALWAYS, DENY},
    {{CALL(query_module)}, ALWAYS, DENY},
    {{CALL(iopl)}, ALWAYS, DENY},
    {{CALL(ioperm)}, ALWAYS, DENY},
    {{CALL(acct)}, ALWAYS, DENY},
    {{CALL(quotactl)}, ALWAYS, DENY},
    {{CALL(quotactl_fd)}, ALWAYS, DENY},

    // Large, seldom used, and behind a long row of exploits; userfaultfd is the tool of many
    // others.
    {{CALL(bpf)}, ALWAYS, DENY},
    {{CALL(perf_event_open)}, ALWAYS, DENY},
    {{CALL(userfaultfd)}, ALWAYS, DENY},
    // What a ring does passes no filter, and it learns to do more with every kernel.
    {{CALL(io_uring_setup)}, ALWAYS, MISSING},
    {{CALL(io_uring_enter)}, ALWAYS, MISSING},
    {{CALL(io_uring_register)}, ALWAYS, MISSING},

    // Gone from today's kernels; in old ones nobody looks after them.
    {{CALL(lookup_dcookie)}, ALWAYS, DENY},
    {{CALL(nfsservctl)}, ALWAYS, DENY},
    {{CALL(_sysctl)}, ALWAYS, DENY},
    {{CALL(uselib)}, ALWAYS, DENY},
};

static const uint32_t arches[ARCHES] = {CALL_ARCHES};

// What is above CALL_NUMBERS. x86-64 and x32 share the kernel's table and AUDIT_ARCH_: x32 calls
// have bit 30 set, and before 5.4 a kernel with x32 took its calls 512 to 547 without that bit too.
// From bit 31 on numbers are negative, and no call; -1 is one that a tracer wants skipped, and its
// result is to stay the tracer's.
static const struct above {
    uint32_t from;
    uint8_t verdict;
} above[] = {
#if defined(__x86_64__)
    {512, MISSING},
    {548, ALLOW},
    {0x40000000, MISSING},
#endif
    {0x80000000, ALLOW},
};

enum {
    ROWS = sizeof(rows) / sizeof(*rows),
    ABOVES = sizeof(above) / sizeof(*above),
    RANGES = 1 + 2 * ROWS + ABOVES // a row starts two at most: its own, and what follows it
};

// Arguments are 64 bits wide in the filter; the kernel uses the low halves of the ones that are
// compared here, so a filter that looked at all bits could be walked round (CVE-2019-10063).
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");
#define LOW_HALF_OF(argument) (offsetof(struct seccomp_data, args) + (argument) * sizeof(uint64_t))

// The ends of the program, one for each verdict.
static void put_verdicts(struct bpf_writer *writer, bpf_label *to)
{
    to[MISSING] = bpf_return(writer, SECCOMP_RET_ERRNO | ENOSYS);
    to[DENY] = bpf_return(writer, SECCOMP_RET_ERRNO | EPERM);
    to[ALLOW] = bpf_return(writer, SECCOMP_RET_ALLOW);

    to[TTY] = bpf_branch(writer, BPF_JEQ, TIOCLINUX, to[DENY], to[ALLOW]);
    to[TTY] = bpf_branch(writer, BPF_JEQ, TIOCSTI, to[DENY], to[TTY]);
    to[TTY] = bpf_load(writer, LOW_HALF_OF(1), to[TTY]);

    // The flags are the first argument of both calls in all four tables.
    to[USERNS] = bpf_branch(writer, BPF_JSET, CLONE_NEWUSER, to[DENY], to[ALLOW]);
    to[USERNS] = bpf_load(writer, LOW_HALF_OF(0), to[USERNS]);
}

// The verdict on each number of one table of calls.
static void judge(const struct profile_for *to, int arch, uint8_t *verdicts)
{
    const bool skipped[] = {[ALWAYS] = false,
                            [SYS_ADMIN] = to->sys_admin,
                            [OWN_PROCESSES] = to->own_processes,
                            [NEW_USERNS] = to->new_userns};

    memset(verdicts, ALLOW, CALL_NUMBERS);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].number[arch] != CALL_ABSENT && !skipped[rows[i].unless])
            verdicts[rows[i].number[arch]] = rows[i].verdict;
    }
}

struct search {
    struct bpf_range ranges[RANGES];
    size_t count;
};

// Ranges of the same verdict become one.
static void add_range(struct search *search, uint32_t from, bpf_label to)
{
    if (search->count == 0 || search->ranges[search->count - 1].to != to)
        search->ranges[search->count++] = (struct bpf_range){from, to};
}

// The search through all numbers from CALL_COMMON on. It is the first table's, and does for both:
// in the other one x32's numbers are no calls, and ENOSYS is the kernel's own answer.
static bpf_label put_common(struct bpf_writer *writer, const uint8_t *verdicts,
                            const bpf_label *ends)
{
    struct search search = {.count = 0};

    for (uint32_t i = CALL_COMMON; i < CALL_NUMBERS; i++)
        add_range(&search, i, ends[verdicts[i]]);
    for (size_t i = 0; i < ABOVES; i++)
        add_range(&search, above[i].from, ends[above[i].verdict]);
    return bpf_search(writer, search.ranges, search.count);
}

static bpf_label put_own(struct bpf_writer *writer, const uint8_t *verdicts, const bpf_label *ends,
                         bpf_label common)
{
    struct search search = {.count = 0};

    for (uint32_t i = 0; i < CALL_COMMON; i++)
        add_range(&search, i, ends[verdicts[i]]);
    add_range(&search, CALL_COMMON, common);
    return bpf_search(writer, search.ranges, search.count);
}

// Loading costs some 0.15 us for each instruction (the JIT), and 1 us for each one that a number
// passes on average: the kernel walks through the filter once for each number of both tables, to
// learn which calls need no filter at all. Hence the trees, and the part that the tables share.
int profile_default(const struct profile_for *to, struct sock_filter *out, size_t max)
{
    struct bpf_writer writer = {.out = out, .max = max};
    bpf_label ends[VERDICTS];
    uint8_t verdicts[ARCHES][CALL_NUMBERS];

    for (int arch = 0; arch < ARCHES; arch++)
        judge(to, arch, verdicts[arch]);
    put_verdicts(&writer, ends);
    bpf_label common = put_common(&writer, verdicts[0], ends);
    // A table of calls of which nothing is known: no kernel of this architecture has a third, and a
    // payload that found one would have no filter at all.
    bpf_label other = bpf_return(&writer, SECCOMP_RET_KILL_PROCESS);
    for (int arch = ARCHES - 1; arch >= 0; arch--) {
        bpf_label own = put_own(&writer, verdicts[arch], ends, common);
        own = bpf_load(&writer, offsetof(struct seccomp_data, nr), own);
        other = bpf_branch(&writer, BPF_JEQ, arches[arch], own, other);
    }
    bpf_load(&writer, offsetof(struct seccomp_data, arch), other);
    return bpf_finish(&writer);
}
