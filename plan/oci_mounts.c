// SPDX-License-Identifier: MIT
//
// mounts of an OCI config.
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "plan/mount_words.h"
#include "plan/mountspec.h"
#include "plan/oci_parts.h"

enum { DESTINATION, SOURCE, TYPE, OPTIONS, USERS, GROUPS };
static const struct oci_field fields[] = {
    [DESTINATION] = {"destination", JSON_STRING, true},
    [SOURCE] = {"source", JSON_STRING, false},
    [TYPE] = {"type", JSON_STRING, false},
    [OPTIONS] = {"options", JSON_ARRAY, false},
    [USERS] = {"uidMappings", JSON_ARRAY, false},
    [GROUPS] = {"gidMappings", JSON_ARRAY, false},
    {NULL, 0, false},
};

struct taking {
    struct oci_config *config;
    struct plan_mount *mount; // the one that is taken
    bool covers_dev;          // a bind has /dev as its destination
};

// -- options -----------------------------------------------------------------------------------

enum { WORDS_MAX = 1024 };

static int take_option(void *to, const json_t *value)
{
    static const char *const reasons[] = {
        [MOUNT_WORD_NO_MEMORY] = "no memory for ",
        [MOUNT_WORD_IVERSION] = "not carried out: ",
        [MOUNT_WORD_MAPS] = "maps are in uidMappings and gidMappings, not in ",
    };
    if (!oci_is_string(value) || json_string_length(value) == 0)
        return oci_no(NULL, "not a string, or empty", NULL);
    enum mount_word_result result = mount_word(to, json_string_value(value), json_string_length(value));
    return result == MOUNT_WORD_OK ? 0 : oci_no(NULL, reasons[result], json_string_value(value));
}

static int take_options(struct plan_mount *m, const json_t *options)
{
    if (json_array_size(options) > WORDS_MAX)
        return oci_no("options", "more than 1024", NULL);
    return oci_each("options", options, take_option, m);
}

// -- places ------------------------------------------------------------------------------------

static bool is_place(const char *path, const char *place)
{
    char clean[PATH_MAX];
    return plan_clean_path(path, clean, sizeof(clean)) && strcmp(clean, place) == 0;
}

// A relative one starts from "/", as it always did.
static int take_destination(struct plan_mount *m, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t n = strlen(text);
    if (n == 0 || n + 1 >= PATH_MAX)
        return oci_no("destination", n == 0 ? "empty" : "the path is too long", NULL);
    m->target = text;
    if (text[0] != '/') {
        char *absolute = oci_memory(n + 2, 1);
        if (absolute == NULL)
            return -ENOMEM;
        absolute[0] = '/';
        memcpy(absolute + 1, text, n + 1);
        m->target = absolute;
    }
    return is_place(m->target, "/") ? oci_no("destination", "the root itself can't be mounted on", NULL) : 0;
}

// -- one mount ---------------------------------------------------------------------------------

static int take_type(struct plan_mount *m, const json_t *value)
{
    m->type = MOUNT_BIND; // a dummy, of a bind and of a remount
    if (m->bind_word || m->remount)
        return 0;
    if (value == NULL)
        return oci_no("type", "missing, and there is neither bind nor rbind in options", NULL);
    int type = oci_find(plan_mount_types, value);
    if (type == MOUNT_BIND)
        return oci_no("type", "there is neither bind nor rbind in options", NULL);
    // The latter is our own word for something else than the kernel's.
    if (type < 0 || type == MOUNT_DEVTMPFS)
        return oci_no("type", "not carried out: ", json_string_value(value));
    m->type = (enum plan_mount_type)type;
    return 0;
}

static int take_source(const struct oci_config *c, struct plan_mount *m, const json_t *value)
{
    m->source = oci_text(value); // of a file system: a word
    if (m->type != MOUNT_BIND || m->remount)
        return 0;
    return value != NULL ? oci_host_path(c, "source", value, &m->source) : oci_no("source", "missing", NULL);
}

static int take_mappings(struct plan_mount *m, const json_t *users, const json_t *groups)
{
    if (json_array_size(users) == 0 && json_array_size(groups) == 0)
        return 0;
    if (json_array_size(users) == 0 || json_array_size(groups) == 0)
        return oci_no(NULL, "uidMappings and gidMappings are given together", NULL);
    if (m->type != MOUNT_BIND)
        return oci_no("uidMappings", "only a bind mount has them", NULL);
    struct id_maps *maps = oci_memory(2, sizeof(*maps));
    if (maps == NULL)
        return -ENOMEM;
    m->users = &maps[0];
    m->groups = &maps[1];
    m->idmap = true;
    int error = oci_id_maps("uidMappings", users, &maps[0]);
    return error < 0 ? error : oci_id_maps("gidMappings", groups, &maps[1]);
}

static int take_mount(void *to, const json_t *object)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])];
    struct taking *t = to;
    struct plan_mount *m = t->mount;
    int error = oci_fields(object, fields, field);
    if (error < 0 || (error = take_destination(m, field[DESTINATION])) < 0)
        return error;
    m->fd = -1;
    if ((error = take_options(m, field[OPTIONS])) < 0 || (error = take_type(m, field[TYPE])) < 0 ||
        (error = take_source(t->config, m, field[SOURCE])) < 0 ||
        (error = take_mappings(m, field[USERS], field[GROUPS])) < 0)
        return error;
    const char *conflict = mount_words_conflict(m);
    if (conflict != NULL)
        return oci_no("options", conflict, NULL);
    t->covers_dev |= m->type == MOUNT_BIND && is_place(m->target, "/dev");
    t->mount++;
    return 0;
}

// The nodes of /dev are made last, in whatever is mounted there; but not in a directory of the host.
int oci_take_mounts(struct oci_config *c, const json_t *list)
{
    struct plan_rootfs *r = &c->plan->rootfs;
    size_t count = json_array_size(list);
    if (count > MOUNTS_MAX)
        return oci_no("mounts", "more than 4096", NULL);
    r->mount = oci_table(count, sizeof(*r->mount));
    if (r->mount == NULL)
        return -ENOMEM;
    r->mount_count = r->mount_room = (unsigned)count;
    struct taking t = {c, r->mount, false};
    int error = oci_each("mounts", list, take_mount, &t);
    r->config_dev = c->plan->method != METHOD_CHROOT && !t.covers_dev;
    return error;
}
