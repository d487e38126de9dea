// SPDX-License-Identifier: MIT
#include "plan/options.h"

#include <errno.h>
#include <stdio.h>

#include "test/unit/parse.h"

#define BYTES_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BYTES_1K                                                                                   \
    BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64      \
        BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64 BYTES_64
#define NO_FD "2147483647"

static const struct {
    const char *option, *values[24]; // ended by NULL
} bad[] = {
    {"--enter", {"", "Pivot", "pivot2", "any", "pivot,chroot"}},
    {"--pivot", {"", "any", "tmp", "Stacked"}},
    {"--overlay", {"", ":", "a:", ":b", "a:b:c", "tmpfs2", "/upper"}},
    {"--workdir", {"", "rel", "./x", "/" BYTES_1K BYTES_1K BYTES_1K BYTES_1K}},
    {"--env", {"", "=", "=x"}},
    {"--unset-env", {"", "A=1", "A="}},
    {"--unshare", {"", ",", "pid,", ",pid", "pid,,net", "mnt", "mount", "PID", "pids", "pi"}},
    {"--join",
     {"", ":", ":/x", "net:", "NET", "mount", "net,uts", "net :/x", "net:fd:", "net:fd:x", "net:fd:-1",
      "fd:0"}},
    {"--target", {"", "0", "-1", "01", "1 ", "self", "2147483648", "fd", "fd:", "fd:x"}},
    {"--map-users",
     {"", "0", "0:0", "0:0:0", "0:0:1:", "0:0:1:1", "-1:0:1", "0:0:4294967296", "4294967295:0:1",
      "4294967294:0:2", "0:4294967294:2", " 0:0:1", "00:0:1", "0,0,1", "a:b:c", "0:0:1 ", "::"}},
    {"--map-groups", {"", "0:0:0", "0:0", "4294967294:0:2", "0:4294967294:2", "0:0:4294967296"}},
    {"--user",
     {"", "root", "-1", "4294967295", "0:", ":0", "0:0:0", "0:-1", "0:root", "01", "1000.1000",
      "0x0", "0:4294967295", "0 ", "4294967296"}},
    {"--groups", {"", "a", "0,", ",0", "0,,1", "4294967295", "-1", "keep,0", "KEEP", "1 2", "01"}},
    {"--cap-add", {"", "mknod,", ",mknod", "nope", "cap_", "CAP_", "37", "cap_37", "all,", "all2"}},
    {"--cap-drop", {"", "nope", "none", "ALL,nope", "-chown", "cap_cap_chown", BYTES_64}},
    {"--no-new-privs", {"", "yes", "ON", "1"}},
    {"--seccomp", {"", "bpf:", "fd:", "fd:x", "fd:-1", "bpf:fd:", "bpf:fd:0a", "bpf:fd:+1"}},
    {"--hostname", {"", BYTES_64 "x"}},
    {"--umask", {"", "8", "1000", "01000", "0o22", "-1", "u=rwx", "022 "}},
    {"--rlimit",
     {"",
      "nofile",
      "nofile=",
      "=1",
      "nofile=1:",
      "nofile=:1",
      "nofile=2:1",
      "nofile=-1",
      "files=1",
      "nofile=1:2:3",
      "NOFILE=1",
      "nofile=1K",
      "as=1k",
      "as=1KK",
      "as=1KiB",
      "as=16777216T",
      "as=18446744073709551615",
      "as=18014398509481984K",
      "nofile=unlimitedx",
      "as=K",
      "nofile=unlimited:1",
      "nofile=infinity",
      "nofile =1"}},
    {"--sysctl", {"", "net.x", "=1", BYTES_64 BYTES_64 BYTES_64 BYTES_64 "=1", "a=b\nc"}},
    {"--pass-fd", {"", "-1", "x", "0,1", "03", "2147483648", "fd:0"}},
    {"--status-fd", {"", "-1", "x", "2147483648"}},
    {"--sync-fd", {"", "-1", "x", "2147483648"}},
    {"--args-fd", {"", "-1", "x", "2147483648"}},
};

