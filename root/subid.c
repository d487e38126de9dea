// SPDX-License-Identifier: MIT
#include "root/subid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"
#include "sys/num.h"
#include "sys/spawn.h"
#include "sys/text.h"

enum { FILE_MAX = 1 << 20 };
static char file[FILE_MAX + 1];

static int read_file(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_at("open", path);
    ssize_t n = fd_read_all(fd, file, FILE_MAX + 1, path);
    if (n < 0)
        return (int)n;
    if (n > FILE_MAX)
        return err_because("read", path, EFBIG, "more than 1 MiB");
    file[n] = '\0';
    return 0;
}

// OWNER:START:COUNT
static bool parse(const char *line, const char *owner, uint32_t *start, uint32_t *count)
{
    size_t n = strlen(owner);
    uint64_t first, length;
    const char *end;
    if (n == 0 || strncmp(line, owner, n) != 0 || line[n] != ':' ||
        !num_prefix(line + n + 1, UINT32_MAX - 1, &first, &end) || *end != ':' ||
        !num_prefix(end + 1, UINT32_MAX - 1, &length, &end) || (*end != '\n' && *end != '\0'))
        return false;
    *start = (uint32_t)first;
    *count = (uint32_t)length;
    return length > 0 && first + length <= UINT32_MAX;
}

static bool find_owner(const char *owner, uint32_t *start, uint32_t *count)
{
    for (const char *line = file; line != NULL && *line != '\0';) {
        if (parse(line, owner, start, count))
            return true;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

static int find_range(const char *path, const char *number, char *name, size_t size, uint32_t *start,
                      uint32_t *count)
{
    int error = read_file(path);
    if (error < 0)
        return error;
    if (find_owner(number, start, count))
        return 0;
    if (name[0] == '\0') {
        char *argv[] = {"/usr/bin/id", "-un", NULL};
        if (spawn_program(argv, name, size) < 0)
            name[0] = '\0';
        name[strcspn(name, "\n:")] = '\0';
    }
    if (find_owner(name, start, count))
        return 0;
    err_because("--map-auto", path, ENOENT, "no range for the caller");
    err_hint("usermod --add-subuids and --add-subgids give one");
    return -ENOENT;
}

// The range from 0 up; where `has_own`, the caller's own id at `inner`, in the middle of it.
static void fill(struct id_maps *maps, uint32_t start, uint32_t count, bool has_own, uint32_t inner, uint32_t own)
{
    maps->count = 0;
    uint32_t before = has_own && inner < count ? inner : count;
    if (before > 0)
        maps->line[maps->count++] = (struct id_map){0, start, before};
    if (has_own)
        maps->line[maps->count++] = (struct id_map){inner, own, 1};
    if (before < count)
        maps->line[maps->count++] = (struct id_map){inner + 1, start + before, count - before};
}

int subid_auto(struct plan *p, const struct caps_privilege *caller)
{
    char number[11], name[256] = "";
    uint32_t start, count;
    bool has_own = p->map_root || p->map_current;
    text_from_number(number, caller->uid);
    int error = find_range("/etc/subuid", number, name, sizeof(name), &start, &count);
    if (error < 0)
        return error;
    fill(&p->users, start, count, has_own, p->map_root ? 0 : caller->uid, caller->uid);
    error = find_range("/etc/subgid", number, name, sizeof(name), &start, &count);
    if (error < 0)
        return error;
    fill(&p->groups_map, start, count, has_own, p->map_root ? 0 : caller->gid, caller->gid);
    return 0;
}
