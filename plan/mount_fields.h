// SPDX-License-Identifier: MIT
//
// Fields between commas, as container engines write them: one that begins with a quotation mark is quoted as in CSV
// (RFC 4180), may hold commas, and "" in it is a quotation mark.
#ifndef PLAN_MOUNT_FIELDS_H
#define PLAN_MOUNT_FIELDS_H

#include <stdbool.h>

// False: a quotation mark does not end the field that it begins, or is never closed.
bool mount_fields_are_quoted_well(const char *text);

// Cuts the next field out of *rest, in place; *rest is NULL behind the last one. Only of text that is quoted well.
char *mount_fields_next(char **rest);

#endif
