// SPDX-License-Identifier: MIT
#include "root/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"
#include "sys/proc.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

// Descriptors that the way in takes besides those of the sources.
enum { OTHER_DESCRIPTORS = 64 };

static int bank[2] = {-1, -1}; // [0] is where they go in
static char (*paths)[PATH_MAX];

struct rootfs_how source_how(const struct plan *p, const struct plan_mount *m)
{
    struct rootfs_how how = {
        .set = m->set,
        .clear = m->clear,
        .set_all = m->set_all | (m->weak_ro ? m->set & ATTR_RDONLY : 0),
        .clear_all = m->clear_all,
        .propagation = m->propagation != 0 ? m->propagation : MS_PRIVATE,
        .propagation_all = m->propagation == 0 || m->propagation_all,
        .recursive = m->type == MOUNT_BIND && m->recursive,
        .keep_peers = m->remount || (p->rootfs.propagation == MS_SHARED && m->propagation == MS_SHARED),
    };
    if (m->overlay) // its own lower layer is not written to
        how.set_all |= ATTR_RDONLY;
    return how;
}

// -- the bank ----------------------------------------------------------------------------------

// With a small RLIMIT_NOFILE many sources can't be open at once. In a socket of our own they take no number.
static bool needs_bank(const struct plan *p)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)p->rootfs.mount_count + OTHER_DESCRIPTORS;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted;
}

static int open_bank(void)
{
    const int size = 16 << 20; // some hundreds of bytes for each
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, bank) != 0)
        return err_at("socketpair", NULL);
    if (setsockopt(bank[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) // CAP_NET_ADMIN
        (void)setsockopt(bank[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

static int deposit(struct source *s)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec io = {"", 1};
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &s->fd, sizeof(int));
    int error = bank[0] < 0 ? open_bank() : 0;
    if (error < 0)
        return error;
    if (sendmsg(bank[0], &message, MSG_NOSIGNAL) != 1)
        return err_at("sendmsg", "mount sources");
    fd_auto_close(&s->fd);
    s->banked = true;
    return 0;
}

static int withdraw(void)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    int fd;
    struct iovec io = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    if (recvmsg(bank[1], &message, MSG_CMSG_CLOEXEC) != 1)
        return err_at("recvmsg", "mount sources");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS)
        return err_no("recvmsg", "mount sources", EMFILE);
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

// -- before the unshare ------------------------------------------------------------------------

static bool may_clone(const struct enter *e)
{
    return (e->caller->effective & CAPS_BIT(CAP_SYS_ADMIN)) != 0 && mount_has_new_calls();
}

static int add_idmap(const struct enter *e, const struct plan_mount *m, int fd)
{
    const struct id_maps *users = m->users != NULL ? m->users : &e->plan->users;
    const struct id_maps *groups = m->groups != NULL ? m->groups : &e->plan->groups_map;
    AUTO_CLOSE int ns = idmap_namespace(users, groups);
    if (ns < 0)
        return ns;
    struct mount_attributes a = {.set = ATTR_IDMAP, .userns = (uint64_t)ns};
    if (mount_set_attributes(fd, m->idmap_all, &a) == 0)
        return 0;
    int error = err_at("mount_setattr", m->source);
    if (error == -EINVAL || error == -EPERM)
        err_hint("the file system can't be mounted with mapped ids, or is so already");
    return error;
}

static int make_ready(struct enter *e, unsigned i, struct source *s)
{
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    struct rootfs_how how = source_how(e->plan, m);
    int error = m->idmap ? add_idmap(e, m, s->fd) : 0;
    if (error == 0)
        error = rootfs_set(e, s->fd, &how, m->source);
    return error;
}

static int remember(struct source *s, int fd, const char *name)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_at("fstat", name);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->type = st.st_mode & S_IFMT;
    return 0;
}

static int keep_path(struct source *s, enum source_kind kind, const char *path)
{
    size_t n = strlen(path) + 1;
    if (n > PATH_MAX)
        return err_no("open", path, ENAMETOOLONG);
    s->kind = kind;
    memmove(s->path, path, n); // it may be a part of what is there
    return 0;
}

// The path that the kernel knows for it; without a procfs the name has to do.
static int find_path(struct source *s, int fd, const char *name)
{
    int error = remember(s, fd, name);
    if (error < 0)
        return error;
    return proc_fd() < 0 && name[0] == '/' ? keep_path(s, s->kind, name) : proc_fd_path(fd, s->path, PATH_MAX);
}

