// SPDX-License-Identifier: MIT
//
// Steps that write to the namespaces the payload will live in: names, clocks, sysctls. What was joined must not be
// the caller's own. All functions: 0 or -errno, recorded.
#ifndef ROOT_SETTINGS_H
#define ROOT_SETTINGS_H

#include "root/enter.h"

int settings_time_offsets(struct enter *e); // before a process is in the new time namespace
int settings_hostname(struct enter *e);
int settings_domainname(struct enter *e);
int settings_sysctls(struct enter *e); // while the host's /proc is still there

#endif
