# SPDX-License-Identifier: MIT
"""What `inroot features` says of the host, held against what the host and `inroot exec` do."""
import ctypes
import json
import os
import pathlib
import shutil

import pytest

from conftest import (INROOT, ROOT_CALLER, assert_fails, exec_in, inroot, libc, need_root, need_static,
                      need_tool, need_userns, ordinary, private_mounts, run, status_of)

pytestmark = pytest.mark.usefixtures("unchanged_host")

CAPABILITIES = ["sys_admin", "sys_chroot", "setuid", "setgid", "setpcap"]
CALLS = {"landlock_create_ruleset": 444, "openat2": 437, "open_tree": 428, "move_mount": 429,
         "mount_setattr": 442, "fsopen": 430, "close_range": 436, "pidfd_open": 434, "clone3": 435,
         "statmount": 457, "listmount": 458}
SYSCTLS = {"max_user_namespaces": "user/max_user_namespaces",
           "unprivileged_userns_clone": "kernel/unprivileged_userns_clone",
           "apparmor_restrict_unprivileged_userns": "kernel/apparmor_restrict_unprivileged_userns"}
WORKS = {"works": (bool, None), "error": (str, None)}
SCHEMA = {
    "version": str,
    "kernel": str,
    "caller": {"uid": int, "gid": int, "capabilities": dict.fromkeys(CAPABILITIES, bool),
               "in_chroot": (bool, None), "in_user_namespace": (bool, None), "seccomp": (int, None)},
    "auto": {"method": (str, None), "userns": bool, "clone": (str, None), "fallback": (str, None),
             "error": (str, None)},
    "ladder": [{"method": str, "auto": bool, **WORKS}],
    "user_namespaces": {**WORKS, "denied_by": (str, None), **dict.fromkeys(SYSCTLS, (int, None))},
    "system_calls": dict.fromkeys(CALLS, str),
    "idmapped_mounts": {"root": WORKS, "tmpfs": WORKS},
    "overlay": {"here": WORKS, "user_namespace": WORKS},
    "newuidmap": bool,
    "newgidmap": bool,
    "landlock_abi": (int, None),
    "seccomp_filter": (bool, None),
    "memfd_noexec": (int, None),
}
NO_ADMIN = ["setpriv", "--bounding-set=-sys_admin"]
STRACE = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"]
NEITHER = ["setpriv", "--bounding-set=-sys_admin,-sys_chroot"]


def check_shape(value, shape, where="features"):
    if isinstance(shape, dict):
        assert list(value) == list(shape), where
        for key, inner in shape.items():
            check_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert value, where
        for each in value:
            check_shape(each, shape[0], where)
    else:
        kinds = shape if isinstance(shape, tuple) else (shape,)
        assert (value is None and None in kinds) or type(value) in kinds, (where, value)


def check_sense(found):
    """What must hold between the parts, on any host."""
    check_shape(found, SCHEMA)
    assert [rung["method"] for rung in found["ladder"]] == ["pivot", "chroot"]
    works = [*found["ladder"], found["user_namespaces"], *found["overlay"].values(),
             *found["idmapped_mounts"].values()]
    for probe in works:
        assert (probe["works"] is True) == (probe["error"] is None), probe
    auto, userns = found["auto"], found["user_namespaces"]
    assert (auto["method"] is None) == (auto["error"] is not None), auto
    assert (userns["denied_by"] is not None) == (userns["works"] is False), userns
    assert set(found["system_calls"].values()) <= {"yes", "missing", "denied", "unknown"}


def features(**kw):
    """What `inroot features --json` found; the screen for people is looked at besides."""
    proc = inroot("features", "--json", **kw)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert proc.stdout.count("\n") == 1 and proc.stdout.endswith("\n")
    found = json.loads(proc.stdout)
    check_sense(found)
    screen = inroot("features", **kw)
    assert (screen.returncode, screen.stderr) == (0, ""), screen
    lines = screen.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80, screen.stdout
    assert not any(line != line.rstrip() for line in lines), screen.stdout
    assert f"inroot           {found['version']} on Linux {found['kernel']}" == lines[0]
    return found


