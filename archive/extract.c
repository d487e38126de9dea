// SPDX-License-Identifier: MIT
#include "archive/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/fault.h"
#include "archive/meta.h"
#include "archive/place.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/path.h"

// What a maker returns besides 0 and -errno.
enum { KEPT = 1 };

// -- errors ------------------------------------------------------------------------------------

static const char *path_of(const struct extract *x)
{
    return x->name.length > 0 ? x->name.path : "/";
}

int extract_refuse_as(const struct extract *x, int number, const char *rule, const char *reason)
{
    return fault_at(rule, path_of(x), x->entry->offset, number, reason);
}

int extract_refuse(const struct extract *x, const char *rule, const char *reason)
{
    return extract_refuse_as(x, EPERM, rule, reason);
}

int extract_failed(const struct extract *x, const char *op, int number)
{
    if (number == ENAMETOOLONG || number == ELOOP || number == ENOTDIR)
        return extract_refuse_as(x, number, op, strerror(number));
    return err_no(op, path_of(x), number);
}

// -- the parts of an entry ---------------------------------------------------------------------

static int check_limits(const struct extract *x)
{
    const struct extract_options *o = x->o;
    if (x->entry->stored > o->max_bytes || x->counts.bytes > o->max_bytes - x->entry->stored)
        return extract_refuse_as(x, E2BIG, "--max-bytes", "the archive's files have more bytes than that");
    if (x->name.depth > o->max_depth)
        return extract_refuse_as(x, E2BIG, "--max-depth", "its name has more components than that");
    return 0;
}

static int name_failed(struct extract *x, int error, const char *text)
{
    const char *shown = text[0] != '\0' ? text : "/";
    if (error == -EPERM)
        return fault_at("name", shown, x->entry->offset, EPERM, "a component is \"..\"");
    return fault_at("name", shown, x->entry->offset, -error, "it is longer than Linux takes (4095 bytes, 255 a component)");
}

// Whether --include and --exclude take the entry: by its name in the archive, made plain.
static bool is_wanted(const struct extract *x, const struct name *plain)
{
    const struct extract_options *o = x->o;
    if (o->exclude.count > 0 && globs_match_path(&o->exclude, plain->path))
        return false;
    return o->include.count == 0 || globs_match_path(&o->include, plain->path);
}

// 1 if the entry is not wanted.
static int decide_name(struct extract *x)
{
    const struct extract_options *o = x->o;
    if (x->counts.entries >= o->max_entries)
        return fault_at("--max-entries", x->entry->name, x->entry->offset, E2BIG, "the archive has more than that");
    if (o->include.count + o->exclude.count > 0) {
        static struct name plain;
        int error = name_make(&plain, "", x->entry->name, 0);
        if (error < 0)
            return name_failed(x, error, x->entry->name);
        if (plain.depth <= o->max_depth && !is_wanted(x, &plain))
            return 1;
    }
    int error = name_make(&x->name, o->directory, x->entry->name, o->strip);
    if (error == -ENODATA)
        return 1;
    return error < 0 ? name_failed(x, error, x->entry->name) : 0;
}

// Whether the name is the directory itself that the archive is extracted to.
static bool is_top(const struct extract *x)
{
    return x->name.length == strlen(x->o->directory);
}

static int check_type(const struct extract *x)
{
    bool device = x->entry->type == TAR_CHAR || x->entry->type == TAR_BLOCK;
    if (is_top(x) && x->entry->type != TAR_DIRECTORY)
        return extract_refuse(x, "name", "the root can be a directory only");
    if (!device || x->o->devices == DEVICES_CREATE)
        return 0;
    if (x->o->devices == DEVICES_SKIP)
        return KEPT;
    extract_refuse(x, "device", "devices are refused");
    err_hint("--devices=skip leaves them out");
    return -EPERM;
}

