// SPDX-License-Identifier: MIT
//
// The bytes of an archive, decoded: from a file, pipe or socket as they are; from the process that decodes gzip or
// zstd (decode.h); or from an installed program.
#ifndef ARCHIVE_INPUT_H
#define ARCHIVE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    INPUT_BUFFER = 256 << 10, // bytes read at once, and of one slot of the decoder: a multiple of a block
    INPUT_SLOTS = 4,
    INPUT_MAGIC = 512, // bytes looked at to recognise a format: a block
};

// What an archive is packed with.
enum input_format { FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD, FORMAT_PROGRAM, FORMAT_REFUSED };

struct input {
    const char *name;           // for errors
    int fd;                     // read from; the decoder's channel where there is one
    bool seekable;              // a regular file
    bool is_pipe;               // it may have to be waited for
    enum input_format format;
    bool no_programs;           // xz and its kin are refused
    const char *program;        // of FORMAT_PROGRAM; what it is called of FORMAT_REFUSED
    unsigned char *data;        // the buffer, or the decoder's slots
    size_t at, end;             // the part of `data` that is ready
    uint64_t offset;            // decoded bytes that were consumed
    bool ended;                 // nothing comes after what is ready
    unsigned slot;              // of the decoder's, the one that is being read
    bool has_slot;
    pid_t children[2];          // the decoder, or the program and who feeds it; 0: none
    int ends[2];                // their pidfds, or -1
    uint64_t *consumed;         // packed bytes taken so far, as the process that reads them says
    uint64_t *most;             // of them a program may be fed; shared with the process that does
    uint64_t start, total;      // where the file began, and its size from there; 0 when not known
    uint64_t max_ratio;
    // Called before anything that may block, with the descriptor that is waited for or -1: 0 or -errno, recorded.
    int (*pause)(void *context, int fd);
    void *context;
};

// Takes over `fd`, an archive that is open for reading, and recognises its format by its first bytes.
// -errno, recorded; an unsupported format is the archive's fault.
int input_open(struct input *in, int fd, const char *name);

// Starts the processes that decode it, where it is packed. Before the root is entered. -errno, recorded.
int input_start(struct input *in);

// Makes at least `least` (at most 512) contiguous bytes ready, unless the stream ends before.
int input_fill(struct input *in, size_t least);

// What is ready; consuming of it.
static inline size_t input_ready(const struct input *in)
{
    return in->end - in->at;
}

static inline const unsigned char *input_data(const struct input *in)
{
    return in->data + in->at;
}

static inline void input_consume(struct input *in, size_t n)
{
    in->at += n;
    in->offset += n;
}

// Consumes `n` bytes; -errno, recorded. *missing is what the stream had not.
int input_skip(struct input *in, uint64_t n, uint64_t *missing);

// Whether the kernel can copy from here: a plain regular file, of which nothing is ready.
bool input_can_send(const struct input *in);

// Copies up to `n` bytes to `to` without looking at them: *sent, 0 at the end of the file. What sendfile(2) failed by
// is left in *number, not recorded: it may be either side. -errno, recorded, of the pause.
int input_send(struct input *in, int to, uint64_t n, uint64_t *sent, int *number);

// What these bytes are packed with, for an error; NULL if that is not known.
const char *input_what(const unsigned char *data, size_t n);

// How many of the packed bytes, of total_bytes, were taken so far.
uint64_t input_taken(const struct input *in);

// Ends the processes, whatever they do.
void input_stop(struct input *in);

// After the end of the stream: what a program came to. -errno, recorded.
int input_finish(struct input *in);

#endif
