// SPDX-License-Identifier: MIT
//
// The root file system between the attaching of ROOT and the change of root: what is mounted in it, made in it and
// hidden in it. All of it is done by descriptors below the clone of ROOT, with the host's "/" still in place.
//
// Two ways throughout: open_tree(2), fsopen(2), mount_setattr(2) and move_mount(2), or, where any of them is
// missing or denied, mount(2) by /proc/self/fd. All functions: a descriptor, 0 or -errno, recorded unless said.
#ifndef ROOT_ROOTFS_H
#define ROOT_ROOTFS_H

#include "root/enter.h"

// Before the unshare, with the caller's rights and working directory (root/sources.c).
int rootfs_open_sources(struct enter *e);

// The steps in the new mount namespace.
int rootfs_mount_all(struct enter *e); // mounts, devices, working directory
int rootfs_run_hooks(struct enter *e);
int rootfs_hide(struct enter *e);      // read-only paths and masks
int rootfs_finish(struct enter *e);    // what is read-only becomes it now
int rootfs_set_propagation(struct enter *e); // of the new "/", after the change of root

// -- places (root/places.c) --------------------------------------------------------------------

// Opens the absolute `path` in the root as it is now, as O_PATH: links stay inside, magic ones are refused.
// -errno, not recorded.
int rootfs_open(const struct enter *e, const char *path);

// The same, and made if it is missing: a directory, or an empty file; what leads there is made too, 0755. Where
// the root can't or must not be written an overlay is laid over the deepest directory there is, so that ROOT on
// disk stays as it is.
int rootfs_make(struct enter *e, const char *path, bool directory);

// Opens the place of a mount, where there is one: *plain says that no link leads to it. -errno, not recorded.
int rootfs_find(const struct enter *e, const char *path, bool *plain);

// Whether `fd` is the root itself: what covers that is not seen below its descriptor. 1 or 0; -errno, recorded.
int rootfs_is_root(const struct enter *e, int fd, const char *path);

// -- mounts (root/mounting.c) ------------------------------------------------------------------

struct rootfs_how {
    uint64_t set, clear;         // MOUNT_ATTR_… of the mount itself
    uint64_t set_all, clear_all; // of those below too
    uint64_t propagation;        // MS_…; 0 leaves it
    bool propagation_all;
    bool recursive;              // a bind takes what is mounted below along
    bool keep_peers;             // nothing becomes a slave on the way: of the host's peers, where that was asked for
};

// Of a mount that a user namespace took over no flag can be cleared; and which times are kept is locked both ways
// (mount_namespaces(7)).
#define ROOTFS_TIMES ((uint64_t)ATTR_ATIME | ATTR_NODIRATIME)
#define ROOTFS_LOCKED "flags that the source has, and its times, are locked in this user namespace"

// Binds `source` (O_PATH, of this mount namespace) over `target` (O_PATH, in the root), attributes set before it is
// visible. The new mount's root, O_PATH. `name` is the path in the root: for errors.
int rootfs_bind(struct enter *e, int source, int target, const struct rootfs_how *how, const char *name);

// Mounts a new file system over `target`, with `data` as in struct plan_mount. The new mount's root.
int rootfs_mount(struct enter *e, const char *type, const char *source, const char *data,
                 const struct rootfs_how *how, int target, const char *name);

// Lays the detached mount `mount` over `target`.
int rootfs_attach(struct enter *e, int mount, int target, const char *name);
// Why that failed, by `call` and errno: -errno, recorded.
int rootfs_refuse(int source, int target, const char *call, const char *name);

// Sets attributes and propagation of the mount whose root `fd` is.
int rootfs_set(struct enter *e, int fd, const struct rootfs_how *how, const char *name);

// Becomes read-only in rootfs_finish() (root/late.c): the ownership of `fd`, a mount's root, passes.
int rootfs_set_read_only_later(struct enter *e, int fd);

// What was mounted at and below `from` is seen at `to` too, as a clone: where the mount becomes read-only later, so
// does the clone. `itself`: of the mount that `from` is on; `below`: of those below it.
int rootfs_follow_read_only(struct enter *e, int from, int to, bool itself, bool below);

// A file of the host, opened in this mount namespace as O_PATH: a device node of exactly that type and number.
int rootfs_host_device(const char *path, mode_t type, unsigned major, unsigned minor);

// -- kinds (a file each) -----------------------------------------------------------------------

// devtmpfs: the file system over `target`, and all that belongs into it (root/dev.c).
int dev_mount(struct enter *e, const struct plan_mount *m, int target);
// The nodes and links in the directory /dev of the root, whatever is mounted there (an OCI config's tmpfs).
int dev_populate(struct enter *e);
// --device, and an OCI config's linux.devices.
int dev_make(struct enter *e, const struct plan_device *d);

// cgroup and cgroup2, over `target` (root/cgroup.c).
int cgroup_mount(struct enter *e, const struct plan_mount *m, int target);

// Read-only paths, then masks (root/hide.c).
int hide_read_only(struct enter *e, const char *path);
int hide_masks(struct enter *e);

// Copies what is below the directory `from` into the directory `to`, or the one regular file `from` into a new
// file `name` of `to`: types, modes, owners, times, extended attributes (root/copy.c).
int copy_directory(int from, int to, const char *name);
int copy_file(int from, int to, const char *name);

// A user namespace of these maps, for MOUNT_ATTR_IDMAP; needs the caller's capabilities (root/idmap.c). The descriptor
// is the caller's to close.
int idmap_namespace(const struct id_maps *users, const struct id_maps *groups);

#endif
