// SPDX-License-Identifier: MIT
#include "sys/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/fd.h"

// Of linux/landlock.h, which Debian's headers have up to version 2 only.
enum {
    EXECUTE = 1 << 0,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    ALL_OF_1 = (1 << 13) - 1,
    REFER = 1 << 13,    // version 2
    TRUNCATE = 1 << 14, // 3
    IOCTL_DEV = 1 << 15, // 5
    CREATE_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    LEAST = 2,
};

struct ruleset {
    uint64_t handled;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    if (version < 0 && errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM)
        return err_at("landlock_create_ruleset", NULL);
    return version > 0 ? (int)version : 0;
}

// Takes all rights but those in `kept` away, and gives `below` back for what lies below `root`; -1: nothing.
static int restrict_to(uint64_t kept, int root, uint64_t below)
{
    int version = landlock_version();
    if (version < LEAST)
        return version < 0 ? version : 0;
    struct ruleset rules = {ALL_OF_1 | REFER};
    if (version >= 3)
        rules.handled |= TRUNCATE;
    if (version >= 5)
        rules.handled |= IOCTL_DEV;
    rules.handled &= ~kept;
    AUTO_CLOSE int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (fd < 0)
        return err_at("landlock_create_ruleset", NULL);
    struct path_beneath rule = {rules.handled & below, root};
    if (root >= 0 && syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0) != 0)
        return err_at("landlock_add_rule", NULL);
    if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        return err_at("landlock_restrict_self", NULL);
    return 0;
}

int landlock_confine(int root)
{
    return restrict_to(0, root, ~(uint64_t)(EXECUTE | READ_FILE | IOCTL_DEV));
}

int landlock_read_only(void)
{
    return restrict_to(EXECUTE | READ_FILE | READ_DIR, -1, 0);
}
