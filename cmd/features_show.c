// SPDX-License-Identifier: MIT
#include "cmd/features_show.h"
#include "cmd/version.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "sys/proc.h"
#include "sys/text.h"


static const int capabilities[] = {CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SETUID, CAP_SETGID, CAP_SETPCAP};
enum { CAPABILITIES = sizeof(capabilities) / sizeof(capabilities[0]) };

static bool has_capability(const struct features *f, int capability)
{
    return (f->caller->effective & CAPS_BIT(capability)) != 0;
}

// A rung that auto would come to; below pivot there is none for a caller who gets a user namespace first.
static bool is_rung(const struct features *f, enum probe_name name)
{
    return name == PROBE_PIVOT || !f->probe[PROBE_AUTO].userns;
}

static const char *call_state(const struct probe_result *r)
{
    if (r->works == PROBE_UNKNOWN)
        return "unknown";
    return r->works == PROBE_YES ? "yes" : r->error == ENOSYS ? "missing" : "denied";
}

// -- for programs ------------------------------------------------------------------------------

static void print_answer(struct out *o, const char *key, enum probe_answer answer)
{
    if (answer == PROBE_UNKNOWN)
        out_null(o, key);
    else
        out_bool(o, key, answer == PROBE_YES);
}

static void print_string(struct out *o, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        out_null(o, key);
    else
        out_string(o, key, value);
}

static void print_number(struct out *o, const char *key, bool known, uint64_t value)
{
    if (known)
        out_integer(o, key, value);
    else
        out_null(o, key);
}

static void print_works(struct out *o, const struct probe_result *r)
{
    print_answer(o, "works", r->works);
    print_string(o, "error", r->why);
}

static void print_caller(struct out *o, const struct features *f)
{
    out_open(o, "caller", '{');
    out_integer(o, "uid", f->caller->uid);
    out_integer(o, "gid", f->caller->gid);
    out_open(o, "capabilities", '{');
    for (int i = 0; i < CAPABILITIES; i++)
        out_bool(o, caps_name(capabilities[i]), has_capability(f, capabilities[i]));
    out_close(o, '}');
    print_answer(o, "in_chroot", f->in_chroot);
    print_answer(o, "in_user_namespace", f->in_userns);
    print_number(o, "seccomp", f->has_seccomp, f->seccomp);
    out_close(o, '}');
}

static void print_ladder(struct out *o, const struct features *f)
{
    const struct probe_result *r = &f->probe[PROBE_AUTO];
    bool works = r->works == PROBE_YES;
    out_open(o, "auto", '{');
    print_string(o, "method", works ? plan_method_names[r->method] : NULL);
    out_bool(o, "userns", r->userns);
    print_string(o, "clone", works && r->method == METHOD_PIVOT ? r->legacy ? "mount" : "open_tree" : NULL);
    print_string(o, "fallback", r->fallback);
    print_string(o, "error", r->why);
    out_close(o, '}');
    out_open(o, "ladder", '[');
    for (int i = PROBE_PIVOT; i <= PROBE_CHROOT; i++) {
        out_open(o, NULL, '{');
        out_string(o, "method", probe_key((enum probe_name)i));
        out_bool(o, "auto", is_rung(f, (enum probe_name)i));
        print_works(o, &f->probe[i]);
        out_close(o, '}');
    }
    out_close(o, ']');
}

static void print_userns(struct out *o, const struct features *f)
{
    out_open(o, probe_key(PROBE_USERNS), '{');
    print_works(o, &f->probe[PROBE_USERNS]);
    print_string(o, "denied_by", f->denied_by);
    for (int i = LIMIT_USERNS; i <= LIMIT_APPARMOR; i++)
        print_number(o, features_limits[i].key, f->has_limit[i], f->limit[i]);
    out_close(o, '}');
}

