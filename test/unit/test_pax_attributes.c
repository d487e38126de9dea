// SPDX-License-Identifier: MIT
// pax_next_attribute(): extended attributes and ACLs in pax records.
#include "archive/pax.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/support.h"

#define RECORDS(text) text, sizeof(text) - 1

static struct pax pax;
static char *records; // of just their size: a byte too many stops the test

static int drop_records(void **state)
{
    (void)state;
    free(records);
    records = NULL;
    return 0;
}

static int parse(const char *text, size_t n)
{
    free(records);
    records = malloc(n + (n == 0));
    assert_non_null(records);
    memcpy(records, text, n);
    return pax_parse(&pax, records, n, NULL);
}

static const struct {
    const char *text;
    size_t n;
    enum pax_attribute_kind kind;
    const char *name, *value; // NULL: it can't be decoded
    size_t length;
} attributes[] = {
    {RECORDS("25 SCHILY.xattr.user.a=b\n"), PAX_XATTR, "user.a", "b", 1},
    {RECORDS("24 SCHILY.xattr.user.a=\n"), PAX_XATTR, "user.a", "", 0},
    {RECORDS("28 SCHILY.xattr.user.a=\0\n=\n\n"), PAX_XATTR, "user.a", "\0\n=\n", 4},
    {RECORDS("40 SCHILY.xattr.security.capability=\1\0\0\n"), PAX_XATTR, "security.capability", "\1\0\0", 3},
    // GNU tar's: "=" and "%" in names, and nothing else
    {RECORDS("27 SCHILY.xattr.user%3Da=b\n"), PAX_XATTR, "user=a", "b", 1},
    {RECORDS("31 SCHILY.xattr.u%25%3D%253D=b\n"), PAX_XATTR, "u%=%3D", "b", 1},
    {RECORDS("34 SCHILY.xattr.u%3d%00%41%2%3%=b\n"), PAX_XATTR, "u%3d%00%41%2%3%", "b", 1},
    {RECORDS("35 SCHILY.acl.access=user::rwx,o::\n"), PAX_ACL_ACCESS, NULL, "user::rwx,o::", 13},
    {RECORDS("33 SCHILY.acl.default=user::rwx\n\n"), PAX_ACL_DEFAULT, NULL, "user::rwx\n", 10},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=QUI=\n"), PAX_XATTR, "user.a", "AB", 2},
    {RECORDS("31 LIBARCHIVE.xattr.user.a=QUI\n"), PAX_XATTR, "user.a", "AB", 2},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=QUJD\n"), PAX_XATTR, "user.a", "ABC", 3},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=//+/\n"), PAX_XATTR, "user.a", "\xff\xff\xbf", 3},
    {RECORDS("28 LIBARCHIVE.xattr.user.a=\n"), PAX_XATTR, "user.a", "", 0},
    {RECORDS("34 LIBARCHIVE.xattr.user%3Da=QUJD\n"), PAX_XATTR, "user=a", "ABC", 3},
    {RECORDS("37 LIBARCHIVE.xattr.%75%53er%fF=QUJD\n"), PAX_XATTR, "uSer\xff", "ABC", 3},
    {RECORDS("34 LIBARCHIVE.xattr.user%00a=QUJD\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("33 LIBARCHIVE.xattr.user.%=QUJDX\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("34 LIBARCHIVE.xattr.user.%4=QUJDX\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("34 LIBARCHIVE.xattr.user.%4g=QUJD\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=QU-D\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=Q=JD\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("32 LIBARCHIVE.xattr.user.a=QU\0D\n"), PAX_XATTR, NULL, NULL, 0},
    {RECORDS("33 LIBARCHIVE.xattr.user.a=QUJD\n\n"), PAX_XATTR, NULL, NULL, 0},
};

static void attributes_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        struct pax_attribute a;
        const char *why = NULL;
        if (parse(attributes[i].text, attributes[i].n) != 0)
            fail_msg("%s: %s", attributes[i].text, pax.why);
        assert_int_equal(pax.has, PAX_BIT(PAX_ATTRIBUTE));
        for (int again = 0; again < 3; again++) { // the records are changed by it
            size_t at = 0;
            int got = pax_next_attribute(records, attributes[i].n, &at, &a, &why);
            if (got != (attributes[i].value != NULL ? 1 : -EBADMSG))
                fail_msg("%s: %d", attributes[i].text, got);
            if (got < 0) {
                assert_non_null(why);
                continue;
            }
            assert_int_equal(a.kind, attributes[i].kind);
            if (a.kind == PAX_XATTR)
                assert_string_equal(a.name, attributes[i].name);
            assert_int_equal(a.length, attributes[i].length);
            assert_memory_equal(a.value, attributes[i].value, a.length);
            assert_int_equal(pax_next_attribute(records, attributes[i].n, &at, &a, &why), 0);
        }
    }
}

