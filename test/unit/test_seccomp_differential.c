// SPDX-License-Identifier: MIT
//
// Generated OCI profiles, compiled by us from JSON and by libseccomp as runc drives it: the same
// decision for every number, or the same refusal; and no more instructions for the calls that
// programs make all the time. What we do beside runc (oci_profile.h) is expected by name.
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h>

#include "seccomp/calls.h"
#include "seccomp/oci_profile.h"
#include "sys/err.h"
#include "test/unit/generated_profile.h"
#include "test/unit/run_bpf.h"
#include "test/unit/support.h"

enum { NUMBERS = 1024, PROFILES = 1000, VECTORS = 8 };

// It loses some memory where it refuses a rule.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libseccomp";
}

// -- ours --------------------------------------------------------------------------------------

static void print_rule(FILE *out, const struct rule *rule)
{
    fprintf(out, "{\"names\":[\"%s\",\"no_such_call\"],\"action\":\"%s\"", rule->name,
            rule->action->name);
    if (rule->errno_ret >= 0)
        fprintf(out, ",\"errnoRet\":%d", rule->errno_ret);
    for (unsigned i = 0; i < rule->args; i++) {
        const struct compile_arg *arg = &rule->arg[i];
        fprintf(out, "%s{\"index\":%u,\"op\":\"%s\",\"value\":%ju,\"valueTwo\":%ju}",
                i == 0 ? ",\"args\":[" : ",", arg->index, operators[arg->op], (uintmax_t)arg->value,
                (uintmax_t)arg->other);
    }
    fputs(rule->args > 0 ? "]}" : "}", out);
}

// Two programs: the whole one, and one in which no calls are newer, as in what libseccomp makes.
static int compile_ours(struct sock_filter *code, struct sock_filter *plain, int *plain_count)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fprintf(out, "{\"defaultAction\":\"%s\",", profile.fallback->name);
    if (profile.fallback_errno >= 0)
        fprintf(out, "\"defaultErrnoRet\":%d,", profile.fallback_errno);
    fprintf(out, "\"architectures\":[\"%s\",\"%s\"],\"syscalls\":[", arch_words[0], arch_words[1]);
    for (unsigned i = 0; i < profile.rules; i++) {
        fputs(i > 0 ? "," : "", out);
        print_rule(out, &profile.rule[i]);
    }
    fputs("]}", out);
    assert_int_equal(fclose(out), 0);
    struct oci_profile ours;
    int count = oci_profile_read(&ours, text, size, "generated");
    if (count == 0) {
        count = compile_filter(&ours.to, code, BPF_MAXINSNS);
        ours.to.newer = ours.to.fallback;
        *plain_count = compile_filter(&ours.to, plain, BPF_MAXINSNS);
    }
    err_forget();
    free(text);
    return count;
}

// -- theirs, as runc does it -------------------------------------------------------------------

static uint32_t action_of(const struct action *action, int errno_ret)
{
    return action->theirs |
           (action->with_errno ? (uint32_t)(errno_ret >= 0 ? errno_ret : EPERM) : 0);
}

// runc makes every condition a rule of its own where one argument has several.
static bool are_alternatives(const struct rule *rule)
{
    return rule->args > 1 && rule->arg[0].index == rule->arg[1].index;
}

static int add_rule(scmp_filter_ctx filter, const struct rule *rule, uint32_t fallback)
{
    struct scmp_arg_cmp args[ARGS_MAX];
    uint32_t action = action_of(rule->action, rule->errno_ret);
    int number = seccomp_syscall_resolve_name(rule->name), error = 0;
    if (action == fallback)
        return 0;
    for (unsigned i = 0; i < rule->args; i++) {
        const struct compile_arg *arg = &rule->arg[i];
        args[i] = (struct scmp_arg_cmp){arg->index, comparisons[arg->op], arg->value, arg->other};
    }
    if (!are_alternatives(rule))
        return seccomp_rule_add_array(filter, action, number, rule->args, args);
    for (unsigned i = 0; i < rule->args && error == 0; i++)
        error = seccomp_rule_add_array(filter, action, number, 1, &args[i]);
    return error;
}

