// SPDX-License-Identifier: MIT
#include "root/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/path.h"
#include "sys/proc.h"
#include "sys/text.h"

// -- flags -------------------------------------------------------------------------------------

// One attribute as mount_setattr(2) and mount(2) have it.
static const struct {
    uint64_t attribute;
    unsigned long flag;
} rows[] = {
    {ATTR_RDONLY, MS_RDONLY},   {ATTR_NOSUID, MS_NOSUID},         {ATTR_NODEV, MS_NODEV},   {ATTR_NOEXEC, MS_NOEXEC},
    {ATTR_NOATIME, MS_NOATIME}, {ATTR_NODIRATIME, MS_NODIRATIME}, {ATTR_NOSYMFOLLOW, 256},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static unsigned long flags_of(uint64_t attributes)
{
    unsigned long flags = 0;
    for (int i = 0; i < ROWS; i++)
        flags |= (attributes & rows[i].attribute) != 0 ? rows[i].flag : 0;
    if ((attributes & ATTR_ATIME) == 0)
        flags |= MS_RELATIME;
    return (attributes & ATTR_STRICTATIME) != 0 ? flags | MS_STRICTATIME : flags;
}

// -- places ------------------------------------------------------------------------------------

struct place {
    char path[24]; // "self/fd/N", relative to the descriptor of /proc
};

static struct place place_of(int fd)
{
    struct place p = {""};
    struct text t = {p.path, sizeof(p.path), 0};
    text_add(&t, "self/fd/");
    text_number(&t, (unsigned)fd);
    text_end(&t);
    return p;
}

static int go_to_proc(void)
{
    if (proc_fd() < 0)
        return proc_missing();
    return fchdir(proc_fd()) == 0 ? 0 : err_at("fchdir", "/proc");
}

static int change(int fd, uint64_t set, uint64_t clear, const char *name)
{
    uint64_t now = 0;
    if (mount_attributes_of(fd, &now) != 0)
        return err_at("statfs", name);
    // A remount must repeat what the mount has, or it is cleared, or refused where it is locked.
    uint64_t wanted = (now & ~clear) | set;
    if (wanted == now)
        return 0;
    if (mount(NULL, place_of(fd).path, NULL, MS_REMOUNT | MS_BIND | flags_of(wanted), NULL) == 0)
        return 0;
    if (errno != EPERM || ((now & ~wanted) | ((now ^ wanted) & ROOTFS_TIMES)) == 0)
        return err_at("mount", name);
    return err_because("mount", name, EPERM, ROOTFS_LOCKED);
}

// -- mounts below ------------------------------------------------------------------------------

// A look at a mount's place while somebody keeps exchanging directories finds it half of the time.
enum { BELOW_MAX = 8192, LOOKS_MAX = 32 };

struct below {
    int top;
    const char *path;     // of `top`
    size_t prefix;        // its length; 0 of "/"
    uint64_t id[BELOW_MAX];
    unsigned count, missed;
    uint64_t set, clear;
};

static bool is_known(const struct below *b, uint64_t id)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (b->id[i] == id)
            return true;
    }
    return false;
}

// A mount is below when its parent is; the list need not have parents first.
static int note_below(const struct mountinfo *m, void *context)
{
    struct below *b = context;
    if (!is_known(b, m->parent) || is_known(b, m->id))
        return 0;
    if (b->count == BELOW_MAX)
        return err_because("mount", m->point, E2BIG, "more than 8191 mounts below it");
    b->id[b->count++] = m->id;
    return 0;
}

// What is at its place is another mount's where that covers it, and nobody reaches it then; or because the way to it
// was exchanged since the list was read.
static int change_below(const struct mountinfo *m, void *context)
{
    struct below *b = context;
    if (m->id == b->id[0] || !is_known(b, m->id))
        return 0;
    if (strncmp(m->point, b->path, b->prefix) != 0 || (m->point[b->prefix] != '/' && m->point[b->prefix] != '\0'))
        return err_because("mount", m->point, ESTALE, "directories on the way to it are moved meanwhile");
    AUTO_CLOSE int fd = path_open_plain(b->top, m->point + b->prefix + strspn(m->point + b->prefix, "/"));
    if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
        return err_no("open", m->point, -fd);
    if (fd >= 0 && mount_id(fd) == m->id)
        return change(fd, b->set, b->clear, m->point);
    b->missed++;
    return 0;
}

