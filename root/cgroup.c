// SPDX-License-Identifier: MIT
//
// cgroup file systems (cgroups(7), cgroup_namespaces(7)). Version 2 is one tree. Version 1 is a tmpfs with a directory
// for each hierarchy that the host has. With a cgroup namespace of the payload's own they are mounted anew and show
// nothing above it; without one it is the host's that are bound. `ro` holds on each of these ways (CVE-2023-25809).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/text.h"

// A joined one can be the host's: another process's name for the caller's own, or the way out of a container. Its
// number is the same on every system (PROC_CGROUP_INIT_INO). In doubt it is that.
static bool is_in_initial_namespace(void)
{
    struct stat st;
    return proc_fd() < 0 || fstatat(proc_fd(), "self/ns/cgroup", &st, 0) != 0 || st.st_ino == 0xeffffffb;
}

static bool has_own_namespace(const struct enter *e)
{
    if ((e->plan->unshare & CLONE_NEWCGROUP) != 0)
        return true;
    return (e->plan->join_flags & CLONE_NEWCGROUP) != 0 && !is_in_initial_namespace();
}

static struct rootfs_how new_how(const struct plan_mount *m)
{
    return (struct rootfs_how){
        .set = m->set | m->set_all, .propagation = m->propagation, .propagation_all = m->propagation_all};
}

static struct rootfs_how bind_how(const struct plan_mount *m)
{
    return (struct rootfs_how){.set = m->set,
                               .clear = m->clear,
                               .set_all = m->set_all | (m->set & ATTR_RDONLY),
                               .clear_all = m->clear_all,
                               .propagation = m->propagation != 0 ? m->propagation : MS_PRIVATE,
                               .propagation_all = m->propagation == 0 || m->propagation_all,
                               .recursive = true};
}

static bool is_denied(int error)
{
    return error == -EPERM || error == -EBUSY;
}

// -- the host's --------------------------------------------------------------------------------

struct hierarchy {
    const char *controllers; // as in /proc/self/cgroup: "cpu,cpuacct" or "name=systemd"; NULL: version 2
    const char *own;         // the helper's own cgroup, from the root of the cgroup namespace
    bool found;
    const char *root, *point; // of a mount of it
};

static bool has_controllers(const char *features, const char *controllers)
{
    char word[NAME_MAX + 1];
    while (*controllers != '\0') {
        size_t n = strcspn(controllers, ",");
        if (n >= sizeof(word))
            return false;
        memcpy(word, controllers, n);
        word[n] = '\0';
        if (!mountinfo_has_option(features, word))
            return false;
        controllers += n + (controllers[n] == ',');
    }
    return true;
}

enum { SHOWN_MAX = 128 };

// The host's mounts of them, read once: the list is long, and the hierarchies are many.
static struct shown {
    char *features, *root, *point;
    bool version_2;
} shown[SHOWN_MAX];
static unsigned shown_count;

static int note(const struct mountinfo *m, void *context)
{
    (void)context;
    bool version_2 = strcmp(m->type, "cgroup2") == 0;
    if ((!version_2 && strcmp(m->type, "cgroup") != 0) || shown_count == SHOWN_MAX)
        return 0;
    struct shown *s = &shown[shown_count++];
    s->version_2 = version_2;
    s->features = strdup(m->features);
    s->root = strdup(m->root);
    s->point = strdup(m->point);
    return s->features != NULL && s->root != NULL && s->point != NULL ? 0 : err_at("strdup", m->point);
}

static int find(struct hierarchy *h)
{
    h->found = false;
    AUTO_CLOSE int mounts = shown_count == 0 ? mountinfo_open() : -1;
    int error = shown_count > 0 ? 0 : mounts < 0 ? mounts : mountinfo_each(mounts, note, NULL);
    for (unsigned i = 0; error == 0 && i < shown_count && !h->found; i++) {
        h->root = shown[i].root;
        h->point = shown[i].point;
        h->found = h->controllers == NULL ? shown[i].version_2
                                          : !shown[i].version_2 && has_controllers(shown[i].features, h->controllers);
    }
    return error;
}

