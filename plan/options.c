// SPDX-License-Identifier: MIT
#include "plan/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/num.h"
#include "sys/out.h"
#include "sys/start.h"

// Of --args-fd. They live as long as the process: the plan points into them.
static struct {
    char *data;
    size_t size;
    char **words;
} args;

int plan_usage(const char *option, const char *value, const char *reason)
{
    err_stage("usage");
    return err_because(option, value, EINVAL, reason);
}

const char *options_args(size_t *size)
{
    *size = args.size;
    return args.data;
}

// Reads --args-fd to its end and counts what the NUL bytes end: *count of them.
static int read_args(int fd, size_t *count)
{
    err_stage("usage");
    args.data = malloc(ARGS_BYTES_MAX + 1); // untouched pages cost nothing
    if (args.data == NULL)
        return err_at("malloc", "--args-fd");
    ssize_t n = start_read_all(fd, args.data, ARGS_BYTES_MAX + 1, "--args-fd");
    if (n < 0)
        return (int)n;
    if (n > ARGS_BYTES_MAX)
        return err_because("--args-fd", NULL, E2BIG, "more than 2 MiB of arguments");
    if (n > 0 && args.data[n - 1] != '\0')
        return err_because("--args-fd", NULL, EINVAL, "the last argument is not ended by a NUL byte");
    args.size = (size_t)n;
    *count = 0;
    for (size_t at = 0; at < args.size; at++)
        *count += args.data[at] == '\0';
    if (*count > ARGS_WORDS_MAX)
        return err_because("--args-fd", NULL, E2BIG, "more than 65536 arguments");
    return 0;
}

// All words once more, with those of --args-fd in place of the `taken` ones at words[at].
static int splice_args(int fd, char ***words, size_t at, size_t taken, size_t *count)
{
    size_t more = 0;
    int error = read_args(fd, count);
    if (error < 0)
        return error;
    char **rest = *words + at + taken;
    while (rest[more] != NULL)
        more++;
    args.words = calloc(at + *count + more + 1, sizeof(*args.words));
    if (args.words == NULL)
        return err_at("calloc", "--args-fd");
    memcpy(args.words, *words, at * sizeof(*args.words));
    char *word = args.data;
    for (size_t i = 0; i < *count; i++, word += strlen(word) + 1)
        args.words[at + i] = word;
    memcpy(args.words + at + *count, rest, (more + 1) * sizeof(*rest));
    *words = args.words;
    return 0;
}

static const struct option_row *find_row(const struct option_row *rows, const char *word, size_t n)
{
    for (; rows->name != NULL; rows++) {
        if (strncmp(rows->name, word, n) == 0 && rows->name[n] == '\0')
            return rows;
    }
    return NULL;
}

// -- words -------------------------------------------------------------------------------------

// Words are gone through three times: for further words and the descriptors named beside them; for the
// defaults that options override, wherever they stand; and for these.
enum sweep { SWEEP_FIRST, SWEEP_CONFIG, SWEEP_REST };

static enum sweep sweep_of(const struct option_row *row)
{
    static const char *const first[] = {"--args-fd", "--status-fd", "--sync-fd", NULL};
    return options_find(first, row->name) >= 0 ? SWEEP_FIRST
           : strcmp(row->name, "--config") == 0 ? SWEEP_CONFIG
                                                : SWEEP_REST;
}

// One option at *words, left behind it and its value. It is taken if it is one of this sweep.
static int take_option(const struct option_row *rows, struct plan *p, char ***words, enum sweep sweep)
{
    char *word = *(*words)++;
    size_t n = strcspn(word, "=");
    const struct option_row *row = find_row(rows, word, n);
    if (row == NULL)
        return plan_usage("option", word, "unknown option");
    if (p->set_uid && PLAN_PARSER_REFUSES && !plan_allows_option(p, row->name)) {
        err_stage("usage");
        return err_because(row->name, NULL, EPERM, "not in set-uid mode");
    }
    const char *value = word[n] == '=' ? word + n + 1 : NULL;
    if (row->argument == NULL && value != NULL)
        return plan_usage(row->name, value, "this option takes no value");
    if (row->argument != NULL && value == NULL) {
        value = **words;
        if (value == NULL)
            return plan_usage(row->name, NULL, "this option needs a value");
        (*words)++;
    }
    return row->take != NULL && sweep_of(row) == sweep ? row->take(p, row->name, value) : 0;
}

