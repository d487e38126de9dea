// SPDX-License-Identifier: MIT
//
// What the fields of an OCI config become.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include "sys/status.h"
#include "test/unit/support.h"

#include "test/unit/oci_config.h"

#define TOP(rest)     "{\"ociVersion\":\"1.0.2-dev\"" rest "}"
#define PROCESS(rest) TOP(",\"process\":{\"cwd\":\"/w\"" rest "}")
#define LINUX(rest)   TOP(",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]" rest "}")
#define MOUNT(rest)   TOP(",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},\"mounts\":[" rest "]")

static void take(const char *text)
{
    status_set(-1);
    if (compile_config(text, strlen(text), "/bundle") != 0) {
        err_report();
        fail_msg("refused: %s", text);
    }
}

// What OCI has as defaults, in place of ours.
static void almost_nothing(void **state)
{
    (void)state;
    take(TOP(""));
    assert_null(plan.root);
    assert_null(plan.command);
    assert_null(plan.workdir);
    assert_null(plan.hostname);
    assert_true(plan.new_privs && plan.filter == FILTER_NONE && !plan.read_only);
    assert_true(plan.method == METHOD_CHROOT && plan.unshare == 0 && plan.join_count == 0);
    assert_true(plan.has_user && plan.has_gid && plan.uid == 0 && plan.gid == 0);
    assert_true(plan.groups == GROUPS_CLEAR && !plan.has_umask && plan.rlimit_count == 0);
    assert_true(plan.has_cap_sets);
    for (int i = 0; i < PLAN_CAP_SETS; i++)
        assert_true(plan.cap_sets[i] == 0);
    assert_true(plan.env_count == 1 && plan.env[0].what == ENV_CLEAR);
    assert_true(plan.rootfs.mount_count == 0 && !plan.rootfs.config_dev);
}

// null is what is not there.
static void nulls(void **state)
{
    (void)state;
    take("{\"ociVersion\":\"1.2.0+x\",\"root\":null,\"process\":null,\"hooks\":null,\"mounts\":"
         "null,\"windows\":null,"
         "\"linux\":{\"intelRdt\":null,\"seccomp\":null,\"namespaces\":null,\"resources\":null,"
         "\"mountLabel\":\"\"},"
         "\"hostname\":\"\",\"domainname\":null,\"annotations\":null}");
    assert_null(plan.hostname);
    assert_int_equal(plan.filter, FILTER_NONE);
}

static void root_and_names(void **state)
{
    (void)state;
    take(TOP(
        ",\"root\":{\"path\":\"r\",\"readonly\":true},\"hostname\":\"h\",\"domainname\":\"d\""));
    assert_string_equal(plan.root, "/bundle/r");
    assert_true(plan.read_only && plan.root_fd == -1);
    assert_string_equal(plan.hostname, "h");
    assert_string_equal(plan.domainname, "d");
    take(TOP(",\"root\":{\"path\":\"fd:3\"}"));
    assert_string_equal(plan.root, "/bundle/fd:3");
    take(TOP(",\"root\":{\"path\":\"/r\",\"readonly\":false}"));
    assert_string_equal(plan.root, "/r");
    assert_false(plan.read_only);
}

static void process(void **state)
{
    (void)state;
    take(PROCESS(
        ",\"terminal\":false,\"consoleSize\":{\"width\":1,\"height\":2},\"args\":[\"a\",\"\"],"
        "\"env\":[\"A=1\",\"B=\",\"A=2\"],\"noNewPrivileges\":true,\"apparmorProfile\":\"\","
        "\"user\":{\"uid\":1,\"gid\":4294967294,\"umask\":63,\"additionalGids\":[5,6]}"));
    assert_string_equal(plan.workdir, "/w");
    assert_true(plan.rootfs.make_workdir && !plan.new_privs);
    assert_string_equal(plan.command[0], "a");
    assert_string_equal(plan.command[1], "");
    assert_null(plan.command[2]);
    assert_int_equal(plan.env_count, 4);
    assert_true(plan.env[0].what == ENV_CLEAR && plan.env[3].what == ENV_SET);
    assert_string_equal(plan.env[3].text, "A=2");
    assert_true(plan.uid == 1 && plan.gid == UINT32_MAX - 1 && plan.has_umask && plan.umask == 077);
    assert_true(plan.groups == GROUPS_LIST && plan.group_count == 2 && plan.group[1] == 6);
}

