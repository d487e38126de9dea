// SPDX-License-Identifier: MIT
#include "archive/glob.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "archive/attributes.h"
#include "test/unit/support.h"

static const struct {
    const char *pattern, *text;
    bool matches;
} rows[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"a", "a", true},
    {"a", "b", false},
    {"a", "ab", false},
    {"ab", "a", false},
    {"a/b", "a/b", true},
    // ?
    {"?", "a", true},
    {"?", "\xff", true},
    {"?", "", false},
    {"?", "/", false},
    {"a?c", "abc", true},
    {"a?c", "a/c", false},
    {"??", "ab", true},
    {"??", "a", false},
    // *
    {"*", "", true},
    {"*", "abc", true},
    {"*", "a/b", false},
    {"*", "/", false},
    {"a*", "a", true},
    {"a*", "abc", true},
    {"a*", "ab/c", false},
    {"*a", "bba", true},
    {"*a", "ab", false},
    {"*a*", "xax", true},
    {"a*c", "abcbc", true},
    {"a*b*c", "aXbYbZc", true},
    {"a*b*c", "acb", false},
    {"*/b", "a/b", true},
    {"*/b", "a/c/b", false},
    {"*/*", "a/b", true},
    {"*/*", "a", false},
    {"*/*", "a/b/c", false},
    {"*.tar", ".tar", true}, // a dot at the beginning is nothing special
    // **
    {"**", "", true},
    {"**", "a/b/c", true},
    {"**", "/", true},
    {"a/**", "a/", true},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"**/c", "a/b/c", true},
    {"**/c", "c", false},
    {"**c", "a/b/c", true},
    {"a**c", "a/b/c", true},
    {"a**/c", "a/b/x", false},
    {"**/*.o", "a/b/c.o", true},
    {"**/*.o", "a/b.o/c", false},
    {"**/x/*", "a/x/b/x/c", true},
    {"**/x/*y", "a/x/b/x/cy", true},
    {"***", "a/b", true},
    {"****", "a/b", true},
    {"*a**b", "xa/yb", true},
    {"*a**b", "x/ab", false},
    {"**a*b", "x/a/ab", true},
    {"**a*b", "x/a/b", false},
    // [...]
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[a-c]", "b", true},
    {"[a-c]", "d", false},
    {"[c-a]", "b", false},
    {"[!a]", "b", true},
    {"[!a]", "a", false},
    {"[^a]", "b", true},
    {"[!a]", "/", false},
    {"[/]", "/", false},
    {"[.-0]", "/", false},
    {"[]]", "]", true},
    {"[]a]", "a", true},
    {"[!]]", "a", true},
    {"[!]]", "]", false},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[a-]", "b", false},
    {"[\\]", "\\", true},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[?]", "a", false},
    {"[[]", "[", true},
    {"[\x80-\xff]", "\xc3", true},
    {"[\x80-\xff]", "a", false},
    {"x[ab]y", "xby", true},
    {"[ab]*", "bcd", true},
    {"*[ab]", "xxb", true},
    {"[a", "[a", true}, // not closed: itself
    {"[a", "a", false},
    {"[", "[", true},
    {"[!", "[!", true},
    {"[]", "[]", true},
    {"*[", "a[", true},
    // backslashes
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\?", "?", true},
    {"\\[a]", "[a]", true},
    {"\\a", "a", true},
    {"\\\\", "\\", true},
    {"\\", "\\", true},
    {"a\\", "a\\", true},
    {"*\\*", "ab*", true},
};

static void patterns_match_as_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (glob_matches(rows[i].pattern, rows[i].text, false) != rows[i].matches)
            fail_msg("\"%s\" and \"%s\"", rows[i].pattern, rows[i].text);
    }
}

