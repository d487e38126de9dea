// SPDX-License-Identifier: MIT
#include "seccomp/conditions.h"

#include <linux/seccomp.h>

// A place to go on, and ways in for who knows a part of what it asks.
struct place {
    bpf_label start;
    bpf_label loaded; // the word that it starts with is loaded
    size_t word;      // offset in struct seccomp_data; 0 (the number): there is no such way
    bpf_label low;    // the high half, with which it starts, is HIGH, and the low half is loaded
    bpf_label other;  // where it goes on if the high half is not HIGH; 0: that depends
    uint32_t high;
    bool has_low;
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");

static size_t low_half(const struct compile_arg *arg)
{
    return offsetof(struct seccomp_data, args) + arg->index * sizeof(uint64_t);
}

static size_t high_half(const struct compile_arg *arg)
{
    return low_half(arg) + sizeof(uint32_t);
}

static bpf_label way_into(const struct place *place, size_t loaded)
{
    return place->word == loaded ? place->loaded : place->start;
}

// From a test of ARG's low half, for which the high half was HIGH.
static bpf_label way_from_low(const struct place *place, const struct compile_arg *arg,
                              uint32_t high)
{
    if (place->has_low && place->word == high_half(arg) && place->high == high)
        return place->low;
    return way_into(place, low_half(arg));
}

// -- order -------------------------------------------------------------------------------------

// Equality is asked before limits from above, and those before limits from below.
static const uint8_t op_order[] = {
    [OP_NE] = 0, [OP_EQ] = 0, [OP_MASKED_EQ] = 0, [OP_LT] = 1,
    [OP_LE] = 1, [OP_GE] = 2, [OP_GT] = 2,
};

static uint64_t value_of(const struct compile_arg *arg)
{
    return arg->op == OP_MASKED_EQ ? arg->value & arg->other : arg->value;
}

static int difference(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int order_of_arg(const struct compile_arg *a, const struct compile_arg *b)
{
    if (a->index != b->index)
        return difference(b->index, a->index);
    if (op_order[a->op] != op_order[b->op])
        return difference(op_order[a->op], op_order[b->op]);
    int order = difference(value_of(b), value_of(a));
    return op_order[a->op] == op_order[OP_LT] ? -order : order;
}

int conditions_order(const struct compile_rule *a, const struct compile_rule *b)
{
    for (unsigned i = 0; i < a->args && i < b->args; i++) {
        int order = order_of_arg(&a->arg[i], &b->arg[i]);
        if (order != 0)
            return order;
    }
    return difference(a->args, b->args);
}

bool conditions_equal(const struct compile_rule *a, const struct compile_rule *b)
{
    if (a->args != b->args)
        return false;
    for (unsigned i = 0; i < a->args; i++) {
        const struct compile_arg *x = &a->arg[i], *y = &b->arg[i];
        if (x->index != y->index || x->op != y->op || x->value != y->value ||
            (x->op == OP_MASKED_EQ && (x->value & x->other) != (y->value & y->other)))
            return false;
    }
    return true;
}

// -- conditions that need no test --------------------------------------------------------------

static bool arg_always(const struct compile_arg *arg, bool narrow)
{
    uint64_t all = narrow ? UINT32_MAX : UINT64_MAX, value = arg->value & all;
    return (arg->op == OP_MASKED_EQ && value == 0) || (arg->op == OP_GE && value == 0) ||
           (arg->op == OP_LE && value == all);
}

bool conditions_always(const struct compile_rule *rule, bool narrow)
{
    for (unsigned i = 0; i < rule->args; i++) {
        if (!arg_always(&rule->arg[i], narrow))
            return false;
    }
    return true;
}

// -- tests -------------------------------------------------------------------------------------

// The bits of MASK in the loaded word are those of VALUE. After an AND the word is lost: then it's
// on to where nothing need be loaded.
struct sides {
    bpf_label hit, miss;           // with the word loaded
    bpf_label lost_hit, lost_miss; // without
};

static bpf_label put_masked(struct bpf_writer *writer, uint32_t mask, uint32_t value,
                            const struct sides *to)
{
    value &= mask;
    if (mask == UINT32_MAX)
        return bpf_branch(writer, BPF_JEQ, value, to->hit, to->miss);
    if (value == 0)
        return bpf_branch(writer, BPF_JSET, mask, to->miss, to->hit);
    if ((mask & (mask - 1)) == 0)
        return bpf_branch(writer, BPF_JSET, mask, to->hit, to->miss);
    return bpf_and(writer, mask, bpf_branch(writer, BPF_JEQ, value, to->lost_hit, to->lost_miss));
}

static struct place put_load(struct bpf_writer *writer, size_t word, bpf_label next)
{
    return (struct place){.start = bpf_load(writer, word, next), .loaded = next, .word = word};
}

// The high half is ARG's: at EQUAL its low half is loaded and tested from LOW on.
static struct place put_high(struct bpf_writer *writer, const struct compile_arg *arg,
                             bpf_label low, bpf_label equal, bpf_label other)
{
    uint32_t high = (uint32_t)((arg->op == OP_MASKED_EQ ? arg->other : arg->value) >> 32);
    struct place place =
        put_load(writer, high_half(arg), bpf_branch(writer, BPF_JEQ, high, equal, other));
    place.low = low;
    place.other = other;
    place.high = high;
    place.has_low = true;
    return place;
}

// Equal under a mask; of the halves only those that it looks at.
static struct place put_equal(struct bpf_writer *writer, const struct compile_arg *arg, bool narrow,
                              const struct place *yes, const struct place *no)
{
    uint64_t mask = arg->op == OP_MASKED_EQ ? arg->value : UINT64_MAX;
    uint64_t value = arg->op == OP_MASKED_EQ ? arg->other : arg->value;
    uint32_t high = (uint32_t)(value >> 32), high_mask = narrow ? 0 : (uint32_t)(mask >> 32);
    struct place place = *yes;
    if ((uint32_t)mask != 0) {
        bool known = high_mask == UINT32_MAX;
        struct sides sides = {known ? way_from_low(yes, arg, high) : way_into(yes, low_half(arg)),
                              known ? way_from_low(no, arg, high) : way_into(no, low_half(arg)),
                              yes->start, no->start};
        place = put_load(writer, low_half(arg),
                         put_masked(writer, (uint32_t)mask, (uint32_t)value, &sides));
    }
    if (high_mask == 0)
        return place;
    if (place.word == low_half(arg) && high_mask == UINT32_MAX)
        return put_high(writer, arg, place.loaded, place.start, way_into(no, high_half(arg)));
    struct sides sides = {way_into(&place, high_half(arg)), way_into(no, high_half(arg)),
                          place.start, no->start};
    return put_load(writer, high_half(arg), put_masked(writer, high_mask, high, &sides));
}

// One more value of an argument, before the same question for others, NO: what those start with is
// taken back, and leads the whole list.
static bool is_listed(const struct bpf_writer *writer, const struct compile_arg *arg, bool narrow,
                      const struct place *no)
{
    if (arg->op != OP_EQ || no->start != writer->used)
        return false;
    return narrow ? no->word == low_half(arg)
                  : no->word == high_half(arg) && no->has_low && no->other != 0 &&
                        no->high == arg->value >> 32;
}

static struct place put_listed(struct bpf_writer *writer, const struct compile_arg *arg,
                               bool narrow, bpf_label yes, const struct place *no)
{
    bpf_take_back(writer, narrow ? no->loaded : no->low);
    bpf_label low = bpf_branch(writer, BPF_JEQ, (uint32_t)arg->value, yes, writer->used);
    struct place place = put_load(writer, low_half(arg), low);
    return narrow ? place : put_high(writer, arg, low, place.start, no->other);
}

// Greater (TEST is BPF_JGT) or not less (BPF_JGE): by the high halves unless they are equal.
static struct place put_greater(struct bpf_writer *writer, const struct compile_arg *arg,
                                uint16_t test, bool narrow, const struct place *yes,
                                const struct place *no)
{
    uint32_t high = (uint32_t)(arg->value >> 32);
    bpf_label hit = narrow ? way_into(yes, low_half(arg)) : way_from_low(yes, arg, high);
    bpf_label miss = narrow ? way_into(no, low_half(arg)) : way_from_low(no, arg, high);
    bpf_label low = bpf_branch(writer, test, (uint32_t)arg->value, hit, miss);
    struct place place = put_load(writer, low_half(arg), low);
    if (narrow)
        return place;
    bpf_label greater = way_into(yes, high_half(arg)), less = way_into(no, high_half(arg)), next;
    if (high == 0) { // nothing is less
        next = bpf_branch(writer, BPF_JEQ, 0, place.start, greater);
    } else {
        next = bpf_branch(writer, BPF_JEQ, high, place.start, less);
        next = bpf_branch(writer, BPF_JGT, high, greater, next);
    }
    place = put_load(writer, high_half(arg), next);
    place.low = low;
    place.high = high;
    place.has_low = true;
    return place;
}

static struct place put_arg(struct bpf_writer *writer, const struct compile_arg *arg, bool narrow,
                            const struct place *yes, const struct place *no)
{
    switch (arg->op) {
    case OP_GT:
        return put_greater(writer, arg, BPF_JGT, narrow, yes, no);
    case OP_GE:
        return put_greater(writer, arg, BPF_JGE, narrow, yes, no);
    case OP_LE:
        return put_greater(writer, arg, BPF_JGT, narrow, no, yes);
    case OP_LT:
        return put_greater(writer, arg, BPF_JGE, narrow, no, yes);
    case OP_NE:
        return put_equal(writer, arg, narrow, no, yes);
    default:
        return put_equal(writer, arg, narrow, yes, no);
    }
}

bpf_label conditions_put(struct bpf_writer *writer, const struct compile_rule *const *rules,
                         const bpf_label *answers, size_t count, bool narrow, bpf_label otherwise)
{
    struct place no = {.start = otherwise};
    while (count > 0) {
        const struct compile_rule *rule = rules[--count];
        struct place yes = {.start = answers[count]};
        if (rule->args == 1 && is_listed(writer, rule->arg, narrow, &no)) {
            no = put_listed(writer, rule->arg, narrow, yes.start, &no);
            continue;
        }
        for (unsigned i = rule->args; i > 0; i--) {
            if (!arg_always(&rule->arg[i - 1], narrow))
                yes = put_arg(writer, &rule->arg[i - 1], narrow, &yes, &no);
        }
        no = yes;
    }
    return no.start;
}
