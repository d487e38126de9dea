// SPDX-License-Identifier: MIT
#include "seccomp/raw.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sys/err.h"
#include "test/unit/support.h"

#define RET                                                                                        \
    {                                                                                              \
        BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW                                                   \
    }

enum { LONGEST = 8 };

// What raw_check() says to programs, and of which instruction.
static const struct {
    const char *why; // NULL: the kernel takes it
    size_t at, count;
    struct sock_filter code[LONGEST];
} programs[] = {
    {NULL, 0, 1, {RET}},
    {NULL, 0, 1, {{BPF_RET | BPF_A, 0, 0, 0}}},
    {NULL, 0, 2, {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 60}, RET}},
    {NULL, 0, 3, {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_LDX | BPF_W | BPF_LEN, 0, 0, 0}, RET}},
    {NULL,
     0,
     4,
     {{BPF_LD | BPF_IMM, 0, 0, 7},
      {BPF_MISC | BPF_TAX, 0, 0, 0},
      {BPF_ALU | BPF_DIV | BPF_X, 0, 0, 0},
      RET}},
    {NULL,
     0,
     3,
     {{BPF_ALU | BPF_LSH | BPF_K, 0, 0, 31}, {BPF_ALU | BPF_DIV | BPF_K, 0, 0, 1}, RET}},
    {NULL, 0, 3, {{BPF_ST, 0, 0, 15}, {BPF_LDX | BPF_MEM, 0, 0, 15}, RET}},
    {NULL, 0, 3, {{BPF_JMP | BPF_JA, 0, 0, 1}, RET, RET}},
    {NULL, 0, 3, {{BPF_JMP | BPF_JEQ | BPF_X, 1, 0, 0}, RET, RET}},
    {NULL, 0, 2, {RET, RET}}, // code that isn't reached is fine
    // Both ways to the load pass a store, of the same word.
    {NULL,
     0,
     6,
     {{BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0},
      {BPF_ST, 0, 0, 3},
      {BPF_JMP | BPF_JA, 0, 0, 1},
      {BPF_STX, 0, 0, 3},
      {BPF_LD | BPF_MEM, 0, 0, 3},
      RET}},

    {"not an instruction", 0, 2, {{BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3}, RET}},
    {"not an instruction", 0, 2, {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, RET}},
    {"not an instruction", 0, 2, {{BPF_LD | BPF_W | BPF_IND, 0, 0, 0}, RET}},
    {"not an instruction", 0, 2, {{BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0}, RET}},
    {"not an instruction", 1, 2, {RET, {0xffff, 0, 0, 0}}},
    {"not an instruction", 1, 3, {RET, {BPF_RET | BPF_K | 0x100, 0, 0, 0}, RET}},
    {"no word of struct", 0, 2, {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}, RET}},
    {"no word of struct", 0, 2, {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}, RET}},
    {"no word of struct", 0, 2, {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0xfffff000}, RET}},
    {"a shift", 0, 2, {{BPF_ALU | BPF_RSH | BPF_K, 0, 0, 32}, RET}},
    {"a division", 0, 2, {{BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, RET}},
    {"no such word", 0, 2, {{BPF_ST, 0, 0, 16}, RET}},
    {"no such word", 1, 3, {RET, {BPF_LD | BPF_MEM, 0, 0, 0xffffffff}, RET}},
    {"need not have been stored", 0, 2, {{BPF_LD | BPF_MEM, 0, 0, 0}, RET}},
    {"need not have been stored",
     2,
     4,
     {{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, {BPF_ST, 0, 0, 3}, {BPF_LD | BPF_MEM, 0, 0, 3}, RET}},
    {"need not have been stored", 1, 3, {{BPF_ST, 0, 0, 3}, {BPF_LD | BPF_MEM, 0, 0, 2}, RET}},
    {"a jump out", 0, 2, {{BPF_JMP | BPF_JA, 0, 0, 1}, RET}},
    {"a jump out", 0, 2, {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, RET}},
    {"a jump out", 0, 2, {{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0}, RET}},
    {"a jump out", 0, 2, {{BPF_JMP | BPF_JGT | BPF_X, 255, 0, 0}, RET}},
    {"a jump out", 1, 2, {RET, {BPF_JMP | BPF_JA, 0, 0, 0}}},
    {"no return", 1, 2, {RET, {BPF_LD | BPF_IMM, 0, 0, 0}}},
};

// The kernel's own word, from a child that it holds nothing against.
static bool kernel_takes(const struct sock_filter *code, size_t count)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            abort();
        // The program decides on _exit: what ends in another way than by this status was loaded.
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
            _exit(77);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 77;
}

