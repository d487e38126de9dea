# SPDX-License-Identifier: MIT
"""The minimal /dev (type=devtmpfs) and --device: nodes that are what they say, and nothing outside the root."""
import json
import os
import pathlib
import pty
import stat
import subprocess

import pytest

from conftest import (ROOT_CALLER, assert_fails, exec_in, give, inroot, need_root, need_userns, ordinary, private_mounts,
                      run)
from denying import way  # noqa: F401: a fixture

DEV = "--mount=type=devtmpfs,dst=/dev"
PROC = ["--unshare=pid", "--mount=type=proc,dst=/proc"]
NODES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}
if os.path.exists("/proc/kcore"):
    LINKS["core"] = "/proc/kcore"


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request, bbox):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    if request.param == "root":
        return {}
    if ROOT_CALLER:
        give(bbox)
    return {"opts": ["--map-root-user"], "run": ordinary()}


def start(root, who, way, opts, script, **kw):
    return exec_in(root, "/bin/sh", "-c", script, opts=[*who.get("opts", []), *opts], **who.get("run", {}), **way, **kw)


def inside(root, who, way, opts, script, **kw):
    proc = start(root, who, way, opts, script, **kw)
    assert proc.returncode == 0, (proc.stdout, proc.stderr)
    return proc.stdout


# -- what is in it -----------------------------------------------------------------------------

def test_nodes_and_links(bbox, who, way, unchanged_host):  # noqa: F811
    out = inside(bbox, who, way, [DEV], """
        ls -A /dev; echo --; for f in /dev/*; do test -L $f || stat -c '%n %F %t:%T %a' $f; done
        echo --; for f in /dev/*; do test -L $f && echo $f $(readlink $f); done; true""")
    names, nodes, links = (part.split("\n") for part in out.strip("\n").split("\n--\n"))
    assert sorted(names) == sorted([*NODES, *LINKS])
    assert sorted(nodes) == sorted(f"/dev/{n} character special file {number} 666" for n, number in NODES.items())
    assert sorted(links) == sorted(f"/dev/{n} {target}" for n, target in LINKS.items())
    assert os.listdir(bbox / "dev") == []


def test_they_work(bbox, who, way):  # noqa: F811
    out = inside(bbox, who, way, [DEV], """
        echo lost > /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 5 /dev/urandom | wc -c
        echo x 2>/dev/null > /dev/full || echo full; cat /dev/null""")
    assert out.split() == ["00", "00", "00", "5", "full"]


def test_standard_descriptors_are_the_roots_null(bbox, who, way):  # noqa: F811
    """Those that were the host's; others stay (S3-48)."""
    script = """exec 3>&1 >&2
        for i in /proc/self/fd/0 /proc/self/fd/2 /dev/null; do stat -L -c '%d:%i %t:%T' $i; done >&3"""
    proc = start(bbox, who, way, [*PROC, DEV], script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=subprocess.DEVNULL)
    lines = proc.stdout.splitlines()
    assert len(lines) == 3 and len(set(lines)) == 1 and lines[0].endswith(" 1:3"), proc
    with open("/etc/hostname") as file:
        proc = start(bbox, who, way, [*PROC, DEV], "cat; echo error >&2", stdin=file)
        file.seek(0)
        assert (proc.stdout, proc.stderr) == (file.read(), "error\n")


def test_the_umask_takes_nothing_away(bbox, who):
    proc = exec_in(bbox, "/bin/sh", "-c", "stat -c %a /dev /dev/null /dev/tty; umask", opts=[*who.get("opts", []), DEV],
                   wrapper=["sh", "-c", 'umask 077; exec "$@"', "-"], **who.get("run", {}))
    assert proc.stdout.split() == ["755", "666", "666", "0077"], proc


def mounts(text):
    found = {}
    for line in text.splitlines():
        words = line.split()
        found[words[4]] = {"root": words[3], "options": set(words[5].split(",")), "type": words[words.index("-") + 1],
                           "data": set(words[-1].split(","))}
    return found


def test_its_mount(bbox, who, way):  # noqa: F811
    dev = mounts(inside(bbox, who, way, [*PROC, DEV], "cat /proc/self/mountinfo"))["/dev"]
    assert dev["type"] == "tmpfs" and {"size=65536k", "mode=755"} <= dev["data"], dev
    assert "nosuid" in dev["options"] and "relatime" not in dev["options"] and "noexec" not in dev["options"], dev


