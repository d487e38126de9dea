// SPDX-License-Identifier: MIT
#include "root/join.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "root/forward.h"
#include "root/sources.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/ns.h"
#include "sys/num.h"
#include "sys/proc.h"
#include "sys/start.h"
#include "sys/status.h"
#include "sys/text.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

// -- the target --------------------------------------------------------------------------------

static int gone(const struct plan *p)
{
    return err_because("--target", p->target, ESRCH, "the process has ended");
}

static const char *proc_path(char path[32], const char *before, unsigned number, const char *after)
{
    struct text t = {path, 32, 0};
    text_add(&t, before);
    text_number(&t, number);
    text_add(&t, after);
    text_end(&t);
    return path;
}

// The number that /proc has for the process of a pidfd: its pid namespace and ours may differ.
static int number_of(const struct plan *p, int pidfd, unsigned *number)
{
    char path[32], text[1024];
    uint64_t pid;
    const char *end;
    ssize_t n = proc_read(proc_path(path, "self/fdinfo/", (unsigned)pidfd, ""), text, sizeof(text));
    if (n < 0)
        return (int)n;
    const char *line = strstr(text, "\nPid:\t");
    if (line == NULL)
        return err_because("--target", p->target, EINVAL, "it is no pidfd");
    line += sizeof("\nPid:\t") - 1;
    if (*line == '-')
        return gone(p);
    if (!num_prefix(line, INT32_MAX, &pid, &end) || *end != '\n' || pid == 0)
        return err_because("--target", p->target, ESRCH, "the process is not one of this pid namespace");
    *number = (unsigned)pid;
    return 0;
}

// *pidfd stays -1 where the kernel (< 5.3) or a filter has no pidfd_open(2): a directory in /proc pins the
// process too.
static int open_pidfd(const struct plan *p, int *pidfd)
{
    if (p->target_by == TARGET_FD) {
        *pidfd = fd_copy(p->target_number);
        return *pidfd < 0 ? *pidfd : p->target_number <= 2 ? fd_blank(p->target_number) : 0;
    }
    *pidfd = (int)syscall(SYS_pidfd_open, p->target_number, 0);
    if (*pidfd >= 0)
        return 0;
    return errno == ENOSYS || errno == EPERM ? proc_check_numbers() : err_at("pidfd_open", p->target);
}

// PROC/PID/ns of the target.
static int open_target(const struct plan *p, int *pidfd)
{
    char path[32];
    unsigned number = (unsigned)p->target_number;
    int error = open_pidfd(p, pidfd);
    if (error == 0 && *pidfd >= 0)
        error = number_of(p, *pidfd, &number);
    if (error < 0) {
        fd_auto_close(pidfd); // it may be anything
        return error;
    }
    return proc_open_file(proc_path(path, "", number, "/ns"), O_PATH | O_DIRECTORY);
}

// A pidfd becomes readable when the process ends: its number can't have been given to another before that.
static int check_alive(const struct plan *p, int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int n = poll(&ended, 1, 0);
    return n < 0 ? err_at("poll", p->target) : n > 0 ? gone(p) : 0;
}

// -- opening -----------------------------------------------------------------------------------

