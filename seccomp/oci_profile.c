// SPDX-License-Identifier: MIT
#include "seccomp/oci_profile.h"

#include <errno.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <string.h>

#include "seccomp/calls.h"
#include "seccomp/oci_rules.h"
#include "sys/err.h"

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

// -- fields ------------------------------------------------------------------------------------

enum { DEFAULT_ACTION, DEFAULT_ERRNO, ARCHITECTURES, FLAGS, LISTENER, METADATA, SYSCALLS };
static const struct oci_field profile_fields[] = {
    [DEFAULT_ACTION] = {"defaultAction", JSON_STRING, true},
    [DEFAULT_ERRNO] = {"defaultErrnoRet", JSON_INTEGER, false},
    [ARCHITECTURES] = {"architectures", JSON_ARRAY, false},
    [FLAGS] = {"flags", JSON_ARRAY, false},
    [LISTENER] = {"listenerPath", JSON_STRING, false},
    [METADATA] = {"listenerMetadata", JSON_STRING, false},
    [SYSCALLS] = {"syscalls", JSON_ARRAY, false},
    {NULL, 0, false},
};

enum { NAMES, ACTION, ERRNO, ARGS };
static const struct oci_field call_fields[] = {
    [NAMES] = {"names", JSON_ARRAY, true},
    [ACTION] = {"action", JSON_STRING, true},
    [ERRNO] = {"errnoRet", JSON_INTEGER, false},
    [ARGS] = {"args", JSON_ARRAY, false},
    {NULL, 0, false},
};

enum { INDEX, VALUE, VALUE_TWO, OP };
static const struct oci_field arg_fields[] = {
    [INDEX] = {"index", JSON_INTEGER, true},
    [VALUE] = {"value", JSON_INTEGER, true},
    [VALUE_TWO] = {"valueTwo", JSON_INTEGER, false},
    [OP] = {"op", JSON_STRING, true},
    {NULL, 0, false},
};

// -- words -------------------------------------------------------------------------------------

static const struct action {
    const char *name;
    uint32_t action;
    uint32_t errno_max; // what errnoRet can be; 0: nothing
    bool permissive;    // runc: calls that are newer than the profile get this action, too
} actions[] = {
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, 0, false},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, 0, false},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, 0, false},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP, 0, false},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, 4095, false}, // the kernel's MAX_ERRNO
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, SECCOMP_RET_DATA, true},
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, 0, true},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, 0, true},
};

static const struct word {
    const char *name;
    unsigned value;
} operators[] = {
    {"SCMP_CMP_NE", OP_NE},
    {"SCMP_CMP_LT", OP_LT},
    {"SCMP_CMP_LE", OP_LE},
    {"SCMP_CMP_EQ", OP_EQ},
    {"SCMP_CMP_GE", OP_GE},
    {"SCMP_CMP_GT", OP_GT},
    {"SCMP_CMP_MASKED_EQ", OP_MASKED_EQ},
    {NULL, 0},
};

// TSYNC has no meaning here: there is one thread.
static const struct word flags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {NULL, 0},
};

// Those of other machines can't occur under this kernel; x32 is closed, and no table of its own.
enum { ELSEWHERE = CALLS_ARCHES };
static const struct word architectures[] = {
    {"SCMP_ARCH_X86_64", CALLS_X86_64},   {"SCMP_ARCH_X86", CALLS_I386},
    {"SCMP_ARCH_X32", ELSEWHERE},         {"SCMP_ARCH_AARCH64", CALLS_AARCH64},
    {"SCMP_ARCH_ARM", CALLS_ARM},         {"SCMP_ARCH_MIPS", ELSEWHERE},
    {"SCMP_ARCH_MIPS64", ELSEWHERE},      {"SCMP_ARCH_MIPS64N32", ELSEWHERE},
    {"SCMP_ARCH_MIPSEL", ELSEWHERE},      {"SCMP_ARCH_MIPSEL64", ELSEWHERE},
    {"SCMP_ARCH_MIPSEL64N32", ELSEWHERE}, {"SCMP_ARCH_PPC", ELSEWHERE},
    {"SCMP_ARCH_PPC64", ELSEWHERE},       {"SCMP_ARCH_PPC64LE", ELSEWHERE},
    {"SCMP_ARCH_S390", ELSEWHERE},        {"SCMP_ARCH_S390X", ELSEWHERE},
    {"SCMP_ARCH_PARISC", ELSEWHERE},      {"SCMP_ARCH_PARISC64", ELSEWHERE},
    {"SCMP_ARCH_RISCV64", ELSEWHERE},     {"SCMP_ARCH_LOONGARCH64", ELSEWHERE},
    {"SCMP_ARCH_M68K", ELSEWHERE},        {"SCMP_ARCH_SH", ELSEWHERE},
    {"SCMP_ARCH_SHEB", ELSEWHERE},        {NULL, 0},
};