// How many instructions, or the error of a rule that can't be added.
static int compile_theirs(struct sock_filter *code)
{
    uint32_t fallback = action_of(profile.fallback, profile.fallback_errno);
    scmp_filter_ctx filter = seccomp_init(fallback);
    int error = 0, fd = hold_bytes("", 0);
    assert_non_null(filter);
    assert_int_equal(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
    assert_int_equal(seccomp_arch_add(filter, arches[1]), 0);
    for (unsigned i = 0; i < profile.rules && error == 0; i++)
        error = add_rule(filter, &profile.rule[i], fallback);
    if (error == 0) {
        assert_int_equal(seccomp_export_bpf(filter, fd), 0);
        ssize_t size = pread(fd, code, BPF_MAXINSNS * sizeof(*code), 0);
        assert_true(size > 0);
        error = (int)((size_t)size / sizeof(*code));
    }
    close(fd);
    seccomp_release(filter);
    return error;
}

// -- what is expected --------------------------------------------------------------------------

struct expectation {
    int newest;        // of the calls that the profile names; 0: runc writes no stub, all are old
    int closed_clone3; // its number, where clone's flags are filtered; -1
};

// A mask without a bit is no condition.
static bool is_unconditional(const struct rule *rule, int arch)
{
    unsigned none = 0;
    for (unsigned i = 0; i < rule->args; i++)
        none += rule->arg[i].op == OP_MASKED_EQ &&
                (arch == 0 ? rule->arg[i].value : (uint32_t)rule->arg[i].value) == 0;
    return none == rule->args || (none > 0 && are_alternatives(rule));
}

static int numbers[2][RULES_MAX]; // of the profile's calls, in both tables; -1

static struct expectation expect(int arch)
{
    struct expectation e = {0, -1};
    uint32_t fallback = action_of(profile.fallback, profile.fallback_errno);
    bool conditional = false, always = false, named = false;
    for (unsigned i = 0; i < profile.rules; i++) {
        const struct rule *rule = &profile.rule[i];
        // Not libseccomp's number: to it sockets are parts of socketcall on i386, though they have
        // their own.
        int number =
            calls_find(arch == 0 ? CALLS_OWN : CALLS_COMPAT, rule->name, strlen(rule->name));
        numbers[arch][i] = number;
        int part = seccomp_syscall_resolve_name_arch(arches[arch], rule->name);
        if (arches[arch] == SCMP_ARCH_X86 && part <= -100 && part > -300)
            number = MAX(number, calls_find(CALLS_I386, part > -200 ? "socketcall" : "ipc",
                                            part > -200 ? 10 : 3));
        if (number > e.newest && number < CALLS_ARM_PRIVATE)
            e.newest = number;
        named |= strcmp(rule->name, "clone3") == 0;
        if (strcmp(rule->name, "clone") == 0 &&
            action_of(rule->action, rule->errno_ret) != fallback) {
            conditional |= !is_unconditional(rule, arch);
            always |= is_unconditional(rule, arch);
        }
    }
    if (conditional && !always && !named)
        e.closed_clone3 = seccomp_syscall_resolve_name_arch(arches[arch], "clone3");
    if (profile.fallback->permissive)
        e.newest = 0;
    return e;
}

static uint32_t expected(const struct expectation *e, const struct sock_filter *code, int count,
                         const struct seccomp_data *data)
{
    bool old_x32 = data->arch == SCMP_ARCH_X86_64 && data->nr >= 512 && data->nr <= 547;
    if (old_x32 || data->nr == e->closed_clone3 || (e->newest > 0 && data->nr > e->newest))
        return SECCOMP_RET_ERRNO | ENOSYS;
    return run_bpf(code, count, data, NULL);
}

// -- both --------------------------------------------------------------------------------------

static struct {
    unsigned profiles, refused, decisions, compared; // profiles: those that were compared
    unsigned long ours, theirs;                      // instructions for the common calls
    unsigned longer, most; // of those that took more than theirs; how many more at most
} total;

// One of the rules for a call; NULL if there is none.
static const struct rule *any_rule(int arch, int number)
{
    const struct rule *found = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < profile.rules; i++) {
        if (numbers[arch][i] == number && below(++count) == 0)
            found = &profile.rule[i];
    }
    return found;
}

