// SPDX-License-Identifier: MIT
#include "sys/status.h"

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
