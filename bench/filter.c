// SPDX-License-Identifier: MIT
/*
 * What loading the built-in filter costs, beside a bare program for the same ranges of numbers.
 *
 *     filter ROUNDS        prints lines "SETTING WAY INSTRUCTIONS RANGES NANOSECONDS"
 *
 * Ways, each in a child of its own, in turn:
 *
 * bare: a balanced tree over the ranges, its few answers shared, written beforehand; it looks at no argument.
 * load: the built-in filter, written beforehand. both: writing included, which is what an `inroot exec` pays.
 * A range is a run of numbers that the built-in filter sends the same way.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "seccomp/calls.h"
#include "seccomp/profile.h"

enum { NUMBERS = 512, MAX = 1024, ARGUMENTS = offsetof(struct seccomp_data, args) };

struct program {
    int count;
    struct sock_filter code[MAX];
};

struct range {
    uint32_t from, answer;
};

static void must(const char *what, long result)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

// -- the ranges of the built-in filter ---------------------------------------------------------

// Where the program goes with a number: to an answer, or to where it looks at an argument.
static const struct sock_filter *follow(const struct program *p, const struct seccomp_data *data)
{
    uint32_t word = 0;
    for (const struct sock_filter *at = p->code;; at++) {
        int jump = -1;
        switch (at->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (at->k >= ARGUMENTS)
                return at;
            memcpy(&word, (const char *)data + at->k, sizeof word);
            break;
        case BPF_JMP | BPF_JA:
            at += at->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            jump = word == at->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            jump = word >= at->k;
            break;
        default:
            return at;
        }
        if (jump >= 0)
            at += jump ? at->jt : at->jf;
    }
}

static int find_ranges(const struct program *p, uint32_t arch, struct range *ranges)
{
    const struct sock_filter *last = NULL;
    int count = 0;
    for (int i = 0; i <= NUMBERS; i++) {
        uint32_t number = i < NUMBERS ? (uint32_t)i : 0x80000000; // no call, from there on
        struct seccomp_data data = {.arch = arch, .nr = (int)number};
        const struct sock_filter *to = follow(p, &data);
        if (to == last)
            continue;
        last = to;
        ranges[count++] = (struct range){number, to->code == (BPF_RET | BPF_K) ? to->k : SECCOMP_RET_ALLOW};
    }
    return count;
}

// -- the bare program --------------------------------------------------------------------------

static const uint32_t answers[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM,
                                   SECCOMP_RET_ERRNO | ENOSYS};
enum { ANSWERS = sizeof answers / sizeof *answers };

static int answer_at(int end, uint32_t answer)
{
    int i = 0;
    while (answers[i] != answer)
        i++;
    return end + i;
}

// Tests for COUNT ranges, the answers of all from END on. Returns where it starts.
static int put_tree(struct program *p, const struct range *ranges, int count, int end)
{
    if (count == 1)
        return answer_at(end, ranges[0].answer);
    int at = p->count++, middle = count / 2;
    int low = put_tree(p, ranges, middle, end);
    int high = put_tree(p, ranges + middle, count - middle, end);
    p->code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].from,
                                               (uint8_t)(high - at - 1), (uint8_t)(low - at - 1));
    return at;
}

static void put(struct program *p, uint16_t code, uint32_t value)
{
    p->code[p->count++] = (struct sock_filter)BPF_STMT(code, value);
}

static int make_bare(const struct program *like, struct program *p)
{
    static const enum calls_arch arches[] = {CALLS_OWN, CALLS_COMPAT};
    struct range ranges[NUMBERS + 1];
    int all = 0;
    p->count = 0;
    put(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    for (int i = 0; i < 2; i++) {
        uint32_t arch = calls_audit(arches[i]);
        int count = find_ranges(like, arch, ranges), other = p->count + 2;
        p->code[p->count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 1, 0);
        put(p, BPF_JMP | BPF_JA, 0);
        put(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        put_tree(p, ranges, count, p->count + count - 1);
        for (int j = 0; j < ANSWERS; j++)
            put(p, BPF_RET | BPF_K, answers[j]);
        p->code[other - 1].k = (uint32_t)(p->count - other);
        all += count;
    }
    put(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return all;
}

// -- the clock ---------------------------------------------------------------------------------

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

// WRITE is NULL, or the settings to write the program for first.
static int64_t load(struct program *p, const struct profile_for *write)
{
    static int64_t *took;
    int status;
    if (took == NULL)
        took = mmap(NULL, sizeof *took, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    must("fork", child);
    if (child == 0) {
        must("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        int64_t start = now();
        if (write != NULL)
            p->count = profile_default(write, p->code, PROFILE_MAX);
        struct sock_fprog program = {(unsigned short)p->count, p->code};
        int result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
        *took = now() - start;
        _exit(result == 0 ? 0 : 1);
    }
    if (waitpid(child, &status, 0) != child || status != 0) {
        fputs("filter: not loaded\n", stderr);
        exit(1);
    }
    return *took;
}

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const struct setting {
    const char *name;
    struct profile_for to;
} settings[] = {
    {"root",
     {.capabilities = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(KILL) | CAP(SETGID) |
                      CAP(SETUID) | CAP(SETPCAP) | CAP(NET_BIND_SERVICE) | CAP(NET_RAW) | CAP(SYS_CHROOT) |
                      CAP(AUDIT_WRITE) | CAP(SETFCAP),
      .kernel = PROFILE_KERNEL(6, 1)}},
    {"none", {.kernel = PROFILE_KERNEL(6, 1)}},
    {"ALL", {.capabilities = ~UINT64_C(0), .kernel = PROFILE_KERNEL(6, 1), .own_processes = true}},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

int main(int argc, char **argv)
{
    static struct program builtin[SETTINGS], bare[SETTINGS], fresh;
    int ranges[SETTINGS], rounds = argc == 2 ? atoi(argv[1]) : 0;
    for (int i = 0; i < SETTINGS; i++) {
        builtin[i].count = profile_default(&settings[i].to, builtin[i].code, MAX);
        ranges[i] = make_bare(&builtin[i], &bare[i]);
    }
    for (int round = 0; round < rounds * SETTINGS * 3; round++) {
        const char *const ways[] = {"bare", "load", "both"};
        int i = round / 3 % SETTINGS, way = (round + round / (3 * SETTINGS)) % 3;
        struct program *p = way == 0 ? &bare[i] : way == 1 ? &builtin[i] : &fresh;
        int64_t took = load(p, way == 2 ? &settings[i].to : NULL);
        printf("%s %s %d %d %lld\n", settings[i].name, ways[way], way == 2 ? builtin[i].count : p->count,
               ranges[i], (long long)took);
    }
    return 0;
}
