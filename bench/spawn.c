// SPDX-License-Identifier: MIT
/*
 * The clock of the bench: runs commands in turn, many rounds, and times each from before the
 * vfork to the return of waitpid. A program of its own, so that the cost of forking a large
 * interpreter is in no figure.
 *
 *     spawn ROUNDS [EVERY COMMAND [ARG]… '']…
 *
 * An empty argument ends a command; EVERY is 1 for a command that runs in each round, 10 for one
 * that runs in each tenth. One line a command: minimum, quartile, median, quartile (ns).
 * Exits with 1 if a command does not exit with 0.
 *
 * Each round takes the commands in another order: what a run leaves to the kernel's workers (the
 * end of its mounts) falls into whatever runs next, and so on everything alike. A short sleep
 * before each run keeps most of it out of any figure.
 */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 64, MAX_ROUNDS = 10000, WARM_UP = 5, SETTLE_NS = 200000 };

struct command {
    char **argv;
    long every;
    int64_t took[MAX_ROUNDS];
    int runs;
};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void run(struct command *c, int counts)
{
    int status;
    pid_t pid;
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);

    int64_t start = now();
    int error = posix_spawn(&pid, c->argv[0], NULL, NULL, c->argv, environ);
    if (error) {
        fprintf(stderr, "spawn: %s: %s\n", c->argv[0], strerror(error));
        exit(1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int64_t end = now();

    if (status != 0) {
        fprintf(stderr, "spawn: %s: wait status 0x%x\n", c->argv[0], status);
        exit(1);
    }
    if (counts)
        c->took[c->runs++] = end - start;
}

static void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)(random() % (i + 1)), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(struct command *c)
{
    qsort(c->took, (size_t)c->runs, sizeof *c->took, by_size);
    printf("%lld %lld %lld %lld\n", (long long)c->took[0], (long long)c->took[c->runs / 4],
           (long long)c->took[c->runs / 2], (long long)c->took[c->runs * 3 / 4]);
}

/* The commands of the command line; their vectors are the arguments themselves. */
static int read_commands(struct command *commands, char **args)
{
    int count = 0;
    while (*args) {
        if (count == MAX_COMMANDS)
            return -1;
        struct command *c = &commands[count++];
        c->every = strtol(*args++, NULL, 10);
        c->argv = args;
        while (*args && **args)
            args++;
        if (c->every < 1 || !*args || c->argv == args)
            return -1;
        *args++ = NULL;
    }
    return count;
}

int main(int argc, char **argv)
{
    static struct command commands[MAX_COMMANDS];
    int order[MAX_COMMANDS];
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    int count = rounds > 0 && rounds <= MAX_ROUNDS ? read_commands(commands, argv + 2) : -1;
    if (count < 0) {
        fputs("usage: spawn ROUNDS [EVERY COMMAND [ARG]... '']...\n", stderr);
        return 1;
    }
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (long round = -WARM_UP; round < rounds; round++) {
        shuffle(order, count);
        for (int i = 0; i < count; i++)
            if (round % commands[order[i]].every == 0)
                run(&commands[order[i]], round >= 0);
    }
    for (int i = 0; i < count; i++)
        print(&commands[i]);
    return 0;
}
