// SPDX-License-Identifier: MIT
#include "seccomp/raw.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "sys/err.h"
#include "sys/text.h"

// What an instruction's k is, and so what it must be.
enum kind { UNKNOWN, PLAIN, DATA, SHIFT, DIVISOR, STORE, FETCH, JUMP, BRANCH, END };

// Of the instructions of classic BPF those that seccomp has: no packets, no MOD.
static const uint8_t kinds[256] = {
    [BPF_LD | BPF_W | BPF_ABS] = DATA,
    [BPF_LD | BPF_W | BPF_LEN] = PLAIN,
    [BPF_LDX | BPF_W | BPF_LEN] = PLAIN,
    [BPF_LD | BPF_IMM] = PLAIN,
    [BPF_LDX | BPF_IMM] = PLAIN,
    [BPF_MISC | BPF_TAX] = PLAIN,
    [BPF_MISC | BPF_TXA] = PLAIN,
    [BPF_LD | BPF_MEM] = FETCH,
    [BPF_LDX | BPF_MEM] = FETCH,
    [BPF_ST] = STORE,
    [BPF_STX] = STORE,
    [BPF_RET | BPF_K] = END,
    [BPF_RET | BPF_A] = END,
    [BPF_ALU | BPF_ADD] = PLAIN, // with BPF_K, which is 0 too
    [BPF_ALU | BPF_ADD | BPF_X] = PLAIN,
    [BPF_ALU | BPF_SUB | BPF_K] = PLAIN,
    [BPF_ALU | BPF_SUB | BPF_X] = PLAIN,
    [BPF_ALU | BPF_MUL | BPF_K] = PLAIN,
    [BPF_ALU | BPF_MUL | BPF_X] = PLAIN,
    [BPF_ALU | BPF_DIV | BPF_K] = DIVISOR,
    [BPF_ALU | BPF_DIV | BPF_X] = PLAIN,
    [BPF_ALU | BPF_AND | BPF_K] = PLAIN,
    [BPF_ALU | BPF_AND | BPF_X] = PLAIN,
    [BPF_ALU | BPF_OR | BPF_K] = PLAIN,
    [BPF_ALU | BPF_OR | BPF_X] = PLAIN,
    [BPF_ALU | BPF_XOR | BPF_K] = PLAIN,
    [BPF_ALU | BPF_XOR | BPF_X] = PLAIN,
    [BPF_ALU | BPF_LSH | BPF_K] = SHIFT,
    [BPF_ALU | BPF_LSH | BPF_X] = PLAIN,
    [BPF_ALU | BPF_RSH | BPF_K] = SHIFT,
    [BPF_ALU | BPF_RSH | BPF_X] = PLAIN,
    [BPF_ALU | BPF_NEG] = PLAIN,
    [BPF_JMP | BPF_JA] = JUMP,
    [BPF_JMP | BPF_JEQ | BPF_K] = BRANCH,
    [BPF_JMP | BPF_JEQ | BPF_X] = BRANCH,
    [BPF_JMP | BPF_JGE | BPF_K] = BRANCH,
    [BPF_JMP | BPF_JGE | BPF_X] = BRANCH,
    [BPF_JMP | BPF_JGT | BPF_K] = BRANCH,
    [BPF_JMP | BPF_JGT | BPF_X] = BRANCH,
    [BPF_JMP | BPF_JSET | BPF_K] = BRANCH,
    [BPF_JMP | BPF_JSET | BPF_X] = BRANCH,
};

static enum kind kind_of(const struct sock_filter *i)
{
    return i->code < sizeof(kinds) ? (enum kind)kinds[i->code] : UNKNOWN;
}

// REST instructions follow.
static const char *check_one(const struct sock_filter *i, size_t rest)
{
    switch (kind_of(i)) {
    case UNKNOWN:
        return "not an instruction of seccomp filters";
    case DATA:
        return i->k % 4 == 0 && i->k < sizeof(struct seccomp_data)
                   ? NULL
                   : "no word of struct seccomp_data";
    case SHIFT:
        return i->k < 32 ? NULL : "a shift of 32 bits or more";
    case DIVISOR:
        return i->k != 0 ? NULL : "a division by zero";
    case STORE:
    case FETCH:
        return i->k < BPF_MEMWORDS ? NULL : "no such word of memory";
    case JUMP:
        return i->k < rest ? NULL : "a jump out of the program";
    case BRANCH:
        return i->jt < rest && i->jf < rest ? NULL : "a jump out of the program";
    default:
        return NULL;
    }
}

// Each word of memory that is fetched must have been stored on every way there. The words that are,
// as bits.
static const char *check_memory(const struct sock_filter *code, size_t count, size_t *at)
{
    static uint16_t stored[BPF_MAXINSNS];
    uint16_t now = 0; // at this instruction, from the one before it
    memset(stored, 0xff, count * sizeof(*stored));
    for (size_t i = 0; i < count; i++) {
        now &= stored[i];
        switch (kind_of(&code[i])) {
        case STORE:
            now |= (uint16_t)(1U << code[i].k);
            break;
        case FETCH:
            *at = i;
            if ((now & 1U << code[i].k) == 0)
                return "a word of memory that need not have been stored";
            break;
        case JUMP:
            stored[i + 1 + code[i].k] &= now;
            now = UINT16_MAX; // nobody comes from here to the next one
            break;
        case BRANCH:
            stored[i + 1 + code[i].jt] &= now;
            stored[i + 1 + code[i].jf] &= now;
            now = UINT16_MAX;
            break;
        default:
            break;
        }
    }
    return NULL;
}

const char *raw_check(const struct sock_filter *code, size_t count, size_t *at)
{
    *at = 0;
    if (count == 0 || count > BPF_MAXINSNS)
        return "not 1 to 4096 instructions";
    for (size_t i = 0; i < count; i++) {
        *at = i;
        const char *no = check_one(&code[i], count - i - 1);
        if (no != NULL)
            return no;
    }
    if (kind_of(&code[count - 1]) != END)
        return "the last instruction is no return";
    return check_memory(code, count, at);
}

int raw_read(const void *bytes, size_t size, const char *source, struct sock_filter *out)
{
    static char reason[128];
    struct text t = {.data = reason, .size = sizeof(reason)};
    size_t count = size / sizeof(*out), at;
    if (count == 0 || size > BPF_MAXINSNS * sizeof(*out))
        return err_because("seccomp", source, size < sizeof(*out) ? EINVAL : E2BIG,
                           "the program has not 1 to 4096 instructions of 8 bytes");
    if (size % sizeof(*out) != 0)
        return err_because("seccomp", source, EINVAL,
                           "the length of the program is not a multiple of 8");
    memcpy(out, bytes, size);
    const char *no = raw_check(out, count, &at);
    if (no == NULL)
        return (int)count;
    text_add(&t, "instruction ");
    text_number(&t, at);
    text_add(&t, " of the program: ");
    text_add(&t, no);
    text_end(&t);
    return err_because("seccomp", source, EINVAL, reason);
}
