// SPDX-License-Identifier: MIT
//
// JSON of a profile: strict, with the place in every error. Not reentrant.
#ifndef SECCOMP_OCI_JSON_H
#define SECCOMP_OCI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

enum { OCI_BYTES_MAX = 1 << 20 };

struct oci_field {
    const char *name;
    int type; // of jansson; an integer can be any number of 64 bits
    bool needed;
};

// Errors are about SOURCE from here on.
void oci_start(const char *source);

// Parses TEXT, of OCI_BYTES_MAX at most, into *OBJECT, the caller's to release. -EINVAL or -ENOMEM,
// recorded.
int oci_parse(const char *text, size_t size, struct json_t **object);

// Sets VALUES, one for each of FIELDS (the last has no name), to what OBJECT has there; NULL for
// none and for null. Any other field is refused. -EINVAL, recorded.
int oci_fields(const struct json_t *object, const struct oci_field *fields,
               const struct json_t **values);

// A string of the profile's own: large numbers are kept as strings too.
bool oci_is_string(const struct json_t *value);

// The number of an integer field, if it is not negative.
bool oci_number(const struct json_t *value, uint64_t *number);

// Errors are about the element I of the array NAME, until oci_leave().
void oci_at(const char *name, size_t i);
void oci_leave(void);

// Refuses FIELD (NULL: where we are) for REASON, which ends with WORD if there is one: recorded,
// -EINVAL.
int oci_no(const char *field, const char *reason, const char *word);

#endif
