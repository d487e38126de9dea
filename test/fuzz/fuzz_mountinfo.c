// SPDX-License-Identifier: MIT
// Any bytes as /proc/self/mountinfo: each line is a mount or the file is refused; no string leaves its line.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(const struct mountinfo *m, void *context)
{
    size_t *left = context;
    size_t used = strlen(m->root) + strlen(m->point) + strlen(m->options) + strlen(m->type);
    if (used > *left)
        abort();
    (void)mountinfo_has_option(m->options, "ro");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_CLOSE int fd = memfd_create("mountinfo", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    size_t left = size;
    int result = mountinfo_each(fd, visit, &left);
    if (result > 0)
        abort(); // visit() never asked to stop
    return 0;
}
