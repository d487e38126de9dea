// SPDX-License-Identifier: MIT
//
// mounts of an OCI config.
#include <errno.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

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

static const struct {
    const char *word;
    uint64_t set, clear;
} stand_in[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0}, {"rw", 0, MOUNT_ATTR_RDONLY}, {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"nodev", MOUNT_ATTR_NODEV, 0}, {"noexec", MOUNT_ATTR_NOEXEC, 0}, {"bind", 0, 0}, {"rbind", 0, 0},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME}, {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
};
static const char *mount_word(struct plan_mount *m, const char *word, size_t n, bool weak)
{
    (void)weak;
    for (size_t i = 0; i < sizeof(stand_in) / sizeof(stand_in[0]); i++) {
        if (strcmp(stand_in[i].word, word) == 0) {
            m->set |= stand_in[i].set;
            m->clear |= stand_in[i].clear;
            return NULL;
        }
    }
    size_t old = m->data != NULL ? strlen(m->data) : 0;
    char *data = malloc(old + n + 2);
    if (data == NULL)
        return "no memory";
    memcpy(data, m->data != NULL ? m->data : "", old);
    data[old] = ',';
    memcpy(data + old + (old > 0), word, n + 1);
    m->data = data;
    return NULL;
}

static int take_option(void *to, const json_t *value)
{
    struct plan_mount *m = to;
    if (!oci_is_string(value))
        return oci_no(NULL, "not a string", NULL);
    const char *word = json_string_value(value);
    const char *no = mount_word(m, word, strlen(word), false);
    return no == NULL ? 0 : oci_no(NULL, no, word);
}

static bool is_bind(const json_t *options, bool *recursive)
{
    static const char *const words[] = {"bind", "rbind", NULL};
    bool bind = false;
    for (size_t i = 0; i < json_array_size(options); i++) {
        int word = oci_find(words, json_array_get(options, i));
        bind |= word >= 0;
        *recursive |= word == 1;
    }
    return bind;
}

// -- places ------------------------------------------------------------------------------------

// Whether `path` is `name` ("", "dev") once what means nothing is left out.
static bool is_place(const char *path, const char *name)
{
    char clean[PATH_MAX];
    size_t length = 0;
    for (const char *s = path + strspn(path, "/"); *s != '\0'; s += strspn(s, "/")) {
        size_t n = strcspn(s, "/");
        if (n == 2 && s[0] == '.' && s[1] == '.') {
            while (length > 0 && clean[--length] != '/')
                continue;
        } else if (n != 1 || s[0] != '.') {
            clean[length] = '/';
            length += length > 0;
            memcpy(clean + length, s, n); // with its separator no longer than `path` is
            length += n;
        }
        s += n;
    }
    return length == strlen(name) && memcmp(clean, name, length) == 0;
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
        memcpy(absolute + 1, text, n);
        m->target = absolute;
    }
    return is_place(m->target, "") ? oci_no("destination", "the root itself can't be mounted on", NULL) : 0;
}

// -- one mount ---------------------------------------------------------------------------------

static int take_type(struct plan_mount *m, const json_t *value)
{
    if (value == NULL)
        return oci_no("type", "missing, and there is neither bind nor rbind in options", NULL);
    int type = oci_find(plan_mount_types, value);
    // Of these the first needs an option, and the second is our own word for something else than the kernel's.
    if (type < 0 || type == MOUNT_BIND || type == MOUNT_DEVTMPFS)
        return oci_no("type", type == MOUNT_BIND ? "neither bind nor rbind is in options" : "not carried out: ",
                      type == MOUNT_BIND ? NULL : json_string_value(value));
    m->type = (enum plan_mount_type)type;
    return 0;
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
    bool bind = is_bind(field[OPTIONS], &m->recursive); // its type is a dummy then
    m->type = MOUNT_BIND;
    if (!bind && (error = take_type(m, field[TYPE])) < 0)
        return error;
    m->source = oci_text(field[SOURCE]);
    if (bind && field[SOURCE] == NULL)
        return oci_no("source", "missing", NULL);
    if (bind && (error = oci_host_path(t->config, "source", field[SOURCE], &m->source)) < 0)
        return error;
    if ((error = oci_each("options", field[OPTIONS], take_option, m)) < 0)
        return error;
    t->covers_dev |= bind && is_place(m->target, "dev");
    t->mount++;
    return take_mappings(m, field[USERS], field[GROUPS]);
}

// The nodes of /dev are made last, in whatever is mounted there; but not in a directory of the host.
int oci_take_mounts(struct oci_config *c, const json_t *list)
{
    struct plan_rootfs *r = &c->plan->rootfs;
    size_t count = json_array_size(list);
    if (count > MOUNTS_MAX)
        return oci_no("mounts", "more than 4096", NULL);
    r->mount = oci_memory(count, sizeof(*r->mount));
    if (r->mount == NULL)
        return -ENOMEM;
    struct taking t = {c, r->mount, false};
    int error = oci_each("mounts", list, take_mount, &t);
    r->mount_count = r->mount_room = (unsigned)count;
    r->config_dev = c->plan->method != METHOD_CHROOT && !t.covers_dev;
    return error;
}
