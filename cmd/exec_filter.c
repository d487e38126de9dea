// SPDX-License-Identifier: MIT
#include "cmd/exec_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "root/become.h"
#include "seccomp/compile.h"
#include "seccomp/oci_profile.h"
#include "seccomp/profile.h"
#include "seccomp/raw.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/num.h"
#include "sys/oci_json.h"
#include "sys/source.h"
#include "sys/text.h"

enum { OWN, CALLERS }; // places of a become_filter

static struct become_filter filter;
static char text[OCI_PROFILE_BYTES_MAX + 1]; // of the profile or program
static size_t text_size;

// -- the caller's ------------------------------------------------------------------------------

static const char *name_of(const struct plan *p)
{
    return p->filter_value + (p->filter == FILTER_PROGRAM ? strlen("bpf:") : 0);
}

static int read_source(const struct plan *p, size_t max)
{
    ssize_t size = source_read("seccomp", name_of(p), p->filter_fd, text, max + 1);
    if (size < 0)
        return (int)size;
    text_size = (size_t)size;
    return 0;
}

static int read_profile(const struct plan *p, struct oci_profile *profile)
{
    if (p->filter == FILTER_PROFILE)
        return oci_profile_read(profile, text, text_size, name_of(p));
    oci_start("config", p->config, NULL);
    oci_below("linux");
    oci_below("seccomp");
    return oci_profile_take(profile, p->filter_json);
}

static int compile_profile(const struct plan *p, struct become_program *to)
{
    struct oci_profile profile;
    int count = read_profile(p, &profile);
    if (count < 0)
        return count;
    count = compile_filter(&profile.to, to->code, BPF_MAXINSNS);
    if (count < 0)
        return err_because("seccomp", p->filter == FILTER_CONFIG ? p->config : name_of(p), -count,
                           "the profile takes more than 4096 instructions");
    to->flags = profile.flags;
    return count;
}

int exec_filter_read(const struct plan *p)
{
    if (p->filter == FILTER_DEFAULT || p->filter == FILTER_NONE)
        return 0;
    bool program = p->filter == FILTER_PROGRAM;
    struct become_program *to = &filter.program[CALLERS];
    err_stage("filter");
    int error = p->filter != FILTER_CONFIG
                    ? read_source(p, program ? sizeof(to->code) : OCI_PROFILE_BYTES_MAX)
                    : 0;
    if (error < 0)
        return error;
    int count = program ? raw_read(text, text_size, name_of(p), to->code) : compile_profile(p, to);
    if (count < 0)
        return count;
    to->count = (unsigned short)count;
    return 0;
}

// The word of ARGUMENTS that POINTER points into.
static char **find_word(char **arguments, const char *pointer)
{
    while (*arguments != NULL &&
           !(pointer >= *arguments && pointer <= *arguments + strlen(*arguments)))
        arguments++;
    return arguments;
}

int exec_filter_hand_on(const struct plan *p, char **arguments)
{
    static char word[64]; // [--seccomp=][bpf:]fd:N
    struct text t = {.data = word, .size = sizeof(word)};
    if (p->filter_value == NULL)
        return 0;
    int fd = fd_of_bytes(text, text_size, "seccomp");
    if (fd < 0 || fcntl(fd, F_SETFD, 0) != 0)
        return fd < 0 ? fd : err_at("fcntl", "seccomp");
    char **old = find_word(arguments, p->filter_value);
    text_add(&t, *old != p->filter_value ? "--seccomp=" : "");
    text_add(&t, p->filter == FILTER_PROGRAM ? "bpf:fd:" : "fd:");
    text_number(&t, (uint64_t)fd);
    text_end(&t);
    *old = word;
    return 0;
}

// -- our own -----------------------------------------------------------------------------------

// Of "6.1.0-18-amd64"; 0, the oldest, where it is something else.
static uint32_t kernel_version(void)
{
    struct utsname system;
    uint64_t major, minor;
    const char *rest;
    if (uname(&system) != 0 || !num_prefix(system.release, UINT16_MAX, &major, &rest) ||
        *rest != '.' || !num_prefix(rest + 1, UINT16_MAX, &minor, &rest))
        return 0;
    return PROFILE_KERNEL(major, minor);
}

int exec_filter_make(const struct enter *e)
{
    const struct plan *p = e->plan;
    // In set-uid mode the caller's program comes on top of it, never instead.
    if (p->filter != FILTER_DEFAULT && !p->set_uid)
        return 0;
    struct profile_for to = {
        .capabilities = become_capabilities(e),
        .kernel = kernel_version(),
        .own_processes = ((p->unshare | e->foreign) & (CLONE_NEWPID | CLONE_NEWUSER)) != 0,
        .new_userns = false,
    };
    int count = profile_default(&to, filter.program[OWN].code, PROFILE_MAX);
    if (count < 0)
        return err_no("seccomp", "default", -count);
    filter.program[OWN].count = (unsigned short)count;
    return 0;
}

int exec_filter_load(void)
{
    return become_filtered(&filter);
}
