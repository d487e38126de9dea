# SPDX-License-Identifier: MIT
"""Unpack runs under watch: a ROOT beside a canary, the ways in, and what must hold after every run."""
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
import typing

import pytest

from conftest import (INROOT, ROOT_CALLER, SANITIZED, inroot, libc, need_root, need_tool,
                      need_userns, wait_until)

SECONDS = 60 if SANITIZED else 20
OLD = 10**18  # the canary's access time; older than its change time, so that every read is seen
MAPS = ("--map-users=0:100000:65536", "--map-groups=0:100000:65536")
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFSOCK: "socket"}
RENAME_EXCHANGE = 2
ERROR = re.compile(r"inroot unpack: [\x20-\x7e]+")
WHERE = re.compile(r"\bat byte (\d+)")


# -- ways in -----------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Mode:
    """who: root, user (uid 1000) or sub (root with subordinate ids); feed: how the archive comes."""
    opts: tuple
    who: str = "root"
    feed: str = "path"
    policy: str = "layer"

    @property
    def owner(self):
        """Whose ROOT and canary are."""
        return {"root": 0, "user": 1000, "sub": 100000}[self.who] if ROOT_CALLER else os.getuid()

    def uid(self, uid, same_owner=True):
        """An archive's id, as the host sees it afterwards."""
        if self.who == "user" or not same_owner:
            return self.owner
        return self.owner + uid


MODES = {
    "pivot": Mode(("--enter=pivot",)),
    "detached": Mode(("--enter=detached",), feed="stdin"),
    "chroot": Mode(("--enter=chroot",), feed="pipe"),
    "confined": Mode(("--enter=confined",), feed="fd"),
    "userns": Mode(("--enter=pivot", "--map-root-user"), who="user", feed="pipe"),
    "subids": Mode(("--enter=pivot", *MAPS), who="sub"),
    "confined-user": Mode(("--enter=confined", "--no-same-owner"), who="user", feed="stdin"),
    "data": Mode(("--enter=pivot",), policy="data"),
    "strict": Mode(("--enter=pivot",), policy="strict", feed="stdin"),
}
UNPRIVILEGED = ("userns", "subids", "confined-user")
# Python itself would fork for other ids, which takes longer than the whole run.
AS_USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"] if ROOT_CALLER else []
MARKS = {"userns": [need_userns, need_tool("setpriv")], "subids": [need_root, need_userns],
         "confined-user": [need_tool("setpriv")]}


def modes(*names):
    """pytest.param for each mode, with what it needs."""
    return [pytest.param(name, id=name, marks=MARKS.get(name, [need_root])) for name in names or MODES]


def possible(mode, items):
    """All of them; or one, to be skipped by name, where that mode is root's and we are not."""
    return items if ROOT_CALLER or MODES[mode].who == "user" else list(items)[:1]


# -- trees -------------------------------------------------------------------------------------

class Node:
    """One inode below ROOT, as it was found."""

    def __init__(self, tree, name, st):
        self.tree, self.name, self.st = tree, name, st
        self.kind = KINDS[stat.S_IFMT(st.st_mode)]
        self.mode, self.uid, self.gid = stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid
        self.size, self.nlink, self.blocks, self.mtime = st.st_size, st.st_nlink, st.st_blocks, st.st_mtime_ns
        self.same = (st.st_dev, st.st_ino)

    @property
    def value(self):
        """Content, target or device numbers."""
        if self.kind == "link":
            return os.readlink(self.name, dir_fd=self.tree.fd)
        if self.kind in ("char", "block"):
            return os.major(self.st.st_rdev), os.minor(self.st.st_rdev)
        if self.kind != "file":
            return None
        fd = self.tree.open(self.name, os.O_RDONLY)
        with open(fd, "rb") as file:
            return file.read()

    @property
    def xattrs(self):
        if self.kind == "link":
            path = f"/proc/self/fd/{self.tree.fd}/{self.name}"
            return {name: os.getxattr(path, name, follow_symlinks=False)
                    for name in os.listxattr(path, follow_symlinks=False)}
        fd = self.tree.open(self.name or ".", os.O_RDONLY | os.O_NONBLOCK)
        try:
            return {name: os.getxattr(fd, name) for name in os.listxattr(fd)}
        finally:
            os.close(fd)