static void capabilities(void **state)
{
    (void)state;
    take(PROCESS(
        ",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],"
        "\"permitted\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"inheritable\":[\"CAP_KILL\"],"
        "\"ambient\":[\"CAP_KILL\",\"CAP_CHOWN\"]}"));
    const uint64_t kill = CAPS_BIT(CAP_KILL), both = kill | CAPS_BIT(CAP_CHOWN);
    assert_true(plan.cap_sets[PLAN_BOUNDING] == both && plan.cap_sets[PLAN_PERMITTED] == both);
    assert_true(plan.cap_sets[PLAN_EFFECTIVE] == kill && plan.cap_sets[PLAN_INHERITABLE] == kill);
    assert_true(plan.cap_sets[PLAN_AMBIENT] == both);
}

static void limits(void **state)
{
    (void)state;
    take(PROCESS(
        ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2},"
        "{\"type\":\"RLIMIT_CORE\",\"soft\":18446744073709551615,\"hard\":18446744073709551615}]"));
    assert_int_equal(plan.rlimit_count, 2);
    assert_true(plan.rlimit[0].resource == RLIMIT_NOFILE && plan.rlimit[0].limit.rlim_cur == 1);
    assert_true(plan.rlimit[1].resource == RLIMIT_CORE &&
                plan.rlimit[1].limit.rlim_max == RLIM_INFINITY);
}

static void kernel(void **state)
{
    (void)state;
    const struct plan_process *p = &plan.process;
    take(PROCESS(
        ",\"oomScoreAdj\":-1000,\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\",\"priority\":7},"
        "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":-20,\"flags\":[\"SCHED_FLAG_RESET_ON_"
        "FORK\"]}"));
    assert_true(p->has_oom_score_adj && p->oom_score_adj == -1000);
    assert_true(p->has_io_priority && p->io_priority == IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 7));
    assert_true(p->has_scheduler && p->scheduler.policy == SCHED_BATCH && p->scheduler.nice == -20);
    assert_true(p->scheduler.flags == 1 && !p->has_personality);
    take(PROCESS(",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,"
                 "\"period\":18446744073709551615}"));
    assert_true(!p->has_oom_score_adj && !p->has_io_priority);
    assert_true(p->scheduler.policy == 6 && p->scheduler.runtime == 1 &&
                p->scheduler.deadline == 2);
    assert_true(p->scheduler.period == UINT64_MAX);
    take(LINUX(",\"personality\":{\"domain\":\"LINUX32\",\"flags\":[]}"));
    assert_true(p->has_personality && p->personality == PER_LINUX32);
}

static void namespaces(void **state)
{
    (void)state;
    take(
        TOP(",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"},"
            "{\"type\":\"mount\",\"path\":\"\"},{\"type\":\"user\"},{\"type\":\"time\"},{\"type\":"
            "\"cgroup\"}],"
            "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1},"
            "{\"containerID\":1,\"hostID\":100000,\"size\":65536}],"
            "\"gidMappings\":[{\"containerID\":0,\"hostID\":7,\"size\":1}],"
            "\"timeOffsets\":{\"monotonic\":{\"secs\":-5,\"nanosecs\":9},\"boottime\":{}}}"));
    assert_int_equal(plan.method, METHOD_AUTO);
    assert_int_equal(plan.unshare, CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWCGROUP);
    assert_true(plan.join_count == 1 && plan.join_flags == CLONE_NEWNET && plan.join[0].fd == -1);
    assert_string_equal(plan.join[0].source, "/n");
    assert_string_equal(plan.join[0].name, "net");
    assert_true(plan.map_given && plan.users.count == 2 && plan.users.line[1].outer == 100000);
    assert_true(plan.groups_map.count == 1 && plan.groups_map.line[0].outer == 7);
    assert_true(plan.monotonic.given && plan.monotonic.seconds == -5 &&
                plan.monotonic.nanoseconds == 9);
    assert_true(plan.boottime.given && plan.boottime.seconds == 0);
}

