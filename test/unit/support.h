// SPDX-License-Identifier: MIT
//
// cmocka with what it wants included before it, and files that hold what a test says.
#ifndef TEST_UNIT_SUPPORT_H
#define TEST_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))

// A file of `n` bytes, in memory, read from its start; the caller closes it.
static inline int hold_bytes(const char *bytes, size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t done = 0; done < n;) {
        ssize_t written = write(fd, bytes + done, n - done);
        assert_true(written > 0);
        done += (size_t)written;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

#endif
