# SPDX-License-Identifier: MIT
"""What an extraction holds while it runs, seen from outside: capabilities, filter, descriptors, root."""
import bz2
import contextlib
import functools
import gzip
import os
import pathlib
import stat

import pytest

from conftest import SANITIZED, TIMEOUT, need_root, need_tool, need_userns, ordinary, wait_until
from tarball import END, directory, file, tar, xz, zstd
from unpacking import MODES, given, in_modes, root, sleeps, waiting  # noqa: F401

CAPS = {"chown": 0, "dac_override": 1, "dac_read_search": 2, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6,
        "setuid": 7, "setpcap": 8, "sys_chroot": 18, "sys_ptrace": 19, "sys_admin": 21, "mknod": 27,
        "setfcap": 31}
LAYER = {"chown", "fowner", "fsetid", "dac_override", "mknod", "setfcap"}
FIRST = [directory("a"), file("a/one"), directory("a/b"), file("a/b/two"), directory("c"), file("c/three"),
         file("ready")]
PADDED = [*FIRST, *(file(f"filler/{i}", os.urandom(4096)) for i in range(600))]

unsanitized = pytest.mark.skipif(SANITIZED, reason="needs the static binary, not the ASan build")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def held(pid, kind):
    value = int(status_of(pid)[kind], 16)
    known = {name for name, bit in CAPS.items() if value >> bit & 1}
    assert value == sum(1 << CAPS[name] for name in known), hex(value)
    return known


