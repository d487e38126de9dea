/* SPDX-License-Identifier: MIT */
/*
 * Takes over another process: escape-ptrace PID UID. Becomes UID first, where that is allowed, as
 * the kernel lets a process of the same uid do all of this.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "escape.h"

/* EFAULT comes after the permission was given. */
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
    if (result == 0) {
        kill(pid, SIGSTOP);
        waitpid(pid, NULL, 0);
        ptrace(PTRACE_DETACH, pid, 0, 0);
        kill(pid, SIGCONT);
    }
}

int main(int argc, char **argv)
{
    char name[64];
    if (argc != 3)
        return 64;
    pid_t pid = atoi(argv[1]);
    uid_t uid = (uid_t)atoi(argv[2]);
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        puts("keeps its ids");
    trace("ptrace-attach", PTRACE_ATTACH, pid);
    trace("ptrace-seize", PTRACE_SEIZE, pid);
    copy("process-vm-readv", SYS_process_vm_readv, pid);
    copy("process-vm-writev", SYS_process_vm_writev, pid);
    attempt("kcmp", syscall(SYS_kcmp, pid, pid, KCMP_FILE, 0L, 0L));
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0) {
        struct iovec range = {(void *)4096, 4096};
        attempt("pidfd-getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
        long n = syscall(SYS_process_madvise, pidfd, &range, 1L, (long)MADV_COLD, 0L);
        tell("process-madvise", n >= 0 || errno == ENOMEM);
    }
    snprintf(name, sizeof name, "/proc/%d/mem", pid);
    attempt("mem", open(name, O_RDWR));
    return finish();
}
