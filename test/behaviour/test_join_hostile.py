# SPDX-License-Identifier: MIT
"""Joining a container whose root goes for everybody who comes in.

Its processes open the executables, descriptors and memory of newcomers, trace them and take their
descriptors, while many joins run. INROOT_SOAK=1: 500 of them. Each attack is also shown to work on a program
that takes no care.
"""
import concurrent.futures
import contextlib
import os

import pytest

from conftest import (INROOT, Running, as_user, exec_in, host_state, need_root, need_static, private_mounts,
                      run)
from joining import OF_HOST, OF_ROOT, OF_USER, by_target, end
from many_runs import say  # noqa: F401
from test_escape import copied, digest, mount_proc_for

JOINS = 500 if os.environ.get("INROOT_SOAK") == "1" else 60
KINDS = {"exe", "fd", "getfd", "mem", "trace", "links"}
# What the careless program loses to them.
LOST = KINDS - {"links"} | {"cwd", "root", "ns/mnt", "maps"}
SYS_PTRACE = 1 << 19
DEFAULT_SET = 0xa00425fb  # of a payload with uid 0
# The container's options; what its root may take from a newcomer, where the kernel lets it trace anybody; the
# types. What comes into that of a user is of the same uid from the start, and owns the executable.
CONTAINERS = {
    "ids-of-its-own": (OF_ROOT, [], ["user", "pid", "mnt"]),
    "of-a-user": (OF_USER, [], ["user", "pid", "mnt"]),
    # In sight from the moment when they join, and by then of the same uid.
    "pids-of-the-host": ([*(opt.replace("pid,", "") for opt in OF_ROOT), "--allow-host-proc"], [],
                         ["user", "mnt"]),
    "ids-of-the-host": (OF_HOST, [f"{DEFAULT_SET | SYS_PTRACE:x}"], ["pid", "mnt"]),
}
containers = pytest.mark.parametrize("name", CONTAINERS)
pytestmark = [need_root, need_static]


def who(name):
    return as_user() if name == "of-a-user" else {}


class Hostile:
    """The container, and in the end what its root gained and tried."""

    def __init__(self, box, pid):
        self.box, self.pid, self.gained = box, pid, set()

    def round(self):
        """All attacks have been through twice from here on."""
        self.box.proc.stdin.write(b"\n")
        self.box.proc.stdin.flush()
        while (line := self.box.line()) != "done\n":
            self.gained.add(line.split()[1])

    def end(self):
        self.round()
        self.box.proc.stdin.close()
        lines = self.box.proc.stdout.read().decode().splitlines()
        assert self.box.proc.wait(20) == 0 and lines[-1] == "end", (lines, self.box.proc.stderr.read())
        counts = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines[:-1]}
        return self.gained, counts


@contextlib.contextmanager
def hostile(name, root):
    opts, caps, _ = CONTAINERS[name]
    with Running("exec", *opts, "--cap-add=sys_ptrace", root, "/bin/join-hostile", "/bin/static-true", *caps,
                 **who(name)) as box:
        pid = box.record("payload")["pid"]
        if "--allow-host-proc" not in opts:
            mount_proc_for(pid)
        assert box.line() == "ready\n"
        attacker = Hostile(box, pid)
        try:
            attacker.round()
            yield attacker
        finally:
            end(box, pid)


def open_to_all(program, scratch):
    """A copy that everybody may write to, the container's root too: its mode is not what protects it."""
    copy = copied(program, scratch)
    copy.chmod(0o777)
    os.chown(copy, 1000, 1000)
    scratch.chmod(0o755)
    return copy


def sets_of_types(kinds):
    """All that count, then some: with its pids alone the mounts are the host's root's."""
    return [kinds, [*kinds, "net", "ipc", "uts", "cgroup", "time"], kinds]


@containers
@private_mounts
def test_joins(name, bbox, scratch, say):  # noqa: F811
    prey, kinds = open_to_all(INROOT, scratch), CONTAINERS[name][2]
    before = digest(prey)
    if name.startswith("pids"):
        run("mount", "-t", "proc", "proc", bbox / "proc")
    before_them = host_state(bbox)
    with hostile(name, bbox) as attacker:
        def join(number):
            types = sets_of_types(kinds)[number % 3]
            return exec_in("/", "/bin/static-true", program=prey, timeout=60, **who(name),
                           opts=by_target(attacker.pid, types))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failed = [proc for proc in pool.map(join, range(JOINS)) if proc.returncode != 0]
        gained, counts = attacker.end()
    before_them.check(listing=False)
    assert not failed, failed[:3]
    assert not gained and counts["gained"] == 0, (gained, counts)
    assert digest(prey) == before
    assert all(counts[f"tried {kind}"] > 0 for kind in KINDS), counts
    tried = ", ".join(f"{kind} {counts[f'tried {kind}']}" for kind in sorted(KINDS))
    say(f"joins into a hostile container with {name}: {JOINS}, gained {counts['gained']}; newcomers seen "
        f"{counts['newcomers']}, before they were the payload {counts['helpers']}; attacks: {tried}")
    proc = exec_in(bbox, "/bin/static-true", opts=["--allow-host-proc"], program=prey)
    assert proc.returncode == 0 and digest(prey) == before


@containers
@private_mounts
def test_joins_without_care(name, bbox, scratch, payloads):
    """The same attacks on a program that does nothing of what the helper does: all of them work."""
    prey = open_to_all(payloads["join-careless"], scratch)
    if name.startswith("pids"):
        run("mount", "-t", "proc", "proc", bbox / "proc")
    with hostile(name, bbox) as attacker:
        for _ in range(20):
            run(prey, attacker.pid, "/bin/static-true", *CONTAINERS[name][2], **who(name))
            attacker.round()
            if attacker.gained >= LOST:
                break
        gained, counts = attacker.end()
    assert gained >= LOST, (gained, counts)


@pytest.mark.parametrize("name", ["ids-of-its-own", "ids-of-the-host"])
def test_joined_payload_alone(name, bbox, unchanged_host):
    """What the container's root may have of a newcomer: a payload with its set, and no descriptor."""
    opts, _, kinds = CONTAINERS[name]
    with Running("exec", *opts, bbox, "/bin/sleep", "1000") as box:
        pid = box.record("payload")["pid"]
        with Running("exec", *by_target(pid, kinds), "/", "/bin/sigprint") as guest:
            assert guest.line() == "ready\n"
            inside = guest.record("payload")["pid"]
            status = open(f"/proc/{inside}/status", encoding="ascii").read()
            assert f"CapPrm:\t{DEFAULT_SET:016x}\n" in status and "NoNewPrivs:\t1\n" in status
            assert sorted(os.listdir(f"/proc/{inside}/fd")) == ["0", "1", "2"]
            guest.proc.terminate()
            assert guest.proc.wait(10) == 42
