// SPDX-License-Identifier: MIT
//
// The grammar is that of container engines: comma-separated fields, one of which can be quoted as in CSV.
#include "plan/mountspec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/mount_words.h"
#include "plan/options.h"
#include "sys/mount.h"
#include "sys/num.h"

// -- fields ------------------------------------------------------------------------------------

// The next field as a string of its own, without the quotes; *rest is left behind its comma, NULL at the end.
static char *next_field(const char **rest)
{
    const char *s = *rest;
    bool quoted = *s == '"';
    char *field = malloc(strlen(s) + 1), *to = field;
    if (field == NULL)
        return NULL;
    for (s += quoted; *s != '\0' && (quoted || *s != ','); s++) {
        if (quoted && *s == '"') {
            if (s[1] != '"') {
                s++;
                break;
            }
            s++; // "" is one of them
        }
        *to++ = *s;
    }
    *to = '\0';
    *rest = *s == ',' ? s + 1 : *s == '\0' ? NULL : s;
    return field;
}

// A quote that does not end its field, or never ends.
static bool is_well_quoted(const char *value)
{
    for (const char *s = value; *s != '\0';) {
        if (*s != '"') {
            s += strcspn(s, ",");
        } else {
            for (s++; *s != '\0' && (*s != '"' || s[1] == '"'); s++)
                s += *s == '"';
            if (*s++ == '\0' || (*s != ',' && *s != '\0'))
                return false;
        }
        s += *s == ',';
    }
    return true;
}

// -- words with values -------------------------------------------------------------------------

struct spec {
    struct plan_mount *m;
    const char *option, *whole; // for errors
    bool has_type, has_source, has_target, non_recursive, writable_below, read_only_below;
    bool short_form; // SRC and DST have their places, and the type is known
    bool of_binds;   // a field that only a bind can mean
};

static int wrong(const struct spec *s, const char *reason)
{
    return plan_usage(s->option, s->whole, reason);
}

static int take_word(struct spec *s, const char *word)
{
    switch (mount_word(s->m, word, strlen(word))) {
    case MOUNT_WORD_OK:
        return 0;
    case MOUNT_WORD_IVERSION:
        return wrong(s, "iversion can't be set for one mount");
    case MOUNT_WORD_MAPS:
        return wrong(s, "idmap takes no maps here: those of the user namespace count");
    case MOUNT_WORD_NO_MEMORY:
        break;
    }
    return wrong(s, "no memory");
}

static int take_type(struct spec *s, const char *value)
{
    if (s->has_type)
        return wrong(s, "the type is named twice");
    int type = options_find(plan_mount_types, value);
    if (type < 0)
        return wrong(s, "no such type: bind, tmpfs, proc, sysfs, devpts, mqueue, cgroup, cgroup2, overlay, devtmpfs");
    s->m->type = (enum plan_mount_type)type;
    s->has_type = true;
    return 0;
}

static int take_source(struct spec *s, const char *value)
{
    if (s->has_source) // the descriptor of the one would meet the name of the other
        return wrong(s, "the source is named twice");
    if (value[0] == '\0')
        return wrong(s, "the source is empty");
    s->has_source = true;
    s->m->source = value;
    return strncmp(value, "fd:", 3) == 0 ? options_fd(s->option, value + 3, &s->m->fd) : 0;
}

static int take_target(struct spec *s, const char *value)
{
    char clean[PATH_MAX];
    if (s->has_target)
        return wrong(s, "the destination is named twice");
    if (value[0] != '/')
        return wrong(s, "the destination is not an absolute path");
    if (strlen(value) >= PATH_MAX || !plan_clean_path(value, clean, sizeof(clean)))
        return wrong(s, "the destination is too long");
    if (strcmp(clean, "/") == 0)
        return wrong(s, "nothing is mounted over the root itself: ROOT, --ro and --overlay say what it is");
    s->m->target = value;
    s->has_target = true;
    return 0;
}

static int take_propagation(struct spec *s, const char *value)
{
    static const char *const words[] = {"private", "rprivate", "slave",      "rslave",
                                        "shared",  "rshared",  "unbindable", "runbindable", NULL};
    return options_find(words, value) >= 0 ? take_word(s, value) : wrong(s, "no such propagation");
}

static int take_recursive(struct spec *s, const char *value)
{
    static const char *const words[] = {"enabled", "disabled", "writable", "readonly", NULL};
    int word = options_find(words, value);
    if (word < 0)
        return wrong(s, "bind-recursive is enabled, disabled, writable or readonly");
    s->of_binds = true;
    s->non_recursive |= word == 1;
    s->writable_below |= word == 2;
    s->read_only_below |= word == 3;
    return 0;
}

