// SPDX-License-Identifier: MIT
// What differs between machines: how a system call is replaced, and its result set.
#ifndef KILLAT_MACHINE_H
#define KILLAT_MACHINE_H

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

static int get_registers(pid_t pid, struct user_regs_struct *regs)
{
    struct iovec iov = {regs, sizeof *regs};
    return (int)ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
}

static int set_registers(pid_t pid, struct user_regs_struct *regs)
{
    struct iovec iov = {regs, sizeof *regs};
    return (int)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov);
}

// The call becomes getppid, which does nothing: unlike -1 a filter that stands already lets it pass.
static int replace_call(pid_t pid)
{
#if defined __x86_64__
    struct user_regs_struct regs;
    if (get_registers(pid, &regs) < 0)
        return -1;
    regs.orig_rax = SYS_getppid;
    return set_registers(pid, &regs);
#elif defined __aarch64__
    int number = SYS_getppid;
    struct iovec iov = {&number, sizeof number};
    return (int)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov);
#else
#error "no way to replace a system call here"
#endif
}

static int set_result(pid_t pid, long result)
{
    struct user_regs_struct regs;
    if (get_registers(pid, &regs) < 0)
        return -1;
#if defined __x86_64__
    regs.rax = (unsigned long)result;
#else
    regs.regs[0] = (unsigned long)result;
#endif
    return set_registers(pid, &regs);
}

#endif