def rung(found, method):
    return next(r for r in found["ladder"] if r["method"] == method)


CALLERS = [
    pytest.param(ordinary(), marks=need_userns, id="ordinary"),
    pytest.param({}, id="self"),
    pytest.param({"wrapper": NO_ADMIN}, marks=[need_root, need_tool("setpriv")], id="no-sys_admin"),
    pytest.param({"wrapper": NEITHER}, marks=[need_root, need_tool("setpriv")], id="neither"),
    pytest.param({"wrapper": [*NO_ADMIN[:1], "--bounding-set=-sys_admin,-setpcap"]},
                 marks=[need_root, need_tool("setpriv")], id="no-setpcap"),
    pytest.param({"wrapper": ["unshare", "-Ur"], **ordinary()}, marks=need_userns, id="in-userns"),
    pytest.param({"wrapper": ["unshare", "-U"], **ordinary()}, marks=need_userns, id="unmapped"),
]


# -- in agreement with exec --------------------------------------------------------------------

@pytest.mark.parametrize("caller", CALLERS)
def test_auto_is_what_exec_does(bbox, caller):
    found = features(**caller)["auto"]
    proc, records = status_of("exec", "--groups=keep", bbox, "/bin/true", **caller)
    if found["method"] is None:
        assert proc.returncode == 125, proc
        error = next(r for r in records if r["type"] == "error")
        assert found["error"] == f"{error['op']}: {error['code']}"
        return
    assert proc.returncode == 0, proc
    entered = next(r for r in records if r["type"] == "entered")
    assert (found["method"], found["userns"]) == (entered["method"], entered["userns"])
    assert found["fallback"] == entered.get("fallback")


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("method", ["pivot", "chroot"])
def test_a_rung_works_where_exec_does(bbox, caller, method):
    found = rung(features(**caller), method)
    proc = exec_in(bbox, "/bin/true", opts=[f"--enter={method}", "--groups=keep"], **caller)
    assert proc.returncode == (0 if found["works"] else 125), (found, proc)
    assert found["works"] or found["error"].split(": ")[1] in proc.stderr


@pytest.mark.parametrize("caller", CALLERS)
def test_overlay_works_where_exec_has_it(bbox, caller):
    found = features(**caller)["overlay"]["here"]
    # exec's auto would say that a chroot can't have it.
    proc = exec_in(bbox, "/bin/true", opts=["--enter=pivot", "--groups=keep", "--overlay=tmpfs"], **caller)
    assert proc.returncode == (0 if found["works"] else 125), (found, proc)


# -- callers -----------------------------------------------------------------------------------

@need_root
def test_root():
    found = features()
    assert found["caller"]["uid"] == found["caller"]["gid"] == 0
    assert set(found["caller"]["capabilities"].values()) == {True}
    assert found["auto"] == {"method": "pivot", "userns": False, "clone": "open_tree",
                             "fallback": None, "error": None}
    assert all(r["auto"] and r["works"] for r in found["ladder"])


@need_userns
def test_an_ordinary_user():
    found = features(**ordinary())
    assert found["caller"]["uid"] == (1000 if ROOT_CALLER else os.getuid())
    assert set(found["caller"]["capabilities"].values()) == {False}
    assert found["caller"]["in_chroot"] is False
    assert found["user_namespaces"]["works"] and found["user_namespaces"]["denied_by"] is None
    assert (found["auto"]["method"], found["auto"]["userns"]) == ("pivot", True)
    assert [r["auto"] for r in found["ladder"]] == [True, False]
    assert found["idmapped_mounts"]["root"] == {"works": False, "error": "mount_setattr: EPERM"}


@need_root
@need_tool("setpriv")
def test_without_sys_admin_auto_goes_to_chroot():
    found = features(wrapper=NO_ADMIN)
    assert found["caller"]["capabilities"] == {c: c != "sys_admin" for c in CAPABILITIES}
    assert (found["auto"]["method"], found["auto"]["userns"]) == ("chroot", False)
    assert found["auto"]["fallback"] == rung(found, "pivot")["error"] == "unshare: EPERM"
    assert "chroot - since pivot failed at unshare: EPERM" in inroot("features", wrapper=NO_ADMIN).stdout


