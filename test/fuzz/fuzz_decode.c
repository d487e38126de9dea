// SPDX-License-Identifier: MIT
// Any bytes as gzip or zstd, and members and frames made of the bytes, with what may stand between and after
// them. What comes out must not depend on how they were read. The decoder's file is in here itself: its calls
// are ours.
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "archive/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

enum { OUT_MAX = 1 << 20, PACKED_MAX = 1 << 18, STOPPED = DECODE_KINDS };

// One run of the decoder: what it is given, and what came out.
static struct run {
    const uint8_t *data;
    size_t size, at;
    unsigned piece; // read at once, and one more each time; 0: all
    unsigned what, unanswered;
    size_t out_size;
    uint8_t out[OUT_MAX + INPUT_BUFFER];
    jmp_buf over;
} runs[2], *run;

static ssize_t give(void *to, size_t n)
{
    size_t ready = run->size - run->at;
    n = n < ready ? n : ready;
    if (run->piece > 0 && n > run->piece)
        n = run->piece++;
    memcpy(to, run->data + run->at, n);
    run->at += n;
    return (ssize_t)n;
}

static struct decode_shared shared;

static ssize_t take_note(const void *data, size_t n)
{
    struct decode_note note;
    MUST(n == sizeof(note) && run->what == DECODE_KINDS + 1);
    memcpy(&note, data, n);
    MUST(note.what < DECODE_KINDS && note.length <= INPUT_BUFFER);
    MUST(note.what == DECODE_DATA  ? note.length == INPUT_BUFFER && ++run->unanswered <= INPUT_SLOTS
         : note.what == DECODE_END ? note.length < INPUT_BUFFER
                                   : note.length == 0);
    size_t slot = run->out_size / INPUT_BUFFER % INPUT_SLOTS;
    memcpy(run->out + run->out_size, shared.slots + slot * INPUT_BUFFER, note.length);
    run->out_size += note.length;
    if (note.what != DECODE_DATA)
        run->what = note.what;
    else if (run->out_size > OUT_MAX - INPUT_BUFFER)
        return -1; // whoever reads is gone
    return (ssize_t)n;
}

static ssize_t answer(void)
{
    if (run->what < DECODE_KINDS)
        return 0; // after the last note the channel ends
    MUST(run->unanswered > 0);
    run->unanswered--;
    return 1;
}

static _Noreturn void leave(void)
{
    longjmp(run->over, 1);
}

#define read(fd, to, n)          give(to, n)
#define send(fd, data, n, flags) take_note(data, n)
#define recv(fd, byte, n, flags) (*(byte) = 0, answer())
#define _exit(status)            leave()
#include "archive/decode.c"
#undef read
#undef send
#undef recv
#undef _exit

static void decode(enum input_format format, const uint8_t *data, size_t size, size_t first, unsigned piece)
{
    first = first < size ? first : size;
    first = first < INPUT_BUFFER ? first : INPUT_BUFFER; // what the buffer that it was read into holds
    static unsigned char workspace[DECODE_WORKSPACE] __attribute__((aligned(64)));
    const struct decode_job job = {-1, -1, format, &shared, data, first, 1000, workspace};
    run->data = data;
    run->size = size;
    run->at = first;
    run->piece = piece;
    run->what = DECODE_KINDS + 1;
    run->unanswered = 0;
    run->out_size = 0;
    d.at = d.end = d.slot = d.unread = d.filled = d.produced = 0;
    if (setjmp(run->over) == 0)
        decode_run(&job);
    if (run->what == DECODE_KINDS + 1)
        run->what = STOPPED;
    MUST(run->what == STOPPED ? run->out_size > OUT_MAX - INPUT_BUFFER : shared.consumed == run->at);
}

// -- members and frames ------------------------------------------------------------------------

static const uint8_t *bytes;
static size_t left;

static uint8_t packed[2 * PACKED_MAX], plain[PACKED_MAX];
static size_t packed_size, plain_size;

static uint8_t take(void)
{
    return left > 0 ? (left--, *bytes++) : 0;
}

static void put(const void *data, size_t n)
{
    MUST(packed_size + n <= sizeof(packed));
    memcpy(packed + packed_size, data, n);
    packed_size += n;
}

static void put_little(uint64_t value, size_t n)
{
    for (; n > 0; n--, value >>= 8)
        put(&(uint8_t){(uint8_t)value}, 1);
}

// Data of a member or frame: given bytes, or many of one kind.
static size_t take_plain(void)
{
    uint8_t how = take();
    size_t n = how % 4 == 0   ? take()
               : how % 4 == 1 ? (size_t)take() << 4
               : how % 4 == 2 ? (size_t)take() << 8
                              : 0;
    n = n < sizeof(plain) - plain_size ? n : sizeof(plain) - plain_size;
    for (size_t i = 0; i < n; i++)
        plain[plain_size + i] = how < 128 ? (uint8_t)(i * how >> 3) : take();
    plain_size += n;
    return n;
}

