// SPDX-License-Identifier: MIT
#include "sys/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"

static uint64_t joined(const struct __user_cap_data_struct data[2], int set)
{
    const uint32_t low[] = {data[0].effective, data[0].permitted, data[0].inheritable};
    const uint32_t high[] = {data[1].effective, data[1].permitted, data[1].inheritable};
    return (uint64_t)high[set] << 32 | low[set];
}

int caps_get(uint64_t sets[3])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    long result = syscall(SYS_capget, &header, data);
    for (int set = 0; set < 3; set++)
        sets[set] = joined(data, set);
    return result == 0 ? 0 : err_at("capget", NULL);
}

// The first number that the kernel (4.3 and later) does not know is refused as EINVAL; any other failure, and
// one that comes too early, must not be taken for the end.
static bool is_past_last(int cap)
{
    return errno == EINVAL && cap > CAP_AUDIT_READ;
}

// One prctl(2) a capability: `option`, and with it `what` where the number is its second argument.
static int read_set(uint64_t *bits, int option, unsigned long what, const char *name)
{
    bool second = option == PR_CAP_AMBIENT;
    *bits = 0;
    for (unsigned long cap = 0; cap < 64; cap++) {
        int got = prctl(option, second ? what : cap, second ? cap : 0, 0, 0);
        if (got < 0)
            return is_past_last((int)cap) ? 0 : err_at("prctl", name);
        if (got == 1)
            *bits |= CAPS_BIT(cap);
    }
    return 0;
}

static int ambient_set(uint64_t *bits)
{
    return read_set(bits, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, "PR_CAP_AMBIENT");
}

int caps_get_bounding(uint64_t *bounding)
{
    return read_set(bounding, PR_CAPBSET_READ, 0, "PR_CAPBSET_READ");
}

int caps_record(struct caps_privilege *held)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;
    uint64_t sets[3];
    if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
        return err_at("getresuid", NULL);
    int error = caps_get(sets);
    if (error < 0)
        return error;
    held->uid = ruid;
    held->gid = rgid;
    held->effective = sets[0];
    held->permitted = sets[1];
    held->ambient = 0;
    held->set_uid = false;
    if (ruid != 0 && sets[1] != 0 && (error = ambient_set(&held->ambient)) < 0)
        return error;
    if (rgid != egid || rgid != sgid)
        return err_because("start", NULL, EPERM, "installed set-gid, which is not supported");
    if (ruid != euid || ruid != suid) {
        // By the kernel's word and by the ids: one of them alone is somebody's trick.
        held->set_uid = ruid != 0 && euid == 0 && suid == 0 && getauxval(AT_SECURE) != 0;
        return held->set_uid ? 0 : err_because("start", NULL, EPERM, "set-uid, but not to root");
    }
    // root's permitted set comes from its uid; anybody else's must have been handed on by the caller.
    if (ruid != 0 && (held->permitted & ~held->ambient) != 0)
        return err_because("start", NULL, EPERM, "installed with file capabilities, which is not supported");
    return 0;
}

int caps_find(const char *name, size_t n)
{
    char text[32];
    if (n >= 4 && strncasecmp(name, "cap_", 4) == 0) {
        name += 4;
        n -= 4;
    }
    if (n == 0 || n >= sizeof(text))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (name[i] >= '0' && name[i] <= '9') // libcap-ng takes numbers, which name nothing
            return -1;
    }
    memcpy(text, name, n);
    text[n] = '\0';
    return capng_name_to_capability(text);
}

const char *caps_name(int number)
{
    return number <= CAP_LAST_CAP ? capng_capability_to_name((unsigned)number) : NULL;
}

// By prctl(2) itself: libcap-ng reads /proc/PID/status by path for that, and the root's /proc is not ours.
int caps_lower_bounding(uint64_t bounding)
{
    for (int cap = 0; cap < 64; cap++) {
        int got = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (got < 0)
            return is_past_last(cap) ? 0 : err_at("prctl", "PR_CAPBSET_READ");
        if (got == 0 || (bounding & CAPS_BIT(cap)) != 0)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) {
            int error = err_at("prctl", "PR_CAPBSET_DROP");
            err_hint("lowering the bounding set needs CAP_SETPCAP in the caller's user namespace");
            return error;
        }
        got = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (got < 0)
            return err_at("prctl", "PR_CAPBSET_READ");
        if (got != 0)
            return err_because("prctl", "PR_CAPBSET_DROP", EPERM, "the capability is still there");
    }
    return 0;
}

static void stage(capng_type_t type, uint64_t set)
{
    for (int cap = 0; cap < 64; cap++) {
        if ((set & CAPS_BIT(cap)) != 0)
            capng_update(CAPNG_ADD, type, (unsigned)cap);
    }
}

// The kernel keeps the ambient set within the inheritable one; what a caller left in there must not stay.
static int replace_ambient(uint64_t set)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return err_at("prctl", "PR_CAP_AMBIENT");
    for (int cap = 0; cap < 64; cap++) {
        if ((set & CAPS_BIT(cap)) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0)
            return err_at("prctl", "PR_CAP_AMBIENT");
    }
    uint64_t now;
    int error = ambient_set(&now);
    if (error < 0)
        return error;
    return now == set ? 0 : err_because("prctl", "PR_CAP_AMBIENT", EPERM, "the set is another");
}

int caps_become(const struct caps_sets *wanted)
{
    uint64_t sets[3];
    capng_clear(CAPNG_SELECT_CAPS);
    stage(CAPNG_EFFECTIVE, wanted->effective);
    stage(CAPNG_PERMITTED, wanted->permitted);
    stage(CAPNG_INHERITABLE, wanted->inheritable);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return err_at("capset", NULL);
    int error = caps_get(sets);
    if (error < 0)
        return error;
    if (sets[0] != wanted->effective || sets[1] != wanted->permitted || sets[2] != wanted->inheritable)
        return err_because("capget", NULL, EPERM, "the capabilities are not those that were set");
    return wanted->inheritable != 0 ? replace_ambient(wanted->ambient) : 0;
}

int caps_limit(uint64_t set)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)set, .permitted = (uint32_t)set},
        {.effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32)},
    };
    return syscall(SYS_capset, &header, data) == 0 ? 0 : err_at("capset", NULL);
}