// An operand, or what ends the options.
static bool is_end(const char *word)
{
    return word == NULL || word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0 ||
           strcmp(word, "--help") == 0;
}

static int take_first(const struct option_row *rows, struct plan *p, char ***words)
{
    size_t own = 0; // the first word behind those of --args-fd
    for (size_t at = 0, next; !is_end((*words)[at]); at = next) {
        char **rest = *words + at;
        size_t count = 0;
        int before = p->args_fd;
        int error = take_option(rows, p, &rest, SWEEP_FIRST);
        if (error < 0)
            return error;
        next = (size_t)(rest - *words);
        if (p->args_fd == before)
            continue;
        if (at < own || before >= 0)
            return plan_usage("--args-fd", NULL, "--args-fd can be given once, and not by --args-fd");
        if (p->args_fd == p->status_fd || p->args_fd == p->sync_fd)
            return plan_usage("--args-fd", NULL, "one descriptor is named twice");
        if ((error = splice_args(p->args_fd, words, at, next - at, &count)) < 0)
            return error;
        own = at + count;
        next = at;
    }
    return 0;
}

int options_parse(const struct option_row *rows, struct plan *p, char **words, char ***operands)
{
    int error = take_first(rows, p, &words);
    char **start = words;
    for (enum sweep sweep = SWEEP_CONFIG; sweep <= SWEEP_REST && error == 0; sweep++) {
        words = start;
        while (error == 0 && !is_end(*words))
            error = take_option(rows, p, &words, sweep);
    }
    if (error < 0)
        return error;
    if (*words != NULL && strcmp(*words, "--help") == 0)
        return OPTIONS_HELP;
    *operands = words + (*words != NULL && strcmp(*words, "--") == 0);
    return OPTIONS_OK;
}

int options_help(const char *usage, const struct option_row *rows)
{
    enum { COLUMN = 34 };
    static struct out o;
    out_init(&o, STDOUT_FILENO, false);
    out_text(&o, usage);
    for (; rows->name != NULL; rows++) {
        size_t width = 2 + strlen(rows->name);
        out_text(&o, "  ");
        out_text(&o, rows->name);
        if (rows->argument != NULL) {
            width += 1 + strlen(rows->argument);
            out_text(&o, "=");
            out_text(&o, rows->argument);
        }
        if (width >= COLUMN) {
            out_text(&o, "\n");
            width = 0;
        }
        for (; width < COLUMN; width++)
            out_text(&o, " ");
        out_text(&o, rows->help);
        out_text(&o, "\n");
    }
    if (out_flush(&o) < 0)
        return err_no("write", "standard output", o.error);
    return 0;
}

int options_find(const char *const *names, const char *value)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], value) == 0)
            return i;
    }
    return -1;
}

int options_each_word(struct plan *p, const char *option, const char *value,
                      int (*take)(struct plan *p, const char *option, const char *word, size_t n))
{
    for (const char *word = value;;) {
        size_t n = strcspn(word, ",");
        if (n == 0)
            return plan_usage(option, value, "an empty word in the list");
        int error = take(p, option, word, n);
        if (error < 0)
            return error;
        if (word[n] == '\0')
            return 0;
        word += n + 1;
    }
}

int options_fd(const char *option, const char *value, int *fd)
{
    if (!num_fd(value, fd))
        return plan_usage(option, value, "not the number of a descriptor");
    err_stage("usage");
    int state = fd_check(*fd);
    return state == 0 ? 0 : err_no(option, value, -state);
}

int options_root(struct plan *p, const char *value)
{
    p->root = value;
    p->root_fd = -1;
    if (strncmp(value, "fd:", 3) != 0)
        return 0;
    if (!num_fd(value + 3, &p->root_fd))
        return plan_usage("ROOT", value, "not the number of a descriptor");
    err_stage("usage");
    int state = fd_check(p->root_fd);
    return state == 0 ? 0 : err_no("ROOT", value, -state);
}
