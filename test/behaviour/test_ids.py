# SPDX-License-Identifier: MIT
"""Who the payload is: ids, groups, maps, and what it can't become again."""
import json
import os
import pathlib

import pytest

from conftest import (ROOT_CALLER, Running, as_user, assert_fails, exec_in, need_ordinary,
                      need_root, need_tool, need_userns, ordinary, private_mounts, report_in, run,
                      status_of)

EPERM = 1
OVERFLOW = 65534


def ids(seen):
    """(uid, gid) of a payload; real, effective and saved must agree."""
    assert len(set(seen["uids"])) == len(set(seen["gids"])) == 1
    return seen["uids"][0], seen["gids"][0]


def refused(bbox, *opts, **kw):
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=opts, **kw)
    assert proc.stdout == ""
    return assert_fails(proc, 125)


# -- a caller that may set its ids -------------------------------------------------------------

@need_root
@pytest.mark.parametrize("opts,expect,groups", [
    ([], (0, 0), []),
    (["--user=1000"], (1000, 1000), []),
    (["--user", "1000:50"], (1000, 50), []),
    (["--user=0:0"], (0, 0), []),
    (["--user=4294967294:4294967294"], (4294967294, 4294967294), []),
    (["--groups=7,8"], (0, 0), [7, 8]),
    (["--user=1000", "--groups=7"], (1000, 1000), [7]),
    (["--groups=keep"], (0, 0), [1234, 27]),
    (["--user=1000:50", "--groups=keep"], (1000, 50), [1234, 27]),
], ids=lambda v: " ".join(v) if isinstance(v, list) and v and isinstance(v[0], str) else "")
def test_ids_of_root(bbox, opts, expect, groups, unchanged_host):
    seen = report_in(bbox, *opts, extra_groups=[1234, 27])
    assert ids(seen) == expect
    assert sorted(seen["groups"]) == sorted(groups)


@need_root
def test_many_groups(bbox):
    groups = list(range(100, 600))
    seen = report_in(bbox, "--user=1000", "--groups=" + ",".join(map(str, groups)))
    assert sorted(seen["groups"]) == groups


@need_root
def test_the_payload_cannot_get_back(bbox):
    seen = report_in(bbox, "--user=1000")
    assert ids(seen) == (1000, 1000) and seen["setgroups"] == EPERM
    assert all(v == 0 for k, v in seen["caps"].items() if k != "bounding")
    assert (seen["nnp"], seen["keepcaps"]) == (1, 0)


# -- a user namespace --------------------------------------------------------------------------

@need_userns
@pytest.mark.parametrize("opts,expect", [
    ([], (0, 0)),
    (["--map-root-user"], (0, 0)),
    (["--map-root-user", "--user=0:0"], (0, 0)),
    (["--unshare=user"], (0, 0)),
], ids=lambda v: " ".join(map(str, v)))
def test_default_map(bbox, opts, expect, unchanged_host):
    seen = report_in(bbox, *opts, **ordinary())
    assert ids(seen) == expect and seen["groups"] in ([], [0])


@need_userns
def test_map_current_user(bbox, unchanged_host):
    seen = report_in(bbox, "--map-current-user", **ordinary())
    me = (1000, 1000) if ROOT_CALLER else (os.getuid(), os.getgid())
    assert ids(seen) == me


@need_userns
def test_own_map(bbox, unchanged_host):
    uid, gid = (1000, 1000) if ROOT_CALLER else (os.getuid(), os.getgid())
    seen = report_in(bbox, f"--map-users=5:{uid}:1", f"--map-groups=7:{gid}:1", **ordinary())
    assert ids(seen) == (5, 7)


@need_userns
@need_root
def test_root_in_a_user_namespace(bbox, unchanged_host):
    """A caller that gives a map gets a user namespace; it is uid 0 inside as outside."""
    proc, records = status_of("exec", "--map-root-user", bbox, "/bin/report")
    assert ids(json.loads(proc.stdout)) == (0, 0)
    assert [r["userns"] for r in records if r["type"] == "entered"] == [True]


@need_userns
@pytest.mark.parametrize("opts", [["--map-root-user", "--user=5"], ["--map-root-user", "--user=0:5"],
                                  ["--user=5"], ["--map-current-user", "--user=0"],
                                  ["--map-root-user", "--map-current-user"],
                                  ["--map-root-user", "--groups=5"]], ids=" ".join)
