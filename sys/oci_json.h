// SPDX-License-Identifier: MIT
//
// JSON of the OCI runtime specification: strict, with the place in every error. Not reentrant.
#ifndef SYS_OCI_JSON_H
#define SYS_OCI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

enum { OCI_BYTES_MAX = 1 << 20 };

// Types of a field besides jansson's own. An integer can be any number of 64 bits.
enum {
    OCI_BOOLEAN = 64,
    OCI_ANYTHING, // not looked at
    OCI_REFUSED,  // known, and never carried out
};

struct oci_field {
    const char *name;
    int type; // of jansson, or one of these
    bool needed;
};

// Errors are of OP ("config") about SOURCE from here on. UNKNOWN, if there is one, adds a hint to the error
// about a field that nobody knows.
void oci_start(const char *op, const char *source, void (*unknown)(const char *field));

// Parses TEXT, of OCI_BYTES_MAX at most, into *OBJECT, the caller's to release. -EINVAL or -ENOMEM,
// recorded.
int oci_parse(const char *text, size_t size, struct json_t **object);

// Sets VALUES, one for each of FIELDS (the last has no name), to what OBJECT has there; NULL for
// none and for null. Any other field is refused. -EINVAL, recorded.
int oci_fields(const struct json_t *object, const struct oci_field *fields,
               const struct json_t **values);

// A string of the text's own: large numbers are kept as strings too.
bool oci_is_string(const struct json_t *value);

// The number of an integer field, if it is not negative.
bool oci_number(const struct json_t *value, uint64_t *number);

// The number of the integer field NAME between MIN and MAX, if it is there. -EINVAL, recorded.
int oci_integer(const char *name, const struct json_t *value, int64_t min, int64_t max, int64_t *number);

// The place of the string VALUE in a list that NULL ends; -1.
int oci_find(const char *const *names, const struct json_t *value);

// Calls TAKE for each element of the array NAME, NULL for none, with errors about its place. TAKE's error,
// or 0.
int oci_each(const char *name, const struct json_t *array,
             int (*take)(void *to, const struct json_t *value), void *to);

// Errors are about the element I of the array NAME, or below the object NAME, until oci_leave().
void oci_at(const char *name, size_t i);
void oci_below(const char *name);
void oci_leave(void);

// Refuses FIELD (NULL: where we are) for REASON, which ends with WORD if there is one: recorded,
// -EINVAL.
int oci_no(const char *field, const char *reason, const char *word);

#endif
