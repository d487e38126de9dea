# SPDX-License-Identifier: MIT
"""A set-uid copy of the binary, and the users who call it: on the host, and where user namespaces are closed."""
import ctypes
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile

import pytest

from conftest import INROOT, REPO, inroot, libc

UID, GID = 1000, 1000
GROUPS = [1000, 1234]
CLONE_NEWUSER = 0x10000000
SECRET = "the secret of root\n"
LENIENT = REPO / "build/lenient/inroot"


def install(source, name="inroot", mode=0o4755, uid=0, gid=0):
    """A copy in a directory of its own, where nobody else can write."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="inroot-setuid.", dir="/tmp"))
    top.chmod(0o755)
    if os.statvfs(top).f_flag & os.ST_NOSUID:
        pytest.skip("needs a temporary directory without nosuid")
    copy = top / name
    shutil.copy(source, copy)
    os.chown(copy, uid, gid)
    copy.chmod(mode)
    return copy


@pytest.fixture(scope="session")
def setuid():
    """As `make install-setuid GROUP=…` leaves it: 4750, and the callers are of that group."""
    copy = install(INROOT, mode=0o4750, gid=GID)
    yield copy
    shutil.rmtree(copy.parent)


@pytest.fixture(scope="session")
def lenient():
    """The build whose parser lets everything pass."""
    if not LENIENT.exists():
        pytest.skip("needs build/lenient/inroot, which `make lenient` builds")
    copy = install(LENIENT, mode=0o4750, gid=GID)
    yield copy
    shutil.rmtree(copy.parent)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become(uid=UID, gid=GID, groups=GROUPS):
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def close_user_namespaces(ids="0 0 4294967295"):
    """To be run after fork: a user namespace with all ids of the host, in which nobody can make another."""
    r, w = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        os.read(r, 1)
        for name in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{parent}/{name}").write_text(ids + "\n")
        os._exit(0)
    check(libc.unshare(CLONE_NEWUSER))
    os.write(w, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(r)
    os.close(w)
    pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0")


def closed(also=None, groups=GROUPS):
    """Keyword arguments for subprocess: an ordinary user of a host without user namespaces."""
    def prepare():
        close_user_namespaces()
        become(groups=groups)
        if also:
            also()
    return {"preexec_fn": prepare}


def opened(also=None):
    """The same on the host as it is."""
    def prepare():
        become()
        if also:
            also()
    return {"preexec_fn": prepare}


def listed_options(command):
    """The options that `inroot COMMAND --help` prints."""
    lines = inroot(command, "--help").stdout.splitlines()
    return [line.split()[0].partition("=")[0] for line in lines if line.startswith("  --")]


@pytest.fixture
def secret(scratch):
    """A file of root's, 0600, in a directory of his that only he may enter; and the same in the open."""
    (scratch / "closed").mkdir(mode=0o700)
    for place in (scratch / "closed/secret", scratch / "secret"):
        place.write_text(SECRET)
        place.chmod(0o600)
    yield scratch / "secret"
    assert (scratch / "secret").read_text() == (scratch / "closed/secret").read_text() == SECRET
    assert sorted(os.listdir(scratch / "closed")) == ["secret"]


@pytest.fixture(autouse=True)
def binary_is_whole(setuid):
    before = hashlib.sha256(setuid.read_bytes()).hexdigest()
    yield
    assert hashlib.sha256(setuid.read_bytes()).hexdigest() == before
    assert stat.S_IMODE(os.stat(setuid).st_mode) == 0o4750


def as_him(program, *words, **kw):
    kw = {**closed(kw.pop("also", None)), **kw}
    return inroot(*words, program=program, **kw)


def tells_nothing(proc):
    for text in (proc.stdout, proc.stderr):
        assert SECRET.strip() not in (text if isinstance(text, str) else text.decode(errors="replace"))
