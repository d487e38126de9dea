// SPDX-License-Identifier: MIT
//
// gzip and zstd, decoded by a process that holds nothing but the archive, a channel and shared memory, and can
// do nothing but read, send, receive and exit. What it says is not trusted: the archive may have taken it over.
#ifndef ARCHIVE_DECODE_H
#define ARCHIVE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/input.h"

enum decode_what {
    DECODE_DATA, // a slot is full
    DECODE_END,  // the last slot, with what it holds
    DECODE_TRUNCATED,
    DECODE_CORRUPT,
    DECODE_CHECKSUM,
    DECODE_WINDOW,
    DECODE_TRAILING,
    DECODE_RATIO,
    DECODE_METHOD,
    DECODE_READ, // `length` is errno
    DECODE_KINDS
};

// One message from the decoder. Each is answered by one byte when its slot has been read.
struct decode_note {
    uint32_t what;
    uint32_t length; // of the slot
};

enum {
    DECODE_WINDOW_LOG = 23,
    DECODE_WORKSPACE = (1 << DECODE_WINDOW_LOG) + (1 << 20), // the window, and what ZSTD_estimateDStreamSize() adds
    DECODE_PADDING = 1 << 20,
    // How far a program's input may be ahead of its output: more than it can hold in memory. xz skips zeros after
    // its archive for ever, without another word.
    DECODE_FEED_AHEAD = 256 << 20,
    DECODE_FEED_FAILED = 1, // exit status of decode_feed(): the archive can't be read;
    DECODE_FEED_STOPPED = 2, // whom it feeds takes no more
};

// What is shared: slots, and how much of the archive was taken.
struct decode_shared {
    uint64_t consumed;
    uint64_t pad[7];
    unsigned char slots[INPUT_SLOTS * INPUT_BUFFER];
};

struct decode_job {
    int in, channel; // its only descriptors
    enum input_format format;
    struct decode_shared *shared;
    const unsigned char *first; // bytes that were read from `in` already
    size_t first_size;
    uint64_t max_ratio;
    void *workspace; // DECODE_WORKSPACE bytes for zstd; what is not touched costs nothing
};

// The decoder's whole life, once everything but its two descriptors is closed and the filter is set.
_Noreturn void decode_run(const struct decode_job *job);

// What is shared with who feeds a program.
struct decode_fed {
    uint64_t consumed, most;
};

// Copies `in` to `out`, after the bytes that were read already, and not more than fed->most. For the programs.
_Noreturn void decode_feed(int in, int out, const unsigned char *first, size_t first_size, struct decode_fed *fed);

#endif
