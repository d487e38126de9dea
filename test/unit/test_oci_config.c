// SPDX-License-Identifier: MIT
//
// What an OCI config is refused for, in which words. What it becomes is in test_oci_plan.c.
#include <errno.h>
#include <stdio.h>

#include "sys/status.h"
#include "test/unit/support.h"

#include "test/unit/oci_config.h"

#define BYTES_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PATH_4K  "/" BYTES_1K BYTES_1K BYTES_1K BYTES_1K
#define BYTES_1K                                                                                   \
    BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64      \
        BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64

#define TOP(rest)       "{\"ociVersion\":\"1.0.2\"" rest "}"
#define PROCESS(rest)   TOP(",\"process\":{\"cwd\":\"/\"" rest "}")
#define USER(rest)      PROCESS(",\"user\":{\"uid\":0,\"gid\":0" rest "}")
#define CAPS(rest)      PROCESS(",\"capabilities\":{" rest "}")
#define LIMIT(rest)     PROCESS(",\"rlimits\":[{" rest "}]")
#define SCHEDULER(rest) PROCESS(",\"scheduler\":{" rest "}")
#define IO(rest)        PROCESS(",\"ioPriority\":{" rest "}")
#define LINUX(rest)     TOP(",\"linux\":{" rest "}")
#define SPACES(rest)    LINUX("\"namespaces\":[{\"type\":\"mount\"}" rest "]")
#define MAPS(rest)      LINUX("\"namespaces\":[{\"type\":\"user\"}]" rest)
#define TIMES(rest)     LINUX("\"namespaces\":[{\"type\":\"time\"}],\"timeOffsets\":{" rest "}")
#define DEVICE(rest)    LINUX("\"devices\":[{\"path\":\"/dev/x\"" rest "}]")
#define MOUNT(rest)     TOP(",\"mounts\":[{\"destination\":\"/m\"" rest "}]")
#define BIND(rest)      MOUNT(",\"source\":\"/s\"" rest)
#define HOOKS(rest)     TOP(",\"hooks\":{" rest "}")
#define LINE            "\"containerID\":0,\"hostID\":0,\"size\":1"

