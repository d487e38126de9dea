// SPDX-License-Identifier: MIT
#include "seccomp/oci_rules.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "seccomp/calls.h"
#include "seccomp/conditions.h"

enum { RULES_MAX = 4096, ARGS_MAX = 8192, UNKNOWN_NEWEST = UINT16_MAX };

// The own calls, and those of 32-bit programs. Large, so not initialised: it takes no room in the
// file.
static struct table {
    enum calls_arch arch;
    bool narrow;
    struct compile_rule rule[RULES_MAX];
    struct compile_arg arg[ARGS_MAX];
    size_t rules, args;
    uint32_t newest;
} tables[2];

static struct compile_table finished[2];
static size_t used;
static bool names_clone3;

static const char no_room[] = "too many rules";

void oci_rules_start(bool compat)
{
    used = compat ? 2 : 1;
    names_clone3 = false;
    for (size_t i = 0; i < used; i++) {
        tables[i].arch = i == 0 ? CALLS_OWN : CALLS_COMPAT;
        tables[i].narrow = i > 0;
        tables[i].rules = tables[i].args = tables[i].newest = 0;
    }
}

// -- one rule of one number --------------------------------------------------------------------

// The first conditions of LONGER are those of SHORTER.
static bool starts_with(const struct compile_rule *longer, const struct compile_rule *shorter)
{
    struct compile_rule start = *longer;
    start.args = shorter->args;
    return shorter->args <= longer->args && conditions_equal(&start, shorter);
}

// What libseccomp fails for with EEXIST: the answer would depend on the order of the rules.
static bool is_contradiction(const struct table *t, const struct compile_rule *rule)
{
    bool found = false;
    for (size_t i = 0; i < t->rules; i++) {
        const struct compile_rule *earlier = &t->rule[i];
        if (earlier->number != rule->number)
            continue;
        if (earlier->args == 0)
            return false; // nothing counts after it
        found |= earlier->action != rule->action && starts_with(earlier, rule);
    }
    return found && rule->args > 0;
}

// Conditions in the order of their arguments, of the width of the architecture; without those that
// ask for no bit.
static unsigned take_args(struct table *t, const struct compile_arg *arg, unsigned count)
{
    struct compile_arg *to = &t->arg[t->args];
    unsigned n = 0;
    for (unsigned index = 0; index < 6; index++) {
        for (unsigned i = 0; i < count; i++) {
            if (arg[i].index != index)
                continue;
            to[n] = arg[i];
            if (t->narrow) {
                to[n].value = (uint32_t)to[n].value;
                to[n].other = (uint32_t)to[n].other;
            }
            to[n].other &= to[n].value;
            n += arg[i].op != OP_MASKED_EQ || to[n].value != 0;
        }
    }
    return n;
}

static const char *add(struct table *t, int number, uint32_t action, const struct compile_arg *arg,
                       unsigned count)
{
    if (t->rules == RULES_MAX || t->args + count > ARGS_MAX)
        return no_room;
    struct compile_rule *rule = &t->rule[t->rules];
    *rule = (struct compile_rule){
        .number = (uint32_t)number, .action = action, .arg = &t->arg[t->args]};
    rule->args = (uint8_t)take_args(t, arg, count);
    if (is_contradiction(t, rule))
        return "another action for calls that an earlier rule is for";
    t->args += rule->args;
    t->rules++;
    return NULL;
}

// -- i386 --------------------------------------------------------------------------------------

