// SPDX-License-Identifier: MIT
//
// An archive in memory as the input of a reader, in a copy of just its size: a byte too many stops the
// target.
#ifndef TEST_FUZZ_IN_MEMORY_H
#define TEST_FUZZ_IN_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/input.h"
#include "archive/tar_read.h"
#include "sys/err.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

static struct input input;
static struct tar_reader reader;

static inline void begin_reading(const uint8_t *data, size_t size)
{
    err_forget();
    memset(&reader, 0, offsetof(struct tar_reader, name));
    reader.in = &input;
    input = (struct input){.name = "fuzz", .fd = -1, .max_ratio = 1000, .end = size, .ended = true};
    input.data = malloc(size + (size == 0));
    MUST(input.data != NULL);
    if (size > 0)
        memcpy(input.data, data, size);
}

static inline void end_reading(void)
{
    free(input.data);
    input.data = NULL;
}

// An error says what it is about.
static inline void check_error(int error)
{
    MUST(error < 0 && error > -4096 && strchr(err_brief(), ':') != NULL);
}

#endif
