// SPDX-License-Identifier: MIT
//
// What the built-in filter does with each call: included by profile.c, where ALLOWED, REFUSED and ROW are
// defined. The meaning is that of the container engines' default profile (moby/profiles,
// seccomp/default.json, 2026, with the calls of Linux up to 6.13); what differs from it says so. A call
// without a row, and a number without a call, is answered with ENOSYS. Of several rows of one call the last
// that holds counts. Arm's own calls, whose numbers are above all others, are profile.c's.
// clang-format off

// -- always ------------------------------------------------------------------------------------
//
// Not in the engines' list: uprobe (as uretprobe: the kernel's own trampoline), file_getattr and
// file_setattr (what ioctl(2) does too). socketcall and ipc can't be told apart by their arguments, and
// Debian's i386 libc lives on them.
ALLOWED(_llseek) ALLOWED(_newselect) ALLOWED(accept) ALLOWED(accept4) ALLOWED(access) ALLOWED(adjtimex)
ALLOWED(alarm) ALLOWED(arch_prctl) ALLOWED(arm_fadvise64_64) ALLOWED(arm_sync_file_range) ALLOWED(bind)
ALLOWED(brk) ALLOWED(cachestat) ALLOWED(capget) ALLOWED(capset) ALLOWED(chdir) ALLOWED(chmod) ALLOWED(chown)
ALLOWED(chown32) ALLOWED(clock_adjtime) ALLOWED(clock_adjtime64) ALLOWED(clock_getres)
ALLOWED(clock_getres_time64) ALLOWED(clock_gettime) ALLOWED(clock_gettime64) ALLOWED(clock_nanosleep)
ALLOWED(clock_nanosleep_time64) ALLOWED(close) ALLOWED(close_range) ALLOWED(connect)
ALLOWED(copy_file_range) ALLOWED(creat) ALLOWED(dup) ALLOWED(dup2) ALLOWED(dup3) ALLOWED(epoll_create)
ALLOWED(epoll_create1) ALLOWED(epoll_ctl) ALLOWED(epoll_ctl_old) ALLOWED(epoll_pwait) ALLOWED(epoll_pwait2)
ALLOWED(epoll_wait) ALLOWED(epoll_wait_old) ALLOWED(eventfd) ALLOWED(eventfd2) ALLOWED(execve)
ALLOWED(execveat) ALLOWED(exit) ALLOWED(exit_group) ALLOWED(faccessat) ALLOWED(faccessat2)
ALLOWED(fadvise64) ALLOWED(fadvise64_64) ALLOWED(fallocate) ALLOWED(fanotify_mark) ALLOWED(fchdir)
ALLOWED(fchmod) ALLOWED(fchmodat) ALLOWED(fchmodat2) ALLOWED(fchown) ALLOWED(fchown32) ALLOWED(fchownat)
ALLOWED(fcntl) ALLOWED(fcntl64) ALLOWED(fdatasync) ALLOWED(fgetxattr) ALLOWED(file_getattr)
ALLOWED(file_setattr) ALLOWED(flistxattr) ALLOWED(flock) ALLOWED(fork) ALLOWED(fremovexattr)
ALLOWED(fsetxattr) ALLOWED(fstat) ALLOWED(fstat64) ALLOWED(fstatat64) ALLOWED(fstatfs) ALLOWED(fstatfs64)
ALLOWED(fsync) ALLOWED(ftruncate) ALLOWED(ftruncate64) ALLOWED(futex) ALLOWED(futex_requeue)
ALLOWED(futex_time64) ALLOWED(futex_wait) ALLOWED(futex_waitv) ALLOWED(futex_wake) ALLOWED(futimesat)
ALLOWED(get_robust_list) ALLOWED(get_thread_area) ALLOWED(getcpu) ALLOWED(getcwd) ALLOWED(getdents)
ALLOWED(getdents64) ALLOWED(getegid) ALLOWED(getegid32) ALLOWED(geteuid) ALLOWED(geteuid32) ALLOWED(getgid)
ALLOWED(getgid32) ALLOWED(getgroups) ALLOWED(getgroups32) ALLOWED(getitimer) ALLOWED(getpeername)
ALLOWED(getpgid) ALLOWED(getpgrp) ALLOWED(getpid) ALLOWED(getppid) ALLOWED(getpriority) ALLOWED(getrandom)
ALLOWED(getresgid) ALLOWED(getresgid32) ALLOWED(getresuid) ALLOWED(getresuid32) ALLOWED(getrlimit)
ALLOWED(getrusage) ALLOWED(getsid) ALLOWED(getsockname) ALLOWED(getsockopt) ALLOWED(gettid)
ALLOWED(gettimeofday) ALLOWED(getuid) ALLOWED(getuid32) ALLOWED(getxattr) ALLOWED(getxattrat)
ALLOWED(inotify_add_watch) ALLOWED(inotify_init) ALLOWED(inotify_init1) ALLOWED(inotify_rm_watch)
ALLOWED(io_cancel) ALLOWED(io_destroy) ALLOWED(io_getevents) ALLOWED(io_pgetevents)
ALLOWED(io_pgetevents_time64) ALLOWED(io_setup) ALLOWED(io_submit) ALLOWED(ioprio_get) ALLOWED(ioprio_set)
ALLOWED(ipc) ALLOWED(kill) ALLOWED(landlock_add_rule) ALLOWED(landlock_create_ruleset)
ALLOWED(landlock_restrict_self) ALLOWED(lchown) ALLOWED(lchown32) ALLOWED(lgetxattr) ALLOWED(link)
ALLOWED(linkat) ALLOWED(listen) ALLOWED(listmount) ALLOWED(listxattr) ALLOWED(listxattrat)
ALLOWED(llistxattr) ALLOWED(lremovexattr) ALLOWED(lseek) ALLOWED(lsetxattr) ALLOWED(lstat) ALLOWED(lstat64)
ALLOWED(madvise) ALLOWED(map_shadow_stack) ALLOWED(membarrier) ALLOWED(memfd_create) ALLOWED(memfd_secret)
ALLOWED(mincore) ALLOWED(mkdir) ALLOWED(mkdirat) ALLOWED(mknod) ALLOWED(mknodat) ALLOWED(mlock)
ALLOWED(mlock2) ALLOWED(mlockall) ALLOWED(mmap) ALLOWED(mmap2) ALLOWED(modify_ldt) ALLOWED(mprotect)
ALLOWED(mq_getsetattr) ALLOWED(mq_notify) ALLOWED(mq_open) ALLOWED(mq_timedreceive)
ALLOWED(mq_timedreceive_time64) ALLOWED(mq_timedsend) ALLOWED(mq_timedsend_time64) ALLOWED(mq_unlink)
ALLOWED(mremap) ALLOWED(mseal) ALLOWED(msgctl) ALLOWED(msgget) ALLOWED(msgrcv) ALLOWED(msgsnd)
ALLOWED(msync) ALLOWED(munlock) ALLOWED(munlockall) ALLOWED(munmap) ALLOWED(name_to_handle_at)
ALLOWED(nanosleep) ALLOWED(newfstatat) ALLOWED(open) ALLOWED(openat) ALLOWED(openat2) ALLOWED(pause)
ALLOWED(pidfd_open) ALLOWED(pidfd_send_signal) ALLOWED(pipe) ALLOWED(pipe2) ALLOWED(pkey_alloc)
ALLOWED(pkey_free) ALLOWED(pkey_mprotect) ALLOWED(poll) ALLOWED(ppoll) ALLOWED(ppoll_time64) ALLOWED(prctl)
ALLOWED(pread64) ALLOWED(preadv) ALLOWED(preadv2) ALLOWED(prlimit64) ALLOWED(process_mrelease)
ALLOWED(pselect6) ALLOWED(pselect6_time64) ALLOWED(pwrite64) ALLOWED(pwritev) ALLOWED(pwritev2)
ALLOWED(read) ALLOWED(readahead) ALLOWED(readlink) ALLOWED(readlinkat) ALLOWED(readv) ALLOWED(recv)
ALLOWED(recvfrom) ALLOWED(recvmmsg) ALLOWED(recvmmsg_time64) ALLOWED(recvmsg) ALLOWED(remap_file_pages)
ALLOWED(removexattr) ALLOWED(removexattrat) ALLOWED(rename) ALLOWED(renameat) ALLOWED(renameat2)
ALLOWED(restart_syscall) ALLOWED(rmdir) ALLOWED(rseq) ALLOWED(rt_sigaction) ALLOWED(rt_sigpending)
ALLOWED(rt_sigprocmask) ALLOWED(rt_sigqueueinfo) ALLOWED(rt_sigreturn) ALLOWED(rt_sigsuspend)
ALLOWED(rt_sigtimedwait) ALLOWED(rt_sigtimedwait_time64) ALLOWED(rt_tgsigqueueinfo)
ALLOWED(sched_get_priority_max) ALLOWED(sched_get_priority_min) ALLOWED(sched_getaffinity)
ALLOWED(sched_getattr) ALLOWED(sched_getparam) ALLOWED(sched_getscheduler) ALLOWED(sched_rr_get_interval)
ALLOWED(sched_rr_get_interval_time64) ALLOWED(sched_setaffinity) ALLOWED(sched_setattr)
ALLOWED(sched_setparam) ALLOWED(sched_setscheduler) ALLOWED(sched_yield) ALLOWED(seccomp) ALLOWED(select)
ALLOWED(semctl) ALLOWED(semget) ALLOWED(semop) ALLOWED(semtimedop) ALLOWED(semtimedop_time64) ALLOWED(send)
ALLOWED(sendfile) ALLOWED(sendfile64) ALLOWED(sendmmsg) ALLOWED(sendmsg) ALLOWED(sendto)
ALLOWED(set_robust_list) ALLOWED(set_thread_area) ALLOWED(set_tid_address) ALLOWED(setfsgid)
ALLOWED(setfsgid32) ALLOWED(setfsuid) ALLOWED(setfsuid32) ALLOWED(setgid) ALLOWED(setgid32)
ALLOWED(setgroups) ALLOWED(setgroups32) ALLOWED(setitimer) ALLOWED(setpgid) ALLOWED(setpriority)
ALLOWED(setregid) ALLOWED(setregid32) ALLOWED(setresgid) ALLOWED(setresgid32) ALLOWED(setresuid)
ALLOWED(setresuid32) ALLOWED(setreuid) ALLOWED(setreuid32) ALLOWED(setrlimit) ALLOWED(setsid)
ALLOWED(setsockopt) ALLOWED(setuid) ALLOWED(setuid32) ALLOWED(setxattr) ALLOWED(setxattrat) ALLOWED(shmat)
ALLOWED(shmctl) ALLOWED(shmdt) ALLOWED(shmget) ALLOWED(shutdown) ALLOWED(sigaltstack) ALLOWED(signalfd)
ALLOWED(signalfd4) ALLOWED(sigprocmask) ALLOWED(sigreturn) ALLOWED(socketcall) ALLOWED(socketpair)
ALLOWED(splice) ALLOWED(stat) ALLOWED(stat64) ALLOWED(statfs) ALLOWED(statfs64) ALLOWED(statmount)
ALLOWED(statx) ALLOWED(symlink) ALLOWED(symlinkat) ALLOWED(sync) ALLOWED(sync_file_range)
ALLOWED(sync_file_range2) ALLOWED(syncfs) ALLOWED(sysinfo) ALLOWED(tee) ALLOWED(tgkill) ALLOWED(time)
ALLOWED(timer_create) ALLOWED(timer_delete) ALLOWED(timer_getoverrun) ALLOWED(timer_gettime)
ALLOWED(timer_gettime64) ALLOWED(timer_settime) ALLOWED(timer_settime64) ALLOWED(timerfd_create)
ALLOWED(timerfd_gettime) ALLOWED(timerfd_gettime64) ALLOWED(timerfd_settime) ALLOWED(timerfd_settime64)
ALLOWED(times) ALLOWED(tkill) ALLOWED(truncate) ALLOWED(truncate64) ALLOWED(ugetrlimit) ALLOWED(umask)
ALLOWED(uname) ALLOWED(unlink) ALLOWED(unlinkat) ALLOWED(uprobe) ALLOWED(uretprobe) ALLOWED(utime)
ALLOWED(utimensat) ALLOWED(utimensat_time64) ALLOWED(utimes) ALLOWED(vfork) ALLOWED(vmsplice) ALLOWED(wait4)
ALLOWED(waitid) ALLOWED(waitpid) ALLOWED(write) ALLOWED(writev)
// -- with conditions ---------------------------------------------------------------------------