// Calls that i386 has, or also has, as a number in the first argument of another (net/socket.c,
// ipc/syscall.c).
static const struct part {
    const char *name;
    uint8_t number;
    bool ipc;
} parts[] = {
    {"socket", 1, false},      {"bind", 2, false},        {"connect", 3, false},
    {"listen", 4, false},      {"accept", 5, false},      {"getsockname", 6, false},
    {"getpeername", 7, false}, {"socketpair", 8, false},  {"send", 9, false},
    {"recv", 10, false},       {"sendto", 11, false},     {"recvfrom", 12, false},
    {"shutdown", 13, false},   {"setsockopt", 14, false}, {"getsockopt", 15, false},
    {"sendmsg", 16, false},    {"recvmsg", 17, false},    {"accept4", 18, false},
    {"recvmmsg", 19, false},   {"sendmmsg", 20, false},   {"semop", 1, true},
    {"semget", 2, true},       {"semctl", 3, true},       {"semtimedop", 4, true},
    {"msgsnd", 11, true},      {"msgrcv", 12, true},      {"msgget", 13, true},
    {"msgctl", 14, true},      {"shmat", 21, true},       {"shmdt", 22, true},
    {"shmget", 23, true},      {"shmctl", 24, true},
};

static bool is_name(const char *name, size_t n, const char *of)
{
    return strlen(of) == n && memcmp(name, of, n) == 0;
}

static const struct part *find_part(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (is_name(name, n, parts[i].name))
            return &parts[i];
    }
    return NULL;
}

static int whole_of(const struct part *part)
{
    const char *name = part->ipc ? "ipc" : "socketcall";
    return calls_find(CALLS_I386, name, strlen(name));
}

// The first argument of the whole is the part's number; the others are left as they are.
static const char *add_part(struct table *t, const struct part *part, uint32_t action,
                            const struct compile_arg *arg, unsigned count)
{
    struct compile_arg with[7] = {{.index = 0, .op = OP_EQ, .value = part->number}};
    unsigned n = 1;
    for (unsigned i = 0; i < count; i++) {
        if (arg[i].index != 0)
            with[n++] = arg[i];
    }
    return add(t, whole_of(part), action, with, n);
}

// -- all tables --------------------------------------------------------------------------------

void oci_rules_name(const char *name, size_t n)
{
    names_clone3 |= is_name(name, n, "clone3");
    for (size_t i = 0; i < used; i++) {
        const struct part *part = tables[i].arch == CALLS_I386 ? find_part(name, n) : NULL;
        int number = calls_find(tables[i].arch, name, n);
        if (part != NULL && number < whole_of(part))
            number = whole_of(part);
        if (number > (int)tables[i].newest && number < CALLS_ARM_PRIVATE)
            tables[i].newest = (uint32_t)number;
    }
}

const char *oci_rules_add(const char *name, size_t n, uint32_t action,
                          const struct compile_arg *arg, unsigned count)
{
    for (size_t i = 0; i < used; i++) {
        const struct part *part = tables[i].arch == CALLS_I386 ? find_part(name, n) : NULL;
        int number = calls_find(tables[i].arch, name, n);
        const char *no = number >= 0 ? add(&tables[i], number, action, arg, count) : NULL;
        if (no == NULL && part != NULL)
            no = add_part(&tables[i], part, action, arg, count);
        if (no != NULL)
            return no;
    }
    return NULL;
}

// A filter that looks at clone's flags is walked round by clone3, and libcs go on to clone after
// ENOSYS only.
static bool close_clone3(struct table *t)
{
    uint32_t clone = (uint32_t)calls_find(t->arch, "clone", 5);
    bool conditional = false, any = false;
    for (size_t i = 0; i < t->rules; i++) {
        conditional |= t->rule[i].number == clone && t->rule[i].args > 0;
        any |= t->rule[i].number == clone && t->rule[i].args == 0;
    }
    return !conditional || any || names_clone3 ||
           add(t, calls_find(t->arch, "clone3", 6), SECCOMP_RET_ERRNO | ENOSYS, NULL, 0) == NULL;
}

const struct compile_table *oci_rules_finish(size_t *count)
{
    for (size_t i = 0; i < used; i++) {
        struct table *t = &tables[i];
        if (!close_clone3(t))
            return NULL;
        finished[i] = (struct compile_table){
            .arch = calls_audit(t->arch), .rule = t->rule, .rules = t->rules};
        // As runc: a profile that names no call knows none that others could be newer than.
        finished[i].newest = t->newest > 0 ? t->newest : UNKNOWN_NEWEST;
    }
    *count = used;
    return finished;
}
