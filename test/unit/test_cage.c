// SPDX-License-Identifier: MIT
#include "seccomp/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "seccomp/calls.h"
#include "test/unit/run_bpf.h"
#include "test/unit/support.h"

enum { SELF = 4321, NO = SECCOMP_RET_KILL_PROCESS, YES = SECCOMP_RET_ALLOW };

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_poll
#define SYS_poll (-2)
#endif

// What each may do, as a list of its own beside the product's. An argument decides about some.
static const int for_both[] = {
    SYS_read, SYS_write,           SYS_recvfrom, SYS_sendto, SYS_exit_group,
    SYS_exit, SYS_restart_syscall, SYS_ppoll,    SYS_poll,
};
static const int for_extractor[] = {
    SYS_openat2,        SYS_close,         SYS_newfstatat,
    SYS_fstat,          SYS_statx,         SYS_readlinkat,    SYS_fstatfs,
    SYS_getdents64,     SYS_mkdirat,       SYS_mknodat,
    SYS_symlinkat,      SYS_linkat,        SYS_unlinkat,
    SYS_fchown,         SYS_fchownat,      SYS_fchmod,
    SYS_fchmodat2,      SYS_utimensat,     SYS_fsetxattr,
    SYS_setxattrat,     SYS_pwrite64,      SYS_sendfile,
    SYS_lseek,          SYS_ftruncate,     SYS_syncfs,
    SYS_munmap,         SYS_clock_gettime, SYS_rt_sigtimedwait,
    SYS_rt_sigprocmask, SYS_rt_sigaction,  SYS_rt_sigreturn,
    SYS_wait4,          SYS_gettid,        SYS_pidfd_send_signal,
};

// Which bit of which argument, or its whole lower half, decides.
static const struct {
    int number, argument;
    uint32_t value;
    bool is_bit, allows;
} decided[] = {
    {SYS_openat, 2, O_NOFOLLOW, true, true},
    {SYS_mmap, 2, PROT_EXEC, true, false},
    {SYS_tkill, 0, SELF, false, true},
};

#if defined(__x86_64__)
static const uint32_t native = AUDIT_ARCH_X86_64, other = AUDIT_ARCH_I386;
#else
static const uint32_t native = AUDIT_ARCH_AARCH64, other = AUDIT_ARCH_ARM;
#endif

static struct sock_filter program[CAGE_MAX];
static int length;

static uint32_t run(uint32_t arch, uint32_t number, int argument, uint64_t value)
{
    struct seccomp_data data = {.nr = (int)number, .arch = arch};
    // The other arguments are full of bits that must not decide.
    memset(data.args, 0xff, sizeof(data.args));
    data.args[argument] = value;
    return run_bpf(program, length, &data, NULL);
}

static bool is_in(const int *numbers, size_t count, int number)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == number)
            return true;
    }
    return false;
}

static bool is_listed(enum cage which, int number)
{
    return is_in(for_both, COUNT(for_both), number) ||
           (which == CAGE_EXTRACTOR && is_in(for_extractor, COUNT(for_extractor), number));
}

static bool is_decided(enum cage which, int number)
{
    bool found = false;
    for (size_t i = 0; i < COUNT(decided); i++)
        found |= decided[i].number == number;
    return found && which == CAGE_EXTRACTOR;
}

static void begin(enum cage which)
{
    length = cage_write(which, SELF, NO, program, CAGE_MAX);
    assert_in_range(length, 1, CAGE_MAX);
}

static void what_is_listed_is_allowed_and_nothing_else(void **state)
{
    (void)state;
    for (int which = CAGE_DECODER; which <= CAGE_EXTRACTOR; which++) {
        begin((enum cage)which);
        for (int number = -1; number < 4096; number++) {
            if (is_decided((enum cage)which, number))
                continue;
            for (int i = 0; i < 3; i++) {
                static const uint64_t values[] = {0, SELF, ~UINT64_C(0)};
                uint32_t got = run(native, (uint32_t)number, 0, values[i]);
                if (got != (is_listed((enum cage)which, number) ? YES : NO))
                    fail_msg("cage %d, call %d: 0x%x", which, number, got);
            }
        }
    }
}

static void other_tables_of_calls_are_refused(void **state)
{
    static const uint32_t arches[] = {0, UINT32_MAX, AUDIT_ARCH_PPC64};
    (void)state;
    for (int which = CAGE_DECODER; which <= CAGE_EXTRACTOR; which++) {
        begin((enum cage)which);
        for (uint32_t number = 0; number < 1024; number++) {
            assert_int_equal(run(other, number, 2, O_NOFOLLOW), NO);
            // x32: the same table with a bit, and x86-64's own
            assert_int_equal(run(native, number | 0x40000000, 2, O_NOFOLLOW), NO);
            for (size_t i = 0; i < COUNT(arches); i++)
                assert_int_equal(run(arches[i], number, 2, O_NOFOLLOW), NO);
        }
    }
}

