// SPDX-License-Identifier: MIT
#include <errno.h>
#include "root/rootfs.h"
#include "sys/err.h"
#define MISSING(name, args) __attribute__((weak)) int name args; int name args { return err_no(#name, NULL, ENOSYS); }
#pragma GCC diagnostic ignored "-Wunused-parameter"
MISSING(dev_mount, (struct enter *e, const struct plan_mount *m, int target))
MISSING(dev_populate, (struct enter *e))
MISSING(dev_make, (struct enter *e, const struct plan_device *d))
MISSING(cgroup_mount, (struct enter *e, const struct plan_mount *m, int target))
MISSING(copy_directory, (int from, int to, const char *name))
MISSING(copy_file, (int from, int to, const char *name))
MISSING(idmap_namespace, (const struct id_maps *users, const struct id_maps *groups))
MISSING(rootfs_hide, (struct enter *e))
MISSING(rootfs_host_device, (const char *path, mode_t type, unsigned major, unsigned minor))
