// SPDX-License-Identifier: MIT
//
// The plan's lists of mounts, devices and paths, and the options that add one.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "plan/mountspec.h"
#include "plan/options.h"
#include "sys/err.h"
#include "sys/num.h"

// Makes room for one more of SIZE bytes, all zero. NULL, recorded, without memory, or where there are MAX of them.
static void *grow(void **list, unsigned *count, unsigned *room, size_t size, unsigned max, const char *option,
                  const char *full)
{
    if (*count == max) {
        plan_usage(option, NULL, full);
        return NULL;
    }
    if (*count == *room) {
        unsigned more = *room == 0 ? 16 : 2 * *room;
        void *bigger = reallocarray(*list, more, size);
        if (bigger == NULL) {
            err_at("malloc", option);
            return NULL;
        }
        *list = bigger;
        *room = more;
    }
    void *added = (char *)*list + (size_t)(*count)++ * size;
    return memset(added, 0, size);
}

struct plan_mount *plan_add_mount(struct plan *p, const char *option)
{
    struct plan_rootfs *r = &p->rootfs;
    void *list = r->mount;
    struct plan_mount *m = grow(&list, &r->mount_count, &r->mount_room, sizeof(*m), MOUNTS_MAX, option,
                                "more than 4096 mounts");
    r->mount = list;
    if (m != NULL)
        m->fd = -1;
    return m;
}

struct plan_device *plan_add_device(struct plan *p, const char *option)
{
    struct plan_rootfs *r = &p->rootfs;
    void *list = r->device;
    struct plan_device *d = grow(&list, &r->device_count, &r->device_room, sizeof(*d), DEVICES_MAX, option,
                                 "more than 1024 devices");
    r->device = list;
    return d;
}

bool plan_add_path(const char ***list, unsigned *count, unsigned *room, const char *path, const char *option)
{
    void *old = (void *)*list;
    const char **added = grow(&old, count, room, sizeof(*added), HIDDEN_MAX, option, "more than 4096 paths");
    *list = old;
    if (added != NULL)
        *added = path;
    return added != NULL;
}

bool plan_clean_path(const char *path, char *clean, size_t size)
{
    size_t n = 0;
    while (*path != '\0') {
        path += strspn(path, "/");
        size_t word = strcspn(path, "/");
        if (word == 2 && path[0] == '.' && path[1] == '.') {
            while (n > 0 && clean[--n] != '/')
                ;
        } else if (word > 0 && !(word == 1 && path[0] == '.')) {
            if (n + word + 2 > size)
                return false;
            clean[n++] = '/';
            memcpy(clean + n, path, word);
            n += word;
        }
        path += word;
    }
    if (n == 0)
        clean[n++] = '/';
    clean[n] = '\0';
    return true;
}

int mountspec_device(struct plan *p, const char *option, const char *value)
{
    struct plan_device *d = plan_add_device(p, option);
    if (d == NULL)
        return -EINVAL;
    d->text = strdup(value);
    if (d->text == NULL)
        return err_at("malloc", option);
    char *colon = strchr(d->text, ':');
    d->source = d->target = d->text;
    if (colon != NULL) {
        *colon = '\0';
        d->target = colon + 1;
    }
    if (d->source[0] != '/' || d->target[0] != '/')
        return plan_usage(option, value, "not SRC[:DST] as absolute paths");
    if (strchr(d->target, ':') != NULL)
        return plan_usage(option, value, "permissions of devices are their cgroup's, which the parent sets");
    char clean[PATH_MAX];
    if (strlen(d->source) >= PATH_MAX || strlen(d->target) >= PATH_MAX ||
        !plan_clean_path(d->target, clean, sizeof(clean)))
        return plan_usage(option, value, "the path is too long");
    return strcmp(clean, "/") != 0 ? 0 : plan_usage(option, value, "the root itself is no device");
}

static int add_hidden(const char *option, const char *value, const char ***list, unsigned *count, unsigned *room,
                      bool *none)
{
    if (strcmp(value, "none") == 0) {
        *none = true;
        return 0;
    }
    if (value[0] != '/')
        return plan_usage(option, value, "neither an absolute path nor none");
    if (strlen(value) >= PATH_MAX)
        return plan_usage(option, value, "the path is too long");
    return plan_add_path(list, count, room, value, option) ? 0 : -EINVAL;
}

int mountspec_mask(struct plan *p, const char *option, const char *value)
{
    struct plan_rootfs *r = &p->rootfs;
    return add_hidden(option, value, &r->mask, &r->mask_count, &r->mask_room, &r->mask_none);
}

int mountspec_read_only(struct plan *p, const char *option, const char *value)
{
    struct plan_rootfs *r = &p->rootfs;
    return add_hidden(option, value, &r->read_only, &r->read_only_count, &r->read_only_room, &r->read_only_none);
}

static int add_fd(struct plan *p, const char *option, const char *word, size_t n)
{
    struct plan_rootfs *r = &p->rootfs;
    char number[12] = "";
    if (n >= sizeof(number) || r->mount_fd_count == MOUNT_FDS_MAX)
        return plan_usage(option, word, "not the number of a descriptor, or more than 1024 of them");
    memcpy(number, word, n);
    return options_fd(option, number, &r->mount_fds[r->mount_fd_count++]);
}

int mountspec_fds(struct plan *p, const char *option, const char *value)
{
    struct plan_rootfs *r = &p->rootfs;
    if (r->mount_fds != NULL)
        return plan_usage(option, value, "it was given before");
    r->mount_fds = calloc(MOUNT_FDS_MAX, sizeof(*r->mount_fds));
    return r->mount_fds != NULL ? options_each_word(p, option, value, add_fd) : err_at("malloc", option);
}
