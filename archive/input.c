// SPDX-License-Identifier: MIT
#include "archive/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/decode.h"
#include "archive/fault.h"
#include "archive/tar_header.h"
#include "archive/workers.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/spawn.h"

enum { PIPE_SIZE = 1 << 20 };

static unsigned char buffer[INPUT_BUFFER] __attribute__((aligned(4096)));

// -- which format ------------------------------------------------------------------------------

// From tar_read.c's side a format without a row is a tar archive, or none.
static const struct {
    const char *magic, *name;
    unsigned char length;
    enum input_format format;
} magics[] = {
    {"\x1f\x8b", "gzip", 2, FORMAT_GZIP},
    {"\x28\xb5\x2f\xfd", "zstd", 4, FORMAT_ZSTD},
    {"\xfd\x37\x7a\x58\x5a\x00", "xz", 6, FORMAT_PROGRAM},
    {"BZh", "bzip2", 3, FORMAT_PROGRAM}, // and a digit
    {"\x04\x22\x4d\x18", "lz4", 4, FORMAT_PROGRAM},
    {"\x1f\x9d", "compress", 2, FORMAT_REFUSED},
    {"\x1f\xa0", "compress -H", 2, FORMAT_REFUSED},
    {"\x5d\x00\x00", "lzma", 3, FORMAT_REFUSED},
    {"LZIP", "lzip", 4, FORMAT_REFUSED},
    {"\x89LZO\x00\x0d\x0a\x1a\x0a", "lzop", 9, FORMAT_REFUSED},
    {"PK\x03\x04", "zip", 4, FORMAT_REFUSED},
    {"7z\xbc\xaf\x27\x1c", "7z", 6, FORMAT_REFUSED},
    {"070701", "cpio", 6, FORMAT_REFUSED},
    {"!<arch>\n", "ar", 8, FORMAT_REFUSED},
};

static enum input_format recognise(const unsigned char *data, size_t n, const char **name)
{
    *name = NULL;
    // The first file's name may look like anything: a header's checksum comes first.
    if (n >= sizeof(struct tar_header) && tar_header_is_valid((const struct tar_header *)data))
        return FORMAT_PLAIN;
    // zstd: any of sixteen magic numbers starts a frame that is skipped.
    if (n >= 4 && (data[0] & 0xf0) == 0x50 && memcmp(data + 1, "\x2a\x4d\x18", 3) == 0)
        return FORMAT_ZSTD;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (n < magics[i].length || memcmp(data, magics[i].magic, magics[i].length) != 0)
            continue;
        *name = magics[i].name;
        return magics[i].format;
    }
    return FORMAT_PLAIN;
}

const char *input_what(const unsigned char *data, size_t n)
{
    const char *name;
    enum input_format format = recognise(data, n, &name);
    return name == NULL && format == FORMAT_ZSTD ? "zstd" : name;
}

// -- programs ----------------------------------------------------------------------------------

// The exit of a process that a program needs. Killed (there may be no memory), or never started: not the archive's fault.
static int judge(const struct input *in, int which, int status)
{
    enum { STARTING = 125 }; // and what a shell would say of a program that can't be run
    bool feeder = which == 1;
    if (status == 0)
        return 0;
    if (WIFSIGNALED(status) || WEXITSTATUS(status) >= STARTING)
        return err_because(feeder ? "read" : in->program, in->name, EPROTO, "the process that unpacks was killed");
    if (feeder && WEXITSTATUS(status) == DECODE_FEED_FAILED)
        return err_no("read", in->name, EIO);
    return fault(in->program, in->name, EBADMSG,
                 feeder ? "something else follows its end" : "the program says that its input is damaged");
}

// After the end of its output the program ends too, and then who feeds it.
static int reap(struct input *in)
{
    for (int i = 0; i < 2; i++) {
        int status = 0;
        if (in->children[i] == 0)
            continue;
        int error = in->ends[i] >= 0 && in->pause != NULL ? in->pause(in->context, in->ends[i]) : 0;
        if (error == 0)
            error = spawn_wait(in->children[i], &status);
        fd_auto_close(&in->ends[i]);
        in->children[i] = 0;
        if (error == 0)
            error = judge(in, i, status);
        if (error < 0)
            return error;
    }
    return 0;
}

// -- reading -----------------------------------------------------------------------------------

