# SPDX-License-Identifier: MIT
"""Another process exchanges the places of mounts, what leads there, and their sources, while starts mount.

Of every start, with the newer mount calls and without them: at `mounts-ready`, with the old root still there, each
mount that is not the host's lies on the root's own tree; the payload has what was asked for, and nothing else; or the
run was refused by name. The host is as it was. Exchanges count between the start of a run and its end.
INROOT_SOAK=1: ten times as many.
"""
import collections
import contextlib
import json
import mmap
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from conftest import INROOT, ROOT_CALLER, SANITIZED, TIMEOUT, give, make_bbox, need_root, need_userns, ordinary, words
from denying import way  # noqa: F401: a fixture
from many_runs import say  # noqa: F401: a fixture

SOAK = os.environ.get("INROOT_SOAK") == "1"
SWAPS = 100_000 if SOAK else 2_000 if SANITIZED else 10_000  # in each scene
LEAST_STARTS, MOST_STARTS = (100, 4000) if SOAK else (15, 400)
LOOK = ["--unshare=pid", "--mount=type=proc,dst=/.look"]
SCRIPT = "cat /.look/self/mountinfo; echo --; pwd -P; cat a/f a/d/inner a/d/sub/secret inner sub/secret 2>/dev/null; true"

Mount = collections.namedtuple("Mount", "id parent root point options type source")


def parse(text):
    mounts = []
    for line in text.splitlines():
        f = line.split()
        dash = f.index("-")
        mounts.append(Mount(f[0], f[1], f[3], f[4], set(f[5].split(",")), f[dash + 1], f[dash + 2]))
    return mounts


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    return {} if request.param == "root" else {"opts": ["--map-root-user"], "run": ordinary()}


def fill(top, text):
    """What is exchanged, and what the links lead to: anybody could write to it."""
    (top / "d/sub").mkdir(parents=True)
    for name in ("f", "d/inner", "d/sub/secret"):
        (top / name).write_text(text)
    for path in (top, *top.rglob("*")):
        path.chmod(0o777)
    return top


def look(top):
    """All of it; the time of a directory tells of names that came and went."""
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        st = path.lstat()
        content = path.read_bytes() if path.is_file() else sorted(os.listdir(path))
        found[str(path)] = (st.st_mode, st.st_uid, st.st_ino, st.st_mtime_ns, content)
    return found


def without_times(top):
    """For what is exchanged itself: that changes the times of directories."""
    return {path: (*seen[:3], *seen[4:]) for path, seen in look(top).items()}


# -- scenes ------------------------------------------------------------------------------------

class Scene:
    """pairs: (A, B); opts of the run; asked: (the attributes of a mount, ends of what mountinfo may call its root, or
    its source)."""

    def __init__(self, root, scratch):
        self.root, self.scratch = root, scratch
        self.canary = fill(scratch / "canary", "canary\n")
        self.source = fill(scratch / "source", "source\n")
        self.pairs, self.opts, self.asked = [], [], []
        self.moved = self.shown = self.hard = False  # what is mounted may leave; the canary itself is; most runs fail

    def tails(self, *paths):
        """Of paths below scratch, whatever file system that is on."""
        return tuple(str(p).replace(str(self.scratch), "/" + self.scratch.name) for p in paths)

    def link(self, name, target):
        """NAME of the root is exchanged for a link."""
        spare = self.root / f".spare{len(self.pairs)}"
        spare.symlink_to(target)
        self.pairs.append((self.root / name, spare))

    def bind(self, place, options="ro", source="d", also=()):
        path = self.source / source
        self.opts.append(f"--mount=type=bind,src={path},dst={place},{options}")
        self.asked.append((set(options.split(",")) - {"rw"}, self.tails(path, *also)))

    def new(self, kind, place, options="nosuid"):
        mark = f"mark{len(self.opts)}"
        self.opts.append(f"--mount=type={kind},src={mark},dst={place},{options}")
        self.asked.append((set(options.split(",")) - {"tmpcopyup"}, (mark,)))

    def hide(self, *paths):
        self.opts += [f"--mask={p}" for p in paths] + [f"--ro-path={p}" for p in paths]


