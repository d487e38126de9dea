// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "cmd/exec.h"
#include "test/unit/support.h"

enum { CHANGES = 5, WORDS = 6 };

static char *const caller[] = {"PATH=/bin", "A=1", "AB=2", "EMPTY=", "WITH=a=b", NULL};

// What becomes of it, change by change.
static const struct {
    const char *name;
    unsigned count;
    struct plan_env change[CHANGES];
    const char *want[WORDS + 1];
} rows[] = {
    {"clear", 1, {{ENV_CLEAR, NULL}}, {NULL}},
    {"set a new one",
     1,
     {{ENV_SET, "NEW=x"}},
     {"PATH=/bin", "A=1", "AB=2", "EMPTY=", "WITH=a=b", "NEW=x"}},
    {"set again", 1, {{ENV_SET, "A=9"}}, {"PATH=/bin", "AB=2", "EMPTY=", "WITH=a=b", "A=9"}},
    {"set to nothing", 1, {{ENV_SET, "A="}}, {"PATH=/bin", "AB=2", "EMPTY=", "WITH=a=b", "A="}},
    {"a value with =", 2, {{ENV_CLEAR, NULL}, {ENV_SET, "X=a=b=c"}}, {"X=a=b=c"}},
    {"the last one counts",
     4,
     {{ENV_CLEAR, NULL}, {ENV_SET, "X=1"}, {ENV_SET, "Y=2"}, {ENV_SET, "X=3"}},
     {"Y=2", "X=3"}},
    {"unset", 1, {{ENV_UNSET, "A"}}, {"PATH=/bin", "AB=2", "EMPTY=", "WITH=a=b"}},
    {"unset by the whole name only",
     3,
     {{ENV_UNSET, "AB"}, {ENV_UNSET, "PAT"}, {ENV_UNSET, "a"}},
     {"PATH=/bin", "A=1", "EMPTY=", "WITH=a=b"}},
    {"unset what is not there",
     1,
     {{ENV_UNSET, "NONE"}},
     {"PATH=/bin", "A=1", "AB=2", "EMPTY=", "WITH=a=b"}},
    {"set, then unset", 3, {{ENV_CLEAR, NULL}, {ENV_SET, "X=1"}, {ENV_UNSET, "X"}}, {NULL}},
    {"unset, then set", 3, {{ENV_CLEAR, NULL}, {ENV_UNSET, "X"}, {ENV_SET, "X=1"}}, {"X=1"}},
    {"keep past clear",
     4,
     {{ENV_CLEAR, NULL}, {ENV_KEEP, "A"}, {ENV_KEEP, "WITH"}, {ENV_KEEP, "EMPTY"}},
     {"A=1", "WITH=a=b", "EMPTY="}},
    {"keep what is not there", 2, {{ENV_CLEAR, NULL}, {ENV_KEEP, "NONE"}}, {NULL}},
    {"keep is the caller's value",
     3,
     {{ENV_CLEAR, NULL}, {ENV_SET, "A=9"}, {ENV_KEEP, "A"}},
     {"A=1"}},
    {"clear takes what was set before it",
     3,
     {{ENV_SET, "X=1"}, {ENV_CLEAR, NULL}, {ENV_SET, "Y=2"}},
     {"Y=2"}},
};

static char **change(const struct plan_env *changes, unsigned count, char **before)
{
    static struct plan p;
    char **result = NULL;
    p.env = (struct plan_env *)changes;
    p.env_count = count;
    assert_int_equal(exec_environment(&p, before, &result), 0);
    assert_non_null(result);
    return result;
}

static void changes_are_done_in_their_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char **got = change(rows[i].change, rows[i].count, (char **)caller);
        size_t at = 0;
        for (; rows[i].want[at] != NULL || got[at] != NULL; at++) {
            if (rows[i].want[at] == NULL || got[at] == NULL ||
                strcmp(rows[i].want[at], got[at]) != 0)
                fail_msg("%s: word %zu is %s, not %s", rows[i].name, at, got[at], rows[i].want[at]);
        }
        free(got);
    }
}

static void without_changes_it_is_the_callers(void **state)
{
    (void)state;
    assert_ptr_equal(change(NULL, 0, (char **)caller), caller);
}

static void the_callers_own_is_not_written_to(void **state)
{
    static const struct plan_env changes[] = {{ENV_UNSET, "A"}, {ENV_SET, "PATH=/x"}};
    char *before[] = {caller[0], caller[1], caller[2], NULL};
    char **got = change(changes, COUNT(changes), before);
    (void)state;

    for (size_t i = 0; i < COUNT(before) - 1; i++)
        assert_ptr_equal(before[i], caller[i]);
    assert_null(before[COUNT(before) - 1]);
    free(got);
}

// A caller can pass words that are no NAME=VALUE, and one name twice.
static void odd_words_stay_and_all_of_a_name_go(void **state)
{
    static const struct plan_env unset[] = {{ENV_UNSET, "A"}};
    char *before[] = {"A=1", "A", "", "=x", "A=2", "B=3", NULL};
    char **got = change(unset, 1, before);
    (void)state;

    assert_string_equal(got[0], "A");
    assert_string_equal(got[1], "");
    assert_string_equal(got[2], "=x");
    assert_string_equal(got[3], "B=3");
    assert_null(got[4]);
    free(got);
}

static void an_empty_environment_can_be_filled(void **state)
{
    static const struct plan_env changes[] = {{ENV_KEEP, "A"}, {ENV_SET, "X=1"}};
    char *before[] = {NULL};
    char **got = change(changes, COUNT(changes), before);
    (void)state;

    assert_string_equal(got[0], "X=1");
    assert_null(got[1]);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_done_in_their_order),
        cmocka_unit_test(without_changes_it_is_the_callers),
        cmocka_unit_test(the_callers_own_is_not_written_to),
        cmocka_unit_test(odd_words_stay_and_all_of_a_name_go),
        cmocka_unit_test(an_empty_environment_can_be_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
