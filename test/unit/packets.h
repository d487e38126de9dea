// SPDX-License-Identifier: MIT
//
// A pipe that keeps each write apart, to see what one write wrote.
#ifndef TEST_UNIT_PACKETS_H
#define TEST_UNIT_PACKETS_H

#include <errno.h>
#include <fcntl.h>

#include "sys/status.h"
#include "test/unit/support.h"

enum { PAGE = 4096 }; // what one write to a pipe may hold

static int ends[2];
static char got[PAGE + 1];

// Neither a write that finds no room nor a read that finds nothing waits.
static inline int open_pipe(void **state)
{
    (void)state;
    return pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK);
}

static inline int close_pipe(void **state)
{
    (void)state;
    status_set(-1);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

// What one write wrote, as a string in `got`; its length, 0 for none.
static inline size_t read_write(void)
{
    ssize_t n = read(ends[0], got, PAGE);
    assert_true(n > 0 || (n < 0 && errno == EAGAIN));
    got[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

#define PIPE_TEST(test) cmocka_unit_test_setup_teardown(test, open_pipe, close_pipe)

#endif
