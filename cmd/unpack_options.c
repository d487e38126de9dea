// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/names.h"
#include "cmd/unpack.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/num.h"
#include "sys/start.h"

enum { STRIP_MAX = 2048, EXCLUDES_BYTES = 1 << 20 };

// -- rows --------------------------------------------------------------------------------------

static int take_policy(struct plan *p, const char *option, const char *value)
{
    static const char *const policies[] = {"layer", "data", "strict", NULL};
    int policy = options_find(policies, value);
    if (policy < 0)
        return plan_usage(option, value, "no such policy: layer, data or strict");
    p->unpack->extract.policy = (enum extract_policy)policy;
    p->unpack->has_policy = true;
    return 0;
}

static int take_directory(struct plan *p, const char *option, const char *value)
{
    if (value[0] == '\0')
        return plan_usage(option, value, "an empty name");
    p->unpack->directory = value;
    return 0;
}

static int take_same_owner(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->unpack->extract.same_owner = p->unpack->has_same_owner = true;
    return 0;
}

static int take_no_same_owner(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->unpack->extract.same_owner = false;
    p->unpack->has_same_owner = true;
    return 0;
}

static int take_chown(struct plan *p, const char *option, const char *value)
{
    uint64_t id;
    const char *end;
    struct extract_options *o = &p->unpack->extract;
    if (!num_prefix(value, UINT32_MAX - 1, &id, &end) || *end != ':' || !num_id(end + 1, &o->gid))
        return plan_usage(option, value, "not UID:GID in numbers");
    o->uid = (uint32_t)id;
    o->has_owner = true;
    return 0;
}

static int take_map_uid(struct plan *p, const char *option, const char *value)
{
    return options_id_map(&p->unpack->extract.map_uid, option, value);
}

static int take_map_gid(struct plan *p, const char *option, const char *value)
{
    return options_id_map(&p->unpack->extract.map_gid, option, value);
}

static int take_devices(struct plan *p, const char *option, const char *value)
{
    static const char *const ways[] = {"create", "skip", "refuse", NULL};
    int way = options_find(ways, value);
    if (way < 0)
        return plan_usage(option, value, "neither create, skip nor refuse");
    p->unpack->extract.devices = (enum extract_devices)way;
    p->unpack->has_devices = true;
    return 0;
}

static int add_glob(struct globs *globs, const char *option, const char *pattern, size_t n)
{
    int error = globs_add(globs, pattern, n);
    if (error == 0)
        return 0;
    return error == -E2BIG ? plan_usage(option, NULL, "more than 4096 patterns") : err_no(option, NULL, -error);
}

static int take_xattr_word(struct plan *p, const char *option, const char *word, size_t n)
{
    return add_glob(&p->unpack->extract.xattrs, option, word, n);
}

static int take_xattrs(struct plan *p, const char *option, const char *value)
{
    p->unpack->has_xattrs = true;
    p->unpack->extract.xattrs.count = 0; // the last one counts
    return strcmp(value, "none") == 0 ? 0 : options_each_word(p, option, value, take_xattr_word);
}

static int take_strip(struct plan *p, const char *option, const char *value)
{
    uint64_t n;
    if (!num_decimal(value, STRIP_MAX, &n))
        return plan_usage(option, value, "not a number up to 2048");
    p->unpack->extract.strip = (unsigned)n;
    return 0;
}

static int take_pattern(struct globs *globs, const char *option, const char *value)
{
    if (value[0] == '\0')
        return plan_usage(option, value, "an empty pattern");
    return add_glob(globs, option, value, strlen(value));
}

static int take_include(struct plan *p, const char *option, const char *value)
{
    return take_pattern(&p->unpack->extract.include, option, value);
}

static int take_exclude(struct plan *p, const char *option, const char *value)
{
    return take_pattern(&p->unpack->extract.exclude, option, value);
}

static int add_lines(struct globs *globs, const char *option, const char *text, size_t n)
{
    const char *end = text + n;
    if (memchr(text, '\0', n) != NULL)
        return plan_usage(option, NULL, "a NUL byte in a pattern");
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop != NULL ? stop : end) - text);
        int error = length > 0 ? add_glob(globs, option, text, length) : 0;
        if (error < 0)
            return error;
        text += length + 1;
    }
    return 0;
}

static int read_lines(struct globs *globs, const char *option, const char *value, int fd)
{
    char *text = malloc(EXCLUDES_BYTES + 1);
    if (text == NULL)
        return plan_usage(option, value, "no memory");
    ssize_t n = fd_read_all(fd, text, EXCLUDES_BYTES + 1, option);
    int error = n < 0                  ? plan_usage(option, value, strerror((int)-n))
                : n > EXCLUDES_BYTES ? plan_usage(option, value, "more than 1 MiB of patterns")
                                       : add_lines(globs, option, text, (size_t)n);
    free(text);
    return error;
}