class Tree:
    """All that is below a directory: relative name -> Node; "" is the directory itself."""

    def __init__(self, top):
        self.fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        self.nodes = {"": Node(self, "", os.fstat(self.fd))}
        todo = [""]
        while todo:
            name = todo.pop()
            fd = self.open(name or ".", os.O_RDONLY | os.O_DIRECTORY)
            with os.scandir(fd) as entries:
                for entry in entries:
                    below = f"{name}/{entry.name}" if name else entry.name
                    self.nodes[below] = node = Node(self, below, entry.stat(follow_symlinks=False))
                    if node.kind == "dir":
                        todo.append(below)
            os.close(fd)

    def open(self, name, flags):
        """Also what its mode keeps an ordinary user from; looked at before."""
        try:
            return os.open(name, flags | os.O_NOFOLLOW, dir_fd=self.fd)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=self.fd)
            return os.open(name, flags | os.O_NOFOLLOW, dir_fd=self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def differs(self, name, wanted, mode, same_owner=True):
        """What is not as an attacks.Is says, in words."""
        node = self.nodes.get(name)
        if wanted.kind == "gone" or node is None:
            return [] if wanted.kind == "gone" and node is None else \
                [f"{name!r} is {'there' if node else 'missing'}"]
        if wanted.kind == "hard":
            other = self.nodes.get(wanted.value)
            return [] if other and other.same == node.same else [f"{name!r} is not {wanted.value!r}"]
        if node.kind != wanted.kind:
            return [f"{name!r} is a {node.kind}"]
        bad = []
        if wanted.value is not None and node.value != wanted.value:
            bad.append(f"{name!r} holds {str(node.value)[:80]}")
        for key, value in wanted.attrs.items():
            found = getattr(node, key)
            if key in ("uid", "gid"):
                value = mode.uid(value, same_owner)
            if key == "xattrs":
                found = {k: found.get(k) for k in value}
            if found > value if key == "blocks" else found != value:
                bad.append(f"{name!r} has {key} {found:#o}, not {value:#o}" if key == "mode" else
                           f"{name!r} has {key} {found}, not {value}")
        return bad


def plant(root, tree, owner):
    """Make what a dict of attacks.Is says."""
    for name, wanted in tree.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if wanted.kind == "dir":
            os.makedirs(path, exist_ok=True)
        elif wanted.kind == "link":
            os.symlink(wanted.value, path)
        elif wanted.kind == "fifo":
            os.mkfifo(path)
        elif wanted.kind == "char":
            if not ROOT_CALLER:
                pytest.skip("needs root to make a device")
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*wanted.value))
        elif wanted.kind == "hard":
            os.link(os.path.join(root, wanted.value), path)
        else:
            pathlib.Path(path).write_bytes(wanted.value)
        if "mode" in wanted.attrs:
            os.chmod(path, wanted.attrs["mode"])
    if ROOT_CALLER and owner:
        for here, dirs, files in os.walk(root):
            for name in ("", *dirs, *files):
                os.lchown(os.path.join(here, name), owner, owner)


