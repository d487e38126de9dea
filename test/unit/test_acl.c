// SPDX-License-Identifier: MIT
#include "archive/acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "test/unit/support.h"

static struct acl acl;

// The entries in the kernel's words: "TAG:PERMISSIONS[:ID]", tag and permissions as numbers.
static const char *show(void)
{
    static char shown[256];
    size_t n = 0;
    shown[0] = '\0';
    for (unsigned i = 0; i < acl.count; i++) {
        const struct acl_entry *e = &acl.entry[i];
        n += (size_t)snprintf(shown + n, sizeof(shown) - n, "%s%x:%o", i > 0 ? " " : "", e->tag,
                              e->permissions);
        if (e->id != UINT32_MAX)
            n += (size_t)snprintf(shown + n, sizeof(shown) - n, ":%u", e->id);
        assert_true(n < sizeof(shown));
    }
    return shown;
}

static const struct {
    const char *text, *wanted;
} good[] = {
    {"user::rwx\ngroup::r-x\nother::r--\n", "1:7 4:5 20:4"},
    {"user::rwx,group::r-x,other::r--", "1:7 4:5 20:4"},
    {"u::rwx,g::r-x,o::r--", "1:7 4:5 20:4"},
    {"other::r--,mask::-w-,group::--x,user::rwx", "1:7 4:1 10:2 20:4"},
    {"user:1000:rw-,user::rwx", "1:7 2:6:1000"},
    {"user:2:r,user:1:w", "2:4:2 2:2:1"}, // one tag's stay in their order: Linux wants none
    {"group:0:---", "8:0:0"},
    {"user:4294967294:rwx", "2:7:4294967294"},
    {"mask::r", "10:4"},
    {"m::x,o::-", "10:1 20:0"},
    {"mask:rw", "10:6"},
    {"other:r-x", "20:5"},
    {"user::xwr", "1:7"},
    {"user::rr-", "1:4"},
    // star's form: the number is a field of its own
    {"user:name:rw-:1000", "2:6:1000"},
    {"group:a name:r--:5,user:0:r--:7", "2:4:7 8:4:5"},
    {"user::rwx:", "1:7"},
    // comments, blanks and empty lines
    {"user::rwx#effective:r--\n", "1:7"},
    {"user::rwx \t #effective:r--\n\n# other::rwx\ngroup::r--", "1:7 4:4"},
    {"\n\n,,user::rwx,,\n", "1:7"},
};

static const struct {
    const char *text;
    int error;
} bad[] = {
    {"", EBADMSG},
    {"\n", EBADMSG},
    {"# nothing", EBADMSG},
    {"user", EBADMSG},
    {"user:", EBADMSG},
    {"user::", EBADMSG},
    {"user:rwx", EBADMSG},
    {"user:1000", EBADMSG},
    {"user:1000:", EBADMSG},
    {"user::rwx:0:0", EBADMSG},
    {"user:n:rwx:0:", EBADMSG},
    {"other:", EBADMSG},
    {"other::", EBADMSG},
    {"mask", EBADMSG},
    {"mask:5:rwx", EBADMSG},
    {"other:5:rwx", EBADMSG},
    {"user::rwxs", EBADMSG},
    {"user::RWX", EBADMSG},
    {"user::7", EBADMSG},
    {"user:: rwx", EBADMSG},
    {"users::rwx", EBADMSG},
    {"use::rwx", EBADMSG},
    {"::rwx", EBADMSG},
    {"default:user::rwx", EBADMSG},
    {"everyone@:rwx::allow", EBADMSG},
    {"user::rwx,group", EBADMSG},
    {" user::rwx", EBADMSG},
    {"user:root:rwx", ESRCH},
    {"group:-1:rwx", ESRCH},
    {"group:0x1:rwx", ESRCH},
    {"user:4294967295:rwx", ESRCH},
    {"user:18446744073709551616:rwx", ESRCH},
    {"user:1 :rwx", ESRCH},
    {"user:1000:rwx:root", ESRCH},
};

// In memory of just its size.
static int from_text(const char *text, size_t n)
{
    char *copy = test_malloc(n + (n == 0));
    memcpy(copy, text, n);
    int error = acl_from_text(&acl, copy, n);
    test_free(copy);
    return error;
}

static void texts_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int error = from_text(good[i].text, strlen(good[i].text));
        if (error != 0 || strcmp(show(), good[i].wanted) != 0)
            fail_msg("\"%s\": %d, %s", good[i].text, error, show());
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        int error = from_text(bad[i].text, strlen(bad[i].text));
        if (error != -bad[i].error)
            fail_msg("\"%s\": %d", bad[i].text, error);
    }
    assert_int_equal(from_text("user:\0:rwx", 10), -ESRCH);
    assert_int_equal(from_text("user::r\0", 8), -EBADMSG);
}

