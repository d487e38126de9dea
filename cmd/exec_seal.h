// SPDX-License-Identifier: MIT
//
// Whether this program must run again from a file that the payload can't change (CVE-2019-5736): it is root's, and
// what it is found by, a procfs, shows it to the payload.
#ifndef CMD_EXEC_SEAL_H
#define CMD_EXEC_SEAL_H

#include "root/enter.h"

// Before anything is read: where the words say that it will be so, nothing has to be read twice. Whatever goes wrong
// here, exec_seal() finds out.
void exec_seal_early(char **argv, char **words, const struct caps_privilege *held);

// With the plan, and all that it names still as the caller left it. Returns where it need not, or where it has been;
// may set e->protect. -errno, recorded.
int exec_seal(struct enter *e, char **argv);

#endif
