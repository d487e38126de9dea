// SPDX-License-Identifier: MIT
//
// seccomp profiles of the OCI runtime specification (config-linux.md, "Seccomp"), read as runc 1.1
// with libseccomp 2.5 does; where those ignore a field or a word, or fail, it is refused by name.
// What differs:
//   - A call that the profile can't have known (above its highest number) gets ENOSYS in every
//   architecture.
//   - clone3 gets ENOSYS where clone has rules for its flags, which clone3 has in memory, and
//   clone3 has none.
//   - No flag is set where none is named; newer versions of runc set SPEC_ALLOW then.
//   - x32 stays closed, and any further architecture kills the process.
#ifndef SECCOMP_OCI_PROFILE_H
#define SECCOMP_OCI_PROFILE_H

#include "seccomp/compile.h"
#include "sys/oci_json.h"

enum { OCI_PROFILE_BYTES_MAX = OCI_BYTES_MAX };

struct oci_profile {
    struct compile_profile to; // valid until the next profile is read
    unsigned flags;            // SECCOMP_FILTER_FLAG_... for seccomp(2)
};

// Reads a profile from the SIZE bytes of TEXT. SOURCE is its name in errors: -EINVAL, -E2BIG or
// -ENOMEM, recorded, with line and column or the name of the field. Not reentrant.
int oci_profile_read(struct oci_profile *p, const char *text, size_t size, const char *source);

// The same from JSON that is read already, without duplicate keys; oci_start() has said whose.
int oci_profile_take(struct oci_profile *p, const struct json_t *object);

#endif
