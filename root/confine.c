// SPDX-License-Identifier: MIT
#include "root/confine.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "root/forward.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/landlock.h"
#include "sys/proc.h"

enum { KEEP_MAX = 16 };

static int limit_capabilities(uint64_t wanted)
{
    uint64_t sets[3];
    int error = caps_get(sets);
    if (error == 0)
        error = caps_limit(sets[1] & wanted);
    uint64_t set = sets[1] & wanted;
    if (error == 0)
        error = caps_get(sets);
    if (error == 0 && (sets[0] != set || sets[1] != set || sets[2] != 0))
        error = err_because("capget", NULL, EPERM, "the capabilities are not those that were set");
    return error;
}

static int close_others(const struct enter *e, const int *keep, size_t count)
{
    int fds[KEEP_MAX + 1];
    if (count > KEEP_MAX)
        return err_no("close_range", NULL, E2BIG);
    memcpy(fds, keep, count * sizeof(*keep));
    fds[count] = e->inside;
    return fd_close_all_but(fds, forward_sort(fds, count + 1), proc_fd());
}

int confine(const struct enter *e, uint64_t capabilities, const int *keep, size_t count, enum cage cage)
{
    err_stage("confine");
    int error = close_others(e, keep, count);
    if (error == 0)
        error = limit_capabilities(capabilities);
    if (error < 0)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_at("prctl", "PR_SET_NO_NEW_PRIVS");
    error = landlock_confine(e->inside);
    return error < 0 ? error : cage_shut(cage);
}
