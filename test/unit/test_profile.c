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
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/denied_calls.h"
#include "test/unit/run_bpf.h"

enum {
    EPERM_ANSWER = SECCOMP_RET_ERRNO | EPERM,
    ENOSYS_ANSWER = SECCOMP_RET_ERRNO | ENOSYS,
    NEWEST = 469,
    NUMBERS = 601
};

// Arguments that decide, or that look as if they did. The other half of each is never looked at.
static const struct {
    uint64_t first, second;
    bool types, family, persona, new_user, new_any;
} arguments[] = {
    {0, 0, false, false, true, false, false},
    {~0ULL << 32, ~0ULL << 32, false, false, true, false, false},
    {SIGCHLD, TIOCGWINSZ, false, false, false, false, false},
    {CLONE_NEWNS | CLONE_NEWPID, TIOCNOTTY, false, false, false, false, true},
    {CLONE_NEWNET, 0, false, false, false, false, true},
    {CLONE_NEWNS, 0, false, false, true, false, true}, // UNAME26 as a personality
    {0x7fffffff & ~CLONE_NEWUSER, 0, false, false, false, false, true},
    {0, TIOCSTI, true, false, true, false, false},
    {0, TIOCLINUX, true, false, true, false, false},
    {8, 0x12300000000 | TIOCSTI, true, false, true, false, false},
    {0x20008, 1ULL << 63 | TIOCLINUX, true, false, true, false, true},
    {TIOCSTI, 0, false, false, false, false, false},
    {AF_ALG, 0, false, true, false, false, false},
    {AF_VSOCK, 0, false, true, false, false, false},
    {1ULL << 32 | AF_VSOCK, 0, false, true, false, false, false},
    {AF_VSOCK + 1, AF_VSOCK, false, false, false, false, false},
    {(uint64_t)AF_ALG << 32, AF_ALG, false, false, true, false, false},
    {CLONE_NEWUSER, 0, false, false, false, true, true},
    {CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, false, false, false, true, true},
    {1ULL << 32 | CLONE_NEWUSER, 0, false, false, false, true, true},
    {~0ULL, ~0ULL, false, false, true, true, true},
    {(uint64_t)CLONE_NEWUSER << 32, (uint64_t)TIOCSTI << 32, false, false, true, false, false},
    {0, CLONE_NEWUSER, false, false, true, false, false},
};
enum { ARGUMENTS = sizeof(arguments) / sizeof(*arguments) };

// No capability, each alone, and all; and everything else that there is to say.
enum { SETS = CAP_LAST_CAP + 3, SETTINGS = SETS * 8 };

static struct profile_for setting(int i)
{
    int set = i / 8;
    return (struct profile_for){
        .capabilities = set == 0                  ? 0
                        : set <= CAP_LAST_CAP + 1 ? UINT64_C(1) << (set - 1)
                                                  : ~UINT64_C(0),
        .own_processes = i & 1,
        .new_userns = i & 2,
        .kernel = i & 4 ? PROFILE_KERNEL(6, 18) : PROFILE_KERNEL(4, 7),
    };
}

static bool applies(const struct profile_for *to, uint64_t needs)
{
    uint64_t capabilities = needs & ~(NAMESPACE | TRACE);
    if ((needs & TRACE) != 0 && capabilities == 0)
        return !(to->own_processes &&
                 (to->kernel >= PROFILE_KERNEL(4, 8) || to->capabilities & CAP(SYS_PTRACE)));
    if ((needs & TRACE) != 0)
        return !(to->own_processes && to->capabilities & CAP(SYS_PTRACE));
    return !(capabilities & to->capabilities) && !(needs & NAMESPACE && to->new_userns);
}

static uint32_t refuse_if(bool condition)
{
    return condition ? EPERM_ANSWER : SECCOMP_RET_ALLOW;
}

static uint32_t answer_of(const struct expected *row, const struct profile_for *to, int i)
{
    bool admin = to->capabilities & CAP(SYS_ADMIN);
    if (!applies(to, row->needs))
        return SECCOMP_RET_ALLOW;
    switch (row->kind) {
    case REFUSED:
        return EPERM_ANSWER;
    case UNKNOWN:
        return ENOSYS_ANSWER;
    case TTY:
        return refuse_if(arguments[i].types);
    case FAMILY:
        return refuse_if(arguments[i].family);
    case PERSONA:
        return refuse_if(!arguments[i].persona);
    case NAMESPACES:
        return refuse_if(admin ? arguments[i].new_user : arguments[i].new_any);
    case UNSHARE:
        return refuse_if(!admin || arguments[i].new_user);
    }
    return 0;
}

