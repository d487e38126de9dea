// SPDX-License-Identifier: MIT
#include "cmd/unpack_report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/out.h"
#include "sys/start.h"
#include "sys/status.h"
#include "sys/text.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING = sizeof(ending) / sizeof(ending[0]) };

static volatile sig_atomic_t caught;

static struct out names; // of --verbose

static void catch_signal(int number)
{
    caught = number;
}

// Not what the caller ignores (nohup) or blocks.
static void watch_signals(struct report *r)
{
    sigemptyset(&r->watched);
    for (int i = 0; i < ENDING; i++) {
        struct sigaction now, wanted = {.sa_handler = catch_signal};
        if (sigismember(start_mask(), ending[i]) || sigaction(ending[i], NULL, &now) != 0 ||
            now.sa_handler == SIG_IGN || sigaction(ending[i], &wanted, NULL) != 0)
            continue;
        sigaddset(&r->watched, ending[i]);
    }
}

void report_begin(struct report *r, const struct plan *plan, struct extract *x, struct input *in)
{
    r->plan = plan;
    r->x = x;
    r->in = in;
    enum plan_progress wanted = plan->unpack->progress;
    r->shows = wanted == PROGRESS_ALWAYS || (wanted == PROGRESS_AUTO && isatty(STDERR_FILENO));
    out_init(&names, plan->unpack->json ? STDERR_FILENO : STDOUT_FILENO, false);
    clock_gettime(CLOCK_MONOTONIC, &r->begun);
    watch_signals(r);
}

// -- signals -----------------------------------------------------------------------------------

static int ended(struct report *r, int number)
{
    static char reason[96];
    static const char *const words[ENDING] = {"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"};
    struct text t = {reason, sizeof(reason), 0};
    int i = 0;
    while (i < ENDING - 1 && ending[i] != number)
        i++;
    r->ended_by = number;
    text_add(&t, "it ended the run after ");
    text_number(&t, r->x->counts.entries);
    text_add(&t, " entries and ");
    text_number(&t, r->x->counts.bytes);
    text_add(&t, " bytes");
    text_end(&t);
    err_stage("signal");
    return err_because(words[i], NULL, ECANCELED, reason);
}

// They are blocked but while something is waited for: one that came meanwhile is taken here.
static int look_for_signals(struct report *r)
{
    const struct timespec now = {0, 0};
    int number = caught != 0 ? caught : sigtimedwait(&r->watched, NULL, &now);
    return number > 0 ? ended(r, number) : 0;
}

// -- progress ----------------------------------------------------------------------------------

static void put_size(struct out *o, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    unsigned unit = 0;
    uint64_t rest = 0;
    for (; bytes >= 1024 && unit < 4; unit++) {
        rest = bytes % 1024;
        bytes /= 1024;
    }
    out_number(o, bytes);
    if (unit > 0 && bytes < 100) {
        out_text(o, ".");
        out_number(o, rest * 10 / 1024);
    }
    out_text(o, units[unit]);
}

static void put_time(struct out *o, uint64_t seconds)
{
    uint64_t minutes = seconds / 60 % 60;
    if (seconds >= 3600) {
        out_number(o, seconds / 3600);
        out_text(o, minutes < 10 ? ":0" : ":");
    }
    out_number(o, minutes);
    out_text(o, seconds % 60 < 10 ? ":0" : ":");
    out_number(o, seconds % 60);
}

// Bytes, rate, and where the size is known the share and the time left.
static void show_line(struct report *r, uint64_t milliseconds)
{
    static struct out o;
    uint64_t taken = input_taken(r->in), total = r->in->total, bytes = r->x->counts.bytes;
    out_init(&o, STDERR_FILENO, false);
    out_text(&o, "\r\033[K");
    out_number(&o, r->x->counts.entries);
    out_text(&o, " entries, ");
    put_size(&o, bytes);
    out_text(&o, ", ");
    put_size(&o, bytes / milliseconds * 1000 + bytes % milliseconds * 1000 / milliseconds);
    out_text(&o, "/s");
    if (total > 0 && taken > 0 && taken <= total) {
        out_text(&o, ", ");
        out_number(&o, taken / (total / 100 + 1));
        out_text(&o, " %, ");
        put_time(&o, (uint64_t)((double)(total - taken) / (double)taken * (double)milliseconds / 1000));
        out_text(&o, " left");
    }
    out_flush(&o);
    r->line = true;
}

