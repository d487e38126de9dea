// SPDX-License-Identifier: MIT
#include "cmd/exec_seal.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/exec_filter.h"
#include "plan/oci.h"
#include "plan/options.h"
#include "root/hostproc.h"
#include "root/seal.h"
#include "sys/err.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/text.h"

// What was read from a descriptor must be there again for the second run of this program.
static int refill(int number, const char *data, size_t size, const char *option)
{
    if (data == NULL)
        return 0;
    AUTO_CLOSE int fd = fd_of_bytes(data, size, option);
    if (fd < 0)
        return fd;
    return dup2(fd, number) >= 0 ? 0 : err_at("dup2", option);
}

static int refill_all(const struct plan *p)
{
    size_t size;
    const char *data = options_args(&size);
    int error = refill(p->args_fd, data, size, "--args-fd");
    if (error < 0)
        return error;
    data = oci_config_bytes(&size);
    return refill(p->config_fd, data, size, "--config");
}

// The payload could write to the helper's executable: as its owner, as the host's root, or by a capability.
static bool could_write(const struct plan *p, const struct caps_privilege *held)
{
    // The id that the payload has outside: in a namespace of one line it is the caller's.
    if (p->userns && p->maps_by_program)
        return true;
    uint32_t outside = p->userns || !p->has_user ? held->uid : p->uid;
    bool capable = !p->userns && (p->new_privs || plan_capabilities(p, p->uid, held->permitted) != 0);
    return capable || outside == 0 || seal_is_writable_by(outside);
}

static bool keeps_sys_admin(const struct plan *p, const struct caps_privilege *held)
{
    uint64_t all = p->userns ? ~UINT64_C(0) : held->permitted;
    return (plan_capabilities(p, p->uid, all) & CAPS_BIT(CAP_SYS_ADMIN)) != 0;
}

static char **arguments; // main's, for running this program again

static int run_again(const struct plan *p)
{
    if (seal_is_sealed())
        return 0;
    err_forget();
    int error = refill_all(p);
    return error < 0 ? error : seal_run_again(arguments, environ);
}

// As it is found while entering: ROOT is handed on as the descriptor of its clone, which the second run clones
// again, in a mount namespace below ours. Nothing else has been done yet.
static int run_again_in_clone(struct enter *e)
{
    static char word[sizeof("fd:") + 10] = "fd:";
    if (seal_is_sealed())
        return 0;
    // The working directory is ROOT too, and was carried over if the mount namespace is a new one.
    int fd = open(".", O_PATH | O_DIRECTORY);
    if (fd < 0)
        return err_at("open", e->plan->root);
    text_from_number(word + 3, (uint32_t)fd);
    *e->plan->root_word = word;
    int error = exec_filter_hand_on(e->plan, arguments);
    return error < 0 ? error : seal_run_again(arguments, environ);
}

// A new procfs, or one that comes along with a bind.
static bool brings_procfs(const struct plan *p)
{
    for (unsigned i = 0; i < p->rootfs.mount_count; i++) {
        if (p->rootfs.mount[i].type == MOUNT_PROC || p->rootfs.mount[i].type == MOUNT_BIND)
            return true;
    }
    return p->rootfs.hook_count > 0; // whatever they do
}

// The payload reaches the executable where a procfs is in sight, or where it can mount one.
int exec_seal(struct enter *e, char **argv)
{
    const struct plan *p = e->plan;
    arguments = argv;
    if (p->set_uid)
        return 0; // the payload is no owner of the file, and a copy would not be set-uid
    if (p->userns ? proc_fd() < 0 : proc_need() < 0)
        return run_again(p); // it says what is missing
    // Whoever lives in there may be anybody.
    if ((p->join_flags & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)) != 0)
        return run_again(p);
    if (!could_write(p, e->caller))
        return 0;
    if (keeps_sys_admin(p, e->caller))
        return run_again(p);
    if (brings_procfs(p))
        return run_again(p);
    AUTO_CLOSE int root = p->root_fd >= 0 ? fd_copy(p->root_fd) : open(p->root, O_PATH | O_CLOEXEC);
    struct stat there, slash;
    if (root < 0 || fstat(root, &there) != 0 || stat("/", &slash) != 0)
        return 0; // enter_root() says what is wrong with it
    bool is_slash = there.st_dev == slash.st_dev && there.st_ino == slash.st_ino;
    if (p->unshare == 0 && p->join_count == 0 && p->overlay == OVERLAY_NONE && p->root_word != NULL &&
        p->rootfs.mount_count == 0 && p->rootfs.mount_fds == NULL && p->method != METHOD_CHROOT && !is_slash && p->config == NULL) {
        e->protect = run_again_in_clone;
        return 0;
    }
    // Other namespaces can't be unshared or joined twice, a root named `fd` takes one of --mount-fds, "/" can't be covered, and a config's paths start from
    // where we are: the look comes first, at the host's mounts.
    return hostproc_below(root) ? run_again(p) : 0;
}

// -- without a plan ----------------------------------------------------------------------------

// Words that bring a procfs, or may.
static bool brings_mounts(const char *word)
{
    static const char *const options[] = {"--mount", "--volume", "--default-mounts", "--config"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strncmp(word, options[i], strlen(options[i])) == 0)
            return true;
    }
    return false;
}

void exec_seal_early(char **argv, char **words, const struct caps_privilege *held)
{
    bool any = false;
    for (char **word = words; *word != NULL && (*word)[0] == '-'; word++) {
        if (strcmp(*word, "--help") == 0 || strcmp(*word, "--dry-run") == 0)
            return;
        any |= brings_mounts(*word);
    }
    if (!any || held->set_uid || held->uid != 0)
        return;
    proc_open();
    if (proc_fd() >= 0 && !seal_is_sealed())
        (void)seal_run_again(argv, environ);
    // Its number may be one that the caller has named, and did not open.
    proc_close();
    err_forget();
}
