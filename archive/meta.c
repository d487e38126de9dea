// SPDX-License-Identifier: MIT
#include "archive/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/attributes.h"
#include "archive/fault.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/path.h"
#include "sys/text.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum { SPECIAL = 07000 };

// -- what is wanted ----------------------------------------------------------------------------

static int map_id(const struct extract *x, const struct id_maps *maps, uint32_t id, const char *option, uint32_t *to)
{
    *to = id;
    if (maps->count == 0 || ids_find_outer(maps, id, to))
        return 0;
    return extract_refuse(x, option, "its owner is not in the map");
}

int meta_decide(struct extract *x)
{
    const struct extract_options *o = x->o;
    size_t at = 0;
    struct pax_attribute attribute;
    x->mode = x->entry->mode;
    if (!o->same_permissions)
        x->mode &= 0777 & ~o->umask;
    if (o->policy != POLICY_LAYER)
        x->mode &= ~(unsigned)SPECIAL;
    int got = tar_attribute(x->reader, &at, &attribute);
    if (got < 0)
        return got;
    x->has_attributes = got > 0;
    x->has_owner = o->has_owner || o->same_owner;
    x->owner = x->uid;
    x->group = x->gid;
    if (o->has_owner) {
        x->owner = o->uid;
        x->group = o->gid;
        return 0;
    }
    if (!o->same_owner)
        return 0;
    int error = map_id(x, &o->map_uid, x->entry->uid, "--map-uid", &x->owner);
    return error < 0 ? error : map_id(x, &o->map_gid, x->entry->gid, "--map-gid", &x->group);
}

bool meta_implied_owner(const struct extract *x, uid_t *owner, gid_t *group)
{
    const struct extract_options *o = x->o;
    *owner = o->has_owner ? o->uid : x->uid;
    *group = o->has_owner ? o->gid : x->gid;
    if (o->has_owner)
        return true;
    bool mapped = o->same_owner && o->map_uid.count + o->map_gid.count > 0;
    if (mapped) {
        (void)ids_find_outer(&o->map_uid, 0, owner);
        (void)ids_find_outer(&o->map_gid, 0, group);
    }
    return mapped;
}

unsigned meta_early_mode(const struct extract *x)
{
    unsigned group = x->mode >> 3 & 7, other = x->mode & 7;
    bool own = x->owner == x->uid && x->group == x->gid;
    if (own && !x->has_attributes && (x->mode & SPECIAL) == 0 && (group & ~other) == 0)
        return x->mode;
    return (x->mode & 0700) | 0200; // user.* attributes can only be set by who may write
}

static void to_times(const struct pax_time *mtime, const struct pax_time *atime, struct timespec times[2])
{
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    if (atime != NULL)
        times[0] = (struct timespec){atime->seconds, atime->nanoseconds};
    times[1] = (struct timespec){mtime->seconds, mtime->nanoseconds};
}

static void entry_times(const struct extract *x, struct timespec times[2])
{
    to_times(&x->entry->mtime, x->entry->has_atime ? &x->entry->atime : NULL, times);
}

static int chown_failed(const struct extract *x, int number)
{
    static char reason[96];
    struct text t = {reason, sizeof(reason), 0};
    if (number != EINVAL) {
        extract_failed(x, "chown", number);
        if (number == EPERM)
            err_hint("--no-same-owner leaves everything to the caller");
        return -number;
    }
    text_add(&t, "the owner ");
    text_number(&t, x->owner);
    text_add(&t, ":");
    text_number(&t, x->group);
    text_add(&t, " is not mapped in this user namespace");
    text_end(&t);
    err_because("chown", x->name.path, EINVAL, reason);
    err_hint("--map-auto maps the ranges of /etc/subuid and /etc/subgid, --no-same-owner leaves everything to the caller");
    return -EINVAL;
}

// -- files -------------------------------------------------------------------------------------

