# SPDX-License-Identifier: MIT
"""--seccomp: profiles and programs of the caller's, what they do to a payload, and when they are loaded."""
import contextlib
import errno
import json
import os
import platform
import re
import struct

import pytest

from conftest import (SANITIZED, assert_fails, exec_in, need_root, need_tool, ordinary, private_mounts, report_in, run)

CALLS = ("fchmodat", "chroot", "clone3", "tiocnotty", "tiocsti", "tiocsti-high", "listen", "prctl")
CHROOT = {"x86_64": 161, "aarch64": 51}.get(platform.machine())
TIOCSTI = 0x5412
ALLOW, KILL_PROCESS = 0x7fff0000, 0x80000000
# What libc and the kernel want of try-call before and after its tries.
START = ["execve", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "brk", "mmap", "munmap", "mprotect",
         "prlimit64", "getrandom", "readlink", "readlinkat", "fstat", "newfstatat", "write", "writev", "rt_sigprocmask",
         "exit", "exit_group"]


def rule(action, *names, **fields):
    return {"names": list(names), "action": "SCMP_ACT_" + action, **fields}


def profile(default, *rules, **fields):
    return {"defaultAction": "SCMP_ACT_" + default, "syscalls": list(rules), **fields}


def condition(index, value, op, two=0):
    return {"index": index, "value": value, "valueTwo": two, "op": "SCMP_CMP_" + op}


def instruction(code, k, yes=0, no=0):
    return struct.pack("=HBBI", code, yes, no, k)


def deny_program(number, answer=0x50000 | errno.ENOSYS):
    """Loads the number; `answer` for one of them."""
    return b"".join([instruction(0x20, 0), instruction(0x15, number, 0, 1), instruction(0x06, answer),
                     instruction(0x06, ALLOW)])


DENY_CHROOT = profile("ALLOW", rule("ERRNO", "chroot", errnoRet=errno.ENOSYS))


def written(scratch, value, name="filter"):
    path = scratch / name
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def tried(root, option, calls=CALLS, opts=(), **kw):
    """Call -> errno, as a name."""
    proc = exec_in(root, "/bin/try-call", *calls, opts=[option, *opts], **kw)
    assert proc.returncode == 0, (proc.returncode, proc.stderr)
    return {name: errno.errorcode.get(int(number), number)
            for name, number in (line.split() for line in proc.stdout.splitlines())}


@contextlib.contextmanager
def piped(data):
    """The read end of a pipe that holds data."""
    r, w = os.pipe()
    try:
        os.write(w, data if isinstance(data, bytes) else json.dumps(data).encode())
        os.close(w)
        yield r
    finally:
        os.close(r)


needs_number = pytest.mark.skipif(CHROOT is None, reason="knows no number of chroot here")


# -- what filters do ---------------------------------------------------------------------------

def test_no_filter(bbox):
    seen = tried(bbox, "--seccomp=none")
    assert seen.pop("clone3") in ("EFAULT", "ENOSYS")
    assert seen == {"fchmodat": "EFAULT", "chroot": "EFAULT", "tiocnotty": "EBADF", "tiocsti": "EBADF",
                    "tiocsti-high": "EBADF", "listen": "EBADF", "prctl": "EFAULT"}


def test_allow_list(bbox, scratch):
    allowed = profile("ERRNO", rule("ALLOW", *START, "ioctl", "fchmodat", "prctl"), defaultErrnoRet=errno.ENOSYS)
    assert tried(bbox, f"--seccomp={written(scratch, allowed)}") == {
        "fchmodat": "EFAULT", "chroot": "ENOSYS", "clone3": "ENOSYS", "tiocnotty": "EBADF", "tiocsti": "EBADF",
        "tiocsti-high": "EBADF", "listen": "ENOSYS", "prctl": "EFAULT"}


