// SPDX-License-Identifier: MIT
#include "archive/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/ids.h"
#include "test/unit/support.h"

static struct name name;

// `wanted` is NULL where `error` is to come.
static const struct {
    const char *directory, *text;
    unsigned strip;
    const char *wanted;
    size_t depth, parent;
    const char *leaf;
    int error;
} rows[] = {
    {"", "", 0, "", 0, 0, "", 0},
    {"", ".", 0, "", 0, 0, "", 0},
    {"", "/", 0, "", 0, 0, "", 0},
    {"", "./", 0, "", 0, 0, "", 0},
    {"", "//././/", 0, "", 0, 0, "", 0},
    {"", "a", 0, "a", 1, 0, "a", 0},
    {"", "a/", 0, "a", 1, 0, "a", 0},
    {"", "/a", 0, "a", 1, 0, "a", 0},
    {"", "./a", 0, "a", 1, 0, "a", 0},
    {"", "a/b", 0, "a/b", 2, 1, "b", 0},
    {"", "abc/de/f", 0, "abc/de/f", 3, 6, "f", 0},
    {"", "///a//.//b/./", 0, "a/b", 2, 1, "b", 0},
    {"", "...", 0, "...", 1, 0, "...", 0},
    {"", "..a/.b", 0, "..a/.b", 2, 3, ".b", 0},
    {"", "a../b.", 0, "a../b.", 2, 3, "b.", 0},
    {"", " / ", 0, " / ", 2, 1, " ", 0},
    {"", "\\..\\a", 0, "\\..\\a", 1, 0, "\\..\\a", 0},
    {"", "\n\x01\xff", 0, "\n\x01\xff", 1, 0, "\n\x01\xff", 0},
    {"d", "", 0, "d", 1, 0, "d", 0},
    {"d", "/", 0, "d", 1, 0, "d", 0},
    {"d", "a", 0, "d/a", 2, 1, "a", 0},
    {"d/e", "a/b", 0, "d/e/a/b", 4, 5, "b", 0},
    // ".." wherever it stands, also where it would lead nowhere
    {"", "..", 0, NULL, 0, 0, NULL, EPERM},
    {"", "../a", 0, NULL, 0, 0, NULL, EPERM},
    {"", "/..", 0, NULL, 0, 0, NULL, EPERM},
    {"", "./..", 0, NULL, 0, 0, NULL, EPERM},
    {"", "a/..", 0, NULL, 0, 0, NULL, EPERM},
    {"", "a/../b", 0, NULL, 0, 0, NULL, EPERM},
    {"", "a/b/..//", 0, NULL, 0, 0, NULL, EPERM},
    {"d", "..", 0, NULL, 0, 0, NULL, EPERM},
    {"", "../a", 1, NULL, 0, 0, NULL, EPERM},
    {"", "a/../b", 2, NULL, 0, 0, NULL, EPERM},
    {"", "a/..", 5, NULL, 0, 0, NULL, EPERM},
    // without the first components, that of the directory not counted
    {"", "a/b/c", 1, "b/c", 2, 1, "c", 0},
    {"", "a/b/c", 2, "c", 1, 0, "c", 0},
    {"", "/./a//b", 1, "b", 1, 0, "b", 0},
    {"", "a/b/c", 3, NULL, 0, 0, NULL, ENODATA},
    {"", "a/b/c", 9, NULL, 0, 0, NULL, ENODATA},
    {"", "a/", 1, NULL, 0, 0, NULL, ENODATA},
    {"", "", 1, NULL, 0, 0, NULL, ENODATA},
    {"", "./", 1, NULL, 0, 0, NULL, ENODATA},
    {"d/e", "a/b", 1, "d/e/b", 3, 3, "b", 0},
    {"d/e", "a", 1, NULL, 0, 0, NULL, ENODATA},
    {"d/e", "", 1, NULL, 0, 0, NULL, ENODATA},
};

static void names_are_made_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int error = name_make(&name, rows[i].directory, rows[i].text, rows[i].strip);
        if (error != -rows[i].error)
            fail_msg("\"%s\": %d", rows[i].text, error);
        if (error < 0)
            continue;
        assert_string_equal(name.path, rows[i].wanted);
        assert_int_equal(name.length, strlen(name.path));
        assert_int_equal(name.depth, rows[i].depth);
        assert_int_equal(name.parent, rows[i].parent);
        assert_string_equal(name_leaf(&name), rows[i].leaf);
    }
}

