// SPDX-License-Identifier: MIT
#include "plan/mountspec.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "plan/mount_fields.h"
#include "sys/mount.h"
#include "test/unit/parse.h"

#define OPEN "0" // a descriptor that is surely open

// What the user would read.
static const char *said(void)
{
    static char text[8192];
    int ends[2], saved = dup(2);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], 2) >= 0);
    err_report();
    assert_true(dup2(saved, 2) >= 0);
    close(saved);
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    text[n] = '\0';
    return text;
}

// -- fields ------------------------------------------------------------------------------------

static void fields_are_cut(void **state)
{
    static const struct {
        const char *text, *wanted[5];
    } rows[] = {
        {"a", {"a"}},
        {"a,b=c,d", {"a", "b=c", "d"}},
        {"a,", {"a", ""}},
        {",a", {"", "a"}},
        {"", {""}},
        {"\"a,b\",c", {"a,b", "c"}},
        {"c,\"a,b\"", {"c", "a,b"}},
        {"\"\"", {""}},
        {"\"\"\"\"", {"\""}},
        {"\"a\"\"b\",c", {"a\"b", "c"}},
        {"\"a\"\",\"\"b\"", {"a\",\"b"}},
        {"a\"b,c\"", {"a\"b", "c\""}},
        {"a\\,b", {"a\\", "b"}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64], *rest = text;
        snprintf(text, sizeof(text), "%s", rows[i].text);
        assert_true(mount_fields_are_quoted_well(text));
        for (int j = 0; rows[i].wanted[j] != NULL; j++) {
            assert_non_null(rest);
            assert_string_equal(mount_fields_next(&rest), rows[i].wanted[j]);
        }
        assert_null(rest);
    }
}

