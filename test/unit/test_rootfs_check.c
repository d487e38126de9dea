// SPDX-License-Identifier: MIT
//
// What a plan's root file system becomes once all options are known.
#include "plan/rootfs_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include "sys/mount.h"
#include "test/unit/parse.h"

static int check(char **words)
{
    if (parse_words(words) != OPTIONS_OK)
        fail_msg("%s: %s", words[0], err_brief());
    return plan_check_rootfs(&plan);
}

#define CHECK(...) check((char *[]){__VA_ARGS__, NULL})

// The targets in their order, with spaces between them.
static const char *targets(void)
{
    static char text[1024];
    size_t n = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < plan.rootfs.mount_count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", plan.rootfs.mount[i].target);
    return text;
}

static const struct plan_mount *find(const char *target)
{
    for (unsigned i = 0; i < plan.rootfs.mount_count; i++) {
        if (strcmp(plan.rootfs.mount[i].target, target) == 0)
            return &plan.rootfs.mount[i];
    }
    fail_msg("nothing on %s", target);
    return NULL;
}

// -- defaults ----------------------------------------------------------------------------------

#define FIVE "/proc /sys /dev /dev/pts /dev/shm"

static const struct {
    const char *given[3], *wanted;
} rows[] = {
    {{NULL}, FIVE},
    {{"--unshare=ipc"}, FIVE " /dev/mqueue"},
    {{"--mount=src=/a,dst=/data"}, FIVE " /data"},
    {{"--tmpfs=/sys/bar"}, FIVE " /sys/bar"}, // S1-13
    {{"--tmpfs=/dev/fd-foo", "--tmpfs=/developer"}, FIVE " /dev/fd-foo /developer"}, // S1-10
    // The given one stands in place of the default, in its own turn; its name is compared as a path (S1-11).
    {{"--mount=type=proc,dst=/proc"}, "/sys /dev /dev/pts /dev/shm /proc"},
    {{"--mount=type=proc,dst=/proc/"}, "/sys /dev /dev/pts /dev/shm /proc/"},
    {{"--mount=src=/sys,dst=//sys/."}, "/proc /dev /dev/pts /dev/shm //sys/."},
    {{"--mount=src=/sys,dst=/a/../sys"}, "/proc /dev /dev/pts /dev/shm /a/../sys"},
    {{"--tmpfs=/dev/shm:size=1m", "--tmpfs=/x"}, "/proc /sys /dev /dev/pts /dev/shm /x"},
    // What lies below it would be hidden by it.
    {{"--volume=/dev:/dev"}, "/proc /sys /dev"},
    {{"--mount=type=devtmpfs,dst=/dev", "--mount=type=devpts,dst=/dev/pts"}, "/proc /sys /dev /dev/pts"},
    // A remount mounts nothing.
    {{"--mount=dst=/sys,remount,rw"}, FIVE " /sys"},
};

static void defaults_come_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(CHECK("--default-mounts", (char *)rows[i].given[0], (char *)rows[i].given[1]), 0);
        if (strcmp(targets(), rows[i].wanted) != 0)
            fail_msg("%s: %s", rows[i].given[0], targets());
    }
}

static void none_without_the_option(void **state)
{
    (void)state;
    assert_int_equal(CHECK("--tmpfs=/x"), 0);
    assert_string_equal(targets(), "/x");
    assert_int_equal(plan.rootfs.mask_count + plan.rootfs.read_only_count, 0);
}

