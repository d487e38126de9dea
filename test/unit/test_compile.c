// SPDX-License-Identifier: MIT
#include "seccomp/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/naive.h"
#include "test/unit/run_bpf.h"
#include "test/unit/support.h"

enum {
    ALLOW = SECCOMP_RET_ALLOW,
    NO = SECCOMP_RET_ERRNO | EPERM,
    NEWER = SECCOMP_RET_ERRNO | ENOSYS,
    ROOM = BPF_MAXINSNS
};
#define ANSWER(n) (SECCOMP_RET_ERRNO | (n))

static struct sock_filter code[ROOM];

static struct compile_profile profile_of(const struct compile_table *table, size_t tables)
{
    return (struct compile_profile){.fallback = NO,
                                    .newer = NEWER,
                                    .other_arch = SECCOMP_RET_KILL_PROCESS,
                                    .x32 = ANSWER(7),
                                    .table = table,
                                    .tables = tables};
}

static uint32_t ask(int count, uint32_t arch, uint32_t number, uint64_t first, uint64_t second,
                    int *steps)
{
    const struct seccomp_data data = {.nr = (int)number, .arch = arch, .args = {first, second}};
    return run_bpf(code, count, &data, steps);
}

// One condition on a 64-bit and a 32-bit architecture: each operator at its limits.
static const struct {
    struct compile_arg arg;
    uint64_t yes[6], no[6]; // ended by a second 0
    bool narrow;
} conditions[] = {
    {{0, OP_EQ, 5, 0}, {5}, {4, 6, 0x100000005, 0x500000000}, false},
    {{0, OP_EQ, 0x700000005, 0}, {0x700000005}, {5, 0x700000004, 0x800000005}, false},
    {{0, OP_NE, 0x700000005, 0}, {5, 0x700000004, 0x800000005}, {0x700000005}, false},
    {{0, OP_GT, 0x700000005, 0},
     {0x700000006, 0x800000000, ~0ULL},
     {0x700000005, 0x600000006, 6, 1},
     false},
    {{0, OP_GE, 0x700000005, 0},
     {0x700000005, 0x800000000, ~0ULL},
     {0x700000004, 0x6ffffffff, 6},
     false},
    {{0, OP_LT, 0x700000005, 0},
     {0x700000004, 0x6ffffffff, 6},
     {0x700000005, 0x800000000, ~0ULL},
     false},
    {{0, OP_LE, 0x700000005, 0},
     {0x700000005, 0x600000006, 6},
     {0x700000006, 0x800000000, ~0ULL},
     false},
    {{0, OP_GT, 5, 0}, {6, 0x100000000, 0x8000000000000000}, {5, 4, 1}, false},
    {{0, OP_LE, ~0ULL, 0}, {1, ~0ULL}, {0}, false},
    {{0, OP_GT, ~0ULL, 0}, {0}, {1, ~0ULL}, false},
    {{0, OP_MASKED_EQ, 0xff, 0x12}, {0x12, 0x112, 0x7100000012}, {0x13, 0x1200}, false},
    {{0, OP_MASKED_EQ, 0xff, 0x1212},
     {0x12, 0x1212},
     {0x13},
     false}, // what the mask hides doesn't count
    {{0, OP_MASKED_EQ, 0x10000000, 0}, {1, 0xe0000000}, {0x10000000, 0xffffffff}, false},
    {{0, OP_MASKED_EQ, 0xf00000000, 0x300000000},
     {0x300000000, 0x300000005},
     {0x700000000, 3},
     false},
    {{0, OP_MASKED_EQ, 0xf0000000f, 0x300000001},
     {0x300000001, 0xf300000011},
     {0x300000000, 1},
     false},
    {{0, OP_EQ, 0x700000005, 0}, {5}, {6}, true},
    {{0, OP_GT, 0x700000005, 0}, {6, 0xffffffff}, {5, 1}, true},
    {{0, OP_LE, 0x7ffffffff, 0}, {1, 0xffffffff}, {0}, true},
};

static void each_operator_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(conditions); i++) {
        uint32_t arch = conditions[i].narrow ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
        const struct compile_rule rule = {
            .number = 3, .args = 1, .action = ALLOW, .arg = &conditions[i].arg};
        const struct compile_table table = {.arch = arch, .rule = &rule, .rules = 1, .newest = 450};
        const struct compile_profile p = profile_of(&table, 1);
        int count = compile_filter(&p, code, ROOM);
        assert_true(count > 0);
        for (size_t k = 0; k < COUNT(conditions[i].yes) && (k == 0 || conditions[i].yes[k] != 0);
             k++) {
            if (conditions[i].yes[k] != 0)
                assert_int_equal(ask(count, arch, 3, conditions[i].yes[k], 0, NULL), ALLOW);
        }
        for (size_t k = 0; k < COUNT(conditions[i].no) && (k == 0 || conditions[i].no[k] != 0);
             k++) {
            if (conditions[i].no[k] != 0)
                assert_int_equal(ask(count, arch, 3, conditions[i].no[k], 0, NULL), NO);
        }
        assert_int_equal(ask(count, arch, 2, 5, 0, NULL), NO);
    }
}

