// SPDX-License-Identifier: MIT
#include "archive/decode.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

enum {
    RATIO_FREE = 16 << 20, // a small archive may be packed as tightly as it likes
};

static struct {
    const struct decode_job *job;
    unsigned char in[INPUT_BUFFER]; // as much as was read before, to begin with
    size_t at, end;        // of `in`
    unsigned slot, unread; // the slot being filled; how many before it were not answered yet
    size_t filled;
    uint64_t produced;
} d;

// A channel that has ended: whoever read from it has all that is wanted, or is gone.
static void wait_for_answer(void)
{
    char byte;
    ssize_t n;
    do
        n = recv(d.job->channel, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        _exit(0);
    d.unread--;
}

// A socket that is closed with answers unread resets the other side, and this note would be lost.
static _Noreturn void finish(enum decode_what what, uint32_t length)
{
    struct decode_note note = {what, length};
    if (send(d.job->channel, &note, sizeof(note), MSG_NOSIGNAL) != (ssize_t)sizeof(note))
        _exit(1);
    for (;;)
        wait_for_answer();
}

static unsigned char *room(size_t *size)
{
    *size = INPUT_BUFFER - d.filled;
    return d.job->shared->slots + (size_t)d.slot * INPUT_BUFFER + d.filled;
}

// `n` more bytes were put into the slot. It is handed over when it is full, never before: so only the last one
// is not a multiple of a block.
static void produce(size_t n)
{
    d.filled += n;
    d.produced += n;
    uint64_t consumed = d.job->shared->consumed - (d.end - d.at);
    if (d.produced > RATIO_FREE && d.produced / d.job->max_ratio > consumed)
        finish(DECODE_RATIO, 0);
    if (d.filled < INPUT_BUFFER)
        return;
    struct decode_note note = {DECODE_DATA, INPUT_BUFFER};
    if (send(d.job->channel, &note, sizeof(note), MSG_NOSIGNAL) != (ssize_t)sizeof(note))
        _exit(0);
    d.slot = (d.slot + 1) % INPUT_SLOTS;
    d.filled = 0;
    if (++d.unread == INPUT_SLOTS)
        wait_for_answer();
}

// The caller may have left the archive's descriptor in a state in which it does not wait.
static ssize_t read_input(int in, unsigned char *to, size_t size)
{
    for (;;) {
        ssize_t n = read(in, to, size);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN))
            return n;
        struct pollfd p = {.fd = in, .events = POLLIN};
        if (errno == EAGAIN)
            (void)poll(&p, 1, -1);
    }
}

// False at the end of the archive.
static bool refill(void)
{
    if (d.at < d.end)
        return true;
    ssize_t n = read_input(d.job->in, d.in, sizeof(d.in));
    if (n < 0)
        finish(DECODE_READ, (uint32_t)errno);
    d.at = 0;
    d.end = (size_t)n;
    d.job->shared->consumed += (uint64_t)n;
    return n > 0;
}

// Between two members or frames. Zeros may fill up the archive, and then nothing else may come.
static bool is_another(void)
{
    uint64_t zeros = 0;
    if (!refill())
        return false;
    if (d.in[d.at] != 0)
        return true;
    while (refill()) {
        for (; d.at < d.end; d.at++) {
            if (d.in[d.at] != 0 || ++zeros > DECODE_PADDING)
                finish(DECODE_TRAILING, 0);
        }
    }
    return false;
}

// -- gzip (RFC 1952) ---------------------------------------------------------------------------

static struct inflate_state inflate;
static struct isal_gzip_header header;

static void check_inflate(int result)
{
    if (result == ISAL_INCORRECT_CHECKSUM)
        finish(DECODE_CHECKSUM, 0);
    if (result == ISAL_UNSUPPORTED_METHOD)
        finish(DECODE_METHOD, 0);
    if (result < 0)
        finish(DECODE_CORRUPT, 0);
}

// By itself: isal_inflate() forgets the header's flags when it is read in pieces, and takes names for data.
static void read_header(void)
{
    int result;
    isal_gzip_header_init(&header);
    do {
        if (!refill())
            finish(DECODE_TRUNCATED, 0);
        inflate.next_in = d.in + d.at;
        inflate.avail_in = (uint32_t)(d.end - d.at);
        result = isal_read_gzip_header(&inflate, &header);
        check_inflate(result);
        d.at = d.end - inflate.avail_in;
    } while (result == ISAL_END_INPUT);
}

// Makes `n` bytes ready, fewer at the end of the archive.
static size_t gather(size_t n)
{
    while (d.end - d.at < n) {
        memmove(d.in, d.in + d.at, d.end - d.at);
        d.end -= d.at;
        d.at = 0;
        ssize_t got = read_input(d.job->in, d.in + d.end, sizeof(d.in) - d.end);
        if (got < 0)
            finish(DECODE_READ, (uint32_t)errno);
        d.end += (size_t)got;
        d.job->shared->consumed += (uint64_t)got;
        if (got == 0)
            break;
    }
    return d.end - d.at;
}

