// SPDX-License-Identifier: MIT
#include "archive/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/decode.h"
#include "archive/fault.h"
#include "seccomp/cage.h"
#include "sys/caps.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/landlock.h"
#include "sys/proc.h"
#include "sys/start.h"

enum { FAILED = 125 };

// A process that holds two descriptors and no privilege, and that nobody can look into.
static int shut_in(int one, int other, pid_t parent)
{
    int keep[] = {one < other ? one : other, one < other ? other : one};
    int error = start_die_with(parent);
    if (error == 0)
        error = fd_close_all_but(keep, 2, proc_fd());
    if (error == 0)
        error = caps_limit(0);
    if (error == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0))
        error = err_at("prctl", NULL);
    return error < 0 ? error : cage_shut(CAGE_DECODER);
}

static void *allocate(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

// Its end can be waited for like its output, and be brought about.
static void remember(struct input *in, int which, pid_t pid)
{
    in->children[which] = pid;
    in->ends[which] = (int)syscall(SYS_pidfd_open, pid, 0); // -1 before 5.3: then waitpid() itself has to wait
    if (in->ends[which] >= 0)
        (void)fcntl(in->ends[which], F_SETFD, FD_CLOEXEC);
}

// -- gzip and zstd -----------------------------------------------------------------------------

int workers_start_decoder(struct input *in)
{
    int ends[2];
    struct decode_shared *shared = share(sizeof(*shared));
    if (shared == NULL)
        return err_at("mmap", "the decoder's memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return err_at("socketpair", NULL);
    AUTO_CLOSE int here = ends[0];
    AUTO_CLOSE int there = ends[1];
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_at("fork", "the decoder");
    if (pid == 0) {
        void *room = in->format == FORMAT_ZSTD ? allocate(DECODE_WORKSPACE) : NULL;
        struct decode_job job = {in->fd, there, in->format, shared, in->data, in->end, in->max_ratio, room};
        // Whoever reads sees that the channel ends, and says so.
        if (shut_in(in->fd, there, parent) < 0)
            _exit(FAILED);
        decode_run(&job);
    }
    remember(in, 0, pid);
    close(in->fd);
    in->fd = fd_take(&here);
    in->is_pipe = true;
    in->data = shared->slots;
    in->consumed = &shared->consumed;
    in->at = in->end = 0;
    in->ended = false;
    return 0;
}

// -- programs ----------------------------------------------------------------------------------

static int find_program(const char *name, char *path, size_t size)
{
    static const char *const places[] = {"/usr/bin/", "/bin/"};
    struct stat st;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        strncpy(path, places[i], size - 1);
        strncat(path, name, size - 1 - strlen(path));
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0)
            return 0;
    }
    fault("format", name, ENOTSUP, "the program that unpacks it is neither in /usr/bin nor in /bin");
    err_hint2("install it, or unpack the archive first: ", name);
    return -ENOTSUP;
}

// A large parser of hostile bytes: it keeps no capability (which no_new_privs makes last, for root too), can write
// no file by path, and has the memory that its formats need at their highest levels.
static int weaken_program(void)
{
    const struct rlimit memory = {DECODE_FEED_AHEAD, DECODE_FEED_AHEAD}, core = {0, 0};
    int error = caps_limit(0);
    if (error < 0)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_AS, &memory) != 0 ||
        setrlimit(RLIMIT_CORE, &core) != 0)
        return err_at("prctl", NULL);
    return landlock_read_only();
}

static _Noreturn void become_program(const char *path, int from, int to)
{
    static const int keep[] = {0, 1, 2};
    char *const argv[] = {(char *)path, "-d", "-c", "-q", NULL}, *const environment[] = {NULL};
    // One error is one line, and that is ours.
    if (fd_blank(STDERR_FILENO) < 0 || dup2(from, STDIN_FILENO) < 0 || dup2(to, STDOUT_FILENO) < 0 ||
        fd_close_all_but(keep, 3, proc_fd()) < 0 || start_restore() < 0 || weaken_program() < 0)
        _exit(FAILED);
    execve(path, argv, environment);
    _exit(FAILED);
}

static int start_feeder(struct input *in, int to, struct decode_fed *fed)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_at("fork", in->program);
    if (pid == 0) {
        if (shut_in(in->fd, to, parent) < 0)
            _exit(FAILED);
        decode_feed(in->fd, to, in->data, in->end, fed);
    }
    remember(in, 1, pid);
    return 0;
}

int workers_start_program(struct input *in)
{
    static char path[32];
    int feed[2], result[2];
    int error = find_program(in->program, path, sizeof(path));
    if (error < 0)
        return error;
    struct decode_fed *fed = share(sizeof(*fed));
    if (fed == NULL)
        return err_at("mmap", in->program);
    fed->most = DECODE_FEED_AHEAD;
    if (pipe2(feed, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int feed_from = feed[0];
    AUTO_CLOSE int feed_to = feed[1];
    if (pipe2(result, O_CLOEXEC) != 0)
        return err_at("pipe2", NULL);
    AUTO_CLOSE int result_from = result[0];
    AUTO_CLOSE int result_to = result[1];
    (void)fcntl(result_from, F_SETPIPE_SZ, 1 << 20);
    // Three descriptors that are to be 0-2 must not be among them already.
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_at("fork", in->program);
    if (pid == 0) {
        if (start_die_with(parent) < 0)
            _exit(FAILED);
        become_program(path, feed_from, result_to);
    }
    remember(in, 0, pid);
    error = start_feeder(in, feed_to, fed);
    if (error < 0)
        return error;
    close(in->fd);
    in->fd = fd_take(&result_from);
    in->is_pipe = true;
    in->seekable = false;
    in->consumed = &fed->consumed;
    in->most = &fed->most;
    in->at = in->end = 0;
    in->ended = false;
    return 0;
}
