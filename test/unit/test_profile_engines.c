// SPDX-License-Identifier: MIT
//
// The built-in filter against the container engines' default profile, as their JSON file has it and as
// libseccomp, driven as runc does, makes a program of it. Every difference is one of a list of reasons, and
// every reason is met.
#include <errno.h>
#include <jansson.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "seccomp/calls.h"
#include "seccomp/profile.h"
#include "sys/caps.h"
#include "test/unit/run_bpf.h"
#include "test/unit/support.h"

// Of golang-github-docker-docker-dev.
#define ENGINES "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"

enum {
    ALLOW = SECCOMP_RET_ALLOW,
    REFUSE = SECCOMP_RET_ERRNO | EPERM,
    LACK = SECCOMP_RET_ERRNO | ENOSYS,
    INSTRUCTIONS = 4096,
    NUMBERS = 1024
};

static const char none[] = "(no call)";
static const char newer[] = "newer engines";
static const char ring[] = "what a ring does passes no filter";
static const char own_userns[] = "not even with CAP_SYS_ADMIN, or only in the flags";
static const char hosts[] = "processes are the host's where the payload has no namespace of its own";
static const char young[] = "younger than the engines' list";

// Where the answers differ ours is this one, and why.
static struct reason {
    const char *name;
    uint32_t ours;
    const char *why;
    unsigned met;
} reasons[] = {
    {none, LACK, "programs take EPERM for an answer, and ENOSYS for none", 0},
    {"ioctl", REFUSE, "TIOCSTI and TIOCLINUX type into the host's terminal", 0},
    {"io_uring_setup", LACK, ring, 0},
    {"io_uring_enter", LACK, ring, 0},
    {"io_uring_register", LACK, ring, 0},
    {"clone", REFUSE, own_userns, 0},
    {"unshare", REFUSE, own_userns, 0},
    {"clone3", LACK, "its flags can't be looked at", 0},
    {"open_by_handle_at", REFUSE, "opens what lies outside of ROOT", 0},
    {"pivot_root", ALLOW, "mount does as much", 0},
    {"ptrace", REFUSE, hosts, 0},
    {"process_vm_readv", REFUSE, hosts, 0},
    {"process_vm_writev", REFUSE, hosts, 0},
    {"process_madvise", REFUSE, hosts, 0},
    {"pidfd_getfd", REFUSE, hosts, 0},
    {"kcmp", REFUSE, hosts, 0},
    {"process_vm_readv", ALLOW, "newer engines: as ptrace, from 4.8 on", 0},
    {"process_vm_writev", ALLOW, "newer engines: as ptrace, from 4.8 on", 0},
    {"personality", ALLOW, "the kernel looks at the low half only", 0},
    {"socket", REFUSE, "newer engines: AF_ALG, AF_VSOCK; in the low half, as the kernel", 0},
    {"name_to_handle_at", ALLOW, newer, 0},
    {"pkey_alloc", ALLOW, newer, 0},
    {"pkey_free", ALLOW, newer, 0},
    {"pkey_mprotect", ALLOW, newer, 0},
    {"clock_settime64", ALLOW, newer, 0},
    {"set_mempolicy_home_node", ALLOW, newer, 0},
    {"set_mempolicy_home_node", REFUSE, newer, 0},
    {"cachestat", ALLOW, newer, 0},
    {"fchmodat2", ALLOW, newer, 0},
    {"map_shadow_stack", ALLOW, newer, 0},
    {"futex_wake", ALLOW, newer, 0},
    {"futex_wait", ALLOW, newer, 0},
    {"futex_requeue", ALLOW, newer, 0},
    {"statmount", ALLOW, newer, 0},
    {"listmount", ALLOW, newer, 0},
    {"lsm_get_self_attr", ALLOW, newer, 0},
    {"lsm_set_self_attr", ALLOW, newer, 0},
    {"lsm_list_modules", ALLOW, newer, 0},
    {"lsm_get_self_attr", REFUSE, newer, 0},
    {"lsm_set_self_attr", REFUSE, newer, 0},
    {"lsm_list_modules", REFUSE, newer, 0},
    {"mseal", ALLOW, newer, 0},
    {"setxattrat", ALLOW, newer, 0},
    {"getxattrat", ALLOW, newer, 0},
    {"listxattrat", ALLOW, newer, 0},
    {"removexattrat", ALLOW, newer, 0},
#if defined(__x86_64__)
    {"uretprobe", ALLOW, newer, 0},
    {"uprobe", ALLOW, young, 0},
#else
    {"memfd_secret", ALLOW, "arm, which has none, shares the search for new calls", 0},
#endif
    {"open_tree_attr", ALLOW, young, 0},
    {"open_tree_attr", REFUSE, young, 0},
    {"file_getattr", ALLOW, young, 0},
    {"file_setattr", ALLOW, young, 0},
};