def descriptors(pid):
    """Number -> (device, inode), kind, link."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            path = f"/proc/{pid}/fd/{number}"
            st = os.stat(path)
            found[int(number)] = ((st.st_dev, st.st_ino), stat.S_IFMT(st.st_mode), os.readlink(path))
    return found


def identity(path):
    st = os.stat(path)
    return st.st_dev, st.st_ino


def helper_of(run):
    """The process that extracts: the one that was started, or the one that it waits for."""
    return run.proc.pid


def workers_of(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# -- the extractor -----------------------------------------------------------------------------

@in_modes()
@unsanitized
def test_caged(mode, root):
    opts, kw = MODES[mode]
    given(root, mode)
    with waiting(root, tar(FIRST, b""), *opts, ready="ready", **kw) as run:
        pid = helper_of(run)
        found = status_of(pid)
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
        assert found["Threads"] == "1"
        assert held(pid, "CapInh") == held(pid, "CapAmb") == set()
        expected = set() if mode == "confined" else LAYER
        assert held(pid, "CapEff") == held(pid, "CapPrm") == expected
        run.proc.stdin.write(END)
        run.proc.stdin.close()
        assert run.proc.wait(TIMEOUT) == 0


@need_root
@unsanitized
@pytest.mark.parametrize("opts,lacks,more", [
    (["--policy=layer"], set(), set()),
    (["--policy=data"], {"mknod", "setfcap", "fsetid", "chown"}, set()),
    (["--policy=strict"], {"mknod", "setfcap", "fsetid", "chown"}, set()),
    (["--policy=layer", "--xattrs=trusted.*"], set(), {"sys_admin"}),
    (["--policy=layer", "--xattrs=trusted.overlay.*,user.*"], set(), {"sys_admin"}),
    (["--policy=layer", "--xattrs=user.*,t*,*"], set(), set()),
    (["--policy=layer", "--devices=refuse"], {"mknod"}, set()),
    (["--policy=layer", "--devices=skip"], {"mknod"}, set()),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_capabilities_of_root(opts, lacks, more, root):
    with waiting(root, tar(FIRST, b""), *opts, ready="ready") as run:
        pid = helper_of(run)
        found = held(pid, "CapEff")
        assert found == held(pid, "CapPrm")
        assert not found & lacks and found <= LAYER | more and more <= found, found


@need_userns
@unsanitized
@pytest.mark.parametrize("opts", [[], ["--policy=data"], ["--policy=strict"], ["--enter=confined"]],
                         ids=" ".join)
def test_an_ordinary_users_data_needs_no_capability(opts, root):
    given(root, "userns")
    with waiting(root, tar(FIRST, b""), *opts, ready="ready", **ordinary()) as run:
        pid = helper_of(run)
        assert held(pid, "CapEff") == held(pid, "CapPrm") == held(pid, "CapInh") == set()
        assert status_of(pid)["Seccomp"] == "2" and status_of(pid)["NoNewPrivs"] == "1"


def may_be_open(root):
    """Directories that may be open: ROOT and those below it."""
    return {identity(where) for where, _, _ in os.walk(root)}


@in_modes()
def test_descriptors(mode, root):
    """Input, status, 0 to 2, and directories of ROOT; what the caller had open for itself is closed."""
    opts, kw = MODES[mode]
    given(root, mode)
    strays = [os.open("/", os.O_RDONLY | os.O_DIRECTORY), os.open("/etc/passwd", os.O_RDONLY)]
    try:
        with waiting(root, tar(FIRST, b""), *opts, ready="ready", pass_fds=strays, **kw) as run:
            pid = helper_of(run)
            ours = [f.fileno() for f in (run.proc.stdin, run.proc.stdout, run.proc.stderr)] + [run.fd]
            pipes = {identity(f"/proc/self/fd/{fd}") for fd in ours}
            null, allowed = identity("/dev/null"), may_be_open(root)
            for number, (which, kind, link) in descriptors(pid).items():
                if kind == stat.S_IFDIR:
                    assert which in allowed, (number, link)
                else:
                    assert which in pipes | {null}, (number, link)
            assert len(descriptors(pid)) <= 5 + 2 + 12
    finally:
        for fd in strays:
            os.close(fd)


@in_modes()
def test_root_and_working_directory(mode, root):
    opts, kw = MODES[mode]
    given(root, mode)
    with waiting(root, tar(FIRST, b""), *opts, ready="ready", **kw) as run:
        pid = helper_of(run)
        inside = identity(root) if mode != "confined" else identity("/")
        assert identity(f"/proc/{pid}/root") == inside
        assert identity(f"/proc/{pid}/cwd") in may_be_open(root) | ({inside} if mode == "confined" else set())
        if mode == "pivot":
            mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
            assert [line.split()[4] for line in mounts] == ["/"]


# -- the decoders ------------------------------------------------------------------------------

PACKED = {"gz": lambda data: gzip.compress(data, 1), "zst": zstd}
PROGRAMS = {"xz": xz, "bz2": lambda data: bz2.compress(data, 1)}


@functools.cache
def packed(kind):
    return {**PACKED, **PROGRAMS}[kind](tar(PADDED))


@contextlib.contextmanager
def decoding(root, kind, mode, cut=1000):
    """A run that has part of a packed archive, and waits: (run, its decoding processes)."""
    opts, kw = MODES[mode]
    given(root, mode)
    with waiting(root, packed(kind)[:-cut], *opts, ready="ready", **kw) as run:
        workers = workers_of(helper_of(run))
        assert wait_until(lambda: all(map(sleeps, workers)))
        yield run, workers


@need_root
@in_modes("pivot", "userns", "confined")
@pytest.mark.parametrize("kind", PACKED)
def test_decoder(kind, mode, root):
    """It holds its two descriptors, and can be looked at by root alone."""
    with decoding(root, kind, mode) as (run, workers):
        assert len(workers) == 1
        pid = workers[0]
        found = descriptors(pid).values()
        pipe = identity(f"/proc/self/fd/{run.proc.stdin.fileno()}")
        assert sorted(kind for _, kind, _ in found) == [stat.S_IFIFO, stat.S_IFSOCK], descriptors(pid)
        assert [which for which, kind, _ in found if kind == stat.S_IFIFO] == [pipe]
        seen = status_of(pid)
        assert os.stat(f"/proc/{pid}/fd").st_uid == 0  # it is not dumpable
        assert all(held(pid, f"Cap{kind}") == set() for kind in ("Eff", "Prm", "Inh", "Amb"))
        assert seen["NoNewPrivs"] == "1" and seen["Threads"] == "1"
        if not SANITIZED:
            assert seen["Seccomp"] == "2"


@in_modes("pivot", "confined")
@pytest.mark.parametrize("kind", PACKED)
def test_the_extractor_beside_a_decoder(kind, mode, root):
    """It has the channel in place of the archive."""
    with decoding(root, kind, mode) as (run, _):
        allowed = may_be_open(root)
        kinds = [kind for which, kind, _ in descriptors(helper_of(run)).values()
                 if kind != stat.S_IFDIR or which not in allowed]
        assert kinds.count(stat.S_IFSOCK) == 1 and stat.S_IFDIR not in kinds


@need_root
@need_tool("xz", "bzip2")
@in_modes("pivot", "confined")
@pytest.mark.parametrize("kind", PROGRAMS)
def test_program(kind, mode, root):
    """The programs get nothing of the root, and none of the caller's environment."""
    with decoding(root, kind, mode) as (run, workers):
        programs = {pid: os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in workers}
        running = [pid for pid, program in programs.items() if program in ("xz", "bzip2")]
        assert len(running) == 1
        ours = {identity(f"/proc/self/fd/{fd}") for fd in (run.fd, run.proc.stdout.fileno(),
                                                           run.proc.stderr.fileno())}
        for pid in workers:
            found = descriptors(pid).values()
            assert {kind for _, kind, _ in found} <= {stat.S_IFIFO, stat.S_IFCHR}, descriptors(pid)
            assert not ours & {which for which, _, _ in found}
            assert status_of(pid)["NoNewPrivs"] == "1"
        assert pathlib.Path(f"/proc/{running[0]}/environ").read_bytes() == b""
