// SPDX-License-Identifier: MIT
//
// What the kernel knows of this process besides its ids: a line each.
#define _GNU_SOURCE
#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    struct sched_attr s = {0};
    struct utsname u;
    struct timespec monotonic, boottime;
    long priority = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
    if (syscall(SYS_sched_getattr, 0, &s, sizeof(s), 0) != 0 || uname(&u) != 0 || priority < 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_BOOTTIME, &boottime);
    printf("io class %ld level %ld\n", IOPRIO_PRIO_CLASS(priority), IOPRIO_PRIO_DATA(priority));
    printf("scheduler %u flags %llu nice %d priority %u runtime %llu deadline %llu period %llu\n", s.sched_policy,
           (unsigned long long)s.sched_flags, s.sched_nice, s.sched_priority, (unsigned long long)s.sched_runtime,
           (unsigned long long)s.sched_deadline, (unsigned long long)s.sched_period);
    printf("personality %x\n", (unsigned)personality(0xffffffff));
    printf("machine %s\nhostname %s\ndomainname %s\n", u.machine, u.nodename, u.domainname);
    printf("monotonic %lld\nboottime %lld\n", (long long)monotonic.tv_sec, (long long)boottime.tv_sec);
    return 0;
}
