// SPDX-License-Identifier: MIT
#include "plan/mount_words.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sys/mount.h"

enum kind {
    ATTRIBUTE,   // sets `bits`, and clears `field` but for them
    RECURSIVE,   // the same of all mounts below too
    PROPAGATION, // `bits`, with what is below where `on`
    FLAG,        // the member at `member`
    NOTHING,     // how it is anyway
    IVERSION,
    BIND,        // with what is below where `on`
};

#define MEMBER(name) offsetof(struct plan_mount, name)

static const struct row {
    const char *word;
    uint64_t bits, field;
    size_t member;
    enum kind kind;
    bool on;
} rows[] = {
#define BOTH(word, recursive, bits, field) \
    {word, bits, field, 0, ATTRIBUTE, false}, {recursive, bits, field, 0, RECURSIVE, false}
    BOTH("ro", "rro", ATTR_RDONLY, ATTR_RDONLY),
    BOTH("rw", "rrw", 0, ATTR_RDONLY),
    BOTH("nosuid", "rnosuid", ATTR_NOSUID, ATTR_NOSUID),
    BOTH("suid", "rsuid", 0, ATTR_NOSUID),
    BOTH("nodev", "rnodev", ATTR_NODEV, ATTR_NODEV),
    BOTH("dev", "rdev", 0, ATTR_NODEV),
    BOTH("noexec", "rnoexec", ATTR_NOEXEC, ATTR_NOEXEC),
    BOTH("exec", "rexec", 0, ATTR_NOEXEC),
    BOTH("nodiratime", "rnodiratime", ATTR_NODIRATIME, ATTR_NODIRATIME),
    BOTH("diratime", "rdiratime", 0, ATTR_NODIRATIME),
    BOTH("nosymfollow", "rnosymfollow", ATTR_NOSYMFOLLOW, ATTR_NOSYMFOLLOW),
    BOTH("symfollow", "rsymfollow", 0, ATTR_NOSYMFOLLOW),
    // One field of the kernel's, of which relatime is 0 and the default.
    BOTH("noatime", "rnoatime", ATTR_NOATIME, ATTR_ATIME),
    BOTH("strictatime", "rstrictatime", ATTR_STRICTATIME, ATTR_ATIME),
    BOTH("relatime", "rrelatime", 0, ATTR_ATIME),
    BOTH("atime", "ratime", 0, ATTR_ATIME),
    BOTH("norelatime", "rnorelatime", 0, ATTR_ATIME),
    BOTH("nostrictatime", "rnostrictatime", 0, ATTR_ATIME),
#undef BOTH
    {"private", MS_PRIVATE, 0, 0, PROPAGATION, false},
    {"rprivate", MS_PRIVATE, 0, 0, PROPAGATION, true},
    {"slave", MS_SLAVE, 0, 0, PROPAGATION, false},
    {"rslave", MS_SLAVE, 0, 0, PROPAGATION, true},
    {"shared", MS_SHARED, 0, 0, PROPAGATION, false},
    {"rshared", MS_SHARED, 0, 0, PROPAGATION, true},
    {"unbindable", MS_UNBINDABLE, 0, 0, PROPAGATION, false},
    {"runbindable", MS_UNBINDABLE, 0, 0, PROPAGATION, true},
    {"bind", 0, 0, 0, BIND, false},
    {"rbind", 0, 0, 0, BIND, true},
    {"remount", 0, 0, MEMBER(remount), FLAG, true},
    {"sync", 0, 0, MEMBER(synchronous), FLAG, true},
    {"async", 0, 0, MEMBER(synchronous), FLAG, false},
    {"dirsync", 0, 0, MEMBER(dirsync), FLAG, true},
    {"lazytime", 0, 0, MEMBER(lazytime), FLAG, true},
    {"nolazytime", 0, 0, MEMBER(lazytime), FLAG, false},
    {"mand", 0, 0, MEMBER(mandatory), FLAG, true},
    {"nomand", 0, 0, MEMBER(mandatory), FLAG, false},
    {"tmpcopyup", 0, 0, MEMBER(copy_up), FLAG, true},
    {"notmpcopyup", 0, 0, MEMBER(copy_up), FLAG, false},
    {"overlay", 0, 0, MEMBER(overlay), FLAG, true},
    {"idmap", 0, 0, MEMBER(idmap), FLAG, true},
    {"ridmap", 0, 0, MEMBER(idmap_all), FLAG, true},
    {"defaults", 0, 0, 0, NOTHING, false},
    {"loud", 0, 0, 0, NOTHING, false}, // what the kernel's log gets
    {"silent", 0, 0, 0, NOTHING, false},
    {"noiversion", 0, 0, 0, NOTHING, false},
    {"iversion", 0, 0, 0, IVERSION, false},
};

static const struct row *find(const char *word, size_t n)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strncmp(rows[i].word, word, n) == 0 && rows[i].word[n] == '\0')
            return &rows[i];
    }
    return NULL;
}

static enum mount_word_result add_data(struct plan_mount *m, const char *word, size_t n)
{
    size_t before = m->data != NULL ? strlen(m->data) : 0;
    char *data = malloc(before + 1 + n + 1);
    if (data == NULL)
        return MOUNT_WORD_NO_MEMORY;
    if (before > 0) {
        memcpy(data, m->data, before);
        data[before++] = ',';
    }
    memcpy(data + before, word, n);
    data[before + n] = '\0';
    free((char *)m->data);
    m->data = data;
    return MOUNT_WORD_OK;
}