#define CAP(name) CAPS_BIT(CAP_##name)

// What an engine leaves to root in a container.
static const uint64_t engines_root = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) |
                                     CAP(KILL) | CAP(SETGID) | CAP(SETUID) | CAP(SETPCAP) |
                                     CAP(NET_BIND_SERVICE) | CAP(NET_RAW) | CAP(SYS_CHROOT) | CAP(MKNOD) |
                                     CAP(AUDIT_WRITE) | CAP(SETFCAP);

struct program {
    int count;
    uint32_t newest; // runc: calls above are answered with ENOSYS
    struct sock_filter code[INSTRUCTIONS];
};

// -- theirs ------------------------------------------------------------------------------------

static bool lists(const json_t *list, const char *word)
{
    size_t i;
    json_t *value;
    json_array_foreach (list, i, value) {
        if (strcmp(json_string_value(value), word) == 0)
            return true;
    }
    return false;
}

static bool holds(const struct profile_for *to, const char *capability)
{
    int number = caps_find(capability, strlen(capability));
    assert_true(number >= 0);
    return (to->capabilities & CAPS_BIT(number)) != 0;
}

#if defined(__x86_64__)
static const char machine[] = "amd64";
static const uint32_t scmp[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32};
#else
static const char machine[] = "arm64";
static const uint32_t scmp[] = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
#endif

static bool counts(const json_t *entry, const struct profile_for *to)
{
    const json_t *with = json_object_get(entry, "includes"), *without = json_object_get(entry, "excludes");
    const char *kernel = json_string_value(json_object_get(with, "minKernel"));
    const json_t *arches = json_object_get(with, "arches");
    unsigned major, minor;
    size_t i;
    json_t *value;
    if (json_array_size(arches) > 0 && !lists(arches, machine))
        return false;
    if (kernel != NULL) {
        assert_int_equal(sscanf(kernel, "%u.%u", &major, &minor), 2);
        if (to->kernel < PROFILE_KERNEL(major, minor))
            return false;
    }
    json_array_foreach (json_object_get(with, "caps"), i, value) {
        if (!holds(to, json_string_value(value)))
            return false;
    }
    json_array_foreach (json_object_get(without, "caps"), i, value) {
        if (holds(to, json_string_value(value)))
            return false;
    }
    return !lists(json_object_get(without, "arches"), machine);
}

static unsigned read_arguments(const json_t *entry, struct scmp_arg_cmp *arguments)
{
    unsigned n = 0;
    size_t i;
    json_t *value;
    json_array_foreach (json_object_get(entry, "args"), i, value) {
        const char *op = json_string_value(json_object_get(value, "op"));
        bool masked = strcmp(op, "SCMP_CMP_MASKED_EQ") == 0;
        assert_true(masked || strcmp(op, "SCMP_CMP_EQ") == 0);
        arguments[n++] = (struct scmp_arg_cmp){
            .arg = (unsigned)json_integer_value(json_object_get(value, "index")),
            .op = masked ? SCMP_CMP_MASKED_EQ : SCMP_CMP_EQ,
            .datum_a = (scmp_datum_t)json_integer_value(json_object_get(value, "value")),
            .datum_b = (scmp_datum_t)json_integer_value(json_object_get(value, "valueTwo")),
        };
    }
    return n;
}

// Rules that say what the default says are left out, and so are unknown names.
static void add_entry(scmp_filter_ctx filter, const json_t *entry, uint32_t *newest)
{
    bool allow = strcmp(json_string_value(json_object_get(entry, "action")), "SCMP_ACT_ALLOW") == 0;
    int code = (int)json_integer_value(json_object_get(entry, "errnoRet"));
    uint32_t action = allow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(code == 0 ? EPERM : code);
    struct scmp_arg_cmp arguments[6];
    unsigned n = read_arguments(entry, arguments);
    size_t i;
    json_t *name;
    json_array_foreach (json_object_get(entry, "names"), i, name) {
        int number = seccomp_syscall_resolve_name(json_string_value(name));
        if (number == __NR_SCMP_ERROR || action == SCMP_ACT_ERRNO(EPERM))
            continue;
        if (number >= 0 && (uint32_t)number > *newest)
            *newest = (uint32_t)number;
        assert_int_equal(seccomp_rule_add_array(filter, action, number, n, arguments), 0);
    }
}

