// SPDX-License-Identifier: MIT
#include <errno.h>
#include "root/rootfs.h"
#include "sys/err.h"
__attribute__((weak)) int cgroup_mount(struct enter *e, const struct plan_mount *m, int target)
{
    (void)e, (void)m, (void)target;
    return err_no("cgroup_mount", NULL, ENOSYS);
}
