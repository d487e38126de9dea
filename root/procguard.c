// SPDX-License-Identifier: MIT
#include "root/procguard.h"

#include "plan/mountspec.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "sys/err.h"
#include "sys/proc.h"

enum { PROC_ROOT_INODE = 1 };

// Files that tell of the machine, which others show changed for a container.
static const char *const allowed[] = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",  "/proc/stat",
    "/proc/swaps",   "/proc/uptime",    "/proc/loadavg",  "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",     "/proc/sys/crypto/fips_enabled", NULL,
};

static bool is_allowed(const char *path)
{
    for (int i = 0; allowed[i] != NULL; i++) {
        if (strcmp(path, allowed[i]) == 0)
            return true;
    }
    return false;
}

static bool is_proc_root(int fd)
{
    struct stat st;
    return fd >= 0 && proc_is_procfs(fd) == 1 && fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INODE;
}

// The path of `target` in the root, as the kernel has it: links are gone from it. Without a procfs on the host the
// plan's own words have to do.
static int find_path(const struct enter *e, const struct plan_mount *m, int target, bool plain, char *path)
{
    static char root[PATH_MAX]; // the same for all, whatever covers it by now
    if (plain || proc_fd() < 0)
        return plan_clean_path(m->target, path, PATH_MAX) ? 0 : err_no("open", m->target, ENAMETOOLONG);
    int error = root[0] == '\0' ? proc_fd_path(e->tree, root, sizeof(root)) : 0;
    if (error == 0)
        error = proc_fd_path(target, path, PATH_MAX);
    if (error < 0)
        return error;
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return err_because("mount", m->target, EXDEV, "it was moved out of the root meanwhile");
    memmove(path, path + n, strlen(path + n) + 1);
    return 0;
}

int procguard_check(const struct enter *e, const struct plan_mount *m, int target, bool plain, int source)
{
    static char path[PATH_MAX];
    int error = find_path(e, m, target, plain, path);
    if (error < 0)
        return error;
    if (path[0] == '\0' || strcmp(path, "/") == 0)
        return err_because("mount", m->target, EBUSY, "nothing is mounted over the root itself");
    bool below = strncmp(path, "/proc/", 6) == 0;
    if (strcmp(path, "/proc") == 0) {
        if (m->type == MOUNT_PROC || (m->type == MOUNT_BIND && !m->overlay && is_proc_root(source)))
            return 0;
        return err_because("mount", m->target, EPERM, "only a procfs may be mounted on /proc");
    }
    if (!below)
        return 0;
    if (m->type == MOUNT_BIND && is_allowed(path))
        return 0;
    return err_because("mount", m->target, EPERM, "nothing is mounted below /proc but files that show the machine");
}
