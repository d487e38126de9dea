// SPDX-License-Identifier: MIT
//
// The maps of a new user namespace (user_namespaces(7)). A process maps itself, to one id of its own;
// anything more is written by a child that stayed outside, with the caller's own right or by newuidmap.
#include <errno.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "root/enter.h"
#include "root/subid.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/start.h"
#include "sys/text.h"

int userns_map_text(const struct id_maps *maps, char *text)
{
    struct text t = {text, MAP_TEXT, 0};
    for (unsigned i = 0; i < maps->count; i++) {
        text_number(&t, maps->line[i].inner);
        text_add(&t, " ");
        text_number(&t, maps->line[i].outer);
        text_add(&t, " ");
        text_number(&t, maps->line[i].count);
        text_add(&t, "\n");
    }
    return text_end(&t) ? 0 : err_because("uid_map", NULL, E2BIG, "more than the kernel's page of lines");
}

// -- the child that stays outside --------------------------------------------------------------

static int write_for(pid_t pid, const char *file, const struct id_maps *maps)
{
    char path[32], text[MAP_TEXT];
    struct text t = {path, sizeof(path), 0};
    text_number(&t, (unsigned)pid);
    text_add(&t, "/");
    text_add(&t, file);
    text_end(&t);
    int error = userns_map_text(maps, text);
    return error < 0 ? error : proc_write(path, text);
}

static int run_mapper(const char *program, pid_t pid, const struct id_maps *maps)
{
    static char numbers[3 * MAP_LINES + 1][11];
    static char *argv[3 * MAP_LINES + 3];
    unsigned n = 0;
    text_from_number(numbers[n++], (unsigned)pid);
    for (unsigned i = 0; i < maps->count; i++) {
        text_from_number(numbers[n++], maps->line[i].inner);
        text_from_number(numbers[n++], maps->line[i].outer);
        text_from_number(numbers[n++], maps->line[i].count);
    }
    argv[0] = (char *)program;
    for (unsigned i = 0; i < n; i++)
        argv[i + 1] = numbers[i];
    argv[n + 1] = NULL;
    int error = spawn_program(argv, NULL, 0);
    if (error == -ENOENT)
        err_hint("maps of more than the caller's own id need Debian's package uidmap, or CAP_SETUID and CAP_SETGID");
    else if (error < 0)
        err_hint2("it allows only what stands for the caller in /etc/subuid and /etc/subgid; asked: ", program);
    return error;
}

static int write_maps_for(const struct enter *e, pid_t pid)
{
    const struct plan *p = e->plan;
    uint64_t right = CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID);
    int error;
    if ((e->caller->effective & right) == right) {
        error = write_for(pid, "uid_map", &p->users);
        return error < 0 ? error : write_for(pid, "gid_map", &p->groups_map);
    }
    error = run_mapper("/usr/bin/newuidmap", pid, &p->users);
    return error < 0 ? error : run_mapper("/usr/bin/newgidmap", pid, &p->groups_map);
}

static _Noreturn void outside(const struct enter *e, int channel, pid_t parent)
{
    char byte;
    // End of file: the parent failed or is gone; its pid may be somebody else's by now.
    if (read(channel, &byte, 1) != 1 || getppid() != parent)
        _exit(EXIT_HELPER);
    int error = write_maps_for(e, parent);
    if (error < 0)
        err_report();
    _exit(error < 0 ? EXIT_HELPER : 0);
}

int userns_prepare(struct enter *e)
{
    if (!e->plan->userns)
        return 0;
    if (e->plan->map_auto) {
        int error = subid_auto(e->plan, e->caller);
        if (error < 0 || (error = plan_decide_ids(e->plan, e->caller)) < 0)
            return error;
    }
    if (!e->plan->maps_by_program)
        return 0;
    int error = proc_check_numbers();
    if (error < 0)
        return error;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return err_at("socketpair", NULL);
    pid_t parent = getpid();
    e->map_child = fork();
    if (e->map_child < 0) {
        close(ends[0]);
        close(ends[1]);
        return err_at("fork", NULL);
    }
    if (e->map_child == 0) {
        close(ends[0]);
        outside(e, ends[1], parent);
    }
    close(ends[1]);
    e->map_channel = ends[0];
    return 0;
}

// -- the process itself ------------------------------------------------------------------------

static int wait_for_maps(struct enter *e)
{
    int status;
    // A socket, and SIGPIPE is ignored: a child that is gone is seen by its status.
    (void)send(e->map_channel, "", 1, MSG_NOSIGNAL);
    int error = spawn_wait(e->map_child, &status);
    fd_auto_close(&e->map_channel);
    if (error < 0)
        return error;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_HELPER) {
        err_forget(); // the child has said what
        return -ECANCELED;
    }
    if (status != 0)
        return err_because("uid_map", NULL, EPERM, "the process that writes the maps was killed");
    // Files that the helper makes on its way in must belong to somebody who is mapped.
    if (plan_maps_inner(&e->plan->users, 0) && plan_maps_inner(&e->plan->groups_map, 0) &&
        (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0))
        return err_at("setresuid", "0");
    // The kernel forgets the order with the change of ids.
    return e->plan->die_with_parent ? start_die_with(start_parent()) : 0;
}

static int write_maps(struct enter *e)
{
    char text[MAP_TEXT];
    uint64_t sets[3];
    int error = caps_get(sets);
    if (error < 0)
        return error;
    e->held = sets[1];
    if (e->plan->maps_by_program)
        return wait_for_maps(e);
    // The kernel lets an ordinary user map a group only after that (CVE-2014-8989).
    error = proc_write("self/setgroups", "deny");
    if (error == 0 && (error = userns_map_text(&e->plan->users, text)) == 0)
        error = proc_write("self/uid_map", text);
    if (error == 0 && (error = userns_map_text(&e->plan->groups_map, text)) == 0)
        error = proc_write("self/gid_map", text);
    // Ubuntu's restriction lets the unshare pass, and denies every capability that it gave.
    if (error == -EPERM || error == -EACCES)
        err_hint("if kernel.apparmor_restrict_unprivileged_userns is 1: inroot's AppArmor profile lifts that, see inroot(1)");
    return error;
}

int userns_write_maps(struct enter *e)
{
    if (!e->plan->userns)
        return 0;
    if (e->plan->join_count == 0)
        return write_maps(e);
    // The files of a process that is not dumpable are root's, and newuidmap looks at their owner.
    int error = start_dumpable(true);
    if (error == 0)
        error = write_maps(e);
    return error == 0 ? start_dumpable(false) : error;
}