// A source below ROOT means what is there when its turn comes.
static bool lies_in_root(const char *root, const char *path, const char **rest)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (root[0] != '/' || n == 0 || strncmp(path, root, n) != 0 || path[n] != '/')
        return false;
    *rest = path + n;
    return true;
}

// Or else detached, or of another mount namespace: what its path leads to is another mount then, with other attributes.
static bool is_at_its_path(int fd)
{
    char path[PATH_MAX];
    AUTO_CLOSE int there = proc_fd_path(fd, path, sizeof(path)) == 0 ? open(path, O_PATH | O_CLOEXEC) : -1;
    err_forget(); // what is wrong with the path is said when it is taken
    return there < 0 || mount_id(there) == mount_id(fd);
}

static int open_given(struct enter *e, unsigned i, struct source *s)
{
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    int error = remember(s, m->fd, m->source);
    if (error < 0)
        return error;
    unsigned flags = TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC | (m->recursive ? AT_RECURSIVE : 0);
    s->fd = may_clone(e) ? mount_open_tree(m->fd, "", flags) : -1;
    s->kind = s->fd >= 0 ? SOURCE_CLONE : SOURCE_GIVEN;
    if (s->kind == SOURCE_GIVEN) {
        s->foreign = !is_at_its_path(m->fd);
        s->fd = fd_copy(m->fd);
    }
    if (s->fd < 0)
        return s->fd;
    if (m->fd <= 2 && fd_blank(m->fd) < 0)
        return -EBADF;
    return 0;
}

static int clone_path(const struct plan_mount *m, struct source *s)
{
    unsigned flags = TREE_CLONE | O_CLOEXEC | (m->recursive ? AT_RECURSIVE : 0);
    s->kind = SOURCE_CLONE;
    s->fd = mount_open_tree(AT_FDCWD, m->source, flags);
    return s->fd >= 0 ? 0 : err_at("open_tree", m->source);
}