static void inflate_member(void)
{
    enum { FLAGS = 3, RESERVED = 0xe0 };
    bool full = false;
    if (gather(FLAGS + 1) > FLAGS && (d.in[d.at + FLAGS] & RESERVED) != 0)
        finish(DECODE_METHOD, 0);
    isal_inflate_reset(&inflate);
    inflate.crc_flag = ISAL_GZIP_NO_HDR_VER;
    read_header();
    do {
        size_t size;
        // A full slot can mean that more is to come without more input.
        if (!full && !refill())
            finish(DECODE_TRUNCATED, 0);
        inflate.next_out = room(&size);
        inflate.avail_out = (uint32_t)size;
        inflate.next_in = d.in + d.at;
        inflate.avail_in = (uint32_t)(d.end - d.at);
        check_inflate(isal_inflate(&inflate));
        full = inflate.avail_out == 0;
        d.at = d.end - inflate.avail_in;
        produce(size - inflate.avail_out);
    } while (inflate.block_state != ISAL_BLOCK_FINISH);
}

static void run_gzip(void)
{
    isal_inflate_init(&inflate);
    do {
        // The header's first byte decides: what follows a member is a member, zeros or an error.
        if (d.at < d.end && d.in[d.at] != 0x1f)
            finish(DECODE_TRAILING, 0);
        inflate_member();
    } while (is_another());
}

// -- zstd (RFC 8878) ---------------------------------------------------------------------------

static void check_zstd(size_t result)
{
    if (!ZSTD_isError(result))
        return;
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_checksum_wrong:
        finish(DECODE_CHECKSUM, 0);
    case ZSTD_error_frameParameter_windowTooLarge:
    case ZSTD_error_memory_allocation:
        finish(DECODE_WINDOW, 0);
    default:
        finish(DECODE_CORRUPT, 0);
    }
}

// One frame, or one that is skipped. Whether the library holds a frame to the size that it claims depends on how the
// input comes in: so that is done here.
static void decode_frame(ZSTD_DStream *stream)
{
    enum { HEADER_MAX = 18 };
    size_t available = gather(HEADER_MAX), more;
    unsigned long long claimed = ZSTD_getFrameContentSize(d.in + d.at, available), made = 0;
    bool known = claimed != ZSTD_CONTENTSIZE_UNKNOWN && claimed != ZSTD_CONTENTSIZE_ERROR;
    bool full = false;
    do {
        if (!full && !refill())
            finish(DECODE_TRUNCATED, 0);
        ZSTD_inBuffer from = {d.in, d.end, d.at};
        ZSTD_outBuffer to = {.pos = 0};
        to.dst = room(&to.size);
        more = ZSTD_decompressStream(stream, &to, &from);
        check_zstd(more);
        full = to.pos == to.size;
        d.at = from.pos;
        made += to.pos;
        produce(to.pos);
    } while (more != 0);
    if (known && made != claimed)
        finish(DECODE_CORRUPT, 0);
}

static void run_zstd(void)
{
    ZSTD_DStream *stream = ZSTD_initStaticDStream(d.job->workspace, DECODE_WORKSPACE);
    if (stream == NULL)
        finish(DECODE_WINDOW, 0);
    check_zstd(ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, DECODE_WINDOW_LOG));
    do
        decode_frame(stream);
    while (is_another());
}

// -- the process -------------------------------------------------------------------------------

void decode_run(const struct decode_job *job)
{
    d.job = job;
    memcpy(d.in, job->first, job->first_size);
    d.end = job->first_size;
    job->shared->consumed = job->first_size;
    if (job->format == FORMAT_GZIP)
        run_gzip();
    else
        run_zstd();
    finish(DECODE_END, (uint32_t)d.filled);
}

static void write_out(int out, const unsigned char *data, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(out, data, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            _exit(DECODE_FEED_STOPPED); // the program has ended before its input
        data += wrote;
        n -= (size_t)wrote;
    }
}

void decode_feed(int in, int out, const unsigned char *first, size_t first_size, struct decode_fed *fed)
{
    write_out(out, first, first_size);
    fed->consumed = first_size;
    for (;;) {
        ssize_t n = read_input(in, d.in, sizeof(d.in));
        if (n <= 0)
            _exit(n == 0 ? 0 : DECODE_FEED_FAILED);
        write_out(out, d.in, (size_t)n);
        fed->consumed += (uint64_t)n;
        if (fed->consumed > *(volatile uint64_t *)&fed->most)
            _exit(DECODE_FEED_STOPPED);
    }
}