@need_userns
def test_in_a_user_namespace():
    found = features(wrapper=["unshare", "-Ur"], **ordinary())
    assert found["caller"]["in_user_namespace"] is True
    assert found["caller"]["capabilities"]["sys_admin"] is True
    assert (found["auto"]["method"], found["auto"]["userns"]) == ("pivot", False)
    assert set(found["system_calls"].values()) <= {"yes", "missing"}


def chroot_features(scratch, *wrapper):
    (scratch / "proc").mkdir(exist_ok=True)
    shutil.copy(INROOT, scratch / "inroot")
    (scratch / "inroot").chmod(0o755)
    return features(program="/inroot", wrapper=["chroot", *wrapper, scratch])


@need_root
@need_static
def test_in_a_chroot_without_proc(scratch):
    found = chroot_features(scratch)
    assert found["caller"]["in_chroot"] is True
    assert (found["auto"]["method"], found["auto"]["fallback"]) == ("chroot", "check /: EINVAL")
    pivot = rung(found, "pivot")
    assert (pivot["auto"], pivot["works"], pivot["error"]) == (True, False, "check /: EINVAL")
    userns = found["user_namespaces"]
    assert (userns["error"], userns["denied_by"]) == ("unshare: EPERM", "chroot")
    unknown = [found["caller"]["in_user_namespace"], found["caller"]["seccomp"], found["memfd_noexec"],
               *(userns[key] for key in SYSCTLS)]
    assert unknown == [None] * len(unknown)
    assert (found["newuidmap"], found["newgidmap"]) == (False, False)


@need_root
@need_static
def test_an_ordinary_user_in_a_chroot(scratch):
    found = chroot_features(scratch, "--userspec=1000:1000")
    assert found["caller"]["in_chroot"] is True
    assert found["auto"]["method"] is None and found["auto"]["error"] == "unshare: EPERM"
    assert found["user_namespaces"]["denied_by"] == "chroot"


@need_root
@need_static
@private_mounts
def test_in_a_chroot_that_is_a_mount_point(scratch):
    run("mount", "--bind", scratch, scratch)
    (scratch / "proc").mkdir()
    run("mount", "-t", "proc", "proc", scratch / "proc")
    found = chroot_features(scratch)
    assert found["caller"]["in_chroot"] is True
    assert found["auto"]["method"] == "chroot"
    assert found["user_namespaces"]["denied_by"] == "chroot"
    found = chroot_features(scratch, "--userspec=1000:1000")
    assert found["caller"]["in_chroot"] is None
    assert found["user_namespaces"]["denied_by"] == "chroot or security module"


# -- who denies user namespaces ----------------------------------------------------------------

@need_userns
def test_denied_by_the_limit():
    """Of an own user namespace, so that nobody else feels it."""
    set_limit = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    found = features(wrapper=["unshare", "-Ur", "sh", "-c", set_limit, "sh"], **ordinary())
    userns = found["user_namespaces"]
    assert (userns["works"], userns["error"]) == (False, "unshare: ENOSPC")
    assert (userns["denied_by"], userns["max_user_namespaces"]) == ("user.max_user_namespaces", 0)
    assert found["overlay"]["user_namespace"] == {"works": False, "error": "unshare: ENOSPC"}
    assert found["overlay"]["here"]["works"] is True


@need_userns
def test_denied_by_a_filter():
    """The filter that exec gives its payload lets nobody make a user namespace."""
    inside = ["exec", "--enter=pivot", "--pivot=stacked", "--allow-host-proc", "--groups=keep", "/", INROOT]
    proc = inroot(*inside, "features", "--json", **ordinary())
    assert proc.returncode == 0, proc.stderr
    found = json.loads(proc.stdout)
    check_sense(found)
    assert (found["caller"]["seccomp"], found["user_namespaces"]["denied_by"]) == (2, "seccomp")
    # As root of its namespace it holds CAP_SYS_CHROOT.
    assert (found["auto"]["method"], found["auto"]["fallback"]) == ("chroot", "unshare: EPERM")
    screen = inroot(*inside, "features", **ordinary()).stdout.splitlines()
    assert len(screen) <= 24 and max(map(len, screen)) <= 80


