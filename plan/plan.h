// SPDX-License-Identifier: MIT
//
// What shall be done: data, complete and checked before the first namespace call. Filled by a command's
// options, read by root/ and by the bodies. Strings are those of argv and live as long as the process.
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "archive/ids.h"
#include "archive/options.h"
#include "plan/rootfs.h"
#include "sys/caps.h"

enum plan_method {
    METHOD_AUTO,
    METHOD_PIVOT,
    METHOD_DETACHED,
    METHOD_MOVE,
    METHOD_CHROOT,
    METHOD_CONFINED,
    METHOD_JOINED, // the root of a joined mount namespace, as it is; no word of --enter means it
};
enum plan_pivot { PIVOT_ANY, PIVOT_TMPDIR, PIVOT_STACKED };
enum plan_overlay { OVERLAY_NONE, OVERLAY_TMPFS, OVERLAY_UPPER };
enum plan_groups { GROUPS_CLEAR, GROUPS_KEEP, GROUPS_LIST };
enum plan_filter { FILTER_DEFAULT, FILTER_NONE, FILTER_PROFILE, FILTER_PROGRAM, FILTER_CONFIG };
// As process.capabilities of an OCI config has them.
enum plan_cap_set { PLAN_BOUNDING, PLAN_EFFECTIVE, PLAN_INHERITABLE, PLAN_PERMITTED, PLAN_AMBIENT, PLAN_CAP_SETS };
enum plan_target { TARGET_NONE, TARGET_PID, TARGET_FD };

enum {
    GROUPS_MAX = 65536,
    PASS_FDS_MAX = 256,
    SYSCTLS_MAX = 64,
    HOSTNAME_BYTES = 64,
    JOINS_MAX = 8, // each type once
};

struct plan_env {
    enum { ENV_CLEAR, ENV_SET, ENV_KEEP, ENV_UNSET } what;
    const char *text; // NAME=VALUE or NAME
};

struct plan_rlimit {
    int resource;
    const char *name;
    struct rlimit limit;
};

struct plan_sysctl {
    const char *text; // KEY=VALUE, for errors
    char path[256];   // "sys/net/ipv4/ip_forward"
    const char *value;
};

// A namespace to enter, that others live in.
struct plan_join {
    int flag;           // CLONE_NEW…
    const char *name;   // "net"
    const char *source; // as the user wrote it; NULL: that of the target
    int fd;             // of fd:N, else -1
};

// What the kernel is told of the payload as a process, by an OCI config.
struct plan_process {
    bool has_oom_score_adj, has_io_priority, has_scheduler, has_personality;
    int oom_score_adj;         // -1000 to 1000
    unsigned io_priority;      // as ioprio_set(2) takes it
    unsigned long personality; // as personality(2) takes it
    struct plan_scheduler {
        uint32_t policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period; // ns
    } scheduler;                            // as sched_setattr(2) takes it
};

// What `unpack` does inside: how the archive is extracted, and how it is read and reported.
struct plan_unpack {
    struct extract_options extract;
    bool has_policy, has_same_owner, has_devices, has_xattrs;
    const char *directory; // as the user wrote it
    uint64_t max_ratio;
    bool ignore_zeros, verbose, json;
    enum plan_progress { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER } progress;
    const char *archive; // as the user wrote it; "-" is standard input
    int archive_fd;      // of fd:N, else -1
    int exclude_fd;      // of --exclude-from=fd:N, else -1
};

struct plan {
    struct plan_unpack *unpack; // of that command

    // The root.
    const char *root;  // as the user wrote it
    char **root_word;  // where it stands in argv; NULL if it came from --args-fd
    int root_fd;       // of fd:N, else -1
    enum plan_method method;
    enum plan_pivot pivot;
    bool read_only;
    bool own_job; // the helper does the job itself: nothing is executed in the root
    bool set_uid; // the caller is an ordinary user, and this process was root by the set-uid bit
    bool allow_host_proc;
    enum plan_overlay overlay;
    char *upper, *work;
    struct plan_rootfs rootfs;
    const char *config; // as the user wrote it: FILE or fd:N
    int config_fd;      // of fd:N, else -1

    // Namespaces and maps.
    int unshare;   // CLONE_NEW… beyond the mount namespace; CLONE_NEWUSER once it is decided
    unsigned join_count;
    struct plan_join join[JOINS_MAX];
    bool userns;    // a user namespace of its own
    int join_flags; // of all of them
    enum plan_target target_by;
    const char *target; // as the user wrote it
    int target_number;  // a pid or a descriptor, as target_by says
    bool map_root, map_current, map_auto, map_given;
    bool map_config; // the maps are an OCI config's, which an option replaces
    bool maps_by_program; // several lines: by somebody with the right, not by the process itself
    struct id_maps users, groups_map;
    const char *hostname, *domainname;
    struct plan_time_offset {
        bool given;
        int64_t seconds;
        uint32_t nanoseconds;
    } monotonic, boottime; // of a new time namespace
    struct plan_sysctl sysctl[SYSCTLS_MAX];
    unsigned sysctl_count;

