// SPDX-License-Identifier: MIT
//
// Runs a classic BPF program as seccomp(2) does, and fails the test where the kernel would refuse
// to load it: unknown instructions, jumps and loads out of range, a way that runs off the end.
#ifndef TEST_UNIT_RUN_BPF_H
#define TEST_UNIT_RUN_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// Returns the program's answer; *STEPS, unless NULL, is the number of instructions it took.
static inline uint32_t run_bpf(const struct sock_filter *program, int count,
                               const struct seccomp_data *data, int *steps)
{
    uint32_t loaded = 0;
    int at = 0;

    for (int taken = 1;; taken++) {
        assert_in_range(at, 0, count - 1);
        const struct sock_filter *now = &program[at++];
        switch (now->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_int_equal(now->k % 4, 0);
            assert_in_range(now->k, 0, sizeof(*data) - 4);
            memcpy(&loaded, (const char *)data + now->k, sizeof(loaded));
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            loaded &= now->k;
            break;
        case BPF_JMP | BPF_JA:
            assert_in_range(now->k, 0, count);
            at += (int)now->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += loaded == now->k ? now->jt : now->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += loaded >= now->k ? now->jt : now->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            at += loaded > now->k ? now->jt : now->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            at += (loaded & now->k) != 0 ? now->jt : now->jf;
            break;
        case BPF_RET | BPF_K:
            if (steps != NULL)
                *steps = taken;
            return now->k;
        default:
            fail_msg("unknown instruction 0x%x", now->code);
        }
    }
}

#endif