// Numbers without a name are those of no call.
static uint32_t answer_to(const struct expected *row, enum calls_arch arch, int number,
                          const struct profile_for *to, int argument)
{
    if (row != NULL)
        return answer_of(row, to, argument);
    // What all tables share is judged once, for the native one.
    enum calls_arch named = number < 424 ? arch : CALLS_OWN;
    return calls_name(named, number) != NULL ? SECCOMP_RET_ALLOW : ENOSYS_ANSWER;
}

static uint32_t ask(const struct sock_filter *filter, int count, uint32_t arch, int number, int argument,
                    int *steps)
{
    const struct seccomp_data data = {
        .arch = arch,
        .nr = number,
        .args = {arguments[argument].first, arguments[argument].second, ~0ULL, 0, ~0ULL, 0},
    };
    return run_bpf(filter, count, &data, steps);
}

static void compare(enum calls_arch arch)
{
    struct sock_filter filter[PROFILE_MAX];
    const struct expected *row_of[NUMBERS] = {NULL};

    for (size_t i = 0; i < EXPECTATIONS; i++) {
        int number = arch == CALLS_OWN ? expected[i].own : expected[i].compat;
        if (number >= 0)
            row_of[number] = &expected[i];
    }
    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, filter, PROFILE_MAX);
        assert_true(count > 0);
        for (int number = 0; number < NUMBERS; number++) {
            // Where no row looks at arguments, one set of them is as good as all.
            bool all = i == 0 || (row_of[number] != NULL && row_of[number]->kind >= TTY);
            for (int argument = 0; argument < (all ? ARGUMENTS : 1); argument++) {
                uint32_t want = answer_to(row_of[number], arch, number, &to, argument);
                uint32_t got = ask(filter, count, calls_audit(arch), number, argument, NULL);
                if (got != want)
                    fail_msg("table %d, setting %d, call %d, arguments %d: 0x%x, not 0x%x", (int)arch, i,
                             number, argument, got, want);
            }
        }
    }
}

static void the_own_table_is_judged(void **state)
{
    (void)state;
    compare(CALLS_OWN);
}

static void the_32_bit_table_is_judged(void **state)
{
    (void)state;
    compare(CALLS_COMPAT);
}

static void x32_is_no_way_round(void **state)
{
    struct sock_filter filter[PROFILE_MAX];
    const struct profile_for to = setting(SETTINGS - 1);
    int count = profile_default(&to, filter, PROFILE_MAX);
    (void)state;

    if (calls_audit(CALLS_OWN) != AUDIT_ARCH_X86_64)
        skip();
    for (int number = 0; number < 600; number++)
        assert_int_equal(ask(filter, count, calls_audit(CALLS_OWN), 0x40000000 | number, 0, NULL),
                         ENOSYS_ANSWER);
    assert_int_equal(ask(filter, count, calls_audit(CALLS_OWN), INT32_MAX, 0, NULL), ENOSYS_ANSWER);
    assert_int_equal(ask(filter, count, calls_audit(CALLS_OWN), 0x3fffffff, 0, NULL), ENOSYS_ANSWER);
}

// -1 is a call that a tracer wants skipped: an answer of the filter would take the place of the
// tracer's.
static void a_skipped_call_is_left_alone(void **state)
{
    struct sock_filter filter[PROFILE_MAX];
    const struct profile_for to = setting(0);
    int count = profile_default(&to, filter, PROFILE_MAX);
    (void)state;

    assert_int_equal(ask(filter, count, calls_audit(CALLS_OWN), -1, 0, NULL), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(filter, count, calls_audit(CALLS_COMPAT), -1, 0, NULL), SECCOMP_RET_ALLOW);
}

