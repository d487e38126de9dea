// SPDX-License-Identifier: MIT
//
// Steps of the way in that are short enough to stand together; root/enter.c has them in their order, and says why
// each is where it is. All: 0 or -errno, recorded.
#ifndef ROOT_STEPS_H
#define ROOT_STEPS_H

#include "root/enter.h"

int step_open_root(struct enter *e);
int step_raise(struct enter *e);
int step_fork(struct enter *e);
int step_attach(struct enter *e);
int step_protect(struct enter *e); // the executable, where a procfs shows it
int step_loopback(struct enter *e);
int step_wait(struct enter *e); // for --sync-fd
int step_hooks(struct enter *e);
int step_change_root(struct enter *e);
int step_surrender(struct enter *e);
int step_check_procfs(struct enter *e);
int step_report(struct enter *e);

// ROOT is looked up in a joined mount namespace.
bool step_root_is_inside(const struct plan *p);
bool step_wants_procfs_check(const struct plan *p);

#endif
