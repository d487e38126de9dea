// SPDX-License-Identifier: MIT
#include "cmd/unpack.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/attributes.h"
#include "archive/fault.h"
#include "cmd/unpack_report.h"
#include "root/confine.h"
#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/start.h"
#include "sys/status.h"

// Too large for a stack, and not initialised: they take no room in the file.
static struct plan plan;
static struct plan_unpack unpack;
static struct input input;
static struct tar_reader reader;
static struct extract extract;
static struct report report;

// -- before ------------------------------------------------------------------------------------

static void set_defaults(const struct caps_privilege *held)
{
    plan.set_uid = held->set_uid;
    plan.own_job = plan.allow_host_proc = true; // nothing in there is executed, or read
    plan.unpack = &unpack;
    plan.root_fd = plan.status_fd = plan.sync_fd = plan.args_fd = plan.filter_fd = plan.config_fd = -1;
    plan.filter = FILTER_NONE;
    plan.groups = GROUPS_KEEP;
    unpack.archive = "-";
    unpack.archive_fd = unpack.exclude_fd = -1;
    unpack.max_ratio = 1000;
    struct extract_options *o = &unpack.extract;
    o->same_permissions = o->overwrite_dir = true;
    o->max_bytes = UINT64_C(1) << 40;
    o->max_entries = 1 << 24;
    o->max_depth = 1024;
}

static int parse(char **words, const struct caps_privilege *held)
{
    char **operands;
    int error = options_parse(unpack_options, &plan, words, &operands);
    if (error != OPTIONS_OK)
        return error;
    if (operands[0] == NULL)
        return plan_usage("ROOT", NULL, "no root was given");
    if ((error = options_root(&plan, operands[0])) < 0)
        return error;
    if (operands[1] != NULL) {
        unpack.archive = operands[1];
        if (operands[2] != NULL)
            return plan_usage("ARCHIVE", operands[2], "more than one archive was given");
    }
    if (strncmp(unpack.archive, "fd:", 3) == 0 &&
        (error = options_fd("ARCHIVE", unpack.archive + 3, &unpack.archive_fd)) < 0)
        return error;
    if (strcmp(unpack.archive, "-") == 0)
        unpack.archive_fd = STDIN_FILENO;
    error = unpack_check(&plan, held);
    return error < 0 ? error : plan_check(&plan, held);
}

// Descriptors of our own, only now: none of the numbers that the user gave can mean them.
static int open_own(void)
{
    if (plan.status_fd >= 0) {
        int copy = fd_copy(plan.status_fd);
        if (copy < 0)
            return copy;
        status_set(copy);
    }
    proc_open();
    return plan.die_with_parent ? start_die_with(start_parent()) : 0;
}

// Nothing is read from standard input but the archive, and written to standard output only where that was asked
// for. Before the root is entered: its /dev/null is anything.
static int blank_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        bool used = fd == plan.sync_fd || fd == plan.root_fd || (fd == STDOUT_FILENO && (unpack.json || unpack.verbose));
        int error = used ? 0 : fd_blank(fd);
        if (error < 0)
            return error;
    }
    return 0;
}

static int open_archive(void)
{
    err_stage("archive");
    int fd = unpack.archive_fd >= 0 ? fd_copy(unpack.archive_fd) : report_open(&report, unpack.archive);
    if (fd < 0)
        return fd;
    int error = blank_standard();
    if (error < 0) {
        close(fd);
        return error;
    }
    const char *name = unpack.archive_fd == STDIN_FILENO ? "standard input" : unpack.archive;
    input.pause = report_pause;
    input.context = &report;
    input.max_ratio = unpack.max_ratio;
    input.no_programs = plan.set_uid;
    error = input_open(&input, fd, name);
    // In set-uid mode no process is forked that is not the caller's.
    return error < 0 || plan.set_uid ? error : input_start(&input);
}

// -- inside ------------------------------------------------------------------------------------