def mounts_at(scene, place, file):
    scene.new("tmpfs", place, "nosuid,noexec")
    scene.bind(f"{place}/inner-{place.count('/')}/deep")
    scene.new("devtmpfs", f"{place}/dev")
    scene.bind(file, source="f")
    scene.hide(f"{place}/dev/null", file, "/a/d/sub")
    scene.opts += [f"--workdir={place}"]


def targets_absolute(scene):
    scene.link("a/d", scene.canary / "d")
    scene.link("a/f", scene.canary / "f")
    mounts_at(scene, "/a/d", "/a/f")


def targets_climbing(scene):
    scene.link("a/d", "../" * 12 + str(scene.canary / "d")[1:])
    scene.link("a/f", "../" * 12 + str(scene.canary / "f")[1:])
    mounts_at(scene, "/a/d", "/a/f")


def parents(scene):
    scene.link("a", scene.canary)
    mounts_at(scene, "/a/d", "/a/f")


def missing(scene):
    """Mount points that are made: in the root only."""
    scene.link("a/d", scene.canary / "d")
    scene.new("tmpfs", "/a/d/new/deeper", "nosuid,nodev")
    scene.bind("/a/d/new-file", source="f")
    scene.bind("/a/d/sub/new", source="d/sub")
    scene.opts += ["--device=/dev/full:/a/d/made/full", "--workdir=/a/d/sub"]


def moved(scene):
    """Directories that leave the root, with what is mounted in them, and come back."""
    scene.pairs = [(scene.root / "a/d", fill(scene.scratch / "outside", "outside\n"))]
    scene.moved = True
    mounts_at(scene, "/a/d", "/a/f")


def confused(scene):
    """The name leads to another mount of the root, of something that is not to be written to."""
    scene.opts.append(f"--mount=type=bind,src={scene.canary / 'd'},dst=/data")
    scene.shown = True
    scene.link("a/d", "/data")
    scene.new("devtmpfs", "/a/d")
    scene.new("tmpfs", "/a/d", "nosuid,tmpcopyup")


def twice(scene):
    """The name leads to a mount of the same source."""
    scene.bind("/data", "ro,nosuid")
    scene.link("a/d", "/data")
    scene.bind("/a/d", "ro,nosuid")


def sources(scene):
    """The caller named the path: what is there when it is opened is what he gets, with the attributes."""
    scene.shown = True
    spares = [scene.scratch / f".spare-{name}" for name in "df"]
    for name, spare in zip("df", spares):
        spare.symlink_to(scene.canary / name)
        scene.pairs.append((scene.source / name, spare))
    scene.bind("/a/d", "ro,nosuid", also=(spares[0], scene.canary / "d"))
    scene.bind("/a/f", "ro,nosuid", source="f", also=(spares[1], scene.canary / "f"))


def guarded(scene):
    """The name leads to the root's /proc: nothing shadows that, or what is in it."""
    scene.hard = True
    scene.opts = ["--mount=type=proc,src=own-proc,dst=/proc", "--mask=none", "--ro-path=none"]
    scene.link("a/d", "/proc")
    scene.link("a/f", "/proc/version")
    scene.new("tmpfs", "/a/d")
    scene.bind("/a/f", source="f")


def layers(scene):
    """Mount points are made up on private layers, and writes thrown away: neither reaches ROOT or a source."""
    scene.link("a/d", scene.canary / "d")
    scene.pairs.append((scene.source / "d/sub", fill(scene.scratch / "other", "other\n")))
    scene.opts.append("--ro")
    scene.new("tmpfs", "/a/d/none/at/all")
    scene.bind("/none/deeper")
    scene.bind("/a/d/none/file", source="f")
    scene.opts.append(f"--mount=type=bind,src={scene.source / 'd'},dst=/data,overlay")


def kinds(scene):
    """A source that is a file, then a directory; a target likewise."""
    scene.pairs = [(scene.source / "d", scene.source / "f"), (scene.root / "a/d", scene.root / "a/f")]
    scene.hard = True
    scene.bind("/a/d", also=(scene.source / "f",))
    scene.bind("/a/f", source="f", also=(scene.source / "d",))
    scene.hide("/a/d")


