# SPDX-License-Identifier: MIT
"""/proc and /sys: file systems that are what they say, on real directories, and that nothing is laid over."""
import os

import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import assert_fails, host_state, need_root
from denying import way  # noqa: F401: a fixture
from mounting import PROC, Caller, who  # noqa: F401: a fixture

LINKS = {"inside": "/etc", "relative": "mnt", "absolute": "{scratch}", "climbing": "../../../../../..{scratch}",
         "dangling": "/none/at/all", "loop": "proc"}


def become_link(root, name, kind, scratch):
    path = root / name
    if path.is_symlink():
        path.unlink()
    else:
        path.rmdir()
    path.symlink_to(LINKS[kind].format(scratch=scratch) if kind != "loop" else name)


@pytest.fixture
def tree(bbox):
    """Asked for before `who`, who is to own it."""
    (bbox / "sys").mkdir()
    return bbox


# -- on an ordinary directory ------------------------------------------------------------------

@pytest.mark.parametrize("name", ["proc", "sys"])
def test_a_link_is_no_place(tree, who, way, scratch, name):  # noqa: F811
    opts = ["--unshare=pid,net", f"--mount=type={'proc' if name == 'proc' else 'sysfs'},dst=/{name}"]
    for kind in LINKS:
        become_link(tree, name, kind, scratch)
        before = host_state(tree)
        proc = who.start(tree, opts, "echo RAN", **way)
        assert_fails(proc, 125, f'"/{name}"', "must be mounted on an ordinary directory", "ELOOP")
        assert proc.stdout == "" and os.listdir(scratch) == [], kind
        before.check()


@need_root
@pytest.mark.parametrize("name", ["proc", "sys"])
def test_a_link_is_no_place_for_a_config_either(bundle, scratch, way, name):  # noqa: F811
    outside = scratch / "outside"
    outside.mkdir()
    if name == "sys":
        bundle.config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs"})
    for kind in LINKS:
        become_link(bundle.root, name, kind, outside)
        proc = bundle.inroot("/bin/echo", "RAN", **way)
        assert_fails(proc, 125, "must be mounted on an ordinary directory")
        assert proc.stdout == "" and os.listdir(outside) == [], kind


@pytest.mark.parametrize("place", ["/up/proc", "/up/../up/proc"])
def test_a_link_on_the_way_is_none_either(tree, who, way, place):  # noqa: F811
    (tree / "up").symlink_to("mnt")
    proc = who.start(tree, ["--unshare=pid", f"--mount=type=proc,dst={place}"], "echo RAN", **way)
    assert_fails(proc, 125, "must be mounted on an ordinary directory")
    assert os.listdir(tree / "mnt") == []


@pytest.mark.parametrize("name,kind", [("proc", "proc"), ("sys", "sysfs")])
def test_a_file_is_no_place(tree, who, way, name, kind):  # noqa: F811
    (tree / name).rmdir()
    (tree / name).write_text("fake\n")
    proc = who.start(tree, ["--unshare=pid,net", f"--mount=type={kind},dst=/{name}"], "echo RAN", **way)
    assert_fails(proc, 125, "must be mounted on an ordinary directory")


@pytest.mark.parametrize("place", ["/proc", "/proc/", "//proc/.", "/new/proc", "/etc/../proc"])
def test_a_missing_place_is_made(tree, who, way, place):  # noqa: F811
    (tree / "proc").rmdir()
    clean = os.path.normpath(place.lstrip("/"))
    out = who.inside(tree, ["--unshare=pid", f"--mount=type=proc,dst={place}"],
                     f"cat /{clean}/1/comm; stat -c %a /{clean}", **way)
    assert out.split()[1:] == ["555"] and (tree / clean).stat().st_mode & 0o7777 == 0o755


# -- what may lie on /proc ---------------------------------------------------------------------

PLACES = ["/proc/", "//proc/.", "/etc/../proc", "/link", "/dir/link"]
FAKES = ["--mount=type=tmpfs,dst={}", "--volume={fake}:{}", "--mount=type=bind,src={fake},dst={},overlay", "--tmpfs={}",
         "--mount=type=bind,src=/sys,dst={}", "--mount=type=bind,src=/proc/sys,dst={}", "--mount=type=devtmpfs,dst={}",
         "--mount=type=overlay,src=/proc,dst={},lowerdir={fake}"]


@pytest.fixture
def linked(tree):
    (tree / "link").symlink_to("proc")
    (tree / "dir").mkdir()
    (tree / "dir/link").symlink_to("../link")
    return tree


