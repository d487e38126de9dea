// SPDX-License-Identifier: MIT
#include "cmd/features.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include "cmd/features_show.h"
#include "plan/options.h"
#include "sys/err.h"
#include "sys/num.h"
#include "sys/proc.h"

const struct features_limit_row features_limits[LIMITS] = {
    [LIMIT_USERNS] = {"max_user_namespaces", "user.max_user_namespaces", "sys/user/max_user_namespaces"},
    // Debian's and its descendants' own.
    [LIMIT_CLONE] = {"unprivileged_userns_clone", "kernel.unprivileged_userns_clone",
                     "sys/kernel/unprivileged_userns_clone"},
    [LIMIT_APPARMOR] = {"apparmor_restrict_unprivileged_userns",
                        "kernel.apparmor_restrict_unprivileged_userns",
                        "sys/kernel/apparmor_restrict_unprivileged_userns"},
    [LIMIT_MEMFD] = {"memfd_noexec", "vm.memfd_noexec", "sys/vm/memfd_noexec"},
};

// -- finding out -------------------------------------------------------------------------------

static bool read_number(const char *path, uint64_t *value)
{
    char text[32];
    const char *end;
    return proc_read(path, text, sizeof(text)) > 0 && num_prefix(text, UINT64_MAX, value, &end);
}

// "Seccomp:\t2" of proc_pid_status(5); a process's name can't bring a line of its own.
static bool read_seccomp(uint64_t *mode)
{
    static const char key[] = "\nSeccomp:\t";
    char status[OUT_MAX];
    const char *end;
    if (proc_read("self/status", status, sizeof(status)) <= 0)
        return false;
    const char *line = strstr(status, key);
    return line != NULL && num_prefix(line + sizeof(key) - 1, 2, mode, &end);
}

// The kernel refuses a user namespace to who is in a chroot: where one can be had, there is none.
static enum probe_answer find_chroot(const struct features *f)
{
    const struct probe_result *found = &f->probe[PROBE_IN_CHROOT];
    if (found->works == PROBE_YES)
        return found->value != 0 ? PROBE_YES : PROBE_NO;
    return f->probe[PROBE_USERNS].works == PROBE_YES ? PROBE_NO : PROBE_UNKNOWN;
}

static bool is_set_to(const struct features *f, enum features_limit limit, uint64_t value)
{
    return f->has_limit[limit] && f->limit[limit] == value;
}

static bool has_no_ids(void)
{
    char map[64];
    return proc_read("self/uid_map", map, sizeof(map)) == 0;
}

// Whose EPERM or EACCES it is. AppArmor lets the unshare pass and denies what follows.
static const char *find_forbidder(const struct features *f, bool unshared)
{
    bool admin = (f->caller->effective & CAPS_BIT(CAP_SYS_ADMIN)) != 0;
    if (!admin && !unshared && is_set_to(f, LIMIT_CLONE, 0))
        return features_limits[LIMIT_CLONE].name;
    if (!unshared && f->in_chroot == PROBE_YES)
        return "chroot";
    if (!unshared && has_no_ids())
        return "unmapped ids";
    if (!admin && is_set_to(f, LIMIT_APPARMOR, 1))
        return features_limits[LIMIT_APPARMOR].name;
    if (f->has_seccomp && f->seccomp != 0)
        return "seccomp";
    return f->in_chroot == PROBE_NO ? "security module" : "chroot or security module";
}

// Who denies user namespaces; NULL: nobody.
static const char *find_denier(const struct features *f)
{
    const struct probe_result *tried = &f->probe[PROBE_USERNS];
    bool unshared = strncmp(tried->why, "unshare:", 8) != 0;
    if (tried->works != PROBE_NO)
        return NULL;
    if (tried->error == EPERM || tried->error == EACCES)
        return find_forbidder(f, unshared);
    if (!unshared && (tried->error == ENOSPC || tried->error == EUSERS))
        return features_limits[LIMIT_USERNS].name;
    if (!unshared && tried->error == EINVAL)
        return "CONFIG_USER_NS";
    if (proc_fd() < 0 && tried->error == ENOENT)
        return "no /proc";
    return f->has_seccomp && f->seccomp != 0 ? "seccomp" : "unknown"; // a filter may choose any number
}

static void find_features(struct features *f, struct plan *plan, const struct caps_privilege *held)
{
    f->caller = held;
    uname(&f->system); // fails for a bad address only
    for (int i = 0; i < PROBE_COUNT; i++)
        f->probe[i] = probe_run((enum probe_name)i, plan, held);
    for (int i = 0; i < LIMITS; i++)
        f->has_limit[i] = read_number(features_limits[i].path, &f->limit[i]);
    f->has_seccomp = read_seccomp(&f->seccomp);
    f->in_userns = probe_in_userns();
    f->in_chroot = find_chroot(f);
    f->denied_by = find_denier(f);
    f->newuidmap = access("/usr/bin/newuidmap", X_OK) == 0;
    f->newgidmap = access("/usr/bin/newgidmap", X_OK) == 0;
}

// -- the command -------------------------------------------------------------------------------

static bool as_json;

static int take_json(struct plan *p, const char *option, const char *value)
{
    (void)p, (void)option, (void)value;
    as_json = true;
    return 0;
}

static const char usage[] =
    "Usage: inroot features [OPTION]...\n"
    "Tells what this host allows, and which way into a root would be taken here.\n\n";

static const struct option_row options[] = {
    {"--json", NULL, take_json, "one JSON object, for programs"},
    {"--help", NULL, NULL, "print this"},
    {NULL, NULL, NULL, NULL},
};

int features_main(char **argv, char **words, const struct caps_privilege *held)
{
    (void)argv;
    static struct plan plan; // the options leave it zero, and each probe fills a copy of its own
    static struct out o;
    static struct features features;
    char **operands;
    int error = options_parse(options, &plan, words, &operands);
    if (error == OPTIONS_OK && operands[0] != NULL)
        error = plan_usage("operand", operands[0], "there are none");
    if (error < 0) {
        err_report();
        return EXIT_USAGE;
    }
    if (error == OPTIONS_OK) {
        proc_open();
        find_features(&features, &plan, held);
        out_init(&o, STDOUT_FILENO, false);
        (as_json ? features_print_json : features_print_screen)(&o, &features);
        error = out_flush(&o);
        if (error < 0)
            error = err_no("write", "standard output", -error);
    } else {
        error = options_help(usage, options);
    }
    if (error < 0)
        err_report();
    return error < 0 ? EXIT_HELPER : 0;
}