static void devices(void **state)
{
    (void)state;
    const struct plan_rootfs *r = &plan.rootfs;
    take(LINUX(",\"devices\":[{\"path\":\"/dev/"
               "a\",\"type\":\"c\",\"major\":10,\"minor\":229,\"fileMode\":8630,"
               "\"uid\":1,\"gid\":2},{\"path\":\"/x/"
               "b\",\"type\":\"b\",\"major\":7,\"minor\":0,\"fileMode\":384},"
               "{\"path\":\"/p\",\"type\":\"p\"},{\"path\":\"/"
               "u\",\"type\":\"u\",\"major\":1,\"minor\":3}]"));
    assert_int_equal(r->device_count, 4);
    assert_int_equal(r->device[0].mode, S_IFCHR | 0666);
    assert_true(r->device[0].major == 10 && r->device[0].minor == 229 && r->device[0].has_mode);
    assert_true(r->device[0].uid == 1 && r->device[0].gid == 2 && r->device[0].source == NULL);
    assert_int_equal(r->device[1].mode, S_IFBLK | 0600);
    assert_true(r->device[2].mode == (S_IFIFO | 0666) && !r->device[2].has_mode);
    assert_int_equal(r->device[3].mode, S_IFCHR | 0666);
}

static void linux_rest(void **state)
{
    (void)state;
    const struct plan_rootfs *r = &plan.rootfs;
    take(LINUX(",\"maskedPaths\":[\"/a\",\"/b\",\"/a\"],\"readonlyPaths\":[\"/"
               "c\"],\"rootfsPropagation\":\"rslave\","
               "\"cgroupsPath\":\"/x\",\"resources\":{\"anything\":[1.5,18446744073709551615]},"
               "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\",\"net/core/somaxconn\":\"5\"},"
               "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"));
    assert_true(r->mask_count == 2 && r->read_only_count == 1);
    assert_string_equal(r->mask[1], "/b");
    assert_true(r->propagation == MS_SLAVE && r->propagation_all);
    assert_int_equal(plan.sysctl_count, 2);
    assert_string_equal(plan.sysctl[0].path, "sys/net/ipv4/ip_forward");
    assert_string_equal(plan.sysctl[1].path, "sys/net/core/somaxconn");
    assert_string_equal(plan.sysctl[1].value, "5");
    assert_true(plan.filter == FILTER_CONFIG && plan.filter_json != NULL);
}

static void mounts(void **state)
{
    (void)state;
    take(MOUNT("{\"destination\":\"proc\",\"type\":\"proc\",\"source\":\"proc\"},"
               "{\"destination\":\"/"
               "t\",\"type\":\"tmpfs\",\"options\":[\"nosuid\",\"size=1k\",\"mode=755\",\"ro\"]},"
               "{\"destination\":\"/"
               "b\",\"type\":\"x\",\"source\":\"s\",\"options\":[\"bind\",\"ro\",\"rslave\"]},"
               "{\"destination\":\"/r\",\"source\":\"/s\",\"options\":[\"rbind\",\"rro\"],"
               "\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}],"
               "\"gidMappings\":[{\"containerID\":0,\"hostID\":6,\"size\":1}]},"
               "{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"remount\",\"rw\"]}"));
    const struct plan_mount *m = plan.rootfs.mount;
    assert_true(plan.rootfs.mount_count == 5 && plan.rootfs.config_dev);
    assert_string_equal(m[0].target, "/proc");
    assert_true(m[0].type == MOUNT_PROC && m[0].data == NULL && m[0].set == 0 && m[0].fd == -1);
    assert_true(m[1].type == MOUNT_TMPFS && m[1].source == NULL);
    assert_string_equal(m[1].data, "size=1k,mode=755");
    assert_int_equal(m[1].set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY);
    assert_true(m[2].type == MOUNT_BIND && !m[2].recursive && !m[2].weak_ro && !m[2].idmap);
    assert_string_equal(m[2].source, "/bundle/s");
    assert_true(m[2].set == MOUNT_ATTR_RDONLY && m[2].propagation == MS_SLAVE &&
                m[2].propagation_all);
    assert_true(m[3].recursive && m[3].set_all == MOUNT_ATTR_RDONLY && m[3].idmap &&
                !m[3].idmap_all);
    assert_true(m[3].users->line[0].outer == 5 && m[3].groups->line[0].outer == 6);
    assert_true(m[4].remount && m[4].clear == MOUNT_ATTR_RDONLY);
}