static int check_link(struct extract *x)
{
    const struct tar_entry *e = x->entry;
    if (e->link[0] == '\0')
        return extract_refuse_as(x, EBADMSG, "link", "a link without a target");
    if (x->o->policy == POLICY_LAYER)
        return 0;
    if (e->type == TAR_HARDLINK)
        return e->link[0] == '/' ? extract_refuse(x, "link", "its target is absolute") : 0;
    // A symbolic link's is read from where the link really is: no link may lead there (CVE-2025-4330).
    size_t depth = x->name.depth - 1 - x->depth;
    if (name_link_climbs(depth, e->link))
        return extract_refuse(x, "link", "its target is absolute, may lead out of the root, or has \"..\" in its middle");
    static char above[PATH_MAX];
    memcpy(above, x->name.path, x->name.parent);
    above[x->name.parent] = '\0';
    AUTO_CLOSE int fd = path_open_directory(x->root, above, true);
    return fd == -ELOOP ? extract_refuse_as(x, ELOOP, "link", "a symbolic link below another one") : 0;
}

// -- making it ---------------------------------------------------------------------------------

static int write_all(struct extract *x, int fd, const struct tar_span *span)
{
    for (size_t done = 0; done < span->length;) {
        const unsigned char *data = span->data + done;
        size_t n = span->length - done;
        ssize_t wrote = x->entry->sparse ? pwrite(fd, data, n, (off_t)(span->offset + done)) : write(fd, data, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return extract_failed(x, "write", wrote < 0 ? errno : EIO);
        done += (size_t)wrote;
    }
    x->counts.bytes += span->length;
    return 0;
}

static int write_data(struct extract *x, int fd)
{
    struct tar_span span;
    for (;;) {
        uint64_t sent = 0;
        int number = 0, got = tar_send(x->reader, fd, &sent, &number);
        if (got < 0)
            return got;
        if (number != 0)
            return extract_failed(x, "sendfile", number);
        x->counts.bytes += sent;
        if (sent > 0)
            continue;
        got = tar_data(x->reader, &span);
        if (got <= 0)
            return got;
        int error = write_all(x, fd, &span);
        if (error < 0)
            return error;
    }
}

static int make_file(struct extract *x, int parent)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    struct stat st;
    AUTO_CLOSE int fd = -1;
    for (unsigned tries = 0; (fd = openat(parent, name_leaf(&x->name), flags, meta_early_mode(x))) < 0; tries++) {
        if (errno != EEXIST)
            return extract_failed(x, "open", errno);
        int kept = place_clear(x, parent, tries);
        if (kept != 0)
            return kept;
    }
    if (fstat(fd, &st) != 0)
        return extract_failed(x, "fstat", errno);
    int error = write_data(x, fd);
    if (error < 0)
        return error;
    if (x->entry->sparse && ftruncate(fd, (off_t)x->entry->size) != 0)
        return extract_failed(x, "ftruncate", errno);
    return meta_file(x, fd, &st);
}

static int make_symlink(struct extract *x, int parent)
{
    parents_forget(&x->parents);
    for (unsigned tries = 0; symlinkat(x->entry->link, parent, name_leaf(&x->name)) != 0; tries++) {
        if (errno != EEXIST)
            return extract_failed(x, "symlink", errno);
        int kept = place_clear(x, parent, tries);
        if (kept != 0)
            return kept;
    }
    return meta_node(x, parent, S_IFLNK);
}

static int make_node(struct extract *x, int parent)
{
    const struct tar_entry *e = x->entry;
    mode_t type = e->type == TAR_FIFO ? S_IFIFO : e->type == TAR_CHAR ? S_IFCHR : S_IFBLK;
    dev_t device = e->type == TAR_FIFO ? 0 : makedev(e->major, e->minor);
    // Its mode can be set afterwards from 6.6 on: until then it is made with it.
    for (unsigned tries = 0; mknodat(parent, name_leaf(&x->name), type | (x->mode & 0777), device) != 0; tries++) {
        if (errno == EPERM && type != S_IFIFO) {
            extract_failed(x, "mknod", EPERM);
            err_hint("devices need CAP_MKNOD, and can't be made in a user namespace: --devices=skip leaves them out");
            return -EPERM;
        }
        if (errno != EEXIST)
            return extract_failed(x, "mknod", errno);
        int kept = place_clear(x, parent, tries);
        if (kept != 0)
            return kept;
    }
    return meta_node(x, parent, type);
}

