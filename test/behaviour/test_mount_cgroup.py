# SPDX-License-Identifier: MIT
"""cgroup file systems, on a host of either version: what they show, and that `ro` always holds."""
import os
import pathlib
import re

import pytest

from conftest import ROOT_CALLER, assert_fails, exec_in, give, need_root, need_userns, ordinary, private_mounts, run
from denying import way  # noqa: F401: a fixture

PROC = ["--unshare=pid", "--mount=type=proc,dst=/proc"]
OWN = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
HIERARCHIES = {controllers: path for _, controllers, path in OWN if controllers}


def host_mounts():
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        kind = words[words.index("-") + 1]
        if kind in ("cgroup", "cgroup2"):
            found.append((kind, words[4], words[-1]))
    return found


MOUNTED = host_mounts()
need_version_1 = pytest.mark.skipif(not any(k == "cgroup" for k, _, _ in MOUNTED), reason="needs mounts of cgroup v1")
need_version_2 = pytest.mark.skipif(not any(k == "cgroup2" for k, _, _ in MOUNTED), reason="needs a mount of cgroup2")
need_any = pytest.mark.skipif(not MOUNTED, reason="needs mounts of cgroups")


@pytest.fixture(autouse=True)
def mount_point(bbox):
    (bbox / "sys/fs/cgroup").mkdir(parents=True)


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request, bbox):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    if request.param == "root":
        return {}
    if ROOT_CALLER:
        give(bbox)
    return {"opts": ["--map-root-user"], "run": ordinary()}


@pytest.fixture(params=[[], ["--unshare=cgroup"]], ids=["host's", "own"])
def namespace(request):
    return request.param


def inside(root, who, way, opts, script):
    proc = exec_in(root, "/bin/sh", "-c", script, opts=[*who.get("opts", []), *opts], **who.get("run", {}), **way)
    assert proc.returncode == 0, (proc.stdout, proc.stderr)
    return proc.stdout


def below(text, point):
    """Mount points at and below `point`: (type, root, options of the mount), the topmost."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if words[4] == point or words[4].startswith(point + "/"):
            found[words[4]] = (words[words.index("-") + 1], words[3], set(words[5].split(",")))
    return found


# -- CVE-2023-25809: read-only in each of the four combinations --------------------------------

@need_any
@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_cve_2023_25809_read_only_is_read_only(bbox, who, way, namespace, kind):  # noqa: F811
    out = inside(bbox, who, way, [*PROC, *namespace, f"--mount=type={kind},dst=/sys/fs/cgroup,ro,nosuid"], """
        cat /proc/self/mountinfo; echo --
        find /sys/fs/cgroup -type d 2>/dev/null | while read d; do mkdir $d/inroot-test 2>&1 | grep -v 'Read-only'; done; true""")
    lines, writes = out.split("--\n")
    found = below(lines, "/sys/fs/cgroup")
    assert found and all({"ro", "nosuid"} <= options for _, _, options in found.values()), found
    assert writes == ""


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_nothing_on_the_host_is_a_read_only_nothing(bbox, kind):
    """Success without a mount left a place of ROOT's, which the payload could write to."""
    if not ROOT_CALLER:
        pytest.skip("needs root")

    @private_mounts
    def check():
        run("umount", "-R", "-l", "/sys/fs/cgroup")
        text = inside(bbox, {}, {}, [*PROC, f"--mount=type={kind},dst=/sys/fs/cgroup,ro"], """
            ls -A /sys/fs/cgroup; mkdir /sys/fs/cgroup/x 2>&1 | grep -c 'Read-only' >&2; cat /proc/self/mountinfo""")
        found = below(text, "/sys/fs/cgroup")
        assert list(found) == ["/sys/fs/cgroup"], text
        assert found["/sys/fs/cgroup"][0] == "tmpfs" and "ro" in found["/sys/fs/cgroup"][2], text
    if not MOUNTED:
        pytest.skip("needs mounts of cgroups")
    check()


# -- version 2 ---------------------------------------------------------------------------------

