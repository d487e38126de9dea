// SPDX-License-Identifier: MIT
//
// Paths below a descriptor. openat2(2), and a walk component by component with the same meaning where
// that is missing or denied.
#ifndef SYS_PATH_H
#define SYS_PATH_H

// Opens `path` below `dir` as O_PATH: no symbolic link is followed, `..` is refused, mount points are
// crossed. "" is `dir` itself. -errno, recorded; -ELOOP for a symbolic link.
int path_open_beneath(int dir, const char *path);

#endif
