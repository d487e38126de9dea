// SPDX-License-Identifier: MIT
#include "archive/dirs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

// In a chunk, at a multiple of 8 bytes. Behind it: the path below the record above, the ACLs, the atime.
struct record {
    uint64_t device, inode;
    int64_t seconds;
    uint32_t nanoseconds;
    uint32_t above, next; // 0: none
    uint16_t mode, name_length;
    uint16_t access_size, inherited_size;
    uint8_t has_atime;
    char name[];
};

enum { UNIT = 8 };

// A reference is its place in units, from 1 on.
static struct record *find(const struct dirs *d, uint32_t reference)
{
    const uint32_t units = DIRS_CHUNK / UNIT;
    reference--;
    return (struct record *)(d->chunk[reference / units] + (size_t)(reference % units) * UNIT);
}

static int allocate(struct dirs *d, size_t size, uint32_t *reference)
{
    size = (size + UNIT - 1) / UNIT * UNIT;
    if (d->chunks == 0 || d->used + size > DIRS_CHUNK) {
        if (d->chunks == DIRS_CHUNKS)
            return -E2BIG;
        void *chunk = mmap(NULL, DIRS_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            return -ENOMEM;
        d->chunk[d->chunks++] = chunk;
        d->used = 0;
    }
    *reference = (uint32_t)((size_t)(d->chunks - 1) * (DIRS_CHUNK / UNIT) + d->used / UNIT + 1);
    d->used += size;
    return 0;
}

// The recorded directories that `path` does not lie below are left; so is itself, if it comes again.
static void leave(struct dirs *d, const char *path, size_t n)
{
    while (d->above > 0) {
        size_t length = d->chain[d->above - 1].length;
        bool below = length < n && memcmp(d->path, path, length) == 0 && (length == 0 || path[length] == '/');
        if (below)
            return;
        d->above--;
    }
}

static char *put(char *at, const void *data, size_t n)
{
    if (n > 0)
        memcpy(at, data, n);
    return at + n;
}

int dirs_add(struct dirs *d, const char *path, size_t depth, const struct dirs_entry *e)
{
    size_t n = strlen(path);
    leave(d, path, n);
    size_t skipped = d->above > 0 ? d->chain[d->above - 1].length : 0;
    skipped += skipped > 0; // and its slash
    size_t atime = e->has_atime ? sizeof(e->atime) : 0;
    uint32_t reference;
    int error = allocate(d, sizeof(struct record) + n - skipped + e->access_size + e->inherited_size + atime,
                         &reference);
    if (error < 0)
        return error;
    struct record *r = find(d, reference);
    r->device = e->device;
    r->inode = e->inode;
    r->seconds = e->mtime.seconds;
    r->nanoseconds = e->mtime.nanoseconds;
    r->above = d->above > 0 ? d->chain[d->above - 1].record : 0;
    r->next = 0;
    r->mode = (uint16_t)e->mode;
    r->name_length = (uint16_t)(n - skipped);
    r->access_size = (uint16_t)e->access_size;
    r->inherited_size = (uint16_t)e->inherited_size;
    r->has_atime = e->has_atime != 0;
    char *at = put(r->name, path + skipped, n - skipped);
    at = put(at, e->access, e->access_size);
    at = put(at, e->inherited, e->inherited_size);
    put(at, &e->atime, atime);
    if (d->last[depth] != 0)
        find(d, d->last[depth])->next = reference;
    else
        d->first[depth] = reference;
    d->last[depth] = reference;
    memcpy(d->path, path, n + 1);
    d->chain[d->above].record = reference;
    d->chain[d->above++].length = n;
    return 0;
}

// From its end to its beginning: the records know what is above them.
static const char *compose(const struct dirs *d, const struct record *r, char path[PATH_MAX])
{
    char *at = path + PATH_MAX - 1;
    *at = '\0';
    for (;;) {
        at -= r->name_length;
        memcpy(at, r->name, r->name_length);
        if (r->above == 0)
            return at;
        r = find(d, r->above);
        if (r->name_length > 0) // not ROOT itself
            *--at = '/';
    }
}

int dirs_each(const struct dirs *d, int (*visit)(void *context, const char *path, const struct dirs_entry *entry),
              void *context)
{
    char path[PATH_MAX];
    for (size_t depth = DIRS_DEPTH; depth-- > 0;) {
        for (uint32_t reference = d->first[depth]; reference != 0;) {
            const struct record *r = find(d, reference);
            const char *at = r->name + r->name_length;
            struct dirs_entry e = {
                .device = r->device,
                .inode = r->inode,
                .mode = r->mode,
                .mtime = {r->seconds, r->nanoseconds},
                .has_atime = r->has_atime,
                .access = at,
                .access_size = r->access_size,
                .inherited = at + r->access_size,
                .inherited_size = r->inherited_size,
            };
            if (r->has_atime)
                memcpy(&e.atime, at + r->access_size + r->inherited_size, sizeof(e.atime));
            int result = visit(context, compose(d, r, path), &e);
            if (result != 0)
                return result;
            reference = r->next;
        }
    }
    return 0;
}
