// SPDX-License-Identifier: MIT
//
// Options as every command has them: tables of rows, `--opt=value` and `--opt value` alike, the first
// operand ends them, `--` too. --args-fd brings further words in place of itself.
#ifndef PLAN_OPTIONS_H
#define PLAN_OPTIONS_H

#include <stdbool.h>

#include "plan/plan.h"

struct option_row {
    const char *name;     // "--enter"
    const char *argument; // "METHOD", or NULL for a flag
    int (*take)(struct plan *p, const char *option, const char *value);
    const char *help;
};

enum { ARGS_BYTES_MAX = 2 << 20, ARGS_WORDS_MAX = 65536 }; // of --args-fd

enum options_result { OPTIONS_OK = 0, OPTIONS_HELP = 1 };

// Parses `words` (NULL-terminated, without the command) by `rows` (ended by a row without name).
// *operands is what follows the options. OPTIONS_HELP for --help; -EINVAL and others, recorded.
int options_parse(const struct option_row *rows, struct plan *p, char **words, char ***operands);

// The arguments read from --args-fd as they came, for running this program again; NULL if none were.
const char *options_args(size_t *size);

// The help text of the rows on standard output; `usage` is its first lines.
int options_help(const char *usage, const struct option_row *rows);

// The place of `value` in a list that NULL ends; -1.
int options_find(const char *const *names, const char *value);

// For rows that every command has which takes ROOT.
int options_enter(struct plan *p, const char *option, const char *value);
int options_pivot(struct plan *p, const char *option, const char *value);
int options_map_root(struct plan *p, const char *option, const char *value);
int options_map_current(struct plan *p, const char *option, const char *value);
int options_map_auto(struct plan *p, const char *option, const char *value);
int options_map_users(struct plan *p, const char *option, const char *value);
int options_map_groups(struct plan *p, const char *option, const char *value);
int options_die_with_parent(struct plan *p, const char *option, const char *value);
int options_status_fd(struct plan *p, const char *option, const char *value);
int options_sync_fd(struct plan *p, const char *option, const char *value);
int options_args_fd(struct plan *p, const char *option, const char *value);

// Adds a line INNER:OUTER:COUNT, which must not overlap the ones before it.
int options_id_map(struct id_maps *maps, const char *option, const char *value);

// Adds a line of numbers. NULL, or why it can't be added.
const char *options_add_map(struct id_maps *maps, uint64_t inner, uint64_t outer, uint64_t count);

// Calls `take` for each comma-separated word of `value`; an empty word is a usage error.
int options_each_word(struct plan *p, const char *option, const char *value,
                      int (*take)(struct plan *p, const char *option, const char *word, size_t n));

// The number of an open descriptor.
int options_fd(const char *option, const char *value, int *fd);

// ROOT: a path or fd:N.
int options_root(struct plan *p, const char *value);

#endif