static const struct {
    const char *text, *message;
} bad[] = {
    // The text.
    {"", "line 1, column 0: '[' or '{' expected near end of file"},
    {"[]", "not an object"},
    {"{}", "ociVersion: missing"},
    {TOP("") "{}", "column 23: end of file expected near '{'"},
    {TOP(",\"a\":1,\"a\":1"), "duplicate object key near '\"a\"'"},
    {TOP(",\"process\":{\"cwd\":\"/\",\n\"cwd\":\"/\"}"), "line 2, column 5: duplicate object key"},
    {TOP(",\"hostname\":\"a\\u0000b\""), "\\u0000 is not allowed"},
    {TOP(",\"hostname\":\"\xff\""), "unable to decode byte 0xff"},
    {TOP(",\"hostname\":\"\xed\xa0\x80\""), "unable to decode byte 0xed"},
    {TOP(",\"hostname\":\"\\ud800\""), "invalid Unicode '\\uD800'"},
    {TOP(",\"hostname\":\"a\tb\""), "control character 0x9"},
    {TOP(",\"hostname\":\"\\u007f\""), "the character DEL"},
    {TOP(",\"x\":99999999999999999999"), "too big integer"},
    {TOP(",\"x\":-9223372036854775809"), "too big negative integer"},
    {TOP(",\"x\":1e999"), "real number overflow"},
    {TOP(",\"x\":01"), "invalid token near '0'"},
    {TOP(",\"x\":NaN"), "invalid token near 'NaN'"},
    {TOP(",\"\\u001b[31m\":1"), "no such field: ?[31m"},
    // The top.
    {"{\"ociVersion\":1}", "ociVersion: not a string"},
    {"{\"ociVersion\":\"\"}", "ociVersion: not a version: "},
    {"{\"ociVersion\":\"1.0\"}", "ociVersion: not a version: 1.0"},
    {"{\"ociVersion\":\"1.0.2x\"}", "ociVersion: not a version: 1.0.2x"},
    {"{\"ociVersion\":\"0.9.0\"}", "ociVersion: only 1.x is known, not 0.9.0"},
    {"{\"ociVersion\":\"2.0.0\"}", "ociVersion: only 1.x is known, not 2.0.0"},
    {TOP(",\"nope\":1"), "no such field: nope"},
    {TOP(",\"platform\":null"), "no such field: platform"},
    {TOP(",\"windows\":{}"), "windows: not carried out"},
    {TOP(",\"solaris\":{}"), "solaris: not carried out"},
    {TOP(",\"vm\":{}"), "vm: not carried out"},
    {TOP(",\"zos\":{}"), "zos: not carried out"},
    {TOP(",\"freebsd\":{}"), "freebsd: not carried out"},
    {TOP(",\"hostname\":\"" BYTES_64 "x\""), "hostname: longer than 64 bytes"},
    {TOP(",\"domainname\":\"" BYTES_64 "x\""), "domainname: longer than 64 bytes"},
    {TOP(",\"domainname\":{}"), "domainname: not a string"},
    {TOP(",\"annotations\":{\"a\":1}"), "annotations.a: not a string"},
    {TOP(",\"annotations\":{\"\":\"a\"}"), "annotations.: not a string, or without a name"},
    {TOP(",\"annotations\":[]"), "annotations: not an object"},
    // root
    {TOP(",\"root\":{}"), "root.path: missing"},
    {TOP(",\"root\":{\"path\":\"\"}"), "root.path: empty"},
    {TOP(",\"root\":{\"path\":\"rootfs\"}"),
     "root.path: relative, and a config read from a descriptor"},
    {TOP(",\"root\":{\"path\":\"" PATH_4K "\"}"), "root.path: the path is too long"},
    {TOP(",\"root\":{\"path\":\"/\",\"readonly\":1}"), "root.readonly: not true or false"},
    {TOP(",\"root\":{\"path\":\"/\",\"readOnly\":true}"), "root: no such field: readOnly"},
    // process
    {TOP(",\"process\":{}"), "process.cwd: missing"},
    {TOP(",\"process\":{\"cwd\":\"x\"}"), "process.cwd: not an absolute path: x"},
    {TOP(",\"process\":{\"cwd\":\"\"}"), "process.cwd: not an absolute path: "},
    {TOP(",\"process\":{\"cwd\":\"" PATH_4K "\"}"), "process.cwd: the path is too long"},
    {PROCESS(",\"terminal\":true"), "process.terminal: not carried out"},
    {PROCESS(",\"terminal\":\"true\""), "process.terminal: not true or false"},
    {PROCESS(",\"consoleSize\":1"), "process.consoleSize: not an object"},
    {PROCESS(",\"commandLine\":\"x\""), "process.commandLine: not carried out"},
    {PROCESS(",\"args\":[]"), "process.args: empty"},
    {PROCESS(",\"args\":[\"\"]"), "process.args: the first word is empty"},
    {PROCESS(",\"args\":[\"a\",1]"), "process.args[1]: not a string"},
    {PROCESS(",\"args\":[18446744073709551615]"), "process.args[0]: not a string"},
    {PROCESS(",\"env\":[\"A\"]"), "process.env[0]: not NAME=VALUE: A"},
    {PROCESS(",\"env\":[\"A=1\",\"=\"]"), "process.env[1]: not NAME=VALUE: ="},
    {PROCESS(",\"env\":[null]"), "process.env[0]: not a string"},
    {PROCESS(",\"apparmorProfile\":\"x\""), "process.apparmorProfile: not carried out"},
    {PROCESS(",\"selinuxLabel\":\"x\""), "process.selinuxLabel: not carried out"},
    {PROCESS(",\"execCPUAffinity\":{}"), "process.execCPUAffinity: not carried out"},
    {PROCESS(",\"noNewPrivileges\":\"on\""), "process.noNewPrivileges: not true or false"},
    {PROCESS(",\"noNewPrivs\":true"), "process: no such field: noNewPrivs"},
    {PROCESS(",\"user\":{\"uid\":0}"), "process.user.gid: missing"},
    {PROCESS(",\"user\":{\"uid\":-1,\"gid\":0}"), "process.user.uid: out of range"},
    {PROCESS(",\"user\":{\"uid\":4294967295,\"gid\":0}"), "process.user.uid: out of range"},
    {PROCESS(",\"user\":{\"uid\":0,\"gid\":18446744073709551615}"),
     "process.user.gid: out of range"},
    {PROCESS(",\"user\":{\"uid\":0.0,\"gid\":0}"), "process.user.uid: not an integer"},
    {USER(",\"umask\":512"), "process.user.umask: out of range"},
    {USER(",\"username\":\"x\""), "process.user.username: not carried out"},
    {USER(",\"additionalGids\":[1,4294967295]"), "process.user.additionalGids[1]: out of range"},
    {USER(",\"additionalGids\":[\"1\"]"), "process.user.additionalGids[0]: not an integer"},
    {CAPS("\"bounding\":[\"CAP_CHOWN\",\"CAP_NOPE\"]"),
     "process.capabilities.bounding[1]: no such capability: CAP_NOPE"},
    {CAPS("\"ambient\":[\"chown\"]"), "process.capabilities.ambient[0]: no such capability: chown"},
    {CAPS("\"effective\":[1]"), "process.capabilities.effective[0]: no such capability: "},
    {CAPS("\"permitted\":{}"), "process.capabilities.permitted: not an array"},
    {CAPS("\"bounded\":[]"), "process.capabilities: no such field: bounded"},
    {LIMIT("\"type\":\"RLIMIT_NOFILE\",\"soft\":1"), "process.rlimits[0].hard: missing"},
    {LIMIT("\"type\":\"RLIMIT_NOFILE\",\"soft\":2,\"hard\":1"),
     "process.rlimits[0].soft: above the hard limit"},
    {LIMIT("\"type\":\"RLIMIT_NOFILE\",\"soft\":-1,\"hard\":1"),
     "process.rlimits[0]: a negative limit"},
    {LIMIT("\"type\":\"RLIMIT_NOPE\",\"soft\":1,\"hard\":1"),
     "process.rlimits[0].type: no such limit: RLIMIT_NOPE"},
    {LIMIT("\"type\":\"nofile\",\"soft\":1,\"hard\":1"),
     "process.rlimits[0].type: no such limit: nofile"},
    {LIMIT("\"type\":\"RLIMIT_nofile\",\"soft\":1,\"hard\":1"),
     "process.rlimits[0].type: no such limit: RLIMIT_no"},
    {LIMIT("\"type\":\"RLIMIT_SIGPENDINGSIGPENDING\",\"soft\":1,\"hard\":1"),
     "no such limit: RLIMIT_SIGPENDINGS"},
    {PROCESS(",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
             "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]"),
     "process.rlimits[1].type: it was named before: RLIMIT_CPU"},
    {PROCESS(",\"oomScoreAdj\":1001"), "process.oomScoreAdj: out of range"},
    {PROCESS(",\"oomScoreAdj\":-1001"), "process.oomScoreAdj: out of range"},
    {SCHEDULER(""), "process.scheduler.policy: missing"},
    {SCHEDULER("\"policy\":\"SCHED_ISO\""), "process.scheduler.policy: no such policy: SCHED_ISO"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"nice\":20"), "process.scheduler.nice: out of range"},
    {SCHEDULER("\"policy\":\"SCHED_FIFO\",\"priority\":-1"),
     "process.scheduler.priority: out of range"},
    {SCHEDULER("\"policy\":\"SCHED_FIFO\",\"flags\":[\"SCHED_FLAG_UTIL_CLAMP_MIN\"]"),
     "process.scheduler.flags[0]: no such flag: SCHED_FLAG_UTIL_CLAMP_MIN"},
    {SCHEDULER("\"policy\":\"SCHED_DEADLINE\",\"runtime\":-1"),
     "process.scheduler.runtime: out of range"},
    {IO("\"class\":\"IOPRIO_CLASS_BE\""), "process.ioPriority.priority: missing"},
    {IO("\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8"),
     "process.ioPriority.priority: out of range"},
    {IO("\"class\":\"BE\",\"priority\":0"), "process.ioPriority.class: no such class: BE"},
    // linux
    {LINUX("\"nope\":1"), "linux: no such field: nope"},
    {LINUX("\"intelRdt\":{}"), "linux.intelRdt: not carried out"},
    {LINUX("\"netDevices\":{}"), "linux.netDevices: not carried out"},
    {LINUX("\"memoryPolicy\":{}"), "linux.memoryPolicy: not carried out"},
    {LINUX("\"mountLabel\":\"x\""), "linux.mountLabel: not carried out"},
    {LINUX("\"cgroupsPath\":1"), "linux.cgroupsPath: not a string"},
    {LINUX("\"resources\":[]"), "linux.resources: not an object"},
    {LINUX("\"seccomp\":[]"), "linux.seccomp: not an object"},
    {LINUX("\"rootfsPropagation\":\"nope\""), "linux.rootfsPropagation: no such word: nope"},
    {LINUX("\"maskedPaths\":[\"/a\",\"b\"]"), "linux.maskedPaths[1]: not an absolute path: b"},
    {LINUX("\"readonlyPaths\":[1]"), "linux.readonlyPaths[0]: not a string"},
    {LINUX("\"personality\":{}"), "linux.personality.domain: missing"},
    {LINUX("\"personality\":{\"domain\":\"BSD\"}"),
     "linux.personality.domain: neither LINUX nor LINUX32: BSD"},
    {LINUX("\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]}"),
     "linux.personality.flags: the spec"},
    {LINUX("\"sysctl\":{\"net.a\":1}"), "linux.sysctl.net.a: not a string"},
    {LINUX("\"sysctl\":{\"a=b\":\"1\"}"), "linux.sysctl.a=b: = in a key"},
    {LINUX("\"sysctl\":{\"\":\"1\"}"), "linux.sysctl \"=1\": not KEY=VALUE"},
    {LINUX("\"sysctl\":{\"net.a\":\"1\\n2\"}"), "a line feed in the value"},
    {SPACES(",{\"type\":\"mount\"}"), "linux.namespaces[1].type: it was named before: mount"},
    {SPACES(",{\"type\":\"net\"}"), "linux.namespaces[1].type: no such namespace: net"},
    {SPACES(",{\"type\":\"network\",\"path\":\"x\"}"),
     "linux.namespaces[1].path: not an absolute path: x"},
    {SPACES(",{\"path\":\"/x\"}"), "linux.namespaces[1].type: missing"},
    {SPACES(",\"pid\""), "linux.namespaces[1]: not an object"},
    {LINUX("\"namespaces\":[{\"type\":\"mount\",\"path\":\"/x\"}]"),
     "linux.namespaces[0].path: a mount namespace that is there already is not carried out"},
    {SPACES("],\"uidMappings\":[{" LINE "}],\"gidMappings\":[{" LINE "}"),
     "linux.uidMappings: there is no user namespace"},
    {LINUX("\"namespaces\":[{\"type\":\"user\",\"path\":\"/u\"}],\"uidMappings\":[{" LINE
           "}],\"gidMappings\":[{" LINE "}]"),
     "linux.uidMappings: the user namespace of linux.namespaces has maps already"},
    {MAPS(",\"uidMappings\":[{" LINE "}]"),
     "linux.uidMappings: uidMappings and gidMappings are given together"},
    {MAPS(",\"gidMappings\":[{" LINE "}]"),
     "linux.gidMappings: uidMappings and gidMappings are given together"},
    {MAPS(",\"uidMappings\":[{" LINE "},{" LINE "}],\"gidMappings\":[{" LINE "}]"),
     "linux.uidMappings[1]: it overlaps a line before it"},
    {MAPS(",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":0}],\"gidMappings\":[{" LINE
          "}]"),
     "linux.uidMappings[0].size: out of range"},
    {MAPS(",\"uidMappings\":[{\"containerID\":2,\"hostID\":0,\"size\":4294967294}],\"gidMappings\":"
          "[{" LINE "}]"),
     "linux.uidMappings[0]: the range is empty or too long"},
    {MAPS(",\"uidMappings\":[{\"containerID\":0,\"hostID\":0}],\"gidMappings\":[{" LINE "}]"),
     "linux.uidMappings[0].size: missing"},
    {SPACES("],\"timeOffsets\":{\"monotonic\":{\"secs\":1}}, \"devices\":["),
     "linux.timeOffsets: there is no new time"},
    {TIMES("\"realtime\":{}"), "linux.timeOffsets: no such field: realtime"},
    {TIMES("\"boottime\":{\"nanosecs\":1000000000}"),
     "linux.timeOffsets.boottime.nanosecs: out of range"},
    {TIMES("\"boottime\":{\"secs\":9223372036854775808}"),
     "linux.timeOffsets.boottime.secs: out of range"},
    {DEVICE(""), "linux.devices[0].type: missing"},
    {DEVICE(",\"type\":\"x\""), "linux.devices[0].type: not c, u, b or p: x"},
    {DEVICE(",\"type\":\"c\",\"major\":1"), "linux.devices[0].minor: missing"},
    {DEVICE(",\"type\":\"c\",\"major\":4096,\"minor\":1"), "linux.devices[0].major: out of range"},
    {DEVICE(",\"type\":\"b\",\"major\":1,\"minor\":1048576"),
     "linux.devices[0].minor: out of range"},
    {DEVICE(",\"type\":\"p\",\"major\":1"), "linux.devices[0].major: out of range"},
    {DEVICE(",\"type\":\"p\",\"fileMode\":8630"),
     "linux.devices[0].fileMode: of another type of file"},
    {DEVICE(",\"type\":\"p\",\"fileMode\":65536"), "linux.devices[0].fileMode: out of range"},
    {DEVICE(",\"type\":\"p\",\"uid\":4294967295"), "linux.devices[0].uid: out of range"},
    {LINUX("\"devices\":[{\"path\":\"dev/x\",\"type\":\"p\"}]"),
     "linux.devices[0].path: not an absolute path"},
    {LINUX("\"devices\":[{\"path\":\"/x\",\"type\":\"p\"},{\"path\":\"/x\",\"type\":\"p\"}]"),
     "linux.devices[1].path: it was named before: /x"},
    // mounts
    {TOP(",\"mounts\":[{\"type\":\"proc\"}]"), "mounts[0].destination: missing"},
    {TOP(",\"mounts\":[{\"destination\":\"\",\"type\":\"proc\"}]"), "mounts[0].destination: empty"},
    {TOP(",\"mounts\":[{\"destination\":\"/a/..//.\",\"type\":\"proc\"}]"),
     "mounts[0].destination: the root itself can't be mounted on"},
    {TOP(",\"mounts\":[{\"destination\":\"..\",\"type\":\"proc\"}]"),
     "the root itself can't be mounted on"},
    {TOP(",\"mounts\":[{\"destination\":\"" PATH_4K "\",\"type\":\"proc\"}]"),
     "destination: the path is too long"},
    {MOUNT(""), "mounts[0].type: missing, and there is neither bind nor rbind"},
    {MOUNT(",\"type\":\"none\""), "mounts[0].type: not carried out: none"},
    {MOUNT(",\"type\":\"ext4\""), "mounts[0].type: not carried out: ext4"},
    {MOUNT(",\"type\":\"devtmpfs\""), "mounts[0].type: not carried out: devtmpfs"},
    {BIND(",\"type\":\"bind\""), "mounts[0].type: there is neither bind nor rbind"},
    {MOUNT(",\"options\":[\"bind\"]"), "mounts[0].source: missing"},
    {MOUNT(",\"options\":[\"bind\"],\"source\":\"\""), "mounts[0].source: empty"},
    {MOUNT(",\"options\":[\"bind\"],\"source\":\"s\""), "mounts[0].source: relative, and a config"},
    {MOUNT(",\"options\":[\"bind\"],\"source\":\"fd:3\""),
     "mounts[0].source: relative, and a config"},
    {BIND(",\"options\":[\"bind\",\"size=1\"]"),
     "mounts[0].options: a bind mount has no options of a file system"},
    {BIND(",\"options\":[\"bind\",1]"), "mounts[0].options[1]: not a string"},
    {BIND(",\"options\":[\"bind\",\"\"]"), "mounts[0].options[1]: not a string, or empty"},
    {BIND(",\"options\":[\"bind\",\"iversion\"]"),
     "mounts[0].options[1]: not carried out: iversion"},
    {BIND(",\"options\":[\"bind\",\"idmap=uids=0-1-1\"]"),
     "mounts[0].options[1]: maps are in uidMappings"},
    {BIND(",\"options\":[\"bind\"],\"uidMappings\":[{" LINE "}]"),
     "mounts[0]: uidMappings and gidMappings are given together"},
    {MOUNT(",\"type\":\"proc\",\"uidMappings\":[{" LINE "}],\"gidMappings\":[{" LINE "}]"),
     "mounts[0].uidMappings: only a bind mount has them"},
    {BIND(",\"options\":[\"bind\"],\"uidMappings\":[{" LINE "}],\"gidMappings\":[{" LINE "},{" LINE
          "}]"),
     "mounts[0].gidMappings[1]: it overlaps a line before it"},
    {MOUNT(",\"flags\":1"), "mounts[0]: no such field: flags"},
    // hooks
    {HOOKS("\"startContainer\":[{\"path\":\"/x\"}]"), "hooks.startContainer: not carried out"},
    {HOOKS("\"stop\":[]"), "hooks: no such field: stop"},
    {HOOKS("\"prestart\":[{}]"), "hooks.prestart[0].path: missing"},
    {HOOKS("\"poststop\":[{\"path\":\"x\"}]"), "hooks.poststop[0].path: not an absolute path: x"},
    {HOOKS("\"createRuntime\":[{\"path\":\"/x\",\"timeout\":0}]"),
     "hooks.createRuntime[0].timeout: out of range"},
    {HOOKS("\"createContainer\":[{\"path\":\"/x\",\"timeout\":-1}]"),
     "hooks.createContainer[0].timeout: out of range"},
    {HOOKS("\"createContainer\":[{\"path\":\"/x\",\"args\":[1]}]"),
     "hooks.createContainer[0].args[0]: not a string"},
    {HOOKS("\"poststart\":[{\"path\":\"/x\",\"env\":{}}]"), "hooks.poststart[0].env: not an array"},
};

