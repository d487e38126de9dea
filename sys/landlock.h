// SPDX-License-Identifier: MIT
//
// Landlock (landlock(7)): what is outside of a directory can't be reached by path any more.
#ifndef SYS_LANDLOCK_H
#define SYS_LANDLOCK_H

// The version of the interface; 0 where the kernel has none, or a filter forbids it. -errno, recorded.
int landlock_version(void);

// From here on this process, which has no_new_privs, can make, write and remove below the directory `root`, and
// nothing elsewhere; nothing can be executed, and no existing file be read. 0, also where the kernel has no
// Landlock or one below version 2 (which can't link between directories); -errno, recorded.
int landlock_confine(int root);

// Likewise: nothing can be written, made or removed by path any more, anywhere.
int landlock_read_only(void);

#endif
