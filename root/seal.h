// SPDX-License-Identifier: MIT
//
// Keeps the helper's executable out of the payload's reach (CVE-2019-5736): a payload `#!/proc/self/exe`,
// or one that looks at /proc/PID/exe of another, meets it; as the file's owner or the host's root it
// could write to it.
#ifndef ROOT_SEAL_H
#define ROOT_SEAL_H

#include <stdbool.h>

// Whether what this process runs from can't be written to: a read-only mount, or a sealed memfd.
bool seal_is_sealed(void);

// Whether an ordinary user with this id may write to the executable. In doubt yes.
bool seal_is_writable_by(unsigned uid);

// Runs this program again, with the same arguments, from a read-only clone of its own mount, else from a
// sealed copy in memory. Returns only on error: -errno, recorded.
int seal_run_again(char **argv, char **environment);

#endif