// What the options need, of what is held. An ordinary user's own data need nothing.
static uint64_t capabilities(const struct caps_privilege *caller)
{
    const struct extract_options *o = &unpack.extract;
    uint64_t set = 0;
    if (o->same_owner || o->has_owner)
        set |= CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_FSETID);
    if (set != 0 || caller->uid == 0)
        set |= CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER);
    if (o->devices == DEVICES_CREATE)
        set |= CAPS_BIT(CAP_MKNOD);
    if (attributes_are_taken(&o->xattrs, XATTR_NAME_CAPS))
        set |= CAPS_BIT(CAP_SETFCAP);
    for (unsigned i = 0; i < o->xattrs.count; i++) {
        if (strncmp(o->xattrs.pattern[i], XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) == 0)
            set |= CAPS_BIT(CAP_SYS_ADMIN);
    }
    return set;
}

static int confine_extraction(const struct enter *e)
{
    const int keep[] = {0, 1, 2, input.fd, input.ends[0], input.ends[1], status_fd()};
    sigset_t mask = *start_mask();
    // The caller's, but for what ends the run: that is waited for where it does no harm.
    for (int number = 1; number < _NSIG; number++) {
        if (sigismember(&report.watched, number) == 1)
            sigaddset(&mask, number);
    }
    if (sigprocmask(SIG_SETMASK, &mask, NULL) != 0)
        return err_at("rt_sigprocmask", NULL);
    return confine(e, capabilities(e->caller), keep, sizeof(keep) / sizeof(keep[0]), CAGE_EXTRACTOR);
}

static int check_directory(int root)
{
    const char *directory = unpack.extract.directory;
    AUTO_CLOSE int fd = path_open_directory(root, directory, unpack.extract.policy == POLICY_STRICT);
    return fd >= 0 ? 0 : err_no("--directory", unpack.directory, -fd);
}

static int run(const struct enter *e)
{
    unpack.extract.umask = start_umask();
    umask(0);
    extract.uid = geteuid();
    extract.gid = getegid();
    int error = confine_extraction(e);
    if (error < 0)
        return error;
    err_stage("extract");
    error = check_directory(e->inside);
    if (error < 0)
        return error;
    reader.in = &input;
    reader.ignore_zeros = unpack.ignore_zeros;
    reader.strict = unpack.extract.policy == POLICY_STRICT;
    extract.o = &unpack.extract;
    extract.root = e->inside;
    extract.named = unpack.verbose ? report_name : NULL;
    error = extract_all(&extract);
    return error < 0 ? error : input_finish(&input);
}

static int status_of(int error)
{
    if (error == 0)
        return 0;
    return fault_is_archives() ? EXIT_INPUT : EXIT_HELPER;
}

int unpack_main(char **argv, char **words, const struct caps_privilege *held)
{
    (void)argv;
    struct enter e = {.plan = &plan, .caller = held, .interrupted = report_interrupted, .context = &report};
    set_defaults(held);
    int error = parse(words, held);
    if (error == OPTIONS_HELP)
        return options_help(unpack_usage, unpack_options) < 0 ? EXIT_HELPER : 0;
    if (error < 0) {
        err_report();
        return error == -ENOMEM ? EXIT_HELPER : EXIT_USAGE;
    }
    extract.reader = &reader;
    reader.in = &input;
    input.fd = input.ends[0] = input.ends[1] = -1;
    report_begin(&report, &plan, &extract, &input);
    error = enter_allowed(&e);
    if (error == 0)
        error = open_own();
    if (error == 0)
        error = open_archive();
    if (error == 0)
        error = enter_root(&e);
    if (error == 0 && plan.set_uid)
        error = input_start(&input);
    if (error == 0)
        error = run(&e);
    input_stop(&input);
    int printed = report_end(&report, error == 0);
    return printed < 0 ? EXIT_HELPER : status_of(error);
}
