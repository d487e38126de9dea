/* SPDX-License-Identifier: MIT */
/*
 * All that an ordinary user may try on a process of somebody else's, or on one that is set-uid:
 * attack-process PID... ; run as that user. A process that is his own is reached by most of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "escape.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

static void copy(const char *what, long number, pid_t pid)
{
    char byte = 0;
    struct iovec mine = {&byte, 1}, theirs = {(void *)4096, 1};
    long n = syscall(number, pid, &mine, 1L, &theirs, 1L, 0L);
    tell(what, n >= 0 || errno == EFAULT);
}

static void trace(const char *what, int request, pid_t pid)
{
    long result = ptrace(request, pid, 0, 0);
    attempt(what, result);
    if (result == 0)
        exit(1); /* it is ours: nothing more to prove */
}

static void by_descriptor(pid_t pid)
{
    struct iovec range = {(void *)4096, 4096};
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int got = -1;
    for (int fd = 0; fd < 40 && got < 0; fd++)
        got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    attempt("pidfd_getfd", got);
    long n = syscall(SYS_process_madvise, pidfd, &range, 1L, (long)MADV_COLD, 0L);
    tell("process_madvise", n >= 0 || errno == ENOMEM);
    attempt("process_mrelease", syscall(SYS_process_mrelease, pidfd, 0));
    attempt("setns", setns(pidfd, CLONE_NEWNS));
    close(pidfd);
}

static void opened(pid_t pid, const char *file, int flags)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/%s", pid, file);
    int fd = open(name, flags);
    snprintf(name, sizeof name, "%s-%s", flags == O_RDONLY ? "read" : "write", file);
    attempt(name, fd);
    if (fd >= 0)
        close(fd);
}

/* Some open for anybody, and refuse the rest. */
static void write_to(pid_t pid, const char *file)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/%s", pid, file);
    int fd = open(name, O_WRONLY);
    long n = fd < 0 ? -1 : write(fd, "0", 1);
    snprintf(name, sizeof name, "write-%s", file);
    tell(name, n > 0);
    if (fd >= 0)
        close(fd);
}

static void read_from(pid_t pid, const char *file)
{
    char name[64], byte;
    snprintf(name, sizeof name, "/proc/%d/%s", pid, file);
    int fd = open(name, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, &byte, 1);
    snprintf(name, sizeof name, "read-%s", file);
    tell(name, n > 0);
    if (fd >= 0)
        close(fd);
}

static void followed(pid_t pid, const char *link)
{
    char name[64];
    struct stat st;
    snprintf(name, sizeof name, "/proc/%d/%s", pid, link);
    int result = stat(name, &st);
    snprintf(name, sizeof name, "follow-%s", link);
    attempt(name, result);
}

static void listed(pid_t pid, const char *directory)
{
    char name[64];
    struct dirent *entry;
    int found = 0;
    snprintf(name, sizeof name, "/proc/%d/%s", pid, directory);
    DIR *dir = opendir(name);
    while (dir && (entry = readdir(dir)) != NULL)
        found += entry->d_name[0] != '.';
    snprintf(name, sizeof name, "list-%s", directory);
    tell(name, found > 0);
    if (dir)
        closedir(dir);
}

static void attack(pid_t pid)
{
    static const char *const readable[] = {"mem", "environ", "auxv", "maps", "smaps", "pagemap", "syscall", "stack", "io",
                                           "timerslack_ns", "personality"};
    static const char *const writable[] = {"mem", "clear_refs", "oom_score_adj", "comm", "coredump_filter", "uid_map", "gid_map",
                                           "setgroups", "timens_offsets"};
    static const char *const guarded[] = {"attr/current", "attr/exec", "timerslack_ns"};
    static const char *const links[] = {"root", "cwd", "exe", "ns/mnt", "ns/pid", "ns/user", "fd/0", "fd/3", "fd/4"};
    static const char *const directories[] = {"fd", "fdinfo", "map_files"};
    struct rlimit none = {0, 0};
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .exclude_kernel = 1};
    copy("process_vm_readv", SYS_process_vm_readv, pid);
    copy("process_vm_writev", SYS_process_vm_writev, pid);
    attempt("kcmp", syscall(SYS_kcmp, pid, pid, KCMP_FILE, 0L, 0L));
    attempt("prlimit", prlimit(pid, RLIMIT_CORE, &none, NULL));
    attempt("perf_event_open", syscall(SYS_perf_event_open, &event, pid, -1, -1, 0L));
    attempt("move_pages", syscall(SYS_move_pages, pid, 0L, NULL, NULL, NULL, 0));
    void *head;
    size_t size;
    attempt("get_robust_list", syscall(SYS_get_robust_list, pid, &head, &size));
    by_descriptor(pid);
    for (unsigned i = 0; i < sizeof readable / sizeof *readable; i++)
        read_from(pid, readable[i]);
    for (unsigned i = 0; i < sizeof writable / sizeof *writable; i++)
        opened(pid, writable[i], O_WRONLY);
    for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++)
        write_to(pid, guarded[i]);
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++)
        followed(pid, links[i]);
    for (unsigned i = 0; i < sizeof directories / sizeof *directories; i++)
        listed(pid, directories[i]);
    trace("ptrace-attach", PTRACE_ATTACH, pid);
    trace("ptrace-seize", PTRACE_SEIZE, pid);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        attack(atoi(argv[i]));
    return finish();
}
