// SPDX-License-Identifier: MIT
//
// --dry-run: the plan as JSON, in the order in which it would be done.
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/exec.h"
#include "cmd/exec_plan_process.h"
#include "cmd/rootfs_options.h"
#include "root/enter.h"
#include "sys/err.h"
#include "sys/ns.h"

static void print_enter(const struct plan *p, struct out *o)
{
    out_string(o, "root", p->root);
    out_open(o, "enter", '[');
    if (p->method != METHOD_AUTO) {
        out_string(o, NULL, plan_method_names[p->method]);
    } else {
        out_string(o, NULL, "pivot");
        if (!p->userns && plan_forbids_chroot(p) == NULL)
            out_string(o, NULL, "chroot");
    }
    out_close(o, ']');
    out_open(o, "pivot", '[');
    if (p->pivot != PIVOT_STACKED)
        out_string(o, NULL, "tmpdir");
    if (p->pivot != PIVOT_TMPDIR)
        out_string(o, NULL, "stacked");
    out_close(o, ']');
    out_bool(o, "ro", p->read_only);
    if (p->overlay == OVERLAY_TMPFS)
        out_string(o, "overlay", "tmpfs");
    if (p->overlay == OVERLAY_UPPER) {
        out_string(o, "upper", p->upper);
        out_string(o, "work", p->work);
    }
}

static void print_maps(const char *key, const struct id_maps *maps, struct out *o)
{
    out_open(o, key, '[');
    for (unsigned i = 0; i < maps->count; i++) {
        out_open(o, NULL, '{');
        out_integer(o, "inner", maps->line[i].inner);
        out_integer(o, "outer", maps->line[i].outer);
        out_integer(o, "count", maps->line[i].count);
        out_close(o, '}');
    }
    out_close(o, ']');
}

// In the options' order: the kernel decides which of them wait for the user namespace.
static void print_joins(const struct plan *p, struct out *o)
{
    out_open(o, "join", '[');
    for (unsigned i = 0; i < p->join_count; i++) {
        const struct plan_join *j = &p->join[i];
        out_open(o, NULL, '{');
        out_string(o, "type", j->name);
        out_string(o, j->source != NULL ? "source" : "target", j->source != NULL ? j->source : p->target);
        out_close(o, '}');
    }
    out_close(o, ']');
}

static void print_namespaces(const struct plan *p, struct out *o)
{
    if (p->join_count > 0)
        print_joins(p, o);
    out_open(o, "unshare", '[');
    for (const struct ns_kind *kind = ns_kinds; kind->name != NULL; kind++) {
        if ((p->unshare & kind->flag) != 0)
            out_string(o, NULL, kind->name);
    }
    out_close(o, ']');
    if (!p->userns)
        return;
    if (p->map_auto) {
        out_string(o, "maps", "auto");
        return;
    }
    print_maps("map-users", &p->users, o);
    print_maps("map-groups", &p->groups_map, o);
}

static void print_payload(const struct plan *p, uint64_t held, struct out *o)
{
    uint64_t allowed = p->method == METHOD_CHROOT ? ~plan_chroot_forbidden() : ~UINT64_C(0);
    uint64_t capabilities = plan_capabilities(p, p->uid, held) & allowed;
    bool inside = (p->join_flags & CLONE_NEWUSER) != 0; // its maps are seen then
    if ((!p->map_auto && !inside) || p->has_user) {
        out_integer(o, "uid", p->uid);
        out_integer(o, "gid", p->gid);
    }
    out_open(o, "capabilities", '[');
    for (int cap = 0; cap < 64; cap++) {
        const char *name = (capabilities & CAPS_BIT(cap)) != 0 ? caps_name(cap) : NULL;
        if (name != NULL)
            out_string(o, NULL, name);
    }
    out_close(o, ']');
    out_bool(o, "no_new_privs", !p->new_privs);
    out_string(o, "seccomp", p->filter == FILTER_NONE      ? "none"
                             : p->filter == FILTER_DEFAULT ? "default"
                             : p->filter == FILTER_CONFIG  ? "linux.seccomp"
                                                           : p->filter_value);
    exec_print_process(p, held, allowed, o);
    out_string(o, "workdir", p->workdir != NULL ? p->workdir : "/");
    out_open(o, "command", '[');
    for (char **word = p->command; *word != NULL; word++)
        out_string(o, NULL, *word);
    out_close(o, ']');
}

int exec_print_plan(const struct plan *p, const struct caps_privilege *held)
{
    static struct out o;
    out_init(&o, STDOUT_FILENO, false);
    out_open(&o, NULL, '{');
    print_enter(p, &o);
    print_namespaces(p, &o);
    exec_print_settings(p, &o);
    exec_print_rootfs(p, &o);
    out_open(&o, "steps", '[');
    enter_print(p, &o);
    out_close(&o, ']');
    // In another user namespace all are held; which of them the kernel knows is seen then.
    bool all = p->userns || (p->join_flags & CLONE_NEWUSER) != 0;
    print_payload(p, all ? ~UINT64_C(0) : held->permitted, &o);
    out_close(&o, '}');
    out_text(&o, "\n");
    int error = out_flush(&o);
    return error < 0 ? err_no("write", "standard output", -error) : 0;
}
