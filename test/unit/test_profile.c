// SPDX-License-Identifier: MIT
#include "seccomp/profile.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/denied_calls.h"
#include "test/unit/run_bpf.h"

enum {
    EXPECTATIONS = sizeof(native) / sizeof(*native),
    SETTINGS = 8,
    EPERM_ANSWER = SECCOMP_RET_ERRNO | EPERM,
    ENOSYS_ANSWER = SECCOMP_RET_ERRNO | ENOSYS
};

// Arguments that decide, or that look as if they did. The other half of each is never looked at.
static const struct {
    uint64_t first, second;
    bool types, new_user;
} arguments[] = {
    {0, 0, false, false},
    {~0ULL << 32, ~0ULL << 32, false, false},
    {SIGCHLD, TIOCGWINSZ, false, false},
    {CLONE_NEWNS | CLONE_NEWPID, TIOCNOTTY, false, false},
    {0, TIOCSTI, true, false},
    {0, TIOCLINUX, true, false},
    {0, 0x12300000000 | TIOCSTI, true, false},
    {0, 1ULL << 63 | TIOCLINUX, true, false},
    {TIOCSTI, 0, false, false},
    {CLONE_NEWUSER, 0, false, true},
    {CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, false, true},
    {1ULL << 32 | CLONE_NEWUSER, 0, false, true},
    {~0ULL, ~0ULL, false, true},
    {(uint64_t)CLONE_NEWUSER << 32, (uint64_t)TIOCSTI << 32, false, false},
    {0, CLONE_NEWUSER, false, false},
};
enum { ARGUMENTS = sizeof(arguments) / sizeof(*arguments) };

static struct profile_for setting(int i)
{
    return (struct profile_for){.sys_admin = i & 1, .own_processes = i & 2, .new_userns = i & 4};
}

static bool applies(const struct profile_for *to, enum needs needs)
{
    return !((needs == ADMIN && to->sys_admin) || (needs == OWN && to->own_processes) ||
             (needs == USER && to->new_userns));
}

static uint32_t answer_of(const struct expected *row, const struct profile_for *to, int argument)
{
    if (!applies(to, row->needs))
        return SECCOMP_RET_ALLOW;
    switch (row->kind) {
    case REFUSED:
        return EPERM_ANSWER;
    case UNKNOWN:
        return ENOSYS_ANSWER;
    case TTY:
        return arguments[argument].types ? EPERM_ANSWER : SECCOMP_RET_ALLOW;
    case USERNS:
        return arguments[argument].new_user ? EPERM_ANSWER : SECCOMP_RET_ALLOW;
    }
    return 0;
}

static uint32_t answer_to(const struct expected *table, int number, const struct profile_for *to,
                          int argument)
{
    for (size_t i = 0; i < EXPECTATIONS; i++) {
        if (table[i].number == number)
            return answer_of(&table[i], to, argument);
    }
    // What is left of x32 in x86-64's table. No other table has such numbers.
    if (NATIVE == AUDIT_ARCH_X86_64 && number >= 512 && number < 548)
        return ENOSYS_ANSWER;
    return SECCOMP_RET_ALLOW;
}

static uint32_t ask(const struct sock_filter *filter, int count, uint32_t arch, int number,
                    int argument, int *steps)
{
    const struct seccomp_data data = {
        .arch = arch,
        .nr = number,
        .args = {arguments[argument].first, arguments[argument].second, ~0ULL, 0, ~0ULL, 0},
    };
    return run_bpf(filter, count, &data, steps);
}

static void compare(const struct expected *table, uint32_t arch, int from)
{
    struct sock_filter filter[PROFILE_MAX];

    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, filter, PROFILE_MAX);
        assert_true(count > 0);
        for (int number = from; number <= 600; number++) {
            for (int argument = 0; argument < ARGUMENTS; argument++) {
                uint32_t want = answer_to(table, number, &to, argument);
                uint32_t got = ask(filter, count, arch, number, argument, NULL);
                if (got != want)
                    fail_msg("arch 0x%x, setting %d, call %d, arguments %d: 0x%x, not 0x%x", arch,
                             i, number, argument, got, want);
            }
        }
    }
}

static void the_own_table_is_judged(void **state)
{
    (void)state;
    compare(native, NATIVE, 0);
}

static void the_32_bit_table_is_judged(void **state)
{
    (void)state;
#if defined(__x86_64__)
    compare(other, OTHER, 0);
#else
    compare(native, OTHER, 424);
#endif
}