static int open_point(const struct hierarchy *h)
{
    struct statfs fs;
    const unsigned long magic = h->controllers != NULL ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC;
    AUTO_CLOSE int fd = open(h->point, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_at("open", h->point);
    if (fstatfs(fd, &fs) != 0)
        return err_at("statfs", h->point);
    return (unsigned long)fs.f_type == magic ? fd_take(&fd) : err_because("open", h->point, ESTALE, "no cgroups are there any more");
}

// The own cgroup below the mount's root; NULL if it is not there, or above what the namespace shows.
static const char *find_own(const struct hierarchy *h)
{
    size_t n = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    if (strncmp(h->root, "/..", 3) == 0 || strncmp(h->own, h->root, n) != 0 ||
        (h->own[n] != '/' && h->own[n] != '\0'))
        return NULL;
    return h->own + n + (h->own[n] == '/');
}

// -- version 2 ---------------------------------------------------------------------------------

// Where the host has nothing to show nobody must make it up: the place would be ROOT's, and writable.
static int cover(struct enter *e, const struct plan_mount *m, int target)
{
    struct rootfs_how how = {.set = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC};
    AUTO_CLOSE int mount = rootfs_mount(e, "tmpfs", "tmpfs", "mode=755", &how, target, m->target);
    return mount < 0 ? mount : 0;
}

static int bind_unified(struct enter *e, const struct plan_mount *m, int target)
{
    static struct hierarchy h;
    struct rootfs_how how = bind_how(m);
    int error = find(&h);
    if (error < 0 || !h.found)
        return error < 0 ? error : cover(e, m, target);
    AUTO_CLOSE int source = open_point(&h);
    AUTO_CLOSE int mount = source < 0 ? source : rootfs_bind(e, source, target, &how, m->target);
    return mount < 0 ? mount : 0;
}

// A mount from the initial cgroup namespace sets the options of the one tree there is for all of the host, and clears
// those that are not named: nsdelegate and memory_recursiveprot (apply_cgroup_root_flags() of the kernel).
static int mount_unified(struct enter *e, const struct plan_mount *m, int target)
{
    bool has_options = m->data != NULL && m->data[0] != '\0';
    struct rootfs_how how = new_how(m);
    if (!has_own_namespace(e)) {
        if (!has_options)
            return bind_unified(e, m, target);
        int error = err_because("mount", m->target, EPERM, "the options of cgroup2 are the host's");
        err_hint("with --unshare=cgroup it is mounted anew, and has its own");
        return error;
    }
    AUTO_CLOSE int mount = rootfs_mount(e, "cgroup2", m->source, m->data, &how, target, m->target);
    if (mount >= 0)
        return 0;
    return is_denied(mount) && !has_options ? bind_unified(e, m, target) : mount;
}

// -- version 1 ---------------------------------------------------------------------------------

static int bind_own(struct enter *e, const struct plan_mount *m, const struct hierarchy *h, int dir, const char *path)
{
    struct rootfs_how how = bind_how(m);
    const char *own = find_own(h);
    if (own == NULL)
        return err_because("mount", path, ENOENT, "the own cgroup is not below what the host has mounted");
    AUTO_CLOSE int point = open_point(h);
    AUTO_CLOSE int source = point < 0 ? point : path_open_beneath(point, own);
    AUTO_CLOSE int mount = source < 0 ? source : rootfs_bind(e, source, dir, &how, path);
    return mount < 0 ? mount : 0;
}

static int mount_hierarchy(struct enter *e, const struct plan_mount *m, const struct hierarchy *h, int dir,
                           const char *path)
{
    struct rootfs_how how = new_how(m);
    if (!has_own_namespace(e))
        return bind_own(e, m, h, dir, path);
    AUTO_CLOSE int mount = rootfs_mount(e, "cgroup", m->source, h->controllers, &how, dir, path);
    if (mount >= 0)
        return 0;
    return is_denied(mount) && h->found && find_own(h) != NULL ? bind_own(e, m, h, dir, path) : mount;
}

// "cpu,cpuacct": each controller by its name too.
static int link_parts(int tmpfs, const char *directory)
{
    char part[NAME_MAX + 1];
    if (strchr(directory, ',') == NULL)
        return 0;
    for (const char *at = directory; *at != '\0';) {
        size_t n = strcspn(at, ",");
        memcpy(part, at, n);
        part[n] = '\0';
        at += n + (at[n] == ',');
        if (symlinkat(directory, tmpfs, part) != 0 && errno != EEXIST)
            return err_at("symlink", part);
    }
    return 0;
}

// As the host calls its directory, which says in which order the controllers stand.
static const char *name_directory(const struct hierarchy *h)
{
    if (h->found)
        return strrchr(h->point, '/') + 1;
    return strncmp(h->controllers, "name=", 5) == 0 ? h->controllers + 5 : h->controllers;
}

static int show_hierarchy(struct enter *e, const struct plan_mount *m, int tmpfs, struct hierarchy *h)
{
    char path[PATH_MAX];
    struct text t = {path, sizeof(path), 0};
    int error = find(h);
    if (error < 0)
        return error;
    if (!h->found && !has_own_namespace(e))
        return 0; // not even the host shows it
    const char *name = name_directory(h);
    if (name[0] == '\0' || name[0] == '.' || strlen(name) > NAME_MAX)
        return err_because("mount", h->controllers, EINVAL, "its directory has no name");
    text_add(&t, m->target);
    text_add(&t, "/");
    text_add(&t, name);
    if (!text_end(&t))
        return err_no("mount", m->target, ENAMETOOLONG);
    if (mkdirat(tmpfs, name, 0755) != 0)
        return err_at("mkdir", path);
    AUTO_CLOSE int dir = openat(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return err_at("open", path);
    error = mount_hierarchy(e, m, h, dir, path);
    return error < 0 ? error : link_parts(tmpfs, name);
}

// "4:memory:/user.slice": the next line that is of version 1; false after the last.
static bool next_hierarchy(char **rest, struct hierarchy *h)
{
    while (**rest != '\0') {
        char *line = *rest, *end = strchrnul(line, '\n');
        *rest = end + (*end == '\n');
        *end = '\0';
        char *controllers = strchr(line, ':');
        char *own = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (own == NULL || own == controllers + 1)
            continue;
        *own = '\0';
        h->controllers = controllers + 1;
        h->own = own + 1;
        return true;
    }
    return false;
}

static int mount_each(struct enter *e, const struct plan_mount *m, int target, char *list)
{
    static struct hierarchy h;
    struct rootfs_how how = new_how(m);
    const struct rootfs_how read_only = {.set = how.set & ATTR_RDONLY};
    if (m->data != NULL && m->data[0] != '\0')
        return err_because("mount", m->target, EINVAL, "the options of the host's cgroup hierarchies can't be changed");
    how.set = (how.set & ~(uint64_t)ATTR_RDONLY) | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
    AUTO_CLOSE int tmpfs = rootfs_mount(e, "tmpfs", m->source, "mode=755", &how, target, m->target);
    int error = tmpfs < 0 ? tmpfs : 0;
    while (error == 0 && next_hierarchy(&list, &h))
        error = show_hierarchy(e, m, tmpfs, &h);
    return error == 0 && read_only.set != 0 ? rootfs_set(e, tmpfs, &read_only, m->target) : error;
}

// -- either ------------------------------------------------------------------------------------

static bool has_version_1(const char *list)
{
    for (const char *line = list; *line != '\0';) {
        const char *controllers = strchr(line, ':');
        if (controllers == NULL)
            return false;
        if (controllers[1] != ':')
            return true;
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    return false;
}

int cgroup_mount(struct enter *e, const struct plan_mount *m, int target)
{
    static char list[65536];
    if (m->type == MOUNT_CGROUP2)
        return mount_unified(e, m, target);
    ssize_t n = proc_read("self/cgroup", list, sizeof(list));
    if (n < 0)
        return (int)n;
    if (n == (ssize_t)sizeof(list) - 1)
        return err_because("read", "/proc/self/cgroup", E2BIG, "it is longer than 64 KiB");
    return has_version_1(list) ? mount_each(e, m, target, list) : mount_unified(e, m, target);
}
