// SPDX-License-Identifier: MIT
#include "seccomp/dispatch.h"

#include <stdbool.h>
#include <string.h>

// A test. Each of its sides is a label, or else a test of a higher index.
struct node {
    uint16_t test;
    uint32_t value;
    struct side {
        bpf_label label;
        size_t node;
    } yes, no;
    bpf_label own; // once it is written
};

// A number gets a test of its own where it has one part in SHARE of the weight. COST is the sum of
// the squares of the ways, as the longest ones are those to be avoided.
struct tree {
    struct node node[DISPATCH_MAX];
    size_t nodes;
    struct side root;
    uint64_t share, cost;
};

// Ranges that are still to be told apart, after DEPTH tests, and the side that waits for it.
struct part {
    struct dispatch_range *range;
    size_t count;
    struct side *side;
    uint64_t depth;
};

static struct tree trees[2];
static struct part parts[DISPATCH_MAX];
static struct dispatch_range scratch[DISPATCH_MAX];

static uint64_t weight_of(const struct part *part)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < part->count; i++)
        sum += part->range[i].weight;
    return sum;
}

static void settle(struct tree *tree, struct side *side, const struct dispatch_range *range,
                   uint64_t depth)
{
    side->label = range->to;
    tree->cost += range->weight * depth * depth;
}

// -- a number of its own -----------------------------------------------------------------------

static bool is_single(const struct part *part, size_t i)
{
    return i + 1 < part->count && part->range[i + 1].from - part->range[i].from == 1;
}

// A test for equality pays where the number has a good share of the weight, or where both of its
// sides are the same. The heaviest one; COUNT if there is none.
static size_t find_single(const struct part *part, uint64_t weight, uint64_t share)
{
    size_t best = part->count;
    for (size_t i = 0; i < part->count; i++) {
        bool between = part->count == 3 && i == 1 && part->range[0].to == part->range[2].to;
        if (is_single(part, i) && (between || share * part->range[i].weight >= weight) &&
            (best == part->count || part->range[i].weight > part->range[best].weight))
            best = i;
    }
    return best;
}

// What is left beside range I may be one range then.
static void take_out(struct part *part, size_t i)
{
    size_t gone = i > 0 && part->range[i - 1].to == part->range[i + 1].to ? 2 : 1;
    if (gone == 2)
        part->range[i - 1].weight += part->range[i + 1].weight;
    memmove(&part->range[i], &part->range[i + gone],
            (part->count - i - gone) * sizeof(*part->range));
    part->count -= gone;
}

// -- halves ------------------------------------------------------------------------------------

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

// -- the tree ----------------------------------------------------------------------------------

// Puts a test where PART is, and what remains to be told apart in its place. Returns how many parts
// more there are.
static size_t divide(struct tree *tree, struct part *part)
{
    uint64_t weight = weight_of(part);
    size_t single = find_single(part, weight, tree->share);
    struct node *node = &tree->node[tree->nodes];
    part->side->node = tree->nodes++;
    part->side = &node->no;
    part->depth++;
    if (single < part->count) {
        *node = (struct node){.test = BPF_JEQ, .value = part->range[single].from};
        settle(tree, &node->yes, &part->range[single], part->depth);
        take_out(part, single);
        return 0;
    }
    size_t middle = find_middle(part, weight);
    *node = (struct node){.test = BPF_JGE, .value = part->range[middle].from};
    part[1] = (struct part){part->range + middle, part->count - middle, &node->yes, part->depth};
    part->count = middle;
    return 1;
}

static void plan(struct tree *tree, uint64_t share, const struct dispatch_range *ranges,
                 size_t count)
{
    memcpy(scratch, ranges, count * sizeof(*ranges));
    tree->nodes = 0;
    tree->root = (struct side){0, 0};
    tree->share = share;
    tree->cost = 0;
    parts[0] = (struct part){scratch, count, &tree->root, 0};
    for (size_t waiting = 1; waiting > 0;) {
        struct part *part = &parts[waiting - 1];
        if (part->count > 1) {
            waiting += divide(tree, part);
            continue;
        }
        settle(tree, part->side, part->range, part->depth);
        waiting--;
    }
}

static bpf_label label_of(const struct tree *tree, const struct side *side)
{
    return side->label != 0 ? side->label : tree->node[side->node].own;
}

// A test comes after those that lead to it, so the last is written first.
static bpf_label put_tree(struct bpf_writer *writer, struct tree *tree)
{
    for (size_t i = tree->nodes; i > 0; i--) {
        struct node *node = &tree->node[i - 1];
        node->own = bpf_branch(writer, node->test, node->value, label_of(tree, &node->yes),
                               label_of(tree, &node->no));
    }
    return label_of(tree, &tree->root);
}

// Which share is the best depends on the profile.
bpf_label dispatch_search(struct bpf_writer *writer, const struct dispatch_range *ranges,
                          size_t count)
{
    static const uint8_t shares[] = {3, 2, 4, 6, 1};
    struct tree *best = &trees[0], *next = &trees[1];
    plan(best, shares[0], ranges, count);
    for (size_t i = 1; i < sizeof(shares); i++) {
        plan(next, shares[i], ranges, count);
        if (next->cost < best->cost) {
            struct tree *worse = best;
            best = next;
            next = worse;
        }
    }
    return put_tree(writer, best);
}
