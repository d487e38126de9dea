// SPDX-License-Identifier: MIT
//
// The options that every command has which takes ROOT: how it is entered, and its descriptors.
#include <string.h>

#include "plan/options.h"
#include "sys/num.h"
#include "sys/status.h"

int options_enter(struct plan *p, const char *option, const char *value)
{
    int method = options_find(plan_method_names, value);
    if (method < 0 || method == METHOD_JOINED)
        return plan_usage(option, value, "no such method: auto, pivot, detached, move, chroot or confined");
    p->method = (enum plan_method)method;
    return 0;
}

int options_pivot(struct plan *p, const char *option, const char *value)
{
    int place = options_find(plan_pivot_names, value);
    if (place <= 0)
        return plan_usage(option, value, "no such place: tmpdir or stacked");
    p->pivot = (enum plan_pivot)place;
    return 0;
}

int options_map_root(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->map_root = p->map_given = true;
    return 0;
}

int options_map_current(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->map_current = p->map_given = true;
    return 0;
}

int options_map_auto(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->map_auto = p->map_given = true;
    return 0;
}

static bool overlaps(uint32_t a, uint32_t count, uint32_t b, uint32_t length)
{
    return a < (uint64_t)b + length && b < (uint64_t)a + count;
}

int options_id_map(struct id_maps *maps, const char *option, const char *value)
{
    uint64_t field[3];
    const char *end = value;
    for (int i = 0; i < 3; i++) {
        if (!num_prefix(end, UINT32_MAX - 1, &field[i], &end) || *end != (i < 2 ? ':' : '\0'))
            return plan_usage(option, value, "not INNER:OUTER:COUNT");
        end += i < 2;
    }
    if (field[2] == 0 || field[0] + field[2] > UINT32_MAX || field[1] + field[2] > UINT32_MAX)
        return plan_usage(option, value, "the range is empty or too long");
    if (maps->count == MAP_LINES)
        return plan_usage(option, value, "more than 340 lines");
    struct id_map line = {(uint32_t)field[0], (uint32_t)field[1], (uint32_t)field[2]};
    for (unsigned i = 0; i < maps->count; i++) {
        const struct id_map *other = &maps->line[i];
        if (overlaps(line.inner, line.count, other->inner, other->count) ||
            overlaps(line.outer, line.count, other->outer, other->count))
            return plan_usage(option, value, "it overlaps a line before it");
    }
    maps->line[maps->count++] = line;
    return 0;
}

int options_map_users(struct plan *p, const char *option, const char *value)
{
    p->map_given = true;
    return options_id_map(&p->users, option, value);
}

int options_map_groups(struct plan *p, const char *option, const char *value)
{
    p->map_given = true;
    return options_id_map(&p->groups_map, option, value);
}

int options_die_with_parent(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    p->die_with_parent = true;
    return 0;
}

// From here on errors go there too. It is copied when all options are known: the copy's number is not the user's.
int options_status_fd(struct plan *p, const char *option, const char *value)
{
    if (p->status_fd >= 0)
        return plan_usage(option, value, "it was given before");
    int error = options_fd(option, value, &p->status_fd);
    if (error < 0)
        return error;
    status_set(p->status_fd);
    return 0;
}

int options_sync_fd(struct plan *p, const char *option, const char *value)
{
    if (p->sync_fd >= 0)
        return plan_usage(option, value, "it was given before");
    return options_fd(option, value, &p->sync_fd);
}

int options_args_fd(struct plan *p, const char *option, const char *value)
{
    if (p->args_fd >= 0)
        return plan_usage(option, value, "--args-fd can be given once, and not by --args-fd");
    return options_fd(option, value, &p->args_fd);
}