def test_deny_list(bbox, scratch):
    denied = profile("ALLOW", rule("ERRNO", "fchmodat", "chroot", "prctl", errnoRet=errno.ECONNREFUSED),
                     rule("ERRNO", "ioctl", errnoRet=errno.ECONNREFUSED,
                          args=[condition(1, 0xffffffff, "MASKED_EQ", TIOCSTI)]))
    seen = tried(bbox, f"--seccomp={written(scratch, denied)}")
    assert seen.pop("clone3") in ("EFAULT", "ENOSYS")
    assert seen == {"fchmodat": "ECONNREFUSED", "chroot": "ECONNREFUSED", "tiocnotty": "EBADF",
                    "tiocsti": "ECONNREFUSED", "tiocsti-high": "ECONNREFUSED", "listen": "EBADF",
                    "prctl": "ECONNREFUSED"}


def test_newer_calls_are_missing_not_refused(bbox, scratch):
    allowed = profile("ERRNO", rule("ALLOW", *START))
    assert tried(bbox, f"--seccomp={written(scratch, allowed)}", ["chroot", "newer"]) == {
        "chroot": "EPERM", "newer": "ENOSYS"}


def test_clone3_goes_with_the_flags_of_clone(bbox, scratch):
    filtered = profile("ALLOW", rule("ERRNO", "clone", args=[condition(0, 0x10000000, "MASKED_EQ", 0x10000000)]))
    assert tried(bbox, f"--seccomp={written(scratch, filtered)}", ["clone3"]) == {"clone3": "ENOSYS"}


@pytest.mark.parametrize("action,status", [("KILL", -31), ("KILL_PROCESS", -31), ("TRAP", -31)])
def test_deadly_actions(bbox, scratch, action, status):
    deadly = profile("ALLOW", rule(action, "chroot"))
    proc = exec_in(bbox, "/bin/try-call", "listen", "chroot", opts=[f"--seccomp={written(scratch, deadly)}"])
    assert proc.returncode == status, (proc.returncode, proc.stderr)


@pytest.mark.parametrize("flags", [[], ["LOG"], ["SPEC_ALLOW"], ["TSYNC"], ["LOG", "SPEC_ALLOW", "TSYNC"]], ids=str)
def test_flags(bbox, scratch, flags):
    flagged = {**DENY_CHROOT, "flags": ["SECCOMP_FILTER_FLAG_" + f for f in flags]}
    assert tried(bbox, f"--seccomp={written(scratch, flagged)}", ["chroot"]) == {"chroot": "ENOSYS"}


# -- where filters come from -------------------------------------------------------------------

def test_files(bbox, scratch):
    path = written(scratch, DENY_CHROOT)
    for option in (f"--seccomp={path}", f"--seccomp={path.name}", f"--seccomp=./{path.name}"):
        assert tried(bbox, option, ["chroot"], cwd=scratch) == {"chroot": "ENOSYS"}
    for name in ("default", "none"):
        written(scratch, DENY_CHROOT, name)
        assert tried(bbox, f"--seccomp=./{name}", ["chroot"], cwd=scratch) == {"chroot": "ENOSYS"}
    assert tried(bbox, "--seccomp=none", ["chroot"], cwd=scratch) == {"chroot": "EFAULT"}
    assert tried(bbox, f"--seccomp={path}", ["chroot"], opts=["--seccomp=none"]) == {"chroot": "EFAULT"}


def test_descriptors(bbox, scratch):
    with open(written(scratch, DENY_CHROOT), "rb") as file:
        fd = file.fileno()
        assert tried(bbox, f"--seccomp=fd:{fd}", ["chroot"], pass_fds=[fd]) == {"chroot": "ENOSYS"}
    with piped(DENY_CHROOT) as fd:
        assert tried(bbox, f"--seccomp=fd:{fd}", ["chroot"], pass_fds=[fd]) == {"chroot": "ENOSYS"}


@needs_number
def test_programs(bbox, scratch):
    program = deny_program(CHROOT)
    path = written(scratch, program)
    assert tried(bbox, f"--seccomp=bpf:{path}", ["chroot", "listen"]) == {"chroot": "ENOSYS", "listen": "EBADF"}
    with piped(program) as fd:
        assert tried(bbox, f"--seccomp=bpf:fd:{fd}", ["chroot"], pass_fds=[fd]) == {"chroot": "ENOSYS"}


