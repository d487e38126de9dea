// SPDX-License-Identifier: MIT
#include "cmd/rootfs_options.h"

#include <sys/stat.h>

#include "sys/mount.h"

// What is set or cleared, in the words of options, always in this order.
static const struct {
    const char *set, *clear;
    uint64_t attribute;
} words[] = {
    {"ro", "rw", ATTR_RDONLY},
    {"nosuid", "suid", ATTR_NOSUID},
    {"nodev", "dev", ATTR_NODEV},
    {"noexec", "exec", ATTR_NOEXEC},
    {"nodiratime", "diratime", ATTR_NODIRATIME},
    {"nosymfollow", "symfollow", ATTR_NOSYMFOLLOW},
}, times[] = {
    {"noatime", NULL, ATTR_NOATIME},
    {"strictatime", NULL, ATTR_STRICTATIME},
    {"relatime", NULL, 0},
};

static void put_word(struct out *o, bool all, const char *word)
{
    char text[24] = "r";
    size_t n = all ? 1 : 0;
    for (; *word != '\0' && n + 1 < sizeof(text); n++)
        text[n] = *word++;
    text[n] = '\0';
    out_string(o, NULL, text);
}

static void print_attributes(struct out *o, bool all, uint64_t set, uint64_t clear)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((set & words[i].attribute) != 0)
            put_word(o, all, words[i].set);
        else if ((clear & words[i].attribute) != 0)
            put_word(o, all, words[i].clear);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if ((clear & ATTR_ATIME) != 0 && (set & ATTR_ATIME) == times[i].attribute)
            put_word(o, all, times[i].set);
    }
}

static const char *propagation_word(uint64_t propagation)
{
    return propagation == MS_SHARED      ? "shared"
           : propagation == MS_SLAVE      ? "slave"
           : propagation == MS_UNBINDABLE ? "unbindable"
                                          : "private";
}

static void print_options(const struct plan_mount *m, struct out *o)
{
    const struct {
        const char *word;
        bool on;
    } flags[] = {
        {"remount", m->remount},       {"sync", m->synchronous}, {"dirsync", m->dirsync},
        {"lazytime", m->lazytime},     {"mand", m->mandatory},   {"tmpcopyup", m->copy_up},
        {"overlay", m->overlay},       {"idmap", m->idmap && !m->idmap_all}, {"ridmap", m->idmap_all},
    };
    out_open(o, "options", '[');
    if (m->type == MOUNT_BIND && !m->remount)
        out_string(o, NULL, m->recursive ? "rbind" : "bind");
    print_attributes(o, false, m->set, m->clear);
    print_attributes(o, true, m->set_all | (m->weak_ro ? m->set & ATTR_RDONLY : 0), m->clear_all);
    put_word(o, m->propagation == 0 || m->propagation_all, propagation_word(m->propagation));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].on)
            out_string(o, NULL, flags[i].word);
    }
    out_close(o, ']');
}

static void print_mounts(const struct plan_rootfs *r, struct out *o)
{
    out_open(o, "mounts", '[');
    for (unsigned i = 0; i < r->mount_count; i++) {
        const struct plan_mount *m = &r->mount[i];
        out_open(o, NULL, '{');
        out_string(o, "type", plan_mount_types[m->type]);
        if (m->source != NULL)
            out_string(o, "source", m->source);
        out_string(o, "target", m->target);
        print_options(m, o);
        if (m->data != NULL)
            out_string(o, "data", m->data);
        out_close(o, '}');
    }
    out_close(o, ']');
}

static void print_mode(mode_t mode, struct out *o)
{
    const char digits[] = {(char)('0' + (mode >> 9 & 7)), (char)('0' + (mode >> 6 & 7)), (char)('0' + (mode >> 3 & 7)),
                           (char)('0' + (mode & 7)), '\0'};
    out_string(o, "mode", digits);
}

static void print_devices(const struct plan_rootfs *r, struct out *o)
{
    out_open(o, "devices", '[');
    for (unsigned i = 0; i < r->device_count; i++) {
        const struct plan_device *d = &r->device[i];
        out_open(o, NULL, '{');
        if (d->source != NULL) {
            out_string(o, "source", d->source);
        } else {
            out_string(o, "type", S_ISFIFO(d->mode) ? "p" : S_ISBLK(d->mode) ? "b" : "c");
            out_integer(o, "major", d->major);
            out_integer(o, "minor", d->minor);
        }
        out_string(o, "target", d->target);
        if (d->source == NULL) { // else they are the host's
            print_mode(d->has_mode ? d->mode : 0666, o);
            out_integer(o, "uid", d->uid);
            out_integer(o, "gid", d->gid);
        }
        out_close(o, '}');
    }
    out_close(o, ']');
}

static void print_paths(const char *key, const char *const *list, unsigned count, struct out *o)
{
    out_open(o, key, '[');
    for (unsigned i = 0; i < count; i++)
        out_string(o, NULL, list[i]);
    out_close(o, ']');
}

void exec_print_rootfs(const struct plan *p, struct out *o)
{
    const struct plan_rootfs *r = &p->rootfs;
    if (r->mount_count > 0)
        print_mounts(r, o);
    if (r->device_count > 0)
        print_devices(r, o);
    if (r->config_dev)
        out_string(o, "dev", "null, zero, full, random, urandom, tty and links, where they are missing");
    if (r->default_mounts)
        out_string(o, "tmp", "a tmpfs, if /tmp is empty or missing then");
    if (r->hook_count > 0) {
        out_open(o, "hooks", '[');
        for (unsigned i = 0; i < r->hook_count; i++)
            out_string(o, NULL, r->hook[i].path);
        out_close(o, ']');
    }
    if (r->read_only_count > 0)
        print_paths("read_only_paths", r->read_only, r->read_only_count, o);
    if (r->mask_count > 0)
        print_paths("masks", r->mask, r->mask_count, o);
    if (r->propagation != 0)
        out_string(o, "propagation", propagation_word(r->propagation));
}