// What a hard link can be made to.
static int check_target(struct extract *x, int from, struct stat *st)
{
    if (fstatat(from, name_leaf(&x->target), st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return extract_refuse_as(x, ENOENT, "link", "the target of a hard link is not there");
        return extract_failed(x, "stat", errno);
    }
    if (S_ISDIR(st->st_mode))
        return extract_refuse(x, "link", "the target of a hard link is a directory");
    // Its own target would be read from another place.
    if (S_ISLNK(st->st_mode) && x->o->policy != POLICY_LAYER)
        return extract_refuse(x, "link", "the target of a hard link is a symbolic link");
    return 0;
}

// After EEXIST: 1 if that is the same inode, and linking would be nothing. Of a directory, which may hold the target,
// only an empty one gives way.
static int clear_for_link(struct extract *x, int parent, const struct stat *target, unsigned tries)
{
    struct stat st;
    const char *leaf = name_leaf(&x->name);
    bool replaces = x->o->policy != POLICY_STRICT && x->o->existing == EXISTING_REPLACE;
    if (!replaces || fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return place_clear(x, parent, tries);
    if (st.st_dev == target->st_dev && st.st_ino == target->st_ino)
        return 1;
    if (!S_ISDIR(st.st_mode))
        return place_clear(x, parent, tries);
    if (unlinkat(parent, leaf, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return errno == ENOTEMPTY || errno == EEXIST
                   ? extract_refuse(x, "link", "a hard link in place of a directory that is not empty")
                   : extract_failed(x, "rmdir", errno);
    x->removed_names = x->removed_directories = true;
    return 0;
}

static int link_failed(const struct extract *x, int number)
{
    if (number == ENOENT)
        return extract_refuse_as(x, ENOENT, "link", "the target of a hard link is not there");
    extract_failed(x, "link", number);
    if (number == EPERM)
        err_hint("files of others can be linked with CAP_FOWNER only (fs.protected_hardlinks)");
    return -number;
}

static int make_hardlink(struct extract *x, int parent)
{
    const struct extract_options *o = x->o;
    int error = name_make(&x->target, o->directory, x->entry->link, o->strip);
    if (error == -EPERM || error == -ENAMETOOLONG)
        return name_failed(x, error, x->entry->link);
    if (error < 0 || x->target.length == strlen(o->directory))
        return extract_refuse(x, "link", "the target of a hard link is the root itself");
    struct stat st;
    int from = place_open_target(x);
    if (from < 0 || (error = check_target(x, from, &st)) < 0)
        return from < 0 ? from : error;
    parents_forget(&x->parents);
    const char *leaf = name_leaf(&x->name);
    // 0: a symbolic link is linked itself, not followed.
    for (unsigned tries = 0; linkat(from, name_leaf(&x->target), parent, leaf, 0) != 0; tries++) {
        if (errno != EEXIST)
            return link_failed(x, errno);
        int kept = clear_for_link(x, parent, &st, tries);
        if (kept != 0)
            return kept;
    }
    return 0;
}

static int open_directory(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

// An existing directory is entered; its metadata become the entry's, unless that is not wanted.
static int take_directory(struct extract *x, int fd)
{
    if (!x->o->overwrite_dir || x->o->existing == EXISTING_KEEP)
        return KEPT;
    return meta_directory(x, fd, false);
}

static int make_directory(struct extract *x, int parent)
{
    unsigned early = meta_early_mode(x);
    if (x->mode != early || (early & 0700) != 0700) // its own maker must be able to fill it
        early = 0700;
    const char *leaf = name_leaf(&x->name);
    for (unsigned tries = 0; mkdirat(parent, leaf, early) != 0; tries++) {
        if (errno != EEXIST)
            return extract_failed(x, "mkdir", errno);
        AUTO_CLOSE int there = x->o->policy == POLICY_STRICT ? -ENOTDIR : open_directory(parent, leaf);
        if (there >= 0)
            return take_directory(x, there);
        if (there != -ENOTDIR && there != -ELOOP)
            return extract_failed(x, "open", -there);
        int kept = place_clear(x, parent, tries);
        if (kept != 0)
            return kept;
    }
    int fd = open_directory(parent, leaf);
    if (fd < 0)
        return extract_failed(x, "open", -fd);
    int error = meta_directory(x, fd, true);
    // What is in it comes next, as a rule.
    parents_keep(&x->parents, x->name.path, x->name.length, fd);
    return error;
}

// The directory itself that the archive is extracted to.
static int take_top(struct extract *x)
{
    int above = parents_open(&x->parents, x->name.path, x->name.length);
    AUTO_CLOSE int fd = above < 0 ? above : open_directory(above, ".");
    return fd >= 0 ? take_directory(x, fd) : extract_failed(x, "open", -fd);
}

static int make(struct extract *x)
{
    static int (*const makers[])(struct extract *x, int parent) = {
        [TAR_FILE] = make_file,     [TAR_HARDLINK] = make_hardlink,   [TAR_SYMLINK] = make_symlink,
        [TAR_CHAR] = make_node,     [TAR_BLOCK] = make_node,          [TAR_FIFO] = make_node,
        [TAR_DIRECTORY] = make_directory,
    };
    if (is_top(x))
        return take_top(x);
    int parent = place_open(x);
    return parent < 0 ? parent : makers[x->entry->type](x, parent);
}

static void count(struct extract *x, bool made)
{
    struct extract_counts *c = &x->counts;
    uint64_t *const by_type[] = {
        [TAR_FILE] = &c->files,    [TAR_HARDLINK] = &c->hardlinks,     [TAR_SYMLINK] = &c->symlinks,
        [TAR_CHAR] = &c->devices,  [TAR_BLOCK] = &c->devices,          [TAR_FIFO] = &c->fifos,
        [TAR_DIRECTORY] = &c->directories,
    };
    c->entries++;
    ++*(made ? by_type[x->entry->type] : &c->skipped);
}

static int extract_entry(struct extract *x)
{
    bool link = x->entry->type == TAR_HARDLINK || x->entry->type == TAR_SYMLINK;
    int result = decide_name(x);
    if (result == 0)
        result = check_type(x);
    if (result == 0)
        result = check_limits(x);
    if (result == 0 && link)
        result = check_link(x);
    if (result == 0 && x->entry->type != TAR_HARDLINK) // its own metadata are not applied
        result = meta_decide(x);
    if (result == 0)
        result = make(x);
    if (result < 0)
        return result;
    count(x, result == 0);
    if (result == 0 && x->named != NULL)
        x->named(x->context, x->entry->name);
    return 0;
}

static int sync_all(const struct extract *x)
{
    AUTO_CLOSE int fd = openat(x->root, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", "/");
    return syncfs(fd) == 0 ? 0 : err_at("syncfs", "/");
}

int extract_all(struct extract *x)
{
    int got;
    static struct name top;
    (void)name_make(&top, "", x->o->directory, 0);
    x->depth = top.depth;
    parents_begin(&x->parents, x->root, x->o->policy == POLICY_STRICT);
    while ((got = tar_next(x->reader, &x->entry)) > 0) {
        int error = extract_entry(x);
        if (error < 0)
            return error;
    }
    if (got == 0)
        got = tar_finish(x->reader);
    if (got == 0)
        got = meta_directories(x);
    if (got == 0 && x->o->sync)
        got = sync_all(x);
    parents_end(&x->parents);
    return got;
}
