// SPDX-License-Identifier: MIT
//
// Writes classic BPF for seccomp(2): Documentation/networking/filter.rst, linux/filter.h.
//
// A program is written from its last instruction to its first. Classic BPF jumps forward only, so
// every target is there before the jump to it, and nothing has to be patched.
#ifndef SECCOMP_BPF_H
#define SECCOMP_BPF_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_writer {
    struct sock_filter *out; // the caller's
    size_t max;              // room in OUT, in instructions
    size_t used;             // written so far, at the end of OUT; more than MAX if they did not fit
};

// An instruction, named by how many there are from it to the end of the program, itself included.
typedef size_t bpf_label;

// The numbers from FROM up to the next range's FROM go to TO.
struct bpf_range {
    uint32_t from;
    uint32_t weight; // how much more often it is looked up than one of 0
    bpf_label to;
};

// Each writes one or more instructions and returns the label of the one to start with. What does
// not fit is counted and left out: only bpf_finish() has to be asked.

// Ends the program with ACTION, a SECCOMP_RET_ value.
bpf_label bpf_return(struct bpf_writer *writer, uint32_t action);

// Loads the 32-bit word at OFFSET of struct seccomp_data and goes on at NEXT.
bpf_label bpf_load(struct bpf_writer *writer, size_t offset, bpf_label next);

// Takes all bits but those of MASK from the loaded word and goes on at NEXT.
bpf_label bpf_and(struct bpf_writer *writer, uint32_t mask, bpf_label next);

// Compares the loaded word with VALUE by TEST (BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET).
bpf_label bpf_branch(struct bpf_writer *writer, uint16_t test, uint32_t value, bpf_label yes,
                     bpf_label no);

// Looks the loaded word up in a search tree, in which the heavy ranges have the short ways. RANGES
// are COUNT > 0, ascending, and start at 0; they are used up. The result can be a label of RANGES:
// nothing is written for a single range.
bpf_label bpf_search(struct bpf_writer *writer, struct bpf_range *ranges, size_t count);

// Forgets what was written after LABEL, which nothing may lead to.
void bpf_take_back(struct bpf_writer *writer, bpf_label label);

// Moves the program to the start of OUT. Returns its number of instructions, or -E2BIG if it did
// not fit or the kernel would not take so many.
int bpf_finish(struct bpf_writer *writer);

#endif
