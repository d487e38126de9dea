// SPDX-License-Identifier: MIT
//
// Which capabilities the payload holds: the default and what the options add and drop, or the five sets of an OCI
// config.
#include <linux/capability.h>

#include "plan/plan.h"

// The engines' set without mknod: with no device cgroup it reads the host's disks.
static const uint64_t default_capabilities =
    CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_FSETID) |
    CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETPCAP) |
    CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SYS_CHROOT) |
    CAPS_BIT(CAP_AUDIT_WRITE) | CAPS_BIT(CAP_SETFCAP);

static uint64_t changed(const struct plan *p, uint64_t set, uint64_t held)
{
    uint64_t base = p->cap_drop_all ? 0 : p->cap_add_all ? held : set;
    return (base | p->cap_add) & ~p->cap_drop;
}

static uint64_t by_uid(const struct plan *p, uint32_t uid, uint64_t held)
{
    return changed(p, uid == 0 ? default_capabilities & held : 0, held);
}

// Capabilities of another id than 0 survive execve(2) by the ambient set alone; root's come from the bounding set,
// and so do those of a set-user-ID program where no_new_privs is off: the set of a root payload.
void plan_cap_sets_of(const struct plan *p, uint32_t uid, uint64_t held, uint64_t sets[PLAN_CAP_SETS])
{
    uint64_t own = by_uid(p, uid, held);
    uint64_t handed_on = uid != 0 ? own : 0;
    sets[PLAN_BOUNDING] = by_uid(p, 0, held) | own;
    sets[PLAN_EFFECTIVE] = sets[PLAN_PERMITTED] = own;
    sets[PLAN_INHERITABLE] = sets[PLAN_AMBIENT] = handed_on;
    for (int i = 0; i < PLAN_CAP_SETS && p->has_cap_sets; i++)
        sets[i] = changed(p, p->cap_sets[i], held);
    // Root has what is bounding without it, and the configs of `runc spec` name one that can't be raised.
    if (p->has_cap_sets && uid == 0)
        sets[PLAN_AMBIENT] &= sets[PLAN_INHERITABLE] & sets[PLAN_PERMITTED];
}

uint64_t plan_capabilities(const struct plan *p, uint32_t uid, uint64_t held)
{
    uint64_t sets[PLAN_CAP_SETS];
    plan_cap_sets_of(p, uid, held, sets);
    return p->has_cap_sets ? sets[PLAN_BOUNDING] | sets[PLAN_PERMITTED] : sets[PLAN_PERMITTED];
}

uint64_t plan_named_capabilities(const struct plan *p)
{
    uint64_t named = p->cap_add;
    for (int i = 0; i < PLAN_CAP_SETS && p->has_cap_sets && !p->cap_drop_all; i++)
        named |= p->cap_sets[i];
    return named & ~p->cap_drop;
}

// -- what can't be -----------------------------------------------------------------------------

static const char *first_name(uint64_t set)
{
    const char *name = caps_name(__builtin_ctzll(set));
    return name != NULL ? name : "a capability without a name";
}

// capset(2) and prctl(2) would refuse them without a name.
int plan_check_cap_sets(const struct plan *p)
{
    static const struct {
        enum plan_cap_set set, within;
        const char *reason;
    } rows[] = {
        {PLAN_EFFECTIVE, PLAN_PERMITTED, "in the effective set, but not in the permitted one"},
        {PLAN_INHERITABLE, PLAN_BOUNDING, "in the inheritable set, but not in the bounding one"},
        {PLAN_AMBIENT, PLAN_PERMITTED, "in the ambient set, but not in the permitted one"},
        {PLAN_AMBIENT, PLAN_INHERITABLE, "in the ambient set, but not in the inheritable one"},
    };
    uint64_t sets[PLAN_CAP_SETS];
    plan_cap_sets_of(p, p->uid, 0, sets);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && p->has_cap_sets; i++) {
        uint64_t left = sets[rows[i].set] & ~sets[rows[i].within];
        if (left != 0)
            return plan_usage("process.capabilities", first_name(left), rows[i].reason);
    }
    return 0;
}

int plan_check_held(const struct plan *p, const struct caps_privilege *held)
{
    uint64_t missing = plan_named_capabilities(p) & ~held->permitted;
    if (missing == 0)
        return 0;
    const char *option = (missing & p->cap_add) != 0 ? "--cap-add" : "process.capabilities";
    return plan_usage(option, first_name(missing), "the caller does not hold such a capability");
}