// Ours: a terminal is the host's, and what is typed into it is run outside (CVE-2017-5226, CVE-2023-28100).
ROW(ioctl, ALWAYS, TTY)

// AF_VSOCK reaches the hypervisor; by AF_ALG the page cache of read-only files was written (CVE-2026-31431).
ROW(socket, ALWAYS, FAMILY)

// Execution domains of long ago are bugs that nobody looks for.
ROW(personality, ALWAYS, PERSONA)

// In a user namespace of its own making a payload holds every capability again, and with them reaches most
// of what gets attacked in kernels. Ours: CAP_SYS_ADMIN alone doesn't allow it. The flags of clone3 lie in
// memory, where no filter can look; every libc goes on to clone after ENOSYS, not after EPERM.
ROW(clone, ALWAYS, NO_NAMESPACES)
ROW(clone, ADMIN, NO_USERNS)
ROW(clone, NEW_USERNS, ALLOW)
ROW(clone3, ALWAYS, MISSING)
ROW(clone3, NEW_USERNS, ALLOW)
ROW(unshare, ALWAYS, DENY)
ROW(unshare, ADMIN, NO_USERNS)
ROW(unshare, NEW_USERNS, ALLOW)

// Without the capability the kernel refuses these too, until one of its checks is wrong.
ROW(setns, ADMIN, ALLOW)
ROW(mount, ADMIN, ALLOW)
ROW(umount, ADMIN, ALLOW)
ROW(umount2, ADMIN, ALLOW)
ROW(pivot_root, ADMIN, ALLOW) // not the engines': but mount with MS_MOVE does the same
ROW(move_mount, ADMIN, ALLOW)
ROW(open_tree, ADMIN, ALLOW)
ROW(open_tree_attr, ADMIN, ALLOW) // younger than the engines' list: as mount_setattr
ROW(fsopen, ADMIN, ALLOW)
ROW(fsconfig, ADMIN, ALLOW)
ROW(fsmount, ADMIN, ALLOW)
ROW(fspick, ADMIN, ALLOW)
ROW(mount_setattr, ADMIN, ALLOW)
ROW(fanotify_init, ADMIN, ALLOW)
ROW(lookup_dcookie, ADMIN, ALLOW)
ROW(quotactl, ADMIN, ALLOW)
ROW(quotactl_fd, ADMIN, ALLOW)
ROW(setdomainname, ADMIN, ALLOW)
ROW(sethostname, ADMIN, ALLOW)
ROW(lsm_get_self_attr, ADMIN, ALLOW)
ROW(lsm_set_self_attr, ADMIN, ALLOW)
ROW(lsm_list_modules, ADMIN, ALLOW)
ROW(bpf, ADMIN_OR_BPF, ALLOW)
ROW(perf_event_open, ADMIN_OR_PERFMON, ALLOW)
ROW(syslog, ADMIN_OR_SYSLOG, ALLOW)
ROW(reboot, BOOT, ALLOW)
ROW(chroot, CHROOT, ALLOW)
ROW(init_module, MODULE, ALLOW)
ROW(finit_module, MODULE, ALLOW)
ROW(delete_module, MODULE, ALLOW)
ROW(get_mempolicy, NICE, ALLOW)
ROW(mbind, NICE, ALLOW)
ROW(set_mempolicy, NICE, ALLOW)
ROW(set_mempolicy_home_node, NICE, ALLOW)
ROW(acct, PACCT, ALLOW)
ROW(iopl, RAWIO, ALLOW)
ROW(ioperm, RAWIO, ALLOW)
ROW(settimeofday, TIME, ALLOW)
ROW(stime, TIME, ALLOW)
ROW(clock_settime, TIME, ALLOW)
ROW(clock_settime64, TIME, ALLOW)
ROW(vhangup, TTY_CONFIG, ALLOW)

