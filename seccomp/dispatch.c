// SPDX-License-Identifier: MIT
#include "seccomp/dispatch.h"

#include <stdbool.h>
#include <string.h>

// A test of the tree. Its sides are labels, once they are known, or tests of a higher index.
struct node {
    uint16_t test;
    uint32_t value;
    struct side {
        bpf_label label;
        size_t node;
    } yes, no;
};

// Ranges that are still to be told apart, and the side that waits for it.
struct part {
    struct dispatch_range *range;
    size_t count;
    struct side *side;
};

static struct node nodes[DISPATCH_MAX];
static struct part parts[DISPATCH_MAX];

static uint64_t weight_of(const struct part *part)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < part->count; i++)
        sum += part->range[i].weight;
    return sum;
}

// Ranges of one number only, with others on both sides or at the start.
static bool is_single(const struct part *part, size_t i)
{
    return i + 1 < part->count && part->range[i + 1].from - part->range[i].from == 1;
}

// A test for equality pays where one number is asked for as often as most of the others together, or where
// both of its sides are the same.
static size_t find_single(const struct part *part, uint64_t weight)
{
    size_t best = part->count;
    for (size_t i = 0; i < part->count; i++) {
        bool between = part->count == 3 && i == 1 && part->range[0].to == part->range[2].to;
        if (is_single(part, i) && (between || 3 * (uint64_t)part->range[i].weight >= weight) &&
            (best == part->count || part->range[i].weight > part->range[best].weight))
            best = i;
    }
    return best;
}

// Takes range I out; what is left beside it may be one range now.
static void take_out(struct part *part, size_t i)
{
    size_t gone = i > 0 && part->range[i - 1].to == part->range[i + 1].to ? 2 : 1;
    if (gone == 2)
        part->range[i - 1].weight += part->range[i + 1].weight;
    memmove(&part->range[i], &part->range[i + gone], (part->count - i - gone) * sizeof(*part->range));
    part->count -= gone;
}

// The first range of the upper half, by weight.
static size_t find_middle(const struct part *part, uint64_t weight)
{
    uint64_t below = part->range[0].weight;
    size_t i = 1;
    // One more goes below while that leaves the halves more alike.
    while (i + 1 < part->count && 2 * below + part->range[i].weight <= weight)
        below += part->range[i++].weight;
    return i;
}

// Tests PART: one or two smaller parts are put in its place. Returns how many.
static size_t divide(struct part *part, struct node *node)
{
    uint64_t weight = weight_of(part);
    size_t single = find_single(part, weight);
    if (single < part->count) {
        *node = (struct node){.test = BPF_JEQ, .value = part->range[single].from};
        node->yes.label = part->range[single].to;
        take_out(part, single);
        part->side = &node->no;
        return 1;
    }
    size_t middle = find_middle(part, weight);
    *node = (struct node){.test = BPF_JGE, .value = part->range[middle].from};
    part[1] = (struct part){part->range + middle, part->count - middle, &node->yes};
    *part = (struct part){part->range, middle, &node->no};
    return 2;
}

bpf_label dispatch_search(struct bpf_writer *writer, struct dispatch_range *ranges, size_t count)
{
    struct side root = {0, 0};
    size_t used = 0, waiting = 1;
    parts[0] = (struct part){ranges, count, &root};
    while (waiting > 0) {
        struct part *part = &parts[waiting - 1];
        if (part->count == 1) {
            part->side->label = part->range[0].to;
            waiting--;
            continue;
        }
        part->side->node = used;
        waiting += divide(part, &nodes[used++]) - 1;
    }
    // A test comes after those that lead to it, so the last is written first.
    while (used > 0) {
        struct node *node = &nodes[--used];
        bpf_label yes = node->yes.label != 0 ? node->yes.label : nodes[node->yes.node].yes.label;
        bpf_label no = node->no.label != 0 ? node->no.label : nodes[node->no.node].yes.label;
        node->yes.label = bpf_branch(writer, node->test, node->value, yes, no); // its own, from now on
    }
    return root.label != 0 ? root.label : nodes[0].yes.label;
}
