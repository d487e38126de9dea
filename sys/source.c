// SPDX-License-Identifier: MIT
#include "sys/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/start.h"

// A FIFO or a terminal behind a name must not hold us up; a pipe that was handed over is the caller's wish.
static int open_source(const char *op, const char *name, int given)
{
    struct stat st;
    AUTO_CLOSE int fd =
        given >= 0 ? fd_copy(given) : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_at("open", name);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", name);
    if (!S_ISREG(st.st_mode) && !(S_ISFIFO(st.st_mode) && given >= 0))
        return err_because(op, name, EINVAL,
                           given >= 0 ? "neither a regular file nor a pipe" : "not a regular file");
    return fd_take(&fd);
}

ssize_t source_read(const char *op, const char *name, int fd, void *data, size_t size)
{
    AUTO_CLOSE int source = open_source(op, name, fd);
    if (source < 0)
        return source;
    ssize_t n = start_read_all(source, data, size, op);
    if (n < 0)
        return err_at("read", name);
    int error = fd >= 0 && fd <= 2 ? fd_blank(fd) : 0;
    return error < 0 ? error : n;
}