@need_version_2
def test_version_2(bbox, who, way, namespace, unchanged_host):  # noqa: F811
    out = inside(bbox, who, way, [*PROC, *namespace, "--mount=type=cgroup2,dst=/sys/fs/cgroup,nosuid,noexec,nodev"],
                 "test -e /sys/fs/cgroup/cgroup.procs && cat /proc/self/mountinfo")
    kind, root, options = below(out, "/sys/fs/cgroup")["/sys/fs/cgroup"]
    assert (kind, root) == ("cgroup2", "/") and {"rw", "nosuid", "noexec", "nodev"} <= options


@need_version_2
@need_root
def test_options_of_the_hosts_tree_are_not_touched(bbox):
    before = host_mounts()
    proc = exec_in(bbox, "/bin/true", opts=["--mount=type=cgroup2,dst=/sys/fs/cgroup,nsdelegate"])
    assert_fails(proc, 125, "/sys/fs/cgroup", "EPERM")
    assert "--unshare=cgroup" in proc.stderr
    inside(bbox, {}, {}, ["--mount=type=cgroup2,dst=/sys/fs/cgroup"], "true")
    assert host_mounts() == before


# -- version 1 ---------------------------------------------------------------------------------

def directories():
    """Of the hierarchies that the host has mounted: name -> controllers."""
    found = {}
    for controllers in HIERARCHIES:
        for kind, point, features in MOUNTED:
            if kind == "cgroup" and set(controllers.split(",")) <= set(features.split(",")):
                found.setdefault(os.path.basename(point), controllers)
                break
    return found


@need_version_1
def test_version_1(bbox, who, way, namespace, unchanged_host):  # noqa: F811
    out = inside(bbox, who, way, [*PROC, *namespace, "--mount=type=cgroup,dst=/sys/fs/cgroup"],
                 "for d in /sys/fs/cgroup/*; do test -e $d/cgroup.procs && echo $d; done; echo --; cat /proc/self/mountinfo")
    listing, lines = out.split("--\n")
    found, names = below(lines, "/sys/fs/cgroup"), directories()
    kind, _, options = found["/sys/fs/cgroup"]
    assert kind == "tmpfs" and {"nosuid", "nodev", "noexec"} <= options
    parts = {part for name in names if "," in name for part in name.split(",")}
    assert {os.path.basename(p) for p in listing.split()} == set(names) | parts
    for name, controllers in names.items():
        assert found[f"/sys/fs/cgroup/{name}"][:2] == ("cgroup", "/" if namespace else HIERARCHIES[controllers]), name


@need_version_1
def test_only_the_own_cgroup_is_shown(bbox):
    """Without a namespace too: what is above it, and beside it, is somebody else's."""
    if not ROOT_CALLER:
        pytest.skip("needs root")
    deeper = {n: c for n, c in directories().items() if HIERARCHIES[c] != "/"}
    if not deeper:
        pytest.skip("needs a cgroup below a root")
    name, controllers = next(iter(deeper.items()))
    host = next(p for k, p, _ in MOUNTED if k == "cgroup" and os.path.basename(p) == name)
    out = inside(bbox, {}, {}, ["--mount=type=cgroup,dst=/sys/fs/cgroup"], f"cd /sys/fs/cgroup/{name} && ls -A")
    assert sorted(out.split()) == sorted(os.listdir(host + HIERARCHIES[controllers]))


@need_version_1
def test_options_of_version_1_are_refused(bbox, who):
    proc = exec_in(bbox, "/bin/true", opts=[*who.get("opts", []), "--mount=type=cgroup,dst=/sys/fs/cgroup,noprefix"],
                   **who.get("run", {}))
    assert_fails(proc, 125, "/sys/fs/cgroup", "EINVAL")


@need_version_1
def test_the_tmpfs_is_as_asked(bbox, who, way):  # noqa: F811
    """Writable unless `ro`, for runtimes that mount into it; its mode is 755."""
    out = inside(bbox, who, way, ["--mount=type=cgroup,dst=/sys/fs/cgroup"],
                 "mkdir /sys/fs/cgroup/x && stat -c %a /sys/fs/cgroup")
    assert re.fullmatch(r"755\n", out)
