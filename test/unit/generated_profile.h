// SPDX-License-Identifier: MIT
//
// Generated OCI profiles, the same in every run: of the forms that libseccomp understands without
// loss.
#ifndef TEST_UNIT_GENERATED_PROFILE_H
#define TEST_UNIT_GENERATED_PROFILE_H

#include <seccomp.h>
#include <stdbool.h>

#include "seccomp/calls.h"
#include "seccomp/compile.h"
#include "test/unit/support.h"

enum { NAMES_MAX = 1024, RULES_MAX = 400, ARGS_MAX = 6 };

// -- chance, the same in every run -------------------------------------------------------------

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 24) % n;
}

#define ONE_OF(rows) (rows)[below(COUNT(rows))]

// -- a profile ---------------------------------------------------------------------------------

struct rule {
    const char *name;
    const struct action *action;
    int errno_ret; // -1: not given
    unsigned args;
    struct compile_arg arg[ARGS_MAX];
};

static const struct action {
    const char *name;
    uint32_t theirs;
    bool with_errno, permissive;
} actions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false, true},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true, false},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true, false},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false, false},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false, false},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false, false},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG, false, true},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true, true},
};

static const char *const operators[] = {
    [OP_NE] = "SCMP_CMP_NE",
    [OP_LT] = "SCMP_CMP_LT",
    [OP_LE] = "SCMP_CMP_LE",
    [OP_EQ] = "SCMP_CMP_EQ",
    [OP_GE] = "SCMP_CMP_GE",
    [OP_GT] = "SCMP_CMP_GT",
    [OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};
static const enum scmp_compare comparisons[] = {
    [OP_NE] = SCMP_CMP_NE,
    [OP_LT] = SCMP_CMP_LT,
    [OP_LE] = SCMP_CMP_LE,
    [OP_EQ] = SCMP_CMP_EQ,
    [OP_GE] = SCMP_CMP_GE,
    [OP_GT] = SCMP_CMP_GT,
    [OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

static const uint64_t values[] = {
    0,
    1,
    2,
    5,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
    0x100000000,
    0x100000001,
    0x500000005,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xfffffffffffffffe,
    0xffffffffffffffff,
    0x7e020000,
};

static struct profile {
    const struct action *fallback;
    int fallback_errno;
    struct rule rule[RULES_MAX];
    unsigned rules;
} profile;

// Calls that both sides know by name.
static const char *names[NAMES_MAX];
static unsigned name_count;

#if defined(__x86_64__)
static const uint32_t arches[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86};
static const char *const arch_words[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
#else
static const uint32_t arches[] = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
static const char *const arch_words[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif

static const char *const common[] = {"read",     "write",        "futex",  "epoll_wait",
                                     "mmap",     "close",        "openat", "newfstatat",
                                     "recvfrom", "clock_gettime"};

static void find_names(void)
{
#define CALL(name, ...) #name,
    static const char *const all[] = {
#include "seccomp/calls_table.h"
    };
#undef CALL
    for (size_t i = 0; i < COUNT(all); i++) {
        int own = seccomp_syscall_resolve_name_arch(arches[0], all[i]);
        int compat = seccomp_syscall_resolve_name_arch(arches[1], all[i]);
        // From -100 to -299 are the parts of i386's socketcall and ipc; further below, calls of
        // other machines.
        if (own != __NR_SCMP_ERROR && (own >= 0 || compat > -300))
            names[name_count++] = all[i];
    }
    assert_in_range(name_count, 400, NAMES_MAX);
}

static struct compile_arg make_arg(uint8_t index, uint8_t op)
{
    return (struct compile_arg){
        .index = index, .op = op, .value = ONE_OF(values), .other = ONE_OF(values)};
}

static struct compile_arg make_small(uint8_t index, uint8_t op)
{
    struct compile_arg arg = make_arg(index, op);
    arg.value &= INT32_MAX;
    arg.other &= INT32_MAX;
    return arg;
}

// Conditions of the forms in which libseccomp's tree loses none: any ones in a call's only rule,
// small values of one argument as alternatives, and one value each where a call has several rules.
static void make_args(struct rule *rule, unsigned form)
{
    rule->args = 0;
    switch (form) {
    case 0:
        for (uint8_t i = 0; i < 6; i++) {
            if (below(3) == 0)
                rule->arg[rule->args++] = make_arg(i, (uint8_t)below(COUNT(operators)));
        }
        break;
    case 1:
        for (unsigned n = 2 + below(2); rule->args < n;)
            rule->arg[rule->args++] = make_small(3, (uint8_t)below(COUNT(operators)));
        break;
    default:
        rule->arg[0] = make_arg(1, OP_EQ);
        if (below(32) !=
            0) // else there are soon two actions for one value, and nobody takes the profile
            rule->arg[0].value = (uint64_t)below(3) << 32 | below(1U << 28);
        rule->args = 1;
    }
}

static void make_rule(struct rule *rule, const char *name, unsigned form)
{
    rule->name = name;
    rule->action = &ONE_OF(actions);
    rule->errno_ret = rule->action->with_errno && below(2) == 0 ? (int)below(4) : -1;
    rule->args = 0;
    if (form < 3)
        make_args(rule, form);
}

static void make_profile(void)
{
    static const unsigned sizes[] = {0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 160, 300};
    unsigned size = ONE_OF(sizes);
    bool used[NAMES_MAX] = {false};
    profile.fallback = &ONE_OF(actions);
    profile.fallback_errno = profile.fallback->with_errno && below(2) == 0 ? (int)below(40) : -1;
    profile.rules = 0;
    while (profile.rules < size) {
        unsigned at = below(name_count), form = below(6);
        const char *name = below(6) == 0 ? ONE_OF(common) : names[at];
        for (at = 0; strcmp(names[at], name) != 0;)
            at++;
        // Again now and then: the first rule without conditions counts, and it takes the place of
        // all with some.
        if (used[at] && form != 3)
            continue;
        used[at] = true;
        for (unsigned n = form == 2 ? 1 + below(4) : 1; n > 0 && profile.rules < size; n--)
            make_rule(&profile.rule[profile.rules++], name, form);
    }
}

#endif
