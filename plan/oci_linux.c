// SPDX-License-Identifier: MIT
//
// `linux` of an OCI config, but for its namespaces and devices.
#include <errno.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "plan/limits.h"
#include "plan/oci_parts.h"

// -- paths -------------------------------------------------------------------------------------

struct paths {
    const char **path;
    unsigned count;
};

static int take_path(void *to, const json_t *value)
{
    struct paths *p = to;
    const char *path;
    int error = oci_path(NULL, value, &path);
    for (unsigned i = 0; i < p->count && error == 0; i++) {
        if (strcmp(p->path[i], path) == 0)
            return 0; // once is enough
    }
    if (error == 0)
        p->path[p->count++] = path;
    return error;
}

static int take_paths(const char *name, const json_t *list, const char ***to, unsigned *count, unsigned *room)
{
    struct paths p = {.count = 0};
    if (json_array_size(list) > HIDDEN_MAX)
        return oci_no(name, "more than 4096 paths", NULL);
    *room = (unsigned)json_array_size(list);
    p.path = oci_table(*room, sizeof(*p.path));
    if (p.path == NULL)
        return -ENOMEM;
    int error = oci_each(name, list, take_path, &p);
    *to = p.path;
    *count = p.count;
    return error;
}

// -- small ones --------------------------------------------------------------------------------

static int take_propagation(struct plan_rootfs *r, const json_t *value)
{
    static const char *const words[] = {"private",  "slave",  "shared",  "unbindable",
                                        "rprivate", "rslave", "rshared", "runbindable", NULL};
    static const uint64_t flags[] = {MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE};
    if (oci_text(value) == NULL)
        return 0;
    int i = oci_find(words, value);
    if (i < 0)
        return oci_no("rootfsPropagation", "no such word: ", json_string_value(value));
    r->propagation = flags[i % 4];
    r->propagation_all = i >= 4;
    return 0;
}

enum { DOMAIN, FLAGS };
static const struct oci_field personality_fields[] = {
    [DOMAIN] = {"domain", JSON_STRING, true},
    [FLAGS] = {"flags", JSON_ARRAY, false},
    {NULL, 0, false},
};

static int take_personality(struct plan_process *process, const json_t *object)
{
    static const char *const domains[] = {"LINUX", "LINUX32", NULL};
    static const unsigned long numbers[] = {PER_LINUX, PER_LINUX32};
    const json_t *field[sizeof(personality_fields) / sizeof(personality_fields[0])];
    if (object == NULL)
        return 0;
    oci_below("personality");
    int error = oci_fields(object, personality_fields, field);
    if (error < 0)
        return error;
    int i = oci_find(domains, field[DOMAIN]);
    if (i < 0)
        return oci_no("domain", "neither LINUX nor LINUX32: ", json_string_value(field[DOMAIN]));
    if (json_array_size(field[FLAGS]) > 0)
        return oci_no("flags", "the specification has none", NULL);
    process->has_personality = true;
    process->personality = numbers[i];
    oci_leave();
    return 0;
}

// As --sysctl has it, in one word.
static int take_sysctl(struct plan *p, const char *key, const json_t *value)
{
    if (!oci_is_string(value))
        return oci_no(key, "not a string", NULL);
    if (key[strcspn(key, "=")] != '\0')
        return oci_no(key, "= in a key", NULL);
    size_t n = strlen(key), length = json_string_length(value);
    char *word = oci_memory(n + 1 + length + 1, 1);
    if (word == NULL)
        return -ENOMEM;
    memcpy(word, key, n);
    word[n] = '=';
    memcpy(word + n + 1, json_string_value(value), length + 1);
    return limits_take_sysctl(p, "linux.sysctl", word);
}

static int take_sysctls(struct plan *p, const json_t *object)
{
    const char *key;
    json_t *value;
    oci_below("sysctl");
    json_object_foreach((json_t *)object, key, value)
    {
        int error = take_sysctl(p, key, value);
        if (error < 0)
            return error;
    }
    oci_leave();
    return 0;
}

// -- the whole ---------------------------------------------------------------------------------

enum {
    NAMESPACES, USERS, GROUPS, OFFSETS, DEVICES, CGROUPS_PATH, RESOURCES, PROPAGATION, SECCOMP, SYSCTL,
    MASKED, READ_ONLY, LABEL, PERSONALITY, RDT, NET_DEVICES, MEMORY_POLICY,
};
static const struct oci_field fields[] = {
    [NAMESPACES] = {"namespaces", JSON_ARRAY, false},
    [USERS] = {"uidMappings", JSON_ARRAY, false},
    [GROUPS] = {"gidMappings", JSON_ARRAY, false},
    [OFFSETS] = {"timeOffsets", JSON_OBJECT, false},
    [DEVICES] = {"devices", JSON_ARRAY, false},
    [CGROUPS_PATH] = {"cgroupsPath", JSON_STRING, false}, // this and the next are the parent's duty
    [RESOURCES] = {"resources", JSON_OBJECT, false},
    [PROPAGATION] = {"rootfsPropagation", JSON_STRING, false},
    [SECCOMP] = {"seccomp", JSON_OBJECT, false},
    [SYSCTL] = {"sysctl", JSON_OBJECT, false},
    [MASKED] = {"maskedPaths", JSON_ARRAY, false},
    [READ_ONLY] = {"readonlyPaths", JSON_ARRAY, false},
    [LABEL] = {"mountLabel", JSON_STRING, false},
    [PERSONALITY] = {"personality", JSON_OBJECT, false},
    [RDT] = {"intelRdt", OCI_REFUSED, false},
    [NET_DEVICES] = {"netDevices", OCI_REFUSED, false},
    [MEMORY_POLICY] = {"memoryPolicy", OCI_REFUSED, false},
    {NULL, 0, false},
};

static int take_fields(struct oci_config *c, const json_t **field)
{
    struct plan *p = c->plan;
    struct plan_rootfs *r = &p->rootfs;
    int error;
    if (oci_text(field[LABEL]) != NULL)
        return oci_no("mountLabel", "not carried out", NULL);
    if (field[SECCOMP] != NULL)
        p->filter = FILTER_CONFIG;
    p->filter_json = field[SECCOMP];
    if ((error = oci_take_namespaces(c, field[NAMESPACES])) < 0 ||
        (error = oci_take_maps(c, field[USERS], field[GROUPS])) < 0 ||
        (error = oci_take_time_offsets(c, field[OFFSETS])) < 0 ||
        (error = oci_take_devices(c, field[DEVICES])) < 0 ||
        (error = take_propagation(r, field[PROPAGATION])) < 0 ||
        (error = take_personality(&p->process, field[PERSONALITY])) < 0 ||
        (error = take_paths("maskedPaths", field[MASKED], &r->mask, &r->mask_count, &r->mask_room)) < 0)
        return error;
    error = take_paths("readonlyPaths", field[READ_ONLY], &r->read_only, &r->read_only_count,
                       &r->read_only_room);
    r->config_mask_count = r->mask_count;
    r->config_read_only_count = r->read_only_count;
    return error < 0 ? error : take_sysctls(p, field[SYSCTL]);
}

// Without one there is no namespace, and nothing else of it.
int oci_take_linux(struct oci_config *c, const json_t *linux_part)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])] = {NULL};
    c->plan->filter = FILTER_NONE;
    oci_below("linux");
    int error = linux_part != NULL ? oci_fields(linux_part, fields, field) : 0;
    if (error == 0)
        error = take_fields(c, field);
    if (error == 0)
        oci_leave();
    return error;
}
