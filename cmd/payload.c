// SPDX-License-Identifier: MIT
#include "cmd/payload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

// -- looking it up -----------------------------------------------------------------------------

static const char *path_of(char *const *environment)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    }
    return NULL;
}

// 0 if it is a file that may be executed, else why not.
static int examine(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) == 0 ? 0 : errno;
}

static int not_found(struct payload *f, const char *command, int number)
{
    bool absent = number == ENOENT || number == ENOTDIR;
    f->status = absent ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
    return err_no("execve", command, number);
}

static int add(struct payload *f, const char *dir, size_t n, const char *command)
{
    size_t length = strlen(command);
    char *path = malloc(n + length + 2);
    if (path == NULL)
        return err_at("malloc", command);
    memcpy(path, dir, n);
    if (n > 0)
        path[n++] = '/';
    memcpy(path + n, command, length + 1);
    f->candidate[f->count++] = path;
    return 0;
}

// execvp(3): ENOENT, ENOTDIR and EACCES lead on to the next directory; EACCES is remembered.
static int search(struct payload *f, const char *path, const char *command)
{
    int remembered = ENOENT;
    enum { MOST = sizeof(f->candidate) / sizeof(f->candidate[0]) };
    for (const char *dir = path; f->count < MOST;) {
        size_t n = strcspn(dir, ":");
        int error = n + strlen(command) + 2 > PATH_MAX ? -ENAMETOOLONG : add(f, dir, n, command);
        if (error == 0) {
            int why = examine(f->candidate[f->count - 1]);
            if (why != 0)
                free(f->candidate[--f->count]);
            if (why == EACCES)
                remembered = EACCES;
            else if (why != 0 && why != ENOENT && why != ENOTDIR)
                return not_found(f, command, why);
        } else if (error != -ENAMETOOLONG) {
            return error;
        }
        if (dir[n] == '\0')
            break;
        dir += n + 1;
    }
    return f->count > 0 ? 0 : not_found(f, command, remembered);
}

int payload_find(const struct plan *p, char *const *environment, struct payload *f)
{
    char *command = p->command[0];
    f->argv = p->command;
    f->environment = environment;
    f->status = EXIT_NOT_RUN;
    f->count = 0;
    if (command[0] == '\0')
        return not_found(f, command, ENOENT);
    int error = 0;
    if (strchr(command, '/') != NULL) {
        int why = examine(command);
        if (why != 0)
            return not_found(f, command, why);
        f->candidate[f->count++] = command;
    } else {
        const char *path = path_of(environment);
        if (path == NULL) {
            error = not_found(f, command, ENOENT);
            err_hint("PATH is not set in the payload's environment: give one with --env=PATH=... or a path");
            return error;
        }
        error = search(f, path, command);
    }
    if (error == 0 && p->argv0 != NULL)
        p->command[0] = (char *)p->argv0;
    return error;
}

// -- why execve says ENOENT of a file that is there --------------------------------------------

// The program header PT_INTERP of an ELF file of either class; "" if there is none.
static void elf_interpreter(int fd, const char *head, size_t n, char *name, size_t size)
{
    bool wide = head[EI_CLASS] == ELFCLASS64;
    Elf64_Ehdr e64;
    Elf32_Ehdr e32;
    if (n < sizeof(e64))
        return;
    memcpy(&e64, head, sizeof(e64));
    memcpy(&e32, head, sizeof(e32));
    uint64_t at = wide ? e64.e_phoff : e32.e_phoff;
    unsigned count = wide ? e64.e_phnum : e32.e_phnum;
    for (unsigned i = 0; i < count && i < 64; i++) {
        Elf64_Phdr p64 = {0};
        Elf32_Phdr p32 = {0};
        void *header = wide ? (void *)&p64 : (void *)&p32;
        size_t width = wide ? sizeof(p64) : sizeof(p32);
        if (pread(fd, header, width, (off_t)(at + i * width)) != (ssize_t)width)
            return;
        if ((wide ? p64.p_type : p32.p_type) != PT_INTERP)
            continue;
        ssize_t got = pread(fd, name, size - 1, (off_t)(wide ? p64.p_offset : p32.p_offset));
        name[got > 0 ? got : 0] = '\0';
        return;
    }
}

// Our own filter lets open and read pass; nothing has been handed over yet when execve has failed.
static void hint_at_interpreter(const char *path)
{
    char head[256] = "", name[256] = "";
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head) - 1, 0);
    if (n < 4)
        return;
    if (head[0] == '#' && head[1] == '!') {
        const char *start = head + 2 + strspn(head + 2, " \t");
        size_t length = strcspn(start, " \t\n");
        memcpy(name, start, length);
        err_hint2("the root lacks the interpreter that its first line names: ", name);
    } else if (memcmp(head, ELFMAG, SELFMAG) == 0) {
        elf_interpreter(fd, head, (size_t)n, name, sizeof(name));
        if (name[0] != '\0')
            err_hint2("the root lacks the dynamic loader that it was linked with: ", name);
    }
}

int payload_execute(struct payload *f)
{
    int error = -ENOENT;
    for (unsigned i = 0; i < f->count; i++) {
        // It returns without an error only where a filter of the caller's made it say so.
        error = execve(f->candidate[i], f->argv, f->environment) == 0
                    ? err_because("execve", f->candidate[i], EPERM, "a filter let it do nothing")
                    : err_at("execve", f->candidate[i]);
        // It was there a moment ago: what is missing is its interpreter.
        f->status = EXIT_NOT_RUN;
        if (error == -ENOENT)
            hint_at_interpreter(f->candidate[i]);
        if (error != -ENOENT && error != -ENOTDIR && error != -EACCES)
            return error;
    }
    return error;
}