def remove(tree):
    """Whatever it is; an ordinary user also removes what he may not enter."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        try:
            shutil.rmtree(tree)
        except (OSError, RecursionError):
            subprocess.run(["chmod", "-R", "u+rwx", tree], check=False, capture_output=True)
            subprocess.run(["rm", "-rf", tree], check=True)


# -- the place of the runs ---------------------------------------------------------------------

def looked_at(path):
    """State of an inode, read without leaving a trace."""
    st = os.lstat(path)
    state = [path, st.st_dev, st.st_ino, st.st_mode, st.st_nlink, st.st_uid, st.st_gid, st.st_size,
             st.st_mtime_ns, st.st_ctime_ns, st.st_atime_ns]
    if stat.S_ISDIR(st.st_mode) or stat.S_ISREG(st.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW)
        state.append({k: os.getxattr(fd, k) for k in os.listxattr(fd)})
        if stat.S_ISDIR(st.st_mode):
            state.append(sorted(os.listdir(fd)))
        else:
            state.append(os.read(fd, 1 << 16))
        os.close(fd)
    return state


class Place:
    """TOP/t is `C`: it holds root, where the archives go, and canary, where nothing may happen."""

    def __init__(self, top, owner):
        self.top, self.owner = pathlib.Path(top), owner
        self.c = self.top / "t"
        self.root, self.canary, self.archive = self.c / "root", self.c / "canary", self.top / "archive"
        self.build()

    def build(self):
        """Anew; also after something was damaged."""
        remove(self.c)
        plant(self.c, self.outside(), 0)
        try:
            for name in ("victim", "dir", "dir/old"):
                os.setxattr(self.canary / name, "user.canary", name.encode())
        except OSError as problem:
            pytest.skip(f"needs extended attributes in {self.top.parent}: {problem.strerror}")
        if ROOT_CALLER:
            plant(self.c, {}, self.owner)
        (self.canary / "dir").chmod(0o750)
        (self.canary / "secret").chmod(0o600)
        (self.canary / "victim").chmod(0o640)
        self.root.mkdir()
        self.archive.touch()
        self.names = [*(self.c / name for name in self.outside()), self.c, self.top]
        for path in self.names[:-1]:
            os.utime(path, ns=(OLD, OLD + 123456789), follow_symlinks=False)

    @staticmethod
    def outside():
        from attacks import D, F, L, P
        return {"canary": D(), "canary/victim": F(b"victim\n"), "canary/secret": F(b"secret\n"),
                "canary/dir": D(), "canary/dir/old": F(b"old\n"), "canary/link": L("victim"),
                "canary/fifo": P()}

    def fresh(self, pre=None):
        """ROOT with nothing in it but that; the same inode again where it can be."""
        if not self.root.is_dir() or self.root.is_symlink() or os.listxattr(self.root):
            self.build()
        self.root.chmod(0o755)
        for entry in list(os.scandir(self.root)):
            if entry.is_dir(follow_symlinks=False):
                remove(entry.path)
            else:
                os.unlink(entry.path)
        if ROOT_CALLER:
            os.chown(self.root, self.owner, self.owner)
        plant(self.root, pre or {}, self.owner)

    def state(self):
        return [looked_at(os.fspath(path)) for path in self.names]

    def change(self, before):
        """What is not as it was outside of ROOT; it is made anew."""
        try:
            now = self.state()
        except OSError as problem:
            now = [[str(problem)]]
        if now == before:
            return []
        bad = [f"outside: {a[0]} was {a[1:]}, is {b[1:]}" for a, b in zip(before, now) if a != b]
        self.build()
        return bad or [f"outside: {now}"]


# -- one run -----------------------------------------------------------------------------------

@dataclasses.dataclass
class Outcome:
    code: typing.Optional[int] = None  # None: it hung
    stdout: str = ""
    stderr: str = ""
    swaps: int = 0  # how often the names of a race were exchanged while it ran
    bad: list = dataclasses.field(default_factory=list)
    escaped: bool = False

    @property
    def hung(self):
        return self.code is None

    @property
    def crashed(self):
        return self.code is not None and (self.code < 0 or self.code > 125 or "Sanitizer" in self.stderr)


class Swapper(threading.Thread):
    """Exchanges two names without end; counts."""

    def __init__(self, root, names):
        super().__init__(daemon=True)
        self.paths = [os.fsencode(os.path.join(root, name)) for name in names]
        self.swaps, self.stopped = 0, False

    def run(self):
        while not self.stopped:
            self.swaps += libc.renameat2(-100, self.paths[0], -100, self.paths[1], RENAME_EXCHANGE) == 0

    def feed(self, pipe, archive, least):
        """The archive in pieces, so that the extraction lasts for so many exchanges."""
        step = 4096
        with contextlib.suppress(BrokenPipeError):
            for i in range(0, len(archive), step):
                pipe.write(archive[i:i + step])
                pipe.flush()
                goal = least * (i + step) // len(archive)
                wait_until(lambda: self.swaps >= goal, 2)  # pylint: disable=cell-var-from-loop
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def mounts():
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        return file.read()


def alive():
    """Live children, strays of earlier runs among them; the dead ones are buried, or they would pile up."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
            found.update(map(int, file.read().split()))
    for pid in list(found):
        with contextlib.suppress(OSError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                found.remove(pid)
    return found


def kill_strays(before, patience):
    """What lives on; it has that many seconds to end."""
    end = time.monotonic() + patience
    while (strays := alive() - before) and time.monotonic() < end:
        time.sleep(0.005)
    for pid in strays:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return strays


def command_of(place, mode, opts):
    policy = () if mode.policy == "layer" and mode.owner == 0 else (f"--policy={mode.policy}",)
    return ["unpack", *mode.opts, *policy, *opts, place.root]


def start(place, mode, archive, opts, **kw):
    """Run it with the archive as the mode has it; the process when it has ended."""
    command = command_of(place, mode, opts)
    kw["wrapper"] = [*kw.get("wrapper", ()), *(AS_USER if mode.who == "user" else ())]
    kw.update(timeout=SECONDS, text=False)
    if mode.feed == "path":
        return inroot(*command, place.archive, **kw)
    if mode.feed == "pipe":
        return inroot(*command, "-", input=archive, stdin=None, **kw)
    fd = os.memfd_create("archive")
    with open(fd, "r+b") as file:
        file.write(archive)
        file.seek(0)
        if mode.feed == "stdin":
            return inroot(*command, stdin=file, **kw)
        return inroot(*command, f"fd:{fd}", pass_fds=[fd], **kw)


def raced(place, mode, archive, opts, names, least):
    """The same while two names in ROOT are exchanged at least so often; how often it was."""
    swapper = Swapper(place.root, names)
    wrapper = AS_USER if mode.who == "user" else []
    command = [*wrapper, INROOT, *map(str, command_of(place, mode, opts)), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as proc:
        swapper.start()
        try:
            swapper.feed(proc.stdin, archive, least)
            proc.stdin = None
            out, err = proc.communicate(timeout=SECONDS)
            swaps = swapper.swaps
        finally:
            swapper.stopped = True
            swapper.join()
            proc.kill()
    return subprocess.CompletedProcess(command, proc.returncode, out, err), swaps


def unpack(place, mode, archive, *opts, race=(), least=200, **kw):
    """Run, then look at the host: Outcome, whose `bad` lists everything that must never be.

    The archive is bytes; ROOT is as `place.fresh()` or an earlier run left it.
    """
    if mode.feed == "path":
        place.archive.unlink()  # to write to the old one again would wait for the disk
        place.archive.write_bytes(archive)
    before, strays, mounted = place.state(), alive(), mounts()
    outcome = Outcome()
    try:
        proc, outcome.swaps = (raced(place, mode, archive, opts, race, least) if race else
                               (start(place, mode, archive, opts, **kw), 0))
        outcome.code = proc.returncode
        outcome.stdout, outcome.stderr = (text.decode("utf-8", "backslashreplace")
                                          for text in (proc.stdout, proc.stderr))
    except subprocess.TimeoutExpired:
        outcome.bad.append(f"it did not end in {SECONDS} s")
    if left := kill_strays(strays, 0.1 if outcome.hung else 3):
        outcome.bad.append(f"processes are left: {left}")
    outcome.bad += (changed := place.change(before))
    if mounts() != mounted:
        outcome.bad.append("mounts are left")
        changed.append("mounts")
    outcome.escaped = bool(changed)
    if place.root.is_dir() and [n for n in os.listdir(place.root) if n.startswith(".pivot_root")]:
        outcome.bad.append(".pivot_root is left")
    if not outcome.hung:
        outcome.bad += said(outcome)
    return outcome


def said(outcome):
    """Is standard error as it must be: one error line and at most a hint; or warnings."""
    lines, bad = outcome.stderr.splitlines(), []
    if outcome.crashed:
        bad.append(f"it crashed: {outcome.code}, {outcome.stderr[:2000]}")
    elif outcome.code:
        errors = lines[:-1] if len(lines) == 2 and lines[1].startswith("hint: ") else lines
        if len(errors) != 1 or not ERROR.fullmatch(errors[0]):
            bad.append(f"exit {outcome.code} with {outcome.stderr!r}")
    elif [line for line in lines if not (ERROR.fullmatch(line) and "warning" in line)]:
        bad.append(f"exit 0 with {outcome.stderr!r}")
    return bad
