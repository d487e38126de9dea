// SPDX-License-Identifier: MIT
#include "plan/mount_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "sys/mount.h"
#include "test/unit/support.h"

static struct plan_mount mount_of;

// Takes words separated by commas; the result of the last one.
static enum mount_word_result take(const char *words)
{
    enum mount_word_result result = MOUNT_WORD_OK;
    free((char *)mount_of.data);
    memset(&mount_of, 0, sizeof(mount_of));
    while (*words != '\0') {
        size_t n = strcspn(words, ",");
        result = mount_word(&mount_of, words, n);
        words += n + (words[n] == ',');
    }
    return result;
}

// Each attribute: the word that sets it, that clears it, and its field.
static const struct {
    const char *set, *clear;
    uint64_t bits, field;
} attributes[] = {
    {"ro", "rw", ATTR_RDONLY, ATTR_RDONLY},
    {"nosuid", "suid", ATTR_NOSUID, ATTR_NOSUID},
    {"nodev", "dev", ATTR_NODEV, ATTR_NODEV},
    {"noexec", "exec", ATTR_NOEXEC, ATTR_NOEXEC},
    {"nodiratime", "diratime", ATTR_NODIRATIME, ATTR_NODIRATIME},
    {"nosymfollow", "symfollow", ATTR_NOSYMFOLLOW, ATTR_NOSYMFOLLOW},
    {"noatime", "atime", ATTR_NOATIME, ATTR_ATIME},
    {"noatime", "relatime", ATTR_NOATIME, ATTR_ATIME},
    {"noatime", "strictatime", ATTR_NOATIME, ATTR_ATIME},
    {"strictatime", "nostrictatime", ATTR_STRICTATIME, ATTR_ATIME},
    {"strictatime", "norelatime", ATTR_STRICTATIME, ATTR_ATIME},
};

static void join(char *text, size_t size, const char *first, const char *second, bool recursive)
{
    snprintf(text, size, "%s%s,%s%s", recursive ? "r" : "", first, recursive ? "r" : "", second);
}

// The kernel clears first and then sets: a time is one field, of which all is cleared.
static void check_set(uint64_t set, uint64_t clear, uint64_t bits, uint64_t field)
{
    assert_int_equal(set, bits);
    assert_int_equal(clear, field == ATTR_ATIME ? field : field & ~bits);
}

static void the_last_of_two_counts(void **state)
{
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        uint64_t cleared = strcmp(attributes[i].clear, "strictatime") == 0 ? ATTR_STRICTATIME : 0;
        join(text, sizeof(text), attributes[i].clear, attributes[i].set, false);
        assert_int_equal(take(text), MOUNT_WORD_OK);
        check_set(mount_of.set, mount_of.clear, attributes[i].bits, attributes[i].field);
        join(text, sizeof(text), attributes[i].set, attributes[i].clear, false);
        assert_int_equal(take(text), MOUNT_WORD_OK);
        check_set(mount_of.set, mount_of.clear, cleared, attributes[i].field);
        assert_int_equal(mount_of.set_all | mount_of.clear_all, 0);
    }
}

static void the_last_of_two_recursive_ones_counts(void **state)
{
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        join(text, sizeof(text), attributes[i].clear, attributes[i].set, true);
        assert_int_equal(take(text), MOUNT_WORD_OK);
        check_set(mount_of.set_all, mount_of.clear_all, attributes[i].bits, attributes[i].field);
        assert_int_equal(mount_of.set | mount_of.clear, 0);
        assert_null(mount_of.data);
    }
}

static void attributes_are_apart_from_each_other(void **state)
{
    (void)state;
    take("ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow,dev,exec");
    assert_int_equal(mount_of.set, ATTR_RDONLY | ATTR_NOSUID | ATTR_NOATIME | ATTR_NODIRATIME | ATTR_NOSYMFOLLOW);
    assert_int_equal(mount_of.clear, ATTR_NODEV | ATTR_NOEXEC | ATTR_ATIME);
    assert_null(mount_of.data);
}

static void propagation(void **state)
{
    static const struct {
        const char *word;
        uint64_t kind;
    } rows[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = 0; j < COUNT(rows); j++) {
            snprintf(text, sizeof(text), "r%s,%s", rows[j].word, rows[i].word);
            take(text);
            assert_int_equal(mount_of.propagation, rows[i].kind);
            assert_false(mount_of.propagation_all);
            snprintf(text, sizeof(text), "%s,r%s", rows[j].word, rows[i].word);
            take(text);
            assert_int_equal(mount_of.propagation, rows[i].kind);
            assert_true(mount_of.propagation_all);
        }
    }
}

static void flags(void **state)
{
    static const struct {
        const char *words;
        size_t member;
        bool on;
    } rows[] = {
#define ROW(words, member, on) {words, offsetof(struct plan_mount, member), on}
        ROW("remount", remount, true),         ROW("sync", synchronous, true),
        ROW("sync,async", synchronous, false), ROW("async,sync", synchronous, true),
        ROW("dirsync", dirsync, true),         ROW("lazytime", lazytime, true),
        ROW("lazytime,nolazytime", lazytime, false), ROW("mand", mandatory, true),
        ROW("mand,nomand", mandatory, false),  ROW("tmpcopyup", copy_up, true),
        ROW("tmpcopyup,notmpcopyup", copy_up, false), ROW("overlay", overlay, true),
        ROW("idmap", idmap, true),             ROW("ridmap", idmap, true),
        ROW("ridmap", idmap_all, true),        ROW("idmap", idmap_all, false),
        ROW("bind", bind_word, true),          ROW("bind", recursive, false),
        ROW("rbind", bind_word, true),         ROW("rbind", recursive, true),
        ROW("rbind,bind", recursive, false),   ROW("bind,rbind", recursive, true),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(take(rows[i].words), MOUNT_WORD_OK);
        assert_null(mount_of.data);
        assert_int_equal(*(bool *)((char *)&mount_of + rows[i].member), rows[i].on);
    }
}