def test_its_options(bbox, who, way):  # noqa: F811
    opts = [*PROC, DEV + ",size=1m,mode=0711,noexec,suid,noatime"]
    dev = mounts(inside(bbox, who, way, opts, "cat /proc/self/mountinfo"))["/dev"]
    assert {"size=1024k", "mode=711"} <= dev["data"], dev
    assert {"noexec", "noatime"} <= dev["options"] and "nosuid" not in dev["options"], dev


def test_read_only_and_others_mounted_in_it(bbox, who, way):  # noqa: F811
    opts = [*PROC, DEV + ",ro", "--mount=type=devpts,dst=/dev/pts,newinstance,ptmxmode=0666",
            "--mount=type=tmpfs,dst=/dev/shm,mode=1777"]
    out = inside(bbox, who, way, opts, """
        mkdir /dev/x 2>&1 | grep -c 'Read-only'; touch /dev/shm/x && echo shm; stat -L -c %t:%T /dev/ptmx
        echo x > /dev/null && echo null""")
    assert out.split() == ["1", "shm", "5:2", "null"]


@need_userns
def test_binds_are_nosuid_and_noexec(bbox):
    who = {"opts": ["--map-root-user"], "run": ordinary()}
    if ROOT_CALLER:
        give(bbox)
    found = mounts(inside(bbox, who, {}, [*PROC, DEV], "cat /proc/self/mountinfo"))
    for name in NODES:
        assert {"nosuid", "noexec"} <= found[f"/dev/{name}"]["options"], found


# -- where it goes -----------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["absolute", "climbing"])
def test_cve_2026_41579_dev_symlink_does_not_populate_outside_rootfs(bbox, who, way, scratch, form):  # noqa: F811
    """An image's /dev that is a link: runc and crun removed the host's ptmx, and made their links there."""
    (scratch / "dev").mkdir()
    (scratch / "dev/ptmx").write_text("host\n")
    (bbox / "dev").rmdir()
    (bbox / "dev").symlink_to(scratch / "dev" if form == "absolute" else "../../../../../.." + str(scratch / "dev"))
    if who and ROOT_CALLER:
        give(bbox)
        scratch.chmod(0o777)
        (scratch / "dev").chmod(0o777)
    start(bbox, who, way, [DEV, "--device=/dev/full:/dev/other"], "true")
    assert os.listdir(scratch / "dev") == ["ptmx"] and (scratch / "dev/ptmx").read_text() == "host\n"


# -- the console -------------------------------------------------------------------------------

@pytest.fixture
def terminal():
    leader, follower = pty.openpty()
    if ROOT_CALLER:
        os.chown(os.ttyname(follower), 1000, -1)
    yield leader, follower
    os.close(leader)
    os.close(follower)


def test_the_console_is_the_terminal(bbox, who, way, terminal):  # noqa: F811
    leader, follower = terminal
    number = os.fstat(follower).st_rdev
    out = inside(bbox, who, way, [DEV + ",console"], "stat -c %t:%T /dev/console; echo hello > /dev/console",
                 stdin=follower)
    assert out.strip() == f"{os.major(number):x}:{os.minor(number):x}"
    assert os.read(leader, 100).strip() == b"hello"


def test_no_console_without_a_terminal(bbox, who, way):  # noqa: F811
    assert_fails(start(bbox, who, way, [DEV + ",console"], "echo ran"), 125, "console", "ENOTTY")


def test_no_console_unless_asked(bbox, who, terminal):
    assert inside(bbox, who, {}, [DEV], "ls /dev/console 2>/dev/null; echo none", stdin=terminal[1]) == "none\n"


@need_root
@pytest.mark.parametrize("other", ["/dev/null", "another terminal", "file"])
def test_cve_2025_52565_another_file_at_its_name(bbox, scratch, terminal, other):
    (scratch / "file").write_text("")
    leader, second = pty.openpty()
    point = os.ttyname(terminal[1])
    name = {"another terminal": os.ttyname(second), "file": scratch / "file"}.get(other, other)

    @private_mounts
    def check():
        run("mount", "--bind", name, point)
        proc = start(bbox, {}, {}, [DEV + ",console"], "echo ran", stdin=terminal[1])
        assert_fails(proc, 125, point)
        assert proc.stdout == ""
    try:
        check()
    finally:
        os.close(leader)
        os.close(second)


# -- --device ----------------------------------------------------------------------------------

FULL = "character special file 1:7"