static const struct compile_arg is[] = {{0, OP_EQ, 1, 0}, {0, OP_EQ, 2, 0}, {1, OP_EQ, 1, 0},
                                        {0, OP_GE, 0, 0}, {0, OP_GT, 5, 0}, {0, OP_GT, 3, 0}};

// What one number's rules mean together, in whatever order they come.
static const struct {
    struct compile_rule rule[3];
    size_t rules;
    uint64_t first, second;
    uint32_t want;
} together[] = {
    {{{3, 0, ANSWER(1), NULL}, {3, 0, ANSWER(2), NULL}}, 2, 0, 0, ANSWER(1)},
    {{{3, 1, ANSWER(1), &is[0]}, {3, 0, ANSWER(2), NULL}}, 2, 1, 0, ANSWER(2)},
    {{{3, 1, ANSWER(1), &is[0]}, {3, 1, ANSWER(2), &is[1]}}, 2, 2, 0, ANSWER(2)},
    {{{3, 1, ANSWER(1), &is[0]}, {3, 1, ANSWER(2), &is[1]}}, 2, 3, 0, NO},
    {{{3, 1, ANSWER(1), &is[0]}, {3, 1, ANSWER(2), &is[2]}}, 2, 1, 1, ANSWER(2)},
    {{{3, 1, ANSWER(2), &is[2]}, {3, 1, ANSWER(1), &is[0]}}, 2, 1, 1, ANSWER(2)},
    {{{3, 1, ANSWER(2), &is[5]}, {3, 1, ANSWER(1), &is[4]}}, 2, 6, 0, ANSWER(1)},
    {{{3, 1, ANSWER(1), &is[4]}, {3, 1, ANSWER(2), &is[5]}}, 2, 5, 0, ANSWER(2)},
    {{{4, 0, ANSWER(1), NULL}, {3, 1, ANSWER(2), &is[3]}, {5, 0, ANSWER(4), NULL}},
     3,
     9,
     9,
     ANSWER(2)},
};

static void rules_of_one_number_are_ranked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(together); i++) {
        const struct compile_table table = {AUDIT_ARCH_X86_64, together[i].rule, together[i].rules,
                                            450};
        const struct compile_profile p = profile_of(&table, 1);
        int count = compile_filter(&p, code, ROOM);
        assert_true(count > 0);
        assert_int_equal(
            ask(count, AUDIT_ARCH_X86_64, 3, together[i].first, together[i].second, NULL),
            together[i].want);
    }
}

static void numbers_without_rules(void **state)
{
    static const struct compile_rule rule = {.number = 500, .action = ALLOW};
    static const struct compile_table table[] = {{AUDIT_ARCH_X86_64, &rule, 1, 450},
                                                 {AUDIT_ARCH_I386, &rule, 1, 450}};
    static const struct {
        uint32_t arch, number, want;
    } rows[] = {
        {AUDIT_ARCH_X86_64, 450, NO},
        {AUDIT_ARCH_X86_64, 451, NEWER},
        {AUDIT_ARCH_X86_64, 500, ALLOW},
        {AUDIT_ARCH_X86_64, 511, NEWER},
        {AUDIT_ARCH_X86_64, 512, ANSWER(7)},
        {AUDIT_ARCH_X86_64, 547, ANSWER(7)},
        {AUDIT_ARCH_X86_64, 548, NEWER},
        {AUDIT_ARCH_X86_64, 0x3fffffff, NEWER},
        {AUDIT_ARCH_X86_64, 0x40000000, ANSWER(7)},
        {AUDIT_ARCH_X86_64, 0x40000001, ANSWER(7)},
        {AUDIT_ARCH_X86_64, 0xfffffffe, ANSWER(7)},
        {AUDIT_ARCH_X86_64, 0xffffffff, ALLOW},
        {AUDIT_ARCH_I386, 520, NEWER},
        {AUDIT_ARCH_I386, 0x40000000, NEWER},
        {AUDIT_ARCH_I386, 0xffffffff, ALLOW},
        {AUDIT_ARCH_AARCH64, 500, SECCOMP_RET_KILL_PROCESS},
        {0, 0, SECCOMP_RET_KILL_PROCESS},
    };
    const struct compile_profile p = profile_of(table, 2);
    int count = compile_filter(&p, code, ROOM);
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(ask(count, rows[i].arch, rows[i].number, 0, 0, NULL), rows[i].want);
}

// The kernel's cache of calls that are always allowed asks a filter for no argument
// (kernel/seccomp.c).
static void what_is_allowed_anyway_looks_at_nothing(void **state)
{
    static const struct compile_rule rule[] = {
        {3, 1, ALLOW, &is[0]}, {3, 1, NO, &is[3]}, {4, 1, NO, &is[0]},
        {5, 1, ALLOW, &is[3]}, {6, 1, NO, &is[1]}, {6, 0, ALLOW, NULL},
    };
    static const struct compile_table table = {AUDIT_ARCH_X86_64, rule, COUNT(rule), 450};
    struct compile_profile p = profile_of(&table, 1);
    int count = compile_filter(&p, code, ROOM), loads = 0;
    (void)state;
    for (int i = 0; i < count; i++)
        loads += code[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
                 code[i].k >= offsetof(struct seccomp_data, args);
    assert_int_equal(loads, 2); // of number 3
}

// -- random profiles ---------------------------------------------------------------------------

static uint64_t chance = 0x2545f4914f6cdd1d;

static uint32_t below(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 24) % n;
}

