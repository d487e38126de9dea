// SPDX-License-Identifier: MIT
#include "seccomp/compile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "seccomp/bpf.h"
#include "seccomp/conditions.h"
#include "seccomp/dispatch.h"

enum {
    RULES_MAX = 8192,  // of one table
    CALLS_MAX = 1024,  // numbers with rules, of one table
    ANSWERS_MAX = 256, // different actions of one profile
    COMMON = 256,      // how much more often the calls below are made than others
    OWN = 4, // and how much more those count that have a range of their own, which others pass by
    X32_BIT = 0x40000000,
    X32_OLD_FIRST = 512, // before Linux 5.4 x32's own calls are taken without the bit, too
    X32_OLD_LAST = 547,
};

// What programs call all the time; the search for these is the shortest.
static const struct {
    uint32_t arch, count;
    uint16_t number[16];
} common[] = {
    // read, write, close, fstat, mmap, sendto, recvfrom, futex, clock_gettime, epoll_wait, openat,
    // newfstatat
    {AUDIT_ARCH_X86_64, 12, {0, 1, 3, 5, 9, 44, 45, 202, 228, 232, 257, 262}},
    {AUDIT_ARCH_I386, 14, {3, 4, 6, 192, 197, 240, 256, 265, 295, 300, 369, 371, 403, 422}},
    {AUDIT_ARCH_AARCH64, 12, {22, 56, 57, 63, 64, 79, 80, 98, 113, 206, 207, 222}},
    {AUDIT_ARCH_ARM, 14, {3, 4, 6, 192, 197, 240, 252, 263, 290, 292, 322, 327, 403, 422}},
};

// One number's rules, in the order in which they are asked, as far as one can be reached.
struct call {
    const struct compile_rule **rule;
    size_t rules;
    uint32_t otherwise; // the action where none of the conditions holds
    bool narrow;
    bpf_label to;
};

// The work of one compile_filter().
static struct {
    struct bpf_writer writer;
    struct {
        uint32_t action;
        bpf_label to;
    } answer[ANSWERS_MAX];
    size_t answers;
    const struct compile_rule *rule[RULES_MAX];
    bpf_label yes[RULES_MAX]; // the answers of one call's rules
    struct call call[CALLS_MAX];
    size_t calls;
    struct dispatch_range range[DISPATCH_MAX];
    size_t ranges;
} work;

// -- the ends of the program -------------------------------------------------------------------

static bpf_label answer_of(uint32_t action)
{
    for (size_t i = 0; i < work.answers; i++) {
        if (work.answer[i].action == action)
            return work.answer[i].to;
    }
    bpf_label to = bpf_return(&work.writer, action);
    if (work.answers < ANSWERS_MAX) {
        work.answer[work.answers].action = action;
        work.answer[work.answers++].to = to;
    }
    return to;
}

// -- the rules of one number -------------------------------------------------------------------

static int compare_rules(const void *left, const void *right)
{
    const struct compile_rule *a = *(const struct compile_rule *const *)left;
    const struct compile_rule *b = *(const struct compile_rule *const *)right;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    int order = conditions_order(a, b);
    return order != 0 ? order : (a > b) - (a < b);
}

static bool is_sound(const struct compile_rule *rule)
{
    for (unsigned i = 0; i < rule->args; i++) {
        if (rule->arg[i].index > 5 || rule->arg[i].op > OP_MASKED_EQ)
            return false;
    }
    return rule->number < X32_BIT;
}

// A rule that always holds ends the list, and what doesn't change the answer is no part of it.
static struct call judge(const struct compile_rule **rule, size_t rules, uint32_t fallback,
                         bool narrow)
{
    struct call call = {.rule = rule, .rules = rules, .otherwise = fallback, .narrow = narrow};
    for (size_t i = 0; i < rules; i++) {
        if (conditions_always(rule[i], narrow)) {
            call.otherwise = rule[i]->action;
            call.rules = i;
            break;
        }
    }
    while (call.rules > 0 && rule[call.rules - 1]->action == call.otherwise)
        call.rules--;
    return call;
}

static bool same_call(const struct call *a, const struct call *b)
{
    if (a->rules != b->rules || a->otherwise != b->otherwise || a->narrow != b->narrow)
        return false;
    for (size_t i = 0; i < a->rules; i++) {
        if (a->rule[i]->action != b->rule[i]->action || !conditions_equal(a->rule[i], b->rule[i]))
            return false;
    }
    return true;
}

static bpf_label put_call(const struct call *call)
{
    for (size_t i = 0; call->rules > 0 && i < work.calls; i++) {
        if (same_call(call, &work.call[i]))
            return work.call[i].to;
    }
    bpf_label otherwise = answer_of(call->otherwise);
    for (size_t i = 0; i < call->rules; i++)
        work.yes[i] = answer_of(call->rule[i]->action);
    return conditions_put(&work.writer, call->rule, work.yes, call->rules, call->narrow, otherwise);
}

