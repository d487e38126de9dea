// SPDX-License-Identifier: MIT
#include "archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/meta.h"
#include "archive/remove.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/path.h"

enum { TRIES_MAX = 64 };

// The directory at path[0..length), one component below `above`. It is nobody's entry: 0755, root's as the archive
// sees him.
static int make_one(struct extract *x, int above, const char *component)
{
    uid_t owner;
    gid_t group;
    if (mkdirat(above, component, 0755) != 0)
        return -errno;
    AUTO_CLOSE int fd = openat(above, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (!meta_implied_owner(x, &owner, &group))
        return fd_take(&fd);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_uid == x->uid && (st.st_uid != owner || st.st_gid != group) && fchown(fd, owner, group) != 0)
        return -errno;
    return fd_take(&fd);
}

// Walks down from the root and makes what is missing.
static int make_all(struct extract *x, const char *path, size_t length)
{
    char name[PATH_MAX];
    int above = x->root;
    size_t start = 0;
    memcpy(name, path, length);
    name[length] = '\0';
    for (size_t end = 0; end < length; start = end + 1) {
        end = start + strcspn(name + start, "/");
        name[end] = '\0';
        int fd = parents_open(&x->parents, name, end);
        if (fd == -ENOENT) {
            fd = make_one(x, above, name + start);
            if (fd == -EEXIST) // a link that leads nowhere, or somebody was faster
                fd = path_open_directory(x->root, name, x->parents.no_links);
            if (fd < 0)
                return fd;
            parents_keep(&x->parents, name, end, fd);
        }
        if (fd < 0)
            return fd;
        above = fd;
        name[end] = '/';
    }
    return above;
}

static int lookup_failed(const struct extract *x, const char *op, int error)
{
    if (error == -ENOENT)
        return extract_refuse_as(x, ENOENT, "parent", "its directory is a symbolic link that leads nowhere");
    if (error == -ELOOP && x->o->policy == POLICY_STRICT)
        return extract_refuse_as(x, ELOOP, "parent", "strict: a symbolic link, or no directory, on the way to it");
    if (error == -ENOTDIR)
        return extract_refuse_as(x, ENOTDIR, "parent", "what is on the way to it is no directory");
    return extract_failed(x, op, -error);
}

int place_open(struct extract *x)
{
    int fd = parents_open(&x->parents, x->name.path, x->name.parent);
    if (fd >= 0)
        return fd;
    bool missing = fd == -ENOENT;
    if (missing)
        fd = make_all(x, x->name.path, x->name.parent);
    return fd >= 0 ? fd : lookup_failed(x, missing ? "mkdir" : "open", fd);
}

int place_open_target(struct extract *x)
{
    int fd = parents_open(&x->parents, x->target.path, x->target.parent);
    if (fd == -ENOENT)
        return extract_refuse_as(x, ENOENT, "link", "the target of a hard link is not there");
    return fd >= 0 ? fd : lookup_failed(x, "open", fd);
}

static int look(void *context)
{
    const struct input *in = context;
    return in->pause != NULL ? in->pause(in->context, -1) : 0;
}

int place_clear(struct extract *x, int parent, unsigned tries)
{
    if (x->o->policy == POLICY_STRICT)
        return extract_refuse_as(x, EEXIST, "duplicate", "strict: something of that name is there already");
    if (x->o->existing == EXISTING_REFUSE)
        return extract_refuse_as(x, EEXIST, "existing", "--existing=refuse: something of that name is there already");
    if (x->o->existing == EXISTING_KEEP)
        return 1;
    if (tries == TRIES_MAX)
        return extract_failed(x, "unlink", EBUSY);
    const char *leaf = name_leaf(&x->name);
    parents_forget(&x->parents);
    x->removed_names = true;
    if (unlinkat(parent, leaf, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM) // what unlink(2) and POSIX say of a directory
        return extract_failed(x, "unlink", errno);
    bool forbidden = errno == EPERM;
    int error = remove_tree(parent, leaf, look, x->reader->in);
    if (error == -ECANCELED)
        return error; // by a signal, and recorded
    if (error == -ENOTDIR && forbidden)
        return extract_failed(x, "unlink", EPERM);
    x->removed_directories = true;
    return error == 0 || error == -ENOENT ? 0 : extract_failed(x, "remove", -error);
}