int meta_file(struct extract *x, int fd, const struct stat *st)
{
    struct timespec times[2];
    int error = 0;
    bool chowned = x->has_owner && (st->st_uid != x->owner || st->st_gid != x->group);
    if (chowned && fchown(fd, x->owner, x->group) != 0)
        return chown_failed(x, errno);
    if (x->has_attributes)
        error = attributes_set(x, fd);
    if (error < 0)
        return error;
    if ((st->st_mode & 07777) != x->mode && fchmod(fd, x->mode) != 0)
        return extract_failed(x, "chmod", errno);
    if (x->has_attributes)
        error = attributes_set_acls(x, fd);
    if (error < 0)
        return error;
    // An ACL brings permissions of its own, and the umask is about those too.
    if (error > 0 && !x->o->same_permissions && fchmod(fd, x->mode) != 0)
        return extract_failed(x, "chmod", errno);
    entry_times(x, times);
    return futimens(fd, times) == 0 ? 0 : extract_failed(x, "utimensat", errno);
}

// -- what can't be opened ----------------------------------------------------------------------

static int chmod_node(const struct extract *x, int fd, unsigned now)
{
    // Before 6.6 only a path could be given, which is followed. It was made with its mode, so this is seldom needed.
    if (now == x->mode || syscall(SYS_fchmodat2, fd, "", x->mode, AT_EMPTY_PATH) == 0)
        return 0;
    return extract_failed(x, "chmod", errno);
}

