/* SPDX-License-Identifier: MIT */
/*
 * Exchanges names for each other, as fast as it can, until its standard input ends:
 *
 *   exchanger COUNTER A B [A B]...
 *
 * COUNTER is a file of eight bytes, which whoever counts has mapped too: the number of exchanges so far. In the end
 * each pair is as it was; what is printed is how often an exchange was refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 16, LOOKS = 64 };

static struct pair {
    const char *a, *b;
    int odd;
} pairs[MOST];

static int exchange(struct pair *p)
{
    if (syscall(SYS_renameat2, AT_FDCWD, p->a, AT_FDCWD, p->b, RENAME_EXCHANGE) != 0)
        return 0;
    p->odd = !p->odd;
    return 1;
}

int main(int argc, char **argv)
{
    int count = (argc - 2) / 2, fd = argc > 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    volatile uint64_t *counter = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED || count > MOST || argc % 2) {
        fprintf(stderr, "usage: exchanger COUNTER A B [A B]...\n");
        return 2;
    }
    for (int i = 0; i < count; i++)
        pairs[i] = (struct pair){.a = argv[2 + 2 * i], .b = argv[3 + 2 * i]};
    struct pollfd input = {.fd = 0, .events = POLLIN};
    unsigned long refused = 0;
    for (unsigned long n = 0; n % LOOKS != 0 || poll(&input, 1, 0) == 0; n++) {
        if (exchange(&pairs[n % (unsigned)count]))
            ++*counter;
        else
            refused++;
    }
    for (int i = 0; i < count; i++) {
        if (pairs[i].odd)
            exchange(&pairs[i]);
    }
    printf("%lu\n", refused);
    return 0;
}
