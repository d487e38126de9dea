// SPDX-License-Identifier: MIT
//
// What a profile means, rule by rule, without a program: the words of seccomp/compile.h.
#ifndef TEST_UNIT_NAIVE_H
#define TEST_UNIT_NAIVE_H

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#include "seccomp/compile.h"

static inline bool naive_holds(const struct compile_arg *arg, uint64_t value, bool narrow)
{
    uint64_t all = narrow ? UINT32_MAX : UINT64_MAX, with = arg->value & all,
             mask = arg->value & all;
    value &= all;
    switch (arg->op) {
    case OP_NE:
        return value != with;
    case OP_LT:
        return value < with;
    case OP_LE:
        return value <= with;
    case OP_EQ:
        return value == with;
    case OP_GE:
        return value >= with;
    case OP_GT:
        return value > with;
    default:
        return (value & mask) == (arg->other & mask);
    }
}

static inline bool naive_applies(const struct compile_rule *rule, const struct seccomp_data *data,
                                 bool narrow)
{
    for (unsigned i = 0; i < rule->args; i++) {
        if (!naive_holds(&rule->arg[i], data->args[rule->arg[i].index], narrow))
            return false;
    }
    return rule->number == (uint32_t)data->nr;
}

// Rule A is asked before rule B.
static inline bool naive_before(const struct compile_rule *a, const struct compile_rule *b)
{
    static const uint8_t rank[] = {
        [OP_LT] = 1, [OP_LE] = 1, [OP_GE] = 2, [OP_GT] = 2, [OP_MASKED_EQ] = 0};
    for (unsigned i = 0; i < a->args && i < b->args; i++) {
        const struct compile_arg *x = &a->arg[i], *y = &b->arg[i];
        uint64_t u = x->op == OP_MASKED_EQ ? x->value & x->other : x->value;
        uint64_t v = y->op == OP_MASKED_EQ ? y->value & y->other : y->value;
        if (x->index != y->index)
            return x->index > y->index;
        if (rank[x->op] != rank[y->op])
            return rank[x->op] < rank[y->op];
        if (u != v)
            return rank[x->op] == 1 ? u < v : u > v;
    }
    return a->args != b->args ? a->args < b->args : a < b;
}

static inline uint32_t naive_answer(const struct compile_profile *p,
                                    const struct seccomp_data *data)
{
    const struct compile_rule *best = NULL;
    const struct compile_table *table = NULL;
    uint32_t number = (uint32_t)data->nr;
    bool known = false;
    for (size_t i = 0; i < p->tables && table == NULL; i++) {
        if (p->table[i].arch == data->arch)
            table = &p->table[i];
    }
    if (table == NULL)
        return p->other_arch;
    for (size_t i = 0; i < table->rules; i++) {
        const struct compile_rule *rule = &table->rule[i];
        known |= rule->number == number;
        if (naive_applies(rule, data, (table->arch & __AUDIT_ARCH_64BIT) == 0) &&
            (best == NULL || naive_before(rule, best)))
            best = rule;
    }
    if (best != NULL)
        return best->action;
    if (known)
        return p->fallback;
    if (number == UINT32_MAX)
        return SECCOMP_RET_ALLOW;
    if (table->arch == AUDIT_ARCH_X86_64 &&
        (number >= 0x40000000 || (number >= 512 && number <= 547)))
        return p->x32;
    return number > table->newest ? p->newer : p->fallback;
}

#endif
