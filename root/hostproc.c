// SPDX-License-Identifier: MIT
#include "root/hostproc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"
#include "sys/text.h"

static int find_below(const struct mountinfo *m, void *context)
{
    const char *root = context;
    size_t n = strlen(root);
    if (n == 1)
        n = 0; // "/"
    bool below = strncmp(m->point, root, n) == 0 && (m->point[n] == '/' || m->point[n] == '\0');
    return below ? 1 : 0;
}

bool hostproc_below(int root)
{
    static char path[PATH_MAX];
    AUTO_CLOSE int mounts = mountinfo_open();
    struct stat by_fd, by_path;
    bool known = mounts >= 0 && proc_fd_path(root, path, sizeof(path)) == 0 && path[0] == '/' &&
                 fstat(root, &by_fd) == 0 && stat(path, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
                 by_fd.st_ino == by_path.st_ino;
    if (!known) // deleted, detached, or on a mount that is covered
        return true;
    return mountinfo_each_of(mounts, "proc", find_below, path) != 0;
}

int hostproc_in_clone(int tree)
{
    static uint64_t ids[1024];
    int is = proc_is_procfs(tree);
    if (is < 0)
        return err_no("fstatfs", "the root", -is);
    if (is > 0)
        return 1;
    int count = mount_list_below(tree, ids, sizeof(ids) / sizeof(ids[0]));
    if (count < 0) // before 6.8, or more than fit
        return hostproc_below(tree);
    for (int i = 0; i < count; i++) {
        uint64_t magic = mount_magic(ids[i]);
        if (magic == PROC_SUPER_MAGIC || magic == 0)
            return 1;
    }
    return 0;
}

static int find_id(const struct mountinfo *m, void *context)
{
    return m->id == *(const uint64_t *)context ? 1 : 0;
}

int hostproc_refuse_foreign(const char *name)
{
    AUTO_CLOSE int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    // In a chroot the mount of "/" itself is not listed.
    AUTO_CLOSE int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here < 0 || slash < 0)
        return err_at("open", name);
    uint64_t id = mount_id(here), own = id != 0 ? mount_id(slash) : 0;
    if (own == 0)
        return err_at("statx", name);
    if (own == id)
        return 0;
    AUTO_CLOSE int mounts = mountinfo_open();
    int found = mounts < 0 ? mounts : mountinfo_each(mounts, find_id, &id);
    if (found > 0)
        return 0;
    if (found == 0)
        err_because("check /proc", name, EPERM, "the root is not on a mount that the caller can see");
    err_hint("whether it shows the caller's processes can't be told: --allow-host-proc accepts that");
    return found == 0 ? -EPERM : found;
}

struct look {
    const char *root;
    bool own_pids;
    bool any;
};

static int cannot_look(const struct look *look, const char *point)
{
    int error = err_at("check /proc", point);
    err_hint2("a procfs is there, and whether it shows the caller's processes can't be told; root: ", look->root);
    return error;
}

static int refuse(const struct look *look, const char *point, const char *reason)
{
    err_because("check /proc", point, EPERM, reason);
    err_hint2("the payload could reach the host's processes through it: a user namespace of other ids "
              "than root's prevents that, --allow-host-proc accepts it; root: ", look->root);
    return -EPERM;
}

// Whether this procfs shows the processes of our own pid namespace: then it has a "self" for us.
static int look_at(const struct mountinfo *m, void *context)
{
    struct look *look = context;
    look->any = true;
    if (m->root[1] >= '0' && m->root[1] <= '9')
        return refuse(look, m->point, "the directory of one process is mounted there");
    if (strcmp(m->root, "/") != 0)
        return 0; // /proc/sys and the like: no processes in it
    struct stat st;
    AUTO_CLOSE int fd = open(m->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int is_procfs = fd < 0 ? -1 : proc_is_procfs(fd);
    if (is_procfs < 0 || fstat(fd, &st) != 0)
        return cannot_look(look, m->point);
    if (is_procfs == 0 || major(st.st_dev) != m->major || minor(st.st_dev) != m->minor)
        return refuse(look, m->point, "a procfs is there that is covered");
    char self[16] = "", number[11];
    if (readlinkat(fd, "self", self, sizeof(self) - 1) < 0) // in another pid namespace than ours there is none
        return errno == ENOENT ? 0 : cannot_look(look, m->point);
    // Pid 1 of a namespace has another number in all those above it.
    text_from_number(number, (uint32_t)getpid());
    if (look->own_pids && getpid() == 1 && strcmp(self, number) == 0)
        return 0;
    return refuse(look, m->point, "a procfs of the caller's own pid namespace is visible in the root");
}

int hostproc_refuse(const char *root, bool own_pids, bool *any)
{
    struct look look = {.root = root, .own_pids = own_pids};
    int error = proc_need();
    AUTO_CLOSE int mounts = error == 0 ? mountinfo_open() : error;
    if (mounts < 0) {
        err_hint("whether the root shows the caller's processes can't be told without /proc: --allow-host-proc");
        return mounts;
    }
    error = mountinfo_each_of(mounts, "proc", look_at, &look);
    *any = look.any;
    return error;
}
