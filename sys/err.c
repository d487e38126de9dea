// SPDX-License-Identifier: MIT
#include "sys/err.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "sys/out.h"
#include "sys/status.h"

static struct {
    const char *command;
    const char *stage;
    const char *op;
    const char *reason;
    int number;
    bool has_path;
    bool reported;
    char path[PATH_MAX];
    char hint[512];
    char brief[64];
} err = {.command = "", .stage = "start"};

#define ROW(name) [name] = #name
static const char *const names[] = {
    ROW(EPERM),        ROW(ENOENT),       ROW(ESRCH),           ROW(EINTR),        ROW(EIO),
    ROW(ENXIO),        ROW(E2BIG),        ROW(ENOEXEC),         ROW(EBADF),        ROW(ECHILD),
    ROW(EAGAIN),       ROW(ENOMEM),       ROW(EACCES),          ROW(EFAULT),       ROW(ENOTBLK),
    ROW(EBUSY),        ROW(EEXIST),       ROW(EXDEV),           ROW(ENODEV),       ROW(ENOTDIR),
    ROW(EISDIR),       ROW(EINVAL),       ROW(ENFILE),          ROW(EMFILE),       ROW(ENOTTY),
    ROW(ETXTBSY),      ROW(EFBIG),        ROW(ENOSPC),          ROW(ESPIPE),       ROW(EROFS),
    ROW(EMLINK),       ROW(EPIPE),        ROW(EDOM),            ROW(ERANGE),       ROW(EDEADLK),
    ROW(ENAMETOOLONG), ROW(ENOLCK),       ROW(ENOSYS),          ROW(ENOTEMPTY),    ROW(ELOOP),
    ROW(ENODATA),      ROW(ETIME),        ROW(ENOLINK),         ROW(EPROTO),       ROW(EBADMSG),
    ROW(EOVERFLOW),    ROW(ELIBACC),      ROW(ELIBBAD),         ROW(EILSEQ),       ROW(EUSERS),
    ROW(ENOTSOCK),     ROW(EDESTADDRREQ), ROW(EMSGSIZE),        ROW(EPROTOTYPE),   ROW(ENOPROTOOPT),
    ROW(EOPNOTSUPP),   ROW(EAFNOSUPPORT), ROW(EPROTONOSUPPORT), ROW(EADDRINUSE),   ROW(ENETDOWN),
    ROW(ECONNRESET),   ROW(ENOBUFS),      ROW(EISCONN),         ROW(ENOTCONN),     ROW(ETIMEDOUT),
    ROW(ECONNREFUSED), ROW(EALREADY),     ROW(EINPROGRESS),     ROW(ESTALE),       ROW(EUCLEAN),
    ROW(EREMOTEIO),    ROW(EDQUOT),       ROW(ENOMEDIUM),       ROW(EMEDIUMTYPE),  ROW(ECANCELED),
    ROW(ENOKEY),       ROW(EKEYEXPIRED),  ROW(EKEYREVOKED),     ROW(EKEYREJECTED), ROW(EOWNERDEAD),
    ROW(ENOTRECOVERABLE), ROW(ERFKILL),   ROW(EHWPOISON),
};
#undef ROW

const char *err_name(int number)
{
    if (number > 0 && (size_t)number < sizeof(names) / sizeof(names[0]) && names[number] != NULL)
        return names[number];
    return "E?";
}

void err_command(const char *name)
{
    err.command = name;
}

void err_stage(const char *stage)
{
    err.stage = stage;
}

static void copy(char *to, size_t size, const char *from)
{
    size_t n = strnlen(from, size - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

int err_because(const char *op, const char *path, int number, const char *reason)
{
    err.op = op;
    err.number = number;
    err.reason = reason;
    err.hint[0] = '\0';
    err.reported = false;
    err.has_path = path != NULL;
    if (path != NULL)
        copy(err.path, sizeof(err.path), path);
    return -number;
}

int err_no(const char *op, const char *path, int number)
{
    return err_because(op, path, number, NULL);
}

int err_at(const char *op, const char *path)
{
    return err_because(op, path, errno, NULL);
}

void err_hint(const char *hint)
{
    copy(err.hint, sizeof(err.hint), hint);
}

void err_hint2(const char *hint, const char *name)
{
    err_hint(hint);
    size_t n = strlen(err.hint);
    copy(err.hint + n, sizeof(err.hint) - n, name);
}

bool err_is_hinted(void)
{
    return err.hint[0] != '\0';
}

void err_forget(void)
{
    err.op = NULL;
    err.number = 0;
    err.hint[0] = '\0';
}

const char *err_brief(void)
{
    copy(err.brief, sizeof(err.brief), err.op);
    size_t n = strlen(err.brief);
    copy(err.brief + n, sizeof(err.brief) - n, ": ");
    copy(err.brief + n + 2, sizeof(err.brief) - n - 2, err_name(err.number));
    return err.brief;
}

static void print(const char *reason)
{
    static struct out o; // one page: too much for the stack of a signal-starved start, cheap in .bss
    out_init(&o, STDERR_FILENO, false);
    out_text(&o, "inroot");
    if (err.command[0] != '\0') {
        out_text(&o, " ");
        out_text(&o, err.command);
    }
    out_text(&o, ": ");
    out_text(&o, err.stage);
    out_text(&o, ": ");
    out_escaped(&o, err.op);
    if (err.has_path) {
        out_text(&o, " \"");
        out_escaped(&o, err.path);
        out_text(&o, "\"");
    }
    out_text(&o, ": ");
    out_text(&o, reason);
    out_text(&o, " (");
    out_text(&o, err_name(err.number));
    out_text(&o, ")\n");
    if (err.hint[0] != '\0') {
        out_text(&o, "hint: ");
        out_escaped(&o, err.hint);
        out_text(&o, "\n");
    }
    out_flush(&o);
}

void err_report(void)
{
    if (err.reported || err.op == NULL)
        return;
    err.reported = true;
    const char *reason = err.reason != NULL ? err.reason : strerror(err.number);
    print(reason);
    status_error(&(struct status_failure){
        .stage = err.stage,
        .op = err.op,
        .path = err.has_path ? err.path : NULL,
        .number = err.number,
        .code = err_name(err.number),
        .message = reason,
        .hint = err.hint[0] != '\0' ? err.hint : NULL,
    });
}