def test_the_payload_gets_no_source(bbox, scratch):
    with piped(DENY_CHROOT) as fd:
        seen = report_in(bbox, f"--seccomp=fd:{fd}", pass_fds=[fd])
    assert set(seen["fds"]) == {"0", "1", "2"} and seen["seccomp"] == 2
    with piped(DENY_CHROOT) as fd:
        proc = exec_in(bbox, "/bin/cat", opts=["--seccomp=fd:0"], stdin=fd)
    assert (proc.returncode, proc.stdout) == (0, "")


@pytest.mark.parametrize("opts", [["--unshare=pid"], ["--init"], ["--cap-add=sys_admin"], ["--user=1000"],
                                  ["--no-new-privs=off"], ["--ro", "--unshare=net,ipc"]], ids=" ".join)
@need_root
def test_every_way_in_has_the_filter(bbox, opts):
    with piped(DENY_CHROOT) as fd:
        assert tried(bbox, f"--seccomp=fd:{fd}", ["chroot"], opts=opts, pass_fds=[fd]) == {"chroot": "ENOSYS"}


@need_root
@pytest.mark.parametrize("opts", [["--unshare=pid"], ["--init"]], ids=" ".join)
@pytest.mark.parametrize("status", [0, 7])
def test_the_helper_outside_needs_no_call_of_the_filter(bbox, scratch, opts, status):
    """What it is told about the execve is told before."""
    calls = ["poll", "ppoll", "sendto", "sendmsg", "recvfrom", "socket", "close", "dup", "dup2", "dup3"]
    file = written(scratch, profile("ALLOW", rule("ERRNO", *calls)))
    proc = exec_in(bbox, "/bin/busybox", "sh", "-c", f"exit {status}", opts=[f"--seccomp={file}", *opts])
    assert (proc.returncode, proc.stderr) == (status, ""), proc