// One pattern a line; read at once, while paths are the caller's. It may be a FIFO that has to be waited for.
static int take_exclude_from(struct plan *p, const char *option, const char *value)
{
    int fd = -1, error = start_unblock();
    if (error < 0)
        return error;
    if (strncmp(value, "fd:", 3) == 0) {
        if (p->unpack->exclude_fd >= 0)
            error = plan_usage(option, value, "a descriptor was given before");
        else
            error = options_fd(option, value + 3, &p->unpack->exclude_fd);
        fd = p->unpack->exclude_fd;
    } else if ((fd = open(value, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
        error = plan_usage(option, value, strerror(errno));
    }
    if (error == 0)
        error = read_lines(&p->unpack->extract.exclude, option, value, fd);
    if (fd >= 0 && fd != p->unpack->exclude_fd)
        close(fd);
    int blocked = start_block(false);
    return error < 0 ? error : blocked;
}

static int take_existing(struct plan *p, const char *option, const char *value)
{
    static const char *const ways[] = {"replace", "keep", "refuse", NULL};
    int way = options_find(ways, value);
    if (way < 0)
        return plan_usage(option, value, "neither replace, keep nor refuse");
    p->unpack->extract.existing = (enum extract_existing)way;
    return 0;
}

static int take_size(uint64_t *to, const char *option, const char *value)
{
    const char *end;
    if (!num_size_prefix(value, to, &end) || *end != '\0')
        return plan_usage(option, value, "not a number, which may end in K, M, G or T");
    return 0;
}

static int take_max_bytes(struct plan *p, const char *option, const char *value)
{
    return take_size(&p->unpack->extract.max_bytes, option, value);
}

static int take_number(uint64_t *to, uint64_t max, const char *option, const char *value, const char *reason)
{
    if (!num_decimal(value, max, to) || *to == 0)
        return plan_usage(option, value, reason);
    return 0;
}

static int take_max_entries(struct plan *p, const char *option, const char *value)
{
    return take_number(&p->unpack->extract.max_entries, UINT32_MAX, option, value, "not a number from 1 to 4294967295");
}

static int take_max_depth(struct plan *p, const char *option, const char *value)
{
    uint64_t n;
    int error = take_number(&n, PATH_MAX / 2, option, value, "not a number from 1 to 2048");
    if (error == 0)
        p->unpack->extract.max_depth = (unsigned)n;
    return error;
}

static int take_max_ratio(struct plan *p, const char *option, const char *value)
{
    return take_number(&p->unpack->max_ratio, UINT32_MAX, option, value, "not a number from 1 to 4294967295");
}

static int take_sync(struct plan *p, const char *option, const char *value)
{
    p->unpack->extract.sync = strcmp(value, "fs") == 0;
    if (!p->unpack->extract.sync && strcmp(value, "none") != 0)
        return plan_usage(option, value, "neither none nor fs");
    return 0;
}

static int take_progress(struct plan *p, const char *option, const char *value)
{
    static const char *const ways[] = {"auto", "always", "never", NULL};
    int way = options_find(ways, value);
    if (way < 0)
        return plan_usage(option, value, "neither auto, always nor never");
    p->unpack->progress = (enum plan_progress)way;
    return 0;
}

#define TAKE_FLAG(name, member, flag)                                                              \
    static int name(struct plan *p, const char *option, const char *value)                         \
    {                                                                                              \
        (void)option, (void)value;                                                                 \
        p->unpack->member = flag;                                                                  \
        return 0;                                                                                  \
    }
TAKE_FLAG(take_acls, extract.acls, true)
TAKE_FLAG(take_no_same_permissions, extract.same_permissions, false)
TAKE_FLAG(take_no_overwrite_dir, extract.overwrite_dir, false)
TAKE_FLAG(take_ignore_zeros, ignore_zeros, true)
TAKE_FLAG(take_verbose, verbose, true)
TAKE_FLAG(take_json, json, true)
#undef TAKE_FLAG

const char unpack_usage[] = "Usage: inroot unpack [OPTION]... ROOT [ARCHIVE]\n"
                            "Extracts the tar archive ARCHIVE (a file, fd:N or -; default: standard input) safely\n"
                            "inside the root file system ROOT (a directory or fd:N).\n\n";

const struct option_row unpack_options[] = {
    {"--enter", "METHOD", options_enter, "auto, pivot, detached, move, chroot or confined"},
    {"--pivot", "PLACE", options_pivot, "where the old root goes: tmpdir or stacked"},
    {"--map-root-user", NULL, options_map_root, "map the caller's ids to 0"},
    {"--map-current-user", NULL, options_map_current, "map the caller's ids to themselves"},
    {"--map-auto", NULL, options_map_auto, "map the ranges of /etc/subuid and /etc/subgid"},
    {"--map-users", "INNER:OUTER:COUNT", options_map_users, "map user ids (repeatable)"},
    {"--map-groups", "INNER:OUTER:COUNT", options_map_groups, "map group ids (repeatable)"},
    {"--directory", "DIR", take_directory, "extract below DIR, resolved inside ROOT"},
    {"--policy", "layer|data|strict", take_policy, "what is trusted (default: layer for root, else data)"},
    {"--same-owner", NULL, take_same_owner, "owners as in the archive (default with layer)"},
    {"--no-same-owner", NULL, take_no_same_owner, "everything is the caller's"},
    {"--chown", "UID:GID", take_chown, "everything gets this owner"},
    {"--map-uid", "INNER:OUTER:COUNT", take_map_uid, "owners in the archive are INNER (repeatable)"},
    {"--map-gid", "INNER:OUTER:COUNT", take_map_gid, "the same for groups (repeatable)"},
    {"--devices", "create|skip|refuse", take_devices, "device files (default: layer creates, else refused)"},
    {"--xattrs", "GLOB,...|none", take_xattrs, "extended attributes that are restored"},
    {"--acls", NULL, take_acls, "restore POSIX ACLs"},
    {"--no-same-permissions", NULL, take_no_same_permissions, "modes without special bits, under the umask"},
    {"--strip-components", "N", take_strip, "leave N leading components of names out"},
    {"--include", "GLOB", take_include, "take only what matches (repeatable)"},
    {"--exclude", "GLOB", take_exclude, "leave out what matches (repeatable)"},
    {"--exclude-from", "FILE|fd:N", take_exclude_from, "patterns to leave out, one a line"},
    {"--existing", "replace|keep|refuse", take_existing, "what happens to what is there"},
    {"--no-overwrite-dir", NULL, take_no_overwrite_dir, "keep the metadata of existing directories"},
    {"--max-bytes", "SIZE", take_max_bytes, "most bytes of data (default 1T)"},
    {"--max-entries", "N", take_max_entries, "most entries (default 16777216)"},
    {"--max-depth", "N", take_max_depth, "most components of a name (default 1024)"},
    {"--max-ratio", "N", take_max_ratio, "most bytes for one packed byte (default 1000)"},
    {"--ignore-zeros", NULL, take_ignore_zeros, "go on after the end of an archive"},
    {"--sync", "none|fs", take_sync, "fs: one syncfs before success is reported"},
    {"--progress", "auto|always|never", take_progress, "a line on the terminal after one second"},
    {"--verbose", NULL, take_verbose, "print the names of what was made"},
    {"--json", NULL, take_json, "print a summary on standard output"},
    {"--die-with-parent", NULL, options_die_with_parent, "die when the thread that started inroot ends"},
    {"--status-fd", "N", options_status_fd, "write JSON records to N"},
    {"--sync-fd", "N", options_sync_fd, "wait for a byte on N before the root is entered"},
    {"--args-fd", "N", options_args_fd, "read further arguments, each ended by a NUL byte, from N"},
    {"--help", NULL, NULL, "print this"},
    {NULL, NULL, NULL, NULL},
};

// -- all of them -------------------------------------------------------------------------------

static int check_descriptors(const struct plan *p)
{
    const int fds[] = {p->root_fd,  p->status_fd,          p->sync_fd,
                       p->args_fd, p->unpack->archive_fd, p->unpack->exclude_fd};
    const int count = sizeof(fds) / sizeof(fds[0]);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i && fds[i] >= 0; j++) {
            if (fds[i] == fds[j])
                return plan_usage("fd", NULL, "one descriptor is named twice");
        }
    }
    return 0;
}