def config(scene):
    """Of an OCI config: /dev is filled after the mounts, and the working directory is made."""
    file = scene.scratch / "config.json"
    mounts = [{"destination": "/a/d", "type": "tmpfs", "source": "mark-a", "options": ["nosuid", "tmpcopyup"]},
              {"destination": "/a/d/sub", "type": "bind", "source": str(scene.source / "d"), "options": ["rbind", "rro"]},
              {"destination": "/a/f", "type": "bind", "source": str(scene.source / "f"), "options": ["bind", "ro"]}]
    file.write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": str(scene.root)}, "mounts": mounts,
        "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/a/d/new/cwd", "env": ["PATH=/bin"], "args": ["/bin/true"]},
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}], "maskedPaths": ["/a/d/inner", "/a/d/sub/sub"],
                  "readonlyPaths": ["/a/d", "/dev"],
                  "devices": [{"path": "/a/d/fifo", "type": "p"}, {"path": "/dev/full", "type": "c", "major": 1, "minor": 7}]}}))
    file.chmod(0o644)
    scene.opts = [f"--config={file}"]
    scene.asked = [({"nosuid"}, ("mark-a",)), ({"ro"}, scene.tails(scene.source / "d")),
                   ({"ro"}, scene.tails(scene.source / "f"))]
    scene.link("a/d", scene.canary / "d")
    scene.link("a/f", scene.canary / "f")
    scene.link("dev", scene.canary / "d")
    scene.hard = True  # a /dev that is a link is refused


SCENES = [config, targets_absolute, targets_climbing, parents, missing, moved, confused, twice, sources, guarded, layers, kinds]


# -- one start ---------------------------------------------------------------------------------

def read_until_ready(status):
    text = b""
    while b"mounts-ready" not in text:
        if not (chunk := os.read(status, 4096)):
            return False
        text += chunk
    return True


def start(scene, who, way):  # noqa: F811
    """(process, its output, its error, the namespace's mounts at mounts-ready or None)."""
    with contextlib.ExitStack() as stack:
        def pipe():
            ends = os.pipe()
            files = [open(fd, mode + "b", buffering=0) for fd, mode in zip(ends, "rw")]
            return [stack.enter_context(f) for f in files]
        status, (sync, go) = pipe(), pipe()
        opts = [f"--status-fd={status[1].fileno()}", f"--sync-fd={sync.fileno()}", *LOOK, *who.get("opts", []),
                *scene.opts]
        proc = subprocess.Popen(words([INROOT, "exec", *opts, scene.root, "--", "/bin/sh", "-c", SCRIPT]),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                pass_fds=[status[1].fileno(), sync.fileno()], **who.get("run", {}), **way)
        status[1].close()
        try:
            ready = None
            if read_until_ready(status[0].fileno()):
                ready = pathlib.Path(f"/proc/{proc.pid}/mountinfo").read_text()
                go.write(b"x")
            return proc, *proc.communicate(timeout=TIMEOUT), ready
        finally:
            proc.kill()
            proc.wait()


def key(m):
    return m.root, m.point, m.type, m.source


def outside(scene, ready, host):
    """Mounts that are neither the host's nor on the tree."""
    mounts = parse(ready)
    by_id = {m.id: m for m in mounts}
    ours = collections.Counter(map(key, host))
    fresh = [m for m in mounts if not ours[key(m)] or ours.subtract([key(m)])]
    tail = f"/{scene.root.parent.name}/root"
    trees = {m.id for m in fresh if m.point in (str(scene.root), "/") and m.root.endswith(tail)}
    assert len(trees) == 1, ready

    def is_on_tree(m):
        while m and m.id not in trees and m.parent != m.id:
            m = by_id.get(m.parent)
        return m is not None and m.id in trees
    return [m for m in fresh if not is_on_tree(m)]


def of_tail(mounts, tails):
    return [m for m in mounts if m.source in tails or m.root.endswith(tails)]