// The whole of the text, or one of the directories above it.
static void what_is_above_can_match(void **state)
{
    (void)state;
    assert_true(glob_matches("a", "a/b/c", true));
    assert_true(glob_matches("a/b", "a/b/c", true));
    assert_true(glob_matches("a/*", "a/b/c", true));
    assert_true(glob_matches("*b", "ab/c", true));
    assert_true(glob_matches("**b", "x/ab/c", true));
    assert_true(glob_matches("", "/a", true));
    assert_false(glob_matches("a", "ab/c", true));
    assert_false(glob_matches("b", "a/b", true));
    assert_false(glob_matches("a/b/c/d", "a/b/c", true));
    assert_false(glob_matches("a", "a/b/c", false));
    for (size_t i = 0; i < COUNT(rows); i++) {
        // As each of the texts that end at a slash.
        bool matches = false;
        for (const char *end = rows[i].text;; end++) {
            char *text = test_malloc((size_t)(end - rows[i].text) + 1); // a byte too many stops the test
            memcpy(text, rows[i].text, (size_t)(end - rows[i].text));
            text[end - rows[i].text] = '\0';
            if (*end == '/' || *end == '\0')
                matches |= glob_matches(rows[i].pattern, text, false);
            test_free(text);
            if (*end == '\0')
                break;
        }
        if (glob_matches(rows[i].pattern, rows[i].text, true) != matches)
            fail_msg("\"%s\" above \"%s\"", rows[i].pattern, rows[i].text);
    }
}

// Said once more by recursion, slow and plain.
static bool slowly(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern != '*')
        return *text != '\0' && (*pattern == *text || (*pattern == '?' && *text != '/')) &&
               slowly(pattern + 1, text + 1);
    bool any = pattern[1] == '*';
    for (;; text++) {
        if (slowly(pattern + (any ? 2 : 1), text))
            return true;
        if (*text == '\0' || (!any && *text == '/'))
            return false;
    }
}

// The `n`th text of these characters, all of up to `max` before any longer one.
static bool nth_text(unsigned n, const char *characters, unsigned max, char *text)
{
    unsigned length = 0, base = (unsigned)strlen(characters);
    for (; n > 0; n = (n - 1) / base) {
        if (length == max)
            return false;
        text[length++] = characters[(n - 1) % base];
    }
    text[length] = '\0';
    return true;
}

static void all_short_stars(void **state)
{
    char pattern[8], text[8];
    unsigned compared = 0;
    (void)state;
    for (unsigned i = 0; nth_text(i, "a/?*", 6, pattern); i++) {
        for (unsigned j = 0; nth_text(j, "a/b", 4, text); j++, compared++) {
            if (glob_matches(pattern, text, false) != slowly(pattern, text))
                fail_msg("\"%s\" and \"%s\"", pattern, text);
        }
    }
    assert_true(compared > 600000);
}

// What else there is, as fnmatch(3) says it; it has no `**`.
static void fnmatch_says_the_same(void **state)
{
    static const char in_pattern[] = "ab/?*[]!-\\", in_text[] = "ab/]-";
    unsigned compared = 0;
    (void)state;
    srandom(1);
    for (int i = 0; i < 400000; i++) {
        char pattern[8], text[6];
        size_t n = (size_t)random() % sizeof(pattern), m = (size_t)random() % sizeof(text);
        for (size_t at = 0; at < n; at++)
            pattern[at] = in_pattern[(size_t)random() % (sizeof(in_pattern) - 1)];
        for (size_t at = 0; at < m; at++)
            text[at] = in_text[(size_t)random() % (sizeof(in_text) - 1)];
        pattern[n] = text[m] = '\0';
        // What fnmatch(3) has besides, or says otherwise: backslashes and slashes within brackets, a last
        // backslash.
        const char *bracket = strchr(pattern, '[');
        bool odd = bracket != NULL && (strpbrk(bracket, "\\/") != NULL || strchr(bracket + 1, '[') != NULL ||
                                       strchr(bracket, ']') == NULL);
        static const char *const odder[] = {"**", "[]", "[!]",
                                            "\\/"}; // of the last glibc does not think after a star
        for (size_t at = 0; at < COUNT(odder); at++)
            odd |= strstr(pattern, odder[at]) != NULL;
        if (odd || (n > 0 && pattern[n - 1] == '\\'))
            continue;
        compared++;
        if (glob_matches(pattern, text, false) != (fnmatch(pattern, text, FNM_PATHNAME) == 0))
            fail_msg("\"%s\" and \"%s\"", pattern, text);
    }
    assert_true(compared > 100000);
}

// Many stars, and a text that all but matches: the time must not multiply.
static void stars_do_not_explode(void **state)
{
    static char pattern[2048], text[4096];
    (void)state;
    for (size_t i = 0; i + 3 < sizeof(pattern); i += 2)
        memcpy(pattern + i, "*a", 3);
    memset(text, 'a', sizeof(text) - 1);
    assert_true(glob_matches(pattern, text, false));
    strcat(pattern, "b");
    assert_false(glob_matches(pattern, text, false));
    for (size_t i = 0; i + 4 < sizeof(pattern); i += 3)
        memcpy(pattern + i, "**a", 4);
    assert_true(glob_matches(pattern, text, false));
    strcat(pattern, "b");
    assert_false(glob_matches(pattern, text, false));
}

