# SPDX-License-Identifier: MIT
"""--default-mounts: what comes with it and what a given mount does to that, /tmp, and user namespaces that others
made, where no group tty may be mapped."""
import pytest

from conftest import (ROOT_CALLER, assert_fails, exec_in, give, host_state, inroot, need_root, need_tool, need_userns,
                      ordinary, private_mounts, run)
from denying import way  # noqa: F401: a fixture
from joining import nested
from mounting import who  # noqa: F401: a fixture
from treedigest import digest

DEFAULTS = ["--default-mounts", "--unshare=pid"]
TYPES = {"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}
SHOW = ["/bin/sh", "-c", "grep ' /dev/pts ' /proc/self/mountinfo"]


def options_of(proc):
    """Of the file system of terminals: the last field of its line."""
    assert proc.returncode == 0, proc.stderr
    return set(proc.stdout.split()[-1].split(","))


@need_root
def test_group_of_terminals(bbox):
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= options_of(exec_in(bbox, *SHOW, opts=DEFAULTS))


@need_userns
@need_tool("unshare")
def test_namespace_of_the_caller(bbox, way):  # noqa: F811
    if ROOT_CALLER:
        give(bbox)
    proc = inroot("exec", *DEFAULTS, bbox, *SHOW, wrapper=["unshare", "-Ur"], **ordinary(), **way)
    seen = options_of(proc)
    assert {"mode=620", "ptmxmode=666"} <= seen and not any(option.startswith("gid=") for option in seen)


@need_root
@need_userns
@need_tool("unshare")
def test_namespace_that_is_joined(bbox):
    with nested(["-Ur"]) as pid:
        seen = options_of(exec_in(bbox, *SHOW, opts=[*DEFAULTS, "--join=user", f"--target={pid}"]))
    assert {"mode=620", "ptmxmode=666"} <= seen and "gid=5" not in seen


@need_root
@need_userns
@need_tool("unshare")
def test_group_of_one_that_was_given_is_an_error(bbox):
    """Only the default does without: who names a group gets it, or nothing."""
    proc = inroot("exec", "--unshare=pid", "--mount=type=devpts,dst=/dev/pts,newinstance,gid=5", bbox, "/bin/true",
                  wrapper=["unshare", "-Ur"])
    assert proc.returncode == 125 and "/dev/pts" in proc.stderr


# -- what comes with it ------------------------------------------------------------------------

def default_mounts(caller, root, opts=(), script="", **kw):
    opts = ["--default-mounts", "--unshare=net", "--allow-host-proc", *opts]
    return caller.mounts(root, opts, script, **kw)


def test_what_comes_with_it(bbox, who, way):  # noqa: F811
    mounts = default_mounts(who, bbox, **way)
    assert {p: mounts[p].type for p in TYPES} == TYPES and "/dev/mqueue" not in mounts
    assert mounts["/sys"].options >= {"ro", "nosuid", "nodev", "noexec"}
    assert mounts["/dev/shm"].supers >= {"size=65536k"} and "nosuid" in mounts["/dev"].options


def test_queues_of_an_own_namespace(bbox, who, way):  # noqa: F811
    assert default_mounts(who, bbox, ["--unshare=ipc"], **way)["/dev/mqueue"].type == "mqueue"


def test_a_root_that_lacks_all_of_it(bbox, who):  # noqa: F811
    """Read-only, and without /proc, /sys, /dev and /tmp: on disk it stays so."""
    for name in ("proc", "dev", "tmp"):
        (bbox / name).rmdir()
    before, state = digest(bbox), host_state(bbox)
    mounts = default_mounts(who, bbox, ["--ro"], "echo x > /dev/null; touch /x /dev/shm/x /tmp/x")
    assert {p: mounts[p].type for p in TYPES} == TYPES and mounts["/tmp"].type == "tmpfs"
    assert digest(bbox) == before
    state.check()


def test_mounts_in_the_defaults(bbox, who, way):  # noqa: F811
    """The defaults come first, so that what is given can lie in them: gVisor's mandatory mounts."""
    given = ["/dev/fd-foo", "/dev/shm/deeper", "/sys/kernel", "/tmp/baz"]
    mounts = default_mounts(who, bbox, [f"--tmpfs={p}" for p in given], **way)
    assert [p for p in given if mounts[p].type != "tmpfs"] == []
    assert {p: mounts[p].type for p in TYPES} == TYPES


GIVEN = [("/proc/", "--mount=type=proc,dst=/proc/,ro", "proc"), ("/proc", "--mount=type=proc,dst=//proc/.,ro", "proc"),
         ("/sys", "--mount=type=tmpfs,dst=//sys/.,ro", "tmpfs"),
         ("/dev", "--mount=type=tmpfs,dst=/etc/../dev/,ro", "tmpfs"),
         ("/dev/shm", "--mount=type=tmpfs,dst=/dev//shm,ro", "tmpfs"),
         ("/dev/pts", "--mount=type=tmpfs,dst=/dev/pts/,ro", "tmpfs")]


@pytest.mark.parametrize("place,option,kind", GIVEN)
def test_a_given_mount_stands_in_place_of_the_default(bbox, who, place, option, kind):  # noqa: F811
    """Where gVisor would skip it with a warning. Whatever the spelling."""
    (bbox / "sys").mkdir()
    who.own(bbox)
    place = place.rstrip("/")
    opts = [*DEFAULTS, "--unshare=net", "--mask=none", "--ro-path=none", option]
    lines = who.inside(bbox, opts, "cat /proc/self/mountinfo")
    found = [line.split() for line in lines.splitlines() if line.split()[4] == place]
    assert len(found) == 1, lines
    assert found[0][found[0].index("-") + 1] == kind and "ro" in found[0][5].split(",")


# -- /tmp --------------------------------------------------------------------------------------

TMP = {  # what is in ROOT -> whether a tmpfs is mounted
    "empty": (lambda tmp: None, True), "absent": (lambda tmp: tmp.rmdir(), True),
    "a file in it": (lambda tmp: (tmp / "x").write_text("x"), False),
    "a hidden one": (lambda tmp: (tmp / ".x").mkdir(), False),
    "a file": (lambda tmp: (tmp.rmdir(), tmp.write_text("x")), False),
    "a link": (lambda tmp: (tmp.rmdir(), tmp.symlink_to("mnt")), True),
    "a link to what is not empty": (lambda tmp: (tmp.rmdir(), tmp.symlink_to("etc")), False),
}


@pytest.mark.parametrize("kind", TMP)
def test_tmp(bbox, who, way, kind):  # noqa: F811
    make, mounted = TMP[kind]
    make(bbox / "tmp")
    who.own(bbox)
    mounts = default_mounts(who, bbox, script="test ! -d /tmp || stat -c %a /tmp >&2", **way)
    place = "/mnt" if kind == "a link" else "/tmp"
    assert (place in mounts) == mounted
    if mounted:
        assert mounts[place].type == "tmpfs" and mounts[place].options >= {"nosuid", "nodev"}
        proc = who.start(bbox, [*DEFAULTS, "--unshare=net"], "stat -L -c %a /tmp", **way)
        assert proc.stdout == "1777\n", proc.stderr


@pytest.mark.parametrize("option", ["--tmpfs=/tmp:mode=700", "--mount=type=tmpfs,dst=//tmp/.,mode=700"])
def test_a_given_tmp_is_the_only_one(bbox, who, option):  # noqa: F811
    lines = who.inside(bbox, [*DEFAULTS, "--unshare=net", option], "stat -c %a /tmp; cat /proc/self/mountinfo")
    assert lines.startswith("700\n") and sum(line.split()[4:5] == ["/tmp"] for line in lines.splitlines()) == 1


@pytest.mark.parametrize("option", ["--tmpfs=/tmp/in/it", "--volume=/etc/passwd:/tmp/passwd"])
def test_a_mount_in_tmp_is_no_empty_tmp(bbox, who, option):  # noqa: F811
    """It is looked at when all mounts are done."""
    mounts = default_mounts(who, bbox, [option])
    assert "/tmp" not in mounts and option.rpartition(":")[2].rpartition("=")[2] in mounts


@need_root
def test_a_tmp_that_cannot_be_read_is_an_error(bbox):
    """Other errors than of a missing one are no reason to do without."""
    run("rmdir", bbox / "tmp")
    (bbox / "tmp").symlink_to("/tmp")

    @private_mounts
    def check():
        assert_fails(exec_in(bbox, "/bin/true", opts=DEFAULTS), 125, '"/tmp"', "ELOOP")
    check()


def test_without_it_nothing_is_mounted(bbox, who):  # noqa: F811
    mounts = who.mounts(bbox, [])
    assert set(mounts) == {"/", "/proc"}
