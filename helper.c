// SPDX-License-Identifier: MIT
//
// inroot: gets a process into a root file system. The start: descriptors 0-2, privileges, dispatch.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/exec.h"
#include "cmd/features.h"
#include "cmd/unpack.h"
#include "cmd/version.h"
#include "sys/caps.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/out.h"
#include "sys/setuid.h"
#include "sys/start.h"


static const struct command {
    const char *name;
    const char *link; // the name of a link that means it
    const char *job;
    bool set_uid;     // allowed in set-uid mode
    int usage_status; // of an error before the command's own options
    int (*run)(char **argv, char **words, const struct caps_privilege *held);
} commands[] = {
    {"exec", "exec-in-root", "enter a root and execute a command there", true, EXIT_HELPER, exec_main},
    {"unpack", "unpack-in-root", "extract a tar archive safely inside a root", true, EXIT_USAGE, unpack_main},
    {"features", NULL, "what this host allows, and which way in would be taken", false, EXIT_USAGE, features_main},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int print_help(void)
{
    static struct out o;
    out_init(&o, STDOUT_FILENO, false);
    out_text(&o, "Usage: inroot COMMAND [OPTION]...\nGets a process into a root file system.\n\n");
    for (int i = 0; i < COMMANDS; i++) {
        out_text(&o, "  ");
        out_text(&o, commands[i].name);
        for (size_t n = strlen(commands[i].name); n < 10; n++)
            out_text(&o, " ");
        out_text(&o, commands[i].job);
        out_text(&o, "\n");
    }
    out_text(&o, "\ninroot COMMAND --help tells more; so do inroot(1) and inroot-COMMAND(1).\n");
    return out_flush(&o) < 0 ? EXIT_HELPER : 0;
}

static int print_version(void)
{
    static struct out o;
    out_init(&o, STDOUT_FILENO, false);
    out_text(&o, "inroot " VERSION "\n");
    return out_flush(&o) < 0 ? EXIT_HELPER : 0;
}

static const struct command *find_link(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    for (int i = 0; i < COMMANDS; i++) {
        if (commands[i].link != NULL && strcmp(commands[i].link, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int refuse(const char *op, const char *value, const char *reason)
{
    plan_usage(op, value, reason);
    err_hint("inroot --help");
    err_report();
    return EXIT_USAGE;
}

static int dispatch(char **argv, const struct caps_privilege *held)
{
    const struct command *command = find_link(argv[0]);
    char **words = argv + 1;
    if (command == NULL) {
        if (words[0] == NULL)
            return refuse("COMMAND", NULL, "no command was given");
        if (strcmp(words[0], "--help") == 0)
            return print_help();
        if (strcmp(words[0], "--version") == 0)
            return print_version();
        command = find_command(*words++);
    }
    if (command == NULL)
        return refuse("COMMAND", words[-1], "unknown command");
    if (held->set_uid && !command->set_uid)
        return refuse("COMMAND", command->name, "not in set-uid mode");
    err_command(command->name);
    return command->run(argv, words, held);
}

int main(int argc, char **argv)
{
    struct caps_privilege held;
    // First of all: what is opened later must not land on a standard descriptor, or be reported on it.
    if (fd_open_standard() < 0 || start_protect_relro() < 0 || caps_record(&held) < 0) {
        err_report();
        return EXIT_HELPER;
    }
    if (argc < 1 || argv[0] == NULL)
        return refuse("argv", NULL, "not even the name of the program was given");
    if ((held.set_uid && setuid_begin(&held) < 0) || start_prepare() < 0) {
        err_report();
        return EXIT_HELPER;
    }
    return dispatch(argv, &held);
}