static void make_theirs(const json_t *profile, const struct profile_for *to, struct program *program)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    size_t i;
    json_t *entry;
    assert_non_null(filter);
    for (i = 0; i < COUNT(scmp); i++) {
        int error = seccomp_arch_add(filter, scmp[i]);
        assert_true(error == 0 || error == -EEXIST);
    }
    assert_int_equal(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
    program->newest = 0;
    json_array_foreach (json_object_get(profile, "syscalls"), i, entry) {
        if (counts(entry, to))
            add_entry(filter, entry, &program->newest);
    }
    int fd = hold_bytes("", 0);
    assert_int_equal(seccomp_export_bpf(filter, fd), 0);
    ssize_t n = pread(fd, program->code, sizeof(program->code), 0);
    assert_true(n > 0 && (size_t)n < sizeof(program->code));
    program->count = (int)((size_t)n / sizeof(*program->code));
    close(fd);
    seccomp_release(filter);
}

static uint32_t ask_theirs(const struct program *program, const struct seccomp_data *data, int *steps)
{
    uint32_t answer = run_bpf(program->code, program->count, data, steps);
    return (uint32_t)data->nr > program->newest ? LACK : answer;
}

// -- both --------------------------------------------------------------------------------------

static json_t *load(void)
{
    json_t *profile = json_load_file(ENGINES, JSON_REJECT_DUPLICATES, NULL);
    if (profile == NULL)
        print_message("skipped: needs golang-github-docker-docker-dev\n");
    return profile;
}

static const uint64_t values[] = {0,
                                  1,
                                  8,
                                  9,
                                  SIGCHLD,
                                  AF_ALG - 1,
                                  AF_ALG,
                                  AF_ALG + 1,
                                  AF_VSOCK,
                                  AF_VSOCK + 1,
                                  TIOCSTI,
                                  TIOCLINUX,
                                  TIOCGWINSZ,
                                  0x20000,
                                  0x20008,
                                  0x40000,
                                  CLONE_NEWNS | SIGCHLD,
                                  CLONE_NEWCGROUP,
                                  CLONE_NEWUTS,
                                  CLONE_NEWIPC,
                                  CLONE_NEWUSER,
                                  CLONE_NEWPID,
                                  CLONE_NEWNET,
                                  CLONE_NEWTIME,
                                  0x7e020000,
                                  0x7e020001,
                                  0x81fdffff,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff,
                                  1ULL << 32,
                                  1ULL << 32 | 8,
                                  1ULL << 32 | AF_VSOCK,
                                  1ULL << 32 | TIOCSTI,
                                  1ULL << 63,
                                  ~0ULL << 32,
                                  ~0ULL};

static bool excuse(const char *name, uint32_t ours)
{
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (strcmp(reasons[i].name, name) == 0 && reasons[i].ours == ours) {
            reasons[i].met++;
            return true;
        }
    }
    return false;
}

struct tally {
    unsigned long compared, differ;
};

static void compare_call(const struct program *ours, const struct program *theirs, enum calls_arch arch,
                         int number, struct tally *tally)
{
    const char *name = calls_name(number < 424 ? arch : CALLS_OWN, number); // from there on all agree
    // Three ways to place each: in the first argument, in the second, in all of them.
    for (size_t i = 0; i < 3 * COUNT(values); i++) {
        uint64_t v = values[i / 3], rest = i % 3 == 2 ? v : 0;
        struct seccomp_data data = {.nr = number,
                                    .arch = calls_audit(arch),
                                    .args = {i % 3 == 1 ? 0 : v, i % 3 == 0 ? 0 : v, rest, rest, rest, rest}};
        uint32_t a = run_bpf(ours->code, ours->count, &data, NULL), b = ask_theirs(theirs, &data, NULL);
        tally->compared++;
        if (a == b)
            continue;
        tally->differ++;
        if (!excuse(name != NULL ? name : none, a))
            fail_msg("%s (%d of table %d), argument 0x%llx: 0x%x, theirs 0x%x", name != NULL ? name : none,
                     number, (int)arch, (unsigned long long)v, a, b);
    }
}

