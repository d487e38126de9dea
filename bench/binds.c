// SPDX-License-Identifier: MIT
/*
 * The raw calls of bind mounts: enters ROOT as `floor stacked` does, with COUNT read-only binds of SOURCE
 * over ROOT/mnt/0, ROOT/mnt/1 … before the change of root.
 *
 *     binds COUNT SOURCE ROOT
 *
 * What a bind takes is fixed: open_tree, mount_setattr, move_mount and close.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAYLOAD           "/static-true"
#define AT_RECURSIVE_TREE 0x8000 /* AT_RECURSIVE: musl's fcntl.h lacks it */

static void must(const char *call, long result)
{
    if (result < 0) {
        perror(call);
        _exit(125);
    }
}

static int clone_tree(const char *path)
{
    long tree = syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE_TREE);
    must("open_tree", tree);
    return (int)tree;
}

static void bind_read_only(const char *source, int number)
{
    char target[32];
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
    snprintf(target, sizeof target, "mnt/%d", number);
    int tree = clone_tree(source);
    must("mount_setattr", syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE_TREE, &attributes,
                                  sizeof attributes));
    must("move_mount", syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
    must("close", close(tree));
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: binds COUNT SOURCE ROOT\n", stderr);
        return 125;
    }
    must("chdir", chdir(argv[3]));
    must("unshare", unshare(CLONE_NEWNS));
    must("mount slave", mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
    int tree = clone_tree(".");
    must("move_mount", syscall(SYS_move_mount, tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH));
    must("fchdir", fchdir(tree));
    for (int i = 0; i < atoi(argv[1]); i++)
        bind_read_only(argv[2], i);
    must("pivot_root", syscall(SYS_pivot_root, ".", "."));
    must("mount private", mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
    must("umount2", umount2(".", MNT_DETACH));
    must("chdir /", chdir("/"));
    execv(PAYLOAD, (char *[]){PAYLOAD, NULL});
    must("execve", -1);
}
