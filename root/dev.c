// SPDX-License-Identifier: MIT
//
// The minimal /dev: its nodes, the links into /proc/self/fd, ptmx and, if asked for, the console. All by the
// descriptor of one real directory: an image whose /dev is a link led others to the host's (CVE-2026-41579).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plan/mountspec.h"
#include "root/node.h"
#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/text.h"

static int join_path(const char *dir, const char *name, char *path, size_t size)
{
    struct text t = {path, size, 0};
    text_add(&t, dir);
    text_add(&t, dir[strlen(dir) - 1] == '/' ? "" : "/");
    text_add(&t, name);
    return text_end(&t) ? 0 : err_no("open", dir, ENAMETOOLONG);
}

// -- nodes and links ---------------------------------------------------------------------------

// config-linux.md, "Default Devices"; by devices.txt of the kernel.
static const struct {
    const char *name, *host;
    unsigned major, minor;
} nodes[] = {
    {"null", "/dev/null", 1, 3},     {"zero", "/dev/zero", 1, 5},       {"full", "/dev/full", 1, 7},
    {"random", "/dev/random", 1, 8}, {"urandom", "/dev/urandom", 1, 9}, {"tty", "/dev/tty", 5, 0},
};

static int make_nodes(struct enter *e, int dir, const char *name)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        int error = join_path(name, nodes[i].name, path, sizeof(path));
        struct node n = {.path = path,
                         .mode = S_IFCHR | 0666,
                         .major = nodes[i].major,
                         .minor = nodes[i].minor,
                         .source = nodes[i].host};
        if (error < 0 || (error = node_make(e, dir, &n)) < 0)
            return error;
    }
    return 0;
}

static bool is_null(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

// Of 0, 1 and 2 what is /dev/null becomes the root's own: the host's is a file of a mount that is not in the root.
static int reopen_null(int dir)
{
    char path[32];
    struct text t = {path, sizeof(path), 0};
    if (!is_null(0) && !is_null(1) && !is_null(2))
        return 0;
    if (proc_fd() < 0)
        return proc_missing();
    AUTO_CLOSE int place = openat(dir, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return err_at("open", "/dev/null");
    struct stat st;
    if (fstat(place, &st) != 0)
        return err_at("fstat", "/dev/null");
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return err_because("open", "/dev/null", ESTALE, "something else came there meanwhile");
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)place);
    text_end(&t);
    AUTO_CLOSE int null = openat(proc_fd(), path, O_RDWR | O_CLOEXEC);
    if (null < 0)
        return err_at("open", "/dev/null");
    for (int fd = 0; fd <= 2; fd++) {
        if (is_null(fd) && dup2(null, fd) < 0)
            return err_at("dup2", "/dev/null");
    }
    return 0;
}

static int failed_link(const char *name)
{
    int error = err_at("symlink", name);
    if (error == -EROFS || error == -EACCES)
        err_hint("the root's /dev can't be written: --mount=type=devtmpfs,dst=/dev lays one of its own over it");
    return error;
}

// ptmx of a devpts of its own. The device opens the pts beside it too (since Linux 4.7), and stays: ROOT can be "/",
// whose other processes need it.
static int link_ptmx(int dir)
{
    static const char target[] = "pts/ptmx";
    char now[sizeof(target)];
    struct stat st;
    if (symlinkat(target, dir, "ptmx") == 0)
        return 0;
    if (errno != EEXIST)
        return failed_link("/dev/ptmx");
    ssize_t n = readlinkat(dir, "ptmx", now, sizeof(now));
    if (n == (ssize_t)sizeof(target) - 1 && memcmp(now, target, (size_t)n) == 0)
        return 0;
    if (fstatat(dir, "ptmx", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_at("fstat", "/dev/ptmx");
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2))
        return 0;
    if (!S_ISLNK(st.st_mode) && !S_ISCHR(st.st_mode))
        return err_because("symlink", "/dev/ptmx", EEXIST, "what is there is neither a device nor a link");
    if (unlinkat(dir, "ptmx", 0) != 0)
        return err_at("unlink", "/dev/ptmx");
    return symlinkat(target, dir, "ptmx") == 0 ? 0 : failed_link("/dev/ptmx");
}