static void what_the_defaults_are(void **state)
{
    const uint64_t three = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
    (void)state;
    assert_int_equal(CHECK("--default-mounts", "--unshare=ipc"), 0);
    assert_int_equal(find("/proc")->type, MOUNT_PROC);
    assert_int_equal(find("/proc")->set, three);
    assert_int_equal(find("/sys")->type, MOUNT_SYSFS);
    assert_int_equal(find("/sys")->set, three | ATTR_RDONLY);
    assert_true(find("/sys")->by_default);
    assert_int_equal(find("/dev")->type, MOUNT_DEVTMPFS);
    assert_int_equal(find("/dev")->set, ATTR_NOSUID);
    assert_int_equal(find("/dev/pts")->type, MOUNT_DEVPTS);
    assert_int_equal(find("/dev/pts")->set, ATTR_NOSUID | ATTR_NOEXEC);
    assert_string_equal(find("/dev/pts")->data, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    assert_int_equal(find("/dev/shm")->type, MOUNT_TMPFS);
    assert_string_equal(find("/dev/shm")->data, "mode=1777,size=65536k");
    assert_int_equal(find("/dev/mqueue")->type, MOUNT_MQUEUE);
    for (unsigned i = 0; i < plan.rootfs.mount_count; i++)
        assert_int_equal(plan.rootfs.mount[i].fd, -1);
}

static void the_terminals_group_must_be_mapped(void **state)
{
    static const struct {
        const char *maps[2];
        bool mapped;
    } maps[] = {
        {{"--map-users=0:100000:65536", "--map-groups=0:100000:65536"}, true},
        {{"--map-users=0:100000:65536", "--map-groups=0:100000:5"}, false},
        {{"--map-users=0:1000:1", "--map-groups=5:1000:1"}, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(maps); i++) {
        parse_words((char *[]){"--default-mounts", (char *)maps[i].maps[0], (char *)maps[i].maps[1], NULL});
        plan.userns = true;
        assert_int_equal(plan_check_rootfs(&plan), 0);
        assert_int_equal(strstr(find("/dev/pts")->data, ",gid=5") != NULL, maps[i].mapped);
    }
    PARSE("--default-mounts", "--map-auto"); // known when newuidmap has written them
    plan.userns = true;
    assert_int_equal(plan_check_rootfs(&plan), 0);
    assert_null(strstr(find("/dev/pts")->data, "gid"));
    PARSE("--default-mounts");
    plan.join_flags = CLONE_NEWUSER; // seen in there: the mount does without, if need be
    assert_int_equal(plan_check_rootfs(&plan), 0);
    assert_non_null(strstr(find("/dev/pts")->data, "gid"));
    assert_true(find("/dev/pts")->by_default);
}

// -- masks and read-only paths -----------------------------------------------------------------

static bool has(const char *const *list, unsigned count, const char *path)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += strcmp(list[i], path) == 0;
    assert_true(found <= 1);
    return found == 1;
}

#define MASKS(path) has(plan.rootfs.mask, plan.rootfs.mask_count, path)
#define KEEPS(path) has(plan.rootfs.read_only, plan.rootfs.read_only_count, path)

static void a_procfs_brings_masks(void **state)
{
    static const char *const masks[] = {
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"};
    static const char *const kept[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    (void)state;
    assert_int_equal(CHECK("--mount=type=proc,dst=//proc/", "--mask=/proc/keys", "--mask=/x", "--ro-path=/proc/fs"), 0);
    assert_int_equal(plan.rootfs.mask_count, COUNT(masks) + 1);
    assert_int_equal(plan.rootfs.read_only_count, COUNT(kept));
    assert_true(MASKS("/x"));
    for (size_t i = 0; i < COUNT(masks); i++)
        assert_true(MASKS(masks[i]));
    for (size_t i = 0; i < COUNT(kept); i++)
        assert_true(KEEPS(kept[i]));
}

static void none_of_them_unless_it_is_on_proc(void **state)
{
    (void)state;
    assert_int_equal(CHECK("--mount=type=proc,dst=/mnt"), 0);
    assert_int_equal(plan.rootfs.mask_count + plan.rootfs.read_only_count, 0);
    assert_int_equal(CHECK("--mount=src=/proc,dst=/proc"), 0);
    assert_int_equal(plan.rootfs.mask_count + plan.rootfs.read_only_count, 0);
}

static void none_turns_them_off(void **state)
{
    (void)state;
    assert_int_equal(CHECK("--default-mounts", "--mask=none", "--mask=/x"), 0);
    assert_int_equal(plan.rootfs.mask_count, 1);
    assert_true(KEEPS("/proc/sys"));
    assert_int_equal(CHECK("--default-mounts", "--ro-path=/y", "--ro-path=none"), 0);
    assert_int_equal(plan.rootfs.read_only_count, 1);
    assert_true(MASKS("/proc/kcore"));
}

static void none_turns_a_configs_off(void **state)
{
    (void)state;
    PARSE("--default-mounts", "--mask=/of/the/config", "--mask=/too", "--mask=none", "--mask=/x");
    plan.config = "config.json";
    plan.rootfs.config_mask_count = 2;
    assert_int_equal(plan_check_rootfs(&plan), 0);
    assert_int_equal(plan.rootfs.mask_count, 1);
    assert_true(MASKS("/x"));
}

static void a_config_says_what_is_masked(void **state)
{
    (void)state;
    PARSE("--default-mounts", "--mask=/x");
    plan.config = "config.json";
    assert_int_equal(plan_check_rootfs(&plan), 0);
    assert_int_equal(plan.rootfs.mask_count, 1);
    assert_int_equal(plan.rootfs.read_only_count, 0);
}

// -- descriptors -------------------------------------------------------------------------------

static int fds[4];

// The first COUNT of them, as the option.
static char *list(unsigned count)
{
    static char text[64];
    size_t n = (size_t)snprintf(text, sizeof(text), "--mount-fds=");
    for (unsigned i = 0; i < count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", i > 0 ? "," : "", fds[i]);
    return text;
}

static int check_with_root(const char *root, char **words)
{
    assert_int_equal(parse_words(words), OPTIONS_OK);
    plan.root = root;
    return plan_check_rootfs(&plan);
}

static void descriptors_go_to_whom_they_are_for(void **state)
{
    (void)state;
    char *words[] = {list(3), "--volume=fd:/a", "--tmpfs=/t", "--mount=src=/x,dst=/x", "--mount=dst=/b,src=fd", NULL};
    assert_int_equal(check_with_root("fd", words), 0);
    assert_int_equal(plan.root_fd, fds[0]);
    assert_int_equal(plan.rootfs.mount[0].fd, fds[1]);
    assert_int_equal(plan.rootfs.mount[1].fd, -1); // S1-26
    assert_int_equal(plan.rootfs.mount[2].fd, -1);
    assert_int_equal(plan.rootfs.mount[3].fd, fds[2]);
    words[0] = list(2);
    assert_int_equal(check_with_root("/", words), 0);
    assert_int_equal(plan.root_fd, -1);
    assert_int_equal(plan.rootfs.mount[0].fd, fds[0]);
    assert_int_equal(plan.rootfs.mount[3].fd, fds[1]);
}

static void too_few_or_left_over(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 4; n++) {
        char *words[] = {list(n), "--volume=fd:/a", "--volume=fd:/b", "--tmpfs=/fd", NULL};
        assert_int_equal(check_with_root("fd", words), n == 3 ? 0 : -EINVAL);
        assert_int_equal(check_with_root("/", words), n == 2 ? 0 : -EINVAL);
    }
    char *nobody[] = {list(1), "--tmpfs=/t", "--mount=type=proc,src=fd,dst=/proc", NULL};
    assert_int_equal(check_with_root("/", nobody), -EINVAL);
}

static void without_the_option_it_is_a_name(void **state)
{
    (void)state;
    char *words[] = {"--volume=fd:/a", NULL};
    assert_int_equal(check_with_root("fd", words), 0);
    assert_int_equal(plan.root_fd, -1);
    assert_int_equal(plan.rootfs.mount[0].fd, -1);
}

// -- checks ------------------------------------------------------------------------------------

static void what_takes_a_mount_namespace(void **state)
{
    static const struct {
        const char *word, *wanted;
    } options[] = {
        {"--tmpfs=/t", "--mount"},           {"--default-mounts", "--mount"}, {"--device=/dev/null", "--device"},
        {"--mask=/x", "--mask"},             {"--ro-path=/x", "--ro-path"},   {"--mask=none", NULL},
        {"--ro", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(options); i++) {
        assert_int_equal(CHECK((char *)options[i].word), 0);
        const char *what = plan_rootfs_needs_mounts(&plan);
        if (options[i].wanted == NULL)
            assert_null(what);
        else
            assert_string_equal(what, options[i].wanted);
        PARSE((char *)options[i].word);
        plan.method = METHOD_JOINED;
        assert_int_equal(plan_check_rootfs(&plan), options[i].wanted == NULL ? 0 : -EINVAL);
    }
}

static void idmap_takes_a_user_namespace(void **state)
{
    (void)state;
    assert_int_equal(CHECK("--mount=src=/a,dst=/b,idmap"), -EINVAL);
    PARSE("--mount=src=/a,dst=/b,ridmap");
    plan.userns = true;
    assert_int_equal(plan_check_rootfs(&plan), 0);
}

static int open_some(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = open("/", O_PATH | O_DIRECTORY);
        if (fds[i] < 0)
            return -1;
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    release_rootfs(&plan.rootfs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_come_first),
        cmocka_unit_test(none_without_the_option),
        cmocka_unit_test(what_the_defaults_are),
        cmocka_unit_test(the_terminals_group_must_be_mapped),
        cmocka_unit_test(a_procfs_brings_masks),
        cmocka_unit_test(none_of_them_unless_it_is_on_proc),
        cmocka_unit_test(none_turns_them_off),
        cmocka_unit_test(none_turns_a_configs_off),
        cmocka_unit_test(a_config_says_what_is_masked),
        cmocka_unit_test(descriptors_go_to_whom_they_are_for),
        cmocka_unit_test(too_few_or_left_over),
        cmocka_unit_test(without_the_option_it_is_a_name),
        cmocka_unit_test(what_takes_a_mount_namespace),
        cmocka_unit_test(idmap_takes_a_user_namespace),
    };
    return cmocka_run_group_tests(tests, open_some, close_all);
}
