// SPDX-License-Identifier: MIT
//
// `process` of an OCI config, but for what the kernel is told of it as a process.
#include <errno.h>
#include <string.h>

#include "plan/limits.h"
#include "plan/oci_parts.h"
#include "plan/options.h"
#include "sys/caps.h"
#include "sys/err.h"

enum { VARIABLES_MAX = 8192 };

// -- user --------------------------------------------------------------------------------------

enum { UID, GID, UMASK, GROUPS, USERNAME };
static const struct oci_field user_fields[] = {
    [UID] = {"uid", JSON_INTEGER, true},
    [GID] = {"gid", JSON_INTEGER, true},
    [UMASK] = {"umask", JSON_INTEGER, false},
    [GROUPS] = {"additionalGids", JSON_ARRAY, false},
    [USERNAME] = {"username", OCI_REFUSED, false},
    {NULL, 0, false},
};

static int take_group(void *to, const json_t *value)
{
    struct plan *p = to;
    int64_t id = 0;
    if (!json_is_integer(value))
        return oci_no(NULL, "not an integer", NULL);
    int error = oci_integer(NULL, value, 0, (int64_t)UINT32_MAX - 1, &id);
    if (error == 0)
        p->group[p->group_count++] = (uint32_t)id;
    return error;
}

static int take_user(struct plan *p, const json_t *user)
{
    const json_t *field[sizeof(user_fields) / sizeof(user_fields[0])];
    int64_t uid = 0, gid = 0, mask = 0;
    p->has_user = p->has_gid = true; // 0:0 unless it says otherwise
    if (user == NULL)
        return 0;
    oci_below("user");
    int error = oci_fields(user, user_fields, field);
    if (error < 0 || (error = oci_integer("uid", field[UID], 0, (int64_t)UINT32_MAX - 1, &uid)) < 0 ||
        (error = oci_integer("gid", field[GID], 0, (int64_t)UINT32_MAX - 1, &gid)) < 0 ||
        (error = oci_integer("umask", field[UMASK], 0, 0777, &mask)) < 0)
        return error;
    p->uid = (uint32_t)uid;
    p->gid = (uint32_t)gid;
    p->has_umask = field[UMASK] != NULL;
    p->umask = (unsigned)mask;
    if (json_array_size(field[GROUPS]) > GROUPS_MAX)
        return oci_no("additionalGids", "more than 65536 groups", NULL);
    if (json_array_size(field[GROUPS]) > 0)
        p->groups = GROUPS_LIST;
    error = oci_each("additionalGids", field[GROUPS], take_group, p);
    if (error == 0)
        oci_leave();
    return error;
}

// -- capabilities ------------------------------------------------------------------------------

static const struct oci_field capability_fields[] = {
    [PLAN_BOUNDING] = {"bounding", JSON_ARRAY, false},
    [PLAN_EFFECTIVE] = {"effective", JSON_ARRAY, false},
    [PLAN_INHERITABLE] = {"inheritable", JSON_ARRAY, false},
    [PLAN_PERMITTED] = {"permitted", JSON_ARRAY, false},
    [PLAN_AMBIENT] = {"ambient", JSON_ARRAY, false},
    {NULL, 0, false},
};

// An unknown one is refused, as by crun: the specification's warning would leave a payload with less than it
// needs.
static int take_capability(void *to, const json_t *value)
{
    static const char prefix[] = "CAP_";
    const char *name = json_string_value(value);
    int number = -1;
    if (name != NULL && strncmp(name, prefix, sizeof(prefix) - 1) == 0)
        number = caps_find(name, strlen(name));
    if (number < 0)
        return oci_no(NULL, "no such capability: ", name);
    *(uint64_t *)to |= CAPS_BIT(number);
    return 0;
}

