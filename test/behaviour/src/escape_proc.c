/* SPDX-License-Identifier: MIT */
/*
 * Follows what a procfs at /proc shows of other processes: escape-proc SECRET [PID]...
 * SECRET is an absolute path outside, its directory the working directory of a process of the host.
 * Without PIDs it looks at all processes but itself, for ways to the secret only: they are of the box.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "escape.h"

static const char *secret, *base;

static void look(const char *pid, const char *link, const char *rest)
{
    char name[4096], what[512];
    struct stat st;
    snprintf(name, sizeof name, "/proc/%s/%s%s", pid, link, rest);
    snprintf(what, sizeof what, "%s/%s", pid, link);
    tell(what, stat(name, &st) == 0);
}

static void descriptors(const char *pid)
{
    char name[4096];
    struct dirent *entry;
    struct stat st;
    snprintf(name, sizeof name, "/proc/%s/fd", pid);
    DIR *dir = opendir(name);
    if (!dir) {
        tell(name, 0);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        snprintf(name, sizeof name, "/proc/%s/fd/%s%s", pid, entry->d_name, base);
        if (stat(name, &st) == 0)
            tell(name, 1);
        snprintf(name, sizeof name, "/proc/%s/fd/%s/..%s", pid, entry->d_name, secret);
        if (stat(name, &st) == 0)
            tell(name, 1);
    }
    closedir(dir);
}

static void opened(const char *pid, const char *file, int flags)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%s/%s", pid, file);
    int fd = open(name, flags);
    attempt(name, fd);
    if (fd >= 0)
        close(fd);
}

static void joined(const char *pid, const char *kind)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%s/ns/%s", pid, kind);
    int fd = open(name, O_RDONLY);
    snprintf(name, sizeof name, "%s/setns-%s", pid, kind);
    attempt(name, fd < 0 ? -1 : setns(fd, 0));
    if (fd >= 0)
        close(fd);
}

static void try_process(const char *pid, int foreign)
{
    static const char *const kinds[] = {"mnt", "user", "pid", "cgroup", "net"};
    char thread[64];
    look(pid, "root", secret);
    look(pid, "cwd", base);
    snprintf(thread, sizeof thread, "%s/task/%s", pid, pid);
    look(thread, "root", secret);
    look(thread, "cwd", base);
    descriptors(pid);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        joined(pid, kinds[i]);
    if (foreign) {
        opened(pid, "mem", O_RDWR);
        opened(pid, "exe", O_RDONLY);
        opened(pid, "exe", O_WRONLY);
        opened(pid, "environ", O_RDONLY);
    }
}

int main(int argc, char **argv)
{
    char self[32];
    struct dirent *entry;
    if (argc < 2)
        return 64;
    secret = argv[1];
    base = strrchr(secret, '/');
    for (int i = 2; i < argc; i++)
        try_process(argv[i], 1);
    snprintf(self, sizeof self, "%d", getpid());
    DIR *dir = argc == 2 ? opendir("/proc") : NULL;
    while (dir && (entry = readdir(dir)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name, self) != 0)
            try_process(entry->d_name, 0);
    return finish();
}
