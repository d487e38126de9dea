// SPDX-License-Identifier: MIT
//
// config.json of the OCI runtime specification 1.x, compiled into the plan. Every field is carried out, is
// the parent's duty, or is refused by name: inroot-config(5) has them all.
#ifndef PLAN_OCI_H
#define PLAN_OCI_H

#include "plan/plan.h"

// --config=FILE|fd:N. Reads and compiles it; options are applied after it. -errno, recorded, with line and
// column or the name of the field. The plan points into what was read, which is kept until another config
// is compiled.
int oci_config_take(struct plan *p, const char *option, const char *value);

// What was read from fd:N, for running this program again; NULL if nothing was.
const char *oci_config_bytes(size_t *size);

// The same of a text: DIRECTORY is what relative paths start from, NULL where they are refused.
int oci_config_compile(struct plan *p, const char *text, size_t size, const char *directory);

#endif
