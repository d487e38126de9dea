// SPDX-License-Identifier: MIT
/*
 * The floor of the bench: the bare calls that enter a root and run /static-true, and nothing else.
 *
 *     floor [user] stacked|tmpdir|chroot ROOT
 *
 * The list is fixed. It stays as it is when inroot learns more, or the ratios mean nothing.
 * user: in a user namespace of its own, where the caller's ids become 0.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAYLOAD           "/static-true"
#define OLD_ROOT          ".pivot_root.floor"
#define AT_RECURSIVE_TREE 0x8000 /* AT_RECURSIVE: musl's fcntl.h lacks it */

static void must(const char *call, long result)
{
    if (result < 0) {
        perror(call);
        _exit(125);
    }
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    must(path, fd);
    must(path, write(fd, text, strlen(text)));
    must(path, close(fd));
}

static void map_ids(uid_t uid, gid_t gid)
{
    char line[64];
    write_file("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %u 1", uid);
    write_file("/proc/self/uid_map", line);
    snprintf(line, sizeof line, "0 %u 1", gid);
    write_file("/proc/self/gid_map", line);
}

static void unshare_mounts(int in_userns)
{
    if (in_userns) {
        uid_t uid = getuid();
        gid_t gid = getgid();
        must("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS));
        map_ids(uid, gid);
    } else {
        must("unshare", unshare(CLONE_NEWNS));
    }
    must("mount slave", mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
}

static void mount_over_itself(void)
{
    long tree = syscall(SYS_open_tree, AT_FDCWD, ".",
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE_TREE);
    must("open_tree", tree);
    must("move_mount",
         syscall(SYS_move_mount, (int)tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH));
    must("fchdir", fchdir((int)tree));
}

static void pivot(int tmpdir)
{
    const char *old = tmpdir ? OLD_ROOT : ".";
    if (tmpdir)
        must("mkdir", mkdir(OLD_ROOT, 0700));
    must("pivot_root", syscall(SYS_pivot_root, ".", old));
    /* From the new root down, so the old one, which hangs below it, is private before it goes. */
    must("mount private", mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
    must("umount2", umount2(old, MNT_DETACH));
    if (tmpdir)
        must("rmdir", rmdir(OLD_ROOT));
}

int main(int argc, char **argv)
{
    int in_userns = argc == 4 && strcmp(argv[1], "user") == 0;
    if (argc - in_userns != 3) {
        fputs("usage: floor [user] stacked|tmpdir|chroot ROOT\n", stderr);
        return 125;
    }
    const char *method = argv[argc - 2];
    must("chdir", chdir(argv[argc - 1]));
    if (strcmp(method, "chroot") == 0) {
        must("chroot", chroot("."));
    } else {
        unshare_mounts(in_userns);
        mount_over_itself();
        pivot(strcmp(method, "tmpdir") == 0);
    }
    must("chdir /", chdir("/"));
    execv(PAYLOAD, (char *[]){PAYLOAD, NULL});
    must("execve", -1);
}
