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

// Options are applied after the config, and override it.
static void name_maps(struct plan *p)
{
    if (p->map_config)
        p->users.count = p->groups_map.count = 0;
    p->map_config = false;
    p->map_given = true;
}

int options_map_root(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    name_maps(p);
    p->map_root = true;
    return 0;
}

int options_map_current(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    name_maps(p);
    p->map_current = true;
    return 0;
}

int options_map_auto(struct plan *p, const char *option, const char *value)
{
    (void)option, (void)value;
    name_maps(p);
    p->map_auto = true;
    return 0;
}

static bool overlaps(uint32_t a, uint32_t count, uint32_t b, uint32_t length)
{
    return a < (uint64_t)b + length && b < (uint64_t)a + count;
}

const char *options_add_map(struct id_maps *maps, uint64_t inner, uint64_t outer, uint64_t count)
{
    if (count == 0 || inner + count > UINT32_MAX || outer + count > UINT32_MAX)
        return "the range is empty or too long";
    if (maps->count == MAP_LINES)
        return "more than 340 lines";
    struct id_map line = {(uint32_t)inner, (uint32_t)outer, (uint32_t)count};
    for (unsigned i = 0; i < maps->count; i++) {
        const struct id_map *other = &maps->line[i];
        if (overlaps(line.inner, line.count, other->inner, other->count) ||
            overlaps(line.outer, line.count, other->outer, other->count))
            return "it overlaps a line before it";
    }
    maps->line[maps->count++] = line;
    return NULL;
}

int options_id_map(struct id_maps *maps, const char *option, const char *value)
{
    uint64_t field[3];
    const char *end = value;
    for (int i = 0; i < 3; i++) {
        if (!num_prefix(end, UINT32_MAX - (i < 2), &field[i], &end) || *end != (i < 2 ? ':' : '\0'))
            return plan_usage(option, value, "not INNER:OUTER:COUNT");
        end += i < 2;
    }
    const char *no = options_add_map(maps, field[0], field[1], field[2]);
    return no == NULL ? 0 : plan_usage(option, value, no);
}

int options_map_users(struct plan *p, const char *option, const char *value)
{
    name_maps(p);
    return options_id_map(&p->users, option, value);
}

int options_map_groups(struct plan *p, const char *option, const char *value)
{
    name_maps(p);
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