static void quotes_that_do_not_fit(void **state)
{
    static const char *const rows[] = {"\"", "\"a", "\"a\"b", "a,\"", "a,\"b\"c,d", "\"\"\"", "\"a\"\"", "\"a\" ,b"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_false(mount_fields_are_quoted_well(rows[i]));
}

// -- what is taken -----------------------------------------------------------------------------

static const struct plan_mount *only(const char *option, const char *value)
{
    char word[256];
    snprintf(word, sizeof(word), "%s=%s", option, value);
    if (PARSE(word) != OPTIONS_OK)
        fail_msg("%s: %s", word, err_brief());
    assert_int_equal(plan.rootfs.mount_count, 1);
    return &plan.rootfs.mount[0];
}

#define IS(text, wanted) \
    do { \
        if ((wanted) == NULL) \
            assert_null(text); \
        else \
            assert_string_equal(text, wanted); \
    } while (0)

enum { REC = 1, WEAK = 2, COVER = 4, REMOUNT = 8, UP = 16 };
enum { THREE = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC };

static const struct {
    const char *option, *value;
    enum plan_mount_type type;
    const char *source, *target, *data;
    uint64_t set, clear, set_all, clear_all;
    int flags;
} good[] = {
    {"--mount", "type=bind,src=/a,dst=/b", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=/a,dst=/b", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "source=/a,destination=/b", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "target=/b,source=a,bind", MOUNT_BIND, "a", "/b", NULL, 0, 0, 0, 0, 0},
    {"--mount", "src=/a,dst=/b,rbind", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,bind-nonrecursive", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, 0},
    {"--mount", "src=/a,dst=/b,bind-nonrecursive=false", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,bind-recursive=disabled", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, 0},
    {"--mount", "src=/a,dst=/b,bind-recursive=disabled,bind-recursive=enabled", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,ro", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--mount", "src=/a,dst=/b,readonly", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--mount", "src=/a,dst=/b,readonly=1", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--mount", "src=/a,dst=/b,ro=true", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--mount", "src=/a,dst=/b,rw=false", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--mount", "src=/a,dst=/b,ro=false", MOUNT_BIND, "/a", "/b", NULL, 0, ATTR_RDONLY, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,ro,rw", MOUNT_BIND, "/a", "/b", NULL, 0, ATTR_RDONLY, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,bind,ro", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, 0},
    {"--mount", "src=/a,dst=/b,ro,bind-recursive=writable", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC},
    {"--mount", "src=/a,dst=/b,bind-recursive=readonly", MOUNT_BIND, "/a", "/b", NULL, 0, 0, ATTR_RDONLY, 0, REC},
    {"--mount", "src=/a,dst=/b,rro,rsuid", MOUNT_BIND, "/a", "/b", NULL, 0, 0, ATTR_RDONLY, ATTR_NOSUID, REC},
    {"--mount", "src=/a,dst=/b,overlay,nosuid", MOUNT_BIND, "/a", "/b", NULL, ATTR_NOSUID, 0, 0, 0, REC | COVER},
    {"--mount", "\"src=/a,b\",\"dst=/c\"\"d\"", MOUNT_BIND, "/a,b", "/c\"d", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=/a=b=c,dst=/d=e", MOUNT_BIND, "/a=b=c", "/d=e", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=fd,dst=/d", MOUNT_BIND, "fd", "/d", NULL, 0, 0, 0, 0, REC},
    {"--mount", "src=fd:x,dst=/d", MOUNT_BIND, "fd:x", "/d", NULL, 0, 0, 0, 0, REC},
    {"--mount", "dst=/b,remount,ro", MOUNT_BIND, NULL, "/b", NULL, ATTR_RDONLY, 0, 0, 0, REMOUNT},
    {"--mount", "type=bind,dst=/b,remount,bind,nosuid", MOUNT_BIND, NULL, "/b", NULL, ATTR_NOSUID, 0, 0, 0, REMOUNT},
    {"--mount", "type=tmpfs,dst=/t", MOUNT_TMPFS, NULL, "/t", NULL, 0, 0, 0, 0, 0},
    {"--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770", MOUNT_TMPFS, NULL, "/t", "size=1m,mode=1770", 0, 0, 0, 0, 0},
    {"--mount", "type=tmpfs,src=x,dst=/t,size=50%,uid=0,gid=5,mode=0", MOUNT_TMPFS, "x", "/t", "size=50%,uid=0,gid=5,mode=0", 0, 0, 0, 0, 0},
    {"--mount", "tmpcopyup,type=tmpfs,dst=/t", MOUNT_TMPFS, NULL, "/t", NULL, 0, 0, 0, 0, UP},
    {"--mount", "type=tmpfs,dst=/t,a=b=c", MOUNT_TMPFS, NULL, "/t", "a=b=c", 0, 0, 0, 0, 0},
    {"--mount", "type=proc,dst=/proc,nosuid,nodev,noexec", MOUNT_PROC, NULL, "/proc", NULL, THREE, 0, 0, 0, 0},
    {"--mount", "type=sysfs,dst=/sys,ro", MOUNT_SYSFS, NULL, "/sys", NULL, ATTR_RDONLY, 0, 0, 0, 0},
    {"--mount", "type=devpts,dst=/dev/pts,newinstance,mode=620,gid=5", MOUNT_DEVPTS, NULL, "/dev/pts", "newinstance,mode=620,gid=5", 0, 0, 0, 0, 0},
    {"--mount", "type=mqueue,dst=/m", MOUNT_MQUEUE, NULL, "/m", NULL, 0, 0, 0, 0, 0},
    {"--mount", "type=cgroup,dst=/c,ro", MOUNT_CGROUP, NULL, "/c", NULL, ATTR_RDONLY, 0, 0, 0, 0},
    {"--mount", "type=cgroup2,dst=/c", MOUNT_CGROUP2, NULL, "/c", NULL, 0, 0, 0, 0, 0},
    {"--mount", "type=overlay,dst=/o,lowerdir=/a:/b", MOUNT_OVERLAY, NULL, "/o", "lowerdir=/a:/b", 0, 0, 0, 0, 0},
    {"--mount", "type=devtmpfs,dst=/dev,console,suid", MOUNT_DEVTMPFS, NULL, "/dev", "console", 0, ATTR_NOSUID, 0, 0, 0},
    {"--volume", "/a:/b", MOUNT_BIND, "/a", "/b", NULL, 0, 0, 0, 0, REC},
    {"--volume", "/a:/b:ro", MOUNT_BIND, "/a", "/b", NULL, ATTR_RDONLY, 0, 0, 0, REC | WEAK},
    {"--volume", "a:/b:rw,nosuid", MOUNT_BIND, "a", "/b", NULL, ATTR_NOSUID, ATTR_RDONLY, 0, 0, REC},
    {"--volume", "fd:/b", MOUNT_BIND, "fd", "/b", NULL, 0, 0, 0, 0, REC},
    {"--volume", "/a,b:/c", MOUNT_BIND, "/a,b", "/c", NULL, 0, 0, 0, 0, REC},
    {"--volume", "\"a:/c", MOUNT_BIND, "\"a", "/c", NULL, 0, 0, 0, 0, REC},
    {"--tmpfs", "/t", MOUNT_TMPFS, NULL, "/t", NULL, THREE, 0, 0, 0, 0},
    {"--tmpfs", "/t:exec,size=64k", MOUNT_TMPFS, NULL, "/t", "size=64k", ATTR_NOSUID | ATTR_NODEV, ATTR_NOEXEC, 0, 0, 0},
    {"--tmpfs", "/t:rsuid,nosuid,suid", MOUNT_TMPFS, NULL, "/t", NULL, ATTR_NODEV | ATTR_NOEXEC, ATTR_NOSUID, 0, ATTR_NOSUID, 0},
    {"--tmpfs", "/t:ro,mode=1777,tmpcopyup", MOUNT_TMPFS, NULL, "/t", "mode=1777", THREE | ATTR_RDONLY, 0, 0, 0, UP},
};

static void what_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const struct plan_mount *m = only(good[i].option, good[i].value);
        int flags = (m->recursive ? REC : 0) | (m->weak_ro ? WEAK : 0) | (m->overlay ? COVER : 0) |
                    (m->remount ? REMOUNT : 0) | (m->copy_up ? UP : 0);
        if (m->type != good[i].type || flags != good[i].flags || m->fd != -1)
            fail_msg("%s: type %d, flags %d, descriptor %d", good[i].value, m->type, flags, m->fd);
        IS(m->source, good[i].source);
        IS(m->target, good[i].target);
        IS(m->data, good[i].data);
        if (m->set != good[i].set || m->clear != good[i].clear || m->set_all != good[i].set_all ||
            m->clear_all != good[i].clear_all)
            fail_msg("%s: %llx %llx %llx %llx", good[i].value, (unsigned long long)m->set, (unsigned long long)m->clear,
                     (unsigned long long)m->set_all, (unsigned long long)m->clear_all);
    }
}

static void sources_that_are_descriptors(void **state)
{
    (void)state;
    assert_int_equal(only("--mount", "src=fd:" OPEN ",dst=/b")->fd, 0);
    const struct plan_mount *m = only("--volume", "fd:" OPEN ":/b:ro");
    assert_int_equal(m->fd, 0);
    assert_string_equal(m->source, "fd:" OPEN);
    assert_string_equal(m->target, "/b");
}

static void propagation_by_name(void **state)
{
    (void)state;
    const struct plan_mount *m = only("--mount", "src=/a,dst=/b,bind-propagation=rslave");
    assert_int_equal(m->propagation, MS_SLAVE);
    assert_true(m->propagation_all);
    assert_int_equal(only("--mount", "src=/a,dst=/b,shared,bind-propagation=private")->propagation, MS_PRIVATE);
    assert_int_equal(only("--mount", "src=/a,dst=/b")->propagation, 0);
}

// -- what is refused ---------------------------------------------------------------------------

static const struct {
    const char *option, *value, *wanted;
} bad[] = {
    {"--mount", "", "an empty field"},
    {"--mount", "type=tmpfs,,dst=/t", "an empty field"},
    {"--mount", "type=tmpfs,dst=/t,", "an empty field"},
    {"--mount", "type=tmpfs,dst=/t,=x", "an empty field"},
    {"--mount", "type=tmpfs,\"dst=/t", "quotation mark"},
    {"--mount", "type=tmpfs,dst=/t,\"a\"b", "quotation mark"},
    {"--mount", "dst=/t", "the type is missing"},
    {"--mount", "dst=/t,ro", "the type is missing"},
    {"--mount", "type=tmpfs", "the destination is missing"},
    {"--mount", "type=bind,dst=/t", "a bind needs a source"},
    {"--mount", "dst=/t,rbind", "a bind needs a source"},
    {"--mount", "type=ext4,dst=/t", "no such type"},
    {"--mount", "type=none,src=/a,dst=/t,bind", "no such type"},
    {"--mount", "type=volume,src=/a,dst=/t", "no such type"},
    {"--mount", "type=,dst=/t", "no such type"},
    {"--mount", "type=tmpfs,type=tmpfs,dst=/t", "the type can't be given again"},
    {"--mount", "src=/a,source=/a,dst=/t", "the source can't be given again"},
    {"--mount", "src=fd:" OPEN ",src=/a,dst=/t", "the source can't be given again"},
    {"--mount", "src=/a,dst=/t,target=/t", "the destination can't be given again"},
    {"--mount", "type,dst=/t", "needs a value"},
    {"--mount", "src=/a,dst", "needs a value"},
    {"--mount", "type=tmpfs,dst=/t,size", "needs a value"},
    {"--mount", "src=,dst=/t", "the source is empty"},
    {"--mount", "src=fd:99999999999,dst=/t", "descriptor"},
    {"--mount", "src=/a,dst=t", "not an absolute path"},
    {"--mount", "src=/a,dst=", "not an absolute path"},
    {"--mount", "src=/a,dst=/", "over the root itself"},
    {"--mount", "src=/a,dst=//./", "over the root itself"},
    {"--mount", "src=/a,dst=/b/..", "over the root itself"},
    {"--mount", "src=/a,dst=/b,size=1", "no options of a file system"},
    {"--mount", "src=/a,dst=/b,foo", "no options of a file system"},
    {"--mount", "type=tmpfs,dst=/t,bind", "an option of binds"},
    {"--mount", "type=tmpfs,dst=/t,rbind", "an option of binds"},
    {"--mount", "type=tmpfs,dst=/t,bind-nonrecursive", "an option of binds"},
    {"--mount", "type=tmpfs,dst=/t,bind-recursive=readonly", "an option of binds"},
    {"--mount", "type=tmpfs,dst=/t,bind-recursive=writable", "an option of binds"},
    {"--mount", "remount,dst=/t,bind-nonrecursive", "an option of binds"},
    {"--mount", "remount,dst=/t,src=/a", "it has no source"},
    {"--mount", "remount,dst=/t,type=tmpfs", "it has no type"},
    {"--mount", "remount,dst=/t,size=1", "remount changes attributes"},
    {"--mount", "type=tmpfs,src=fd:" OPEN ",dst=/t", "the source of binds only"},
    {"--mount", "type=devpts,dst=/t,tmpfs-mode=600", "an option of a tmpfs"},
    {"--mount", "src=/a,dst=/b,tmpfs-size=1", "an option of a tmpfs"},
    {"--mount", "type=proc,dst=/proc,tmpcopyup", "tmpcopyup is for a tmpfs"},
    {"--mount", "type=tmpfs,dst=/t,overlay", "overlay is for a bind"},
    {"--mount", "type=tmpfs,dst=/t,idmap", "idmap is for a bind"},
    {"--mount", "src=/a,dst=/b,idmap=uids=0-1-1", "takes no maps here"},
    {"--mount", "src=/a,dst=/b,iversion", "iversion"},
    {"--mount", "src=/a,dst=/b,ro=yes", "neither true nor false"},
    {"--mount", "src=/a,dst=/b,readonly=", "neither true nor false"},
    {"--mount", "src=/a,dst=/b,bind-nonrecursive=2", "neither true nor false"},
    {"--mount", "src=/a,dst=/b,bind-propagation=all", "no such propagation"},
    {"--mount", "src=/a,dst=/b,bind-recursive=yes", "bind-recursive is"},
    {"--mount", "src=/a,dst=/b,bind-recursive=writable", "goes with ro"},
    {"--mount", "src=/a,dst=/b,rw,bind-recursive=writable", "options conflict: Writable && ReadOnlyNonRecursive"},
    {"--mount", "src=/a,dst=/b,rw,bind-recursive=readonly", "options conflict: Writable && ReadOnlyForceRecursive"},
    {"--mount", "src=/a,dst=/b,rw,rro", "options conflict: Writable && ReadOnlyForceRecursive"},
    {"--mount", "src=/a,dst=/b,ro,bind-recursive=writable,bind-recursive=readonly",
     "options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive"},
    {"--mount", "src=/a,dst=/b,ro,rro,bind-recursive=writable",
     "options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive"},
    {"--mount", "src=/a,dst=/b,overlay,ro", "overlay and ro exclude each other"},
    {"--mount", "src=/a,dst=/b,relabel=shared", "an engine's volumes or labels"},
    {"--mount", "src=/a,dst=/b,consistency=cached", "an engine's volumes or labels"},
    {"--mount", "src=/a,dst=/b,volume-opt=o=x", "an engine's volumes or labels"},
    {"--mount", "type=tmpfs,dst=/t,size=-1", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,size=1x", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,size=1kb", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,size=101%", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,size=18446744073709551616", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,size=16777216T", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,nr_inodes=5%", "nr_inodes is a number"},
    {"--mount", "type=tmpfs,dst=/t,bind-recursive=enabled", "an option of binds"},
    {"--device", "/dev/null:/", "the root itself"},
    {"--mount", "type=tmpfs,dst=/t,tmpfs-size=", "size is a number"},
    {"--mount", "type=tmpfs,dst=/t,mode=8", "mode is an octal number"},
    {"--mount", "type=tmpfs,dst=/t,mode=17777", "mode is an octal number"},
    {"--mount", "type=tmpfs,dst=/t,mode=u+x", "mode is an octal number"},
    {"--mount", "type=tmpfs,dst=/t,tmpfs-mode=", "mode is an octal number"},
    {"--mount", "type=tmpfs,dst=/t,uid=root", "uid and gid are numbers"},
    {"--mount", "type=tmpfs,dst=/t,gid=4294967295", "uid and gid are numbers"},
    {"--mount", "type=tmpfs,dst=/t,\"a,b\"", "has a comma in it"},
    {"--mount", "type=tmpfs,dst=/t,\"x=1,size=1\"", "has a comma in it"},
    {"--volume", "/a", "not SRC:DST[:OPTIONS]"},
    {"--volume", "", "not SRC:DST[:OPTIONS]"},
    {"--volume", "fd:" OPEN, "not SRC:DST[:OPTIONS]"},
    {"--volume", ":/b", "the source is empty"},
    {"--volume", "/a:", "not an absolute path"},
    {"--volume", "/a:b", "not an absolute path"},
    {"--volume", "/a:/b:", "an empty field"},
    {"--volume", "/a:/b:z", "labels and owners"},
    {"--volume", "/a:/b:ro,Z", "labels and owners"},
    {"--volume", "/a:/b:U", "labels and owners"},
    {"--volume", "/a:/b:O", "no options of a file system"},
    {"--volume", "/a:/b:src=/c", "are fields of --mount"},
    {"--volume", "/a:/b:dst=/c", "are fields of --mount"},
    {"--volume", "/a:/b:type=tmpfs", "are fields of --mount"},
    {"--volume", "/a:/b:ro:rw", "no options of a file system"},
    {"--tmpfs", "", "not an absolute path"},
    {"--tmpfs", "t", "not an absolute path"},
    {"--tmpfs", "/t:", "an empty field"},
    {"--tmpfs", "/t:type=bind", "are fields of --mount"},
    {"--tmpfs", "/t:src=x", "are fields of --mount"},
    {"--tmpfs", "/t:size=x", "size is a number"},
    {"--device", "null", "not SRC[:DST]"},
    {"--device", "/dev/null:null", "not SRC[:DST]"},
    {"--device", ":/dev/null", "not SRC[:DST]"},
    {"--device", "", "not SRC[:DST]"},
    {"--device", "/dev/null:/dev/n:rwm", "permissions of devices"},
    {"--mask", "", "neither an absolute path nor none"},
    {"--mask", "x", "neither an absolute path nor none"},
    {"--ro-path", "./x", "neither an absolute path nor none"},
    {"--mount-fds", "", "an empty word in the list"},
    {"--mount-fds", "x", "descriptor"},
    {"--mount-fds", "0,999999", "999999"},
    {"--mount-fds", "123456789012", "not the number of a descriptor"},
};

static void what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char word[256];
        snprintf(word, sizeof(word), "%s=%s", bad[i].option, bad[i].value);
        if (PARSE(word) == OPTIONS_OK)
            fail_msg("%s was taken", word);
        const char *text = said();
        if (strstr(text, bad[i].wanted) == NULL)
            fail_msg("%s: %s", word, text);
    }
}