// Engines write small letters too, and the kernel takes either; what has no room in 64 bits it takes for less.
static bool is_size(const char *value, bool percent)
{
    static const char letters[] = "kKmMgGtT";
    uint64_t n;
    const char *end;
    if (!num_prefix(value, UINT64_MAX, &n, &end))
        return false;
    if (*end == '\0' || (percent && strcmp(end, "%") == 0))
        return *end == '\0' || n <= 100;
    const char *letter = strchr(letters, *end);
    return letter != NULL && end[1] == '\0' && n <= UINT64_MAX >> (10 * ((letter - letters) / 2 + 1));
}

static int take_size(struct spec *s, const char *word, const char *value)
{
    return is_size(value, true)
               ? take_word(s, word)
               : wrong(s, "size is a number of bytes, with K, M, G or T behind it, or a percentage");
}

static int take_inodes(struct spec *s, const char *word, const char *value)
{
    return is_size(value, false) ? take_word(s, word) : wrong(s, "nr_inodes is a number, with K, M, G or T behind it");
}

static int take_mode(struct spec *s, const char *word, const char *value)
{
    unsigned mode;
    return num_octal(value, 07777, &mode) ? take_word(s, word) : wrong(s, "mode is an octal number up to 7777");
}

static int take_id(struct spec *s, const char *word, const char *value)
{
    uint32_t id;
    return num_id(value, &id) ? take_word(s, word) : wrong(s, "uid and gid are numbers");
}

static int take_engines_size(struct spec *s, const char *word, const char *value)
{
    return take_size(s, word + strlen("tmpfs-"), value);
}

static int take_engines_mode(struct spec *s, const char *word, const char *value)
{
    return take_mode(s, word + strlen("tmpfs-"), value);
}

static int refuse_engines(struct spec *s, const char *word, const char *value)
{
    (void)word, (void)value;
    return wrong(s, "an option of an engine's volumes or labels: not carried out");
}

static const struct {
    const char *key;
    int (*take)(struct spec *s, const char *value);                         // of any type
    int (*take_word)(struct spec *s, const char *word, const char *value); // with the whole field
    bool long_form;                                                         // of --mount alone
} keys[] = {
    {"type", take_type, NULL, true},
    {"src", take_source, NULL, true},
    {"source", take_source, NULL, true},
    {"dst", take_target, NULL, true},
    {"destination", take_target, NULL, true},
    {"target", take_target, NULL, true},
    {"bind-propagation", take_propagation, NULL, false},
    {"bind-recursive", take_recursive, NULL, false},
    {"tmpfs-size", NULL, take_engines_size, false},
    {"tmpfs-mode", NULL, take_engines_mode, false},
    {"size", NULL, take_size, false},
    {"nr_inodes", NULL, take_inodes, false},
    {"mode", NULL, take_mode, false},
    {"uid", NULL, take_id, false},
    {"gid", NULL, take_id, false},
    {"consistency", NULL, refuse_engines, false},
    {"relabel", NULL, refuse_engines, false},
    {"volume-driver", NULL, refuse_engines, false},
    {"volume-label", NULL, refuse_engines, false},
    {"volume-nocopy", NULL, refuse_engines, false},
    {"volume-opt", NULL, refuse_engines, false},
    {"volume-subpath", NULL, refuse_engines, false},
};

// Flags that engines let have a value: ro=true.
static int take_switch(struct spec *s, const char *field, const char *value)
{
    static const char *const yes[] = {"true", "1", NULL}, *const no[] = {"false", "0", NULL};
    bool on = value == NULL || options_find(yes, value) >= 0;
    if (!on && options_find(no, value) < 0)
        return wrong(s, "neither true nor false");
    if (strncmp(field, "bind-nonrecursive", strlen("bind-nonrecursive")) == 0) {
        s->of_binds = true;
        s->non_recursive = on;
        return 0;
    }
    return take_word(s, on == (strncmp(field, "rw", strlen("rw")) != 0) ? "ro" : "rw");
}

static int take_field(struct spec *s, const char *field)
{
    static const char *const switches[] = {"ro", "readonly", "rw", "bind-nonrecursive", NULL};
    size_t n = strcspn(field, "=");
    const char *value = field[n] == '=' ? field + n + 1 : NULL;
    if (n == 0)
        return wrong(s, "an empty field");
    for (int i = 0; switches[i] != NULL; i++) {
        if (strncmp(field, switches[i], n) == 0 && switches[i][n] == '\0')
            return take_switch(s, field, value);
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strncmp(field, keys[i].key, n) != 0 || keys[i].key[n] != '\0')
            continue;
        if (value == NULL)
            return wrong(s, "a field that needs a value has none");
        if (keys[i].long_form && s->short_form)
            return wrong(s, "type, source and destination are fields of --mount");
        return keys[i].take != NULL ? keys[i].take(s, value) : keys[i].take_word(s, field, value);
    }
    return take_word(s, field);
}

