// SPDX-License-Identifier: MIT
//
// Hooks as the step runs them: what they get, and what comes of how they end.
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/proc.h"
#include "sys/start.h"

static char place[] = "/tmp/test_hooks.XXXXXX";
static struct plan plan;
static struct enter e = {.plan = &plan};

static int run(const char *script, char **environment, unsigned timeout, const char *state)
{
    static char *arguments[] = {"hook", "-c", NULL, NULL};
    static struct plan_hook hook;
    arguments[2] = (char *)script;
    hook = (struct plan_hook){"/bin/sh", arguments, environment, timeout};
    plan.rootfs.hook = &hook;
    plan.rootfs.hook_count = 1;
    plan.rootfs.state = state;
    return rootfs_run_hooks(&e);
}

// What a script has written into the file "out" of the test's directory.
static const char *written(void)
{
    static char text[4096];
    char path[64];
    snprintf(path, sizeof(path), "%s/out", place);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    unlink(path);
    return text;
}

static char **environment(void)
{
    static char out[64];
    static char *words[] = {out, "PATH=/usr/bin:/bin", "WORD=a b", NULL};
    snprintf(out, sizeof(out), "OUT=%s/out", place);
    return words;
}

static void states_are_completed(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {
        {NULL, "}"},
        {"{}", "}"},
        {"{ }", " }"},
        {"{\"id\":\"x\",\"annotations\":{}}", ",\"id\":\"x\",\"annotations\":{}}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char wanted[128];
        snprintf(wanted, sizeof(wanted), "{\"status\":\"creating\",\"pid\":%d%s", getpid(), rows[i][1]);
        assert_int_equal(run("cat > \"$OUT\"", environment(), 0, rows[i][0]), 0);
        assert_string_equal(written(), wanted);
    }
}

static void a_long_state_that_nobody_reads_holds_nothing_up(void **unused)
{
    (void)unused;
    static char state[1 << 20];
    memset(state, ' ', sizeof(state) - 1);
    state[0] = '{';
    state[sizeof(state) - 2] = '}';
    assert_int_equal(run("exit 0", environment(), 0, state), 0);
}

static void environment_directory_and_descriptors(void **unused)
{
    (void)unused;
    int ours = open("/", O_PATH); // not even close-on-exec
    assert_true(ours >= 3);
    assert_int_equal(run("pwd > \"$OUT\"; echo \"$WORD\" >> \"$OUT\"; echo \"$0\" >> \"$OUT\"; "
                         "echo /proc/self/fd/* >> \"$OUT\"",
                         environment(), 0, NULL), 0);
    // The shell lists its own: the last is that of the directory, or of its output.
    const char *got = written();
    const char *start = "/\na b\nhook\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2";
    assert_memory_equal(got, start, strlen(start));
    char number[32];
    snprintf(number, sizeof(number), "/proc/self/fd/%d\n", ours);
    assert_true(ours < 5 || strstr(got, number) == NULL);
    close(ours);
}

static void no_environment_is_an_empty_one(void **unused)
{
    (void)unused;
    char script[160];
    setenv("SECRET", "of the caller", 1);
    snprintf(script, sizeof(script), "echo \"<$SECRET>\" > %s/out", place);
    assert_int_equal(run(script, NULL, 0, NULL), 0);
    assert_string_equal(written(), "<>\n");
}

static void the_path_alone_is_its_argument(void **unused)
{
    (void)unused;
    struct plan_hook hook = {.path = "/bin/true"};
    plan.rootfs.hook = &hook;
    plan.rootfs.hook_count = 1;
    assert_int_equal(rootfs_run_hooks(&e), 0);
}

static void failures(void **unused)
{
    (void)unused;
    assert_int_equal(run("exit 3", environment(), 0, NULL), -ECANCELED);
    assert_int_equal(run("exit 127", environment(), 0, NULL), -ECANCELED);
    assert_int_equal(run("kill -9 $$", environment(), 60, NULL), -ECANCELED);
    struct plan_hook missing = {.path = "/nonexistent/hook"}, relative = {.path = "bin/true"};
    plan.rootfs.hook = &missing;
    assert_int_equal(rootfs_run_hooks(&e), -ENOENT);
    plan.rootfs.hook = &relative;
    assert_int_equal(rootfs_run_hooks(&e), -EINVAL);
}

static void the_first_failure_is_the_last_hook(void **unused)
{
    (void)unused;
    char path[64];
    char *arguments[] = {"touch", path, NULL};
    snprintf(path, sizeof(path), "%s/out", place);
    struct plan_hook hooks[] = {{.path = "/bin/false"}, {.path = "/usr/bin/touch", .arguments = arguments}};
    plan.rootfs.hook = hooks;
    plan.rootfs.hook_count = 2;
    assert_int_equal(rootfs_run_hooks(&e), -ECANCELED);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_timeout_kills(void **unused)
{
    (void)unused;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(run("exec sleep 600", environment(), 1, NULL), -ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 300);
    assert_int_equal(run("exit 0", environment(), 1, NULL), 0);
}

static int prepare(void **unused)
{
    (void)unused;
    err_command("test");
    proc_open();
    return mkdtemp(place) == NULL || start_prepare() < 0 ? -1 : 0;
}

static int clean(void **unused)
{
    (void)unused;
    return rmdir(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_completed),
        cmocka_unit_test(a_long_state_that_nobody_reads_holds_nothing_up),
        cmocka_unit_test(environment_directory_and_descriptors),
        cmocka_unit_test(no_environment_is_an_empty_one),
        cmocka_unit_test(the_path_alone_is_its_argument),
        cmocka_unit_test(failures),
        cmocka_unit_test(the_first_failure_is_the_last_hook),
        cmocka_unit_test(a_timeout_kills),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