@pytest.mark.parametrize("target", ["/dev/full", "/dev/a/b/full", "/srv/full", "/dev/./x/../full//"])
def test_device(bbox, who, way, target):  # noqa: F811
    clean = os.path.normpath(target)
    out = inside(bbox, who, way, [f"--device=/dev/full:{target}"],
                 f"stat -c '%F %t:%T' {clean}; head -c 2 {clean} | od -An -tx1")
    assert out.split("\n")[:2] == [FULL, " 00 00"]


@need_root
def test_device_as_on_the_host(bbox, scratch):
    node = scratch / "node"
    try:
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(7, 200))
    except PermissionError:
        pytest.skip("needs CAP_MKNOD")
    os.chmod(node, 0o640)
    os.chown(node, 12, 34)
    (scratch / "link").symlink_to("node")
    out = inside(bbox, {}, {}, [f"--device={scratch}/link:/dev/disk"], "stat -c '%F %t:%T %a %u:%g' /dev/disk")
    assert out == "block special file 7:c8 640 12:34\n"


@pytest.mark.parametrize("source,word", [("/dev/no-such-device", "ENOENT"), ("/etc/passwd", "ENODEV"), ("/etc", "ENODEV"),
                                         ("/proc/self/status", "ENODEV")])
def test_what_is_no_device(bbox, who, way, source, word):  # noqa: F811
    proc = start(bbox, who, way, [f"--device={source}:/dev/x"], "echo ran")
    assert_fails(proc, 125, source, word)
    assert proc.stdout == "" and os.listdir(bbox / "dev") == []


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling", "fifo", "other"])
def test_something_else_is_there(bbox, who, way, kind):  # noqa: F811
    place = bbox / "dev/full"
    (bbox / "etc/target").write_text("target\n")
    {"file": lambda: place.write_text("contents\n"), "directory": place.mkdir,
     "link": lambda: place.symlink_to("/etc/target"), "dangling": lambda: place.symlink_to("/etc/none"),
     "fifo": lambda: os.mkfifo(place), "other": lambda: os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 3))
     if ROOT_CALLER else pytest.skip("needs CAP_MKNOD")}[kind]()
    if who and ROOT_CALLER:
        give(bbox)
    before = os.lstat(place)
    proc = start(bbox, who, way, ["--device=/dev/full"], "echo ran")
    assert_fails(proc, 125, "/dev/full", "EEXIST")
    assert proc.stdout == "" and os.lstat(place) == before and (bbox / "etc/target").read_text() == "target\n"
    assert not (bbox / "etc/none").exists()


@need_root
def test_the_same_is_there(bbox, way):  # noqa: F811
    os.mknod(bbox / "dev/full", stat.S_IFCHR | 0o600, os.makedev(1, 7))
    assert inside(bbox, {}, way, ["--device=/dev/full"], "stat -c %a /dev/full") == "600\n"


@need_root
def test_on_a_mount_without_devices_it_can_be_opened(bbox, way):  # noqa: F811
    @private_mounts
    def check():
        run("mount", "--bind", bbox, bbox)
        run("mount", "-o", "remount,bind,nodev", bbox)
        assert inside(bbox, {}, way, ["--device=/dev/full:/dev/x/full"], "head -c 1 /dev/x/full | wc -c") == "1\n"
    check()


def test_a_root_that_is_not_written(bbox, who, unchanged_host):
    """With --overlay nothing of it comes to ROOT."""
    out = inside(bbox, who, {}, ["--overlay=tmpfs", "--device=/dev/full:/new/full"], "stat -c %t:%T /new/full")
    assert out == "1:7\n" and not (bbox / "new").exists()


def test_device_into_the_minimal_dev(bbox, who, way):  # noqa: F811
    out = inside(bbox, who, way, [DEV, "--device=/dev/full:/dev/other", "--device=/dev/null"],
                 "stat -c %t:%T /dev/other /dev/null")
    assert out.split() == ["1:7", "1:3"] and os.listdir(bbox / "dev") == []


def test_the_hosts_dev_is_as_it_was(bbox, who, way):  # noqa: F811
    def look():
        found = {n: os.lstat(f"/dev/{n}") for n in os.listdir("/dev")}
        return {n: (s.st_mode, s.st_ino, s.st_rdev) for n, s in found.items()}
    before, points = look(), pathlib.Path("/proc/self/mountinfo").read_text()
    inside(bbox, who, way, [DEV, "--device=/dev/full:/dev/other"], "true")
    assert look() == before
    assert pathlib.Path("/proc/self/mountinfo").read_text() == points


# -- the /dev of an OCI config: made in what is there ------------------------------------------

