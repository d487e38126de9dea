// SPDX-License-Identifier: MIT
#include "seccomp/oci_profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "seccomp/calls.h"
#include "sys/err.h"
#include "sys/status.h"
#include "test/unit/naive.h"
#include "test/unit/support.h"

#define DEFAULT(action) "{\"defaultAction\":\"SCMP_ACT_" action "\""
#define CALLS(calls)    DEFAULT("ERRNO") ",\"syscalls\":[" calls "]}"
#define READ(rest)      CALLS("{\"names\":[\"read\"]" rest "}")
#define ARG(arg)        READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{" arg "}]")
#define LONG            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGER          LONG LONG LONG LONG LONG

// What the line says that the user gets.
static const struct {
    const char *text, *message;
} bad[] = {
    {"", "line 1, column 0: '[' or '{' expected near end of file"},
    {"{", "line 1, column 1: string or '}' expected near end of file"},
    {"[]", "not an object"},
    {"{}", "defaultAction: missing"},
    {"null", "'[' or '{' expected near 'null'"},
    {"{\"defaultAction\":null}", "defaultAction: missing"},
    {"{\"defaultAction\":1}", "defaultAction: not a string"},
    {"{\n \"defaultAction\":\n  SCMP_ACT_ALLOW}", "line 3, column 6: invalid token near 'SCMP'"},
    {DEFAULT("ALLOW") "}x", "column 35: end of file expected near 'x'"},
    {DEFAULT("ALLOW") ",\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
     "duplicate object key near '\"defaultAction\"'"},
    {DEFAULT("ALLOW") ",\"x\\u0000\":1}", "NUL byte in object key not supported"},
    {DEFAULT("ALLOW") ",\"\xff\":1}", "unable to decode byte 0xff"},
    {DEFAULT("NOPE") "}", "defaultAction: no such action: SCMP_ACT_NOPE"},
    {DEFAULT("allow") "}", "defaultAction: no such action: SCMP_ACT_allow"},
    {DEFAULT("NOTIFY") "}", "defaultAction: SCMP_ACT_NOTIFY needs a listener"},
    {DEFAULT("\\u001b[31m\xc3\xa9") "}", "no such action: SCMP_ACT_?[31m??"},
    {DEFAULT(LONGER) "}", "no such action: SCMP_ACT_0123"},
    {DEFAULT("ALLOW") ",\"defaultErrnoRet\":1}",
     "defaultErrnoRet: no errno goes with SCMP_ACT_ALLOW"},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":4096}",
     "defaultErrnoRet: out of range for SCMP_ACT_ERRNO"},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":-1}", "defaultErrnoRet: out of range"},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":\"EPERM\"}", "defaultErrnoRet: not an integer"},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":1.0}", "defaultErrnoRet: not an integer"},
    {DEFAULT("TRACE") ",\"defaultErrnoRet\":65536}", "defaultErrnoRet: out of range"},
    {DEFAULT("ALLOW") ",\"listenerPath\":\"/run/x\"}", "listenerPath: there is no listener here"},
    {DEFAULT("ALLOW") ",\"listenerMetadata\":\"x\"}",
     "listenerMetadata: there is no listener here"},
    {DEFAULT("ALLOW") ",\"architectures\":[\"SCMP_ARCH_X86\",\"x86\"]}",
     "architectures[1]: no such architecture: x86"},
    {DEFAULT("ALLOW") ",\"architectures\":[86]}", "architectures[0]: no such architecture: "},
    {DEFAULT("ALLOW") ",\"flags\":[\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}",
     "flags[0]: no such flag: SECCOMP_FILTER_FLAG_N"},
    {DEFAULT("ALLOW") ",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}",
     "flags[0]: this flag needs a listener"},
    {DEFAULT("ALLOW") ",\"flags\":{}}", "flags: not an array"},
    {DEFAULT("ALLOW") ",\"syscalls\":{}}", "syscalls: not an array"},
    {DEFAULT("ALLOW") ",\"archMap\":[]}", "no such field: archMap"},
    {DEFAULT("ALLOW") ",\"Syscalls\":[]}", "no such field: Syscalls"},
    {CALLS("1"), "syscalls[0]: not an object"},
    {CALLS("{\"action\":\"SCMP_ACT_ALLOW\"}"), "syscalls[0].names: missing"},
    {CALLS("{\"names\":[],\"action\":\"SCMP_ACT_ALLOW\"}"), "syscalls[0].names: empty"},
    {CALLS("{\"names\":[\"read\",\"\"],\"action\":\"SCMP_ACT_ALLOW\"}"),
     "syscalls[0].names[1]: not the name of a call"},
    {CALLS("{\"names\":[7],\"action\":\"SCMP_ACT_ALLOW\"}"),
     "syscalls[0].names[0]: not the name of a call"},
    {CALLS("{\"names\":[18446744073709551615],\"action\":\"SCMP_ACT_ALLOW\"}"),
     "syscalls[0].names[0]: not the name of a call"},
    {CALLS("{\"names\":[\"read\"],\"action\":18446744073709551615}"), "syscalls[0].action: not a string"},
    {CALLS("{\"names\":[\"re\x7f" "ad\"],\"action\":\"SCMP_ACT_ALLOW\"}"), "the character DEL"},
    {CALLS("{\"names\":[\"\\u007F5\"],\"action\":\"SCMP_ACT_ALLOW\"}"), "the character DEL"},
    {CALLS("{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\"}"),
     "syscalls[0]: no such field: name"},
    {READ(""), "syscalls[0].action: missing"},
    {READ(",\"action\":\"SCMP_ACT_NOTIFY\""), "syscalls[0].action: SCMP_ACT_NOTIFY needs"},
    {READ(",\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1"),
     "syscalls[0].errnoRet: no errno goes with SCMP_ACT_KILL"},
    {READ(",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5000"),
     "syscalls[0].errnoRet: out of range"},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{}"),
     "syscalls[0]: no such field: includes"},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"comment\":\"\""),
     "syscalls[0]: no such field: comment"},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[7]"), "syscalls[0].args[0]: not an object"},
    {ARG("\"value\":1,\"op\":\"SCMP_CMP_EQ\""), "syscalls[0].args[0].index: missing"},
    {ARG("\"index\":0,\"op\":\"SCMP_CMP_EQ\""), "syscalls[0].args[0].value: missing"},
    {ARG("\"index\":0,\"value\":1"), "syscalls[0].args[0].op: missing"},
    {ARG("\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].index: not 0 to 5"},
    {ARG("\"index\":-1,\"value\":1,\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].index: not 0 to 5"},
    {ARG("\"index\":0,\"value\":-1,\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].value: not a number of 64 bits"},
    {ARG("\"index\":0,\"value\":\"1\",\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].value: not an integer"},
    {ARG("\"index\":0,\"value\":1e3,\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].value: not an integer"},
    {ARG("\"index\":0,\"value\":18446744073709551616,\"op\":\"SCMP_CMP_EQ\""),
     "too big integer near '18446744073709551616'"},
    {ARG("\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_LIKE\""),
     "syscalls[0].args[0].op: no such operator: SCMP_CMP_LIKE"},
    {ARG("\"index\":0,\"value\":1,\"valueTwo\":1.5,\"op\":\"SCMP_CMP_EQ\""),
     "syscalls[0].args[0].valueTwo: not an integer"},
    // libseccomp fails for these, and with it runc.
    {CALLS("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,"
           "\"op\":\"SCMP_CMP_EQ\"}]},"
           "{\"names\":[\"write\",\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,"
           "\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
     "syscalls[1].names[1]: another action for calls that an earlier rule is for"},
};

// What err_report() prints.
static void report(char *line, size_t size)
{
    int fd = hold_bytes("", 0), old = dup(STDERR_FILENO);
    assert_true(old >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    err_report();
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    ssize_t n = pread(fd, line, size - 1, 0);
    assert_true(n >= 0);
    line[n] = '\0';
    close(old);
    close(fd);
}

static int read_text(struct oci_profile *p, const char *text)
{
    return oci_profile_read(p, text, strlen(text), "profile.json");
}

static void bad_profiles_are_refused_by_name(void **state)
{
    (void)state;
    status_set(-1);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct oci_profile p;
        char line[2048];
        assert_int_equal(read_text(&p, bad[i].text), -EINVAL);
        report(line, sizeof(line));
        if (strstr(line, bad[i].message) == NULL || strstr(line, "profile.json") == NULL)
            fail_msg("%s\nis called: %s", bad[i].text, line);
        for (const char *s = line; *s != '\0'; s++)
            assert_true(*s == '\n' || (*s >= ' ' && *s <= '~'));
        err_forget();
    }
}

// -- good ones ---------------------------------------------------------------------------------

enum {
    ALLOW = SECCOMP_RET_ALLOW,
    NO = SECCOMP_RET_ERRNO | EPERM,
    NEWER = SECCOMP_RET_ERRNO | ENOSYS
};

#define ALLOWED(names) CALLS("{\"names\":[" names "],\"action\":\"SCMP_ACT_ALLOW\"}")
#define EVERYWHERE                                                                                 \
    "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_"     \
    "AARCH64\",\"SCMP_ARCH_ARM\",\"SCMP_ARCH_S390X\"]"
#define IF(index, value, op)                                                                       \
    "{\"index\":" #index ",\"value\":" #value ",\"op\":\"SCMP_CMP_" #op "\"}"

// The answer to one call of the own architecture: its name, and two arguments.
static const struct {
    const char *text, *call;
    uint64_t first, second;
    uint32_t want;
} good[] = {
    {DEFAULT("ALLOW") "}", "read", 0, 0, ALLOW},
    {DEFAULT("ALLOW") ",\"listenerPath\":\"\",\"syscalls\":null,\"flags\":null}", "read", 0, 0,
     ALLOW},
    {DEFAULT("KILL") "}", "read", 0, 0, SECCOMP_RET_KILL_THREAD},
    {DEFAULT("KILL_THREAD") "}", "read", 0, 0, SECCOMP_RET_KILL_THREAD},
    {DEFAULT("KILL_PROCESS") "}", "read", 0, 0, SECCOMP_RET_KILL_PROCESS},
    {DEFAULT("TRAP") "}", "read", 0, 0, SECCOMP_RET_TRAP},
    {DEFAULT("LOG") "}", "read", 0, 0, SECCOMP_RET_LOG},
    {DEFAULT("TRACE") "}", "read", 0, 0, SECCOMP_RET_TRACE | EPERM},
    {DEFAULT("TRACE") ",\"defaultErrnoRet\":65535}", "read", 0, 0, SECCOMP_RET_TRACE | 65535},
    {DEFAULT("ERRNO") "}", "read", 0, 0, NO},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":0}", "read", 0, 0, SECCOMP_RET_ERRNO},
    {DEFAULT("ERRNO") ",\"defaultErrnoRet\":4095}", "read", 0, 0, SECCOMP_RET_ERRNO | 4095},
    {ALLOWED("\"read\""), "read", 0, 0, ALLOW},
    {ALLOWED("\"read\",\"no_such_call\",\"socketcall\""), "read", 0, 0, ALLOW},
    // Newer than the newest one that is named; none is named, so none is newer.
    {ALLOWED("\"read\",\"openat2\""), "mount", 0, 0, NO},
    {ALLOWED("\"read\",\"openat2\""), "fchmodat2", 0, 0, NEWER},
    {ALLOWED("\"no_such_call\""), "fchmodat2", 0, 0, NO},
    {DEFAULT("LOG") ",\"syscalls\":[{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
     "fchmodat2", 0, 0, SECCOMP_RET_LOG},
    {READ(",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":100"), "read", 0, 0,
     SECCOMP_RET_ERRNO | 100},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":null,\"errnoRet\":null"), "read", 0, 0, ALLOW},
    // All conditions of a rule; but each for itself where one argument has several.
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(1, 6, EQ) "," IF(0, 5, EQ) "]"), "read", 5,
     6, ALLOW},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(1, 6, EQ) "," IF(0, 5, EQ) "]"), "read", 5,
     7, NO},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(0, 5, EQ) "," IF(0, 6, EQ) "," IF(1, 9,
                                                                                           EQ) "]"),
     "read", 6, 0, ALLOW},
    {READ(",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(0, 5, EQ) "," IF(0, 6, EQ) "," IF(1, 9,
                                                                                           EQ) "]"),
     "read", 0, 9, ALLOW},
    {ARG("\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\""), "read", ~0ULL, 0,
     ALLOW},
    {ARG("\"index\":0,\"value\":9223372036854775808,\"op\":\"SCMP_CMP_EQ\""), "read", 1ULL << 63, 0,
     ALLOW},
    {ARG("\"index\":0,\"value\":240,\"valueTwo\":16,\"op\":\"SCMP_CMP_MASKED_EQ\""), "read", 0xf1f,
     0, ALLOW},
    {ARG("\"index\":0,\"value\":240,\"valueTwo\":16,\"op\":\"SCMP_CMP_MASKED_EQ\""), "read", 0x2f,
     0, NO},
    // The first rule without conditions counts.
    {CALLS("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[" IF(
         0, 1, EQ) "]},{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
                   "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRAP\"}"),
     "read", 1, 0, ALLOW},
    // A rule with the default's action is none, so it takes nothing away.
    {CALLS("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\"},{\"names\":[\"read\"],\"action\":"
           "\"SCMP_ACT_ALLOW\"}"),
     "read", 0, 0, ALLOW},
    // clone3 hides its flags, unless the profile says otherwise.
    {CALLS("{\"names\":[\"clone\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(
         0, 1, EQ) "]}"),
     "clone3", 1, 0, NEWER},
    {CALLS("{\"names\":[\"clone\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}"), "clone3", 1, 0,
     NO},
    {CALLS("{\"names\":[\"clone\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(
         0, 1, EQ) "]},"
                   "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
     "clone3", 1, 0, NO},
    {DEFAULT("ALLOW") ",\"syscalls\":[{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ERRNO\","
                      "\"args\":[" IF(0, 1, EQ) "]}]}",
     "clone3", 0, 0, NEWER},
};