static void x32_is_no_way_round(void **state)
{
    struct sock_filter filter[PROFILE_MAX];
    const struct profile_for to = setting(SETTINGS - 1);
    int count = profile_default(&to, filter, PROFILE_MAX);
    (void)state;

    if (NATIVE != AUDIT_ARCH_X86_64)
        skip();
    for (int number = 0; number < 600; number++)
        assert_int_equal(ask(filter, count, NATIVE, 0x40000000 | number, 0, NULL), ENOSYS_ANSWER);
    assert_int_equal(ask(filter, count, NATIVE, INT32_MAX, 0, NULL), ENOSYS_ANSWER);
    assert_int_equal(ask(filter, count, NATIVE, 0x3fffffff, 0, NULL), SECCOMP_RET_ALLOW);
}

// -1 is a call that a tracer wants skipped: an answer of the filter would take the place of the
// tracer's.
static void a_skipped_call_is_left_alone(void **state)
{
    struct sock_filter filter[PROFILE_MAX];
    const struct profile_for to = setting(0);
    int count = profile_default(&to, filter, PROFILE_MAX);
    (void)state;

    assert_int_equal(ask(filter, count, NATIVE, -1, 0, NULL), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(filter, count, OTHER, -1, 0, NULL), SECCOMP_RET_ALLOW);
}

static void a_third_table_kills(void **state)
{
    static const uint32_t arches[] = {0, AUDIT_ARCH_PPC64, AUDIT_ARCH_RISCV64, NATIVE ^ 1,
                                      UINT32_MAX};
    struct sock_filter filter[PROFILE_MAX];
    (void)state;

    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, filter, PROFILE_MAX);
        for (size_t j = 0; j < sizeof(arches) / sizeof(*arches); j++) {
            for (int number = -1; number < 600; number++)
                assert_int_equal(ask(filter, count, arches[j], number, 0, NULL),
                                 SECCOMP_RET_KILL_PROCESS);
        }
    }
}

// The time that loading takes hangs on both.
static void it_stays_small_and_flat(void **state)
{
    struct sock_filter filter[PROFILE_MAX];
    (void)state;

    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, filter, PROFILE_MAX);
        assert_in_range(count, 1, PROFILE_MAX);
        for (int number = 0; number <= 600; number++) {
            int steps;
            ask(filter, count, NATIVE, number, 0, &steps);
            assert_in_range(steps, 1, 18);
            ask(filter, count, OTHER, number, 0, &steps);
            assert_in_range(steps, 1, 18);
        }
    }
}

static void a_small_buffer_is_refused(void **state)
{
    struct sock_filter whole[PROFILE_MAX];
    (void)state;

    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, whole, PROFILE_MAX);
        for (int max = 0; max <= count; max++) {
            struct sock_filter *out = malloc(((size_t)max + 1) * sizeof(*out));
            assert_non_null(out);
            assert_int_equal(profile_default(&to, out, (size_t)max), max < count ? -E2BIG : count);
            if (max == count)
                assert_memory_equal(out, whole, (size_t)count * sizeof(*out));
            free(out);
        }
    }
}

// -- in the kernel -----------------------------------------------------------------------------

