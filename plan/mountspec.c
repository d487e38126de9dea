// SPDX-License-Identifier: MIT
//
// The grammar is that of container engines. What has no effect on the mount that it is named for is refused.
#include "plan/mountspec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "plan/mount_fields.h"
#include "plan/mount_words.h"
#include "plan/options.h"
#include "sys/err.h"
#include "sys/mount.h"
#include "sys/num.h"

// -- words with values -------------------------------------------------------------------------

enum { NAME_BYTES = 255 }; // what fsconfig(2) takes

struct spec {
    struct plan_mount *m;
    const char *option, *whole; // for errors
    bool has_type, non_recursive, writable_below, read_only_below;
    bool short_form; // SRC and DST have their places, and the type is known
    bool of_binds, of_tmpfs; // a field that nothing else can have
};

static int wrong(const struct spec *s, const char *reason)
{
    return plan_usage(s->option, s->whole, reason);
}

static int take_word(struct spec *s, const char *word)
{
    if (strcmp(word, "z") == 0 || strcmp(word, "Z") == 0 || strcmp(word, "U") == 0)
        return wrong(s, "labels and owners of sources are not changed");
    if (strchr(word, ',') != NULL) // the file system would see two
        return wrong(s, "an option of a file system has a comma in it");
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
    return err_no("malloc", s->option, ENOMEM);
}

static int take_type(struct spec *s, const char *value)
{
    int type = options_find(plan_mount_types, value);
    if (s->has_type)
        return wrong(s, "the type can't be given again");
    if (type < 0)
        return wrong(s, "no such type: bind, tmpfs, proc, sysfs, devpts, mqueue, cgroup, cgroup2, overlay, devtmpfs");
    s->m->type = (enum plan_mount_type)type;
    s->has_type = true;
    return 0;
}

static bool names_descriptor(const char *source)
{
    return strncmp(source, "fd:", 3) == 0 && source[3] >= '0' && source[3] <= '9';
}

static int take_source(struct spec *s, const char *value)
{
    if (s->m->source != NULL)
        return wrong(s, "the source can't be given again");
    if (value[0] == '\0')
        return wrong(s, "the source is empty");
    if (strlen(value) >= PATH_MAX)
        return wrong(s, "the source is too long");
    s->m->source = value;
    return names_descriptor(value) ? options_fd(s->option, value + 3, &s->m->fd) : 0;
}

static int take_target(struct spec *s, const char *value)
{
    char clean[PATH_MAX];
    if (s->m->target != NULL)
        return wrong(s, "the destination can't be given again");
    if (value[0] != '/')
        return wrong(s, "the destination is not an absolute path");
    if (strlen(value) >= PATH_MAX || !plan_clean_path(value, clean, sizeof(clean)))
        return wrong(s, "the destination is too long");
    if (strcmp(clean, "/") == 0)
        return wrong(s, "nothing is mounted over the root itself: ROOT, --ro and --overlay say what it is");
    s->m->target = value;
    return 0;
}

static int take_propagation(struct spec *s, const char *value)
{
    static const char *const words[] = {"private", "rprivate", "slave", "rslave", "shared", "rshared",
                                        "unbindable", "runbindable", NULL};
    return options_find(words, value) >= 0 ? take_word(s, value) : wrong(s, "no such propagation");
}

static int take_recursive(struct spec *s, const char *value)
{
    static const char *const words[] = {"enabled", "disabled", "writable", "readonly", NULL};
    s->of_binds = true;
    switch (options_find(words, value)) {
    case 0:
        s->non_recursive = false;
        return 0;
    case 1:
        s->non_recursive = true;
        return 0;
    case 2:
        s->writable_below = true;
        return 0;
    case 3:
        s->read_only_below = true;
        return 0;
    default:
        return wrong(s, "bind-recursive is enabled, disabled, writable or readonly");
    }
}

// -- words with values of a kind ---------------------------------------------------------------

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
    s->of_tmpfs = true;
    return take_size(s, word + strlen("tmpfs-"), value);
}

static int take_engines_mode(struct spec *s, const char *word, const char *value)
{
    s->of_tmpfs = true;
    return take_mode(s, word + strlen("tmpfs-"), value);
}

