// SPDX-License-Identifier: MIT
//
// linux.namespaces of an OCI config, and what new ones are given: id maps and time offsets.
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "plan/oci_parts.h"
#include "plan/options.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

// -- namespaces --------------------------------------------------------------------------------

// The specification's words, and ours.
static const struct {
    const char *type, *name;
    int flag;
} kinds[] = {
    {"pid", "pid", CLONE_NEWPID},   {"network", "net", CLONE_NEWNET},      {"mount", "mnt", CLONE_NEWNS},
    {"ipc", "ipc", CLONE_NEWIPC},   {"uts", "uts", CLONE_NEWUTS},          {"user", "user", CLONE_NEWUSER},
    {"time", "time", CLONE_NEWTIME}, {"cgroup", "cgroup", CLONE_NEWCGROUP},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

enum { TYPE, PATH };
static const struct oci_field namespace_fields[] = {
    [TYPE] = {"type", JSON_STRING, true},
    [PATH] = {"path", JSON_STRING, false},
    {NULL, 0, false},
};

struct taking {
    struct plan *plan;
    int seen; // CLONE_NEW…
};

static int take_namespace(void *to, const json_t *object)
{
    const json_t *field[sizeof(namespace_fields) / sizeof(namespace_fields[0])];
    struct taking *t = to;
    struct plan *p = t->plan;
    const char *path = NULL;
    int i = 0, error = oci_fields(object, namespace_fields, field);
    if (error < 0)
        return error;
    while (i < KINDS && strcmp(kinds[i].type, json_string_value(field[TYPE])) != 0)
        i++;
    if (i == KINDS)
        return oci_no("type", "no such namespace: ", json_string_value(field[TYPE]));
    if ((t->seen & kinds[i].flag) != 0)
        return oci_no("type", "it was named before: ", kinds[i].type);
    t->seen |= kinds[i].flag;
    if (oci_text(field[PATH]) == NULL) {
        p->unshare |= kinds[i].flag & ~CLONE_NEWNS; // this one is implied
        return 0;
    }
    if (kinds[i].flag == CLONE_NEWNS)
        return oci_no("path", "a mount namespace that is there already is not carried out", NULL);
    if ((error = oci_path("path", field[PATH], &path)) < 0)
        return error;
    // Each type once: there is room.
    p->join[p->join_count++] = (struct plan_join){kinds[i].flag, kinds[i].name, path, -1};
    p->join_flags |= kinds[i].flag;
    return 0;
}

// A namespace that is not in the list is the caller's: without one for mounts the root is entered by chroot.
int oci_take_namespaces(struct oci_config *c, const json_t *list)
{
    struct taking t = {c->plan, 0};
    int error = oci_each("namespaces", list, take_namespace, &t);
    if (error == 0 && (t.seen & CLONE_NEWNS) == 0)
        c->plan->method = METHOD_CHROOT;
    return error;
}

// -- maps --------------------------------------------------------------------------------------

enum { INNER, OUTER, SIZE };
static const struct oci_field map_fields[] = {
    [INNER] = {"containerID", JSON_INTEGER, true},
    [OUTER] = {"hostID", JSON_INTEGER, true},
    [SIZE] = {"size", JSON_INTEGER, true},
    {NULL, 0, false},
};

static int take_map(void *to, const json_t *object)
{
    const json_t *field[sizeof(map_fields) / sizeof(map_fields[0])];
    int64_t number[3] = {0, 0, 0};
    int error = oci_fields(object, map_fields, field);
    for (int i = INNER; i <= SIZE && error == 0; i++)
        error = oci_integer(map_fields[i].name, field[i], i == SIZE, (int64_t)UINT32_MAX - (i < SIZE), &number[i]);
    if (error < 0)
        return error;
    const char *no = options_add_map(to, number[INNER], number[OUTER], number[SIZE]);
    return no == NULL ? 0 : oci_no(NULL, no, NULL);
}

int oci_id_maps(const char *name, const json_t *list, struct id_maps *maps)
{
    return oci_each(name, list, take_map, maps);
}

int oci_take_maps(struct oci_config *c, const json_t *users, const json_t *groups)
{
    struct plan *p = c->plan;
    const bool has_users = json_array_size(users) > 0, has_groups = json_array_size(groups) > 0;
    if (!has_users && !has_groups)
        return 0;
    const char *name = has_users ? "uidMappings" : "gidMappings";
    if (has_users != has_groups)
        return oci_no(name, "uidMappings and gidMappings are given together", NULL);
    if ((p->join_flags & CLONE_NEWUSER) != 0)
        return oci_no(name, "the user namespace of linux.namespaces has maps already", NULL);
    if ((p->unshare & CLONE_NEWUSER) == 0)
        return oci_no(name, "there is no user namespace in linux.namespaces", NULL);
    p->map_given = p->map_config = true;
    int error = oci_id_maps("uidMappings", users, &p->users);
    return error < 0 ? error : oci_id_maps("gidMappings", groups, &p->groups_map);
}

// -- time --------------------------------------------------------------------------------------

enum { MONOTONIC, BOOTTIME };
static const struct oci_field clock_fields[] = {
    [MONOTONIC] = {"monotonic", JSON_OBJECT, false},
    [BOOTTIME] = {"boottime", JSON_OBJECT, false},
    {NULL, 0, false},
};

enum { SECONDS, NANOSECONDS };
static const struct oci_field offset_fields[] = {
    [SECONDS] = {"secs", JSON_INTEGER, false},
    [NANOSECONDS] = {"nanosecs", JSON_INTEGER, false},
    {NULL, 0, false},
};

static int take_offset(const char *name, const json_t *object, struct plan_time_offset *to)
{
    const json_t *field[sizeof(offset_fields) / sizeof(offset_fields[0])];
    int64_t nanoseconds = 0;
    if (object == NULL)
        return 0;
    oci_below(name);
    int error = oci_fields(object, offset_fields, field);
    if (error < 0 || (error = oci_integer("secs", field[SECONDS], INT64_MIN, INT64_MAX, &to->seconds)) < 0 ||
        (error = oci_integer("nanosecs", field[NANOSECONDS], 0, 999999999, &nanoseconds)) < 0)
        return error;
    to->given = true;
    to->nanoseconds = (uint32_t)nanoseconds;
    oci_leave();
    return 0;
}

int oci_take_time_offsets(struct oci_config *c, const json_t *object)
{
    const json_t *field[sizeof(clock_fields) / sizeof(clock_fields[0])];
    if (json_object_size(object) == 0)
        return 0;
    if ((c->plan->unshare & CLONE_NEWTIME) == 0)
        return oci_no("timeOffsets", "there is no new time namespace in linux.namespaces", NULL);
    oci_below("timeOffsets");
    int error = oci_fields(object, clock_fields, field);
    if (error < 0 || (error = take_offset("monotonic", field[MONOTONIC], &c->plan->monotonic)) < 0 ||
        (error = take_offset("boottime", field[BOOTTIME], &c->plan->boottime)) < 0)
        return error;
    oci_leave();
    return 0;
}