static int open_of_target(const struct plan *p, const struct plan_join *j, int directory)
{
    int fd = openat(directory, j->name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int error = err_at("open /proc/PID/ns", j->name);
    if (error == -EACCES)
        err_hint2("this needs the right to trace the process, as its user or by CAP_SYS_PTRACE: ", p->target);
    return error;
}

static int open_source(const struct plan_join *j)
{
    if (j->fd >= 0) {
        int copy = fd_copy(j->fd);
        return copy >= 0 && j->fd <= 2 && fd_blank(j->fd) < 0 ? -EBADF : copy;
    }
    // O_NONBLOCK: a name may lead to a FIFO.
    int fd = open(j->source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open", j->source);
}

// In doubt it is the caller's own: then the payload is held as one that shares it.
static bool is_foreign(int fd, int flag)
{
    struct stat own, other;
    const struct ns_kind *kind = ns_kinds;
    while (kind->flag != flag)
        kind++;
    if (proc_fd() < 0 || fstatat(proc_fd(), kind->file, &own, 0) != 0 || fstat(fd, &other) != 0)
        return false;
    return own.st_dev != other.st_dev || own.st_ino != other.st_ino;
}

static int open_all(struct enter *e, int directory)
{
    const struct plan *p = e->plan;
    for (unsigned i = 0; i < p->join_count; i++) {
        const struct plan_join *j = &p->join[i];
        int *fd = &e->join[i];
        *fd = j->source == NULL ? open_of_target(p, j, directory) : open_source(j);
        int error = *fd < 0 ? *fd : ns_check(*fd, j->flag, j->source != NULL ? j->source : j->name);
        if (error < 0)
            return error;
        if (is_foreign(*fd, j->flag))
            e->foreign |= j->flag;
    }
    return 0;
}

int join_open(struct enter *e)
{
    AUTO_CLOSE int pidfd = -1;
    AUTO_CLOSE int directory = -1;
    const struct plan *p = e->plan;
    int error = 0;
    if (p->target_by != TARGET_NONE)
        error = directory = open_target(p, &pidfd);
    if (error >= 0)
        error = open_all(e, directory);
    // Said last it holds for all of them; and it explains why one could not be opened.
    int alive = pidfd >= 0 ? check_alive(p, pidfd) : 0;
    return alive < 0 ? alive : error;
}

// -- entering ----------------------------------------------------------------------------------

// What is opened later is close-on-exec and short-lived; what is open now must be on this list.
static int close_others(const struct enter *e)
{
    const struct plan *p = e->plan;
    static int keep[PASS_FDS_MAX + JOINS_MAX + SOURCES_HELD + 10];
    const int own[] = {
        0, 1, 2, status_fd(), p->sync_fd, proc_fd(), e->root, e->upper, e->work, e->map_channel};
    size_t count = sizeof(own) / sizeof(own[0]);
    memcpy(keep, own, sizeof(own));
    for (unsigned i = 0; i < p->join_count; i++)
        keep[count++] = e->join[i];
    for (unsigned i = 0; i < p->pass_fd_count; i++)
        keep[count++] = p->pass_fd[i];
    count += sources_held(e, keep + count);
    return fd_close_all_but(keep, forward_sort(keep, count), proc_fd());
}

// The mount namespace last: up to there all paths are the caller's.
static const int order[] = {
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWNS,
};
enum { ORDER = sizeof(order) / sizeof(order[0]) };

// The descriptor of the namespace of that type, if it is to be joined still.
static int *waiting(struct enter *e, int flag)
{
    for (unsigned i = 0; i < e->plan->join_count; i++) {
        if (e->plan->join[i].flag == flag && e->join[i] >= 0)
            return &e->join[i];
    }
    return NULL;
}

// What is denied stays for the next pass, but for the last one.
static int pass(struct enter *e, bool last)
{
    for (int i = 0; i < ORDER; i++) {
        int *fd = waiting(e, order[i]);
        int error = fd != NULL ? ns_enter(*fd, order[i]) : 0;
        if (error == -EPERM && !last) {
            err_forget();
            continue;
        }
        if (error == -EPERM)
            err_hint("this needs CAP_SYS_ADMIN in the user namespace that owns it (--join=user), "
                     "and in the caller's");
        if (error < 0)
            return error;
        if (fd != NULL)
            fd_auto_close(fd);
    }
    return 0;
}

static int read_map(const char *path, struct id_maps *maps)
{
    static char text[(MAP_LINES + 1) * 33]; // a line is three columns of ten digits
    ssize_t n = proc_read(path, text, sizeof(text));
    if (n < 0)
        return (int)n;
    maps->count = 0;
    for (const char *at = text; *at != '\0' && maps->count < MAP_LINES; at += *at == '\n') {
        uint64_t field[3];
        for (int i = 0; i < 3; i++) {
            at += strspn(at, " ");
            if (!num_prefix(at, UINT32_MAX, &field[i], &at))
                return err_no("read /proc", path, EINVAL);
        }
        struct id_map *line = &maps->line[maps->count++];
        *line = (struct id_map){(uint32_t)field[0], (uint32_t)field[1], (uint32_t)field[2]};
    }
    return 0;
}

// nsenter's way: 0, unless --user says who else.
static int decide_ids(struct enter *e)
{
    struct plan *p = e->plan;
    bool named = p->has_user;
    int error = read_map("self/uid_map", &p->users);
    if (error == 0)
        error = read_map("self/gid_map", &p->groups_map);
    if (error < 0)
        return error;
    if (!named) {
        p->uid = p->gid = 0;
        p->has_user = true;
    }
    error = plan_decide_ids(p, e->caller);
    err_stage("join");
    if (error < 0 && !named)
        err_hint("0 is not mapped in the joined user namespace: name ids that are with --user=UID:GID");
    return error;
}

static int enter_userns(struct enter *e, int *fd)
{
    uint64_t sets[3] = {0};
    int error = ns_enter(*fd, CLONE_NEWUSER);
    if (error == -EINVAL)
        err_hint("the kernel enters no user namespace that the caller is in already");
    else if (error == -EPERM)
        err_hint("this needs CAP_SYS_ADMIN in that user namespace: as root outside of it, or as its owner");
    if (error == 0)
        error = start_dumpable(false);
    if (error == 0)
        error = caps_get(sets);
    if (error < 0)
        return error;
    fd_auto_close(fd);
    e->held = sets[1];
    error = decide_ids(e);
    if (error < 0)
        return error;
    // Files that the helper makes on its way in must belong to somebody who is mapped.
    const struct plan *p = e->plan;
    if (plan_maps_inner(&p->users, 0) && plan_maps_inner(&p->groups_map, 0) &&
        (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0))
        return err_at("setresuid", "0");
    error = start_dumpable(false);
    // The kernel forgets the order with the change of ids.
    return error == 0 && p->die_with_parent ? start_die_with(start_parent()) : error;
}

// A session keyring is shared with whoever inherits it, and belongs to no namespace. Without keys in the kernel, or
// where a filter refuses them, there is nothing to share.
static int leave_keyring(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS || errno == EPERM)
        return 0;
    return err_at("keyctl", "KEYCTL_JOIN_SESSION_KEYRING");
}

// Before the user namespace what it does not own, behind it what it does: neither need be all.
int join_enter(struct enter *e)
{
    int *userns = waiting(e, CLONE_NEWUSER);
    int error = start_dumpable(false);
    if (error == 0)
        error = close_others(e);
    if (error == 0)
        error = leave_keyring();
    if (error == 0 && userns != NULL)
        error = pass(e, false);
    if (error == 0 && userns != NULL)
        error = enter_userns(e, userns);
    return error == 0 ? pass(e, true) : error;
}
