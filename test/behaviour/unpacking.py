# SPDX-License-Identifier: MIT
"""What several tests of `inroot unpack` share: ways in, runs, a canary outside, roots to extract into."""
import contextlib
import os
import pathlib
import shutil
import stat
import struct

import pytest

import tarball
import treedigest
from conftest import (ROOT_CALLER, Running, host_state, inroot, need_root, need_userns, ordinary,
                      parse_records, wait_until)

ACL_ACCESS, ACL_DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xffffffff
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # security.capability: net_bind_service=ep

# Ways into a root: (options, keyword arguments of the process). Where the tests run as root the last
# two run as an ordinary user; in the ordinary user's own run they are the only ones.
MODES = {
    "pivot": (["--enter=pivot"], {}),
    "detached": (["--enter=detached"], {}),
    "chroot": (["--enter=chroot"], {}),
    "userns": (["--policy=layer"], ordinary()),
    "confined": (["--enter=confined"], ordinary()),
}


def in_modes(*names):
    """Parametrize `mode` over the named (default: all) ways into a root."""
    marks = {"userns": [need_userns], "confined": []}
    return pytest.mark.parametrize("mode", [pytest.param(n, marks=marks.get(n, [need_root]))
                                            for n in names or MODES])


def owner_of(mode):
    """The id that extracts in this mode, seen from the tests."""
    return MODES[mode][1].get("user", os.geteuid())


def acl(*entries):
    """The kernel's form of a POSIX ACL: (tag, permissions, id) …"""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def xattr(**values):
    """A pax header with extended attributes, for the next entry: user_a means user.a."""
    return tarball.pax({"SCHILY.xattr." + k.replace("_", ".", 1): v for k, v in values.items()})


# -- running -----------------------------------------------------------------------------------

@contextlib.contextmanager
def as_input(data):
    """A file descriptor from which data can be read."""
    fd = os.memfd_create("archive")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def unpack(root, data, *opts, **kw):
    """Run `inroot unpack OPTS ROOT` with the archive as standard input."""
    with as_input(data) as fd:
        return inroot("unpack", *opts, root, stdin=fd, **kw)


def unpack_records(root, data, *opts, **kw):
    """As unpack, with --status-fd: (process, records)."""
    r, w = os.pipe()
    try:
        kw["pass_fds"] = (*kw.get("pass_fds", ()), w)
        proc = unpack(root, data, f"--status-fd={w}", *opts, **kw)
        os.close(w)
        w = -1
        with open(r, "rb", closefd=False) as pipe:
            return proc, parse_records(pipe.read())
    finally:
        os.close(r)
        if w >= 0:
            os.close(w)


def record(records, kind):
    found = [r for r in records if r["type"] == kind]
    assert len(found) == 1, (kind, records)
    return found[0]


def unpacked(root, data, *opts, **kw):
    """As unpack; it must work, and say nothing."""
    proc = unpack(root, data, *opts, **kw)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    return proc


def sleeps(pid):
    """Whether it waits for something."""
    return "State:\tS" in pathlib.Path(f"/proc/{pid}/status").read_text()


@contextlib.contextmanager
def waiting(root, data, *opts, ready, **kw):
    """A run that has extracted `ready` (and all before it) from data and waits for more."""
    with Running("unpack", *opts, root, **kw) as run:
        run.proc.stdin.write(data)
        run.proc.stdin.flush()
        if not wait_until(lambda: os.path.lexists(os.path.join(root, ready)) or run.proc.poll() is not None):
            raise TimeoutError(f"{ready} was not extracted")
        assert run.proc.poll() is None, run.proc.stderr.read()
        wait_until(lambda: sleeps(run.proc.pid))
        yield run


# -- trees -------------------------------------------------------------------------------------

def names(top):
    """Everything below top."""
    return sorted(os.fsdecode(n) for n in treedigest.digest(top) if n != b".")


class Canary:
    """A directory outside of every root, with an exact memory of itself; looking does not touch it."""

    def __init__(self, path, owner=None):
        self.path = pathlib.Path(path)
        for name in ("", "dir", "dir/deep"):
            (self.path / name).mkdir(mode=0o755)
        for name in ("victim", "secret", "dir/inner", "dir/victim", "dir/deep/inner"):
            (self.path / name).write_text(f"canary {name}\n")
        (self.path / "secret").chmod(0o600)
        (self.path / "link").symlink_to("victim")
        os.mkfifo(self.path / "pipe")
        if owner is not None:
            give_all(self.path, owner)
        self.before = self.look()

    def look(self):
        found, todo = {}, [""]
        while todo:
            name = todo.pop()
            path = self.path / name
            st = os.lstat(path)
            found[name] = [st.st_mode, st.st_ino, st.st_nlink, st.st_uid, st.st_gid, st.st_size,
                           st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns,
                           sorted(os.listxattr(path, follow_symlinks=False))]
            if not stat.S_ISDIR(st.st_mode) and not stat.S_ISREG(st.st_mode):
                continue
            fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
            try:
                if stat.S_ISDIR(st.st_mode):
                    inside = sorted(os.listdir(fd))
                    todo += [os.path.join(name, n) for n in inside]
                    found[name].append(inside)
                else:
                    found[name].append(os.read(fd, 4096))
            finally:
                os.close(fd)
        return found

    def changes(self):
        now = self.look()
        return {k: (self.before.get(k), now.get(k)) for k in self.before.keys() | now.keys()
                if self.before.get(k) != now.get(k)}


def give_all(top, owner):
    """Everything below top, and top, to that id."""
    for where, directories, files in os.walk(top):
        for name in ("", *directories, *files):
            os.chown(os.path.join(where, name), owner, owner, follow_symlinks=False)


def emptied(root):
    """root, with nothing in it."""
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    return root


# -- fixtures; a test module imports those that it uses ----------------------------------------

@pytest.fixture
def root(scratch):
    """An empty ROOT. After the test mounts and processes are as before, and beside it there is nothing but
    what the test itself made, which it calls own…"""
    path = scratch / "root"
    path.mkdir(mode=0o755)
    host = host_state(path)
    yield path
    host.owner = host_state(path).owner
    host.check(listing=False)
    assert [n for n in os.listdir(scratch) if n != "root" and not n.startswith("own")] == []


@pytest.fixture
def canary(scratch):
    """Compared after the test."""
    found = Canary(scratch / "own-canary")
    yield found
    assert found.changes() == {}


def given(root, mode):
    """root, belonging to who extracts in that mode."""
    if ROOT_CALLER and owner_of(mode) != 0:
        os.chown(root, owner_of(mode), owner_of(mode))
    return root