// The values of all conditions and those of one rule, and what lies beside them; on a 32-bit
// architecture only its halves come.
static void make_arguments(struct seccomp_data *data, int arch)
{
    const struct rule *rule = any_rule(arch, data->nr);
    for (int i = 0; i < 6; i++)
        data->args[i] = ONE_OF(values) + (below(4) == 0 ? below(3) - 1ULL : 0);
    for (unsigned i = 0; rule != NULL && i < rule->args; i++) {
        if (below(4) != 0)
            data->args[rule->arg[i].index] =
                rule->arg[i].value + (below(3) == 0 ? below(3) - 1ULL : 0);
    }
    for (int i = 0; arch > 0 && i < 6; i++)
        data->args[i] = (uint32_t)data->args[i];
}

static void compare_decisions(const struct sock_filter *ours, int our_count,
                              const struct sock_filter *theirs, int their_count, unsigned vectors)
{
    for (int arch = 0; arch < 2; arch++) {
        struct seccomp_data data = {.arch = arches[arch]};
        struct expectation e = expect(arch);
        for (data.nr = 0; data.nr < NUMBERS; data.nr++) {
            for (unsigned i = 0; i < vectors; i++, total.decisions++) {
                make_arguments(&data, arch);
                uint32_t want = expected(&e, theirs, their_count, &data);
                uint32_t got = run_bpf(ours, our_count, &data, NULL);
                if (got != want)
                    fail_msg("profile %u, architecture %d, call %d: %#x instead of %#x",
                             total.profiles, arch, data.nr, got, want);
            }
        }
    }
}

static void compare_lengths(const struct sock_filter *ours, int our_count,
                            const struct sock_filter *theirs, int their_count)
{
    struct seccomp_data data = {.arch = arches[0]};
    for (size_t i = 0; i < COUNT(common); i++) {
        int our_steps, their_steps;
        data.nr = seccomp_syscall_resolve_name(common[i]);
        if (data.nr < 0)
            continue; // not on every machine
        run_bpf(ours, our_count, &data, &our_steps);
        run_bpf(theirs, their_count, &data, &their_steps);
        total.ours += (unsigned)our_steps;
        total.theirs += (unsigned)their_steps;
        total.longer += our_steps > their_steps;
        if (our_steps > their_steps)
            total.most = MAX(total.most, (unsigned)(our_steps - their_steps));
        total.compared++;
    }
}

static void profiles_mean_the_same(void **context)
{
    static struct sock_filter ours[BPF_MAXINSNS], plain[BPF_MAXINSNS], theirs[BPF_MAXINSNS];
    int plain_count;
    (void)context;

    state = 0x9e3779b97f4a7c15;
    find_names();
    while (total.profiles < PROFILES) {
        make_profile();
        int our_count = compile_ours(ours, plain, &plain_count),
            their_count = compile_theirs(theirs);
        if (their_count == -EEXIST) {
            assert_int_equal(our_count, -EINVAL);
            total.refused++;
            continue;
        }
        assert_true(their_count > 0);
        assert_true(our_count > 0);
        compare_decisions(ours, our_count, theirs, their_count, VECTORS);
        compare_lengths(plain, plain_count, theirs, their_count);
        total.profiles++;
    }
    printf("%u profiles: %u decisions, all the same; %u profiles more are refused by both\n",
           total.profiles, total.decisions, total.refused);
    printf("common calls: %lu instructions, libseccomp %lu; %u more than libseccomp for %u of %u\n",
           total.ours, total.theirs, total.most, total.longer, total.compared);
    // Where several calls of a small profile are common one of them comes last, and a different one
    // in libseccomp.
    assert_true(total.ours <= total.theirs);
    assert_true(total.longer * 1000 <= total.compared && total.most <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_mean_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
