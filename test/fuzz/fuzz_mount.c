// SPDX-License-Identifier: MIT
// Any text as the value of --mount, --volume, --tmpfs or --device, or as an option word of a mount: the first byte says
// which. What is taken must hold what root/ relies on; what is not, an error in words.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/mount_words.h"
#include "plan/mountspec.h"
#include "plan/rootfs_check.h"
#include "sys/err.h"
#include "sys/mount.h"
#include "sys/status.h"
#include "test/unit/rootfs_release.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS = 4, PATH_BYTES = 4096 };

static struct plan plan;

static bool is_path(const char *path)
{
    return path != NULL && path[0] == '/' && strlen(path) < PATH_BYTES;
}

// mount_setattr(2) refuses half a time and a bit that is both set and cleared, but for those.
static void check_attributes(uint64_t set, uint64_t clear)
{
    const uint64_t all = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC | ATTR_ATIME | ATTR_NODIRATIME |
                         ATTR_NOSYMFOLLOW;
    MUST(((set | clear) & ~all) == 0 && (set & clear & ~(uint64_t)ATTR_ATIME) == 0);
    MUST((clear & ATTR_ATIME) == 0 || (clear & ATTR_ATIME) == ATTR_ATIME);
    uint64_t time = set & ATTR_ATIME;
    MUST(time == 0 || (clear & ATTR_ATIME) == ATTR_ATIME);
    MUST(time == 0 || time == ATTR_NOATIME || time == ATTR_STRICTATIME);
}

static void check_words(const struct plan_mount *m)
{
    check_attributes(m->set, m->clear);
    check_attributes(m->set_all, m->clear_all);
    MUST(m->propagation == 0 || m->propagation == MS_PRIVATE || m->propagation == MS_SLAVE ||
         m->propagation == MS_SHARED || m->propagation == MS_UNBINDABLE);
    MUST(m->idmap || !m->idmap_all);
}

// What stands apart from what is below can be one call's, and one mount's.
static void check_together(const struct plan_mount *m)
{
    uint64_t both = (m->set | m->clear) & (m->set_all | m->clear_all);
    MUST(((m->set ^ m->set_all) & both) == 0);
    MUST(m->type == MOUNT_BIND || (!m->overlay && !m->idmap && !m->recursive && !m->weak_ro));
    MUST(m->type == MOUNT_TMPFS || !m->copy_up);
    MUST(m->type != MOUNT_BIND || m->data == NULL);
    MUST(!m->overlay || ((m->set | m->set_all) & ATTR_RDONLY) == 0);
}

static void check_mount(const struct plan_mount *m)
{
    char clean[PATH_BYTES];
    MUST(m->type <= MOUNT_DEVTMPFS && is_path(m->target));
    MUST(plan_clean_path(m->target, clean, sizeof(clean)) && strcmp(clean, "/") != 0);
    MUST(m->type != MOUNT_BIND || m->remount == (m->source == NULL));
    MUST(m->source == NULL || (m->source[0] != '\0' && strlen(m->source) < PATH_BYTES));
    MUST(m->fd == -1 || (m->type == MOUNT_BIND && strncmp(m->source, "fd:", 3) == 0));
    MUST(m->data == NULL || (m->data[0] != '\0' && m->data[0] != ','));
    check_words(m);
    check_together(m);
}

static void try_words(const char *text, size_t size)
{
    struct plan_mount m = {.type = (enum plan_mount_type)(size % (MOUNT_DEVTMPFS + 1))};
    for (size_t i = 0; i <= size;) {
        const char *end = memchr(text + i, ',', size - i);
        size_t n = end != NULL ? (size_t)(end - text) - i : size - i;
        if (n > 0 && mount_word(&m, text + i, n) == MOUNT_WORD_NO_MEMORY)
            abort();
        i += n + 1;
    }
    check_words(&m);
    if (!m.remount && mount_words_conflict(&m) == NULL)
        check_together(&(struct plan_mount){.type = m.type, .set = m.set, .clear = m.clear, .set_all = m.set_all,
                                            .clear_all = m.clear_all, .overlay = m.overlay, .copy_up = m.copy_up,
                                            .data = m.data, .idmap = m.idmap});
    free((char *)m.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const take[WORDS])(struct plan *p, const char *option, const char *value) = {
        mountspec_mount, mountspec_volume, mountspec_tmpfs, mountspec_device};
    if (size < 1)
        return 0;
    unsigned which = data[0] % (WORDS + 1);
    char *text = malloc(size);
    if (text == NULL)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    status_set(-1);
    err_forget();
    if (which == WORDS) {
        try_words(text, strlen(text)); // words have no NUL: argv, and configs, whose strings have none
    } else if (take[which](&plan, "--option", text) == 0) {
        plan.rootfs.default_mounts = (data[0] & 0x80) != 0;
        plan.userns = true; // idmap has maps then
        MUST(plan_check_rootfs(&plan) == 0);
        for (unsigned i = 0; i < plan.rootfs.mount_count; i++)
            check_mount(&plan.rootfs.mount[i]);
        for (unsigned i = 0; i < plan.rootfs.device_count; i++)
            MUST(is_path(plan.rootfs.device[i].source) && is_path(plan.rootfs.device[i].target));
    } else if (strchr(err_brief(), ':') == NULL) {
        abort(); // an error that says nothing
    }
    release_rootfs(&plan.rootfs);
    free(text);
    return 0;
}