static const struct word *find_word(const struct word *words, const json_t *value)
{
    const char *text = json_string_value(value);
    while (text != NULL && words->name != NULL && strcmp(words->name, text) != 0)
        words++;
    return text != NULL && words->name != NULL ? words : NULL;
}

// -- parts of a profile ------------------------------------------------------------------------

// The action of a profile or a rule, with its errno, which is EPERM unless named. NULL: recorded.
static const struct action *take_action(const json_t *word, const json_t *errno_value,
                                        const char *name, const char *errno_name, uint32_t *action)
{
    const char *text = json_string_value(word);
    const struct action *found = NULL;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, text) == 0)
            found = &actions[i];
    }
    uint64_t number = EPERM;
    if (strcmp(text, "SCMP_ACT_NOTIFY") == 0)
        oci_no(name, "SCMP_ACT_NOTIFY needs a listener, and there is none here", NULL);
    else if (found == NULL)
        oci_no(name, "no such action: ", text);
    else if (errno_value != NULL && found->errno_max == 0)
        oci_no(errno_name, "no errno goes with ", text);
    else if (errno_value != NULL &&
             (!oci_number(errno_value, &number) || number > found->errno_max))
        oci_no(errno_name, "out of range for ", text);
    else {
        *action = found->action | (found->errno_max != 0 ? (uint32_t)number : 0);
        return found;
    }
    return NULL;
}

static int take_flags(struct oci_profile *p, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        const struct word *word = find_word(flags, value);
        oci_at("flags", i);
        if (word == NULL && json_is_string(value) &&
            strcmp(json_string_value(value), "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") == 0)
            return oci_no(NULL, "this flag needs a listener, and there is none here", NULL);
        if (word == NULL)
            return oci_no(NULL, "no such flag: ", json_string_value(value));
        p->flags |= word->value;
        oci_leave();
    }
    return 0;
}

static int take_architectures(const json_t *list, bool *compat)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct word *word = find_word(architectures, json_array_get(list, i));
        oci_at("architectures", i);
        if (word == NULL)
            return oci_no(NULL,
                          "no such architecture: ", json_string_value(json_array_get(list, i)));
        *compat |= word->value == CALLS_COMPAT;
        oci_leave();
    }
    return 0;
}

enum { CONDITIONS_MAX = 256 };

static int take_arg(const json_t *object, struct compile_arg *arg)
{
    const json_t *field[sizeof(arg_fields) / sizeof(arg_fields[0])];
    uint64_t index;
    int error = oci_fields(object, arg_fields, field);
    if (error < 0)
        return error;
    const struct word *op = find_word(operators, field[OP]);
    if (op == NULL)
        return oci_no("op", "no such operator: ", json_string_value(field[OP]));
    if (!oci_number(field[INDEX], &index) || index > 5)
        return oci_no("index", "not 0 to 5", NULL);
    *arg = (struct compile_arg){.index = (uint8_t)index, .op = (uint8_t)op->value};
    if (!oci_number(field[VALUE], &arg->value))
        return oci_no("value", "not a number of 64 bits", NULL);
    if (field[VALUE_TWO] != NULL && !oci_number(field[VALUE_TWO], &arg->other))
        return oci_no("valueTwo", "not a number of 64 bits", NULL);
    return 0;
}

// *TWICE: an argument has several conditions.
static int take_args(const json_t *list, struct compile_arg *arg, unsigned *count, bool *twice)
{
    unsigned seen = 0;
    if (json_array_size(list) > CONDITIONS_MAX)
        return oci_no("args", "too many", NULL);
    *count = (unsigned)json_array_size(list);
    for (unsigned i = 0; i < *count; i++) {
        oci_at("args", i);
        int error = take_arg(json_array_get(list, i), &arg[i]);
        if (error < 0)
            return error;
        oci_leave();
        *twice |= (seen & 1U << arg[i].index) != 0;
        seen |= 1U << arg[i].index;
    }
    return 0;
}