// Ours: it opens any inode of the file system that ROOT lies on, outside of ROOT too. The engines let whoever
// has CAP_DAC_READ_SEARCH do so.
REFUSED(open_by_handle_at)

// Ours: processes of the same uid are the host's when the payload has no pid or user namespace of its own.
ROW(ptrace, TRACES, ALLOW)
ROW(process_vm_readv, TRACES, ALLOW)
ROW(process_vm_writev, TRACES, ALLOW)
ROW(process_madvise, TRACES_ANY, ALLOW)
ROW(pidfd_getfd, TRACES_ANY, ALLOW)
ROW(kcmp, TRACES_ANY, ALLOW)

// Ours: what a ring does passes no filter, and it learns to do more with every kernel. Libraries do
// without.
ROW(io_uring_setup, ALWAYS, MISSING)
ROW(io_uring_enter, ALWAYS, MISSING)
ROW(io_uring_register, ALWAYS, MISSING)

// Ours: keyrings belong to no namespace but the user's.
REFUSED(add_key) REFUSED(request_key) REFUSED(keyctl)

// -- never -------------------------------------------------------------------------------------
//
// The machine itself (kexec, swap), a tool of many exploits (userfaultfd), what is gone from today's
// kernels and looked after by nobody in old ones, and what only i386 and arm have left.
REFUSED(_sysctl) REFUSED(afs_syscall) REFUSED(bdflush) REFUSED(break) REFUSED(create_module) REFUSED(ftime)
REFUSED(get_kernel_syms) REFUSED(getpmsg) REFUSED(gtty) REFUSED(idle) REFUSED(kexec_file_load)
REFUSED(kexec_load) REFUSED(lock) REFUSED(migrate_pages) REFUSED(move_pages) REFUSED(mpx)
REFUSED(nfsservctl) REFUSED(nice) REFUSED(oldfstat) REFUSED(oldlstat) REFUSED(oldolduname) REFUSED(oldstat)
REFUSED(olduname) REFUSED(pciconfig_iobase) REFUSED(pciconfig_read) REFUSED(pciconfig_write) REFUSED(prof)
REFUSED(profil) REFUSED(putpmsg) REFUSED(query_module) REFUSED(readdir) REFUSED(security) REFUSED(sgetmask)
REFUSED(sigaction) REFUSED(signal) REFUSED(sigpending) REFUSED(sigsuspend) REFUSED(ssetmask) REFUSED(stty)
REFUSED(swapoff) REFUSED(swapon) REFUSED(sysfs) REFUSED(tuxcall) REFUSED(ulimit) REFUSED(uselib)
REFUSED(userfaultfd) REFUSED(ustat) REFUSED(vm86) REFUSED(vm86old) REFUSED(vserver)