// What is made is made of itself again, whatever it was made of: every text of up to 7 of these characters.
static void all_short_names(void **state)
{
    static const char characters[] = "/.a";
    char text[8];
    (void)state;
    for (unsigned n = 0; n < 2187 * 3; n++) {
        unsigned left = n, length = 0;
        for (; left > 0; left /= 4, length++)
            text[length] = left % 4 == 3 ? 'b' : characters[left % 4];
        text[length] = '\0';
        struct name again;
        char before[PATH_MAX + 3];
        snprintf(before, sizeof(before), "/%s/", text);
        bool climbs = strstr(before, "/../") != NULL;
        assert_int_equal(name_make(&name, "", text, 0), climbs ? -EPERM : 0);
        if (climbs)
            continue;
        assert_int_equal(name_make(&again, "", name.path, 0), 0);
        assert_string_equal(again.path, name.path);
        assert_true(again.depth == name.depth && again.parent == name.parent);
        snprintf(before, sizeof(before), "/%s/", name.path);
        assert_true(name.length == 0 || (strstr(before, "//") == NULL && strstr(before, "/./") == NULL));
    }
}

static void a_path_has_4095_bytes(void **state)
{
    static char text[2 * PATH_MAX];
    (void)state;
    for (size_t n = PATH_MAX - 2; n <= PATH_MAX + 1; n++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = 0; i < n; i += 250)
            text[i] = '/';
        text[n] = '\0';
        assert_int_equal(name_make(&name, "", text, 0), n - 1 < PATH_MAX ? 0 : -ENAMETOOLONG);
        // Below a directory, and where components before it are left out.
        assert_int_equal(name_make(&name, "d", text, 0), n + 1 < PATH_MAX ? 0 : -ENAMETOOLONG);
        assert_int_equal(name_make(&name, "", text, 1), 0);
        assert_int_equal(name.length, n - 1 - 250);
    }
    // As many components as there can be.
    for (size_t i = 0; i < PATH_MAX; i++)
        text[i] = i % 2 == 0 ? 'a' : '/';
    text[PATH_MAX - 1] = '\0';
    assert_int_equal(name_make(&name, "", text, 0), 0);
    assert_int_equal(name.depth, PATH_MAX / 2);
}

static void a_component_has_255_bytes(void **state)
{
    static char text[NAME_MAX + 3];
    (void)state;
    memset(text, 'a', NAME_MAX);
    assert_int_equal(name_make(&name, "", text, 0), 0);
    assert_int_equal(name.length, NAME_MAX);
    text[NAME_MAX] = 'a';
    assert_int_equal(name_make(&name, "", text, 0), -ENAMETOOLONG);
    text[NAME_MAX + 1] = '/';
    assert_int_equal(name_make(&name, "", text, 0), -ENAMETOOLONG);
}

// From a directory of so many components; ".." counts at the beginning only, before any link can be met.
static void links_that_climb(void **state)
{
    static const struct {
        size_t depth;
        const char *target;
        bool climbs;
    } links[] = {
        {0, "a", false},       {0, "", false},          {0, ".", false},
        {0, "./", false},      {0, "..", true},         {0, "/", true},
        {0, "/a", true},       {0, "//a", true},        {0, "./..", true},
        {0, "a/b", false},     {0, "...", false},       {0, "..a", false},
        {0, "a..", false},     {0, "../", true},        {1, "..", false},
        {1, "../", false},     {1, "../a", false},      {1, ".././/a", false},
        {1, "../..", true},    {1, "../../d", true},    {1, ".//..//..", true},
        {1, "/", true},        {2, "../..", false},     {2, "..//.././a", false},
        {2, "../../..", true}, {9, "a/..", true},       {9, "a/../b", true},
        {9, "../a/..", true},  {9, "./a/.././b", true}, {9, "a/b/../../..", true},
        {9, "a/...", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(links); i++) {
        if (name_link_climbs(links[i].depth, links[i].target) != links[i].climbs)
            fail_msg("%s, %zu deep", links[i].target, links[i].depth);
    }
}

static void ids_are_mapped(void **state)
{
    static const struct id_maps maps = {3, {{0, 100000, 1000}, {5000, 7, 1}, {UINT32_MAX - 2, 10, 2}}};
    static const struct id_maps none;
    static const struct {
        uint32_t inner;
        bool found;
        uint32_t outer;
    } ids[] = {
        {0, true, 100000},
        {999, true, 100999},
        {1000, false, 0},
        {4999, false, 0},
        {5000, true, 7},
        {5001, false, 0},
        {UINT32_MAX - 3, false, 0},
        {UINT32_MAX - 2, true, 10},
        {UINT32_MAX - 1, true, 11},
        {UINT32_MAX, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        uint32_t outer = 0;
        if (ids_find_outer(&maps, ids[i].inner, &outer) != ids[i].found)
            fail_msg("%u", ids[i].inner);
        assert_int_equal(outer, ids[i].outer);
        assert_false(ids_find_outer(&none, ids[i].inner, &outer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_plain),  cmocka_unit_test(all_short_names),
        cmocka_unit_test(a_path_has_4095_bytes), cmocka_unit_test(a_component_has_255_bytes),
        cmocka_unit_test(links_that_climb),      cmocka_unit_test(ids_are_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
