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

// The machine's names for the arguments of a call, and for its result.
#if defined __x86_64__
static unsigned long long *argument(struct user_regs_struct *regs, unsigned n)
{
    unsigned long long *const all[] = {&regs->rdi, &regs->rsi, &regs->rdx, &regs->r10};
    return all[n];
}
#elif defined __aarch64__
static unsigned long long *argument(struct user_regs_struct *regs, unsigned n)
{
    return &regs->regs[n];
}
#else
#error "no way to replace a system call here"
#endif

// An argument is changed on the way in; it is put back on the way out, as programs expect.
static int set_argument(pid_t pid, unsigned n, unsigned long value)
{
    struct user_regs_struct regs;
    if (get_registers(pid, &regs) < 0)
        return -1;
    *argument(&regs, n) = value;
    return set_registers(pid, &regs);
}

// The call becomes read(-1, ...), which does nothing: unlike -1 a filter that stands already lets it pass.
static int replace_call(pid_t pid)
{
#if defined __x86_64__
    struct user_regs_struct regs;
    if (get_registers(pid, &regs) < 0)
        return -1;
    regs.orig_rax = SYS_read;
    if (set_registers(pid, &regs) < 0)
        return -1;
#else
    int number = SYS_read;
    struct iovec iov = {&number, sizeof number};
    if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov) < 0)
        return -1;
#endif
    return set_argument(pid, 0, -1UL);
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
