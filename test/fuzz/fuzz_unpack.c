// SPDX-License-Identifier: MIT
// Any archive, extracted into a scratch directory as `unpack` does it, but for the root and the cage: what
// stands beside that directory must stay as it is. Bytes after whole blocks say how.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/extract.h"
#include "archive/remove.h"
#include "test/fuzz/in_memory.h"
#include "test/fuzz/tar_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The scratch directory holds `root`, which is emptied each time, and `outside`, with what must not be
// reached.
static char in_memory[] = "/dev/shm/inroot-fuzz.XXXXXX", elsewhere[] = "/tmp/inroot-fuzz.XXXXXX", *place;
static int scratch = -1;

static const char *const canaries[] = {".",         "outside",       "outside/file", "outside/link",
                                       "outside/d", "outside/d/file"};
enum { CANARIES = sizeof(canaries) / sizeof(canaries[0]) };
static struct stat before[CANARIES];

static void look(struct stat st[CANARIES])
{
    for (int i = 0; i < CANARIES; i++)
        MUST(fstatat(scratch, canaries[i], &st[i], AT_SYMLINK_NOFOLLOW) == 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

static int open_up(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

static void at_exit(void)
{
    (void)nftw(place, open_up, 16, FTW_PHYS);
    (void)nftw(place, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static void begin(void)
{
    place = mkdtemp(in_memory);
    if (place == NULL)
        place = mkdtemp(elsewhere);
    MUST(place != NULL && (scratch = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
    atexit(at_exit);
    umask(0);
    MUST(mkdirat(scratch, "outside", 0700) == 0 && mkdirat(scratch, "outside/d", 0755) == 0);
    MUST(mknodat(scratch, "outside/file", S_IFREG | 0600, 0) == 0 &&
         symlinkat("file", scratch, "outside/link") == 0);
    MUST(mknodat(scratch, "outside/d/file", S_IFREG | 0644, 0) == 0 && mkdirat(scratch, "root", 0755) == 0);
}

// -- how ---------------------------------------------------------------------------------------

static struct extract_options options;
static struct extract extract;

static void choose(const uint8_t way[4])
{
    static char *xattrs[] = {(char *)"user.*", (char *)"*", (char *)"trusted.overlay.*"};
    static char *include[] = {(char *)"d", (char *)"**a"}, *exclude[] = {(char *)"*/b"};
    options = (struct extract_options){
        .policy = (enum extract_policy)(way[0] % 3),
        .existing = (enum extract_existing)(way[0] / 3 % 3),
        .devices = way[0] / 9 % 2 == 0 ? DEVICES_SKIP : DEVICES_REFUSE,
        .overwrite_dir = way[0] / 18 % 4 != 0,
        .directory = (way[1] & 1) != 0 ? "sub" : "",
        .strip = way[1] / 2 % 4 == 3 ? 1 : 0,
        .same_permissions = (way[1] & 8) == 0,
        .umask = 022,
        .acls = (way[1] & 16) == 0,
        .same_owner = (way[1] & 32) != 0 && geteuid() == 0,
        .has_owner = (way[1] & 64) != 0,
        .uid = geteuid(),
        .gid = getegid(),
        .xattrs = {xattrs, way[2] % 4, 3},
        .include = {include, way[2] / 4 % 8 == 7 ? 2 : 0, 2},
        .exclude = {exclude, way[2] / 32 % 4 == 3 ? 1 : 0, 1},
        .max_bytes = 1 << 20,
        .max_entries = 200,
        .max_depth = 40,
    };
    if ((way[3] & 1) != 0)
        options.map_uid = options.map_gid = (struct id_maps){1, {{0, 0, 1000}}};
    reader.strict = options.policy == POLICY_STRICT;
    reader.ignore_zeros = (way[3] & 2) != 0;
}

// -- one run -----------------------------------------------------------------------------------

static int next_descriptor(void)
{
    int fd = dup(scratch);
    MUST(fd >= 0);
    close(fd);
    return fd;
}

static void prepare(void)
{
    static struct dirs none;
    for (unsigned i = 0; i < extract.dirs.chunks; i++)
        munmap(extract.dirs.chunk[i], DIRS_CHUNK);
    extract.dirs = none;
    memset(&extract, 0, offsetof(struct extract, parents));
    extract.removed_names = extract.removed_directories = false;
    extract.root = openat(scratch, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(extract.root >= 0);
    extract.o = &options;
    extract.reader = &reader;
    extract.uid = geteuid();
    extract.gid = getegid();
    if (options.directory[0] != '\0')
        MUST(mkdirat(extract.root, options.directory, 0755) == 0);
}

static void check_counts(void)
{
    const struct extract_counts *c = &extract.counts;
    MUST(c->entries ==
         c->files + c->directories + c->symlinks + c->hardlinks + c->devices + c->fifos + c->skipped);
    MUST(c->devices == 0 && c->entries <= options.max_entries && c->bytes <= options.max_bytes);
}

// What data and strict promise of each thing that is there: no link leads out, as the kernel follows it; no
// device, and no bit that gives somebody else's rights.
static int top = -1;
static size_t top_length;

static int check_made(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)at;
    MUST(!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode) && st->st_uid == geteuid());
    MUST(S_ISLNK(st->st_mode) || (st->st_mode & 07000) == 0);
    MUST(S_ISLNK(st->st_mode) || options.same_permissions || (st->st_mode & options.umask) == 0);
    if (type != FTW_SL && type != FTW_SLN)
        return 0;
    const char *below = path + top_length + 1;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, top, below, &how, sizeof(how));
    MUST(fd >= 0 || errno != EXDEV);
    if (fd >= 0)
        close(fd);
    return 0;
}

static void check_promises(void)
{
    char path[sizeof(in_memory) + 16];
    if (options.policy == POLICY_LAYER || options.same_owner)
        return;
    const char *directory = options.directory[0] != '\0' ? "/sub" : "";
    top_length = (size_t)snprintf(path, sizeof(path), "%s/root%s", place, directory);
    top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    MUST(top >= 0);
    MUST(nftw(path, check_made, 16, FTW_PHYS) == 0);
    close(top);
}

static void empty_root(void)
{
    int error = remove_tree(scratch, "root", NULL, NULL);
    if (error < 0) { // of who may not enter what he made
        char root[sizeof(in_memory) + 8];
        snprintf(root, sizeof(root), "%s/root", place);
        (void)nftw(root, open_up, 16, FTW_PHYS);
        error = remove_tree(scratch, "root", NULL, NULL);
    }
    MUST(error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat after[CANARIES];
    uint8_t way[4] = {0};
    size_t more = size % TAR_BLOCK_SIZE;
    if (more > 0 && more <= sizeof(way))
        memcpy(way, data + (size -= more), more);
    if (scratch < 0)
        begin();
    look(before);
    begin_reading(data, size);
    choose(way);
    prepare();
    int free_one = next_descriptor();
    int error = extract_all(&extract);
    parents_end(&extract.parents);
    MUST(next_descriptor() == free_one);
    check_counts();
    if (error < 0)
        check_error(error);
    look(after);
    for (int i = 0; i < CANARIES; i++) {
        after[i].st_atim = before[i].st_atim;
        MUST(memcmp(&after[i], &before[i], sizeof(after[i])) == 0);
    }
    check_promises();
    close(extract.root);
    empty_root();
    MUST(mkdirat(scratch, "root", 0755) == 0);
    end_reading();
    return 0;
}
