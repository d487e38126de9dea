// SPDX-License-Identifier: MIT
#include "sys/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/num.h"

void fd_auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

int fd_check(int fd)
{
    return fcntl(fd, F_GETFD) >= 0 ? 0 : -errno;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int ends[2];
    if (fd >= 0 || pipe2(ends, O_CLOEXEC) != 0)
        return fd;
    close(ends[1]); // the read end alone: end of file at once, and EBADF for a write
    return ends[0];
}

int fd_open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        int state = fd_check(fd);
        if (state == 0)
            continue;
        if (state != -EBADF)
            return err_no("fcntl", "a standard descriptor", -state);
        int got = open_null();
        if (got < 0)
            return err_at("open", "/dev/null");
        // The lowest free number is `fd`, but for a pipe that found another.
        if (got != fd) {
            int copied = dup2(got, fd);
            close(got);
            if (copied < 0)
                return err_at("dup2", "/dev/null");
        } else if (fcntl(fd, F_SETFD, 0) != 0) {
            return err_at("fcntl", "/dev/null");
        }
    }
    return 0;
}

bool fd_is_directory(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int fd_copy(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy >= 0 ? copy : err_at("fcntl", "F_DUPFD_CLOEXEC");
}

int fd_blank(int fd)
{
    AUTO_CLOSE int null = open_null();
    if (null < 0)
        return err_at("open", "/dev/null");
    if (dup2(null, fd) < 0)
        return err_at("dup2", "/dev/null");
    return 0;
}

ssize_t fd_read_all(int fd, void *data, size_t n, const char *op)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = read(fd, (char *)data + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_at(op, NULL);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int fd_of_bytes(const void *data, size_t size, const char *op)
{
    AUTO_CLOSE int fd = memfd_create("inroot", MFD_CLOEXEC);
    if (fd < 0)
        return err_at("memfd_create", op);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n <= 0)
            return n < 0 ? err_at(op, NULL) : err_no(op, NULL, EIO);
        done += (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? fd_take(&fd) : err_at(op, NULL);
}

// close_range(2) came with 5.9.
static int close_range_of(unsigned first, unsigned last)
{
    return (int)syscall(SYS_close_range, first, last, 0);
}

static bool is_kept(int fd, const int *keep, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (keep[i] == fd)
            return true;
    }
    return false;
}

// Closes every number that PROC/self/fd lists, once through: how many, or -errno.
static int close_listed(const int *keep, size_t count, int proc)
{
    AUTO_CLOSE int listing = openat(proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (listing < 0)
        return err_at("open", "/proc/self/fd");
    char buffer[2048] __attribute__((aligned(8)));
    long n;
    int closed = 0;
    while ((n = syscall(SYS_getdents64, listing, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent *entry = (const struct dirent *)(buffer + at);
            at += entry->d_reclen;
            int fd;
            if (!num_fd(entry->d_name, &fd) || fd == listing || fd == proc || is_kept(fd, keep, count))
                continue;
            close(fd);
            closed++;
        }
    }
    return n < 0 ? err_at("getdents64", "/proc/self/fd") : closed;
}

static int close_by_listing(const int *keep, size_t count, int proc)
{
    if (proc < 0)
        return err_at("close_range", NULL);
    int closed;
    while ((closed = close_listed(keep, count, proc)) > 0) // until a listing holds no other
        continue;
    if (closed == 0 && !is_kept(proc, keep, count))
        close(proc);
    return closed;
}

int fd_close_all_but(const int *keep, size_t count, int proc)
{
    unsigned next = 0;
    bool proc_kept = is_kept(proc, keep, count);
    for (size_t i = 0; i <= count; i++) {
        unsigned stop = i < count ? (unsigned)keep[i] : UINT_MAX;
        // The way back must stay open until it is not needed any more.
        if (!proc_kept && proc >= 0 && (unsigned)proc >= next && (unsigned)proc < stop) {
            if ((unsigned)proc > next && close_range_of(next, (unsigned)proc - 1) != 0)
                return close_by_listing(keep, count, proc);
            next = (unsigned)proc + 1;
        }
        if (stop > next && close_range_of(next, i < count ? stop - 1 : UINT_MAX) != 0)
            return close_by_listing(keep, count, proc);
        next = stop + 1;
    }
    if (proc >= 0 && !proc_kept)
        close(proc);
    return 0;
}
