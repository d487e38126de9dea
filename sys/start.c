// SPDX-License-Identifier: MIT
#include "sys/start.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

static struct limit {
    const char *name;
    rlim_t least, wanted;
    struct rlimit before;
    int resource;
    bool needed; // less than the least can't be worked with
    bool changed;
} limits[] = {
    {.resource = RLIMIT_NOFILE, .name = "RLIMIT_NOFILE", .least = 32, .wanted = 64},
    {.resource = RLIMIT_STACK, .name = "RLIMIT_STACK", .least = 128 << 10, .wanted = 1 << 20, .needed = true},
    {.resource = RLIMIT_CORE, .name = "RLIMIT_CORE"},
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]), CORE = LIMITS - 1 };

// What a caller may have set and what the helper needs instead. SIGCHLD: an ignored one makes waitpid()
// fail. SIGPIPE, SIGXFSZ: a status descriptor that nobody reads and RLIMIT_FSIZE 0 are errors, not deaths.
static struct {
    int number;
    void (*wanted)(int);
    struct sigaction before;
} dispositions[] = {
    {.number = SIGCHLD, .wanted = SIG_DFL},
    {.number = SIGPIPE, .wanted = SIG_IGN},
    {.number = SIGXFSZ, .wanted = SIG_IGN},
};
enum { DISPOSITIONS = sizeof(dispositions) / sizeof(dispositions[0]) };

static struct {
    pid_t parent;
    sigset_t mask;
    mode_t umask;
} caller;

static long set_mask(const sigset_t *to, sigset_t *before)
{
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, to, before, _NSIG / 8);
}

sigset_t start_all_signals(void)
{
    sigset_t all;
    memset(&all, 0xff, sizeof(all));
    return all;
}

int start_block(bool ignored_too)
{
    sigset_t set = start_all_signals();
    for (int i = 0; i < DISPOSITIONS && !ignored_too; i++) {
        // Blocked, an ignored signal would stay pending and meet the payload.
        if (dispositions[i].wanted == SIG_IGN)
            sigdelset(&set, dispositions[i].number);
    }
    return set_mask(&set, NULL) == 0 ? 0 : err_at("rt_sigprocmask", NULL);
}

int start_unblock(void)
{
    return set_mask(&caller.mask, NULL) == 0 ? 0 : err_at("rt_sigprocmask", NULL);
}

ssize_t start_read_all(int fd, void *data, size_t size, const char *op)
{
    int error = start_unblock();
    if (error < 0)
        return error;
    ssize_t n = fd_read_all(fd, data, size, op);
    error = start_block(false);
    return n >= 0 && error < 0 ? error : n;
}

// A soft limit below `least` becomes `wanted`, or as much as the hard one allows.
static int raise_limit(struct limit *l)
{
    if (getrlimit(l->resource, &l->before) != 0)
        return err_at("getrlimit", l->name);
    if (l->before.rlim_cur >= l->least)
        return 0;
    if (l->before.rlim_max < l->least && l->needed)
        return err_because("getrlimit", l->name, EINVAL, "the limit is too low to work with");
    struct rlimit wanted = l->before;
    wanted.rlim_cur = wanted.rlim_max < l->wanted ? wanted.rlim_max : l->wanted;
    if (setrlimit(l->resource, &wanted) != 0)
        return err_at("setrlimit", l->name);
    l->changed = true;
    return 0;
}

int start_forbid_core(void)
{
    struct limit *l = &limits[CORE];
    if (getrlimit(l->resource, &l->before) != 0)
        return err_at("getrlimit", l->name);
    struct rlimit none = {0, l->before.rlim_max}; // the hard one stays: what is lowered is not raised again
    if (setrlimit(l->resource, &none) != 0)
        return err_at("setrlimit", l->name);
    l->changed = true;
    return 0;
}

int start_prepare(void)
{
    caller.parent = getppid();
    if (set_mask(NULL, &caller.mask) != 0)
        return err_at("rt_sigprocmask", NULL);
    int error = start_block(false);
    if (error < 0)
        return error;
    for (int i = 0; i < DISPOSITIONS; i++) {
        struct sigaction wanted = {.sa_handler = dispositions[i].wanted};
        if (sigaction(dispositions[i].number, &wanted, &dispositions[i].before) != 0)
            return err_at("sigaction", NULL);
    }
    caller.umask = umask(022);
    error = 0;
    for (int i = 0; i < CORE && error == 0; i++)
        error = raise_limit(&limits[i]);
    return error;
}

int start_restore_limits(void)
{
    for (int i = 0; i < LIMITS; i++) {
        if (limits[i].changed && setrlimit(limits[i].resource, &limits[i].before) != 0)
            return err_at("setrlimit", limits[i].name);
        limits[i].changed = false;
    }
    return 0;
}

int start_restore(void)
{
    int error = start_restore_limits();
    if (error < 0)
        return error;
    umask(caller.umask);
    for (int i = 0; i < DISPOSITIONS; i++) {
        if (sigaction(dispositions[i].number, &dispositions[i].before, NULL) != 0)
            return err_at("sigaction", NULL);
    }
    if (set_mask(&caller.mask, NULL) != 0)
        return err_at("rt_sigprocmask", NULL);
    return 0;
}

mode_t start_umask(void)
{
    return caller.umask;
}

const sigset_t *start_mask(void)
{
    return &caller.mask;
}

pid_t start_parent(void)
{
    return caller.parent;
}

void start_die_by(int number)
{
    signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    exit(128 + number);
}

int start_die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_PDEATHSIG");
    // It may have died before the call: then we have another parent already.
    if (getppid() != parent)
        return err_because("getppid", NULL, ESRCH, "the parent is gone");
    return 0;
}

int start_dumpable(bool on)
{
    if (prctl(PR_SET_DUMPABLE, on ? 1 : 0, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_DUMPABLE");
    int got = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (got < 0)
        return err_at("prctl", "PR_GET_DUMPABLE");
    return got == (on ? 1 : 0) ? 0 : err_because("prctl", "PR_SET_DUMPABLE", EPERM, "it is not what was set");
}

#ifdef __PIE__
// The linker's own name for where the image starts, and so reserved.
extern const char __ehdr_start[] __attribute__((visibility("hidden"))); // NOLINT(cert-dcl51-cpp)

int start_protect_relro(void)
{
    const Elf64_Phdr *header = (const Elf64_Phdr *)(__ehdr_start + ((const Elf64_Ehdr *)__ehdr_start)->e_phoff);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (unsigned long left = getauxval(AT_PHNUM); left > 0; left--, header++) {
        if (header->p_type != PT_GNU_RELRO)
            continue;
        size_t first = header->p_vaddr & ~(page - 1);
        size_t end = (header->p_vaddr + header->p_memsz) & ~(page - 1);
        if (end > first && mprotect((char *)__ehdr_start + first, end - first, PROT_READ) != 0)
            return err_at("mprotect", "RELRO");
    }
    return 0;
}
#else
int start_protect_relro(void)
{
    return 0;
}
#endif