static void clear_line(struct report *r)
{
    static struct out o;
    if (!r->line)
        return;
    out_init(&o, STDERR_FILENO, false);
    out_text(&o, "\r\033[K");
    out_flush(&o);
    r->line = false;
}

static void tell(struct report *r)
{
    struct timespec now;
    if ((!r->shows && status_fd() < 0) || clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return;
    int64_t milliseconds = (now.tv_sec - r->begun.tv_sec) * 1000 + (now.tv_nsec - r->begun.tv_nsec) / 1000000;
    if (milliseconds / 1000 <= r->told)
        return;
    r->told = (long)(milliseconds / 1000);
    status_progress(r->x->counts.entries, input_taken(r->in), r->in->total);
    if (r->shows)
        show_line(r, (uint64_t)milliseconds);
}

int report_pause(void *context, int fd)
{
    struct report *r = context;
    tell(r);
    int error = look_for_signals(r);
    if (error < 0 || fd < 0)
        return error;
    if (names.length > 0) // nobody knows how long it takes
        out_flush(&names);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const struct timespec second = {1, 0};
        int got = ppoll(&p, 1, r->shows || status_fd() >= 0 ? &second : NULL, start_mask());
        if (caught != 0)
            return ended(r, caught);
        if (got != 0)
            return got > 0 || errno == EINTR ? 0 : err_at("ppoll", r->in->name);
        tell(r);
    }
}

int report_open(struct report *r, const char *path)
{
    // A FIFO may have to be waited for.
    int error = start_unblock();
    if (error < 0)
        return error;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        fd = err_at("open", path);
    error = start_block(false);
    if (caught != 0)
        error = ended(r, caught);
    if (error < 0 && fd >= 0)
        close(fd);
    return error < 0 ? error : fd;
}

int report_interrupted(void *context)
{
    struct report *r = context;
    return caught != 0 ? ended(r, caught) : 0;
}

void report_name(void *context, const char *name)
{
    (void)context;
    out_escaped(&names, name);
    out_text(&names, "\n");
}

// -- the end -----------------------------------------------------------------------------------

static void warn_of_missing_end(const struct report *r)
{
    static struct out o;
    out_init(&o, STDERR_FILENO, false);
    out_text(&o, "inroot unpack: warning: \"");
    out_escaped(&o, r->in->name);
    out_text(&o, "\" has no end-of-archive blocks: something may be missing\n");
    out_flush(&o);
}

// What is written now may have to wait for a reader: a signal need not.
static void let_signals_kill(const struct report *r)
{
    for (int i = 0; i < ENDING; i++) {
        if (sigismember(&r->watched, ending[i]) == 1)
            signal(ending[i], SIG_DFL);
    }
    sigprocmask(SIG_UNBLOCK, &r->watched, NULL);
}

static int print_summary(const struct status_summary *summary)
{
    static struct out o;
    out_init(&o, STDOUT_FILENO, false);
    out_open(&o, NULL, '{');
    status_put_summary(&o, summary);
    out_close(&o, '}');
    out_text(&o, "\n");
    return out_flush(&o);
}

int report_end(struct report *r, bool complete)
{
    const struct extract_counts *c = &r->x->counts;
    const struct tar_reader *reader = r->x->reader;
    const char *last = r->x->entry != NULL ? r->x->entry->name : reader->name[0] != '\0' ? reader->name : NULL;
    struct status_summary summary = {
        c->entries, c->files, c->directories, c->symlinks, c->hardlinks, c->devices, c->fifos, c->skipped, c->bytes,
        complete, reader->has_end, complete ? NULL : last,
    };
    if (r->ended_by == 0)
        let_signals_kill(r);
    clear_line(r);
    int error = out_flush(&names);
    if (r->plan->unpack->json && error == 0)
        error = print_summary(&summary);
    if (complete)
        err_forget(); // of a way that was given up for another
    if (error < 0 && complete)
        err_no("write", "standard output", -error);
    status_end(&summary);
    if (complete && !reader->has_end && reader->started) // nothing at all is an empty archive
        warn_of_missing_end(r);
    err_report();
    if (r->ended_by != 0)
        start_die_by(r->ended_by);
    return complete ? error : 0;
}