static int set_node_times(const struct extract *x, int fd, int parent)
{
    struct timespec times[2];
    entry_times(x, times);
    if (utimensat(fd, "", times, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno == EINVAL && utimensat(parent, name_leaf(&x->name), times, AT_SYMLINK_NOFOLLOW) == 0) // before 5.8
        return 0;
    return extract_failed(x, "utimensat", errno);
}

static bool is_device(mode_t type)
{
    return type == S_IFCHR || type == S_IFBLK;
}

int meta_node(struct extract *x, int parent, mode_t type)
{
    struct stat st;
    const char *leaf = name_leaf(&x->name);
    AUTO_CLOSE int fd = openat(parent, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return extract_failed(x, "open", errno);
    // What we made, and not what somebody put in its place: a hard link to a file elsewhere would be changed there.
    if ((st.st_mode & S_IFMT) != type || st.st_uid != x->uid || st.st_nlink != 1 ||
        (is_device(type) && st.st_rdev != makedev(x->entry->major, x->entry->minor)))
        return extract_failed(x, "open", ESTALE);
    if (x->has_owner && (st.st_uid != x->owner || st.st_gid != x->group) &&
        fchownat(fd, "", x->owner, x->group, AT_EMPTY_PATH) != 0)
        return chown_failed(x, errno);
    int error = x->has_attributes ? attributes_set_node(x, parent) : 0;
    if (error == 0 && type != S_IFLNK)
        error = chmod_node(x, fd, st.st_mode & 07777);
    return error < 0 ? error : set_node_times(x, fd, parent);
}

// -- directories -------------------------------------------------------------------------------

int meta_directory(struct extract *x, int fd, bool is_new)
{
    static char access[ACL_BYTES_MAX], inherited[ACL_BYTES_MAX];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return extract_failed(x, "fstat", errno);
    if (is_new && st.st_uid != x->uid)
        return extract_failed(x, "open", ESTALE); // somebody put another one in its place
    if (x->has_owner && (st.st_uid != x->owner || st.st_gid != x->group) &&
        fchown(fd, x->owner, x->group) != 0)
        return chown_failed(x, errno);
    // At once what the entry takes away from others, which may be an implied directory's.
    unsigned now = st.st_mode & 07777, tight = now & (x->mode | 0700);
    if (tight != now && fchmod(fd, tight) != 0)
        return extract_failed(x, "chmod", errno);
    if (!is_new && x->o->policy != POLICY_LAYER)
        x->mode |= now & SPECIAL; // a sticky bit that somebody else set is not the archive's
    struct dirs_entry e = {
        .device = st.st_dev,
        .inode = st.st_ino,
        .mode = x->mode,
        .mtime = x->entry->mtime,
        .atime = x->entry->atime,
        .has_atime = x->entry->has_atime,
        .access = access,
        .inherited = inherited,
    };
    int error = 0;
    if (x->has_attributes)
        error = attributes_set(x, fd);
    if (error == 0 && x->has_attributes)
        error = attributes_acls(x, access, &e.access_size, inherited, &e.inherited_size);
    if (error < 0)
        return error;
    error = dirs_add(&x->dirs, x->name.path, x->name.depth, &e);
    if (error == -E2BIG)
        return extract_refuse_as(x, E2BIG, "limit", "more directories than can be remembered in 64 MiB");
    return error < 0 ? extract_failed(x, "mmap", -error) : 0;
}

static int chmod_directory(int fd, unsigned mode)
{
    if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM) // before 6.6, or a filter that does not know it
        return -errno;
    AUTO_CLOSE int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return readable >= 0 && fchmod(readable, mode) == 0 ? 0 : -errno;
}

static int time_directory(int fd, const struct timespec times[2])
{
    if (utimensat(fd, "", times, AT_EMPTY_PATH) == 0)
        return 0;
    return errno == EINVAL && utimensat(fd, ".", times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

// `fd` is open for reading: an O_PATH descriptor takes no attributes.
static int set_directory_acls(int fd, const struct dirs_entry *e)
{
    if (e->inherited_size > 0 && fsetxattr(fd, ATTRIBUTE_ACL_DEFAULT, e->inherited, e->inherited_size, 0) != 0)
        return -errno;
    if (e->access_size > 0 && fsetxattr(fd, ATTRIBUTE_ACL_ACCESS, e->access, e->access_size, 0) != 0)
        return -errno;
    return 0;
}

static int failed(const char *op, const char *path, int error)
{
    return err_no(op, path, -error);
}

// Its last component is no more followed than when it was made.
static int open_recorded(const struct extract *x, const char *path)
{
    static struct name name;
    (void)name_make(&name, "", path, 0); // it is plain already
    char *leaf = name.path + (name_leaf(&name) - name.path);
    if (name.depth <= x->depth) // the top is the caller's, who may have named a link
        return path_open_directory(x->root, path, x->parents.no_links);
    if (name.parent > 0)
        name.path[name.parent] = '\0';
    AUTO_CLOSE int above = path_open_directory(x->root, name.parent > 0 ? name.path : "", x->parents.no_links);
    if (above < 0)
        return above;
    int fd = openat(above, leaf, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int finish_directory(void *context, const char *path, const struct dirs_entry *e)
{
    struct extract *x = context;
    struct stat st;
    struct timespec times[2];
    AUTO_CLOSE int fd = open_recorded(x, path);
    if (fd >= 0 && fstat(fd, &st) != 0)
        return failed("fstat", path, -errno);
    bool same = fd >= 0 && st.st_dev == e->device && st.st_ino == e->inode;
    bool other = fd >= 0 || fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP;
    // Entries that came later may have put another one there; nobody else may (CVE-2024-12718).
    if (!same && other && x->removed_directories)
        return 0;
    if (!same && other && x->removed_names)
        return fault("name", path, ESTALE, "a later entry has made it the name of something else");
    if (!same)
        return failed("open", path, fd < 0 ? fd : -ESTALE);
    // Before its mode forbids it.
    bool has_acls = e->access_size + e->inherited_size > 0;
    AUTO_CLOSE int readable = has_acls ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (has_acls && readable < 0)
        return failed("open", path, -errno);
    int error = (st.st_mode & 07777) != e->mode ? chmod_directory(fd, e->mode) : 0;
    if (error < 0)
        return failed("chmod", path, error);
    error = has_acls ? set_directory_acls(readable, e) : 0;
    if (error < 0)
        return failed("setxattr", path, error);
    if (e->access_size > 0 && !x->o->same_permissions && (error = chmod_directory(fd, e->mode)) < 0)
        return failed("chmod", path, error);
    to_times(&e->mtime, e->has_atime ? &e->atime : NULL, times);
    error = time_directory(fd, times);
    return error < 0 ? failed("utimensat", path, error) : 0;
}

int meta_directories(struct extract *x)
{
    return dirs_each(&x->dirs, finish_directory, x);
}
