# SPDX-License-Identifier: MIT
"""The same questions put to nsenter(1) and to us: its own test cases, and what people use it for."""
import fcntl
import os
import socket
import subprocess

import pytest

from conftest import INROOT, libc, need_root, need_tool
from joining import OF_HOST, OF_ROOT, TYPES, by_target, container, namespaces

pytestmark = [need_root, need_tool("nsenter")]
LETTER = {"mnt": "m", "pid": "p", "net": "n", "ipc": "i", "uts": "u", "cgroup": "C", "time": "T", "user": "U"}
SIOCGSKNS = 0x894C
OTHERS = [kind for kind in TYPES if kind not in ("user", "mnt")]
# What nsenter leaves to the payload unless it is told otherwise is asked for by name.
ALIKE = ["--allow-host-proc", "--seccomp=none", "--no-new-privs=off", "--cap-add=ALL", "--groups=keep"]


def ours(pid, kinds, *command, opts=(), **kw):
    alike = [opt for opt in ALIKE if "user" not in kinds or opt != "--groups=keep"]
    return answer([INROOT, "exec", *alike, *by_target(pid, kinds), *opts, "/", "--", *command], **kw)


def theirs(pid, kinds, *command, opts=(), **kw):
    """All kinds at once are `-a`, which leaves out a user namespace that is the caller's already."""
    letters = ["-a"] if len(kinds) >= len(TYPES) - 1 else [f"-{LETTER[kind]}" for kind in kinds]
    return answer(["nsenter", "-t", str(pid), *letters, *opts, *command], **kw)


def answer(words, **kw):
    """(exit status, standard output); a death by a signal as a shell tells it."""
    proc = subprocess.run(words, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **kw)
    return (128 - proc.returncode if proc.returncode < 0 else proc.returncode), proc.stdout


@pytest.fixture(params=["ids-of-the-host", "ids-of-its-own"])
def target(request, bbox, unchanged_host):
    with container(bbox, *(OF_ROOT if request.param == "ids-of-its-own" else OF_HOST)) as pid:
        kinds = [kind for kind in TYPES if kind != "user" or request.param == "ids-of-its-own"]
        yield pid, kinds


def same(pid, kinds, *command, **kw):
    """Both answers, which are one."""
    mine, other = ours(pid, kinds, *command, **kw), theirs(pid, kinds, *command, **kw)
    assert mine == other, (kinds, command)
    return mine


@pytest.mark.parametrize("kind", OTHERS)
def test_one_type(target, kind):
    code, text = same(target[0], [kind], "/bin/sh", "-c", f"stat -L -c %i /proc/self/ns/{kind}; id; hostname")
    if kind == "pid":
        return  # the caller's /proc has no "self" for who is in there
    assert code == 0 and text.split()[0] == namespaces(target[0])[kind].split("[")[1].rstrip("]")


CASES = {
    "all": ["/bin/sh", "-c", "id; hostname; pwd; ls /; cat /etc/inside"],
    "command that fails": ["/bin/false"],
    "exit status": ["/bin/sh", "-c", "exit 42"],
    "death by a signal": ["/bin/sh", "-c", "kill -15 $$"],
    "death by SIGKILL": ["/bin/sh", "-c", "kill -9 $$"],
    "not found": ["/bin/nothing"],
    "not executable": ["/etc/inside"],
    "found by PATH": ["cat", "/etc/inside"],
    "environment": ["/bin/env"],
    "descriptors": ["/bin/report"],
}


@pytest.mark.parametrize("name", CASES)
def test_all_types(target, name):
    """`nsenter -t PID -a`."""
    command = CASES[name]
    env = {"PATH": "/bin:/usr/bin", "MARK": "x", "INROOT_TEST_MARK": os.environ["INROOT_TEST_MARK"]}
    if name != "descriptors":
        same(*target, *command, env=env)
        return
    for (code, text), who in ((run(*target, *command, env=env), run) for run in (ours, theirs)):
        assert code == 0 and '"fds":{"0":' in text, who
        assert text.count('"kind":') == 3, who


@pytest.mark.parametrize("number", ["1", "2", "10", "15"])
def test_signals_from_outside(target, number):
    """To who stays: util-linux has the case for unshare(1), and its nsenter forwards none."""
    command = [INROOT, "exec", *by_target(*target), "/", "/bin/sigprint"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proc:
        assert proc.stdout.readline() == "ready\n"
        proc.send_signal(int(number))
        assert proc.stdout.readline() == f"{number}\n"
        if number != "15":
            proc.terminate()
        assert proc.wait(10) == 42


def test_entering_by_a_socket(target):
    """enter-via-socket: the namespace that a socket is of, as a descriptor; and the net namespace by path."""
    pid, _ = target
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        assert libc.setns(there, 0) == 0
        with socket.socket() as foreign:
            assert libc.setns(before, 0) == 0
            of_socket = fcntl.ioctl(foreign.fileno(), SIOCGSKNS)
    finally:
        libc.setns(before, 0)
    inode = f"{os.fstat(there).st_ino}\n"
    words = ["/bin/sh", "-c", "stat -L -c %i /proc/self/ns/net"]
    got = answer([INROOT, "exec", *ALIKE, f"--join=net:fd:{of_socket}", "/", *words], pass_fds=[of_socket])
    assert got == (0, inode) == answer(["nsenter", f"--net=/proc/{pid}/ns/net", *words])
    for fd in (before, there, of_socket):
        os.close(fd)


def test_namespaces_by_path(target):
    """`nsenter --net=FILE --uts=FILE`."""
    pid, _ = target
    words = ["/bin/sh", "-c", "stat -L -c %i /proc/self/ns/net /proc/self/ns/uts"]
    kinds = ("net", "uts")
    joins = [f"--join={kind}:/proc/{pid}/ns/{kind}" for kind in kinds]
    mine = answer([INROOT, "exec", *ALIKE, *joins, "/", *words])
    assert mine == answer(["nsenter", *(f"--{kind}=/proc/{pid}/ns/{kind}" for kind in kinds), *words])
    assert mine[0] == 0


def test_ids_by_number(target):
    """`nsenter -S UID -G GID`."""
    pid, kinds = target
    words = ["/bin/id"]
    mine = answer([INROOT, "exec", *by_target(pid, kinds), "--user=5:6", "/", *words])
    assert mine == theirs(pid, kinds, *words, opts=["-S", "5", "-G", "6"])
    assert mine[0] == 0 and "uid=5 gid=6" in mine[1]


def test_target_that_is_gone():
    proc = subprocess.Popen(["true"])
    proc.wait()
    assert theirs(proc.pid, ["net"], "/bin/true")[0] != 0
    assert ours(proc.pid, ["net"], "/bin/true")[0] == 125
