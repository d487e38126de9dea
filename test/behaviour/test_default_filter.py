# SPDX-License-Identifier: MIT
"""The built-in filter in the kernel: what it answers, to whom, and that ordinary programs don't notice it."""
import errno
import os
import shutil
import subprocess

import pytest

from conftest import exec_in, inroot, need_root

EPERM, ENOSYS = errno.EPERM, errno.ENOSYS

# What the kernel itself answers to these calls, where no filter does.
LET_THROUGH = {"mount": errno.EFAULT, "setns": errno.EBADF, "open_tree": errno.EFAULT, "chroot": errno.EFAULT,
               "acct": errno.EFAULT, "perf_event_open": errno.EFAULT, "syslog": errno.EINVAL,
               "clock_settime": errno.EFAULT, "reboot": errno.EINVAL, "ptrace": errno.ESRCH,
               "process_vm_readv": None, "unshare-files": errno.EINVAL, "clone-mount": errno.EINVAL,
               "bpf": errno.EINVAL, "pidfd_getfd": errno.EBADF}

ALWAYS = {"getppid": 0, "ioctl-sti": EPERM, "ioctl-sti-high": EPERM, "ioctl-linux": EPERM,
          "ioctl-winsize": errno.EBADF, "socket-vsock": EPERM, "socket-alg": EPERM, "socket-alg-high": EPERM,
          "socket-unix": errno.EINVAL, "personality-random": EPERM, "personality-32": 0, "clone-user": EPERM,
          "clone-plain": errno.EINVAL, "clone3": ENOSYS, "unshare-user": EPERM, "keyctl": EPERM,
          "userfaultfd": EPERM, "kexec_load": EPERM, "swapon": EPERM, "io_uring_setup": ENOSYS,
          "unborn": ENOSYS, "open_by_handle_at": EPERM, "name_to_handle_at": errno.EFAULT}

# Options -> the calls that they open.
OPENS = {
    "": {"chroot"},
    "--cap-drop=ALL": set(),
    "--user=1000": set(),
    "--unshare=pid": {"chroot", "ptrace", "process_vm_readv"},
    "--unshare=pid --cap-add=SYS_PTRACE": {"chroot", "ptrace", "process_vm_readv", "pidfd_getfd"},
    "--cap-add=SYS_PTRACE": {"chroot"},
    "--cap-add=SYS_ADMIN": {"chroot", "mount", "setns", "open_tree", "unshare-files", "clone-mount", "bpf",
                            "perf_event_open", "syslog"},
    "--cap-add=BPF": {"chroot", "bpf"},
    "--cap-add=PERFMON": {"chroot", "perf_event_open"},
    "--cap-add=SYSLOG": {"chroot", "syslog"},
    "--cap-add=SYS_PACCT": {"chroot", "acct"},
    "--cap-add=SYS_TIME": {"chroot", "clock_settime"},
    "--cap-add=SYS_BOOT --unshare=pid": {"chroot", "reboot", "ptrace", "process_vm_readv"},
    "--cap-add=DAC_READ_SEARCH": {"chroot"},
}


def answers(root, *opts):
    proc = exec_in(root, "/bin/filter-calls", opts=opts)
    assert proc.returncode == 0, proc.stderr
    found = {name: int(code) for name, code in map(str.split, proc.stdout.splitlines())}
    if os.uname().machine == "x86_64":
        assert found.pop("x32") == ENOSYS
    return found


@need_root
@pytest.mark.parametrize("opts", OPENS, ids=lambda o: o or "default")
def test_answers(bbox, opts):
    unfiltered = answers(bbox, *opts.split(), "--seccomp=none")
    expected = dict(ALWAYS)
    for name in LET_THROUGH:
        expected[name] = unfiltered[name] if name in OPENS[opts] else EPERM
        if name in OPENS[opts] and LET_THROUGH[name] is not None and unfiltered[name] not in (EPERM, ENOSYS):
            assert unfiltered[name] == LET_THROUGH[name], name
    assert answers(bbox, *opts.split()) == expected


def test_answers_to_an_ordinary_caller(bbox):
    found = answers(bbox)
    assert {name: found[name] for name in ALWAYS} == ALWAYS


# -- the other table of calls ------------------------------------------------------------------