static void each_rule_is_the_kernels(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++) {
        size_t at;
        const char *why = raw_check(programs[i].code, programs[i].count, &at);
        if (programs[i].why == NULL) {
            assert_null(why);
        } else {
            assert_non_null(why);
            assert_non_null(strstr(why, programs[i].why));
            assert_int_equal(at, programs[i].at);
        }
        assert_int_equal(kernel_takes(programs[i].code, programs[i].count), why == NULL);
    }
}

// Every code there is in front of a return, with operands that no rule forbids but the code's own.
static void each_code_is_the_kernels(void **state)
{
    unsigned taken = 0;
    (void)state;
    for (unsigned code = 0; code < 512; code++) {
        const struct sock_filter program[] = {{BPF_ST, 0, 0, 4}, {(uint16_t)code, 0, 0, 4}, RET};
        size_t at;
        bool ours = raw_check(program, COUNT(program), &at) == NULL;
        assert_int_equal(kernel_takes(program, COUNT(program)), ours);
        taken += ours;
    }
    printf("%u codes\n", taken);
}

static uint64_t chance = 0x9e3779b97f4a7c15;

static uint32_t below(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 24) % n;
}

// Mostly instructions that can be right, with operands near their limits. The first returns: the
// kernel checks what follows all the same, and nobody dies of it.
static size_t make_program(struct sock_filter *code)
{
    size_t count = 2 + below(9), at;
    code[0] = (struct sock_filter)RET;
    for (size_t i = 1; i < count; i++) {
        struct sock_filter *to = &code[i];
        do {
            *to = (struct sock_filter){(uint16_t)below(256), (uint8_t)below(3), (uint8_t)below(3),
                                       below(4)};
        } while (below(16) != 0 && raw_check(to, 1, &at) != NULL &&
                 strstr(raw_check(to, 1, &at), "not an instruction") != NULL);
        if (below(4) == 0)
            to->k = below(2) == 0 ? 4 * below(18) : 0xffffffff - below(2);
    }
    if (below(8) != 0)
        code[count - 1] = (struct sock_filter)RET;
    return count;
}

// A filter stays: a child takes some, and says of how many its kernel thought as we do.
static void random_programs_are_judged_as_by_the_kernel(void **state)
{
    enum { CHILDREN = 40, EACH = 100 };
    int taken = 0;
    (void)state;
    for (int child = 0; child < CHILDREN; child++) {
        int status, ends[2], answer[2] = {0, 0}; // of the same opinion; taken
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            chance += (uint64_t)child << 32;
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                abort();
            for (int i = 0; i < EACH; i++) {
                struct sock_filter code[10];
                size_t count = make_program(code), at;
                struct sock_fprog program = {(unsigned short)count, code};
                bool ours = raw_check(code, count, &at) == NULL;
                answer[0] +=
                    ours == (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
                answer[1] += ours;
            }
            _exit(write(ends[1], answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(read(ends[0], answer, sizeof(answer)), sizeof(answer));
        assert_int_equal(answer[0], EACH);
        taken += answer[1];
        close(ends[0]);
        close(ends[1]);
    }
    printf("%d programs, %d of them taken\n", CHILDREN * EACH, taken);
    assert_in_range(taken, CHILDREN * EACH / 20, CHILDREN * EACH * 19 / 20);
}

static void lengths_are_checked(void **state)
{
    static struct sock_filter program[BPF_MAXINSNS + 1], out[BPF_MAXINSNS];
    static const struct {
        size_t size;
        int want;
    } rows[] = {
        {0, -EINVAL},
        {1, -EINVAL},
        {7, -EINVAL},
        {9, -EINVAL},
        {8, 1},
        {16, 2},
        {8 * BPF_MAXINSNS, BPF_MAXINSNS},
        {8 * BPF_MAXINSNS + 8, -E2BIG},
        {8 * BPF_MAXINSNS + 1, -E2BIG},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(program); i++)
        program[i] = (struct sock_filter)RET;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(raw_read(program, rows[i].size, "program", out), rows[i].want);
        assert_true(rows[i].want < 0 || memcmp(out, program, rows[i].size) == 0);
        err_forget();
    }
    assert_true(kernel_takes(program, BPF_MAXINSNS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_is_the_kernels),
        cmocka_unit_test(each_code_is_the_kernels),
        cmocka_unit_test(random_programs_are_judged_as_by_the_kernel),
        cmocka_unit_test(lengths_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