static uint64_t any_value(void)
{
    static const uint64_t values[] = {0,           1,           2,          5,
                                      0x7fffffff,  0x80000000,  0xffffffff, 0x100000000,
                                      0x100000005, 0x500000001, ~0ULL,      ~0ULL - 1};
    return values[below(COUNT(values))] + (below(4) == 0 ? below(3) - 1ULL : 0);
}

static void a_program_means_what_its_profile_means(void **state)
{
    static struct compile_rule rule[2][600];
    static struct compile_arg arg[2][600][6];
    static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386};
    unsigned long decisions = 0;
    (void)state;

    for (int round = 0; round < 300; round++) {
        struct compile_table table[2];
        size_t rules = below(4) == 0 ? below(600) : below(30);
        uint32_t numbers = 1 + below(600);
        for (size_t t = 0; t < 2; t++) {
            for (size_t i = 0; i < rules; i++) {
                struct compile_rule *to = &rule[t][i];
                *to = (struct compile_rule){
                    .number = below(numbers), .action = ANSWER(below(3)), .arg = arg[t][i]};
                for (uint8_t index = 0; index < 6 && below(3) == 0; index++)
                    arg[t][i][to->args++] =
                        (struct compile_arg){index, (uint8_t)below(7), any_value(), any_value()};
            }
            table[t] = (struct compile_table){arches[t], rule[t], rules, below(700)};
        }
        struct compile_profile p = profile_of(table, 2);
        p.fallback = ANSWER(below(3));
        int count = compile_filter(&p, code, ROOM);
        assert_true(count > 0);
        for (int i = 0; i < 6000; i++, decisions++) {
            struct seccomp_data data = {.nr = (int)below(numbers + 20), .arch = arches[below(2)]};
            for (int k = 0; k < 6; k++)
                data.args[k] = any_value();
            assert_int_equal(run_bpf(code, count, &data, NULL), naive_answer(&p, &data));
        }
    }
    printf("%lu decisions\n", decisions);
}

// -- limits ------------------------------------------------------------------------------------

static void too_much_is_refused(void **state)
{
    static struct compile_arg arg[9000];
    static struct compile_rule rule[9000];
    struct compile_table table = {AUDIT_ARCH_X86_64, rule, 0, 450};
    struct compile_profile p = profile_of(&table, 1);
    (void)state;

    for (size_t i = 0; i < COUNT(rule); i++) {
        arg[i] = (struct compile_arg){0, OP_EQ, i, 0};
        rule[i] = (struct compile_rule){.number = 3, .args = 1, .action = ALLOW, .arg = &arg[i]};
    }
    table.rules = 1500;
    int count = compile_filter(&p, code, ROOM);
    assert_true(count > 1500);
    assert_int_equal(compile_filter(&p, code, (size_t)count - 1), -E2BIG);
    assert_int_equal(compile_filter(&p, code, (size_t)count), count);
    assert_int_equal(ask(count, AUDIT_ARCH_X86_64, 3, 1499, 0, NULL), ALLOW);
    assert_int_equal(ask(count, AUDIT_ARCH_X86_64, 3, 1500, 0, NULL), NO);
    static const size_t more[] = {5000, 9000};
    for (size_t i = 0; i < COUNT(more); i++) {
        table.rules = more[i];
        assert_int_equal(compile_filter(&p, code, ROOM), -E2BIG);
    }
}

static void unsound_profiles_are_refused(void **state)
{
    static const struct compile_arg bad[] = {{6, OP_EQ, 0, 0}, {0, OP_MASKED_EQ + 1, 0, 0}};
    static const struct compile_rule rules[] = {{3, 1, ALLOW, &bad[0]},
                                                {3, 1, ALLOW, &bad[1]},
                                                {0x40000000, 0, ALLOW, NULL},
                                                {UINT32_MAX, 0, ALLOW, NULL}};
    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct compile_table table = {AUDIT_ARCH_X86_64, &rules[i], 1, 450};
        const struct compile_profile p = profile_of(&table, 1);
        assert_int_equal(compile_filter(&p, code, ROOM), -EINVAL);
    }
    const struct compile_table table = {AUDIT_ARCH_X86_64, NULL, 0, 0x40000000};
    const struct compile_profile p = profile_of(&table, 1);
    assert_int_equal(compile_filter(&p, code, ROOM), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_decides),
        cmocka_unit_test(rules_of_one_number_are_ranked),
        cmocka_unit_test(numbers_without_rules),
        cmocka_unit_test(what_is_allowed_anyway_looks_at_nothing),
        cmocka_unit_test(a_program_means_what_its_profile_means),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(unsound_profiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