// -- lengths -----------------------------------------------------------------------------------

static int parse_long(const char *before, size_t n, const char *after)
{
    static char word[16384];
    size_t at = strlen(strcpy(word, before));
    memset(word + at, 'x', n);
    strcpy(word + at + n, after);
    return PARSE(word);
}

static void values_that_are_too_long(void **state)
{
    static const struct {
        const char *before, *after, *wanted;
        size_t most;
    } rows[] = {
        {"--mount=src=/", ",dst=/b", "the source is too long", 4094},
        {"--mount=src=/a,dst=/", "", "the destination is too long", 4094},
        {"--mount=type=tmpfs,dst=/t,src=", "", "the source is longer than 255 bytes", 255},
        {"--mount=type=tmpfs,dst=/t,", "", "longer than 255 bytes", 255},
        {"--mount=type=tmpfs,dst=/t,a=", "", "longer than 255 bytes", 255},
        {"--volume=/", ":/b", "the source is too long", 4094},
        {"--tmpfs=/", "", "the destination is too long", 4094},
        {"--device=/", "", "the path is too long", 4094},
        {"--device=/", ":/a", "the path is too long", 4094},
        {"--device=/a:/", "", "the path is too long", 4094},
        {"--mask=/", "", "the path is too long", 4094},
        {"--ro-path=/", "", "the path is too long", 4094},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (parse_long(rows[i].before, rows[i].most, rows[i].after) != OPTIONS_OK)
            fail_msg("%s, the most: %s", rows[i].before, err_brief());
        assert_int_not_equal(parse_long(rows[i].before, rows[i].most + 1, rows[i].after), OPTIONS_OK);
        const char *text = said();
        if (strstr(text, rows[i].wanted) == NULL)
            fail_msg("%s: %.200s", rows[i].before, text);
    }
}