static uint32_t ask(const struct oci_profile *p, size_t table, const char *call, uint64_t first,
                    uint64_t second)
{
    int number = calls_find(table == 0 ? CALLS_OWN : CALLS_COMPAT, call, strlen(call));
    const struct seccomp_data data = {
        .nr = number, .arch = p->to.table[table].arch, .args = {first, second}};
    assert_true(number >= 0);
    return naive_answer(&p->to, &data);
}

static void good_profiles_mean_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct oci_profile p;
        if (read_text(&p, good[i].text) < 0) {
            err_report();
            fail_msg("%s", good[i].text);
        }
        assert_int_equal(p.to.tables, 1);
        assert_int_equal(p.flags, 0);
        uint32_t got = ask(&p, 0, good[i].call, good[i].first, good[i].second);
        if (got != good[i].want)
            fail_msg("%s\n%s: %#x", good[i].text, good[i].call, got);
    }
}

static void architectures_and_flags(void **state)
{
    struct oci_profile p;
    (void)state;
    assert_int_equal(
        read_text(
            &p,
            DEFAULT(
                "ERRNO") "," EVERYWHERE
                         ",\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_LOG\","
                         "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],\"syscalls\":[{\"names\":["
                         "\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"),
        0);
    assert_int_equal(p.to.tables, 2);
    assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    assert_int_equal(p.to.table[0].arch, calls_audit(CALLS_OWN));
    assert_int_equal(p.to.table[1].arch, calls_audit(CALLS_COMPAT));
    assert_int_equal(p.to.x32, NEWER);
    assert_int_equal(p.to.other_arch, SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(ask(&p, 1, "openat2", 0, 0), ALLOW);
    assert_int_equal(ask(&p, 1, "fchmodat2", 0, 0), NEWER);
    assert_int_equal(ask(&p, 1, "mount", 0, 0), NO);
}

// On i386 sockets go through socketcall, too.
static void parts_of_i386_calls(void **state)
{
    struct oci_profile p;
    (void)state;
    if (CALLS_COMPAT != CALLS_I386)
        skip();
    assert_int_equal(
        read_text(&p, DEFAULT("ERRNO") "," EVERYWHERE
                                       ",\"syscalls\":[{\"names\":[\"socket\",\"recv\",\"shmget\"],"
                                       "\"action\":\"SCMP_ACT_ALLOW\"}]}"),
        0);
    assert_int_equal(ask(&p, 1, "socket", 9, 9), ALLOW);
    assert_int_equal(ask(&p, 1, "socketcall", 1, 0), ALLOW);
    assert_int_equal(ask(&p, 1, "socketcall", 10, 0), ALLOW);
    assert_int_equal(ask(&p, 1, "socketcall", 2, 0), NO);
    assert_int_equal(ask(&p, 1, "ipc", 23, 0), ALLOW);
    assert_int_equal(ask(&p, 1, "ipc", 24, 0), NO);
}

static void limits(void **state)
{
    static char text[OCI_PROFILE_BYTES_MAX + 2];
    static const char start[] =
        CALLS("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[");
    struct oci_profile p;
    (void)state;

    memset(text, ' ', sizeof(text));
    memcpy(text, DEFAULT("ALLOW") "}", sizeof(DEFAULT("ALLOW")));
    assert_int_equal(oci_profile_read(&p, text, OCI_PROFILE_BYTES_MAX, "profile.json"), 0);
    assert_int_equal(oci_profile_read(&p, text, OCI_PROFILE_BYTES_MAX + 1, "profile.json"), -E2BIG);
    memset(text, '[', OCI_PROFILE_BYTES_MAX); // deeper than any reader goes
    assert_int_equal(oci_profile_read(&p, text, OCI_PROFILE_BYTES_MAX, "profile.json"), -EINVAL);
    for (int rules = 4000; rules <= 8000; rules += 4000) {
        size_t n = sizeof(DEFAULT("ERRNO") ",\"syscalls\":[") - 1;
        memcpy(text, start, n);
        for (int i = 0; i < rules; i++)
            n += (size_t)sprintf(
                text + n,
                "%s{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" IF(0, % d,
                                                                                      EQ) "]}",
                i > 0 ? "," : "", i);
        n += (size_t)sprintf(text + n, "]}");
        assert_int_equal(oci_profile_read(&p, text, n, "profile.json"),
                         rules == 4000 ? 0 : -EINVAL);
    }
    err_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_profiles_are_refused_by_name),
        cmocka_unit_test(good_profiles_mean_what_they_say),
        cmocka_unit_test(architectures_and_flags),
        cmocka_unit_test(parts_of_i386_calls),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
