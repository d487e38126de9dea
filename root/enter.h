// SPDX-License-Identifier: MIT
//
// Carries out a plan: the one way into a root. Everything before the body runs is all-or-nothing: a
// failure ends the process and leaves the host as it was.
#ifndef ROOT_ENTER_H
#define ROOT_ENTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan/plan.h"
#include "sys/out.h"

// What enter() knows while it runs; the bodies read `method` and `held`.
struct enter {
    struct plan *plan;
    const struct caps_privilege *caller;
    uint64_t held;           // capabilities of this process now (all, in a new user namespace)
    int root;                // ROOT as it was opened; can't be mounted on after unshare(CLONE_NEWNS)
    int tree;                // the root of the clone that lies over it; -1 before
    int upper, work;         // --overlay=UPPER:WORK as they were opened, else -1
    int join[JOINS_MAX];     // the namespaces of plan->join, until they are entered
    int foreign;             // CLONE_NEW… of those that are not the caller's own
    int map_channel;         // to the child that writes the maps
    pid_t map_child;
    bool legacy;             // the clone was made by mount(2)
    bool slave;              // `/` was made slave: from here on EINVAL is final
    bool pivoted;            // pivot_root(2) is done: from here on no error leads to another way;
    bool lost;               // nor when the working directory could not be made ROOT again
    enum plan_method method; // the one that is tried, never METHOD_AUTO
    enum plan_pivot pivot;
    char fallback[128];      // why not the better way; "" if it was taken
    bool no_procfs;          // none is in the clone, and none can arrive there
    struct source *sources;  // of binds, one for each mount of the plan (root/sources.c)
    bool mount_api;          // the new mount calls are there, all of them
    bool layered;            // ROOT is covered by an overlay for mount points: the tree is that
    int inside;              // the entered root, for a job of the helper's own; else -1

    // What a signal means that interrupts a wait: 0 to go on, else -errno, recorded. NULL: signals have their default.
    int (*interrupted)(void *context);
    void *context;

    // What to do when a procfs is found in ROOT's clone; NULL if that does not matter.
    int (*protect)(struct enter *e);
};

// Whether the caller may have this plan carried out: in set-uid mode not every one. -EPERM, recorded.
// enter_root() asks again; a command asks before it reads what the plan names.
int enter_allowed(const struct enter *e);

// Enters. Returns 0 in the process that is inside; that is a child of this one where plan_stays(): the
// helper itself then never returns from here. -errno, recorded.
int enter_root(struct enter *e);

// The steps that enter_root() would take, in their order, into an open JSON array.
void enter_print(const struct plan *p, struct out *o);

// The parts, one file each. All: 0 or -errno, recorded.

int userns_prepare(struct enter *e); // before the unshare: the child that will write the maps
int userns_write_maps(struct enter *e);
// The maps as uid_map and gid_map take them, NUL-terminated; `text` has room for MAP_TEXT bytes.
enum { MAP_TEXT = 4096 }; // user_namespaces(7): a map is one write of at most a page
int userns_map_text(const struct id_maps *maps, char *text);
int attach_root(struct enter *e);    // clones ROOT over itself; the working directory is the clone's root
int attach_detached(struct enter *e); // clones ROOT and leaves it where nothing is mounted on
int attach_verify(struct enter *e);  // in set-uid mode: that the root was entered, and no mount of the host's is left
int overlay_open(struct enter *e);   // before the unshare
int overlay_mount(struct enter *e);
int pivot_into(struct enter *e);
int chroot_into(struct enter *e);
int move_into(struct enter *e);

// The step "unshare": what the plan names, and mounts where the way in needs it. 0 or -errno, recorded.
int enter_unshare(struct enter *e);

// Takes the next way if the ladder allows it after `error` of the recorded call: 0, else `error`.
int enter_fall_back(struct enter *e, int error);

#endif