static const struct {
    const char *option, *values[16];
} good[] = {
    {"--enter", {"auto", "pivot", "detached", "move", "chroot", "confined"}},
    {"--pivot", {"tmpdir", "stacked"}},
    {"--overlay", {"tmpfs", "a:b", "/up per:/work"}},
    {"--workdir", {"/", "/a/..", "//"}},
    {"--env", {"A", "A=", "A=b=c", "-=x", "--ro"}},
    {"--unset-env", {"A", "a b", "--"}},
    {"--argv0", {"", "-sh", "--ro", "a=b"}},
    {"--join",
     {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time", "net:x", "net:/a:b", "user:fd:0", "net::"}},
    {"--target", {"1", "2147483647", "fd:0"}},
    {"--unshare", {"user", "pid,net,ipc,uts,cgroup,time", "pid,pid"}},
    {"--map-users", {"0:0:1", "0:0:4294967294", "4294967294:4294967294:1"}},
    {"--map-groups", {"0:100000:65536"}},
    {"--user", {"0", "0:0", "4294967294:4294967294"}},
    {"--groups", {"keep", "0", "1,2,4294967294"}},
    {"--cap-add", {"mknod", "CAP_MKNOD", "cap_mknod,Sys_Admin", "ALL", "all,chown"}},
    {"--cap-drop", {"all", "net_raw"}},
    {"--no-new-privs", {"on", "off"}},
    {"--seccomp", {"default", "none", "Default", "./none", "/p.json", "fd:0", "bpf:p", "bpf:fd:1"}},
    {"--hostname", {"h", BYTES_64}},
    {"--umask", {"0", "77", "022", "777", "0777"}},
    {"--rlimit", {"nofile=1", "nofile=0:0", "cpu=1:unlimited", "as=16777215T", "stack=1K:1M"}},
    {"--sysctl", {"net.x=1", "net/x=", "a=b=c"}},
    {"--pass-fd", {"0", "2"}},
    {"--status-fd", {"0", "1", "2"}},
    {"--sync-fd", {"0"}},
};

// `--opt=value` and `--opt value`.
static int parse_either(bool joined, const char *option, const char *value)
{
    static char word[8192], *words[4];
    snprintf(word, sizeof(word), "%s=%s", option, value);
    words[0] = joined ? word : (char *)option;
    words[1] = joined ? "ROOT" : (char *)value;
    words[2] = joined ? NULL : "ROOT";
    return parse_words(words);
}

static void assert_error(int result, const char *option, const char *value, const char *code)
{
    char want[64];
    snprintf(want, sizeof(want), "%s: %s", option, code);
    if (result >= 0)
        fail_msg("%s \"%s\" is taken", option, value);
    assert_string_equal(err_brief(), want);
}

static void bad_values_are_usage_errors_of_their_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        for (const char *const *value = bad[i].values; *value != NULL; value++) {
            for (int joined = 0; joined < 2; joined++) {
                int result = parse_either(joined, bad[i].option, *value);
                assert_error(result, bad[i].option, *value, "EINVAL");
            }
        }
    }
}

static void good_values_are_taken_in_both_spellings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        for (const char *const *value = good[i].values; *value != NULL; value++) {
            for (int joined = 0; joined < 2; joined++) {
                if (parse_either(joined, good[i].option, *value) != OPTIONS_OK)
                    fail_msg("%s \"%s\" is refused: %s", good[i].option, *value, err_brief());
                assert_string_equal(operands[0], "ROOT");
                assert_null(operands[1]);
            }
        }
    }
}

static void each_option_has_a_value_or_none(void **state)
{
    (void)state;
    for (const struct option_row *row = exec_options; row->name != NULL; row++) {
        char *name = (char *)row->name;
        if (row->argument != NULL) {
            assert_error(PARSE(name), name, "", "EINVAL");
            continue;
        }
        assert_int_equal(PARSE(name), strcmp(name, "--help") == 0 ? OPTIONS_HELP : OPTIONS_OK);
        for (int joined = 0; joined < 2; joined++) {
            char word[64];
            snprintf(word, sizeof(word), "%s=%s", name, joined ? "on" : "");
            assert_error(PARSE(word, "ROOT"), name, word, "EINVAL");
        }
    }
}