// The nodes of /dev are not made in a directory of the host.
static void bind_at_dev(void **state)
{
    (void)state;
    static const struct {
        const char *destination;
        bool covers;
    } rows[] = {
        {"/dev", true},        {"dev", true},       {"/dev/", true},   {"//dev", true},
        {"/a/../dev/.", true}, {"/dev/a/..", true}, {"/devs", false},  {"/dev/shm", false},
        {"/de", false},        {"/../dev", true},   {"/a/dev", false}, {"/dev/../x", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 MOUNT("{\"destination\":\"%s\",\"source\":\"/s\",\"options\":[\"bind\"]}"),
                 rows[i].destination);
        take(text);
        if (plan.rootfs.config_dev == rows[i].covers)
            fail_msg("%s", rows[i].destination);
        snprintf(text, sizeof(text), MOUNT("{\"destination\":\"%s\",\"type\":\"tmpfs\"}"),
                 rows[i].destination);
        take(text);
        assert_true(plan.rootfs.config_dev);
    }
}

static void hooks(void **state)
{
    (void)state;
    const struct plan_rootfs *r = &plan.rootfs;
    const char *text =
        TOP(",\"annotations\":{\"a\\\"\\n\":\"\xc3\xa9\\\\\"},\"hooks\":{\"prestart\":[{\"path\":"
            "\"/p\"}],"
            "\"startContainer\":[],\"createContainer\":[{\"path\":\"/c\",\"args\":[\"c\",\"x\"],"
            "\"env\":[\"A=1\"],\"timeout\":3},{\"path\":\"/d\"}]}");
    assert_int_equal(compile_config(text, strlen(text), "/usr/bin/.."), 0);
    assert_true(r->hook_count == 2 && r->read_only_late);
    assert_string_equal(r->hook[0].path, "/c");
    assert_string_equal(r->hook[0].arguments[1], "x");
    assert_string_equal(r->hook[0].environment[0], "A=1");
    assert_true(r->hook[0].timeout == 3 && r->hook[1].timeout == 0 && r->hook[1].arguments == NULL);
    assert_string_equal(r->state,
                        "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"usr\",\"bundle\":\"/usr\","
                        "\"annotations\":{\"a\\\"\\u000a\":\"\xc3\xa9\\\\\"}}");
    text = TOP(",\"hooks\":{\"createContainer\":[{\"path\":\"/d\"}]}");
    assert_int_equal(compile_config(text, strlen(text), ""), 0);
    assert_string_equal(r->state, "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"/\",\"bundle\":\"/\"}");
}

static int release(void **state)
{
    (void)state;
    release_plan();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(almost_nothing), cmocka_unit_test(nulls),
        cmocka_unit_test(root_and_names), cmocka_unit_test(process),
        cmocka_unit_test(capabilities),   cmocka_unit_test(limits),
        cmocka_unit_test(kernel),         cmocka_unit_test(namespaces),
        cmocka_unit_test(devices),        cmocka_unit_test(linux_rest),
        cmocka_unit_test(mounts),         cmocka_unit_test(bind_at_dev),
        cmocka_unit_test(hooks),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
