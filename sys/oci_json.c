// SPDX-License-Identifier: MIT
#include "sys/oci_json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/random.h>

#include "sys/err.h"
#include "sys/num.h"
#include "sys/text.h"

static struct {
    const char *op, *source;
    void (*unknown)(const char *field);
    char place[160];
    size_t levels, level[8]; // how long PLACE was before each oci_at() and oci_below()
    char reason[360];
} now;

void oci_start(const char *op, const char *source, void (*unknown)(const char *field))
{
    now.op = op;
    now.source = source;
    now.unknown = unknown;
    now.place[0] = '\0';
    now.levels = 0;
}

// -- errors ------------------------------------------------------------------------------------

// Cuts what is too long, unlike text_add(): words of the text are as long as they like.
static void add(struct text *t, const char *word)
{
    size_t n = strlen(word), room = t->size - 1 - t->length;
    n = n < room ? n : room;
    memcpy(t->data + t->length, word, n);
    t->length += n;
}

// What comes from the text is one line of plain text in the end.
static int refuse(struct text *t)
{
    text_end(t);
    for (char *s = now.reason; *s != '\0'; s++) {
        if (*s < ' ' || *s > '~')
            *s = '?';
    }
    return err_because(now.op, now.source, EINVAL, now.reason);
}

static struct text enter(const char *name)
{
    size_t length = strlen(now.place);
    struct text t = {.data = now.place + length, .size = sizeof(now.place) - length};
    now.level[now.levels++] = length;
    text_add(&t, length > 0 ? "." : "");
    text_add(&t, name);
    return t;
}

void oci_below(const char *name)
{
    struct text t = enter(name);
    text_end(&t);
}

void oci_at(const char *name, size_t i)
{
    struct text t = enter(name);
    text_add(&t, "[");
    text_number(&t, i);
    text_add(&t, "]");
    text_end(&t);
}

void oci_leave(void)
{
    now.place[now.level[--now.levels]] = '\0';
}

int oci_no(const char *field, const char *reason, const char *word)
{
    struct text t = {.data = now.reason, .size = sizeof(now.reason)};
    add(&t, now.place);
    add(&t, now.place[0] != '\0' && field != NULL ? "." : "");
    add(&t, field != NULL ? field : "");
    add(&t, now.place[0] != '\0' || field != NULL ? ": " : "");
    add(&t, reason);
    add(&t, word != NULL ? word : "");
    return refuse(&t);
}

// -- text --------------------------------------------------------------------------------------

// jansson's integers end at 2^63 - 1. What is beyond, as far as 64 bits go, is handed to it as a
// string that starts with this character.
static const char mark = '\x7f';

static bool is_large(const char *digits, size_t n)
{
    char copy[21] = {0};
    uint64_t value;
    if (n < 19 || n > 20)
        return false;
    memcpy(copy, digits, n);
    return num_decimal(copy, UINT64_MAX, &value) && value > INT64_MAX;
}

static bool is_of_number(char c)
{
    static const char characters[] = "+-.eE0123456789";
    return memchr(characters, c, sizeof(characters) - 1) != NULL;
}

// The mark as the text's own, plain or escaped, means nothing that it could need.
static bool has_mark(const char *text, size_t size)
{
    static const char escaped[] = "\\u007";
    for (size_t i = 0; i < size; i++) {
        bool escape = size - i > sizeof(escaped) - 1 && memcmp(text + i, escaped, sizeof(escaped) - 1) == 0;
        if (text[i] == mark || (escape && (text[i + 5] == 'f' || text[i + 5] == 'F')))
            return true;
    }
    return false;
}

// A number where a key is wanted is an error, and must stay one.
static bool is_key(const char *text, size_t size, size_t at)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at < size && text[at] == ':';
}

// Copies TEXT with large numbers marked; TO has room for one byte in six more. Returns how many
// bytes.
static size_t mark_large(const char *text, size_t size, char *to)
{
    size_t used = 0;
    bool quoted = false;
    for (size_t i = 0, n; i < size; i += n) {
        n = 1;
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\' && i + 1 < size)
            n = 2;
        else if (!quoted)
            while (i + n < size && is_of_number(text[i]) && is_of_number(text[i + n]))
                n++;
        bool large = !quoted && is_large(text + i, n) && !is_key(text, size, i + n);
        if (large) {
            to[used++] = '"';
            to[used++] = mark;
        }
        memcpy(to + used, text + i, n);
        used += n;
        if (large)
            to[used++] = '"';
    }
    return used;
}