static void words_that_mean_nothing(void **state)
{
    static const struct plan_mount none;
    (void)state;
    assert_int_equal(take("defaults,loud,silent,noiversion"), MOUNT_WORD_OK);
    assert_memory_equal(&mount_of, &none, sizeof(none));
}

static void words_that_are_not_taken(void **state)
{
    (void)state;
    assert_int_equal(take("iversion"), MOUNT_WORD_IVERSION);
    assert_int_equal(take("idmap=uids=0-1-1"), MOUNT_WORD_MAPS);
    assert_int_equal(take("ridmap=0"), MOUNT_WORD_MAPS);
    assert_null(mount_of.data);
}

static void all_else_is_the_file_systems(void **state)
{
    (void)state;
    take("size=1m,ro,mode=0700,context=\"a=b=c\",RO,rox,r,idmap=,rprivate,nr_inodes=0");
    assert_string_equal(mount_of.data, "size=1m,mode=0700,context=\"a=b=c\",RO,rox,r,idmap=,nr_inodes=0");
    assert_int_equal(mount_of.set, ATTR_RDONLY);
    assert_int_equal(mount_of.propagation, MS_PRIVATE);
}

// `wanted` is NULL where all goes together.
static const struct {
    enum plan_mount_type type;
    const char *words, *wanted;
} conflicts[] = {
    {MOUNT_BIND, "ro,rro,nosuid,rnosuid,noatime,rnoatime,rshared", NULL},
    {MOUNT_BIND, "rw,rrw,rnodev,nosuid", NULL},
    {MOUNT_BIND, "overlay,nosuid,rw", NULL},
    {MOUNT_BIND, "ridmap,overlay", NULL},
    {MOUNT_BIND, "remount,ro,rnosuid,slave", NULL},
    {MOUNT_TMPFS, "size=1,sync,dirsync,lazytime,mand,tmpcopyup", NULL},
    {MOUNT_DEVTMPFS, "console,ro", NULL},
    {MOUNT_CGROUP2, "ro,nsdelegate", NULL},
    {MOUNT_BIND, "size=1", "options of a file system"},
    {MOUNT_BIND, "sync", "of a whole file system"},
    {MOUNT_BIND, "dirsync", "of a whole file system"},
    {MOUNT_BIND, "lazytime", "of a whole file system"},
    {MOUNT_BIND, "mand", "of a whole file system"},
    {MOUNT_BIND, "tmpcopyup", "tmpcopyup"},
    {MOUNT_BIND, "overlay,ro", "overlay and ro"},
    {MOUNT_BIND, "overlay,rro", "overlay and ro"},
    {MOUNT_BIND, "remount,size=1", "remount changes"},
    {MOUNT_BIND, "remount,sync", "remount changes"},
    {MOUNT_BIND, "remount,overlay", "not of remount"},
    {MOUNT_BIND, "remount,idmap", "not of remount"},
    {MOUNT_BIND, "remount,tmpcopyup", "not of remount"},
    {MOUNT_BIND, "rw,rro", "rw and rro"},
    {MOUNT_BIND, "rro,rw", "rw and rro"},
    {MOUNT_BIND, "ro,rrw", "ro and rrw"},
    {MOUNT_TMPFS, "nosuid,rsuid", "excludes"},
    {MOUNT_TMPFS, "dev,rnodev", "excludes"},
    {MOUNT_TMPFS, "noexec,rexec", "excludes"},
    {MOUNT_TMPFS, "rnodiratime,diratime", "excludes"},
    {MOUNT_TMPFS, "nosymfollow,rsymfollow", "excludes"},
    {MOUNT_TMPFS, "noatime,rstrictatime", "excludes"},
    {MOUNT_TMPFS, "rnoatime,relatime", "excludes"},
    {MOUNT_PROC, "tmpcopyup", "tmpcopyup"},
    {MOUNT_TMPFS, "overlay", "overlay is for a bind"},
    {MOUNT_TMPFS, "idmap", "idmap is for a bind"},
    {MOUNT_OVERLAY, "ridmap", "idmap is for a bind"},
    {MOUNT_CGROUP, "sync", "not for cgroups"},
    {MOUNT_CGROUP2, "lazytime", "not for cgroups"},
    {MOUNT_DEVTMPFS, "dirsync", "not for cgroups"},
};

static void what_does_not_go_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(conflicts); i++) {
        take(conflicts[i].words);
        mount_of.type = conflicts[i].type;
        const char *said = mount_words_conflict(&mount_of);
        if (conflicts[i].wanted == NULL && said != NULL)
            fail_msg("%s: %s", conflicts[i].words, said);
        if (conflicts[i].wanted != NULL && (said == NULL || strstr(said, conflicts[i].wanted) == NULL))
            fail_msg("%s: %s", conflicts[i].words, said != NULL ? said : "nothing");
    }
}

static int forget(void **state)
{
    (void)state;
    free((char *)mount_of.data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_two_counts),
        cmocka_unit_test(the_last_of_two_recursive_ones_counts),
        cmocka_unit_test(attributes_are_apart_from_each_other),
        cmocka_unit_test(propagation),
        cmocka_unit_test(flags),
        cmocka_unit_test(words_that_mean_nothing),
        cmocka_unit_test(words_that_are_not_taken),
        cmocka_unit_test(all_else_is_the_file_systems),
        cmocka_unit_test(what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
