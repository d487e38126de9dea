// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root/enter.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"

// The directory that the old root is put on for a moment.
struct tmpdir {
    int parent;  // ROOT's own directory, on which it is made and removed: by descriptor, never by path
    char name[sizeof(".pivot_root.XXXXXX")];
    bool made;
    bool timed; // `before` and `ours` are known
    struct timespec before, ours;
};

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool modification_time(int fd, struct timespec *t)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    *t = st.st_mtim;
    return true;
}

static void choose_name(struct tmpdir *t)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    unsigned char random[6];
    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        memset(random, getpid() & 0xff, sizeof(random)); // only a name: EEXIST tells of a clash
    memcpy(t->name, ".pivot_root.", 12);
    for (size_t i = 0; i < sizeof(random); i++)
        t->name[12 + i] = letters[random[i] & 63];
    t->name[18] = '\0';
}

static int make(struct tmpdir *t)
{
    bool known = modification_time(t->parent, &t->before);
    for (int tries = 0; tries < 64; tries++) {
        choose_name(t);
        if (mkdirat(t->parent, t->name, 0700) == 0) {
            t->made = true;
            t->timed = known && modification_time(t->parent, &t->ours);
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    return err_at("mkdir", t->name);
}

// Removes the directory and puts ROOT's modification time back, when it is still the one that our own
// mkdir or rmdir made: a change of somebody else in between stays visible.
static bool cleanup(struct tmpdir *t)
{
    struct timespec now;
    if (!t->made)
        return true;
    t->made = false;
    bool undisturbed = t->timed && modification_time(t->parent, &now) && same_time(&now, &t->ours);
    int failed = 0; // twice: a moment without memory must not leave it there
    while (unlinkat(t->parent, t->name, AT_REMOVEDIR) != 0) {
        if (failed++ > 0)
            return false;
    }
    // The rmdir itself moves the time; nobody else did between the two, or it goes back too far by that.
    if (undisturbed) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, t->before};
        // Only the owner may; a root that is not ours keeps the new time.
        (void)utimensat(t->parent, ".", times, 0);
    }
    return true;
}

static bool gives_way(int error)
{
    static const int errors[] = {EROFS, ENOSPC, EDQUOT, EACCES, EPERM, EOVERFLOW};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (error == -errors[i])
            return true;
    }
    return false;
}

// The old root is made private before it is detached: the detaching must not travel to the host. Other mounts
// may lie on its "/", and umount2() takes the topmost: on until nothing of it is left in our namespace.
static int detach_old(int old)
{
    enum { LAYERS_MAX = 64 };
    bool detached = false;
    int failed = 0;
    while (fchdir(old) != 0) {
        if (failed++ > 0)
            return err_at("fchdir", "the old root");
    }
    failed = 0;
    int error = mount_make_private(".") == 0 ? 0 : err_at("mount", "MS_PRIVATE");
    for (int layers = 0; layers < LAYERS_MAX; layers++) {
        if (umount2(".", MNT_DETACH) == 0) {
            detached = true;
        } else if (errno == EINVAL && detached) {
            return error;
        } else if (failed++ > 0) { // once more: a directory that is mounted on can't be removed
            break;
        }
    }
    return err_at("umount2", "the old root");
}

int pivot_into(struct enter *e)
{
    struct tmpdir t = {.parent = e->root};
    // By descriptor: a name inside ROOT can be exchanged by whoever may write there.
    AUTO_CLOSE int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0)
        return err_at("open", "/");
    if (e->pivot != PIVOT_STACKED) {
        // With an overlay ROOT itself must not change: the directory is made in the overlay.
        if (e->layered)
            t.parent = e->tree;
        int error = make(&t);
        if (error < 0 && (e->plan->pivot == PIVOT_TMPDIR || !gives_way(error)))
            return error;
        e->pivot = error < 0 ? PIVOT_STACKED : PIVOT_TMPDIR;
    }
    // stacked: both roots lie on one place. tmpdir: the directory was made through ROOT's own descriptor; the
    // clone may be read-only, and shows it too.
    int error = 0;
    if (mount_pivot(".", e->pivot == PIVOT_TMPDIR ? t.name : ".") != 0) {
        error = err_at("pivot_root", e->plan->root);
    } else {
        e->pivoted = true;
        error = detach_old(old);
    }
    if (!cleanup(&t) && error == 0)
        error = err_at("rmdir", t.name);
    if (error < 0)
        return error;
    if (chdir("/") != 0)
        return err_at("chdir", "/");
    return 0;
}