bool oci_number(const json_t *value, uint64_t *number)
{
    if (json_is_string(value))
        return num_decimal(json_string_value(value) + 1, UINT64_MAX, number);
    *number = (uint64_t)json_integer_value(value);
    return json_integer_value(value) >= 0;
}

// Where jansson has no memory it often has no words either.
static int refuse_text(const json_error_t *error)
{
    struct text t = {.data = now.reason, .size = sizeof(now.reason)};
    if (error->text[0] == '\0' || json_error_code(error) == json_error_out_of_memory)
        return err_no(now.op, now.source, ENOMEM);
    add(&t, "line ");
    text_number(&t, error->line > 0 ? (uint64_t)error->line : 1);
    add(&t, ", column ");
    text_number(&t, error->column > 0 ? (uint64_t)error->column : 0);
    add(&t, ": ");
    add(&t, error->text);
    return refuse(&t);
}

int oci_parse(const char *text, size_t size, json_t **object)
{
    static char marked[OCI_BYTES_MAX + OCI_BYTES_MAX / 6];
    json_error_t error;
    if (has_mark(text, size))
        return oci_no(NULL, "the character DEL, or \\u007f", NULL);
    // A seed of its own choice jansson would read from /dev/urandom.
    uint32_t seed = 0;
    (void)getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    json_object_seed(seed | 1);
    *object = json_loadb(marked, mark_large(text, size, marked), JSON_REJECT_DUPLICATES, &error);
    return *object != NULL ? 0 : refuse_text(&error);
}

// -- objects -----------------------------------------------------------------------------------

static bool is_marked(const json_t *value)
{
    return json_is_string(value) && json_string_value(value)[0] == mark;
}

bool oci_is_string(const json_t *value)
{
    return json_is_string(value) && !is_marked(value);
}

static bool has_type(const json_t *value, int type)
{
    if (type == OCI_ANYTHING)
        return true;
    if (type == OCI_BOOLEAN)
        return json_is_boolean(value);
    if (is_marked(value))
        return type == JSON_INTEGER;
    return json_typeof(value) == (json_type)type;
}

static const char *type_name(int type)
{
    static const char *const names[] = {"an object", "an array", "a string", "an integer"};
    return type == OCI_BOOLEAN ? "true or false" : names[type];
}

int oci_fields(const json_t *object, const struct oci_field *fields, const json_t **values)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return oci_no(NULL, "not an object", NULL);
    for (size_t i = 0; fields[i].name != NULL; i++)
        values[i] = NULL;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (fields[i].name != NULL && strcmp(fields[i].name, key) != 0)
            i++;
        if (fields[i].name == NULL) {
            int error = oci_no(NULL, "no such field: ", key);
            if (now.unknown != NULL)
                now.unknown(key);
            return error;
        }
        if (!json_is_null(value) && fields[i].type == OCI_REFUSED)
            return oci_no(key, "not carried out", NULL);
        if (!json_is_null(value) && !has_type(value, fields[i].type))
            return oci_no(fields[i].name, "not ", type_name(fields[i].type));
        values[i] = json_is_null(value) ? NULL : value;
    }
    for (size_t i = 0; fields[i].name != NULL; i++) {
        if (fields[i].needed && values[i] == NULL)
            return oci_no(fields[i].name, "missing", NULL);
    }
    return 0;
}

// -- values ------------------------------------------------------------------------------------

int oci_integer(const char *name, const json_t *value, int64_t min, int64_t max, int64_t *number)
{
    if (value == NULL)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
        return oci_no(name, "out of range", NULL);
    *number = json_integer_value(value);
    return 0;
}

int oci_find(const char *const *names, const json_t *value)
{
    const char *text = json_string_value(value);
    for (int i = 0; text != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

int oci_each(const char *name, const json_t *array, int (*take)(void *to, const json_t *value), void *to)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        oci_at(name, i);
        int error = take(to, json_array_get(array, i));
        if (error < 0)
            return error;
        oci_leave();
    }
    return 0;
}