static void attributes_stand_between_others(void **state)
{
    static const char text[] = "9 path=x\n"
                               "25 SCHILY.xattr.user.a=b\n"
                               "8 uid=1\n"
                               "20 SCHILY.acl.ace=x\n"
                               "32 LIBARCHIVE.xattr.user.b=QUI=\n"
                               "12 comment=\n"
                               "26 SCHILY.acl.access=o::-\n";
    static const char *const names[] = {"user.a", "user.b"};
    struct pax_attribute a;
    const char *why;
    size_t at = 0;
    (void)state;
    assert_int_equal(parse(RECORDS(text)), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pax_next_attribute(records, sizeof(text) - 1, &at, &a, &why), 1);
        assert_string_equal(a.name, names[i]);
    }
    assert_int_equal(pax_next_attribute(records, sizeof(text) - 1, &at, &a, &why), 1);
    assert_int_equal(a.kind, PAX_ACL_ACCESS);
    assert_int_equal(pax_next_attribute(records, sizeof(text) - 1, &at, &a, &why), 0);
    assert_string_equal(pax.path, "x"); // what points into the records is as it was
}

static void names_of_schily_are_bounded(void **state)
{
    (void)state;
    for (size_t n = 254; n <= 256; n++) {
        char text[512], *end = text + sprintf(text, "%zu SCHILY.xattr.", n + 20);
        struct pax_attribute a;
        const char *why;
        size_t at = 0;
        memset(end, 'n', n);
        memcpy(end + n, "=b\n", 3);
        assert_int_equal(parse(text, n + 20), 0);
        assert_int_equal(pax_next_attribute(records, n + 20, &at, &a, &why), n <= 255 ? 1 : -EBADMSG);
        if (n <= 255)
            assert_int_equal(strlen(a.name), n);
    }
}

// What xattr(7) allows, and one byte more.
static void decoded_attributes_are_bounded(void **state)
{
    (void)state;
    for (size_t name = 254; name <= 256; name++) {
        for (size_t value = (64 << 10) - 1; value <= (64 << 10) + 1; value++) {
            size_t digits = (value * 8 + 5) / 6, n = strlen("LIBARCHIVE.xattr.") + name + 1 + digits + 1;
            char *text = malloc(n + 16), *end;
            size_t length = n + 6; // "NNNNN "
            assert_non_null(text);
            end = text + sprintf(text, "%zu LIBARCHIVE.xattr.", length);
            memset(end, 'n', name);
            end[name] = '=';
            memset(end + name + 1, 'A', digits);
            end[name + 1 + digits] = '\n';
            assert_int_equal(end + name + 2 + digits - text, length);
            assert_int_equal(parse(text, length), 0);
            free(text);
            struct pax_attribute a;
            const char *why;
            size_t at = 0;
            bool fits = name <= 255 && value <= 64 << 10;
            int got = pax_next_attribute(records, length, &at, &a, &why);
            if (got != (fits ? 1 : -EBADMSG))
                fail_msg("a name of %zu bytes, a value of %zu: %d", name, value, got);
            if (fits)
                assert_int_equal(a.length, value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(attributes_are_found, drop_records),
        cmocka_unit_test_teardown(attributes_stand_between_others, drop_records),
        cmocka_unit_test_teardown(names_of_schily_are_bounded, drop_records),
        cmocka_unit_test_teardown(decoded_attributes_are_bounded, drop_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
