// SPDX-License-Identifier: MIT
#ifndef ROOT_SUBID_H
#define ROOT_SUBID_H

#include "plan/plan.h"

// Fills the maps of --map-auto from /etc/subuid and /etc/subgid (subuid(5)): the first range of the
// caller, by number or by the name that `id -un` gives for it (nothing here asks NSS itself).
int subid_auto(struct plan *p, const struct caps_privilege *caller);

#endif
