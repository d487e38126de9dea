// SPDX-License-Identifier: MIT
/*
 * Peak memory of a command: the sum over its processes of each one's peak resident set. And, as
 * it is traced anyway, how many system calls they make.
 *
 *     peak COMMAND [ARG]…      prints the sum in KiB, the number of processes, the number of calls
 *
 * What wait4 reports (`time -f %M`) is of the largest process only, begins at the size of who
 * started it, and in small processes leaves out what the kernel's per-processor counters have not
 * added up yet (up to the whole of it: 0). So the command is traced, and VmHWM, for which newer
 * kernels do add them up, is read where a process is about to lose its memory: as it ends and as
 * it enters an execve. One that is killed need not stop on its way out, so it is read at each
 * 61st call besides. A process that becomes the payload counts with the larger of the two.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 64, SYSCALL_STOP = SIGTRAP | 0x80, READ_EVERY = 61 };

static struct process {
    pid_t pid;
    long peak_kib;
} processes[MAX_PROCESSES];

static void die(const char *what)
{
    fprintf(stderr, "peak: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct process *find_process(pid_t pid)
{
    for (int i = 0; i < MAX_PROCESSES; i++) {
        if (processes[i].pid == 0)
            processes[i].pid = pid;
        if (processes[i].pid == pid)
            return &processes[i];
    }
    errno = E2BIG;
    die("processes");
    return NULL;
}

static long number_after(const char *text, const char *label)
{
    const char *line = strstr(text, label);
    return line ? strtol(line + strlen(label), NULL, 10) : 0;
}

static void read_peak(pid_t thread)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) /* a thread that another one's execve ended */
        return;
    if (fd < 0)
        die(path);
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size < 0 && errno == ESRCH)
        return;
    if (size < 0)
        die(path);
    text[size] = '\0';

    struct process *process = find_process((pid_t)number_after(text, "\nTgid:"));
    long kib = number_after(text, "\nVmHWM:");
    if (kib > process->peak_kib)
        process->peak_kib = kib;
}

/* Whether the stop is the entry of a call, and of which. */
static int is_entry(pid_t pid, long *number)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0)
        return 0; /* killed meanwhile */
    *number = (long)info.entry.nr;
    return info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static pid_t start_traced(char **argv)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            die("ptrace");
        execv(argv[0], argv);
        die(argv[0]);
    }
    /* It stops after its execve: nothing of this program's memory is counted. */
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        die("fork");
    if (!WIFSTOPPED(status))
        exit(1);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, options) < 0 ||
        ptrace(PTRACE_SYSCALL, pid, NULL, 0L) < 0)
        die("ptrace");
    return pid;
}

/* The signal to go on with: none for the stops that tracing itself makes. */
static long signal_after(int status)
{
    int sig = WSTOPSIG(status);
    int ours = sig == SYSCALL_STOP || sig == SIGTRAP || sig == SIGSTOP || status >> 16;
    return ours ? 0 : sig;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: peak COMMAND [ARG]...\n", stderr);
        return 1;
    }
    pid_t pid, first = start_traced(argv + 1);
    long calls = 0, number = 0;
    int status, result = 0;
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            if (pid == first)
                result = status;
            continue;
        }
        if (WSTOPSIG(status) != SYSCALL_STOP) {
            read_peak(pid); /* a new process, or the end of one */
        } else if (is_entry(pid, &number)) {
            if (calls++ % READ_EVERY == 0 || number == SYS_execve || number == SYS_execveat)
                read_peak(pid);
        }
        /* ESRCH: killed meanwhile, as everything in a pid namespace that ends. */
        if (ptrace(PTRACE_SYSCALL, pid, NULL, signal_after(status)) < 0 && errno != ESRCH)
            die("ptrace");
    }
    if (result != 0) {
        fprintf(stderr, "peak: %s: wait status 0x%x\n", argv[1], result);
        return 1;
    }

    long sum = 0;
    int count = 0;
    while (count < MAX_PROCESSES && processes[count].pid)
        sum += processes[count++].peak_kib;
    printf("%ld %d %ld\n", sum, count, calls);
    return 0;
}