static void not_more_than_there_is_room_for(void **state)
{
    static char *words[MOUNTS_MAX + 2];
    static const struct {
        const char *word, *wanted;
        unsigned most;
    } rows[] = {
        {"--tmpfs=/t", "more than 4096 mounts", MOUNTS_MAX},
        {"--device=/dev/null", "more than 1024 devices", DEVICES_MAX},
        {"--mask=/a", "more than 4096 paths", HIDDEN_MAX},
        {"--ro-path=/a", "more than 4096 paths", HIDDEN_MAX},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(words, 0, sizeof(words));
        for (unsigned j = 0; j < rows[i].most; j++)
            words[j] = (char *)rows[i].word;
        assert_int_equal(parse_words(words), OPTIONS_OK);
        words[rows[i].most] = (char *)rows[i].word;
        assert_int_not_equal(parse_words(words), OPTIONS_OK);
        assert_non_null(strstr(said(), rows[i].wanted));
    }
}

// -- devices and paths -------------------------------------------------------------------------

static void devices(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--device=/dev/null", "--device=/dev/zero:/dev/x"), OPTIONS_OK);
    assert_int_equal(plan.rootfs.device_count, 2);
    assert_string_equal(plan.rootfs.device[0].source, "/dev/null");
    assert_string_equal(plan.rootfs.device[0].target, "/dev/null");
    assert_string_equal(plan.rootfs.device[1].source, "/dev/zero");
    assert_string_equal(plan.rootfs.device[1].target, "/dev/x");
}

