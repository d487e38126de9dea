// SPDX-License-Identifier: MIT
//
// --mount, --volume, --tmpfs, --device and their kin: the text of an option becomes part of the plan. All: 0, or
// -EINVAL, recorded as a usage error of `option`.
#ifndef PLAN_MOUNTSPEC_H
#define PLAN_MOUNTSPEC_H

#include "plan/plan.h"

int mountspec_mount(struct plan *p, const char *option, const char *value);
int mountspec_volume(struct plan *p, const char *option, const char *value);
int mountspec_tmpfs(struct plan *p, const char *option, const char *value);
int mountspec_device(struct plan *p, const char *option, const char *value);
int mountspec_mask(struct plan *p, const char *option, const char *value);
int mountspec_read_only(struct plan *p, const char *option, const char *value);
int mountspec_fds(struct plan *p, const char *option, const char *value);

// Room for one more at the end of the plan's mounts, or paths. NULL or false, recorded, without memory or over a limit.
struct plan_mount *plan_add_mount(struct plan *p, const char *option);
struct plan_device *plan_add_device(struct plan *p, const char *option);
bool plan_add_path(const char ***list, unsigned *count, unsigned *room, const char *path, const char *option);

// `path` without "." and "..", and with single slashes, for comparing. False if it is too long for `clean`.
bool plan_clean_path(const char *path, char *clean, size_t size);

#endif