def test_ids_that_are_not_mapped(bbox, opts, unchanged_host):
    refused(bbox, *opts, **ordinary())


@need_userns
def test_map_of_somebody_else(bbox, unchanged_host):
    """The kernel lets an ordinary user map only itself."""
    refused(bbox, "--map-users=0:4242:1", **ordinary())


@need_userns
def test_setgroups_is_denied(bbox, unchanged_host):
    with Running("exec", bbox, "/bin/sigprint", **ordinary()) as box:
        assert box.line() == "ready\n"
        proc = pathlib.Path(f"/proc/{box.proc.pid}")
        me = 1000 if ROOT_CALLER else os.getuid()
        assert proc.joinpath("setgroups").read_text() == "deny\n"
        assert proc.joinpath("uid_map").read_text().split() == ["0", str(me), "1"]
        box.proc.terminate()
        assert box.proc.wait(10) == 42
    assert report_in(bbox, **ordinary())["setgroups"] == EPERM


@need_root
@need_userns
@pytest.mark.parametrize("groups", [[1234, 27], [1234]], ids=str)
def test_groups_that_cannot_be_cleared(bbox, groups, unchanged_host):
    """Fail closed: the kernel forbids to clear them in such a namespace."""
    assert "--groups=keep" in refused(bbox, **as_user(groups=groups))
    seen = report_in(bbox, "--groups=keep", **as_user(groups=groups))
    assert seen["groups"] == [OVERFLOW] * len(groups)


@need_root
@need_userns
@pytest.mark.parametrize("groups", [[], [1000]], ids=str)
def test_nothing_to_clear(bbox, groups):
    """The caller's own gid as its only supplementary group counts as none."""
    assert ids(report_in(bbox, **as_user(groups=groups))) == (0, 0)


@need_ordinary
@need_userns
def test_own_groups(bbox):
    if set(os.getgroups()) - {os.getgid()}:
        assert "--groups=keep" in refused(bbox)
    assert ids(report_in(bbox, "--groups=keep")) == (0, 0)


# -- maps of more than one id ------------------------------------------------------------------

def subordinate_ids(scratch):
    """In a private mount namespace: uid 1000 has 100000..165535."""
    for name, text in (("passwd", "root:x:0:0::/:/bin/sh\ntester:x:1000:1000::/:/bin/sh\n"),
                       ("group", "root:x:0:\ntester:x:1000:\n"),
                       ("subuid", "tester:100000:65536\n"), ("subgid", "tester:100000:65536\n")):
        (scratch / name).write_text(text)
        pathlib.Path("/etc", name).touch()
        run("mount", "--bind", scratch / name, f"/etc/{name}")


LINES = ["--map-users=0:100000:1000", "--map-users=1000:1000:1",
         "--map-groups=0:100000:1000", "--map-groups=1000:1000:1"]


def owner_of_new_file(bbox, *opts, **kw):
    proc = exec_in(bbox, "/bin/touch", "/tmp/new", opts=opts, **kw)
    assert proc.returncode == 0, proc
    made = os.stat(bbox / "tmp/new")
    return made.st_uid, made.st_gid


@need_root
@need_userns
@need_tool("newuidmap", "newgidmap")
@private_mounts
def test_map_of_several_lines(bbox, scratch):
    subordinate_ids(scratch)
    seen = report_in(bbox, *LINES, **as_user())
    assert ids(seen) == (1000, 1000) and seen["groups"] == []
    assert owner_of_new_file(bbox, *LINES, "--user=0", **as_user()) == (100000, 100000)
    seen = report_in(bbox, *LINES, "--user=7:8", "--groups=9,10", **as_user())
    assert ids(seen) == (7, 8) and sorted(seen["groups"]) == [9, 10]


@need_root
@need_userns
@need_tool("newuidmap", "newgidmap")
@private_mounts
def test_map_of_several_lines_clears_groups(bbox, scratch):
    subordinate_ids(scratch)
    assert report_in(bbox, *LINES, **as_user(groups=[27, 1234]))["groups"] == []