static void none_is_no_path(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--mask=/a", "--mask=none", "--mask=/b", "--ro-path=/c"), OPTIONS_OK);
    assert_true(plan.rootfs.mask_none);
    assert_false(plan.rootfs.read_only_none);
    assert_int_equal(plan.rootfs.mask_count, 2);
    assert_string_equal(plan.rootfs.mask[1], "/b");
    assert_string_equal(plan.rootfs.read_only[0], "/c");
}

static void paths_for_comparing(void **state)
{
    static const struct {
        const char *path, *wanted;
    } rows[] = {
        {"/", "/"},           {"", "/"},           {"//", "/"},         {"/a", "/a"},       {"a", "/a"},
        {"/a/", "/a"},        {"//a//b//", "/a/b"}, {"/./a/./b/.", "/a/b"}, {"/a/../b", "/b"}, {"/..", "/"},
        {"/../../a", "/a"},   {"/a/b/../../..", "/"}, {"/a/...", "/a/..."}, {"/a/.b", "/a/.b"}, {"/a/..b", "/a/..b"},
        {"/proc/", "/proc"},  {"//sys/.", "/sys"},
    };
    char clean[16];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(plan_clean_path(rows[i].path, clean, sizeof(clean)));
        assert_string_equal(clean, rows[i].wanted);
    }
    assert_true(plan_clean_path("/12345678901234", clean, sizeof(clean)));
    assert_false(plan_clean_path("/123456789012345", clean, sizeof(clean)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_cut),
        cmocka_unit_test(quotes_that_do_not_fit),
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(sources_that_are_descriptors),
        cmocka_unit_test(propagation_by_name),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(values_that_are_too_long),
        cmocka_unit_test(not_more_than_there_is_room_for),
        cmocka_unit_test(devices),
        cmocka_unit_test(none_is_no_path),
        cmocka_unit_test(paths_for_comparing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    release_rootfs(&plan.rootfs);
    return failed;
}