def judge(scene, proc, out, err):
    """Refused by one line, or all of it is there, as it was asked for."""
    if proc.returncode == 125:
        lines = err.splitlines()
        assert len(lines) in (1, 2) and lines[0].startswith("inroot exec: "), err
        assert len(lines) == 1 or lines[1].startswith("hint: "), err
        assert re.search(r"\((ENOENT|ENOTDIR|EISDIR|ELOOP|ESTALE|EXDEV|EEXIST|EBUSY|EINVAL|EPERM|EACCES|EROFS)\)$", lines[0]), err
        return
    assert proc.returncode == 0, (proc.returncode, out, err)
    text, cwd = out.split("--\n")
    assert cwd.startswith("/") or scene.moved, cwd
    assert scene.shown or "canary\n" not in cwd.partition("\n")[2], cwd
    mounts = parse(text)
    assert sum(m.point == "/" for m in mounts) == 1, text
    canary = scene.tails(*(scene.canary / n for n in ("", "d", "f", "d/sub", "d/inner", "d/sub/secret")))
    assert scene.shown or not [m for m in of_tail(mounts, canary) if "/top/root/" not in m.root], text
    if "--mask=none" in scene.opts:
        assert {m.source for m in mounts if m.point.startswith("/proc")} == {"own-proc"}, text
    for attributes, tails in scene.asked:
        found = of_tail(mounts, tails)  # a read-only path is another mount of the same
        assert len(found) >= sum(t == tails for _, t in scene.asked) or scene.moved, (tails, text)
        for m in found:
            assert attributes <= m.options, (tails, attributes, text)


# -- all of them -------------------------------------------------------------------------------

@contextlib.contextmanager
def exchanged(scene, payloads, who):
    """The counter of exchanges that are being made."""
    file = scene.scratch / "counter"
    file.write_bytes(bytes(8))
    file.chmod(0o666)
    with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 8) as counter:
        arguments = [name for pair in scene.pairs for name in pair]
        beside = subprocess.Popen(words([payloads["exchanger"], file, *arguments]), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, **who.get("run", {}))
        try:
            yield lambda: int.from_bytes(counter[:8], "little")
            beside.communicate(timeout=TIMEOUT)
        finally:
            beside.kill()
            beside.wait()


@pytest.fixture
def places():
    """A root and a directory of files, in memory where that can be: exchanges on a disk are slow."""
    shared = pathlib.Path("/dev/shm")
    fast = shared.is_mount() and not os.statvfs(shared).f_flag & os.ST_NOEXEC and os.access(shared, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="inroot-swaps.", dir=shared if fast else "/tmp") as top:
        os.chmod(top, 0o755)
        for name in ("scratch", "top"):
            (pathlib.Path(top) / name).mkdir()
        yield make_bbox(pathlib.Path(top) / "top/root", {}), pathlib.Path(top) / "scratch"


def prepare(bbox, scratch, who, name):
    fill(bbox / "a", "own\n")
    (bbox / ".look").mkdir()
    (bbox / "data").mkdir()
    fill(bbox / str(scratch / "canary")[1:], "own\n")  # what the host's links lead to is there inside, too
    scene = Scene(bbox, scratch)
    name(scene)
    if who and ROOT_CALLER:
        give(bbox)
        give(scratch)
    return scene


@pytest.mark.parametrize("name", SCENES, ids=lambda s: s.__name__)
def test_exchanges_during_starts(places, payloads, who, way, say, name):  # noqa: F811
    if way and name is layers:
        pytest.skip("layers take the newer calls")
    scene = prepare(*places, who, name)
    kept = without_times(scene.root), without_times(scene.source)
    host, canary, devices = pathlib.Path("/proc/self/mountinfo").read_text(), look(scene.canary), os.listdir("/dev")
    count = collections.Counter()
    with exchanged(scene, payloads, who) as counter:
        while (count["swaps"] < SWAPS or count["starts"] < LEAST_STARTS) and count["starts"] < MOST_STARTS:
            before = counter()
            proc, out, err, ready = start(scene, who, way)
            count.update({"swaps": counter() - before, "starts": 1, proc.returncode: 1})
            if ready and not scene.moved:
                assert outside(scene, ready, parse(host)) == []
            judge(scene, proc, out, err)
            assert look(scene.canary) == canary
            assert pathlib.Path("/proc/self/mountinfo").read_text() == host
    assert os.listdir("/dev") == devices
    assert name is not layers or kept == (without_times(scene.root), without_times(scene.source))
    assert count["swaps"] >= SWAPS, count
    if not way and not scene.hard:
        assert count[0] > 0, (count, err)
    say(f"{name.__name__}: {count['swaps']} exchanges during {count['starts']} starts ({count[0]} × exit 0, "
        f"{count[125]} × exit 125) {'user' if who else 'root'}{' by mount(2)' if way else ''}")
