// SPDX-License-Identifier: MIT
#include "plan/limits.h"

#include <string.h>

#include "sys/num.h"

// `size`: a number of bytes, which may end in K, M, G or T.
static bool parse_limit(const char *text, bool size, const char **end, rlim_t *limit)
{
    static const char unlimited[] = "unlimited";
    if (strncmp(text, unlimited, sizeof(unlimited) - 1) == 0) {
        *limit = RLIM_INFINITY;
        *end = text + sizeof(unlimited) - 1;
        return true;
    }
    uint64_t n;
    if (!(size ? num_size_prefix(text, &n, end) : num_prefix(text, UINT64_MAX - 1, &n, end)))
        return false;
    *limit = n;
    return true;
}

static const struct limits_row rows[] = {
    {"as", RLIMIT_AS, true},           {"core", RLIMIT_CORE, true},
    {"cpu", RLIMIT_CPU, false},        {"data", RLIMIT_DATA, true},
    {"fsize", RLIMIT_FSIZE, true},     {"locks", RLIMIT_LOCKS, false},
    {"memlock", RLIMIT_MEMLOCK, true}, {"msgqueue", RLIMIT_MSGQUEUE, true},
    {"nice", RLIMIT_NICE, false},      {"nofile", RLIMIT_NOFILE, false},
    {"nproc", RLIMIT_NPROC, false},    {"rss", RLIMIT_RSS, true},
    {"rtprio", RLIMIT_RTPRIO, false},  {"rttime", RLIMIT_RTTIME, false},
    {"sigpending", RLIMIT_SIGPENDING, false}, {"stack", RLIMIT_STACK, true},
};

const struct limits_row *limits_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
            return &rows[i];
    }
    return NULL;
}

static unsigned place_of(const struct plan *p, const struct limits_row *row)
{
    unsigned i = 0;
    while (i < p->rlimit_count && p->rlimit[i].resource != row->resource)
        i++;
    return i;
}

bool limits_has(const struct plan *p, const struct limits_row *row)
{
    return place_of(p, row) < p->rlimit_count;
}

void limits_set(struct plan *p, const struct limits_row *row, struct rlimit limit)
{
    unsigned i = place_of(p, row); // each resource once: there is room
    p->rlimit[i] = (struct plan_rlimit){row->resource, row->name, limit};
    p->rlimit_count += i == p->rlimit_count;
}

int limits_take_rlimit(struct plan *p, const char *option, const char *value)
{
    size_t n = strcspn(value, "=");
    if (value[n] != '=')
        return plan_usage(option, value, "not NAME=SOFT[:HARD]");
    const struct limits_row *row = limits_find(value, n);
    if (row == NULL)
        return plan_usage(option, value, "no such limit");
    const char *end;
    struct rlimit limit = {0, 0};
    bool good = parse_limit(value + n + 1, row->size, &end, &limit.rlim_cur);
    limit.rlim_max = limit.rlim_cur;
    if (good && *end == ':')
        good = parse_limit(end + 1, row->size, &end, &limit.rlim_max);
    if (!good || *end != '\0')
        return plan_usage(option, value, "not NAME=SOFT[:HARD] in numbers or \"unlimited\"");
    if (limit.rlim_cur > limit.rlim_max)
        return plan_usage(option, value, "the soft limit is above the hard one");
    limits_set(p, row, limit);
    return 0;
}

// KEY in the notation of sysctl(8): dots, or slashes where a name holds a dot (the first separator decides).
int limits_take_sysctl(struct plan *p, const char *option, const char *value)
{
    static const char prefix[] = "sys/";
    size_t n = strcspn(value, "=");
    if (value[n] != '=' || n == 0)
        return plan_usage(option, value, "not KEY=VALUE");
    if (p->sysctl_count == SYSCTLS_MAX)
        return plan_usage(option, value, "more than 64 of them");
    struct plan_sysctl *s = &p->sysctl[p->sysctl_count];
    if (sizeof(prefix) + n > sizeof(s->path))
        return plan_usage(option, value, "the key is too long");
    if (strpbrk(value + n, "\n") != NULL)
        return plan_usage(option, value, "a line feed in the value");
    bool slashes = value[strcspn(value, "./")] == '/';
    memcpy(s->path, prefix, sizeof(prefix) - 1);
    for (size_t i = 0; i <= n; i++) {
        char c = '\0';
        if (i < n)
            c = value[i];
        if (!slashes && c == '.')
            c = '/';
        else if (!slashes && c == '/')
            c = '.';
        s->path[sizeof(prefix) - 1 + i] = c;
    }
    s->text = value;
    s->value = value + n + 1;
    p->sysctl_count++;
    return 0;
}