// All rules of the table, in order, as the calls that they are about. -EINVAL, -E2BIG.
static int collect(const struct compile_profile *p, const struct compile_table *table)
{
    if (table->rules > RULES_MAX)
        return -E2BIG;
    for (size_t i = 0; i < table->rules; i++) {
        work.rule[i] = &table->rule[i];
        if (!is_sound(work.rule[i]))
            return -EINVAL;
    }
    qsort(work.rule, table->rules, sizeof(const struct compile_rule *), compare_rules);
    work.calls = 0;
    for (size_t i = 0, end; i < table->rules; i = end) {
        for (end = i + 1; end < table->rules && work.rule[end]->number == work.rule[i]->number;)
            end++;
        if (work.calls == CALLS_MAX)
            return -E2BIG;
        struct call call =
            judge(&work.rule[i], end - i, p->fallback, (table->arch & __AUDIT_ARCH_64BIT) == 0);
        call.to = put_call(&call);
        work.call[work.calls++] = call;
    }
    return 0;
}

// -- one architecture --------------------------------------------------------------------------

// The action for numbers from FROM on that have no rule, up to the next row's.
struct rest {
    uint32_t from, action;
};
enum { RESTS = 6 };

static uint32_t action_of_rest(const struct compile_profile *p, const struct compile_table *table,
                               uint32_t number)
{
    bool old_x32 = number >= X32_OLD_FIRST && number <= X32_OLD_LAST;
    if (number == UINT32_MAX)
        return SECCOMP_RET_ALLOW;
    if (table->arch == AUDIT_ARCH_X86_64 && (old_x32 || number >= X32_BIT))
        return p->x32;
    return number > table->newest ? p->newer : p->fallback;
}

static void find_rest(const struct compile_profile *p, const struct compile_table *table,
                      struct rest rest[RESTS])
{
    uint32_t from[RESTS] = {0,       X32_OLD_FIRST, X32_OLD_LAST + 1,
                            X32_BIT, UINT32_MAX,    table->newest + 1};
    for (size_t i = RESTS - 1; i > 0 && from[i - 1] > from[i]; i--) {
        uint32_t lower = from[i];
        from[i] = from[i - 1];
        from[i - 1] = lower;
    }
    for (size_t i = 0; i < RESTS; i++)
        rest[i] = (struct rest){from[i], action_of_rest(p, table, from[i])};
}

static uint32_t weight_of(uint32_t arch, uint32_t from, uint32_t to)
{
    uint32_t weight = 1;
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        for (size_t k = 0; common[i].arch == arch && k < common[i].count; k++) {
            if (common[i].number[k] >= from && common[i].number[k] < to)
                weight += to - from == 1 ? OWN * COMMON : COMMON;
        }
    }
    return weight;
}

static void add_range(uint32_t from, bpf_label to)
{
    if (work.ranges == 0 || work.range[work.ranges - 1].to != to)
        work.range[work.ranges++] = (struct dispatch_range){from, 1, to};
}

// The numbers from FROM up to TO (0: all above) have no rule.
static void add_gap(const struct rest rest[RESTS], uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < RESTS; i++) {
        uint32_t start = rest[i].from > from ? rest[i].from : from;
        bool empty = i + 1 < RESTS && rest[i + 1].from <= start;
        if (!empty && (to == 0 || start < to))
            add_range(start, answer_of(rest[i].action));
    }
}

static int put_table(const struct compile_profile *p, const struct compile_table *table,
                     bpf_label *to)
{
    struct rest rest[RESTS];
    if (table->newest >= X32_BIT - 1)
        return -EINVAL;
    int error = collect(p, table);
    if (error < 0)
        return error;
    find_rest(p, table, rest);
    work.ranges = 0;
    uint32_t next = 0;
    for (size_t i = 0; i < work.calls; i++) {
        uint32_t number = work.call[i].rule[0]->number;
        if (number > next)
            add_gap(rest, next, number);
        add_range(number, work.call[i].to);
        next = number + 1;
    }
    add_gap(rest, next, 0);
    for (size_t i = 0; i < work.ranges; i++) {
        uint32_t end = i + 1 < work.ranges ? work.range[i + 1].from : UINT32_MAX;
        work.range[i].weight = weight_of(table->arch, work.range[i].from, end);
    }
    bpf_label found = dispatch_search(&work.writer, work.range, work.ranges);
    *to = bpf_load(&work.writer, offsetof(struct seccomp_data, nr), found);
    return 0;
}

// The first table is asked for first, and lies nearest.
int compile_filter(const struct compile_profile *p, struct sock_filter *out, size_t max)
{
    work.writer = (struct bpf_writer){.out = out, .max = max};
    work.answers = 0;
    bpf_label other = answer_of(p->other_arch);
    for (size_t i = p->tables; i > 0; i--) {
        bpf_label own;
        int error = put_table(p, &p->table[i - 1], &own);
        if (error < 0)
            return error;
        other = bpf_branch(&work.writer, BPF_JEQ, p->table[i - 1].arch, own, other);
    }
    bpf_load(&work.writer, offsetof(struct seccomp_data, arch), other);
    return bpf_finish(&work.writer);
}