// runtime-linux.md, "Dev symbolic links". What has the name already stays.
static int make_links(int dir)
{
    static const struct {
        const char *name, *target, *wanted; // of the host's /proc; NULL: always
    } links[] = {
        {"fd", "/proc/self/fd", NULL},           {"stdin", "/proc/self/fd/0", NULL},
        {"stdout", "/proc/self/fd/1", NULL},     {"stderr", "/proc/self/fd/2", NULL},
        {"core", "/proc/kcore", "kcore"},
    };
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct stat st;
        if (links[i].wanted != NULL && fstatat(proc_fd(), links[i].wanted, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (symlinkat(links[i].target, dir, links[i].name) != 0 && errno != EEXIST)
            return failed_link(links[i].name);
    }
    return link_ptmx(dir);
}

static int open_dev(const struct enter *e)
{
    int fd = path_open_directory(e->tree, "dev", true);
    if (fd == -ELOOP || fd == -ENOTDIR)
        return err_because("open", "/dev", -fd, "in the root it is no real directory");
    return fd >= 0 ? fd : err_no("open", "/dev", -fd);
}

int dev_populate(struct enter *e)
{
    AUTO_CLOSE int dir = open_dev(e);
    if (dir == -ENOENT)
        dir = rootfs_make(e, "/dev", true);
    int error = dir < 0 ? dir : make_nodes(e, dir, "/dev");
    // Where it can't be written a layer may lie over it by now.
    AUTO_CLOSE int again = error < 0 ? error : open_dev(e);
    error = again < 0 ? again : make_links(again);
    return error < 0 ? error : reopen_null(again);
}

// -- the console -------------------------------------------------------------------------------

// The terminal at descriptor 0, found again in this mount namespace. Its name is whatever somebody made of it
// (CVE-2025-52565): what counts is that it is the same device of a devpts.
static int open_terminal(void)
{
    char path[PATH_MAX];
    struct stat st, again;
    struct statfs fs;
    if (!isatty(0))
        return err_because("console", NULL, ENOTTY, "descriptor 0 is no terminal");
    int error = proc_fd_path(0, path, sizeof(path));
    if (error < 0)
        return error;
    AUTO_CLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", path);
    if (fstat(0, &st) != 0 || fstat(fd, &again) != 0 || fstatfs(fd, &fs) != 0)
        return err_at("fstat", path);
    const long devpts = 0x1cd1; // DEVPTS_SUPER_MAGIC
    if (fs.f_type != devpts || !S_ISCHR(again.st_mode))
        return err_because("console", path, ENODEV, "the terminal at descriptor 0 is none of a devpts");
    if (st.st_dev != again.st_dev || st.st_ino != again.st_ino || st.st_rdev != again.st_rdev)
        return err_because("console", path, ESTALE, "it is not the terminal at descriptor 0");
    return fd_take(&fd);
}

static int bind_console(struct enter *e, int dir, const char *name)
{
    static const struct rootfs_how how = {.set = ATTR_NOSUID | ATTR_NOEXEC, .propagation = MS_PRIVATE};
    char path[PATH_MAX];
    int error = join_path(name, "console", path, sizeof(path));
    AUTO_CLOSE int terminal = error < 0 ? error : open_terminal();
    if (terminal < 0)
        return terminal;
    if (mknodat(dir, "console", S_IFREG, 0) != 0)
        return err_at("mknod", path);
    AUTO_CLOSE int target = openat(dir, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0)
        return err_at("open", path);
    AUTO_CLOSE int mount = rootfs_bind(e, terminal, target, &how, path);
    return mount < 0 ? mount : 0;
}

// -- the file system ---------------------------------------------------------------------------

// Its own defaults come first, so that what the user wrote wins; `console` is a word of ours.
static int compose(const struct plan_mount *m, char *data, size_t size, bool *console)
{
    struct text t = {data, size, 0};
    text_add(&t, "mode=755,size=65536k");
    *console = false;
    for (const char *word = m->data; word != NULL && *word != '\0';) {
        size_t n = strcspn(word, ",");
        char part[PATH_MAX];
        if (n >= sizeof(part))
            return err_because("mount", m->target, E2BIG, "an option is longer than 4095 bytes");
        memcpy(part, word, n);
        part[n] = '\0';
        word += n + (word[n] == ',');
        if (strcmp(part, "console") == 0) {
            *console = true;
            continue;
        }
        text_add(&t, ",");
        text_add(&t, part);
    }
    return text_end(&t) ? 0 : err_because("mount", m->target, E2BIG, "its options are longer than a page");
}

static bool is_dev(const char *target)
{
    char clean[sizeof("/dev")];
    return plan_clean_path(target, clean, sizeof(clean)) && strcmp(clean, "/dev") == 0;
}

int dev_mount(struct enter *e, const struct plan_mount *m, int target)
{
    char data[PATH_MAX];
    bool console;
    uint64_t set = m->set | m->set_all;
    bool read_only = (set & ATTR_RDONLY) != 0;
    uint64_t cleared = m->clear | m->clear_all;
    uint64_t own = (cleared & ATTR_NOSUID) != 0 ? 0 : ATTR_NOSUID;
    if ((cleared & ATTR_ATIME) == 0)
        own |= ATTR_STRICTATIME;
    struct rootfs_how how = {.set = (set & ~(uint64_t)ATTR_RDONLY) | own,
                             .propagation = m->propagation,
                             .propagation_all = m->propagation_all};
    int error = compose(m, data, sizeof(data), &console);
    if (error < 0)
        return error;
    AUTO_CLOSE int dir = rootfs_mount(e, "tmpfs", m->source, data, &how, target, m->target);
    if (dir < 0)
        return dir;
    error = make_nodes(e, dir, m->target);
    if (error == 0)
        error = make_links(dir);
    if (error == 0 && is_dev(m->target))
        error = reopen_null(dir);
    if (error == 0 && console)
        error = bind_console(e, dir, m->target);
    // Others may be mounted in it still.
    return error == 0 && read_only ? rootfs_set_read_only_later(e, fd_take(&dir)) : error;
}

// -- devices by name ---------------------------------------------------------------------------

static int describe(const struct plan_device *d, const char *path, struct node *n)
{
    struct stat st;
    *n = (struct node){.path = path,
                       .mode = (d->mode & S_IFMT) | (d->has_mode ? d->mode & 07777 : 0666),
                       .major = d->major,
                       .minor = d->minor,
                       .uid = d->uid,
                       .gid = d->gid,
                       .source = path}; // OCI names no other
    if (d->source == NULL)
        return 0;
    if (d->source[0] != '/') // the working directory is ROOT, whose links would be followed
        return err_because("--device", d->source, EINVAL, "it must be an absolute path");
    AUTO_CLOSE int fd = open(d->source, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", d->source);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", d->source);
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_because("--device", d->source, ENODEV, "it is no device");
    n->source = d->source;
    n->major = major(st.st_rdev);
    n->minor = minor(st.st_rdev);
    n->mode = (st.st_mode & S_IFMT) | (n->mode & 07777);
    if (d->has_mode)
        return 0;
    n->mode = st.st_mode;
    n->uid = st.st_uid;
    n->gid = st.st_gid;
    return 0;
}

int dev_make(struct enter *e, const struct plan_device *d)
{
    char path[PATH_MAX], parent[PATH_MAX];
    struct node n;
    if (!plan_clean_path(d->target, path, sizeof(path)))
        return err_no("mknod", d->target, ENAMETOOLONG);
    if (d->source == NULL && strcmp(path, "/dev/ptmx") == 0)
        return 0; // the link to the root's own devpts is that
    int error = describe(d, path, &n);
    if (error < 0)
        return error;
    if (strcmp(path, "/") == 0)
        return err_no("mknod", d->target, EISDIR);
    memcpy(parent, path, strlen(path) + 1);
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = '\0';
    AUTO_CLOSE int dir = rootfs_make(e, parent, true);
    return dir < 0 ? dir : node_make(e, dir, &n);
}
