// SPDX-License-Identifier: MIT
// The first byte says which: any bytes as an OCI profile, whose program must mean what its rules
// say; or any bytes as a program, which must be safe to run where it is taken.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp/oci_profile.h"
#include "seccomp/raw.h"
#include "test/unit/naive.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

// Parts of profiles, which chance alone would not find.
static const char *const words[] = {
    "\"defaultAction\":",
    "\"syscalls\":[",
    "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\"},",
    "\"args\":[",
    "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},",
    "\"valueTwo\":255,",
    "\"SCMP_CMP_GE\"",
    "\"SCMP_CMP_GT\"",
    "\"SCMP_CMP_NE\"",
    "\"SCMP_CMP_LT\"",
    "\"SCMP_CMP_LE\"",
    "\"SCMP_CMP_MASKED_EQ\"",
    "\"SCMP_ACT_ALLOW\"",
    "\"SCMP_ACT_KILL_PROCESS\"",
    "\"SCMP_ACT_ERRNO\",\"errnoRet\":7",
    "\"defaultErrnoRet\":3,",
    "\"architectures\":[",
    "\"SCMP_ARCH_X86\"",
    "\"SCMP_ARCH_ARM\"",
    "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],",
    "\"clone\"",
    "\"clone3\",",
    "\"socketcall\",",
    "\"socket\",",
    "\"openat2\",",
    "18446744073709551615",
    "4294967296",
    "9223372036854775808",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    const char *word = words[seed / 4 % (sizeof(words) / sizeof(*words))];
    size_t n = strlen(word), at = size > 0 ? seed / 128 % size : 0;
    if (seed % 4 == 0 || size == 0 || data[0] % 2 != 0 || n > max_size - size)
        return LLVMFuzzerMutate(data, size, max_size);
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, word, n);
    return size + n;
}

// As the kernel runs it: what raw_check() promised is looked at in every step.
static uint32_t run(const struct sock_filter *code, size_t count, const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS];
    uint16_t stored = 0;
    for (size_t at = 0;;) {
        MUST(at < count);
        const struct sock_filter *i = &code[at++];
        uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;
        switch (BPF_CLASS(i->code)) {
        case BPF_RET:
            return BPF_RVAL(i->code) == BPF_A ? a : i->k;
        case BPF_LD:
        case BPF_LDX: {
            uint32_t value = BPF_MODE(i->code) == BPF_LEN ? sizeof(*data) : i->k;
            if (BPF_MODE(i->code) == BPF_ABS) {
                MUST(i->k % 4 == 0 && i->k < sizeof(*data));
                memcpy(&value, (const char *)data + i->k, sizeof(value));
            } else if (BPF_MODE(i->code) == BPF_MEM) {
                MUST(i->k < BPF_MEMWORDS && (stored & 1U << i->k) != 0);
                value = memory[i->k];
            }
            *(BPF_CLASS(i->code) == BPF_LD ? &a : &x) = value;
            break;
        }
        case BPF_ST:
        case BPF_STX:
            MUST(i->k < BPF_MEMWORDS);
            memory[i->k] = BPF_CLASS(i->code) == BPF_ST ? a : x;
            stored |= (uint16_t)(1U << i->k);
            break;
        case BPF_JMP: {
            bool yes = BPF_OP(i->code) == BPF_JEQ   ? a == operand
                       : BPF_OP(i->code) == BPF_JGE ? a >= operand
                       : BPF_OP(i->code) == BPF_JGT ? a > operand
                                                    : (a & operand) != 0;
            at += BPF_OP(i->code) == BPF_JA ? i->k : yes ? i->jt : i->jf;
            break;
        }
        case BPF_ALU:
            if (BPF_OP(i->code) == BPF_DIV && operand == 0) {
                MUST(BPF_SRC(i->code) == BPF_X);
                return 0; // the kernel's answer
            }
            MUST(BPF_SRC(i->code) == BPF_X ||
                 (BPF_OP(i->code) != BPF_LSH && BPF_OP(i->code) != BPF_RSH) || operand < 32);
            // What comes out doesn't matter, but for the one operation of ours.
            a = BPF_OP(i->code) == BPF_AND ? a & operand : a ^ operand;
            break;
        default:
            MUST(i->code == (BPF_MISC | BPF_TAX) || i->code == (BPF_MISC | BPF_TXA));
            *(i->code == (BPF_MISC | BPF_TAX) ? &x : &a) = i->code == (BPF_MISC | BPF_TAX) ? a : x;
        }
    }
}

// The values of a rule's conditions and their neighbours, at all arguments.
static void compare_near(const struct compile_profile *p, const struct sock_filter *code,
                         size_t count, uint32_t arch, const struct compile_rule *rule)
{
    for (int k = 0; k < 16; k++) {
        struct seccomp_data data = {.nr = (int)rule->number, .arch = arch};
        for (unsigned i = 0; i < rule->args; i++)
            data.args[rule->arg[i].index] = (k < 8 ? rule->arg[i].value : rule->arg[i].other) +
                                            (uint64_t)(k % 4) - 1 + (k % 8 > 3 ? 1ULL << 32 : 0);
        MUST(run(code, count, &data) == naive_answer(p, &data));
    }
}

static void check_profile(const char *text, size_t size)
{
    static struct sock_filter code[BPF_MAXINSNS];
    struct oci_profile p;
    size_t at;
    if (oci_profile_read(&p, text, size, "fuzz") < 0)
        return;
    int count = compile_filter(&p.to, code, BPF_MAXINSNS);
    if (count < 0)
        return;
    MUST(raw_check(code, (size_t)count, &at) == NULL);
    for (size_t t = 0; t < p.to.tables; t++) {
        const struct compile_table *table = &p.to.table[t];
        for (int number = -2; number < 560; number++) {
            const struct seccomp_data data = {
                .nr = number, .arch = table->arch, .args = {1, 2, 3, 4, 5, 6}};
            MUST(run(code, (size_t)count, &data) == naive_answer(&p.to, &data));
        }
        for (size_t i = 0; i < table->rules && i < 16; i++)
            compare_near(&p.to, code, (size_t)count, table->arch, &table->rule[i]);
    }
}

static void check_program(const uint8_t *bytes, size_t size)
{
    static struct sock_filter code[BPF_MAXINSNS];
    int count = raw_read(bytes, size, "fuzz", code);
    for (int number = 0; count > 0 && number < 64; number++) {
        const struct seccomp_data data = {
            .nr = number, .arch = (uint32_t)number, .args = {(uint64_t)number << 30}};
        run(code, (size_t)count, &data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        check_profile((const char *)data + 1, size - 1);
    else
        check_program(data + 1, size - 1);
    return 0;
}