static void unknown_options_are_named(void **state)
{
    static const char *const words[] = {
        "-x",       "--x",   "--Ro",     "--ro2",      "--r",    "--enter2=auto", "--ente=auto",
        "--=",      "--=ro", "---",      "-h",         "-ro",    "--ro ",         "--env\n=x",
        "--helpme", "-\xff", "--enter ", "--args-fds", "--args",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(words); i++)
        assert_error(PARSE("--ro", (char *)words[i], "/"), "option", words[i], "EINVAL");
}

static void the_first_operand_ends_the_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--ro", "ROOT", "--init", "--nonsense"), OPTIONS_OK);
    assert_string_equal(operands[0], "ROOT");
    assert_string_equal(operands[1], "--init");
    assert_true(plan.read_only && !plan.init);
    assert_int_equal(PARSE("--ro", "--", "--init", "x"), OPTIONS_OK);
    assert_string_equal(operands[0], "--init");
    assert_int_equal(PARSE("-", "--ro"), OPTIONS_OK);
    assert_string_equal(operands[0], "-");
    assert_int_equal(PARSE("", "--ro"), OPTIONS_OK);
    assert_string_equal(operands[0], "");
    assert_false(plan.read_only);
    assert_int_equal(PARSE("--", "--", "x"), OPTIONS_OK);
    assert_string_equal(operands[0], "--");
    assert_int_equal(PARSE(NULL), OPTIONS_OK);
    assert_null(operands[0]);
    assert_int_equal(PARSE("--ro", "--"), OPTIONS_OK);
    assert_null(operands[0]);
    assert_int_equal(PARSE("ROOT", "--help"), OPTIONS_OK);
    assert_int_equal(PARSE("--env", "--help", "--help", "--nonsense"), OPTIONS_HELP);
}

static void closed_descriptors_are_named(void **state)
{
    static const char *const options[] = {"--pass-fd", "--status-fd", "--sync-fd", "--args-fd"};
    (void)state;

    for (size_t i = 0; i < COUNT(options); i++)
        assert_error(PARSE((char *)options[i], NO_FD, "/"), options[i], NO_FD, "EBADF");
    assert_int_equal(options_root(&plan, "fd:" NO_FD), -EBADF);
    assert_string_equal(err_brief(), "ROOT: EBADF");
    assert_error(PARSE("--seccomp=fd:" NO_FD, "/"), "--seccomp", NO_FD, "EBADF");
    assert_error(PARSE("--seccomp=bpf:fd:" NO_FD, "/"), "--seccomp", NO_FD, "EBADF");
    assert_int_equal(PARSE("--status-fd=0", "--status-fd=1"), -EINVAL);
    assert_string_equal(err_brief(), "--status-fd: EINVAL");
    assert_int_equal(PARSE("--sync-fd=0", "--sync-fd=0"), -EINVAL);
    assert_string_equal(err_brief(), "--sync-fd: EINVAL");
}

static void a_root_is_a_path_or_a_descriptor(void **state)
{
    static const char *const none[] = {"fd:", "fd:x", "fd:-1", "fd:00", "fd:0/", "fd:2147483648"};
    static const char *const paths[] = {"", "/", "fd", "fd0", "FD:0", "./fd:0", "/fd:0", " fd:0"};
    (void)state;

    for (size_t i = 0; i < COUNT(none); i++)
        assert_error(options_root(&plan, none[i]), "ROOT", none[i], "EINVAL");
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(options_root(&plan, paths[i]), 0);
        assert_ptr_equal(plan.root, paths[i]);
        assert_int_equal(plan.root_fd, -1);
    }
    assert_int_equal(options_root(&plan, "fd:0"), 0);
    assert_int_equal(plan.root_fd, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_values_are_usage_errors_of_their_option),
        cmocka_unit_test(good_values_are_taken_in_both_spellings),
        cmocka_unit_test(each_option_has_a_value_or_none),
        cmocka_unit_test(unknown_options_are_named),
        cmocka_unit_test(the_first_operand_ends_the_options),
        cmocka_unit_test(closed_descriptors_are_named),
        cmocka_unit_test(a_root_is_a_path_or_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
