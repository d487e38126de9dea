// SPDX-License-Identifier: MIT
//
// Parts of an OCI config: each takes its object into the plan. All: 0 or -EINVAL, recorded with the name of
// the field.
#ifndef PLAN_OCI_PARTS_H
#define PLAN_OCI_PARTS_H

#include <jansson.h>

#include "plan/plan.h"
#include "sys/oci_json.h"

struct oci_config {
    struct plan *plan;
    const char *directory; // of the config; NULL: a descriptor, which has none
    const char *version;
    const json_t *annotations; // NULL: none
};

int oci_take_process(struct oci_config *c, const json_t *process);
int oci_take_kernel(struct oci_config *c, const json_t *oom_score_adj, const json_t *scheduler,
                    const json_t *io_priority); // of the process
int oci_take_linux(struct oci_config *c, const json_t *linux_part);
int oci_take_namespaces(struct oci_config *c, const json_t *list);
int oci_take_maps(struct oci_config *c, const json_t *users, const json_t *groups);
int oci_take_time_offsets(struct oci_config *c, const json_t *object);
int oci_take_devices(struct oci_config *c, const json_t *list);
int oci_take_mounts(struct oci_config *c, const json_t *list);
int oci_take_hooks(struct oci_config *c, const json_t *hooks);

// What several of them have.

// VALUE is an absolute path of less than PATH_MAX bytes. `name` NULL: where we are.
int oci_path(const char *name, const json_t *value, const char **path);
// The same, or one relative to the config's directory, made absolute enough: never "fd:N".
int oci_host_path(const struct oci_config *c, const char *name, const json_t *value, const char **path);
// The strings of the array NAME, NULL-terminated,, kept as the config is.
int oci_strings(const char *name, const json_t *array, size_t max, char ***strings);
// A map: containerID, hostID, size.
int oci_id_maps(const char *name, const json_t *list, struct id_maps *maps);
// Zeroed memory that is kept as the config is; NULL: recorded.
void *oci_memory(size_t count, size_t size);
// The same by calloc(3), for a table of the plan that options make longer.
void *oci_table(size_t count, size_t size);
// The value of an optional string: NULL where it is empty or not there.
const char *oci_text(const json_t *value);

#endif