// Runs BODY under the filter for TO in a child: its exit status, or -1 for death by a signal.
static int run_filtered(struct profile_for to, int (*body)(void))
{
    struct sock_filter filter[PROFILE_MAX];
    int count = profile_default(&to, filter, PROFILE_MAX);
    const struct sock_fprog program = {(unsigned short)count, filter};
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        // A kernel without 32-bit calls answers with SIGSEGV, which cmocka would take for its own.
        signal(SIGSEGV, SIG_DFL);
        // _exit: the sanitizer's own end needs calls that are refused.
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
            _exit(100);
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define SHOULD_FAIL(call, code)                                                                    \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((call) != -1 || errno != (code)) {                                                     \
            fprintf(stderr, "%s: errno %d, not %d\n", #call, errno, code);                         \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

// Each call would fail in another way, or succeed, if it reached the kernel; most do for root only.
static int try_strict(void)
{
    struct iovec none = {NULL, 0};

    SHOULD_FAIL(syscall(__NR_ioctl, -1, TIOCSTI, ""), EPERM);
    SHOULD_FAIL(syscall(__NR_ioctl, -1, 0x12300000000 | TIOCSTI, ""), EPERM);
    SHOULD_FAIL(syscall(__NR_ioctl, -1, TIOCLINUX, ""), EPERM);
    SHOULD_FAIL(syscall(__NR_ioctl, -1, TIOCGWINSZ, NULL), EBADF);
    SHOULD_FAIL(syscall(__NR_keyctl, -1), EPERM);
    SHOULD_FAIL(syscall(__NR_add_key, NULL, NULL, NULL, 0, 0), EPERM);
    SHOULD_FAIL(syscall(__NR_open_by_handle_at, -1, NULL, 0), EPERM);
    SHOULD_FAIL(syscall(__NR_name_to_handle_at, -1, "x", NULL, NULL, 0), EBADF);
    SHOULD_FAIL(unshare(CLONE_NEWUSER), EPERM);
    SHOULD_FAIL(unshare(-1 & ~CLONE_NEWUSER), EINVAL);
    SHOULD_FAIL(syscall(__NR_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
    SHOULD_FAIL(syscall(__NR_clone3, NULL, 0), ENOSYS);
    SHOULD_FAIL(syscall(__NR_io_uring_setup, 0, NULL), ENOSYS);
    SHOULD_FAIL(mount(NULL, NULL, NULL, 0, NULL), EPERM);
    SHOULD_FAIL(syscall(__NR_open_tree, -1, "x", 0), EPERM);
    SHOULD_FAIL(syscall(__NR_setns, -1, 0), EPERM);
    SHOULD_FAIL(ptrace(PTRACE_CONT, 1, NULL, NULL), EPERM);
    SHOULD_FAIL(process_vm_readv(getpid(), &none, 1, &none, 1, 0), EPERM);
    SHOULD_FAIL(syscall(__NR_kcmp, getpid(), getpid(), KCMP_VM, 0, 0), EPERM);
    SHOULD_FAIL(syscall(__NR_userfaultfd, -1), EPERM);
    SHOULD_FAIL(syscall(0x40000000 | __NR_getpid), ENOSYS);
    return 0;
}

static int try_ordinary(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "cat </dev/null | cat && exit 7", NULL);
        _exit(1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                   WEXITSTATUS(status) == 7
               ? 0
               : 1;
}

static int try_loose(void)
{
    struct iovec none = {NULL, 0};

    SHOULD_FAIL(syscall(__NR_clone3, NULL, 0), EINVAL);
    SHOULD_FAIL(ptrace(PTRACE_CONT, getpid(), NULL, NULL), ESRCH);
    SHOULD_FAIL(syscall(__NR_setns, -1, 0), EBADF);
    SHOULD_FAIL(mount(NULL, NULL, NULL, 0, NULL), EFAULT);
    SHOULD_FAIL(syscall(__NR_ioctl, -1, TIOCSTI, ""), EPERM);
    return process_vm_readv(getpid(), &none, 1, &none, 1, 0) == 0 ? 0 : 1;
}

static void the_kernel_enforces_it(void **state)
{
    (void)state;
    assert_int_equal(run_filtered(setting(0), try_strict), 0);
    assert_int_equal(run_filtered(setting(0), try_ordinary), 0);
    assert_int_equal(run_filtered(setting(SETTINGS - 1), try_loose), 0);
}

#if defined(__x86_64__)
// A call through the 32-bit gate.
static long call_i386(long number)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

static int number_of(const char *name)
{
    for (size_t i = 0; i < EXPECTATIONS; i++) {
        if (strcmp(other[i].name, name) == 0)
            return other[i].number;
    }
    return ABSENT;
}

static int try_i386_gate(void)
{
    return call_i386(20) == getpid() ? 0 : 1;
}

static int try_i386(void)
{
    return call_i386(number_of("add_key")) == -EPERM && call_i386(number_of("umount")) == -EPERM &&
                   call_i386(number_of("clone3")) == -ENOSYS && try_i386_gate() == 0
               ? 0
               : 1;
}
#endif

static void the_kernel_enforces_it_for_32_bits(void **state)
{
    (void)state;
#if defined(__x86_64__)
    // Dies, or gets no pid, on a kernel without 32-bit calls.
    if (run_filtered(setting(0), try_i386_gate) != 0)
        skip();
    assert_int_equal(run_filtered(setting(0), try_i386), 0);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_own_table_is_judged),
        cmocka_unit_test(the_32_bit_table_is_judged),
        cmocka_unit_test(x32_is_no_way_round),
        cmocka_unit_test(a_skipped_call_is_left_alone),
        cmocka_unit_test(a_third_table_kills),
        cmocka_unit_test(it_stays_small_and_flat),
        cmocka_unit_test(a_small_buffer_is_refused),
        cmocka_unit_test(the_kernel_enforces_it),
        cmocka_unit_test(the_kernel_enforces_it_for_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