static void print_pair(struct out *o, const struct features *f, const char *key, enum probe_name first)
{
    out_open(o, key, '{');
    for (int i = first; i < (int)first + 2; i++) {
        out_open(o, probe_key((enum probe_name)i), '{');
        print_works(o, &f->probe[i]);
        out_close(o, '}');
    }
    out_close(o, '}');
}

void features_print_json(struct out *o, const struct features *f)
{
    const struct probe_result *landlock = &f->probe[PROBE_LANDLOCK];
    out_open(o, NULL, '{');
    out_string(o, "version", VERSION);
    out_string(o, "kernel", f->system.release);
    print_caller(o, f);
    print_ladder(o, f);
    print_userns(o, f);
    out_open(o, "system_calls", '{');
    for (int i = PROBE_CALLS; i < PROBE_COUNT; i++)
        out_string(o, probe_key((enum probe_name)i), call_state(&f->probe[i]));
    out_close(o, '}');
    print_pair(o, f, "idmapped_mounts", PROBE_IDMAP_ROOT);
    print_pair(o, f, "overlay", PROBE_OVERLAY);
    out_bool(o, "newuidmap", f->newuidmap);
    out_bool(o, "newgidmap", f->newgidmap);
    print_number(o, "landlock_abi", landlock->works != PROBE_UNKNOWN, (uint64_t)landlock->value);
    print_answer(o, probe_key(PROBE_SECCOMP), f->probe[PROBE_SECCOMP].works);
    print_number(o, features_limits[LIMIT_MEMFD].key, f->has_limit[LIMIT_MEMFD], f->limit[LIMIT_MEMFD]);
    out_close(o, '}');
    out_text(o, "\n");
}

// -- for people --------------------------------------------------------------------------------

enum { COLUMN = 17, WIDTH = 80 };

struct screen {
    struct out *o;
    size_t column; // 0 before the first line
};

static void start(struct screen *s, const char *label)
{
    if (s->column > 0)
        out_text(s->o, "\n");
    out_text(s->o, label);
    for (s->column = strlen(label); s->column < COLUMN - 1; s->column++)
        out_text(s->o, " ");
}

// Word by word; a line that is full goes on below its first word.
static void say(struct screen *s, const char *text)
{
    for (size_t n; *text != '\0'; text += n + (text[n] == ' ')) {
        n = strcspn(text, " ");
        if (s->column + 1 + n > WIDTH)
            start(s, "");
        out_text(s->o, " ");
        out_bytes(s->o, text, n);
        s->column += 1 + n;
    }
}

// "NAME VALUE", one word where `joint` is no blank.
static void say_number(struct screen *s, const char *name, const char *joint, uint64_t value)
{
    char text[96];
    struct text t = {text, sizeof(text), 0};
    text_add(&t, name);
    text_add(&t, joint);
    text_number(&t, value);
    text_end(&t);
    say(s, text);
}

static void say_works(struct screen *s, const struct probe_result *r)
{
    static const char *const answers[] = {"no", "yes", "unknown"}; // by enum probe_answer
    say(s, answers[r->works]);
    if (r->works == PROBE_YES)
        return;
    say(s, "-");
    say(s, r->why);
}

static void show_caller(struct screen *s, const struct features *f)
{
    bool any = false;
    start(s, "caller");
    say_number(s, "uid", " ", f->caller->uid);
    say(s, "with");
    for (int i = 0; i < CAPABILITIES; i++) {
        if (has_capability(f, capabilities[i]))
            say(s, caps_name(capabilities[i]));
        any = any || has_capability(f, capabilities[i]);
    }
    if (!any)
        say(s, "no capability that counts here");
    if (f->in_chroot == PROBE_YES)
        say(s, "- in a chroot");
    if (f->in_userns == PROBE_YES)
        say(s, "- in a user namespace");
    if (f->has_seccomp && f->seccomp != 0)
        say(s, "- under a seccomp filter");
}