@need_root
@need_userns
@need_tool("newuidmap", "newgidmap")
@private_mounts
def test_map_auto(bbox, scratch):
    subordinate_ids(scratch)
    seen = report_in(bbox, "--map-auto", **as_user())
    assert ids(seen) == (0, 0)
    assert owner_of_new_file(bbox, "--map-auto", **as_user()) == (100000, 100000)
    (bbox / "tmp/new").unlink()
    assert owner_of_new_file(bbox, "--map-auto", "--map-root-user", **as_user()) == (1000, 1000)
    (bbox / "tmp/new").unlink()
    uid, gid = owner_of_new_file(bbox, "--map-auto", "--map-root-user", "--user=33:34", **as_user())
    assert 100000 <= uid < 165536 and 100000 <= gid < 165536


@need_root
@need_userns
@need_tool("newuidmap", "newgidmap")
@private_mounts
@pytest.mark.parametrize("opts", [["--map-users=0:200000:10", "--map-users=10:1000:1"],
                                  ["--map-users=0:100000:70000", "--map-users=70000:1000:1"]], ids=" ".join)
def test_map_that_newuidmap_refuses(bbox, scratch, opts):
    subordinate_ids(scratch)
    refused(bbox, *opts, **as_user())


@need_root
@need_userns
@private_mounts
def test_map_auto_without_subordinate_ids(bbox, scratch):
    subordinate_ids(scratch)
    (scratch / "subuid").write_text("")
    refused(bbox, "--map-auto", **as_user())


@need_root
@need_userns
@need_tool("newuidmap", "newgidmap")
@private_mounts
def test_newuidmap_is_found_by_its_absolute_path(bbox, scratch):
    """A program of that name in the caller's PATH is not run; the real one gets no environment."""
    subordinate_ids(scratch)
    (scratch / "bin").mkdir()
    for name in ("newuidmap", "newgidmap"):
        (scratch / "bin" / name).write_text(f"#!/bin/sh\ntouch {scratch}/RAN\nexit 0\n")
        (scratch / "bin" / name).chmod(0o755)
    scratch.chmod(0o777)
    report_in(bbox, *LINES, env={"PATH": f"{scratch}/bin"}, **as_user())
    assert not (scratch / "RAN").exists()


@need_root
@need_userns
@private_mounts
@pytest.mark.parametrize("status", ["1", "127"])
def test_newuidmap_that_fails(bbox, scratch, status):
    """Only exit status 0 is success."""
    subordinate_ids(scratch)
    (scratch / "fake").write_text(f"#!/bin/sh\nexit {status}\n")
    (scratch / "fake").chmod(0o755)
    pathlib.Path("/usr/bin/newuidmap").touch()
    run("mount", "--bind", scratch / "fake", "/usr/bin/newuidmap")
    refused(bbox, *LINES, **as_user())


@need_root
@need_userns
@private_mounts
def test_newuidmap_that_lies(bbox, scratch):
    """It says success and wrote nothing: the payload must not run with an unmapped id."""
    subordinate_ids(scratch)
    run("mount", "--bind", "/bin/true", "/usr/bin/newuidmap")
    refused(bbox, *LINES, **as_user())


@need_root
@need_userns
def test_maps_by_root_itself(bbox, unchanged_host):
    """With CAP_SETUID and CAP_SETGID no helper program is needed."""
    maps = ["--map-users=0:100000:65536", "--map-groups=0:100000:65536"]
    seen = report_in(bbox, *maps)
    assert ids(seen) == (0, 0) and seen["groups"] == []
    assert owner_of_new_file(bbox, *maps) == (100000, 100000)


@need_root
@need_userns
def test_several_lines_by_root_itself(bbox, unchanged_host):
    maps = ["--map-users=0:100000:10", "--map-users=10:0:1", "--map-users=11:5000:5",
            "--map-groups=0:100000:10", "--map-groups=10:0:1"]
    assert ids(report_in(bbox, *maps)) == (10, 10)
    assert ids(report_in(bbox, *maps, "--user=12:3")) == (12, 3)


@need_root
@need_userns
def test_own_id_not_mapped_and_no_zero(bbox, unchanged_host):
    assert "--user" in refused(bbox, "--map-users=5:100000:10", "--map-groups=5:100000:10")


@need_userns
@pytest.mark.parametrize("opts", [["--map-users=0:0:1"] * 341, ], ids=["341-lines"])
def test_too_many_lines(bbox, opts):
    """The kernel takes 340 lines (and these overlap besides)."""
    refused(bbox, *opts)