enum mount_word_result mount_word(struct plan_mount *m, const char *word, size_t n)
{
    const struct row *row = find(word, n);
    if (row == NULL) {
        bool maps = (n > 6 && memcmp(word, "idmap=", 6) == 0) || (n > 7 && memcmp(word, "ridmap=", 7) == 0);
        return maps ? MOUNT_WORD_MAPS : add_data(m, word, n);
    }
    switch (row->kind) {
    case ATTRIBUTE:
        m->set = (m->set & ~row->field) | row->bits;
        m->clear |= row->field;
        if (row->field != ATTR_ATIME) // a time needs its whole field cleared
            m->clear &= ~row->bits;
        break;
    case RECURSIVE:
        m->set_all = (m->set_all & ~row->field) | row->bits;
        m->clear_all |= row->field;
        if (row->field != ATTR_ATIME)
            m->clear_all &= ~row->bits;
        break;
    case PROPAGATION:
        m->propagation = row->bits;
        m->propagation_all = row->on;
        break;
    case FLAG:
        *(bool *)((char *)m + row->member) = row->on;
        m->idmap |= m->idmap_all;
        break;
    case BIND:
        m->bind_word = true;
        m->recursive = row->on;
        break;
    case NOTHING:
        break;
    case IVERSION:
        return MOUNT_WORD_IVERSION;
    }
    return MOUNT_WORD_OK;
}

// What is said of the mount alone and of all mounts below it, itself included, is not the same.
static bool contradicts(const struct plan_mount *m, uint64_t field)
{
    bool both = ((m->set | m->clear) & field) != 0 && ((m->set_all | m->clear_all) & field) != 0;
    return both && (m->set & field) != (m->set_all & field);
}

static bool has_file_system_flags(const struct plan_mount *m)
{
    return m->synchronous || m->dirsync || m->lazytime || m->mandatory;
}

// One path, or several with colons between: "/lower:/lower::/data". A backslash takes the meaning from a colon.
static bool are_absolute(const char *paths, const char *end)
{
    bool begins = true;
    for (const char *s = paths; s < end; s++) {
        if (begins && *s != '/' && *s != ':')
            return false;
        begins = *s == ':';
        s += *s == '\\' && s + 1 < end;
    }
    return true;
}

// The kernel would begin at the working directory, which is ROOT, and follow its links out into the host.
static bool has_relative_path(const char *data)
{
    static const char *const keys[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir=", "workdir=", "pidns="};
    while (data != NULL && *data != '\0') {
        const char *end = data + strcspn(data, ",");
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            size_t n = strlen(keys[i]);
            if (strncmp(data, keys[i], n) == 0 && !are_absolute(data + n, end))
                return true;
        }
        data = end + (*end == ',');
    }
    return false;
}

static const char *remount_conflict(const struct plan_mount *m)
{
    if (m->data != NULL || has_file_system_flags(m))
        return "remount changes attributes of the mount, not of its file system";
    bool of_new = m->copy_up || m->overlay || m->idmap;
    return of_new ? "tmpcopyup, overlay and idmap are of a new mount, not of remount" : NULL;
}

static const char *bind_conflict(const struct plan_mount *m)
{
    if (m->data != NULL)
        return "a bind mount has no options of a file system";
    if (has_file_system_flags(m))
        return "sync, dirsync, lazytime and mand are of a whole file system, not of a bind";
    if (m->overlay && ((m->set | m->set_all) & ATTR_RDONLY) != 0)
        return "overlay and ro exclude each other";
    return m->copy_up ? "tmpcopyup is for a tmpfs" : NULL;
}

static const char *new_conflict(const struct plan_mount *m)
{
    // Of the host's file system, or of one of our own making.
    bool fixed = m->type == MOUNT_CGROUP || m->type == MOUNT_CGROUP2 || m->type == MOUNT_DEVTMPFS;
    if (fixed && has_file_system_flags(m))
        return "sync, dirsync, lazytime and mand are not for cgroups or a devtmpfs";
    if (m->copy_up && m->type != MOUNT_TMPFS)
        return "tmpcopyup is for a tmpfs";
    if (m->overlay)
        return "overlay is for a bind";
    return m->idmap ? "idmap is for a bind" : NULL;
}

const char *mount_words_conflict(const struct plan_mount *m)
{
    static const uint64_t fields[] = {ATTR_NOSUID,      ATTR_NODEV,       ATTR_NOEXEC,
                                      ATTR_NODIRATIME, ATTR_NOSYMFOLLOW, ATTR_ATIME};
    if (contradicts(m, ATTR_RDONLY))
        return (m->set & ATTR_RDONLY) != 0 ? "ro and rrw exclude each other" : "rw and rro exclude each other";
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (contradicts(m, fields[i]))
            return "a word excludes the recursive form of its opposite";
    }
    if (has_relative_path(m->data))
        return "a path among the options of a file system must be absolute";
    return m->remount ? remount_conflict(m) : m->type == MOUNT_BIND ? bind_conflict(m) : new_conflict(m);
}