static void show_ladder(struct screen *s, const struct features *f)
{
    const struct probe_result *r = &f->probe[PROBE_AUTO];
    start(s, "auto");
    if (r->works == PROBE_YES)
        say(s, plan_method_names[r->method]);
    else
        say_works(s, r);
    if (r->userns)
        say(s, "- in a user namespace of its own");
    if (r->works == PROBE_YES && r->legacy && r->method == METHOD_PIVOT)
        say(s, "- ROOT is cloned by mount(2)");
    if (r->fallback[0] != '\0') {
        say(s, "- since pivot failed at");
        say(s, r->fallback);
    }
    start(s, "- pivot");
    say_works(s, &f->probe[PROBE_PIVOT]);
    start(s, "- chroot");
    say_works(s, &f->probe[PROBE_CHROOT]);
    if (!is_rung(f, PROBE_CHROOT))
        say(s, "- only where it is named");
}

static void show_userns(struct screen *s, const struct features *f)
{
    start(s, "user namespaces");
    say_works(s, &f->probe[PROBE_USERNS]);
    if (f->denied_by != NULL) {
        say(s, "- denied by");
        say(s, f->denied_by);
        if (f->denied_by == features_limits[LIMIT_APPARMOR].name)
            say(s, "(inroot's AppArmor profile lifts it: inroot(1))");
    }
    start(s, "- limits");
    for (int i = LIMIT_USERNS; i <= LIMIT_APPARMOR; i++) {
        if (f->has_limit[i])
            say_number(s, features_limits[i].name, "=", f->limit[i]);
    }
    if (proc_fd() < 0)
        say(s, "unknown - no /proc");
}

static void show_calls(struct screen *s, const struct features *f)
{
    static const struct {
        const char *label, *state;
    } groups[] = {
        {"system calls", "yes"},
        {"- missing", "missing"},
        {"- denied", "denied"},
        {"- unknown", "unknown"},
    };
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        bool started = false;
        for (int i = PROBE_CALLS; i < PROBE_COUNT; i++) {
            if (strcmp(call_state(&f->probe[i]), groups[g].state) != 0)
                continue;
            if (!started)
                start(s, groups[g].label);
            started = true;
            say(s, probe_key((enum probe_name)i));
        }
    }
}

static void show_pair(struct screen *s, const struct features *f, enum probe_name first,
                      const char *const labels[2])
{
    for (int i = 0; i < 2; i++) {
        start(s, labels[i]);
        say_works(s, &f->probe[(int)first + i]);
    }
}

static void show_confinement(struct screen *s, const struct features *f)
{
    const struct probe_result *landlock = &f->probe[PROBE_LANDLOCK];
    start(s, "confinement");
    if (landlock->works == PROBE_YES && landlock->value > 0)
        say_number(s, "Landlock ABI", " ", (uint64_t)landlock->value);
    else
        say(s, landlock->works == PROBE_UNKNOWN ? "Landlock unknown" : "no Landlock");
    say(s, "- seccomp filters");
    say_works(s, &f->probe[PROBE_SECCOMP]);
    if (f->has_limit[LIMIT_MEMFD])
        say_number(s, "- vm.memfd_noexec", "=", f->limit[LIMIT_MEMFD]);
}

void features_print_screen(struct out *o, const struct features *f)
{
    struct screen s = {o, 0};
    start(&s, "inroot");
    say(&s, VERSION " on Linux");
    say(&s, f->system.release);
    show_caller(&s, f);
    show_ladder(&s, f);
    show_userns(&s, f);
    show_calls(&s, f);
    show_pair(&s, f, PROBE_IDMAP_ROOT, (const char *const[]){"idmapped root", "- tmpfs"});
    show_pair(&s, f, PROBE_OVERLAY, (const char *const[]){"overlay", "- in a user ns"});
    start(&s, "id maps");
    say(&s, f->newuidmap ? "newuidmap" : "no newuidmap");
    say(&s, f->newgidmap ? "newgidmap" : "no newgidmap");
    show_confinement(&s, f);
    out_text(o, "\n");
}
