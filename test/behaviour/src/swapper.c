// SPDX-License-Identifier: MIT
/*
 * Swaps what stands in a tree for symbolic links, as fast as it can, while an extraction runs.
 *
 *   swapper STATUS_FD SWAPS SECONDS STYLE A B TARGET [STYLE A B TARGET]...
 *
 * A is a name that the extraction uses, B a spare name on the same file system, where a link to TARGET
 * is kept ready. STYLE x: RENAME_EXCHANGE of A and B. STYLE r: A is moved away, the link is moved to its
 * place, and back: in between there is nothing at A. STYLE d: as x, but B is a directory, not a link.
 *
 * The swaps made during the extraction are counted: after the record `entered` on STATUS_FD, and until
 * its end of file, which comes when the extractor is gone. It ends then, or after SWAPS of them, or after
 * SECONDS. The link is put back to B, and the last line is "DURING TOTAL"; the lines above it are the
 * records that were read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pair {
    char style;
    const char *a, *b, *target;
    char away[4096];
};

static struct pair pairs[16];
static int count;
static char text[65536];
static size_t length;
static unsigned long during, total, trash;
static int entered, ended;
static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
    (void)sig;
    late = 1;
}

static int is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static void discard(const char *path)
{
    char name[4200];
    snprintf(name, sizeof name, "%s.trash.%lu", pairs[0].b, trash++);
    rename(path, name);
}

// The extraction may have removed the link, or made something new in its place.
static void keep_spare(const struct pair *p)
{
    if (p->style == 'd')
        mkdir(p->b, 0755);
    if (p->style == 'd' || is_link(p->b) || is_link(p->a))
        return;
    discard(p->b);
    if (symlink(p->target, p->b) < 0 && errno != EEXIST)
        perror(p->b);
}

static void read_status(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(fd, text + length, sizeof text - 1 - length);
        if (n <= 0) {
            ended = 1;
            return;
        }
        length += (size_t)n;
        text[length] = 0;
        entered = entered || strstr(text, "\"entered\"");
    }
}

// A swap counts if the extraction was under way before it and is so after it.
static void count_swap(int fd)
{
    int before = entered;
    read_status(fd);
    total++;
    during += before && !ended;
}

static void exchange(const struct pair *p, int fd)
{
    if (syscall(SYS_renameat2, AT_FDCWD, p->a, AT_FDCWD, p->b, RENAME_EXCHANGE) == 0)
        count_swap(fd);
    else
        read_status(fd);
    if (total % 8 == 0 || errno == ENOENT)
        keep_spare(p);
    errno = 0;
}

static void move(const struct pair *p, int fd)
{
    int moved = rename(p->a, p->away) == 0;
    if (rename(p->b, p->a) == 0)
        count_swap(fd);
    if (is_link(p->a) && rename(p->a, p->b) < 0)
        unlink(p->a);
    if (moved && rename(p->away, p->a) < 0) {
        discard(p->a);
        rename(p->away, p->a);
    }
    count_swap(fd);
    if (!is_link(p->b))
        keep_spare(p);
}

// The last state: A is what was extracted, B is the link.
static void put_back(const struct pair *p)
{
    if (p->style == 'd')
        return;
    if (is_link(p->a) && !is_link(p->b))
        syscall(SYS_renameat2, AT_FDCWD, p->a, AT_FDCWD, p->b, RENAME_EXCHANGE);
    if (is_link(p->a))
        rename(p->a, p->b);
}

int main(int argc, char **argv)
{
    if (argc < 8 || (argc - 4) % 4) {
        fprintf(stderr, "usage: swapper STATUS_FD SWAPS SECONDS STYLE A B TARGET...\n");
        return 2;
    }
    int fd = atoi(argv[1]);
    unsigned long most = strtoul(argv[2], NULL, 10);
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &sa, NULL);
    alarm((unsigned)atoi(argv[3]));
    for (char **word = argv + 4; *word && count < 16; word += 4) {
        struct pair *p = &pairs[count++];
        *p = (struct pair){.style = *word[0], .a = word[1], .b = word[2], .target = word[3]};
        snprintf(p->away, sizeof p->away, "%s.away", p->b);
        keep_spare(p);
    }
    for (unsigned long i = 0; !ended && !late && during < most; i++) {
        const struct pair *p = &pairs[i % (unsigned)count];
        if (p->style == 'r')
            move(p, fd);
        else
            exchange(p, fd);
    }
    for (int i = 0; i < count; i++)
        put_back(&pairs[i]);
    printf("%s%lu %lu\n", text, during, total);
    return 0;
}