static int wait_for_input(struct input *in)
{
    return in->pause == NULL ? 0 : in->pause(in->context, in->is_pipe ? in->fd : -1);
}

// Appends to what is ready.
static int read_more(struct input *in)
{
    for (;;) {
        int error = wait_for_input(in);
        if (error < 0)
            return error;
        ssize_t n = read(in->fd, in->data + in->end, INPUT_BUFFER - in->end);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            in->is_pipe |= errno == EAGAIN; // a terminal or the like, that does not block
            continue;
        }
        if (n < 0)
            return err_at("read", in->name);
        in->ended = n == 0;
        in->end += (size_t)n;
        if (in->most != NULL) // packed data are hardly longer than unpacked
            *in->most = in->offset + input_ready(in) + DECODE_FEED_AHEAD;
        return n == 0 ? reap(in) : 0;
    }
}

static int fill_plain(struct input *in, size_t least)
{
    if (in->at > 0) {
        memmove(in->data, in->data + in->at, input_ready(in)); // less than `least`
        in->end -= in->at;
        in->at = 0;
    }
    while (in->end < least && !in->ended) {
        int error = read_more(in);
        if (error < 0)
            return error;
    }
    return 0;
}

static int decoder_error(const struct input *in, const struct decode_note *note)
{
    static const char *const reasons[DECODE_KINDS] = {
        [DECODE_TRUNCATED] = "it ends before its end",
        [DECODE_CORRUPT] = "its packed data is damaged",
        [DECODE_CHECKSUM] = "its checksum or its length is another",
        [DECODE_WINDOW] = "it asks for a window of more than 8 MiB",
        [DECODE_TRAILING] = "something else follows its end",
        [DECODE_RATIO] = "it unpacks to more than --max-ratio times its size",
        [DECODE_METHOD] = "its compression method or a flag of its header is unknown",
    };
    if (note->what == DECODE_READ)
        return err_no("read", in->name, note->length > 0 && note->length < 4096 ? (int)note->length : EIO);
    if (note->what >= DECODE_KINDS || reasons[note->what] == NULL)
        return err_because("decode", in->name, EPROTO, "the decoder is out of step");
    int error = fault(in->format == FORMAT_GZIP ? "gzip" : "zstd", in->name,
                      note->what == DECODE_RATIO || note->what == DECODE_WINDOW ? E2BIG : EBADMSG,
                      reasons[note->what]);
    if (note->what == DECODE_WINDOW)
        err_hint("packed without --long and --ultra it needs less; zstd -d --long=31 FILE | inroot unpack ROOT");
    return error;
}

