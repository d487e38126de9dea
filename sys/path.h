// SPDX-License-Identifier: MIT
//
// Paths below a descriptor. openat2(2), and a walk component by component with the same meaning where
// that is missing or denied.
#ifndef SYS_PATH_H
#define SYS_PATH_H

#include <stdbool.h>

// Opens `path` below `dir` as O_PATH: no symbolic link is followed, `..` is refused, mount points are
// crossed. "" is `dir` itself. -errno, recorded; -ELOOP for a symbolic link.
int path_open_beneath(int dir, const char *path);

// The same, and nothing is recorded.
int path_open_plain(int dir, const char *path);

// Opens the directory `path` as O_PATH with `root` as the root: absolute links and `..` stay inside, magic
// links are refused, mount points are crossed. "" is `root` itself. With `no_links` symbolic links are
// refused (-ELOOP). -errno, not recorded: whoever asks knows what the path was for.
int path_open_directory(int root, const char *path, bool no_links);

// The same of any type; a last component that is a link is followed too.
int path_open_any(int root, const char *path);

// The same, and made if it is missing: a directory, or an empty file of mode 0644; what leads there, the targets of
// dangling links too, as directories of mode 0755. On an error *deepest is the directory where it happened, or -1.
// Nothing is made in a cgroup file system: -EPERM.
int path_make(int root, const char *path, bool directory, int *deepest);

#endif
