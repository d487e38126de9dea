// SPDX-License-Identifier: MIT
#include "plan/oci.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plan/oci_parts.h"
#include "plan/options.h"
#include "sys/err.h"
#include "sys/num.h"
#include "sys/source.h"

// What the plan points into: kept until another config is read, that is, as long as the process.
static struct {
    char text[OCI_BYTES_MAX + 1];
    size_t size;
    bool by_descriptor;
    json_t *tree;
    struct block {
        struct block *next;
        max_align_t data[];
    } *blocks;
} config;

static void forget(void)
{
    for (struct block *next; config.blocks != NULL; config.blocks = next) {
        next = config.blocks->next;
        free(config.blocks);
    }
    json_decref(config.tree);
    config.tree = NULL;
}

// -- what several parts have -------------------------------------------------------------------

void *oci_memory(size_t count, size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + count * size); // a config has 1 MiB: no overflow
    if (block == NULL) {
        oci_no(NULL, "no memory", NULL);
        return NULL;
    }
    block->next = config.blocks;
    config.blocks = block;
    return block->data;
}

void *oci_table(size_t count, size_t size)
{
    void *table = calloc(count > 0 ? count : 1, size);
    if (table == NULL)
        oci_no(NULL, "no memory", NULL);
    return table;
}

const char *oci_text(const json_t *value)
{
    return json_string_length(value) > 0 ? json_string_value(value) : NULL;
}

int oci_path(const char *name, const json_t *value, const char **path)
{
    if (!oci_is_string(value))
        return oci_no(name, "not a string", NULL);
    if (json_string_value(value)[0] != '/')
        return oci_no(name, "not an absolute path: ", json_string_value(value));
    if (json_string_length(value) >= PATH_MAX)
        return oci_no(name, "the path is too long", NULL);
    *path = json_string_value(value);
    return 0;
}

int oci_host_path(const struct oci_config *c, const char *name, const json_t *value, const char **path)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '/')
        return oci_path(name, value, path);
    if (text[0] == '\0')
        return oci_no(name, "empty", NULL);
    if (c->directory == NULL)
        return oci_no(name, "relative, and a config read from a descriptor has no directory: ", text);
    size_t n = strlen(c->directory), size = strlen(text) + 1;
    if (n + 1 + size > PATH_MAX)
        return oci_no(name, "the path is too long", NULL);
    char *joined = oci_memory(n + 1 + size, 1);
    if (joined == NULL)
        return -ENOMEM;
    memcpy(joined, c->directory, n);
    joined[n] = '/';
    memcpy(joined + n + 1, text, size);
    *path = joined;
    return 0;
}

int oci_strings(const char *name, const json_t *array, size_t max, char ***strings)
{
    size_t count = json_array_size(array);
    if (count > max)
        return oci_no(name, "too many", NULL);
    *strings = oci_memory(count + 1, sizeof(**strings));
    if (*strings == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        oci_at(name, i);
        if (!oci_is_string(value))
            return oci_no(NULL, "not a string", NULL);
        (*strings)[i] = (char *)json_string_value(value);
        oci_leave();
    }
    return 0;
}

// -- the top -----------------------------------------------------------------------------------

// Semantic versioning 2.0.0, as far as it matters: 1.MINOR.PATCH, and what may follow.
static int take_version(struct oci_config *c, const json_t *value)
{
    const char *rest = json_string_value(value);
    uint64_t part[3];
    for (int i = 0; i < 3; i++) {
        bool dotted = i == 0 || *rest++ == '.';
        if (!dotted || !num_prefix(rest, UINT32_MAX, &part[i], &rest))
            return oci_no("ociVersion", "not a version: ", json_string_value(value));
    }
    if (*rest != '\0' && *rest != '-' && *rest != '+')
        return oci_no("ociVersion", "not a version: ", json_string_value(value));
    if (part[0] != 1)
        return oci_no("ociVersion", "only 1.x is known, not ", json_string_value(value));
    c->version = json_string_value(value);
    return 0;
}

enum { PATH, READONLY };
static const struct oci_field root_fields[] = {
    [PATH] = {"path", JSON_STRING, true},
    [READONLY] = {"readonly", OCI_BOOLEAN, false},
    {NULL, 0, false},
};

static int take_root(struct oci_config *c, const json_t *root)
{
    const json_t *field[sizeof(root_fields) / sizeof(root_fields[0])];
    if (root == NULL)
        return 0; // ROOT may be an operand
    oci_below("root");
    int error = oci_fields(root, root_fields, field);
    if (error == 0)
        error = oci_host_path(c, "path", field[PATH], &c->plan->root);
    if (error < 0)
        return error;
    c->plan->read_only = json_is_true(field[READONLY]);
    oci_leave();
    return 0;
}

