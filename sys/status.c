// SPDX-License-Identifier: MIT
#include "sys/status.h"

#include <poll.h>
#include <stddef.h>
#include <sys/wait.h>

#include "sys/out.h"

static int descriptor = -1;
static struct out record;

int status_set(int fd)
{
    int before = descriptor;
    descriptor = fd;
    return before;
}

int status_fd(void)
{
    return descriptor;
}

static bool start(const char *type)
{
    if (descriptor < 0)
        return false;
    out_init(&record, descriptor, true);
    out_open(&record, NULL, '{');
    out_string(&record, "type", type);
    return true;
}

static void finish(void)
{
    out_close(&record, '}');
    out_text(&record, "\n");
    out_flush(&record);
}

void status_mounts_ready(void)
{
    if (start("mounts-ready"))
        finish();
}

static void string_or_null(const char *key, const char *value)
{
    if (value != NULL)
        out_string(&record, key, value);
    else
        out_null(&record, key);
}

void status_entered(const char *method, const char *pivot, bool userns, const char *fallback)
{
    if (!start("entered"))
        return;
    out_string(&record, "method", method);
    string_or_null("pivot", pivot);
    out_bool(&record, "userns", userns);
    string_or_null("fallback", fallback);
    finish();
}

void status_payload(int pid)
{
    if (!start("payload"))
        return;
    out_integer(&record, "pid", (unsigned)pid);
    finish();
}

void status_exit(int wait_status)
{
    if (!start("exit"))
        return;
    if (WIFSIGNALED(wait_status))
        out_integer(&record, "signal", (unsigned)WTERMSIG(wait_status));
    else
        out_integer(&record, "code", (unsigned)WEXITSTATUS(wait_status));
    finish();
}

void status_progress(uint64_t entries, uint64_t bytes, uint64_t total)
{
    struct pollfd p = {.fd = descriptor, .events = POLLOUT};
    if (descriptor < 0 || poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0 || !start("progress"))
        return;
    out_integer(&record, "entries", entries);
    out_integer(&record, "bytes", bytes);
    if (total > 0)
        out_integer(&record, "total_bytes", total);
    else
        out_null(&record, "total_bytes");
    finish();
}

void status_put_summary(struct out *o, const struct status_summary *s)
{
    out_integer(o, "entries", s->entries);
    out_integer(o, "files", s->files);
    out_integer(o, "directories", s->directories);
    out_integer(o, "symlinks", s->symlinks);
    out_integer(o, "hardlinks", s->hardlinks);
    out_integer(o, "devices", s->devices);
    out_integer(o, "fifos", s->fifos);
    out_integer(o, "skipped", s->skipped);
    out_integer(o, "bytes", s->bytes);
    out_bool(o, "complete", s->complete);
    out_bool(o, "end_marker", s->end_marker);
    if (s->last != NULL)
        out_string(o, "last", s->last);
}

void status_end(const struct status_summary *summary)
{
    if (!start("summary"))
        return;
    status_put_summary(&record, summary);
    finish();
}

void status_error(const struct status_failure *f)
{
    if (!start("error"))
        return;
    out_string(&record, "stage", f->stage);
    out_string(&record, "op", f->op);
    record.reserve = OUT_MAX / 4; // a long path must not push out the rest
    if (f->path != NULL)
        out_string(&record, "path", f->path);
    record.reserve = 64;
    out_integer(&record, "errno", (unsigned)f->number);
    out_string(&record, "code", f->code);
    out_string(&record, "message", f->message);
    if (f->hint != NULL)
        out_string(&record, "hint", f->hint);
    finish();
}
