// SPDX-License-Identifier: MIT
//
// hooks of an OCI config, and the state that they read.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/oci_parts.h"
#include "plan/options.h"
#include "sys/err.h"

enum { PATH, ARGS, ENV, TIMEOUT };
static const struct oci_field hook_fields[] = {
    [PATH] = {"path", JSON_STRING, true},
    [ARGS] = {"args", JSON_ARRAY, false},
    [ENV] = {"env", JSON_ARRAY, false},
    [TIMEOUT] = {"timeout", JSON_INTEGER, false},
    {NULL, 0, false},
};

static int take_hook(struct plan_hook *hook, const json_t *object)
{
    const json_t *field[sizeof(hook_fields) / sizeof(hook_fields[0])];
    int64_t timeout = 0;
    int error = oci_fields(object, hook_fields, field);
    if (error < 0 || (error = oci_path("path", field[PATH], &hook->path)) < 0 ||
        (error = oci_integer("timeout", field[TIMEOUT], 1, INT32_MAX, &timeout)) < 0 ||
        (error = oci_strings("env", field[ENV], ARGS_WORDS_MAX, &hook->environment)) < 0)
        return error;
    hook->timeout = (unsigned)timeout;
    // With no argv[0] named it is the path.
    return json_array_size(field[ARGS]) > 0
               ? oci_strings("args", field[ARGS], ARGS_WORDS_MAX, &hook->arguments)
               : 0;
}

// The parent's duty: held against the specification, and no more.
static int check_hook(void *to, const json_t *object)
{
    (void)to;
    struct plan_hook hook = {0};
    return take_hook(&hook, object);
}

static int add_hook(void *to, const json_t *object)
{
    struct plan_rootfs *r = to;
    int error = take_hook(&r->hook[r->hook_count], object);
    r->hook_count += error == 0;
    return error;
}

// -- the state ---------------------------------------------------------------------------------

// The bundle is the config's directory; of a config by descriptor the working directory, as runtimes take it.
static int find_bundle(const struct oci_config *c, char *bundle)
{
    const char *directory = c->directory == NULL ? "." : c->directory[0] == '\0' ? "/" : c->directory;
    if (realpath(directory, bundle) == NULL)
        return err_at("realpath", directory);
    return 0;
}

struct member {
    const char *name, *value;
};

// JSON's own escapes, and \u00XX for the control characters. TO has room for six bytes a byte.
static char *add_string(char *to, const char *string)
{
    static const char hex[] = "0123456789abcdef", escape[4] = {'\\', 'u', '0', '0'};
    *to++ = '"';
    for (; *string != '\0'; string++) {
        const unsigned char c = (unsigned char)*string;
        if (c < ' ') {
            memcpy(to, escape, sizeof(escape));
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
            continue;
        }
        if (c == '"' || c == '\\')
            *to++ = '\\';
        *to++ = (char)c;
    }
    *to++ = '"';
    return to;
}

static char *add_member(char *to, const char *name, const char *value)
{
    if (to[-1] != '{')
        *to++ = ',';
    to = add_string(to, name);
    *to++ = ':';
    return add_string(to, value);
}

static size_t room_for(const char *name, const char *value)
{
    return 6 * (strlen(name) + strlen(value)) + sizeof("\"\":\"\",");
}

static char *write_state(const struct member known[3], const json_t *annotations)
{
    size_t room = sizeof("{,\"annotations\":{}}");
    const char *key;
    json_t *value;
    for (int i = 0; i < 3; i++)
        room += room_for(known[i].name, known[i].value);
    json_object_foreach((json_t *)annotations, key, value)
        room += room_for(key, json_string_value(value));
    char *state = oci_memory(room, 1), *end = state;
    if (state == NULL)
        return NULL;
    *end++ = '{';
    for (int i = 0; i < 3; i++)
        end = add_member(end, known[i].name, known[i].value);
    if (json_object_size(annotations) > 0) {
        end = stpcpy(end, ",\"annotations\":{");
        json_object_foreach((json_t *)annotations, key, value)
            end = add_member(end, key, json_string_value(value));
        *end++ = '}';
    }
    *end = '}';
    return state;
}

// The members that can be known now. The container has no name of its own here: the bundle's is taken.
static int make_state(const struct oci_config *c)
{
    char bundle[PATH_MAX];
    int error = find_bundle(c, bundle);
    if (error < 0)
        return error;
    json_t *valid = json_string(bundle);
    if (valid == NULL)
        return oci_no(NULL, "no memory, or the name of the bundle is not UTF-8", NULL);
    json_decref(valid);
    const char *id = strrchr(bundle, '/') + 1;
    const struct member known[3] = {
        {"ociVersion", c->version}, {"id", id[0] != '\0' ? id : "/"}, {"bundle", bundle}};
    c->plan->rootfs.state = write_state(known, c->annotations);
    return c->plan->rootfs.state != NULL ? 0 : -ENOMEM;
}

// -- the whole ---------------------------------------------------------------------------------

enum { PRESTART, CREATE_RUNTIME, CREATE_CONTAINER, START_CONTAINER, POSTSTART, POSTSTOP, HOOKS };
static const struct oci_field fields[] = {
    [PRESTART] = {"prestart", JSON_ARRAY, false},
    [CREATE_RUNTIME] = {"createRuntime", JSON_ARRAY, false},
    [CREATE_CONTAINER] = {"createContainer", JSON_ARRAY, false},
    [START_CONTAINER] = {"startContainer", JSON_ARRAY, false},
    [POSTSTART] = {"poststart", JSON_ARRAY, false},
    [POSTSTOP] = {"poststop", JSON_ARRAY, false},
    {NULL, 0, false},
};

enum { HOOKS_MAX = 1024 };

static int take_create_container(struct oci_config *c, const json_t *list)
{
    struct plan_rootfs *r = &c->plan->rootfs;
    size_t count = json_array_size(list);
    if (count == 0)
        return 0;
    if (count > HOOKS_MAX)
        return oci_no("createContainer", "more than 1024", NULL);
    r->hook = oci_memory(count, sizeof(*r->hook));
    if (r->hook == NULL)
        return -ENOMEM;
    int error = oci_each("createContainer", list, add_hook, r);
    r->read_only_late = true; // if it becomes that at all
    return error < 0 ? error : make_state(c);
}

int oci_take_hooks(struct oci_config *c, const json_t *hooks)
{
    const json_t *field[sizeof(fields) / sizeof(fields[0])];
    if (hooks == NULL)
        return 0;
    oci_below("hooks");
    int error = oci_fields(hooks, fields, field);
    if (error == 0 && json_array_size(field[START_CONTAINER]) > 0)
        return oci_no("startContainer", "not carried out", NULL);
    for (int i = 0; i < HOOKS && error == 0; i++) {
        if (i != CREATE_CONTAINER)
            error = oci_each(fields[i].name, field[i], check_hook, NULL);
    }
    if (error == 0)
        error = take_create_container(c, field[CREATE_CONTAINER]);
    if (error == 0)
        oci_leave();
    return error;
}