static int take_name(const char *name, const json_t *value, const char **to)
{
    if (json_string_length(value) > HOSTNAME_BYTES)
        return oci_no(name, "longer than 64 bytes", NULL);
    *to = oci_text(value);
    return 0;
}

// Opaque, but for their types.
static int check_annotations(const json_t *annotations)
{
    const char *key;
    json_t *value;
    oci_below("annotations");
    json_object_foreach((json_t *)annotations, key, value)
    {
        if (key[0] == '\0' || !oci_is_string(value))
            return oci_no(key, "not a string, or without a name", NULL);
    }
    oci_leave();
    return 0;
}

enum {
    VERSION, ROOT, MOUNTS, PROCESS, HOSTNAME, DOMAINNAME, HOOKS, ANNOTATIONS, LINUX, SOLARIS, WINDOWS, VM,
    ZOS, FREEBSD,
};
static const struct oci_field fields[] = {
    [VERSION] = {"ociVersion", JSON_STRING, true},
    [ROOT] = {"root", JSON_OBJECT, false},
    [MOUNTS] = {"mounts", JSON_ARRAY, false},
    [PROCESS] = {"process", JSON_OBJECT, false},
    [HOSTNAME] = {"hostname", JSON_STRING, false},
    [DOMAINNAME] = {"domainname", JSON_STRING, false},
    [HOOKS] = {"hooks", JSON_OBJECT, false},
    [ANNOTATIONS] = {"annotations", JSON_OBJECT, false},
    [LINUX] = {"linux", JSON_OBJECT, false},
    [SOLARIS] = {"solaris", OCI_REFUSED, false},
    [WINDOWS] = {"windows", OCI_REFUSED, false},
    [VM] = {"vm", OCI_REFUSED, false},
    [ZOS] = {"zos", OCI_REFUSED, false},
    [FREEBSD] = {"freebsd", OCI_REFUSED, false},
    {NULL, 0, false},
};

// Mounts come after linux.*: whether there is a mount namespace decides what /dev becomes.
static int take_all(struct oci_config *c, const json_t *tree)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])];
    int error = oci_fields(tree, fields, field);
    if (error < 0 || (error = take_version(c, field[VERSION])) < 0 ||
        (error = take_root(c, field[ROOT])) < 0 ||
        (error = oci_take_process(c, field[PROCESS])) < 0 ||
        (error = take_name("hostname", field[HOSTNAME], &c->plan->hostname)) < 0 ||
        (error = take_name("domainname", field[DOMAINNAME], &c->plan->domainname)) < 0 ||
        (error = check_annotations(field[ANNOTATIONS])) < 0 ||
        (error = oci_take_linux(c, field[LINUX])) < 0 || (error = oci_take_mounts(c, field[MOUNTS])) < 0)
        return error;
    c->annotations = field[ANNOTATIONS];
    return oci_take_hooks(c, field[HOOKS]);
}

int oci_config_compile(struct plan *p, const char *text, size_t size, const char *directory)
{
    struct oci_config c = {.plan = p, .directory = directory};
    oci_start("config", p->config, NULL);
    forget();
    int error = oci_parse(text, size, &config.tree);
    return error < 0 ? error : take_all(&c, config.tree);
}

// -- the option --------------------------------------------------------------------------------

const char *oci_config_bytes(size_t *size)
{
    *size = config.size;
    return config.by_descriptor ? config.text : NULL;
}

static int compile_file(struct plan *p, const char *file)
{
    char directory[PATH_MAX] = ".";
    const char *slash = strrchr(file, '/');
    if (slash != NULL) {
        memcpy(directory, file, (size_t)(slash - file)); // it was opened: shorter than PATH_MAX
        directory[slash - file] = '\0';
    }
    return oci_config_compile(p, config.text, config.size, directory);
}

int oci_config_take(struct plan *p, const char *option, const char *value)
{
    if (p->config != NULL)
        return plan_usage(option, value, "it was given before");
    config.by_descriptor = strncmp(value, "fd:", 3) == 0;
    int error = config.by_descriptor ? options_fd(option, value + 3, &p->config_fd) : 0;
    if (error < 0)
        return error;
    p->config = value;
    err_stage("config");
    ssize_t size = source_read("config", value, p->config_fd, config.text, sizeof(config.text));
    if (size < 0)
        return (int)size;
    if (size > OCI_BYTES_MAX)
        return err_because("config", value, E2BIG, "larger than 1 MiB");
    config.size = (size_t)size;
    return config.by_descriptor ? oci_config_compile(p, config.text, config.size, NULL) : compile_file(p, value);
}