static void put_gzip(void)
{
    static struct isal_zstream stream;
    static uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
    static uint8_t out[2 * PACKED_MAX];
    size_t start = plain_size, n = take_plain(), header = packed_size;
    uint8_t flags = take() & 0x1f;
    put((const uint8_t[]){0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3}, 10);
    if ((flags & 4) != 0) { // FEXTRA
        size_t extra = take();
        put_little(extra, 2);
        for (; extra > 0; extra--)
            put_little(take(), 1);
    }
    for (unsigned text = 8; text <= 16; text *= 2) { // FNAME, FCOMMENT
        for (size_t i = (flags & text) != 0 ? take() : 0; i > 0; i--)
            put_little(take() | 1U, 1);
        if ((flags & text) != 0)
            put_little(0, 1);
    }
    if ((flags & 2) != 0) // FHCRC
        put_little(crc32_gzip_refl(0, packed + header, packed_size - header) & 0xffff, 2);
    isal_deflate_stateless_init(&stream);
    stream.level = n % 2;
    stream.level_buf = level_buffer;
    stream.level_buf_size = sizeof(level_buffer);
    stream.end_of_stream = 1;
    stream.gzip_flag = IGZIP_DEFLATE;
    stream.next_in = plain + start;
    stream.avail_in = (uint32_t)n;
    stream.next_out = out;
    stream.avail_out = sizeof(out);
    MUST(isal_deflate_stateless(&stream) == COMP_OK);
    put(out, stream.total_out);
    put_little(crc32_gzip_refl(0, plain + start, n), 4);
    put_little(n, 4);
}

static void put_zstd(void)
{
    static ZSTD_CCtx *context;
    size_t start = plain_size, n = take_plain();
    uint8_t flags = take();
    if (flags % 8 == 7) { // a frame that is skipped
        plain_size = start;
        put_little(0x184d2a50 + flags / 8 % 16, 4);
        put_little(n, 4);
        put(plain + start, n);
        return;
    }
    if (context == NULL)
        context = ZSTD_createCCtx();
    MUST(context != NULL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, flags % 4);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, (flags & 8) != 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, (flags & 16) != 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, (flags & 32) != 0 ? 0 : 10 + flags % 4);
    size_t made =
        ZSTD_compress2(context, packed + packed_size, sizeof(packed) - packed_size, plain + start, n);
    MUST(!ZSTD_isError(made));
    packed_size += made;
}

// Whether what was put together is right, wrong, or not known.
enum verdict { RIGHT, WRONG, UNKNOWN };

static enum verdict put_pieces(enum input_format format)
{
    enum verdict verdict = RIGHT;
    bool padded = false;
    (format == FORMAT_GZIP ? put_gzip : put_zstd)();
    while (left > 0 && packed_size < PACKED_MAX) {
        uint8_t what = take();
        if (what < 160) {
            (format == FORMAT_GZIP ? put_gzip : put_zstd)();
            verdict = padded && verdict == RIGHT ? WRONG : verdict;
        } else if (what < 200) {
            size_t zeros = (size_t)take() << what % 8;
            for (; zeros > 0 && packed_size < PACKED_MAX; zeros--, padded = true)
                put_little(0, 1);
        } else if (what < 220) {
            put_little('J', 1); // no magic begins so
            verdict = verdict == RIGHT ? WRONG : verdict;
        } else if (what < 240) {
            size_t cut = take();
            packed_size -= cut < packed_size ? cut : packed_size;
            verdict = UNKNOWN;
        } else {
            size_t at = (size_t)take() << 8 | take();
            packed[at % packed_size] ^= (uint8_t)(1U << what % 8);
            verdict = UNKNOWN;
        }
        if (packed_size == 0)
            return UNKNOWN;
    }
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum verdict verdict = UNKNOWN;
    enum input_format format = (data[0] & 1) != 0 ? FORMAT_ZSTD : FORMAT_GZIP;
    unsigned piece = 1 + data[1] % 64;
    bytes = data + 2;
    left = size - 2;
    packed_size = plain_size = 0;
    if ((data[0] & 2) != 0) {
        verdict = put_pieces(format);
        data = packed;
        size = packed_size;
    } else {
        data = bytes;
        size = left;
    }
    run = &runs[0];
    decode(format, data, size, size, 0);
    run = &runs[1];
    decode(format, data, size, INPUT_MAGIC, piece);
    bool good = runs[0].what == DECODE_END;
    MUST(good == (runs[1].what == DECODE_END));
    MUST(verdict == UNKNOWN || runs[0].what == STOPPED || good == (verdict == RIGHT));
    if (good) {
        MUST(runs[0].out_size == runs[1].out_size && memcmp(runs[0].out, runs[1].out, runs[0].out_size) == 0);
        MUST(verdict == UNKNOWN ||
             (plain_size == runs[0].out_size && memcmp(plain, runs[0].out, plain_size) == 0));
    }
    return 0;
}