static int take_capabilities(struct plan *p, const json_t *object)
{
    const json_t *field[sizeof(capability_fields) / sizeof(capability_fields[0])];
    p->has_cap_sets = true;
    if (object == NULL)
        return 0;
    oci_below("capabilities");
    int error = oci_fields(object, capability_fields, field);
    for (int i = 0; i < PLAN_CAP_SETS && error == 0; i++)
        error = oci_each(capability_fields[i].name, field[i], take_capability, &p->cap_sets[i]);
    if (error == 0)
        oci_leave();
    return error;
}

// -- limits ------------------------------------------------------------------------------------

enum { TYPE, SOFT, HARD };
static const struct oci_field limit_fields[] = {
    [TYPE] = {"type", JSON_STRING, true},
    [SOFT] = {"soft", JSON_INTEGER, true},
    [HARD] = {"hard", JSON_INTEGER, true},
    {NULL, 0, false},
};

// RLIMIT_NOFILE is our nofile.
static const struct limits_row *find_limit(const char *type)
{
    static const char prefix[] = "RLIMIT_";
    char name[16] = "";
    if (strncmp(type, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    type += sizeof(prefix) - 1;
    size_t n = strlen(type);
    for (size_t i = 0; i < n && i < sizeof(name); i++) {
        if (type[i] < 'A' || type[i] > 'Z')
            return NULL;
        name[i] = (char)(type[i] - 'A' + 'a');
    }
    return n < sizeof(name) ? limits_find(name, n) : NULL;
}

static int take_limit(void *to, const json_t *object)
{
    const json_t *field[sizeof(limit_fields) / sizeof(limit_fields[0])];
    struct plan *p = to;
    int error = oci_fields(object, limit_fields, field);
    if (error < 0)
        return error;
    const struct limits_row *row = find_limit(json_string_value(field[TYPE]));
    uint64_t soft, hard; // the largest number is RLIM_INFINITY
    if (row == NULL)
        return oci_no("type", "no such limit: ", json_string_value(field[TYPE]));
    if (limits_has(p, row))
        return oci_no("type", "it was named before: ", json_string_value(field[TYPE]));
    if (!oci_number(field[SOFT], &soft) || !oci_number(field[HARD], &hard))
        return oci_no(NULL, "a negative limit", NULL);
    if (soft > hard)
        return oci_no("soft", "above the hard limit", NULL);
    limits_set(p, row, (struct rlimit){soft, hard});
    return 0;
}

// -- words -------------------------------------------------------------------------------------

// It replaces the caller's; the last of several of one name counts.
static int take_environment(struct plan *p, const json_t *list)
{
    char **words;
    int error = oci_strings("env", list, VARIABLES_MAX, &words);
    if (error < 0)
        return error;
    p->env_room = (unsigned)json_array_size(list) + 1;
    p->env = oci_table(p->env_room, sizeof(*p->env));
    if (p->env == NULL)
        return -ENOMEM;
    p->env_count = 0;
    p->env[p->env_count++] = (struct plan_env){ENV_CLEAR, ""};
    for (size_t i = 0; words[i] != NULL; i++) {
        oci_at("env", i);
        if (words[i][0] == '=' || strchr(words[i], '=') == NULL)
            return oci_no(NULL, "not NAME=VALUE: ", words[i]);
        p->env[p->env_count++] = (struct plan_env){ENV_SET, words[i]};
        oci_leave();
    }
    return 0;
}

static int take_args(struct plan *p, const json_t *list)
{
    if (list == NULL)
        return 0; // COMMAND may be an operand
    if (json_array_size(list) == 0)
        return oci_no("args", "empty", NULL);
    int error = oci_strings("args", list, ARGS_WORDS_MAX, &p->command);
    if (error == 0 && p->command[0][0] == '\0')
        return oci_no("args", "the first word is empty", NULL);
    return error;
}

// -- the whole ---------------------------------------------------------------------------------

enum {
    TERMINAL, CONSOLE_SIZE, USER, ARGS, COMMAND_LINE, ENV, CWD, CAPABILITIES, RLIMITS, NO_NEW_PRIVS, APPARMOR,
    SELINUX, OOM_SCORE, SCHEDULER, IO_PRIORITY, AFFINITY,
};
static const struct oci_field fields[] = {
    [TERMINAL] = {"terminal", OCI_BOOLEAN, false},
    [CONSOLE_SIZE] = {"consoleSize", JSON_OBJECT, false},
    [USER] = {"user", JSON_OBJECT, false},
    [ARGS] = {"args", JSON_ARRAY, false},
    [COMMAND_LINE] = {"commandLine", OCI_REFUSED, false},
    [ENV] = {"env", JSON_ARRAY, false},
    [CWD] = {"cwd", JSON_STRING, true},
    [CAPABILITIES] = {"capabilities", JSON_OBJECT, false},
    [RLIMITS] = {"rlimits", JSON_ARRAY, false},
    [NO_NEW_PRIVS] = {"noNewPrivileges", OCI_BOOLEAN, false},
    [APPARMOR] = {"apparmorProfile", JSON_STRING, false},
    [SELINUX] = {"selinuxLabel", JSON_STRING, false},
    [OOM_SCORE] = {"oomScoreAdj", JSON_INTEGER, false},
    [SCHEDULER] = {"scheduler", JSON_OBJECT, false},
    [IO_PRIORITY] = {"ioPriority", JSON_OBJECT, false},
    [AFFINITY] = {"execCPUAffinity", OCI_REFUSED, false},
    {NULL, 0, false},
};

// Without a terminal it means nothing, but has its form.
static int check_console(const json_t *size)
{
    static const struct oci_field sizes[] = {
        {"height", JSON_INTEGER, true}, {"width", JSON_INTEGER, true}, {NULL, 0, false}};
    const json_t *field[sizeof(sizes) / sizeof(sizes[0])];
    if (size == NULL)
        return 0;
    oci_below("consoleSize");
    int error = oci_fields(size, sizes, field);
    if (error == 0)
        oci_leave();
    return error;
}

static int refuse_terminal(void)
{
    int error = oci_no("terminal", "not carried out", NULL);
    err_hint("a terminal is the parent's to make: hand it in as standard input, output and error, "
             "with \"terminal\" false and --new-session");
    return error;
}

static int take_fields(struct oci_config *c, const json_t **field)
{
    struct plan *p = c->plan;
    int error;
    if (json_is_true(field[TERMINAL]))
        return refuse_terminal();
    if ((error = check_console(field[CONSOLE_SIZE])) < 0)
        return error;
    for (int i = APPARMOR; i <= SELINUX; i++) {
        if (oci_text(field[i]) != NULL)
            return oci_no(fields[i].name, "not carried out", NULL);
    }
    p->new_privs = !json_is_true(field[NO_NEW_PRIVS]);
    if ((error = take_user(p, field[USER])) < 0 || (error = take_args(p, field[ARGS])) < 0 ||
        (error = take_environment(p, field[ENV])) < 0 ||
        (error = oci_path("cwd", field[CWD], &p->workdir)) < 0 ||
        (error = take_capabilities(p, field[CAPABILITIES])) < 0 ||
        (error = oci_each("rlimits", field[RLIMITS], take_limit, p)) < 0)
        return error;
    p->rootfs.make_workdir = true;
    return oci_take_kernel(c, field[OOM_SCORE], field[SCHEDULER], field[IO_PRIORITY]);
}

// Without one the payload is what an empty object would make it, in "/".
int oci_take_process(struct oci_config *c, const json_t *process)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])];
    if (process == NULL) {
        c->plan->new_privs = true;
        int error = take_user(c->plan, NULL);
        if (error == 0)
            error = take_environment(c->plan, NULL);
        return error < 0 ? error : take_capabilities(c->plan, NULL);
    }
    oci_below("process");
    int error = oci_fields(process, fields, field);
    if (error == 0)
        error = take_fields(c, field);
    if (error == 0)
        oci_leave();
    return error;
}
