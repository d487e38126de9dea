// SPDX-License-Identifier: MIT
#include "seccomp/bpf.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bpf_label put(struct bpf_writer *writer, uint16_t code, uint32_t value, bpf_label yes,
                     bpf_label no)
{
    writer->used++;
    if (writer->used <= writer->max) {
        struct sock_filter *at = &writer->out[writer->max - writer->used];
        // A jump of 0 goes to the next instruction, whose label is one less.
        at->code = code;
        at->jt = (uint8_t)(writer->used - 1 - yes);
        at->jf = (uint8_t)(writer->used - 1 - no);
        at->k = value;
    }
    return writer->used;
}

// For instructions that do not branch: both jumps are 0.
static bpf_label put_plain(struct bpf_writer *writer, uint16_t code, uint32_t value)
{
    return put(writer, code, value, writer->used, writer->used);
}

static bpf_label put_jump(struct bpf_writer *writer, bpf_label to)
{
    return put_plain(writer, BPF_JMP | BPF_JA, (uint32_t)(writer->used - to));
}

// An instruction that does the same as the one at label TO, among the last 250: a return of the
// same value, or a jump there. 0 if there is none.
static bpf_label find_twin(const struct bpf_writer *writer, bpf_label to)
{
    const struct sock_filter *end = writer->out + writer->max, *target = end - to;
    for (bpf_label label = writer->used; label > 0 && writer->used - label < 250; label--) {
        const struct sock_filter *at = end - label;
        if (at->code == (BPF_RET | BPF_K)
                ? target->code == at->code && target->k == at->k
                : at->code == (BPF_JMP | BPF_JA) && label - 1 - at->k == to)
            return label;
    }
    return 0;
}

// A branch reaches 255 instructions; what lies further gets a plain jump on the way, or is a return
// and written again, which takes one step less. The reach is one less than that, as the jump for
// the branch's other side may still come in between.
static bpf_label put_near(struct bpf_writer *writer, bpf_label to)
{
    if (writer->used - to < UINT8_MAX || writer->used > writer->max)
        return writer->used - to < UINT8_MAX ? to : put_jump(writer, to);
    bpf_label twin = find_twin(writer, to);
    if (twin != 0)
        return twin;
    const struct sock_filter *target = writer->out + writer->max - to;
    return target->code == (BPF_RET | BPF_K) ? bpf_return(writer, target->k) : put_jump(writer, to);
}

bpf_label bpf_return(struct bpf_writer *writer, uint32_t action)
{
    return put_plain(writer, BPF_RET | BPF_K, action);
}

bpf_label bpf_load(struct bpf_writer *writer, size_t offset, bpf_label next)
{
    if (next != writer->used)
        put_jump(writer, next);
    return put_plain(writer, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

bpf_label bpf_and(struct bpf_writer *writer, uint32_t mask, bpf_label next)
{
    if (next != writer->used)
        put_jump(writer, next);
    return put_plain(writer, BPF_ALU | BPF_AND | BPF_K, mask);
}

bpf_label bpf_branch(struct bpf_writer *writer, uint16_t test, uint32_t value, bpf_label yes,
                     bpf_label no)
{
    yes = put_near(writer, yes);
    no = put_near(writer, no);
    return put(writer, BPF_JMP | BPF_K | test, value, yes, no);
}

// LOW takes in the range that follows it.
static void join(struct bpf_writer *writer, struct bpf_range *low, size_t following)
{
    struct bpf_range *high = low + 1;
    low->to = bpf_branch(writer, BPF_JGE, high->from, high->to, low->to);
    low->weight += high->weight + 1;
    memmove(high, high + 1, (following - 1) * sizeof(*high));
}

// From the leaves up, as Huffman does, but neighbours only: those are joined that weigh less together than
// either does with its other neighbour. Where all weigh the same the tree is balanced.
bpf_label bpf_search(struct bpf_writer *writer, struct bpf_range *ranges, size_t count)
{
    // Up to I each range weighs more than the one after the next, so none of their joins is due.
    for (size_t i = 2; count > 1;) {
        bool is_due = i >= count || ranges[i - 2].weight <= ranges[i].weight;
        if (!is_due) {
            i++;
            continue;
        }
        size_t low = (i < count ? i : count) - 2;
        join(writer, &ranges[low], count - low - 1);
        count--;
        i = low < 2 ? 2 : low;
    }
    return ranges[0].to;
}

void bpf_take_back(struct bpf_writer *writer, bpf_label label)
{
    writer->used = label;
}

int bpf_finish(struct bpf_writer *writer)
{
    if (writer->used > writer->max || writer->used > BPF_MAXINSNS)
        return -E2BIG;
    memmove(writer->out, writer->out + (writer->max - writer->used),
            writer->used * sizeof(*writer->out));
    return (int)writer->used;
}