# A whole 32-bit program without libc: each call's number and arguments, and what is to come back (0: anything
# but EPERM and ENOSYS). Its exit status is the number of the first that does not, from 1.
I386 = r"""
static int call(int number, int a, int b)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(0), "S"(0), "D"(0) : "memory");
    return result;
}
static const struct { int number, a, b, want; } calls[] = {
    {20, 0, 0, 0},            /* getpid */
    {102, 1, 0, 0},           /* socketcall */
    {359, 1, 1, 0},           /* socket: AF_UNIX */
    {359, 40, 1, -1},         /* AF_VSOCK */
    {136, 0x40000, 0, -1},    /* personality */
    {310, 0x10000000, 0, -1}, /* unshare */
    {120, 0x10000011, 0, -1}, /* clone */
    {435, 0, 0, -38},         /* clone3 */
    {286, 0, 0, -1},          /* add_key */
    {21, 0, 0, -1},           /* mount */
    {22, 0, 0, -1},           /* umount */
    {54, -1, 0x5412, -1},     /* ioctl: TIOCSTI */
    {54, -1, 0x5413, 0},      /* TIOCGWINSZ */
    {425, 0, 0, -38},         /* io_uring_setup */
    {387, 0, 0, -38},         /* no call */
    {500, 0, 0, -38},
};
void _start(void)
{
    int status = 0;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls) && status == 0; i++) {
        int got = call(calls[i].number, calls[i].a, calls[i].b);
        if (calls[i].want != 0 ? got != calls[i].want : got == -1 || got == -38)
            status = i + 1;
    }
    call(252, status, 0);
}
"""


def test_i386_program(bbox, scratch):
    if os.uname().machine != "x86_64":
        pytest.skip("needs x86-64")
    (scratch / "p.c").write_text(I386)
    program = bbox / "bin/i386"
    made = subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-ffreestanding", "-fno-pie", "-no-pie",
                           "-O1", "-fno-stack-protector", "-o", program, scratch / "p.c"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("needs a gcc that makes i386 programs: " + made.stderr[-100:])
    try:
        subprocess.run([program], timeout=20)
    except OSError:
        pytest.skip("needs a kernel that runs i386 programs")
    proc = exec_in(bbox, "/bin/i386", opts=["--cap-drop=ALL"])
    assert proc.returncode == 0, (proc.returncode, proc.stderr)


# -- ordinary programs -------------------------------------------------------------------------

PERL = ('use strict; pipe(my $r, my $w); if (!fork) { print $w "child\\n"; exit } close $w; print <$r>; wait;'
        ' use IO::Socket::UNIX; my ($a, $b) = IO::Socket::UNIX->socketpair(AF_UNIX, SOCK_STREAM, 0);'
        ' print $a "x\\n"; print "done\\n"')
PROGRAMS = {
    "apt": ["apt-get", "-o", "Debug::NoLocking=1", "-s", "remove", "apt"],
    "apt-cache": ["apt-cache", "stats"],
    "bash": ["bash", "-c", "set -o pipefail; seq 1000 | sort -rn | (while read n; do :; done; echo $n) && "
             "cat <(echo a) >/dev/null; ulimit -a >/dev/null; (exit 3) || true; trap : USR1; kill -USR1 $$"],
    "dpkg": ["dpkg", "-l"],
    "find": ["find", "/usr/share/doc", "-newer", "/etc/passwd"],
    "perl": ["perl", "-e", PERL],
    "tar": ["sh", "-c", "tar cf - /etc /usr/share/perl5 2>/dev/null | tar tf - >/dev/null"],
    "sed": ["sed", "-n", "s/root/x/p", "/etc/passwd"],
    "nice": ["nice", "timeout", "5", "setsid", "stdbuf", "-o0", "true"],
    "chown": ["sh", "-c", "cd /tmp; f=$(mktemp) && chmod 600 $f && touch -d @1 $f && "
              "ln -s $f $f.l && cp -a $f $f.2 && mv $f.2 $f.3 && rm $f*"],
}


@need_root
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("opts", [[], ["--cap-drop=ALL"]], ids=["root", "no capabilities"])
def test_debian_programs(debian_root, program, opts):
    """With the filter as without it, on a root that is thrown away."""
    ran = [exec_in(debian_root, *PROGRAMS[program], opts=["--overlay=tmpfs", *opts, *more],
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}) for more in ([], ["--seccomp=none"])]
    assert (ran[0].returncode, ran[0].stderr) == (ran[1].returncode, ran[1].stderr)
    assert len(ran[0].stdout.splitlines()) == len(ran[1].stdout.splitlines())
    assert ran[1].returncode == 0, ran[1]


PYTHON = """
import asyncio, concurrent.futures, mmap, os, select, signal, subprocess, time
async def echo():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    p = await asyncio.create_subprocess_exec("true")
    await p.wait()
asyncio.run(echo())
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
assert subprocess.run(["sh", "-c", "echo x | cat"], capture_output=True).stdout == b"x\\n"
m = mmap.mmap(-1, 4096); m[0] = 1
poll = select.epoll(); poll.poll(0)
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.signal(signal.SIGALRM, lambda *a: None); time.sleep(0.02)
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.getrandom(8); os.memfd_create("x"); os.eventfd(0)
print("done")
"""


@need_root
def test_python_of_the_host(scratch):
    """The host's own root, as there is no python in a small one."""
    if not shutil.which("python3", path="/usr/bin"):
        pytest.skip("needs /usr/bin/python3")
    proc = inroot("exec", "--allow-host-proc", "/", "/usr/bin/python3", "-c", PYTHON)
    assert (proc.returncode, proc.stdout) == (0, "done\n"), proc.stderr
