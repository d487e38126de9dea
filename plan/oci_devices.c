// SPDX-License-Identifier: MIT
//
// linux.devices of an OCI config.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "plan/oci_parts.h"

enum { PATH, TYPE, MAJOR, MINOR, MODE, UID, GID };
static const struct oci_field fields[] = {
    [PATH] = {"path", JSON_STRING, true},
    [TYPE] = {"type", JSON_STRING, true},
    [MAJOR] = {"major", JSON_INTEGER, false},
    [MINOR] = {"minor", JSON_INTEGER, false},
    [MODE] = {"fileMode", JSON_INTEGER, false},
    [UID] = {"uid", JSON_INTEGER, false},
    [GID] = {"gid", JSON_INTEGER, false},
    {NULL, 0, false},
};

// The kernel's own limits: MINORBITS is 20 in its 32-bit numbers.
enum { MAJOR_MAX = (1 << 12) - 1, MINOR_MAX = (1 << 20) - 1 };

static const char *const types[] = {"c", "u", "b", "p", NULL};
static const mode_t type_bits[] = {S_IFCHR, S_IFCHR, S_IFBLK, S_IFIFO};

static int take_numbers(struct plan_device *d, const json_t **field)
{
    const bool pipe = S_ISFIFO(d->mode);
    int64_t major = 0, minor = 0;
    for (int i = MAJOR; i <= MINOR && !pipe; i++) {
        if (field[i] == NULL)
            return oci_no(fields[i].name, "missing", NULL);
    }
    int error = oci_integer("major", field[MAJOR], 0, pipe ? 0 : MAJOR_MAX, &major);
    if (error == 0)
        error = oci_integer("minor", field[MINOR], 0, pipe ? 0 : MINOR_MAX, &minor);
    d->major = (unsigned)major;
    d->minor = (unsigned)minor;
    return error;
}

static int take_fields(struct plan_device *d, const json_t **field)
{
    int64_t mode = 0666, uid = 0, gid = 0;
    int error = oci_path("path", field[PATH], &d->target);
    if (error < 0)
        return error;
    int type = oci_find(types, field[TYPE]);
    if (type < 0)
        return oci_no("type", "not c, u, b or p: ", json_string_value(field[TYPE]));
    d->mode = type_bits[type];
    if ((error = take_numbers(d, field)) < 0 ||
        (error = oci_integer("fileMode", field[MODE], 0, S_IFMT | 07777, &mode)) < 0 ||
        (error = oci_integer("uid", field[UID], 0, (int64_t)UINT32_MAX - 1, &uid)) < 0 ||
        (error = oci_integer("gid", field[GID], 0, (int64_t)UINT32_MAX - 1, &gid)) < 0)
        return error;
    // Engines hand on what stat(2) says, type included.
    if ((mode & S_IFMT) != 0 && ((mode_t)mode & S_IFMT) != d->mode)
        return oci_no("fileMode", "of another type of file", NULL);
    d->mode |= (mode_t)mode & 07777;
    d->has_mode = field[MODE] != NULL;
    d->uid = (uint32_t)uid;
    d->gid = (uint32_t)gid;
    return 0;
}

static int take_device(void *to, const json_t *object)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])];
    struct plan_rootfs *r = to;
    struct plan_device *d = &r->device[r->device_count];
    int error = oci_fields(object, fields, field);
    if (error == 0)
        error = take_fields(d, field);
    for (unsigned i = 0; i < r->device_count && error == 0; i++) {
        if (strcmp(r->device[i].target, d->target) == 0)
            return oci_no("path", "it was named before: ", d->target);
    }
    r->device_count += error == 0;
    return error;
}

int oci_take_devices(struct oci_config *c, const json_t *list)
{
    struct plan_rootfs *r = &c->plan->rootfs;
    size_t count = json_array_size(list);
    if (count == 0)
        return 0;
    if (count > DEVICES_MAX)
        return oci_no("devices", "more than 1024", NULL);
    r->device = oci_table(count, sizeof(*r->device));
    r->device_room = (unsigned)count;
    return r->device != NULL ? oci_each("devices", list, take_device, r) : -ENOMEM;
}