static int add(struct globs *globs, const char *pattern)
{
    return globs_add(globs, pattern, strlen(pattern));
}

static void drop(struct globs *globs)
{
    for (unsigned i = 0; i < globs->count; i++)
        free(globs->pattern[i]);
    free(globs->pattern);
}

static void a_directory_takes_what_is_in_it(void **state)
{
    struct globs globs = {0};
    (void)state;
    assert_false(globs_match_path(&globs, "a"));
    assert_int_equal(globs_add(&globs, "usr/shares", 9), 0);
    assert_int_equal(add(&globs, "*.o"), 0);
    assert_true(globs_match_path(&globs, "usr/share"));
    assert_true(globs_match_path(&globs, "usr/share/doc/x"));
    assert_false(globs_match_path(&globs, "usr/shared"));
    assert_false(globs_match_path(&globs, "usr"));
    assert_false(globs_match_path(&globs, "x/usr/share"));
    assert_true(globs_match_path(&globs, "a.o"));
    assert_true(globs_match_path(&globs, "a.o/b"));
    assert_false(globs_match_path(&globs, "b/a.o"));
    assert_false(globs_match_path(&globs, ""));
    assert_int_equal(add(&globs, ""), 0);
    assert_true(globs_match_path(&globs, "")); // ROOT itself
    drop(&globs);
}

static void there_is_room_for_4096(void **state)
{
    struct globs globs = {0};
    (void)state;
    for (int i = 0; i < GLOBS_MAX; i++)
        assert_int_equal(add(&globs, i == GLOBS_MAX - 1 ? "last" : "x"), 0);
    assert_int_equal(add(&globs, "y"), -E2BIG);
    assert_true(globs_match_path(&globs, "last"));
    assert_false(globs_match_path(&globs, "y"));
    drop(&globs);
}

// -- which attributes --------------------------------------------------------------------------

static void some_attributes_must_be_named(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool taken;
    } attributes[] = {
        {"user.*", "user.a", true},
        {"user.*", "user.a.b", true},
        {"user.*", "security.capability", false},
        {"*", "user.a", true},
        {"**", "security.capability", true},
        {"security.*", "security.capability", true},
        {"security.*", "security.ima", true},
        // taken only by a pattern that begins with their prefix
        {"*", "trusted.a", false},
        {"**", "trusted.a", false},
        {"?rusted.*", "trusted.a", false},
        {"[t]rusted.*", "trusted.a", false},
        {"\\trusted.*", "trusted.a", false},
        {"trusted*", "trusted.a", false},
        {"trusted.*", "trusted.a", true},
        {"trusted.a", "trusted.a", true},
        {"trusted.*", "trusted.overlay.opaque", false},
        {"trusted.overlay*", "trusted.overlay.opaque", false},
        {"trusted.overlay.*", "trusted.overlay.opaque", true},
        {"trusted.overlay.opaque", "trusted.overlay.opaque", true},
        {"trusted.overlay.*", "trusted.a", false},
        {"trusted.*", "trusted.overlay", true}, // not one of an overlay's
        {"user.*", "user.overlay.opaque", false},
        {"*", "user.overlay.opaque", false},
        {"user.overlay.*", "user.overlay.opaque", true},
        {"user.*", "user.overlayer", true},
        {"security.*", "security.selinux", false},
        {"security.selinu?", "security.selinux", false},
        {"security.selinux", "security.selinux", true},
        {"security.selinux*", "security.selinux", true},
        {"*", "", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        char *pattern[] = {(char *)"nothing", (char *)attributes[i].pattern};
        const struct globs globs = {pattern, 2, 2};
        if (attributes_are_taken(&globs, attributes[i].name) != attributes[i].taken)
            fail_msg("%s and %s", attributes[i].pattern, attributes[i].name);
    }
    assert_false(attributes_are_taken(&(struct globs){NULL, 0, 0}, "user.a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_they_should),
        cmocka_unit_test(what_is_above_can_match),
        cmocka_unit_test(all_short_stars),
        cmocka_unit_test(fnmatch_says_the_same),
        cmocka_unit_test(stars_do_not_explode),
        cmocka_unit_test(a_directory_takes_what_is_in_it),
        cmocka_unit_test(there_is_room_for_4096),
        cmocka_unit_test(some_attributes_must_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
