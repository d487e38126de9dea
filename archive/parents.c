// SPDX-License-Identifier: MIT
#include "archive/parents.h"

#include <string.h>

#include "sys/fd.h"
#include "sys/path.h"

void parents_begin(struct parents *p, int root, bool no_links)
{
    p->root = root;
    p->no_links = no_links;
    p->stale = false;
    p->next = 0;
    for (int i = 0; i < PARENTS; i++)
        p->parent[i].fd = -1;
}

void parents_end(struct parents *p)
{
    for (int i = 0; i < PARENTS; i++)
        fd_auto_close(&p->parent[i].fd);
    p->stale = false;
}

void parents_forget(struct parents *p)
{
    p->stale = true;
}

void parents_keep(struct parents *p, const char *path, size_t length, int fd)
{
    struct parent *slot = &p->parent[p->next];
    p->next = (p->next + 1) % PARENTS;
    fd_auto_close(&slot->fd);
    slot->fd = fd;
    slot->length = length;
    memcpy(slot->path, path, length);
    slot->path[length] = '\0';
}

int parents_open(struct parents *p, const char *path, size_t length)
{
    if (p->stale)
        parents_end(p);
    if (length == 0)
        return p->root;
    for (int i = 0; i < PARENTS; i++) {
        const struct parent *known = &p->parent[i];
        if (known->fd < 0 || known->length != length || memcmp(known->path, path, length) != 0)
            continue;
        if (p->next == (unsigned)i) // whoever looks at two at once must not lose the first
            p->next = (p->next + 1) % PARENTS;
        return known->fd;
    }
    char name[PATH_MAX];
    memcpy(name, path, length);
    name[length] = '\0';
    int fd = path_open_directory(p->root, name, p->no_links);
    if (fd >= 0)
        parents_keep(p, path, length, fd);
    return fd;
}