static int refuse_engines(struct spec *s, const char *value)
{
    (void)value;
    return wrong(s, "an option of an engine's volumes or labels: not carried out");
}

enum { LONG_FORM = 6 }; // the first of them are --mount's alone

static const struct {
    const char *key;
    int (*take)(struct spec *s, const char *value);                        // of any type
    int (*take_word)(struct spec *s, const char *word, const char *value); // with the whole field
} keys[] = {
    {"type", take_type, NULL},
    {"src", take_source, NULL},
    {"source", take_source, NULL},
    {"dst", take_target, NULL},
    {"destination", take_target, NULL},
    {"target", take_target, NULL},
    {"bind-propagation", take_propagation, NULL},
    {"bind-recursive", take_recursive, NULL},
    {"tmpfs-size", NULL, take_engines_size},
    {"tmpfs-mode", NULL, take_engines_mode},
    {"size", NULL, take_size},
    {"nr_inodes", NULL, take_inodes},
    {"mode", NULL, take_mode},
    {"uid", NULL, take_id},
    {"gid", NULL, take_id},
    {"consistency", refuse_engines, NULL},
    {"relabel", refuse_engines, NULL},
    {"volume-driver", refuse_engines, NULL},
    {"volume-label", refuse_engines, NULL},
    {"volume-nocopy", refuse_engines, NULL},
    {"volume-opt", refuse_engines, NULL},
    {"volume-subpath", refuse_engines, NULL},
};

// Flags that engines let have a value: ro=true.
static const struct {
    const char *key, *on, *off; // the words that it means
} switches[] = {
    {"ro", "ro", "rw"},
    {"readonly", "ro", "rw"},
    {"rw", "rw", "ro"},
    {"bind-nonrecursive", NULL, NULL},
};

static int take_switch(struct spec *s, size_t i, const char *value)
{
    static const char *const words[] = {"true", "1", "false", "0", NULL};
    int word = value != NULL ? options_find(words, value) : 0;
    if (word < 0)
        return wrong(s, "neither true nor false");
    if (switches[i].on != NULL)
        return take_word(s, word < 2 ? switches[i].on : switches[i].off);
    s->of_binds = true;
    s->non_recursive = word < 2;
    return 0;
}

static bool is_key(const char *key, const char *field, size_t n)
{
    return strncmp(key, field, n) == 0 && key[n] == '\0';
}

static int take_field(struct spec *s, const char *field)
{
    size_t n = strcspn(field, "=");
    const char *value = field[n] == '=' ? field + n + 1 : NULL;
    if (n == 0)
        return wrong(s, "an empty field");
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (is_key(switches[i].key, field, n))
            return take_switch(s, i, value);
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!is_key(keys[i].key, field, n))
            continue;
        if (value == NULL)
            return wrong(s, "a field that needs a value has none");
        if (i < LONG_FORM && s->short_form)
            return wrong(s, "type, source and destination are fields of --mount");
        return keys[i].take != NULL ? keys[i].take(s, value) : keys[i].take_word(s, field, value);
    }
    if (n > NAME_BYTES || strlen(field) - n > NAME_BYTES + 1)
        return wrong(s, "an option of a file system is longer than 255 bytes");
    return take_word(s, field);
}

static int take_fields(struct spec *s, char *text)
{
    if (!mount_fields_are_quoted_well(text))
        return wrong(s, "a quotation mark that does not end the field it begins");
    for (char *rest = text; rest != NULL;) {
        int error = take_field(s, mount_fields_next(&rest));
        if (error < 0)
            return error;
    }
    return 0;
}

// -- the mount as a whole ----------------------------------------------------------------------