@need_root
@private_mounts
def test_a_second_run_of_the_helper_has_the_filter(bbox, scratch):
    """In sight of a procfs the helper runs itself again, from another place, when a pipe is empty already."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    written(scratch, DENY_CHROOT)
    opts = ["--allow-host-proc"]
    with piped(DENY_CHROOT) as fd:
        assert tried(bbox, f"--seccomp=fd:{fd}", ["chroot"], opts, pass_fds=[fd]) == {"chroot": "ENOSYS"}
    assert tried(bbox, "--seccomp=filter", ["chroot"], opts, cwd=scratch) == {"chroot": "ENOSYS"}
    proc = exec_in(bbox, "/bin/try-call", "chroot", opts=["--seccomp", "filter", *opts], cwd=scratch)
    assert proc.stdout == f"chroot {errno.ENOSYS}\n"


# -- what is refused ---------------------------------------------------------------------------

@pytest.mark.parametrize("text,parts", [
    (b"", ["line 1, column 0"]),
    (b'{\n"defaultAction": "SCMP_ACT_ALLOW",\n}', ["line 3, column 1"]),
    (b"[]", ["not an object"]),
    (b'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_NO"}]}',
     ["syscalls[0].action", "SCMP_ACT_NO"]),
    (b'{"defaultAction":"SCMP_ACT_NOTIFY"}', ["defaultAction", "listener"]),
    (b'{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}', ["listenerPath"]),
    (b'{"defaultAction":"SCMP_ACT_ALLOW","archMap":[]}', ["archMap"]),
    (b" " * (1024 * 1024 + 1), ["1 MiB", "E2BIG"]),
    ("\x1b[31m".encode(), ["line 1"]),
], ids=["empty", "syntax", "array", "action", "notify", "listener", "template", "large", "escape"])
def test_bad_profiles(bbox, scratch, text, parts, unchanged_host):
    path = written(scratch, text)
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={path}"])
    assert proc.stdout == "" and "\x1b" not in proc.stderr
    assert_fails(proc, 125, "inroot exec: filter: ", str(path), *parts)


def test_templates_are_named(bbox, scratch):
    path = written(scratch, {"defaultAction": "SCMP_ACT_ERRNO", "archMap": []})
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={path}"])
    assert "template" in assert_fails(proc, 125, "archMap")


@pytest.mark.parametrize("program,parts", [
    (b"", ["4096 instructions"]),
    (b"\x06\0\0\0\0\0\xff", ["4096 instructions"]),
    (instruction(0x06, ALLOW) + b"\0", ["multiple of 8"]),
    (instruction(0x06, ALLOW) * 4097, ["4096 instructions", "E2BIG"]),
    (instruction(0x20, 64) + instruction(0x06, ALLOW), ["instruction 0", "seccomp_data"]),
    (instruction(0x06, 0) + instruction(0x20, 0), ["instruction 1", "no return"]),
    (instruction(0x05, 5) + instruction(0x06, ALLOW), ["instruction 0", "jump"]),
    (instruction(0x60, 3) + instruction(0x06, ALLOW), ["instruction 0", "memory"]),
], ids=["empty", "short", "length", "long", "load", "return", "jump", "memory"])
def test_bad_programs(bbox, scratch, program, parts, unchanged_host):
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp=bpf:{written(scratch, program)}"])
    assert proc.stdout == ""
    assert_fails(proc, 125, "inroot exec: filter: ", *parts)


def test_bad_sources(bbox, scratch):
    os.mkfifo(scratch / "fifo")
    for source, part in (("/nowhere", "ENOENT"), (scratch, "not a regular file"), (scratch / "fifo", "not a regular file"),
                         ("/dev/null", "not a regular file"), ("fd:-1", "EINVAL"), ("fd:0a", "EINVAL"),
                         ("fd:99", "EBADF"), ("bpf:fd:99", "EBADF"), ("fd:0", "neither")):
        proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={source}"])
        assert proc.stdout == ""
        assert_fails(proc, 125, part)


def test_one_descriptor_twice(bbox, scratch):
    with open(written(scratch, DENY_CHROOT), "rb") as file:
        fd = file.fileno()
        for option in (f"--pass-fd={fd}", f"--status-fd={fd}", f"--sync-fd={fd}"):
            proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp=fd:{fd}", option], pass_fds=[fd])
            assert_fails(proc, 125, "named twice")


# -- when a filter is loaded -------------------------------------------------------------------

NOTHING = profile("ALLOW", rule("ERRNO", "setresuid", "setresgid", "setgroups", "capset", "close_range", "setsid",
                                "fchdir", "chdir", "umask", "setrlimit", errnoRet=0))


@need_root
@pytest.mark.parametrize("opts", [[], ["--user=1000"], ["--user=1000", "--cap-add=net_admin"], ["--cap-drop=all"]],
                         ids=" ".join)
@pytest.mark.parametrize("nnp", ["on", "off"])
def test_a_filter_that_does_nothing_undoes_nothing(bbox, scratch, nnp, opts):
    """ERRNO(0): the call succeeds and does nothing, where a filter is loaded before it."""
    path = written(scratch, NOTHING)
    read, write = os.pipe()
    opts = [f"--no-new-privs={nnp}", "--workdir=/tmp", "--umask=027", "--rlimit=nofile=77", "--new-session", *opts]
    without = report_in(bbox, "--seccomp=none", *opts, pass_fds=[read, write])
    seen = report_in(bbox, f"--seccomp={path}", *opts, pass_fds=[read, write])
    os.close(read)
    os.close(write)
    for key in ("uids", "gids", "groups", "caps", "nnp", "cwd", "rlimits"):
        assert seen[key] == without[key], key
    assert seen["sid"] == seen["pid"]
    assert set(seen["fds"]) == {"0", "1", "2"} and (seen["seccomp"], without["seccomp"]) == (2, 0)


@need_root
@pytest.mark.parametrize("filtered", ["default", "profile"])
@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("add", [None, "net_admin", "sys_admin"])
def test_sys_admin_for_the_load_is_gone(bbox, scratch, filtered, uid, add):
    """Without no_new_privs the load takes CAP_SYS_ADMIN; the payload has what it has without a filter."""
    path = "default" if filtered == "default" else written(scratch, DENY_CHROOT)
    opts = ["--no-new-privs=off", f"--user={uid}", *([f"--cap-add={add}"] if add else [])]
    caps = report_in(bbox, f"--seccomp={path}", *opts)["caps"]
    assert caps == report_in(bbox, "--seccomp=none", *opts)["caps"]
    assert bool(caps["permitted"] >> 21 & 1) == bool(caps["bounding"] >> 21 & 1) == (add == "sys_admin")


@need_root
def test_a_set_uid_program_gets_no_sys_admin(bbox, scratch):
    """What it may get is the bounding set, which has it no more when the filter is loaded."""
    report = bbox / "bin/report"
    report.chmod(0o4755)
    for option in ("default", written(scratch, DENY_CHROOT)):
        seen = report_in(bbox, f"--seccomp={option}", "--no-new-privs=off", "--user=1000")
        assert seen["uids"] == [1000, 0, 0] and seen["caps"]["permitted"] >> 21 & 1 == 0
        assert seen["caps"]["permitted"] == seen["caps"]["bounding"]


@need_tool("strace")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers make calls of their own")
@pytest.mark.parametrize("nnp", ["on", "off"])
@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_LOG"]], ids=["prctl", "seccomp"])
def test_execve_is_next(bbox, scratch, nnp, flags):
    if nnp == "off" and os.geteuid() != 0:
        pytest.skip("needs CAP_SYS_ADMIN")
    path, trace = written(scratch, {**DENY_CHROOT, "flags": flags}), scratch / "trace"
    proc = exec_in(bbox, "/bin/true", opts=[f"--seccomp={path}", f"--no-new-privs={nnp}"],
                   wrapper=["strace", "-o", trace])
    assert proc.returncode == 0, proc.stderr
    lines = trace.read_text(errors="replace").splitlines()
    load, = (i for i, line in enumerate(lines) if re.search(r"PR_SET_SECCOMP|seccomp\(SECCOMP_SET_MODE", line))
    assert lines[load + 1].startswith("execve(\"/bin/true\""), lines[load:load + 3]
    assert not any("urandom" in line for line in lines[:load])
    for step in ("close_range(", "setresuid(", "capset(", "getcwd("):
        assert any(line.startswith(step) for line in lines[:load]), step


def test_a_filter_against_execve(bbox, scratch):
    path = written(scratch, profile("ALLOW", rule("ERRNO", "execve", "execveat")))
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={path}"])
    assert proc.stdout == ""
    assert_fails(proc, 126, "execve")


def test_a_filter_that_swallows_execve(bbox, scratch):
    """ERRNO(0): it returns, and has done nothing."""
    path = written(scratch, profile("ALLOW", rule("ERRNO", "execve", errnoRet=0)))
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={path}"])
    assert proc.stdout == ""
    assert_fails(proc, 126, "a filter let it do nothing")


@need_root
@need_tool("setpriv")
@pytest.mark.parametrize("option", ["default", "filter"])
def test_without_the_capability(bbox, scratch, option):
    """No user namespace is made for who may chroot, and without CAP_SYS_ADMIN nothing loads a filter but no_new_privs."""
    written(scratch, DENY_CHROOT)
    without = ["setpriv", "--bounding-set=-sys_admin"]
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--seccomp={option}", "--no-new-privs=off"], cwd=scratch,
                   wrapper=without)
    assert proc.stdout == ""
    assert "--seccomp=none" in assert_fails(proc, 125, "usage", "CAP_SYS_ADMIN")
    assert report_in(bbox, f"--seccomp={option}", cwd=scratch, wrapper=without)["seccomp"] == 2


@need_root
def test_an_ordinary_user(bbox, scratch):
    path = written(scratch, DENY_CHROOT)
    assert tried(bbox, f"--seccomp={path}", ["chroot"], **ordinary()) == {"chroot": "ENOSYS"}


# -- the plan ----------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["default", "none", "/x.json", "bpf:/x"])
def test_dry_run(bbox, value):
    proc = exec_in(bbox, "/bin/true", opts=["--dry-run", f"--seccomp={value}"])
    assert proc.returncode == 0 and json.loads(proc.stdout)["seccomp"] == value