static int check_directory(struct plan_unpack *u)
{
    static struct name plain;
    u->extract.directory = "";
    if (u->directory == NULL)
        return 0;
    int error = name_make(&plain, "", u->directory, 0);
    if (error == -EPERM)
        return plan_usage("--directory", u->directory, "a component is \"..\"");
    if (error < 0)
        return plan_usage("--directory", u->directory, "it is too long");
    u->extract.directory = plain.path;
    return 0;
}

int unpack_check(struct plan *p, const struct caps_privilege *held)
{
    struct plan_unpack *u = p->unpack;
    struct extract_options *o = &u->extract;
    if (!u->has_policy)
        o->policy = held->uid == 0 ? POLICY_LAYER : POLICY_DATA;
    bool layer = o->policy == POLICY_LAYER;
    if (!u->has_same_owner)
        o->same_owner = layer || o->map_uid.count + o->map_gid.count > 0;
    if (!u->has_devices)
        o->devices = layer ? DEVICES_CREATE : DEVICES_REFUSE;
    if (!o->same_owner && o->map_uid.count + o->map_gid.count > 0)
        return plan_usage("--no-same-owner", NULL, "--map-uid and --map-gid are about the archive's owners");
    if (o->has_owner && (o->map_uid.count + o->map_gid.count > 0 || (u->has_same_owner && o->same_owner)))
        return plan_usage("--chown", NULL, "it excludes --same-owner, --map-uid and --map-gid");
    if (!u->has_xattrs) {
        int error = add_glob(&o->xattrs, "--xattrs", "user.*", strlen("user.*"));
        if (error == 0 && layer)
            error = add_glob(&o->xattrs, "--xattrs", XATTR_NAME_CAPS, strlen(XATTR_NAME_CAPS));
        if (error < 0)
            return error;
    }
    int error = check_directory(u);
    return error < 0 ? error : check_descriptors(p);
}