static int fill_decoded(struct input *in)
{
    struct decode_note note;
    if (in->has_slot && send(in->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1 && errno != EPIPE)
        return err_at("send", "the decoder");
    in->has_slot = false;
    int error = wait_for_input(in);
    ssize_t n = -1;
    while (error == 0 && (n = recv(in->fd, &note, sizeof(note), 0)) < 0 && (errno == EINTR || errno == EAGAIN))
        error = wait_for_input(in);
    if (error < 0)
        return error;
    if (n < 0 && errno != ECONNRESET)
        return err_at("recv", in->name);
    if (n != (ssize_t)sizeof(note))
        return err_because("decode", in->name, EPROTO, "the decoder has died");
    bool full = note.what == DECODE_DATA && note.length == INPUT_BUFFER;
    if (!full && (note.what != DECODE_END || note.length >= INPUT_BUFFER))
        return decoder_error(in, &note);
    in->at = (size_t)in->slot * INPUT_BUFFER;
    in->end = in->at + note.length;
    in->slot = (in->slot + 1) % INPUT_SLOTS;
    in->has_slot = true;
    in->ended = !full;
    return 0;
}

// The program's process can't be asked: what came out is held against what the feeder has put in.
static int check_ratio(const struct input *in)
{
    enum { FREE = 16 << 20 };
    uint64_t produced = in->offset + input_ready(in);
    if (in->format != FORMAT_PROGRAM || produced < FREE || produced / in->max_ratio <= *in->consumed)
        return 0;
    return fault(in->program, in->name, E2BIG, "it unpacks to more than --max-ratio times its size");
}

int input_fill(struct input *in, size_t least)
{
    if (input_ready(in) >= least || in->ended)
        return 0;
    if (in->format != FORMAT_GZIP && in->format != FORMAT_ZSTD) {
        int error = fill_plain(in, least);
        return error < 0 ? error : check_ratio(in);
    }
    if (input_ready(in) > 0) // slots are multiples of a block, and only the last one is not full
        return err_because("decode", in->name, EPROTO, "the decoder is out of step");
    return fill_decoded(in);
}

int input_skip(struct input *in, uint64_t n, uint64_t *missing)
{
    *missing = 0;
    while (n > 0) {
        int error = input_fill(in, 1);
        if (error < 0)
            return error;
        size_t ready = input_ready(in);
        if (ready == 0) {
            *missing = n;
            return 0;
        }
        size_t part = n < ready ? (size_t)n : ready;
        input_consume(in, part);
        n -= part;
    }
    return 0;
}

bool input_can_send(const struct input *in)
{
    return in->seekable && in->format == FORMAT_PLAIN && input_ready(in) == 0;
}

int input_send(struct input *in, int to, uint64_t n, uint64_t *sent, int *number)
{
    enum { AT_ONCE = 4 << 20 }; // between two looks for signals
    int error = wait_for_input(in);
    if (error < 0)
        return error;
    ssize_t got = sendfile(to, in->fd, NULL, n < AT_ONCE ? (size_t)n : AT_ONCE);
    if (got < 0)
        *number = errno;
    else
        *sent = (uint64_t)got;
    in->offset += *sent;
    return 0;
}

uint64_t input_taken(const struct input *in)
{
    return in->consumed != NULL ? *in->consumed : in->offset + input_ready(in);
}

// -- beginning and end -------------------------------------------------------------------------

// Reads what the format is recognised by; from a file it is put back.
static int look(struct input *in)
{
    while (in->end < INPUT_MAGIC && !in->ended) {
        int error = read_more(in);
        if (error < 0)
            return error;
    }
    const char *name;
    in->format = recognise(in->data, in->end, &name);
    in->program = name;
    if (in->format == FORMAT_PROGRAM && in->no_programs)
        return err_because(name, in->name, EPERM, "not in set-uid mode: another program would have to unpack it");
    if (in->format != FORMAT_REFUSED)
        return 0;
    int error = fault("format", in->name, ENOTSUP, "it is packed in a format that is not supported");
    err_hint2("unpack it first, and hand the result to inroot: it looks like ", name);
    return error;
}

int input_open(struct input *in, int fd, const char *name)
{
    struct stat st;
    in->fd = fd;
    in->name = name;
    in->data = buffer;
    in->ends[0] = in->ends[1] = -1;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
        return err_no("read", name, EBADF);
    if (fstat(fd, &st) != 0)
        return err_at("fstat", name);
    if (S_ISDIR(st.st_mode))
        return err_no("read", name, EISDIR);
    in->seekable = S_ISREG(st.st_mode);
    in->is_pipe = !in->seekable;
    if (in->seekable) {
        off_t start = lseek(fd, 0, SEEK_CUR);
        if (start < 0)
            return err_at("lseek", name);
        in->start = (uint64_t)start;
        in->total = st.st_size > start ? (uint64_t)(st.st_size - start) : 0;
    } else if (S_ISFIFO(st.st_mode)) {
        (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); // fewer, larger reads; a limit may forbid it
    }
    return look(in);
}

int input_start(struct input *in)
{
    if (in->format == FORMAT_PLAIN)
        return 0;
    if (in->format == FORMAT_PROGRAM)
        return workers_start_program(in);
    return workers_start_decoder(in);
}

int input_finish(struct input *in)
{
    fd_auto_close(&in->fd);
    // A decoder has said that it is done; whether it ends is not left to it.
    int error = in->format == FORMAT_PROGRAM ? reap(in) : 0;
    input_stop(in);
    return error;
}

void input_stop(struct input *in)
{
    for (int i = 0; i < 2; i++) {
        // By pidfd: of the filter's doing no other can be named. Without one they die with this process.
        if (in->children[i] != 0 && in->ends[i] >= 0 &&
            syscall(SYS_pidfd_send_signal, in->ends[i], SIGKILL, NULL, 0) == 0)
            (void)waitpid(in->children[i], NULL, 0);
        fd_auto_close(&in->ends[i]);
        in->children[i] = 0;
    }
}
