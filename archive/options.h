// SPDX-License-Identifier: MIT
//
// How an archive is to be extracted: INTERFACE, "unpack". Filled by the command, read by extract.c and its parts.
#ifndef ARCHIVE_OPTIONS_H
#define ARCHIVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/glob.h"
#include "archive/ids.h"

enum extract_policy { POLICY_LAYER, POLICY_DATA, POLICY_STRICT };
enum extract_devices { DEVICES_CREATE, DEVICES_SKIP, DEVICES_REFUSE };
enum extract_existing { EXISTING_REPLACE, EXISTING_KEEP, EXISTING_REFUSE };

struct extract_options {
    enum extract_policy policy;
    const char *directory; // below ROOT, normalised: no leading slash, no `.`, `..` or empty component; "" is ROOT
    bool same_owner;
    bool has_owner; // --chown
    uint32_t uid, gid;
    struct id_maps map_uid, map_gid; // of the archive's ids; no line: as they are
    enum extract_devices devices;
    struct globs xattrs;
    bool acls;
    bool same_permissions;
    mode_t umask; // without same_permissions
    unsigned strip;
    struct globs include, exclude;
    enum extract_existing existing;
    bool overwrite_dir;
    uint64_t max_bytes, max_entries;
    unsigned max_depth;
    bool sync;
};

#endif
