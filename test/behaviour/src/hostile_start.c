/* SPDX-License-Identifier: MIT */
/*
 * A launcher for starts that no shell can make: hostile-start HOW PROGRAM [ARG]...
 * argv-null: argv is {NULL}; env-null: envp is NULL; env-odd: an environment without "=" in it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char *nothing[] = {NULL};
    char *odd[] = {"", "=", "==x", "NOEQUALS", "PATH", NULL};
    extern char **environ;
    if (argc < 3)
        return 64;
    if (strcmp(argv[1], "argv-null") == 0)
        execve(argv[2], nothing, environ);
    else if (strcmp(argv[1], "env-null") == 0)
        execve(argv[2], argv + 2, NULL);
    else if (strcmp(argv[1], "env-odd") == 0)
        execve(argv[2], argv + 2, odd);
    perror(argv[2]);
    return 65;
}