// The upper half is not the kernel's either: these arguments are ints.
static void arguments_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(decided); i++) {
        begin(CAGE_DECODER);
        assert_int_equal(run(native, (uint32_t)decided[i].number, decided[i].argument, decided[i].value), NO);
        begin(CAGE_EXTRACTOR);
        uint32_t with = decided[i].allows ? YES : NO, without = decided[i].allows ? NO : YES;
        for (int bit = 0; bit < 64; bit++) {
            uint64_t one = UINT64_C(1) << bit, value = decided[i].value;
            bool low = bit < 32;
            uint64_t set = decided[i].is_bit ? value | one : value ^ one;
            uint32_t wanted = decided[i].is_bit || !low ? with : without;
            assert_int_equal(run(native, (uint32_t)decided[i].number, decided[i].argument, set), wanted);
            uint64_t clear = decided[i].is_bit ? one & ~value : one;
            assert_int_equal(run(native, (uint32_t)decided[i].number, decided[i].argument, clear), without);
        }
        uint64_t all = decided[i].is_bit ? ~(uint64_t)decided[i].value : 0;
        assert_int_equal(run(native, (uint32_t)decided[i].number, decided[i].argument, all), without);
    }
}

static void the_answer_to_the_rest_can_be_chosen(void **state)
{
    (void)state;
    length = cage_write(CAGE_EXTRACTOR, SELF, SECCOMP_RET_ERRNO | ENOSYS, program, CAGE_MAX);
    assert_true(length > 0);
    assert_int_equal(run(native, SYS_execve, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
    assert_int_equal(run(native, SYS_read, 0, 0), YES);
    length = cage_write(CAGE_EXTRACTOR, SELF, YES, program, CAGE_MAX);
    assert_true(length > 0);
    assert_int_equal(run(native, SYS_execve, 0, 0), YES);
}

static void too_little_room_is_an_error(void **state)
{
    static struct sock_filter small[CAGE_MAX];
    (void)state;
    for (int which = CAGE_DECODER; which <= CAGE_EXTRACTOR; which++) {
        begin((enum cage)which);
        assert_int_equal(cage_write((enum cage)which, SELF, NO, small, (size_t)length), length);
        for (int max = 0; max < length; max++)
            assert_int_equal(cage_write((enum cage)which, SELF, NO, small, (size_t)max), -E2BIG);
    }
}

static long or_errno(long result)
{
    return result < 0 ? -errno : result;
}

// In a process of its own, and without the library: the sanitizer's own calls are not on the list.
static void leave(int status)
{
    for (;;) // unlike _exit(): the sanitizer has something to do before what does not return
        syscall(SYS_exit_group, status);
}

static void try_in_cage(void)
{
    int pid = getpid();
    int count = cage_write(CAGE_EXTRACTOR, pid, SECCOMP_RET_ERRNO | EXFULL, program, CAGE_MAX);
    const struct sock_fprog loaded = {(unsigned short)count, program};
    if (count < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded) != 0)
        leave(100);
    const long wanted[][2] = {
        {or_errno(syscall(SYS_getpid)), -EXFULL},
        {or_errno(syscall(SYS_gettid)), pid},
        {or_errno(syscall(SYS_openat, AT_FDCWD, "/", O_PATH)), -EXFULL},
        {or_errno(syscall(SYS_openat, -1, "x", O_PATH | O_NOFOLLOW)), -EBADF},
        {or_errno(syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
         -EXFULL},
        {or_errno(syscall(SYS_mmap, NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), -EINVAL},
        {or_errno(syscall(SYS_tkill, pid, 0)), 0},
        {or_errno(syscall(SYS_tkill, 1, 0)), -EXFULL},
        {or_errno(syscall(SYS_kill, pid, 0)), -EXFULL},
        {or_errno(syscall(SYS_execve, "/", NULL, NULL)), -EXFULL},
        {or_errno(syscall(SYS_socket, 0, 0, 0)), -EXFULL},
        {or_errno(syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0)), -EXFULL},
        {or_errno(syscall(SYS_fcntl, 0, F_GETFD)), -EXFULL},
        {or_errno(syscall(SYS_unlinkat, -1, "x", 0)), -EBADF},
    };
    for (size_t i = 0; i < COUNT(wanted); i++) {
        if (wanted[i][0] != wanted[i][1])
            leave((int)i + 1);
    }
    leave(0);
}

static void the_kernel_takes_it(void **state)
{
    int status;
    pid_t child = fork();
    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        try_in_cage();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status >> 8, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_listed_is_allowed_and_nothing_else),
        cmocka_unit_test(other_tables_of_calls_are_refused),
        cmocka_unit_test(arguments_decide),
        cmocka_unit_test(the_answer_to_the_rest_can_be_chosen),
        cmocka_unit_test(too_little_room_is_an_error),
        cmocka_unit_test(the_kernel_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