@need_userns
def test_denied_by_unmapped_ids():
    found = features(wrapper=["unshare", "-U"], **ordinary())
    assert found["user_namespaces"]["denied_by"] == "unmapped ids"


# -- the kernel --------------------------------------------------------------------------------

@need_root
def test_system_calls_are_there_that_the_kernel_has():
    """Asked for in the same way that a program would: only ENOSYS says that a call is not there."""
    libc.syscall.restype = ctypes.c_long
    found = features()["system_calls"]
    for name, number in CALLS.items():
        got = libc.syscall(number, *[ctypes.c_long(-1)] * 6)
        missing = got == -1 and ctypes.get_errno() == 38
        assert found[name] == ("missing" if missing else "yes"), name


@need_tool("strace")
@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("statmount", "listmount")])
def test_a_call_that_is_missing_is_said_to_be(name):
    found = features(wrapper=[*STRACE, f"inject={name}:error=ENOSYS"])
    assert {n for n, state in found["system_calls"].items() if state == "missing"} >= {name}
    if name == "landlock_create_ruleset":
        assert found["landlock_abi"] == 0
    if name == "open_tree" and ROOT_CALLER:
        assert (found["auto"]["method"], found["auto"]["clone"]) == ("pivot", "mount")


@need_tool("strace")
def test_a_call_that_kills_is_denied():
    found = features(wrapper=[*STRACE, "inject=openat2:signal=KILL"])
    assert found["system_calls"]["openat2"] == "denied"
    assert found["system_calls"]["close_range"] == "yes"


def test_landlock_abi():
    libc.syscall.restype = ctypes.c_long
    abi = libc.syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    assert features()["landlock_abi"] == max(abi, 0)


def test_sysctls_are_those_of_the_host():
    found = features()

    def value(name):
        path = pathlib.Path("/proc/sys", name)
        return int(path.read_text()) if path.exists() else None
    for key, name in SYSCTLS.items():
        assert found["user_namespaces"][key] == value(name), key
    assert found["memfd_noexec"] == value("vm/memfd_noexec")
    for program in ("newuidmap", "newgidmap"):
        assert found[program] == os.access(f"/usr/bin/{program}", os.X_OK)


def test_version_and_kernel():
    found = features()
    assert f"inroot {found['version']}\n" == inroot("--version").stdout
    assert found["kernel"] == os.uname().release


# -- odd starts --------------------------------------------------------------------------------

@need_tool("prlimit")
@pytest.mark.skipif(not ROOT_CALLER, reason="needs root, for an id that runs nothing else")
def test_without_a_process_to_try_it_in():
    caller = {"user": 54321, "group": 54321, "extra_groups": []}
    found = features(wrapper=["prlimit", "--nproc=1"], **caller)
    assert found["auto"]["error"] == "fork: EAGAIN"
    assert set(found["system_calls"].values()) == {"unknown"}
    assert found["landlock_abi"] is found["seccomp_filter"] is found["user_namespaces"]["works"] is None


def test_a_directory_as_standard_input():
    directory = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert features(stdin=directory)["auto"] == features()["auto"]
    finally:
        os.close(directory)


def test_options():
    help_text = inroot("features", "--help")
    assert help_text.returncode == 0 and "--json" in help_text.stdout
    assert inroot("features", "--json", "--").stdout == inroot("features", "--json").stdout


@pytest.mark.parametrize("args,name", [
    (["--jsn"], "--jsn"), (["--json=1"], "--json"), (["--json", "x"], '"x"'), (["/"], '"/"'),
    (["--status-fd=1"], "--status-fd=1"), ([""], '""')])
def test_usage_errors(args, name):
    proc = inroot("features", *args)
    assert_fails(proc, 2, "usage", name)
    assert proc.stdout == ""


@pytest.mark.parametrize("args", [[], ["--json"], ["--help"]])
def test_a_full_disk(args):
    with open("/dev/full", "w") as full:
        proc = inroot("features", *args, stdout=full, stderr=-1)
    assert_fails(proc, 125, "write", "ENOSPC")
