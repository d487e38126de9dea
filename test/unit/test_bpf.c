// SPDX-License-Identifier: MIT
#include "seccomp/bpf.h"

#include <errno.h>
#include <stdlib.h>

#include "test/unit/run_bpf.h"

enum { ROOM = BPF_MAXINSNS };

// What range I of a test leads to, and where it starts: the gaps are of 1, 2 and 3 numbers.
static uint32_t answer(size_t i)
{
    return SECCOMP_RET_ERRNO | (uint32_t)(i + 1);
}

static uint32_t start(size_t i)
{
    return (uint32_t)(2 * i + (i % 3 == 1 ? 1 : 0));
}

// A search through COUNT ranges, each with an end of its own; one of 7 weighs WEIGHT more than the others.
static int put_ranges(struct sock_filter *out, size_t max, size_t count, uint32_t weight)
{
    struct bpf_writer writer = {.out = out, .max = max};
    struct bpf_range *ranges = calloc(count, sizeof(*ranges));

    assert_non_null(ranges);
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct bpf_range){start(i), i % 7 == 3 ? weight : 0, bpf_return(&writer, answer(i))};
    bpf_label found = bpf_search(&writer, ranges, count);
    bpf_load(&writer, offsetof(struct seccomp_data, nr), found);
    free(ranges);
    return bpf_finish(&writer);
}

static uint32_t run_number(const struct sock_filter *program, int count, uint32_t number,
                           int *steps)
{
    const struct seccomp_data data = {.nr = (int)number};
    return run_bpf(program, count, &data, steps);
}

// From 1 range to more than a branch reaches over.
static void a_search_finds_every_range(void **state)
{
    static struct sock_filter program[ROOM];
    (void)state;

    for (size_t count = 1; count <= 700; count += count < 40 ? 1 : 66) {
        int length = put_ranges(program, ROOM, count, (uint32_t)count % 5 * 20);
        assert_true(length > 0);
        for (size_t i = 0; i < count; i++) {
            uint32_t end = i + 1 < count ? start(i + 1) : start(i) + 5;
            for (uint32_t number = start(i); number < end; number++)
                assert_int_equal(run_number(program, length, number, NULL), answer(i));
        }
        assert_int_equal(run_number(program, length, UINT32_MAX, NULL), answer(count - 1));
    }
}

static void a_search_is_balanced(void **state)
{
    static struct sock_filter program[ROOM];
    int depth = 0;
    (void)state;

    for (size_t count = 1; count <= 64; count++) {
        if ((1U << depth) < count)
            depth++;
        int length = put_ranges(program, ROOM, count, 0);
        // The load, all the returns, and a branch less than there are ranges; near enough for no
        // jumps.
        assert_int_equal(length, count == 1 ? 2 : 2 * count);
        for (size_t i = 0; i < count; i++) {
            int steps;
            run_number(program, length, start(i), &steps);
            assert_in_range(steps, 2, depth + 2);
        }
    }
}

static void heavy_ranges_have_short_ways(void **state)
{
    static struct sock_filter program[ROOM];
    int light = 0, length = put_ranges(program, ROOM, 63, 1000);
    (void)state;

    assert_true(length > 0);
    for (size_t i = 0; i < 63; i++) {
        int steps;
        run_number(program, length, start(i), &steps);
        // Nine are heavy: four tests tell them apart, and two each from their neighbours.
        if (i % 7 == 3)
            assert_in_range(steps, 2, 2 + 4 + 2);
        else
            light = steps > light ? steps : light;
    }
    assert_in_range(light, 2 + 6, 2 + 4 + 2 + 4);
}

static void branches_test_as_named(void **state)
{
    static const struct {
        uint16_t test;
        uint32_t value, below, at, above;
    } rows[] = {
        {BPF_JEQ, 8, 0, 1, 0},  {BPF_JGE, 8, 0, 1, 1},          {BPF_JGT, 8, 0, 0, 1},
        {BPF_JSET, 8, 0, 1, 1}, {BPF_JGE, 0x80000000, 0, 1, 1}, // numbers are unsigned
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sock_filter program[8];
        struct bpf_writer writer = {.out = program, .max = 8};
        bpf_label no = bpf_return(&writer, 0);
        bpf_label yes = bpf_return(&writer, 1);
        bpf_label branch = bpf_branch(&writer, rows[i].test, rows[i].value, yes, no);
        bpf_load(&writer, offsetof(struct seccomp_data, nr), branch);
        int count = bpf_finish(&writer);
        assert_int_equal(count, 4);
        assert_int_equal(run_number(program, count, rows[i].value - 1, NULL), rows[i].below);
        assert_int_equal(run_number(program, count, rows[i].value, NULL), rows[i].at);
        assert_int_equal(run_number(program, count, rows[i].value + 1, NULL), rows[i].above);
    }
}

// Both sides of a branch, and what a load goes on with, at every distance round the 255 of a
// branch.
static void far_targets_are_reached(void **state)
{
    static struct sock_filter program[ROOM];
    (void)state;

    for (size_t between = 250; between < 260; between++) {
        struct bpf_writer writer = {.out = program, .max = ROOM};
        bpf_label no = bpf_return(&writer, 10);
        bpf_label yes = bpf_return(&writer, 11);
        for (size_t i = 0; i < between; i++)
            bpf_return(&writer, 99);
        bpf_label branch = bpf_branch(&writer, BPF_JEQ, 5, yes, no);
        bpf_return(&writer, 98);
        bpf_load(&writer, offsetof(struct seccomp_data, nr), branch);
        int count = bpf_finish(&writer);
        assert_true(count > 0);
        assert_int_equal(run_number(program, count, 5, NULL), 11);
        assert_int_equal(run_number(program, count, 6, NULL), 10);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    static struct sock_filter whole[ROOM];
    const size_t ranges = 150;
    int needed = put_ranges(whole, ROOM, ranges, 0);
    (void)state;

    assert_true(needed > 0);
    for (size_t max = 0; max < (size_t)needed + 2; max++) {
        // From the heap, so that the sanitizer sees a write beside it.
        struct sock_filter *out = malloc((max + 1) * sizeof(*out));
        assert_non_null(out);
        int count = put_ranges(out, max, ranges, 0);
        if (max < (size_t)needed) {
            assert_int_equal(count, -E2BIG);
        } else {
            assert_int_equal(count, needed);
            assert_memory_equal(out, whole, (size_t)needed * sizeof(*out));
        }
        free(out);
    }
}

static void more_than_the_kernel_takes_is_refused(void **state)
{
    static struct sock_filter program[2 * BPF_MAXINSNS];
    struct bpf_writer writer = {.out = program, .max = 2 * BPF_MAXINSNS};
    (void)state;

    for (int i = 0; i < BPF_MAXINSNS; i++)
        bpf_return(&writer, 0);
    assert_int_equal(bpf_finish(&writer), BPF_MAXINSNS);
    bpf_return(&writer, 0);
    assert_int_equal(bpf_finish(&writer), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_finds_every_range),
        cmocka_unit_test(a_search_is_balanced),
        cmocka_unit_test(heavy_ranges_have_short_ways),
        cmocka_unit_test(branches_test_as_named),
        cmocka_unit_test(far_targets_are_reached),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(more_than_the_kernel_takes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