// What the user gets.
static void expect_message(const char *expected, size_t row)
{
    char line[1024] = {0};
    int pipe_fds[2], standard = dup(2);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_true(standard >= 0 && dup2(pipe_fds[1], 2) == 2);
    err_report();
    assert_true(dup2(standard, 2) == 2);
    assert_true(read(pipe_fds[0], line, sizeof(line) - 1) > 0);
    close(standard);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    // The line escapes what a JSON text is full of.
    char plain[1024];
    size_t used = 0;
    for (const char *s = line; *s != '\0'; s++) {
        bool quote = strncmp(s, "\\x22", 4) == 0, slash = strncmp(s, "\\x5c", 4) == 0;
        plain[used++] = quote ? '"' : slash ? '\\' : *s;
        s += quote || slash ? 3 : 0;
    }
    plain[used] = '\0';
    if (strstr(plain, expected) == NULL)
        fail_msg("row %zu: \"%s\" is not in: %s", row, expected, plain);
}

static void refused_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        int error = compile_config(bad[i].text, strlen(bad[i].text), NULL);
        if (error != -EINVAL)
            fail_msg("row %zu: %d: %s", i, error, bad[i].text);
        expect_message(bad[i].message, i);
    }
    printf("%zu configs refused\n", COUNT(bad));
}