static int each_mount(int (*visit)(const struct mountinfo *m, void *context), struct below *b)
{
    AUTO_CLOSE int mounts = mountinfo_open();
    return mounts < 0 ? mounts : mountinfo_each(mounts, visit, b);
}

static int change_all(int fd, uint64_t set, uint64_t clear, const char *name)
{
    static char path[PATH_MAX];
    static struct below b;
    if ((set | clear) == 0)
        return 0;
    int error = proc_fd_path(fd, path, sizeof(path));
    if (error < 0)
        return error;
    b.top = fd;
    b.path = path;
    b.prefix = strcmp(path, "/") == 0 ? 0 : strlen(path);
    b.set = set;
    b.clear = clear;
    b.id[0] = mount_id(fd);
    b.count = 1;
    if (b.id[0] == 0)
        return err_at("statx", name);
    for (unsigned before = 0; error == 0 && before < b.count;) {
        before = b.count;
        error = each_mount(note_below, &b);
    }
    if (error == 0)
        error = change(fd, set, clear, name);
    b.missed = 1;
    for (int looks = 0; error == 0 && b.missed > 0 && looks < LOOKS_MAX; looks++) {
        b.missed = 0;
        error = each_mount(change_below, &b);
    }
    return error;
}

// -- all of it ---------------------------------------------------------------------------------

static int propagate(int fd, uint64_t kind, bool all, const char *name)
{
    unsigned long flags = (unsigned long)kind | (all ? MS_REC : 0);
    return mount(NULL, place_of(fd).path, NULL, flags, NULL) == 0 ? 0 : err_at("mount", name);
}

int legacy_set(int fd, const struct rootfs_how *how, const char *name)
{
    int error = go_to_proc();
    if (error == 0 && how->propagation == MS_SHARED && !how->keep_peers)
        error = propagate(fd, MS_SLAVE, how->propagation_all, name);
    if (error == 0 && how->propagation != 0)
        error = propagate(fd, how->propagation, how->propagation_all, name);
    if (error == 0 && how->recursive)
        error = change_all(fd, how->set_all, how->clear_all, name);
    else if (error == 0)
        error = change(fd, how->set_all, how->clear_all, name);
    return error < 0 ? error : change(fd, how->set, how->clear, name);
}

// -- out of sight -------------------------------------------------------------------------------

// What mount(2) makes is made on top of "/", which nobody can exchange and where nobody looks: "/.." is what lies
// there. It is complete when it is moved to its place; found again by that place's name it could be another mount.
struct stage {
    int tmpfs; // for what is no directory: with a file in it; else -1
    int file;
};

static int open_top(const char *name)
{
    int fd = open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open", name);
}

