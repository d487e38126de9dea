// SPDX-License-Identifier: MIT
//
// Options of mounts that can't be meant, or would have no effect; and those next to them that do.

#include <errno.h>

#include "plan/rootfs_check.h"
#include "sys/mount.h"
#include "test/unit/parse.h"

// The words of a plan live as long as the process, and this one makes many plans.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static const struct {
    const char *option, *value;
} bad[] = {
    // Fields of --mount that the short forms have a place for.
    {"--tmpfs", "/x:type=proc"},
    {"--tmpfs", "/x:dst=/y"},
    {"--volume", "/a:/b:src=/c"},
    {"--volume", "/a:/b:ro,target=/c"},
    // What the kernel would take for less.
    {"--mount", "type=tmpfs,dst=/x,size=18446744073709551615T"},
    {"--mount", "type=tmpfs,dst=/x,size=18014398509481984k"},
    {"--mount", "type=tmpfs,dst=/x,size=16777216T"},
    {"--mount", "type=tmpfs,dst=/x,size=101%"},
    {"--mount", "type=tmpfs,dst=/x,size=1%k"},
    {"--mount", "type=tmpfs,dst=/x,nr_inodes=5%"},
    {"--mount", "type=tmpfs,dst=/x,nr_inodes=abc"},
    {"--mount", "type=tmpfs,dst=/x,nr_inodes="},
    // What only a bind can mean.
    {"--mount", "type=tmpfs,dst=/x,bind-recursive=enabled"},
    {"--mount", "type=tmpfs,dst=/x,bind-nonrecursive=false"},
    // What only a new mount can have.
    {"--mount", "dst=/x,remount,src=/a"},
    {"--mount", "dst=/x,type=tmpfs,remount,tmpcopyup"},
    {"--mount", "dst=/x,remount,bind,idmap"},
    {"--mount", "dst=/x,remount,bind,overlay"},
    {"--device", "/dev/null:/"},
    {"--device", "/dev/null:/a/.."},
};

static const struct {
    const char *option, *value, *data;
} good[] = {
    {"--tmpfs", "/x:size=16777215T", "size=16777215T"},
    {"--tmpfs", "/x:size=18014398509481983K,ro", "size=18014398509481983K"},
    {"--tmpfs", "/x:size=100%,nr_inodes=4k", "size=100%,nr_inodes=4k"},
    {"--mount", "type=tmpfs,dst=/x,tmpfs-size=1g,tmpfs-mode=1770", "size=1g,mode=1770"},
    {"--mount", "dst=/x,remount,ro", NULL},
    {"--mount", "src=/a,dst=/x,bind-propagation=runbindable", NULL},
};

static int parse(const char *option, const char *value)
{
    return PARSE((char *)option, (char *)value);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse(bad[i].option, bad[i].value) != -EINVAL)
            fail_msg("%s=%s is taken", bad[i].option, bad[i].value);
    }
}

static void test_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (parse(good[i].option, good[i].value) != 0)
            fail_msg("%s=%s is refused", good[i].option, good[i].value);
        const char *data = plan.rootfs.mount[0].data;
        assert_int_equal(data == NULL, good[i].data == NULL);
        if (data != NULL)
            assert_string_equal(data, good[i].data);
    }
}


static unsigned times_listed(const char *path)
{
    unsigned n = 0;
    for (unsigned i = 0; i < plan.rootfs.mask_count; i++)
        n += strcmp(plan.rootfs.mask[i], path) == 0;
    return n;
}

// A path that is given in another spelling is not hidden twice.
static void test_masks_once(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--mount=type=proc,dst=/proc/.", "--mask=/proc//kcore", "--mask=/x"), 0);
    assert_int_equal(plan_check_rootfs(&plan), 0);
    assert_int_equal(times_listed("/proc//kcore"), 1);
    assert_int_equal(times_listed("/proc/kcore"), 0);
    assert_int_equal(times_listed("/proc/acpi"), 1);
    assert_int_equal(times_listed("/x"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_masks_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