static void a_third_table_kills(void **state)
{
    const uint32_t arches[] = {0, AUDIT_ARCH_PPC64, AUDIT_ARCH_RISCV64, calls_audit(CALLS_OWN) ^ 1,
                               UINT32_MAX};
    struct sock_filter filter[PROFILE_MAX];
    (void)state;

    for (int i = 0; i < SETTINGS; i++) {
        const struct profile_for to = setting(i);
        int count = profile_default(&to, filter, PROFILE_MAX);
        for (size_t j = 0; j < sizeof(arches) / sizeof(*arches); j++) {
            for (int number = -1; number < 600; number++)
                assert_int_equal(ask(filter, count, arches[j], number, 0, NULL), SECCOMP_RET_KILL_PROCESS);
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
            ask(filter, count, calls_audit(CALLS_OWN), number, 0, &steps);
            assert_in_range(steps, 1, 20);
            ask(filter, count, calls_audit(CALLS_COMPAT), number, 0, &steps);
            assert_in_range(steps, 1, 20);
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

#define SHOULD_FAIL(call, code)                                                                            \
    do {                                                                                                   \
        errno = 0;                                                                                         \
        if ((call) != -1 || errno != (code)) {                                                             \
            fprintf(stderr, "%s: errno %d, not %d\n", #call, errno, code);                                 \
            return 1;                                                                                      \
        }                                                                                                  \
    } while (0)

// Each call would fail in another way, or succeed, if it reached the kernel; most do for root only.
static int try_strict(void)
{
    struct iovec none = {NULL, 0};

    SHOULD_FAIL(syscall(NR_ioctl, -1, TIOCSTI, ""), EPERM);
    SHOULD_FAIL(syscall(NR_ioctl, -1, 0x12300000000 | TIOCSTI, ""), EPERM);
    SHOULD_FAIL(syscall(NR_ioctl, -1, TIOCLINUX, ""), EPERM);
    SHOULD_FAIL(syscall(NR_ioctl, -1, TIOCGWINSZ, NULL), EBADF);
    SHOULD_FAIL(syscall(NR_keyctl, -1), EPERM);
    SHOULD_FAIL(syscall(NR_add_key, NULL, NULL, NULL, 0, 0), EPERM);
    SHOULD_FAIL(syscall(NR_open_by_handle_at, -1, NULL, 0), EPERM);
    SHOULD_FAIL(syscall(NR_name_to_handle_at, -1, "x", NULL, NULL, 0), EBADF);
    SHOULD_FAIL(unshare(CLONE_NEWUSER), EPERM);
    SHOULD_FAIL(unshare(-1 & ~CLONE_NEWUSER), EPERM);
    SHOULD_FAIL(syscall(NR_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EPERM);
    SHOULD_FAIL(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
    SHOULD_FAIL(syscall(NR_socket, 1ULL << 32 | AF_ALG, SOCK_SEQPACKET, 0), EPERM);
    SHOULD_FAIL(socket(AF_UNIX, -1, 0), EINVAL);
    SHOULD_FAIL(personality(ADDR_NO_RANDOMIZE), EPERM);
    SHOULD_FAIL(chroot(""), EPERM);
    SHOULD_FAIL(syscall(NEWEST + 30), ENOSYS);
    SHOULD_FAIL(syscall(NR_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
    SHOULD_FAIL(syscall(NR_clone3, NULL, 0), ENOSYS);
    SHOULD_FAIL(syscall(NR_io_uring_setup, 0, NULL), ENOSYS);
    SHOULD_FAIL(mount(NULL, NULL, NULL, 0, NULL), EPERM);
    SHOULD_FAIL(syscall(NR_open_tree, -1, "x", 0), EPERM);
    SHOULD_FAIL(syscall(NR_setns, -1, 0), EPERM);
    SHOULD_FAIL(ptrace(PTRACE_CONT, 1, NULL, NULL), EPERM);
    SHOULD_FAIL(process_vm_readv(getpid(), &none, 1, &none, 1, 0), EPERM);
    SHOULD_FAIL(syscall(NR_kcmp, getpid(), getpid(), KCMP_VM, 0, 0), EPERM);
    SHOULD_FAIL(syscall(NR_userfaultfd, -1), EPERM);
    SHOULD_FAIL(syscall(0x40000000 | NR_getpid), ENOSYS);
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
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7
               ? 0
               : 1;
}

static int try_loose(void)
{
    struct iovec none = {NULL, 0};

    SHOULD_FAIL(syscall(NR_clone3, NULL, 0), EINVAL);
    SHOULD_FAIL(ptrace(PTRACE_CONT, getpid(), NULL, NULL), ESRCH);
    SHOULD_FAIL(syscall(NR_setns, -1, 0), EBADF);
    SHOULD_FAIL(mount(NULL, NULL, NULL, 0, NULL), EFAULT);
    SHOULD_FAIL(syscall(NR_ioctl, -1, TIOCSTI, ""), EPERM);
    SHOULD_FAIL(unshare(-1), EINVAL);
    SHOULD_FAIL(chroot(""), ENOENT);
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

static int try_i386_gate(void)
{
    return call_i386(20) == getpid() ? 0 : 1;
}

static int try_i386(void)
{
    return call_i386(NR32_add_key) == -EPERM && call_i386(NR32_umount) == -EPERM &&
                   call_i386(NR32_clone3) == -ENOSYS && try_i386_gate() == 0
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