static const struct setting {
    const char *name;
    struct profile_for to;
} settings[] = {
    {"no capabilities", {.kernel = PROFILE_KERNEL(6, 1), .own_processes = true}},
    {"engines' root", {.capabilities = engines_root, .kernel = PROFILE_KERNEL(6, 1), .own_processes = true}},
    {"ALL", {.capabilities = ~0ULL, .kernel = PROFILE_KERNEL(6, 1), .own_processes = true}},
    {"ALL, user namespaces",
     {.capabilities = ~0ULL, .kernel = PROFILE_KERNEL(6, 1), .own_processes = true, .new_userns = true}},
    {"ALL, host's processes", {.capabilities = ~0ULL, .kernel = PROFILE_KERNEL(6, 1)}},
    {"Linux 4.7", {.kernel = PROFILE_KERNEL(4, 7), .own_processes = true}},
};

static void make_both(const json_t *profile, const struct profile_for *to, struct program *ours,
                      struct program *theirs)
{
    ours->count = profile_default(to, ours->code, INSTRUCTIONS);
    assert_true(ours->count > 0);
    make_theirs(profile, to, theirs);
}

static void decisions_are_the_engines_or_have_a_reason(void **state)
{
    static struct program ours, theirs;
    json_t *profile = load();
    (void)state;
    if (profile == NULL)
        skip();
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct tally tally = {0, 0};
        make_both(profile, &settings[i].to, &ours, &theirs);
        for (int number = 0; number < NUMBERS; number++) {
            compare_call(&ours, &theirs, CALLS_OWN, number, &tally);
            compare_call(&ours, &theirs, CALLS_COMPAT, number, &tally);
        }
        print_message("%-22s %lu decisions, %lu differ for a reason; %d instructions, theirs %d\n",
                      settings[i].name, tally.compared, tally.differ, ours.count, theirs.count);
    }
    json_decref(profile);
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (reasons[i].met == 0)
            fail_msg("nothing differs any more: %s: %s", reasons[i].name, reasons[i].why);
    }
    print_message("%zu reasons, all of them met\n", COUNT(reasons));
}

static const char *const hot[][2] = {
    {"read", "read"},     {"write", "write"},   {"futex", "futex"},           {"epoll_wait", "epoll_pwait"},
    {"mmap", "mmap2"},    {"close", "close"},   {"openat", "openat"},         {"newfstatat", "fstatat64"},
    {"sendto", "sendto"}, {"recvfrom", "recv"}, {"clock_gettime", "clock_gettime"},
};

static int number_in(enum calls_arch arch, const char *const *names)
{
    int number = calls_find(arch, names[0], strlen(names[0]));
    return number >= 0 ? number : calls_find(arch, names[1], strlen(names[1]));
}

static void hot_calls_take_no_more_steps(void **state)
{
    static struct program ours, theirs;
    json_t *profile = load();
    (void)state;
    if (profile == NULL)
        skip();
    for (size_t i = 0; i < COUNT(settings); i++) {
        int total[2] = {0, 0};
        make_both(profile, &settings[i].to, &ours, &theirs);
        for (size_t j = 0; j < 2 * COUNT(hot); j++) {
            enum calls_arch arch = j % 2 == 0 ? CALLS_OWN : CALLS_COMPAT;
            struct seccomp_data data = {.nr = number_in(arch, hot[j / 2]), .arch = calls_audit(arch)};
            int steps[2];
            assert_int_equal(run_bpf(ours.code, ours.count, &data, &steps[0]), ALLOW);
            assert_int_equal(ask_theirs(&theirs, &data, &steps[1]), ALLOW);
            if (steps[0] > steps[1])
                fail_msg("%s: %d steps, theirs %d", hot[j / 2][0], steps[0], steps[1]);
            total[0] += steps[0];
            total[1] += steps[1];
        }
        print_message("%-22s %zu calls: %d instructions, theirs %d\n", settings[i].name, 2 * COUNT(hot),
                      total[0], total[1]);
    }
    json_decref(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_the_engines_or_have_a_reason),
        cmocka_unit_test(hot_calls_take_no_more_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
