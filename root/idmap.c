// SPDX-License-Identifier: MIT
//
// User namespaces that nobody lives in: their maps are what an idmapped mount shows (mount_setattr(2)).
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "root/enter.h"
#include "root/rootfs.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/text.h"

// The mounts of one container have the same maps, mostly: one process for all of them.
static struct {
    int fd;
    struct id_maps users, groups;
} last = {.fd = -1};

static bool is_same(const struct id_maps *a, const struct id_maps *b)
{
    return a->count == b->count && memcmp(a->line, b->line, a->count * sizeof(a->line[0])) == 0;
}

// -- the process in it -------------------------------------------------------------------------

// Lives until the other end is closed, by whatever end its parent takes.
static _Noreturn void inside(int channel)
{
    int result = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
    char byte;
    if (send(channel, &result, sizeof(result), MSG_NOSIGNAL) == (ssize_t)sizeof(result))
        (void)!read(channel, &byte, 1);
    _exit(0);
}

static int wait_for_namespace(int channel)
{
    int result = 0;
    ssize_t n = fd_read_all(channel, &result, sizeof(result), "unshare");
    if (n < 0)
        return (int)n;
    if (n != (ssize_t)sizeof(result))
        return err_because("unshare", "user", ECHILD, "the process of an idmapped mount's namespace is gone");
    return result == 0 ? 0 : err_no("unshare", "user", result);
}

static const char *name_file(char *path, size_t size, pid_t pid, const char *file)
{
    struct text t = {path, size, 0};
    text_number(&t, (unsigned)pid);
    text_add(&t, "/");
    text_add(&t, file);
    text_end(&t);
    return path;
}

static int open_namespace(pid_t pid)
{
    char path[32];
    if (proc_fd() < 0)
        return proc_missing();
    int fd = openat(proc_fd(), name_file(path, sizeof(path), pid, "ns/user"), O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : err_at("open /proc", path);
}

static int map(pid_t pid, const struct id_maps *users, const struct id_maps *groups)
{
    char path[32], text[MAP_TEXT];
    int error = userns_map_text(users, text);
    if (error == 0)
        error = proc_write(name_file(path, sizeof(path), pid, "uid_map"), text);
    if (error == 0)
        error = userns_map_text(groups, text);
    return error == 0 ? proc_write(name_file(path, sizeof(path), pid, "gid_map"), text) : error;
}

// -- the namespace -----------------------------------------------------------------------------

static int make(const struct id_maps *users, const struct id_maps *groups)
{
    int ends[2], status;
    int error = proc_check_numbers();
    if (error < 0)
        return error;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return err_at("socketpair", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        inside(ends[1]);
    }
    close(ends[1]);
    AUTO_CLOSE int channel = ends[0];
    if (pid < 0)
        return err_at("fork", NULL);
    error = wait_for_namespace(channel);
    if (error == 0)
        error = map(pid, users, groups);
    AUTO_CLOSE int fd = error < 0 ? error : open_namespace(pid);
    fd_auto_close(&channel);
    error = fd < 0 ? fd : 0;
    int waited = spawn_wait(pid, &status);
    if (error < 0)
        return error;
    return waited < 0 ? waited : fd_take(&fd);
}

int idmap_namespace(const struct id_maps *users, const struct id_maps *groups)
{
    if (last.fd >= 0 && is_same(users, &last.users) && is_same(groups, &last.groups))
        return fd_copy(last.fd);
    fd_auto_close(&last.fd);
    int fd = make(users, groups);
    if (fd == -EPERM || fd == -EACCES)
        err_hint("an idmapped mount needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID where the helper starts");
    if (fd < 0)
        return fd;
    last.fd = fd;
    last.users = *users;
    last.groups = *groups;
    return fd_copy(last.fd);
}