@pytest.fixture
def fake(scratch):
    """What an attacker would have in place of /proc."""
    path = scratch / "proc"
    (path / "self/attr").mkdir(parents=True)
    (path / "sys/kernel").mkdir(parents=True)
    for name in ("self/attr/exec", "sys/kernel/hostname", "meminfo", "uptime"):
        (path / name).write_text("fake\n")
    return path


def test_only_a_procfs_on_proc(linked, who, way, fake):  # noqa: F811
    for option, place in (*((f, "/proc") for f in FAKES), *((FAKES[1], p) for p in PLACES)):
        words = option.replace("{fake}", str(fake)).replace("{}", place)
        proc = who.start(linked, [words], "echo RAN", **way)
        assert_fails(proc, 125, "only a procfs may be mounted on /proc", "EPERM")
        assert proc.stdout == "" and os.listdir(linked / "proc") == [], words


@need_root
def test_the_hosts_procfs_may_be_bound(tree, way):  # noqa: F811
    out = Caller("root").inside(tree, ["--allow-host-proc", "--volume=/proc:/proc:ro"], "cat /proc/1/comm", **way)
    with open("/proc/1/comm", encoding="utf-8") as file:
        assert out == file.read()


# -- what may lie below ------------------------------------------------------------------------

BELOW = ["/proc/sys", "/proc/sys/kernel", "/proc/self/attr", "/proc/self", "/proc/1/attr/exec", "/proc/sysrq-trigger",
         "/proc/net/dev", "/proc/net", "/proc/bus", "/proc/./sys", "/proc//sys/", "/sys/../proc/sys", "/short",
         "/proc/new"]


@pytest.mark.parametrize("option", ["--tmpfs={}", "--volume={fake}/self:{}", "--volume={fake}/uptime:{}"])
@pytest.mark.parametrize("procfs", [True, False], ids=["procfs", "nothing"])
def test_nothing_below_proc(tree, who, fake, option, procfs):  # noqa: F811
    (tree / "short").symlink_to("proc/sys")
    before = host_state(tree)
    for place in BELOW:
        words = option.replace("{fake}", str(fake)).replace("{}", place)
        proc = who.start(tree, [*(PROC if procfs else []), words], "echo RAN")
        assert_fails(proc, 125)
        assert proc.stdout == "", place
    before.check()


@pytest.mark.parametrize("place", ["/proc/sys", "/proc/1/attr", "/short"])
def test_what_lies_below_is_said(tree, who, way, place):  # noqa: F811
    (tree / "short").symlink_to("proc/sys")
    assert_fails(who.start(tree, [*PROC, f"--tmpfs={place}"], "echo RAN", **way), 125, place,
                 "nothing is mounted below /proc but files that show the machine", "EPERM")


MACHINE = ["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"]


def test_files_that_show_the_machine(tree, who, way, fake):  # noqa: F811
    names = [n for n in MACHINE if os.path.exists(f"/proc/{n}")]
    opts = [f"--volume={fake}/meminfo:/proc/{n}:ro" for n in names]
    out = who.inside(tree, [*PROC, *opts], " ".join(["cat", *(f"/proc/{n}" for n in names)]), **way)
    assert out == "fake\n" * len(names)


@need_root
@pytest.mark.parametrize("name", ["sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"])
def test_settings_that_show_the_machine(tree, way, fake, name):  # noqa: F811
    if not os.path.exists(f"/proc/{name}"):
        pytest.skip(f"needs /proc/{name}")
    out = Caller("root").inside(tree, [*PROC, f"--volume={fake}/meminfo:/proc/{name}"], f"cat /proc/{name}", **way)
    assert out == "fake\n"


# -- what is neither ---------------------------------------------------------------------------

OTHER = ["/procfs", "/procfs/sys", "/proc2", "/proc.d/self", "/sys/x", "/sysfiles", "/sysfiles/fs", "/dir/proc",
         "/dir/proc/sys"]


def test_names_that_only_look_like_it(tree, who, way):  # noqa: F811
    mounts = who.mounts(tree, [f"--tmpfs={p}" for p in OTHER], **way)
    assert [p for p in OTHER if mounts[p].type != "tmpfs"] == []


def test_mounts_below_a_sysfs(tree, who, way):  # noqa: F811
    opts = ["--unshare=net", "--mount=type=sysfs,dst=/sys", "--tmpfs=/sys/kernel"]
    mounts = who.mounts(tree, opts, **way)
    assert mounts["/sys"].type == "sysfs" and mounts["/sys/kernel"].type == "tmpfs"