// Where one argument has several conditions, runc makes each condition of the list a rule of its
// own.
static const char *add_rules(const json_t *name, uint32_t action, const struct compile_arg *arg,
                             unsigned count, bool twice)
{
    const char *text = json_string_value(name), *no = NULL;
    size_t n = json_string_length(name);
    if (!twice)
        return oci_rules_add(text, n, action, arg, count);
    for (unsigned i = 0; i < count && no == NULL; i++)
        no = oci_rules_add(text, n, action, &arg[i], 1);
    return no;
}

static int take_call(const struct oci_profile *p, const json_t *object)
{
    const json_t *field[sizeof(call_fields) / sizeof(call_fields[0])];
    struct compile_arg arg[CONDITIONS_MAX];
    unsigned count = 0;
    bool twice = false;
    uint32_t action;
    int error = oci_fields(object, call_fields, field);
    if (error < 0)
        return error;
    if (take_action(field[ACTION], field[ERRNO], "action", "errnoRet", &action) == NULL)
        return -EINVAL;
    if ((error = take_args(field[ARGS], arg, &count, &twice)) < 0)
        return error;
    if (json_array_size(field[NAMES]) == 0)
        return oci_no("names", "empty", NULL);
    for (size_t i = 0; i < json_array_size(field[NAMES]); i++) {
        const json_t *name = json_array_get(field[NAMES], i);
        oci_at("names", i);
        if (!oci_is_string(name) || json_string_length(name) == 0)
            return oci_no(NULL, "not the name of a call", NULL);
        oci_rules_name(json_string_value(name), json_string_length(name));
        // Redundant, and libseccomp would refuse it: runc leaves it out.
        const char *no =
            action == p->to.fallback ? NULL : add_rules(name, action, arg, count, twice);
        if (no != NULL)
            return oci_no(NULL, no, NULL);
        oci_leave();
    }
    return 0;
}

// -- the whole ---------------------------------------------------------------------------------

static int take_calls(const struct oci_profile *p, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        oci_at("syscalls", i);
        int error = take_call(p, json_array_get(list, i));
        if (error < 0)
            return error;
        oci_leave();
    }
    return 0;
}

int oci_profile_take(struct oci_profile *p, const json_t *object)
{
    const json_t *field[sizeof(profile_fields) / sizeof(profile_fields[0])];
    const struct action *fallback;
    bool compat = false;
    *p = (struct oci_profile){
        .to = {.other_arch = SECCOMP_RET_KILL_PROCESS, .x32 = SECCOMP_RET_ERRNO | ENOSYS}};
    int error = oci_fields(object, profile_fields, field);
    if (error < 0)
        return error;
    for (int i = LISTENER; i <= METADATA; i++) {
        if (json_string_length(field[i]) > 0)
            return oci_no(profile_fields[i].name, "there is no listener here", NULL);
    }
    fallback = take_action(field[DEFAULT_ACTION], field[DEFAULT_ERRNO], "defaultAction",
                           "defaultErrnoRet", &p->to.fallback);
    if (fallback == NULL)
        return -EINVAL;
    if ((error = take_flags(p, field[FLAGS])) < 0 ||
        (error = take_architectures(field[ARCHITECTURES], &compat)) < 0)
        return error;
    p->to.newer = fallback->permissive ? p->to.fallback : SECCOMP_RET_ERRNO | ENOSYS;
    oci_rules_start(compat);
    if ((error = take_calls(p, field[SYSCALLS])) < 0)
        return error;
    p->to.table = oci_rules_finish(&p->to.tables);
    return p->to.table != NULL ? 0 : oci_no("syscalls", "too many rules", NULL);
}

// What engines have in their templates, from which they make a profile for each container.
static void hint_at_template(const char *name)
{
    static const char *const names[] = {"archMap", "includes", "excludes",    "comment",
                                        "name",    "errno",    "defaultErrno"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            err_hint("this is a container engine's template; a profile of the OCI runtime "
                     "specification is what an "
                     "engine makes of it, see linux.seccomp in a container's config.json");
    }
}

int oci_profile_read(struct oci_profile *p, const char *text, size_t size, const char *source)
{
    json_t *object;
    oci_start("seccomp", source, hint_at_template);
    if (size > OCI_PROFILE_BYTES_MAX)
        return err_because("seccomp", source, E2BIG, "the profile is larger than 1 MiB");
    int error = oci_parse(text, size, &object);
    if (error < 0)
        return error;
    error = oci_profile_take(p, object);
    json_decref(object);
    return error;
}