static void bytes_are_read_and_written(void **state)
{
    static const unsigned char bytes[] = "\2\0\0\0"
                                         "\1\0\7\0\xff\xff\xff\xff"
                                         "\2\0\6\0\xe8\3\0\0"
                                         "\4\0\5\0\xff\xff\xff\xff"
                                         "\x10\0\7\0\xff\xff\xff\xff"
                                         "\x20\0\4\0\xff\xff\xff\xff";
    unsigned char back[ACL_BYTES_MAX];
    size_t n = sizeof(bytes) - 1;
    (void)state;
    assert_int_equal(acl_from_bytes(&acl, bytes, n), 0);
    assert_string_equal(show(), "1:7 2:6:1000 4:5 10:7 20:4");
    assert_false(acl_entry_is_user(&acl.entry[0]));
    assert_true(acl_entry_is_user(&acl.entry[1]));
    assert_false(acl_entry_is_group(&acl.entry[2]));
    assert_int_equal(acl_to_bytes(&acl, back), n);
    assert_memory_equal(back, bytes, n);
    assert_int_equal(from_text("user::rwx,user:1000:rw-,group::r-x,mask::rwx,other::r--", 55), 0);
    assert_int_equal(acl_to_bytes(&acl, back), n);
    assert_memory_equal(back, bytes, n);
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *copy = test_malloc(cut + (cut == 0));
        memcpy(copy, bytes, cut);
        assert_int_equal(acl_from_bytes(&acl, copy, cut), cut >= 12 && cut % 8 == 4 ? 0 : -EBADMSG);
        test_free(copy);
    }
    memcpy(back, bytes, n);
    back[0] = 1;
    assert_int_equal(acl_from_bytes(&acl, back, n), -EBADMSG);
    back[0] = 2;
    back[3] = 1;
    assert_int_equal(acl_from_bytes(&acl, back, n), -EBADMSG);
}

static void there_is_room_for_1024_entries(void **state)
{
    enum { MORE = ACL_ENTRIES_MAX + 1 };
    static char text[MORE * 16];
    static unsigned char bytes[ACL_BYTES_MAX + 8];
    size_t n = 0;
    (void)state;
    for (int i = 0; i < ACL_ENTRIES_MAX; i++)
        n += (size_t)sprintf(text + n, "user:%d:r\n", i);
    assert_int_equal(from_text(text, n), 0);
    assert_int_equal(acl.count, ACL_ENTRIES_MAX);
    assert_int_equal(acl_to_bytes(&acl, bytes), ACL_BYTES_MAX);
    assert_int_equal(acl_from_bytes(&acl, bytes, ACL_BYTES_MAX), 0);
    assert_int_equal(acl.count, ACL_ENTRIES_MAX);
    n += (size_t)sprintf(text + n, "user::r");
    assert_int_equal(from_text(text, n), -E2BIG);
    assert_int_equal(acl_from_bytes(&acl, bytes, ACL_BYTES_MAX + 8), -E2BIG);
}

// As the kernel wants them: each class once, a mask where something is named.
static void what_makes_an_acl(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"u::rwx,g::rwx,o::rwx", true},
        {"u::-,g::-,o::-", true},
        {"u::rwx,g::rwx,o::rwx,m::r", true},
        {"u::rwx,g::rwx,o::rwx,m::r,u:1:r", true},
        {"u::rwx,g::rwx,o::rwx,m::r,g:1:r,u:2:r,u:3:r", true},
        {"u::rwx,g::rwx,o::rwx,u:1:r", false},
        {"u::rwx,g::rwx,o::rwx,g:1:r", false},
        {"u::rwx,g::rwx", false},
        {"u::rwx,o::rwx", false},
        {"g::rwx,o::rwx", false},
        {"m::rwx", false},
        {"u::rwx,u::rwx,g::rwx,o::rwx", false},
        {"u::rwx,g::rwx,g::rwx,o::rwx", false},
        {"u::rwx,g::rwx,o::rwx,o::rwx", false},
        {"u::rwx,g::rwx,o::rwx,m::r,m::r", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(from_text(rows[i].text, strlen(rows[i].text)), 0);
        if (acl_is_valid(&acl) != rows[i].valid)
            fail_msg("%s", rows[i].text);
    }
    assert_int_equal(from_text(rows[0].text, strlen(rows[0].text)), 0);
    const struct acl base = acl;
    for (uint32_t tag = 0; tag <= UINT16_MAX; tag++) {
        acl = base;
        acl.entry[1].tag = (uint16_t)tag;
        assert_int_equal(acl_is_valid(&acl), tag == base.entry[1].tag);
        acl = base;
        acl.entry[1].permissions = (uint16_t)tag;
        assert_int_equal(acl_is_valid(&acl), tag <= 7);
    }
    acl.count = 0;
    assert_false(acl_is_valid(&acl));
}

// The kernel has the last word on what an ACL is: it takes what we make of a text, and gives it back.
static void the_kernel_takes_them(void **state)
{
    static const char text[] = "user::rw-,user:1:r--,user:2:rw-,group::r--,group:3:---,mask::rw-,other::---";
    char place[] = "/tmp/inroot-acl.XXXXXX";
    unsigned char bytes[ACL_BYTES_MAX], back[ACL_BYTES_MAX];
    int fd = mkstemp(place);
    (void)state;
    assert_true(fd >= 0);
    unlink(place);
    assert_int_equal(from_text(text, sizeof(text) - 1), 0);
    size_t n = acl_to_bytes(&acl, bytes);
    if (fsetxattr(fd, "system.posix_acl_access", bytes, n, 0) != 0) {
        assert_int_equal(errno, EOPNOTSUPP);
        close(fd);
        skip();
    }
    assert_int_equal(fgetxattr(fd, "system.posix_acl_access", back, sizeof(back)), n);
    assert_memory_equal(back, bytes, n);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(bytes_are_read_and_written),
        cmocka_unit_test(there_is_room_for_1024_entries),
        cmocka_unit_test(what_makes_an_acl),
        cmocka_unit_test(the_kernel_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