static int finish_bind(struct spec *s)
{
    struct plan_mount *m = s->m;
    bool writable = (m->clear & ATTR_RDONLY) != 0;
    bool forced = (m->set_all & ATTR_RDONLY) != 0 || s->read_only_below;
    if (writable && s->writable_below)
        return wrong(s, "options conflict: Writable && ReadOnlyNonRecursive");
    if (writable && forced)
        return wrong(s, "options conflict: Writable && ReadOnlyForceRecursive");
    if (m->overlay && forced)
        return wrong(s, "overlay and ro exclude each other");
    if (s->writable_below && forced)
        return wrong(s, "options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive");
    if (s->writable_below && (m->set & ATTR_RDONLY) == 0)
        return wrong(s, "bind-recursive=writable goes with ro");
    if (!m->bind_word)
        m->recursive = true; // as engines bind
    m->recursive &= !s->non_recursive;
    if (s->read_only_below)
        m->set_all |= ATTR_RDONLY;
    m->weak_ro = m->recursive && (m->set & ATTR_RDONLY) != 0 && !s->writable_below;
    return m->source != NULL ? 0 : wrong(s, "a bind needs a source");
}

static int finish_remount(struct spec *s)
{
    if (s->m->source != NULL)
        return wrong(s, "remount changes what is mounted: it has no source");
    return s->m->type == MOUNT_BIND ? 0 : wrong(s, "remount changes what is mounted: it has no type");
}

static int finish_new(struct spec *s)
{
    const struct plan_mount *m = s->m;
    if (m->bind_word)
        return wrong(s, "an option of binds");
    if (m->fd >= 0)
        return wrong(s, "a descriptor is the source of binds only");
    if (m->source != NULL && strlen(m->source) > NAME_BYTES)
        return wrong(s, "the source is longer than 255 bytes");
    return 0;
}

static int finish(struct spec *s)
{
    struct plan_mount *m = s->m;
    bool is_bind = m->type == MOUNT_BIND && !m->remount;
    if (!s->has_type && !m->remount && !m->bind_word && m->source == NULL)
        return wrong(s, "the type is missing");
    if (m->target == NULL)
        return wrong(s, "the destination is missing");
    if (!is_bind && s->of_binds)
        return wrong(s, "an option of binds");
    if (m->type != MOUNT_TMPFS && s->of_tmpfs)
        return wrong(s, "an option of a tmpfs");
    int error = is_bind ? finish_bind(s) : m->remount ? finish_remount(s) : finish_new(s);
    const char *conflict = error == 0 ? mount_words_conflict(m) : NULL;
    return conflict != NULL ? wrong(s, conflict) : error;
}

static int begin(struct spec *s, struct plan *p)
{
    s->m = plan_add_mount(p, s->option);
    if (s->m == NULL)
        return -EINVAL;
    s->m->text = strdup(s->whole);
    return s->m->text != NULL ? 0 : err_at("malloc", s->option);
}

int mountspec_mount(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.option = option, .whole = value};
    int error = begin(&s, p);
    if (error == 0)
        error = take_fields(&s, s.m->text);
    return error < 0 ? error : finish(&s);
}

// Cuts the first part of SRC:DST[:OPTIONS] off, which can be fd:N; what follows, or NULL.
static char *cut(char *text)
{
    char *colon = strchr(text + (names_descriptor(text) ? 3 : 0), ':');
    if (colon == NULL)
        return NULL;
    *colon = '\0';
    return colon + 1;
}

static int take_short(struct spec *s, const char *source, char *target)
{
    char *options = cut(target);
    s->has_type = true;
    int error = source != NULL ? take_source(s, source) : 0;
    if (error == 0)
        error = take_target(s, target);
    s->short_form = true;
    return error == 0 && options != NULL ? take_fields(s, options) : error;
}

int mountspec_volume(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.option = option, .whole = value};
    int error = begin(&s, p);
    if (error < 0)
        return error;
    char *target = cut(s.m->text);
    error = target != NULL ? take_short(&s, s.m->text, target) : wrong(&s, "not SRC:DST[:OPTIONS]");
    return error < 0 ? error : finish(&s);
}

int mountspec_tmpfs(struct plan *p, const char *option, const char *value)
{
    struct spec s = {.option = option, .whole = value};
    int error = begin(&s, p);
    if (error < 0)
        return error;
    s.m->type = MOUNT_TMPFS;
    if ((error = take_short(&s, NULL, s.m->text)) < 0)
        return error;
    // As engines have it, where nothing is said.
    uint64_t named = s.m->set | s.m->clear | s.m->set_all | s.m->clear_all;
    s.m->set |= (ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC) & ~named;
    return finish(&s);
}
