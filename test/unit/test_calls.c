// SPDX-License-Identifier: MIT
#include "seccomp/calls.h"

#include <asm/unistd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/support.h"

// The header's number as text, or the macro's own name where it has none.
#define TEXT_OF(word) #word
#define TEXT(word)    TEXT_OF(word)

static const struct {
    const char *name, *header;
    int own, compat;
    int number[CALLS_ARCHES];
} calls[] = {
#define CALL(name, ...) {#name, TEXT(__NR_##name), NR_##name, NR32_##name, {__VA_ARGS__}},
#include "seccomp/calls_table.h"
#undef CALL
};
enum { CALLS = sizeof(calls) / sizeof(*calls) };

static const uint32_t library[CALLS_ARCHES] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64,
                                               SCMP_ARCH_ARM};

static int find(int arch, const char *name)
{
    return calls_find((enum calls_arch)arch, name, strlen(name));
}

static void every_row_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        assert_true(i == 0 || strcmp(calls[i - 1].name, calls[i].name) < 0);
        assert_int_equal(calls[i].own, calls[i].number[CALLS_OWN]);
        assert_int_equal(calls[i].compat, calls[i].number[CALLS_COMPAT]);
        for (int arch = 0; arch < CALLS_ARCHES; arch++) {
            int number = calls[i].number[arch];
            assert_int_equal(find(arch, calls[i].name), number);
            if (number >= 0)
                assert_int_equal(find(arch, calls_name((enum calls_arch)arch, number)), number);
        }
    }
}

static void nothing_else_is_found(void **state)
{
    static const char *const bad[] = {"",      "rea", "readd", "Read",      " read",
                                      "read ", "~",   "zzz",   "__NR_read", "_"};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(find(CALLS_OWN, bad[i]), -1);
    assert_int_equal(calls_find(CALLS_X86_64, "read\0x", 6), -1);
    assert_int_equal(calls_find(CALLS_X86_64, "readv", 4), 0);
    assert_null(calls_name(CALLS_X86_64, -1));
    assert_null(calls_name(CALLS_X86_64, 400));
    assert_null(calls_name(CALLS_X86_64, INT32_MAX));
    for (int arch = 0; arch < CALLS_ARCHES; arch++)
        assert_null(calls_name((enum calls_arch)arch, (int)calls_newest((enum calls_arch)arch) + 1));
}

static void the_newest_is_that_of_6_18(void **state)
{
    (void)state;
    for (int arch = 0; arch < CALLS_ARCHES; arch++) {
        assert_int_equal(calls_newest((enum calls_arch)arch), 469);
        assert_string_equal(calls_name((enum calls_arch)arch, 469), "file_setattr");
    }
}

// From 5.1 on a number is the same call in every table.
static void new_calls_have_one_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        int number = calls[i].number[CALLS_X86_64];
        for (int arch = 1; number >= 424 && arch < CALLS_ARCHES; arch++)
            assert_true(calls[i].number[arch] == number || strcmp(calls[i].name, "memfd_secret") == 0);
    }
}

static void the_headers_agree(void **state)
{
    int known = 0;
    (void)state;

    for (size_t i = 0; i < CALLS; i++) {
        if (calls[i].header[0] == '_')
            continue;
        known++;
        if (calls[i].own != atoi(calls[i].header))
            fail_msg("%s: %d here, %s in the header", calls[i].name, calls[i].own, calls[i].header);
    }
    print_message("%d numbers are those of the kernel's headers\n", known);
}

// In both directions. Names that a table has not got are answered with negative numbers of the library's
// own.
static void libseccomp_agrees(void **state)
{
    int known = 0, named = 0;
    (void)state;

    for (size_t i = 0; i < CALLS; i++) {
        for (int arch = 0; arch < CALLS_ARCHES; arch++) {
            int theirs = seccomp_syscall_resolve_name_arch(library[arch], calls[i].name);
            if (theirs < 0)
                continue;
            known++;
            if (theirs != calls[i].number[arch])
                fail_msg("%s: %d here, %d there", calls[i].name, calls[i].number[arch], theirs);
        }
    }
    for (int arch = 0; arch < CALLS_ARCHES; arch++) {
        for (int number = 0; number < 1024; number++) {
            char *name = seccomp_syscall_resolve_num_arch(library[arch], number);
            if (name != NULL && find(arch, name) != number)
                fail_msg("%s: %d there, %d here", name, number, find(arch, name));
            named += name != NULL;
            free(name);
        }
    }
    print_message("%d numbers are libseccomp's, and %d of its names are known\n", known, named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found),         cmocka_unit_test(nothing_else_is_found),
        cmocka_unit_test(the_newest_is_that_of_6_18), cmocka_unit_test(new_calls_have_one_number),
        cmocka_unit_test(the_headers_agree),          cmocka_unit_test(libseccomp_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