// A NUL byte in the text ends nothing.
static void nul_bytes(void **state)
{
    (void)state;
    static const char text[] = TOP(",\"hostname\":\"a\0b\"");
    assert_int_equal(compile_config(text, sizeof(text) - 1, NULL), -EINVAL);
    expect_message("line 1, column", 0);
}

static void deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 500000 };
    char *text = malloc(DEPTH);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    assert_int_equal(compile_config(text, DEPTH, NULL), -EINVAL);
    expect_message("line 1, column 2049: maximum parsing depth reached", 0);
    free(text);
}

struct filled {
    const char *before, *each, *after, *message;
    size_t count;
};

static void limits_have_names(void **state)
{
    (void)state;
    static const struct filled rows[] = {
        {"{\"ociVersion\":\"1.0.0\",\"mounts\":[", "{}", "]}", "mounts: more than 4096", 4097},
        {"{\"ociVersion\":\"1.0.0\",\"linux\":{\"devices\":[", "{}", "]}}",
         "linux.devices: more than 1024", 1025},
        {"{\"ociVersion\":\"1.0.0\",\"linux\":{\"maskedPaths\":[", "1", "]}}",
         "more than 4096 paths", 4097},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"env\":[", "\"A=1\"", "]}}",
         "env: too many", 8193},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[", "\"A\"", "]}}",
         "args: too many", 65537},
        {"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/"
         "\",\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[",
         "1", "]}}}", "more than 65536 groups", 65537},
        {"{\"ociVersion\":\"1.0.0\",\"hooks\":{\"createContainer\":[", "{}", "]}}",
         "createContainer: more than 1024", 1025},
        {"{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"/a\",\"options\":[", "\"ro\"",
         "]}]}", "mounts[0].options: more than 1024", 1025},
        {"{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"user\"}],"
         "\"uidMappings\":[",
         "{}", "]}}", "given together", 341},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct filled *r = &rows[i];
        size_t n = strlen(r->each) + 1, used = strlen(r->before);
        char *text = malloc(used + r->count * n + strlen(r->after) + 1);
        assert_non_null(text);
        memcpy(text, r->before, used);
        for (size_t k = 0; k < r->count; k++, used += n) {
            memcpy(text + used, r->each, n - 1);
            text[used + n - 1] = ',';
        }
        memcpy(text + used - 1, r->after, strlen(r->after) + 1);
        assert_int_equal(compile_config(text, strlen(text), NULL), -EINVAL);
        expect_message(r->message, i);
        free(text);
    }
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
        cmocka_unit_test(refused_with_the_place),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(limits_have_names),
    };
    status_set(-1);
    return cmocka_run_group_tests(tests, NULL, release);
}
