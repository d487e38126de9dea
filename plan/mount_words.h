// SPDX-License-Identifier: MIT
//
// The option words of mounts, as options of ours and OCI configs have them: OCI runtime specification, config.md,
// "Linux mount options"; mount(8).
#ifndef PLAN_MOUNT_WORDS_H
#define PLAN_MOUNT_WORDS_H

#include "plan/rootfs.h"

enum mount_word_result {
    MOUNT_WORD_OK,
    MOUNT_WORD_NO_MEMORY,
    MOUNT_WORD_IVERSION, // understood, and nothing in the kernel sets it for one mount
    MOUNT_WORD_MAPS,     // idmap=…: maps are members of their own
};

// Takes the first N bytes of WORD into M: an attribute, a propagation, a word of ours, or else an option of the file
// system, which goes to the end of `data` (malloc'ed; what was there before is freed). The last of words that
// exclude each other counts.
enum mount_word_result mount_word(struct plan_mount *m, const char *word, size_t n);

// What does not go together, in words; NULL if all does. For after the last word.
const char *mount_words_conflict(const struct plan_mount *m);

#endif