static int take_fields(struct spec *s, const char *text)
{
    if (!is_well_quoted(text))
        return wrong(s, "a quotation mark that does not end the field it begins");
    for (const char *rest = text; rest != NULL;) {
        char *field = next_field(&rest); // lives as long as the plan
        if (field == NULL)
            return wrong(s, "no memory");
        int error = take_field(s, field);
        if (error < 0)
            return error;
    }
    return 0;
}

// -- the mount as a whole ----------------------------------------------------------------------

static int finish_bind(struct spec *s)
{
    struct plan_mount *m = s->m;
    bool writable = (m->clear & ATTR_RDONLY) != 0 && (m->set & ATTR_RDONLY) == 0;
    bool forced = (m->set_all & ATTR_RDONLY) != 0 || s->read_only_below;
    if (writable && s->writable_below)
        return wrong(s, "options conflict: Writable && ReadOnlyNonRecursive");
    if (writable && forced)
        return wrong(s, "options conflict: Writable && ReadOnlyForceRecursive");
    if (s->writable_below && forced)
        return wrong(s, "options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive");
    if (!m->bind_word)
        m->recursive = true; // as engines bind
    m->recursive &= !s->non_recursive;
    if (s->read_only_below) {
        m->set_all |= ATTR_RDONLY;
        m->clear_all &= ~(uint64_t)ATTR_RDONLY;
    }
    m->weak_ro = m->recursive && (m->set & ATTR_RDONLY) != 0 && !s->writable_below &&
                 (m->clear_all & ATTR_RDONLY) == 0;
    return m->source != NULL ? 0 : wrong(s, "a bind needs a source");
}

static int finish(struct spec *s)
{
    struct plan_mount *m = s->m;
    if (!s->has_type && !m->remount && !m->bind_word && m->source == NULL)
        return wrong(s, "the type is missing");
    if (m->target == NULL)
        return wrong(s, "the destination is missing");
    const char *conflict = mount_words_conflict(m);
    if (conflict != NULL)
        return wrong(s, conflict);
    if (m->remount && m->source != NULL)
        return wrong(s, "remount changes what is mounted: it has no source");
    if (m->type != MOUNT_BIND && (s->of_binds || m->bind_word))
        return wrong(s, "an option of binds");
    if (m->type != MOUNT_BIND && m->fd >= 0)
        return wrong(s, "a descriptor is the source of binds only");
    return m->type == MOUNT_BIND && !m->remount ? finish_bind(s) : 0;
}

int mountspec_mount(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.m = plan_add_mount(p, option), .option = option, .whole = value};
    if (s.m == NULL)
        return -EINVAL;
    int error = take_fields(&s, value);
    return error < 0 ? error : finish(&s);
}

// The first part of SRC:DST[:OPTIONS], which can be fd:N, or fd, of --mount-fds.
static char *cut(char *text, char **rest)
{
    bool numbered = strncmp(text, "fd:", 3) == 0 && text[3] != '/';
    char *colon = strchr(text + (numbered ? 3 : 0), ':');
    *rest = colon != NULL ? colon + 1 : NULL;
    if (colon != NULL)
        *colon = '\0';
    return text;
}

int mountspec_volume(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.m = plan_add_mount(p, option), .option = option, .whole = value, .has_type = true, .short_form = true};
    char *copy = strdup(value), *target, *options;
    if (s.m == NULL || copy == NULL)
        return wrong(&s, "no memory");
    char *source = cut(copy, &target);
    if (target == NULL)
        return wrong(&s, "not SRC:DST[:OPTIONS]");
    cut(target, &options);
    int error = take_source(&s, source);
    if (error == 0)
        error = take_target(&s, target);
    if (error == 0 && options != NULL)
        error = take_fields(&s, options);
    if (error == 0 && s.m->data != NULL && strchr("zZU", s.m->data[0]) != NULL && s.m->data[1] == '\0')
        error = wrong(&s, "labels and owners of sources are not changed");
    return error < 0 ? error : finish(&s);
}

int mountspec_tmpfs(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.m = plan_add_mount(p, option), .option = option, .whole = value, .has_type = true, .short_form = true};
    char *copy = strdup(value), *options;
    if (s.m == NULL || copy == NULL)
        return wrong(&s, "no memory");
    s.m->type = MOUNT_TMPFS;
    s.m->set = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC; // as engines have it
    cut(copy, &options);
    int error = take_target(&s, copy);
    if (error == 0 && options != NULL)
        error = take_fields(&s, options);
    return error < 0 ? error : finish(&s);
}