// An absolute path is below ROOT when its words are; of a relative one the kernel says where it leads.
static int open_path(struct enter *e, unsigned i, struct source *s, const char *root)
{
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    const char *inside;
    if (lies_in_root(root, m->source, &inside) || lies_in_root(e->plan->root, m->source, &inside))
        return keep_path(s, SOURCE_INSIDE, inside);
    if (m->source[0] == '/' && may_clone(e))
        return clone_path(m, s);
    AUTO_CLOSE int fd = open(m->source, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", m->source);
    s->kind = SOURCE_AGAIN;
    int error = find_path(s, fd, m->source);
    if (error == 0 && lies_in_root(root, s->path, &inside))
        return keep_path(s, SOURCE_INSIDE, inside);
    return error == 0 && may_clone(e) ? clone_path(m, s) : error;
}

// The path of ROOT as the kernel knows it; "" if it can't be told.
static void find_root(const struct plan *p, char *path, size_t size)
{
    AUTO_CLOSE int root = p->root_fd >= 0 ? fd_copy(p->root_fd) : open(p->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || proc_fd_path(root, path, size) < 0)
        path[0] = '\0';
    err_forget(); // what is wrong with it, open_root() says
}

// The kernel follows every link on the way to a layer, on the host; those of ROOT are the image's.
static int check_layers(const struct enter *e, const struct plan_mount *m, const char *root)
{
    static const char *const keys[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir=", "workdir="};
    const char *inside;
    for (const char *word = m->data; word != NULL && *word != '\0'; word += *word == ',') {
        const char *end = word + strcspn(word, ",");
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (strncmp(word, keys[i], strlen(keys[i])) != 0)
                continue;
            for (const char *path = word + strlen(keys[i]); path < end; path += *path == ':') {
                if (lies_in_root(root, path, &inside) || lies_in_root(e->plan->root, path, &inside))
                    return err_because("overlay", m->target, EPERM,
                                       "a layer below ROOT, whose links would lead to the host's files");
                path += strcspn(path, ":,");
            }
        }
        word = end;
    }
    return 0;
}

static int open_source(struct enter *e, unsigned i, const char *root, bool crowded)
{
    struct source *s = &e->sources[i];
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    s->fd = -1;
    s->path = paths[i];
    if (m->type == MOUNT_OVERLAY)
        return check_layers(e, m, root);
    if (m->type != MOUNT_BIND || m->remount)
        return 0;
    int error = m->fd >= 0 ? open_given(e, i, s) : open_path(e, i, s, root);
    if (error == 0 && m->idmap && s->kind != SOURCE_CLONE)
        error = err_because("idmap", m->source, EPERM,
                            "mapped ids take a caller with CAP_SYS_ADMIN, Linux 5.12, and a source outside ROOT");
    if (error == 0 && s->kind == SOURCE_CLONE)
        error = make_ready(e, i, s);
    return error == 0 && crowded && s->fd >= 0 ? deposit(s) : error;
}

int rootfs_open_sources(struct enter *e)
{
    static char root[PATH_MAX];
    unsigned count = e->plan->rootfs.mount_count;
    e->sources = calloc(count + 1, sizeof(*e->sources));
    paths = malloc((count + 1) * sizeof(*paths)); // a page is taken only for whoever needs a path
    if (e->sources == NULL || paths == NULL)
        return err_at("malloc", "mount sources");
    find_root(e->plan, root, sizeof(root));
    bool crowded = needs_bank(e->plan);
    int error = 0;
    for (unsigned i = 0; i < count && error == 0; i++)
        error = open_source(e, i, root, crowded);
    return error;
}

size_t sources_held(const struct enter *e, int *fds)
{
    size_t count = 0;
    for (unsigned i = 0; e->sources != NULL && i < e->plan->rootfs.mount_count; i++)
        fds[count++] = e->sources[i].fd;
    fds[count++] = bank[0];
    fds[count++] = bank[1];
    return count;
}

// -- after it ----------------------------------------------------------------------------------

static int moved_away(const char *name, const char *why)
{
    int error = err_because("open", name, ESTALE, why);
    err_hint("a detached mount (open_tree, fsmount) as fd:N needs no path; nor does a caller with CAP_SYS_ADMIN");
    return error;
}

static int find_again(const struct source *s, const char *name)
{
    struct stat st;
    AUTO_CLOSE int fd = open(s->path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        int error = err_at("open", name);
        err_hint("a detached mount (open_tree, fsmount) as fd:N needs no path; nor does a caller with CAP_SYS_ADMIN");
        return error;
    }
    if (fstat(fd, &st) != 0)
        return err_at("fstat", name);
    if (st.st_dev != s->dev || st.st_ino != s->ino || (st.st_mode & S_IFMT) != s->type)
        return moved_away(name, "what is at its path now is something else");
    return fd_take(&fd);
}

// A descriptor of the caller's that could not be cloned: a detached mount, which alone takes attributes here, or a
// place of the mount namespace that we have left, to be found again.
static int take_given(struct enter *e, const struct plan_mount *m, struct source *s, int *held, bool *detached)
{
    struct rootfs_how how = source_how(e->plan, m);
    int error = mount_has_new_calls() ? rootfs_set(e, *held, &how, m->source) : -EINVAL;
    *detached = error == 0;
    if (error == 0)
        return fd_take(held);
    if (error != -EINVAL)
        return error;
    if (s->foreign && !mount_has_new_calls())
        return err_because("mount", m->source, ENOSYS,
                           "what is detached, or no longer at its path, takes the newer mount calls (Linux 5.12)");
    if (s->foreign)
        return moved_away(m->source, "what is at its path is on another mount");
    err_forget();
    error = find_path(s, *held, m->source);
    return error < 0 ? error : find_again(s, m->source);
}

int source_take(struct enter *e, unsigned i, bool *detached)
{
    struct source *s = &e->sources[i];
    const struct plan_mount *m = &e->plan->rootfs.mount[i];
    AUTO_CLOSE int held = s->banked ? withdraw() : fd_take(&s->fd);
    *detached = s->kind == SOURCE_CLONE;
    if (s->banked && held < 0)
        return held;
    if (s->kind == SOURCE_CLONE)
        return fd_take(&held);
    if (s->kind == SOURCE_GIVEN)
        return take_given(e, m, s, &held, detached);
    if (s->kind == SOURCE_AGAIN)
        return find_again(s, m->source);
    int fd = rootfs_open(e, s->path);
    return fd >= 0 ? fd : err_no("open", m->source, -fd);
}