static int open_file(const struct stage *s, const char *name)
{
    int fd = openat(s->tmpfs, "file", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open", name);
}

static int prepare_file(struct stage *s, const char *name)
{
    if (mount("tmpfs", "/", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
        return err_at("mount", name);
    s->tmpfs = open_top(name);
    if (s->tmpfs < 0)
        return s->tmpfs;
    if (mknodat(s->tmpfs, "file", S_IFREG | 0600, 0) != 0)
        return err_at("mknod", name);
    s->file = open_file(s, name);
    return s->file < 0 ? s->file : 0;
}

static int take_away(int mount, const char *name)
{
    if (fchdir(mount) != 0 || umount2(".", MNT_DETACH) != 0)
        return err_at("umount2", name);
    return go_to_proc();
}

// The mount to its place, unless there was an error before; of what was made on the way nothing stays.
static int move_there(struct stage *s, int top, int error, int target, const char *name)
{
    if (error == 0 && mount(place_of(top).path, place_of(target).path, NULL, MS_MOVE, NULL) != 0)
        error = rootfs_refuse(top, target, "mount", name);
    int left = s->tmpfs >= 0 ? s->tmpfs : error < 0 ? top : -1;
    if (left >= 0) {
        int failed = take_away(left, name);
        error = error < 0 ? error : failed;
    }
    fd_auto_close(&s->tmpfs);
    fd_auto_close(&s->file);
    return error;
}

int legacy_bind(struct enter *e, int source, int target, const struct rootfs_how *how, const char *name)
{
    struct stat st;
    struct stage s = {-1, -1};
    (void)e;
    int error = go_to_proc();
    if (error == 0 && fstat(source, &st) != 0)
        error = err_at("fstat", name);
    if (error == 0 && !S_ISDIR(st.st_mode))
        error = prepare_file(&s, name);
    const struct place place = place_of(s.file);
    if (error == 0 && mount(place_of(source).path, s.file >= 0 ? place.path : "/", NULL,
                            MS_BIND | (how->recursive ? MS_REC : 0), NULL) != 0)
        error = err_at("mount", name);
    AUTO_CLOSE int top = error < 0 ? error : s.file >= 0 ? open_file(&s, name) : open_top(name);
    error = top < 0 ? top : legacy_set(top, how, name);
    error = move_there(&s, top, error, target, name);
    return error < 0 ? error : fd_take(&top);
}

// Words that are flags to mount(2); they stand before all others.
static unsigned long take_flags(const char **data)
{
    static const struct {
        const char *word;
        unsigned long flag;
    } words[] = {{"sync", MS_SYNCHRONOUS}, {"dirsync", MS_DIRSYNC}, {"lazytime", MS_LAZYTIME}, {"mand", MS_MANDLOCK}};
    unsigned long flags = 0;
    for (size_t i = 0; *data != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(*data, words[i].word, n) != 0 || ((*data)[n] != ',' && (*data)[n] != '\0'))
            continue;
        flags |= words[i].flag;
        *data += n + ((*data)[n] == ',');
    }
    return flags;
}

int legacy_mount(struct enter *e, const char *type, const char *source, const char *data,
                 const struct rootfs_how *how, int target, const char *name)
{
    int error = go_to_proc();
    if (error < 0)
        return error;
    if (strcmp(type, "proc") == 0 && plan_forks_late(e->plan))
        return err_because("mount", name, ENOSYS, "a procfs of a joined pid namespace takes fsopen(2)");
    // Read-only is an attribute of the mount: of the file system, mount(2) would say it for all of its mounts.
    uint64_t set = how->set | how->set_all;
    unsigned long flags = flags_of(set & ~(uint64_t)ATTR_RDONLY) | take_flags(&data);
    if (data != NULL && strlen(data) >= 4095)
        return err_because("mount", name, E2BIG, "more than 4094 bytes of options");
    if (mount(source != NULL ? source : type, "/", type, flags, data) != 0) {
        error = err_at("mount", name);
        if (error == -EINVAL && data != NULL && *data != '\0') // which of them, only the newer calls can tell
            err_hint2("the kernel does not take its options: ", data);
        return error;
    }
    struct stage s = {-1, -1};
    AUTO_CLOSE int top = open_top(name);
    error = top < 0 ? top : change(top, set & ATTR_RDONLY, 0, name);
    if (error == 0 && how->propagation != 0)
        error = propagate(top, how->propagation, false, name);
    // What covers the tree is seen by nobody, and where it is now neither. The tree may lie on "/" too.
    if (error < 0 || target != e->tree)
        error = move_there(&s, top, error, target, name);
    return error < 0 ? error : fd_take(&top);
}

int legacy_read_only(const struct enter *e)
{
    int error = go_to_proc();
    if (error == 0)
        error = change_all(e->tree, ATTR_RDONLY, 0, e->plan->root);
    return error < 0 || fchdir(e->tree) == 0 ? error : err_at("fchdir", e->plan->root);
}