    // Who the payload is.
    bool has_user, has_gid;
    uint32_t uid, gid; // inside the namespace
    enum plan_groups groups;
    uint32_t group[GROUPS_MAX];
    unsigned group_count;
    uint64_t cap_add, cap_drop;
    uint64_t cap_sets[PLAN_CAP_SETS];
    enum plan_filter filter;
    bool has_cap_sets; // an OCI config's: they are taken as they are, and cap_add and cap_drop change all of them
    bool cap_add_all, cap_drop_all;
    bool new_privs; // --no-new-privs=off
    const char *filter_value; // of FILTER_PROFILE and FILTER_PROGRAM: as the user wrote it, [bpf:]FILE or [bpf:]fd:N
    const struct json_t *filter_json; // of FILTER_CONFIG: linux.seccomp

    // The payload.
    const char *workdir; // NULL: /
    const char *argv0;
    char **command; // NULL-terminated
    struct plan_env *env;
    unsigned env_count, env_room;
    bool has_umask;
    unsigned umask;
    struct plan_rlimit rlimit[16]; // one of each resource
    unsigned rlimit_count;
    struct plan_process process;
    int pass_fd[PASS_FDS_MAX];
    unsigned pass_fd_count;
    int status_fd, sync_fd, args_fd; // numbers that the caller gave, else -1
    int filter_fd;                   // of --seccomp=[bpf:]fd:N, else -1
    bool init, die_with_parent, new_session, dry_run;
};

// Tests build the helper with 0: what the parser lets pass must be refused by who carries the plan out.
#ifndef PLAN_PARSER_REFUSES
#define PLAN_PARSER_REFUSES 1
#endif

extern const char *const plan_method_names[]; // by enum plan_method
extern const char *const plan_pivot_names[];

// A usage error of `option` about `value`: recorded, -EINVAL.
int plan_usage(const char *option, const char *value, const char *reason);

// The option is on set-uid mode's list, if not with every value.
bool plan_allows_option(const struct plan *p, const char *option);

// What of the plan is not allowed in set-uid mode; for the parser's sake and, because a check in a parser alone
// has been walked round before (CVE-2016-8659, CVE-2026-41163), again for who carries the plan out. -EPERM, recorded.
int plan_allow_set_uid(const struct plan *p, const struct caps_privilege *held);

// The helper stays as the payload's parent (INTERFACE.md).
bool plan_stays(const struct plan *p);
// It forks as the last thing before the payload: whoever lives in a joined pid namespace sees nothing of a
// process that is more than the payload.
bool plan_forks_late(const struct plan *p);
// The payload's sets as they are before its execve(2), of those in `held` where nothing says which.
void plan_cap_sets_of(const struct plan *p, uint32_t uid, uint64_t held, uint64_t sets[PLAN_CAP_SETS]);
// Capabilities that the payload of uid `uid` is to hold, of those in `held`; of an OCI config's sets, what it may
// come to hold by an execve(2) too: the bounding set.
uint64_t plan_capabilities(const struct plan *p, uint32_t uid, uint64_t held);
// Those that the plan has by their name, in any set.
uint64_t plan_named_capabilities(const struct plan *p);
// What the kernel would refuse of an OCI config's sets; what the caller does not hold; of what an OCI config says of
// the process, what can't be done. All: -EINVAL, recorded.
int plan_check_cap_sets(const struct plan *p);
int plan_check_held(const struct plan *p, const struct caps_privilege *held);
int plan_check_process(const struct plan *p);
// CLONE_NEW… of the namespace that the key at `path` ("sys/…") belongs to; 0 for none.
int plan_sysctl_namespace(const char *path);
// Capabilities that undo a chroot.
uint64_t plan_chroot_forbidden(void);
// What of the plan a chroot can't give; NULL if nothing.
const char *plan_forbids_chroot(const struct plan *p);

// Decides what was left open (user namespace, default maps, payload ids) from the caller's privileges and
// refuses what can't be meant. -errno, recorded as a usage error.
int plan_check(struct plan *p, const struct caps_privilege *held);

// Holds --join and --target against all else; ROOT `/` of a joined mount namespace gets its method here.
int plan_check_joins(struct plan *p);

// The payload's ids in a user namespace that is not the caller's, once its maps are known (plan_check, and
// after --map-auto or --join=user).
int plan_decide_ids(struct plan *p, const struct caps_privilege *held);
bool plan_maps_inner(const struct id_maps *maps, uint32_t inner);
bool plan_maps_outer(const struct id_maps *maps, uint32_t outer);

#endif
