/* SPDX-License-Identifier: MIT */
/*
 * A payload that prints, as one JSON object, what it was started with. Needs no /proc.
 * report [-o FILE | -f FD] [ARG]...      default: standard output
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;
static FILE *out;

static void text(const char *s)
{
    putc('"', out);
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p == '"' || *p == '\\' || *p < 0x20 || *p >= 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            putc(*p, out);
    }
    putc('"', out);
}

static void list(const char *name, char **v)
{
    fprintf(out, ",\"%s\":[", name);
    for (int i = 0; v && v[i]; i++) {
        fputs(i ? "," : "", out);
        text(v[i]);
    }
    putc(']', out);
}

static void ids(void)
{
    uid_t r, e, s;
    gid_t g[1024];
    getresuid(&r, &e, &s);
    fprintf(out, ",\"uids\":[%u,%u,%u]", r, e, s);
    getresgid(&r, &e, &s);
    fprintf(out, ",\"gids\":[%u,%u,%u],\"groups\":[", r, e, s);
    int n = getgroups(1024, g);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s%u", i ? "," : "", g[i]);
    putc(']', out);
    fprintf(out, ",\"pid\":%d,\"ppid\":%d,\"pgid\":%d,\"sid\":%d", getpid(), getppid(), getpgid(0),
            getsid(0));
}

static void capabilities(void)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {0};
    unsigned long long bounding = 0, ambient = 0;
    syscall(SYS_capget, &h, d);
    for (int c = 0; c < 64; c++) {
        if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1)
            bounding |= 1ULL << c;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
            ambient |= 1ULL << c;
    }
    fprintf(out, ",\"caps\":{\"effective\":%llu,\"permitted\":%llu,\"inheritable\":%llu",
            (unsigned long long)d[1].effective << 32 | d[0].effective,
            (unsigned long long)d[1].permitted << 32 | d[0].permitted,
            (unsigned long long)d[1].inheritable << 32 | d[0].inheritable);
    fprintf(out, ",\"bounding\":%llu,\"ambient\":%llu}", bounding, ambient);
    fprintf(out, ",\"nnp\":%d,\"seccomp\":%d,\"securebits\":%d,\"dumpable\":%d",
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP, 0, 0, 0, 0),
            prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    int death = -1;
    prctl(PR_GET_PDEATHSIG, &death);
    fprintf(out, ",\"pdeathsig\":%d,\"keepcaps\":%d", death, prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
}

static void signals(void)
{
    unsigned long long blocked = 0, ignored = 0;
    struct sigaction sa;
    /* Bare: musl's own call leaves out 32 to 34. */
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
    for (int s = 1; s < 65; s++) {
        if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
            ignored |= 1ULL << (s - 1);
    }
    fprintf(out, ",\"blocked\":%llu,\"ignored\":%llu", blocked, ignored);
}

static const char *kind(mode_t m)
{
    return S_ISDIR(m) ? "dir" : S_ISREG(m) ? "file" : S_ISCHR(m) ? "char" : S_ISFIFO(m) ? "fifo"
         : S_ISSOCK(m) ? "socket" : S_ISBLK(m) ? "block" : "other";
}

/* Taken before anything is opened here. */
static void descriptors(char *buf, size_t size)
{
    size_t n = 0;
    struct stat st;
    for (int fd = 0; fd < 4096; fd++) {
        int flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);
        if (flags < 0 || fstat(fd, &st) < 0)
            continue;
        n += (size_t)snprintf(buf + n, size - n,
                              "%s\"%d\":{\"kind\":\"%s\",\"rdev\":[%u,%u],\"ino\":%llu,"
                              "\"cloexec\":%d,\"mode\":%d}",
                              n ? "," : "", fd, kind(st.st_mode), (unsigned)(st.st_rdev >> 8 & 0xfff),
                              (unsigned)(st.st_rdev & 0xff), (unsigned long long)st.st_ino,
                              flags & FD_CLOEXEC, status & O_ACCMODE);
        if (n > size - 256)
            break;
    }
}

static void limits(void)
{
    static const char *const names[] = {"cpu", "fsize", "data", "stack", "core", "rss", "nproc",
        "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};
    fprintf(out, ",\"rlimits\":{");
    for (int i = 0; i < 16; i++) {
        struct rlimit l;
        getrlimit(i, &l);
        fprintf(out, "%s\"%s\":[%lld,%lld]", i ? "," : "", names[i], (long long)l.rlim_cur,
                (long long)l.rlim_max);
    }
    putc('}', out);
}

/* Namespace inodes, through a pidfd of our own (kernel 6.11); absent where that is missing. */
static void namespaces(void)
{
    static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children",
        "time", "time_for_children", "user", "uts"};
    int first = 1, pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    fprintf(out, ",\"ns\":{");
    for (unsigned i = 0; pidfd >= 0 && i < 10; i++) {
        struct stat st;
        int fd = ioctl(pidfd, _IO(0xFF, 1 + i), 0);
        if (fd >= 0 && fstat(fd, &st) == 0) {
            fprintf(out, "%s\"%s\":%llu", first ? "" : ",", names[i], (unsigned long long)st.st_ino);
            first = 0;
        }
        if (fd >= 0)
            close(fd);
    }
    putc('}', out);
    if (pidfd >= 0)
        close(pidfd);
}

int main(int argc, char **argv)
{
    static char fds[1 << 20];
    char cwd[4096] = "";
    struct utsname u;
    struct stat st;
    descriptors(fds, sizeof fds);
    mode_t mask = umask(0);
    umask(mask);
    out = stdout;
    if (argc > 2 && strcmp(argv[1], "-o") == 0)
        out = fopen(argv[2], "w");
    if (argc > 2 && strcmp(argv[1], "-f") == 0)
        out = fdopen(atoi(argv[2]), "w");
    if (!out)
        return 99;
    if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0)
        strcpy(cwd, "?");
    uname(&u);
    stat("/", &st);
    fprintf(out, "{\"argc\":%d,\"umask\":%u,\"fds\":{%s}", argc, mask, fds);
    fputs(",\"cwd\":", out);
    text(cwd);
    fputs(",\"hostname\":", out);
    text(u.nodename);
    fprintf(out, ",\"root\":[%llu,%llu]", (unsigned long long)st.st_dev,
            (unsigned long long)st.st_ino);
    ids();
    capabilities();
    signals();
    limits();
    namespaces();
    list("argv", argv);
    list("environ", environ);
    /* Last, because it changes something where it is allowed. */
    fprintf(out, ",\"setgroups\":%d}\n", setgroups(0, NULL) == 0 ? 0 : errno);
    return fclose(out) == 0 ? 0 : 98;
}