def configured(scratch, root, way, script, mounts=(), devices=()):  # noqa: F811
    """A shell script by a config.json in `scratch`."""
    path = scratch / "config.json"
    path.write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": str(root)}, "mounts": list(mounts),
        "process": {"args": ["/bin/sh", "-c", script], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]},
        "linux": {"namespaces": [{"type": "mount"}], "devices": list(devices)}}))
    return inroot("exec", f"--config={path}", **way)


TMPFS = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}


@need_root
def test_config_nodes(bbox, scratch, way):  # noqa: F811
    devices = [{"path": "/dev/other", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 12, "gid": 34},
               {"path": "/dev/null", "type": "u", "major": 1, "minor": 3, "fileMode": 0o600},
               {"path": "/srv/fifo", "type": "p"}, {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2}]
    proc = configured(scratch, bbox, way, """
        ls -A /dev | sort; stat -c '%n %F %t:%T %a %u:%g' /dev/other /dev/null /dev/zero; stat -c '%F %a' /srv/fifo""",
                      [TMPFS], devices)
    assert proc.returncode == 0, proc.stderr
    assert proc.stdout.splitlines() == [*sorted([*NODES, *LINKS, "other"]), "/dev/other character special file 1:7 640 12:34",
                                        "/dev/null character special file 1:3 600 0:0",
                                        "/dev/zero character special file 1:5 666 0:0", "fifo 666"]
    assert os.listdir(bbox / "dev") == []


@need_root
@pytest.mark.parametrize("form", ["absolute", "climbing", "inside"])
def test_cve_2026_41579_config(bbox, scratch, way, form):  # noqa: F811
    (scratch / "dev").mkdir()
    (scratch / "dev/ptmx").write_text("host\n")
    (bbox / "dev").rmdir()
    (bbox / "dev").symlink_to({"absolute": scratch / "dev", "climbing": "../../../../../.." + str(scratch / "dev"),
                               "inside": "etc"}[form])
    before = sorted(os.listdir(bbox / "etc"))
    proc = configured(scratch, bbox, way, "echo ran")
    assert_fails(proc, 125, '"/dev"', "ELOOP")
    assert proc.stdout == "" and os.listdir(scratch / "dev") == ["ptmx"] and sorted(os.listdir(bbox / "etc")) == before
    assert (scratch / "dev/ptmx").read_text() == "host\n"


@need_root
@pytest.mark.parametrize("name", ["null", "tty"])
@pytest.mark.parametrize("kind", ["file", "link", "other"])
def test_config_refuses_what_is_there(bbox, scratch, way, name, kind):  # noqa: F811
    place = bbox / "dev" / name
    {"file": lambda: place.write_text("x"), "link": lambda: place.symlink_to("/etc/inside"),
     "other": lambda: os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))}[kind]()
    assert_fails(configured(scratch, bbox, way, "echo ran"), 125, f"/dev/{name}", "EEXIST")


@need_root
@pytest.mark.parametrize("kind", ["link", "device", "other device", "directory"])
def test_config_ptmx(bbox, scratch, way, kind):  # noqa: F811
    """The device opens the pts beside it, and stays: with ROOT "/" it is everybody's. Another one goes."""
    place = bbox / "dev/ptmx"
    {"link": lambda: place.symlink_to("/etc/inside"), "directory": place.mkdir,
     "device": lambda: os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(5, 2)),
     "other device": lambda: os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))}[kind]()
    proc = configured(scratch, bbox, way, "readlink /dev/ptmx")
    if kind == "directory":
        assert_fails(proc, 125, "/dev/ptmx", "EEXIST")
    elif kind == "device":
        assert (proc.returncode, place.stat().st_rdev) == (1, os.makedev(5, 2)), proc.stderr
    else:
        assert (proc.returncode, proc.stdout) == (0, "pts/ptmx\n"), proc.stderr
    assert (bbox / "etc/inside").read_text() == "inside\n"


@need_root
def test_config_without_a_dev_of_its_own(bbox, scratch, way):  # noqa: F811
    """Only a bind on /dev keeps the nodes away (S3-1)."""
    (scratch / "dev").mkdir()
    bind = {"destination": "//dev/", "type": "bind", "source": str(scratch / "dev"), "options": ["bind"]}
    proc = configured(scratch, bbox, way, "ls -A /dev", [bind])
    assert (proc.returncode, proc.stdout) == (0, ""), proc.stderr
    assert os.listdir(scratch / "dev") == []
