# SPDX-License-Identifier: MIT
"""Every kind of ROOT: it is really entered by pivot_root where that is possible at all."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import (INROOT, ROOT_CALLER, as_user, assert_fails, give, host_state, inroot, make_bbox,
                      need_root, need_static, need_tool, need_userns, ordinary, private_mounts, run,
                      status_of, wait_until)

PIVOTS = [[], ["--pivot=stacked"]]


def entered(records):
    return next(r for r in records if r["type"] == "entered")


def enters(root, *opts, method="pivot", pivot=None, file="/etc/inside", text="inside\n", **kw):
    """`cat FILE` runs in root, by that method; nothing stays behind. The `entered` record."""
    proc, records = status_of("exec", *opts, root, "/bin/cat", file, **kw)
    assert (proc.returncode, proc.stdout) == (0, text), (proc, records)
    found = entered(records)
    assert found["method"] == method, found
    if pivot:
        assert found["pivot"] == pivot, found
    return found


def left_nothing(root):
    assert not [n for n in os.listdir(root) if n.startswith(".pivot_root")]


# -- names of a directory ----------------------------------------------------------------------

@pytest.mark.parametrize("opts", PIVOTS, ids=lambda o: o[0] if o else "default")
@pytest.mark.parametrize("form", ["path", "slash", "dots", "relative", "dot", "symlink", "fd"])
def test_name_of_root(bbox, form, opts, unchanged_host):
    link = bbox.parent / "link"
    link.symlink_to("root")
    fd = os.open(bbox, os.O_PATH)
    name, cwd = {"path": (bbox, None), "slash": (f"{bbox}///", None), "dots": (f"{bbox}/etc/../", None),
                 "relative": ("root", bbox.parent), "dot": (".", bbox), "symlink": (link, None),
                 "fd": (f"fd:{fd}", None)}[form]
    found = enters(name, *opts, cwd=cwd, pass_fds=[fd])
    if ROOT_CALLER:
        assert found["pivot"] == ("stacked" if opts else "tmpdir")
    os.close(fd)


@pytest.mark.parametrize("opts", PIVOTS, ids=lambda o: o[0] if o else "default")
@need_userns
def test_ordinary_user_owns_root(bbox, opts, unchanged_host):
    if ROOT_CALLER:
        give(bbox)
        unchanged_host.__init__(bbox)
    enters(bbox, *opts, pivot="stacked" if opts else "tmpdir", **ordinary())
    left_nothing(bbox)


@need_root
@need_userns
def test_ordinary_user_does_not_own_root(bbox, unchanged_host):
    """No directory can be made there: tmpdir gives way to stacked."""
    enters(bbox, pivot="stacked", **as_user())


def test_hosts_own_root(unchanged_host):
    proc, records = status_of("exec", "--allow-host-proc", "/", "/bin/true")
    assert proc.returncode == 0 and entered(records)["method"] == "pivot", proc
    left_nothing("/")


def test_modification_time_is_kept(bbox):
    os.utime(bbox, ns=(10**18, 10**18))
    enters(bbox)
    assert os.stat(bbox).st_mtime_ns == 10**18


@need_root
def test_modification_time_of_a_change_is_kept_too(bbox):
    """A change that the payload made is not undone."""
    os.utime(bbox, ns=(10**18, 10**18))
    proc = inroot("exec", bbox, "/bin/mkdir", "/new")
    assert proc.returncode == 0 and os.stat(bbox).st_mtime_ns > 10**18


def test_deep_root(scratch, payloads):
    """A path longer than PATH_MAX is reached by the working directory."""
    here = os.open(scratch, os.O_PATH)
    try:
        for _ in range(40):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_PATH, dir_fd=here)
            os.close(here)
            here = below
        root = make_bbox(scratch / "root", payloads)
        os.rename(root, "root", dst_dir_fd=here)
        enters("root", preexec_fn=lambda: os.fchdir(here), pass_fds=[here])
    finally:
        os.close(here)


# -- places that are hard to reach -------------------------------------------------------------

@need_root
@need_userns
@pytest.mark.parametrize("opts", PIVOTS, ids=lambda o: o[0] if o else "default")
@pytest.mark.parametrize("mode", [0o711, 0o701])
def test_parents_that_cannot_be_read(scratch, payloads, opts, mode):
    for name in ("closed", "closed/more"):
        (scratch / name).mkdir()
    root = make_bbox(scratch / "closed/more/root", payloads)
    give(root)
    (scratch / "closed/more").chmod(mode)
    (scratch / "closed").chmod(mode)
    enters(root, *opts, **as_user())
    left_nothing(root)


@need_root
@need_userns
def test_descriptor_below_a_closed_parent(scratch, payloads):
    """The caller can't re-open the path at all: the descriptor is enough."""
    (scratch / "closed").mkdir()
    root = make_bbox(scratch / "closed/root", payloads)
    give(root)
    (scratch / "closed").chmod(0o700)
    fd = os.open(root, os.O_PATH)
    enters(f"fd:{fd}", pass_fds=[fd], **as_user())
    os.close(fd)
    left_nothing(root)


@need_root
@need_userns
def test_root_without_search_permission(bbox):
    bbox.chmod(0o700)
    proc = inroot("exec", bbox, "/bin/echo", "RAN", **as_user())
    assert proc.stdout == ""
    assert_fails(proc, 125, "EACCES")


# -- file systems ------------------------------------------------------------------------------

def on_tmpfs(place, source):
    run("mount", "-t", "tmpfs", "tmpfs", place)
    run("cp", "-a", f"{source}/.", place)


def on_ext4(place, source):
    image = place.parent / "ext4.img"
    run("mkfs.ext4", "-q", "-d", source, image, "32M")
    run("mount", "-o", "loop", image, place)


def on_overlay(place, source):
    for name in ("upper", "work"):
        (place.parent / name).mkdir()
    run("mount", "-t", "overlay", "overlay", "-o",
        f"lowerdir={source},upperdir={place.parent}/upper,workdir={place.parent}/work", place)


def on_squashfs(place, source):
    image = place.parent / "squash.img"
    run("mksquashfs", source, image, "-quiet", "-no-progress")
    run("mount", "-t", "squashfs", "-o", "loop,ro", image, place)


def on_bind(place, source):
    run("mount", "--bind", source, place)


def on_ro_bind(place, source):
    run("mount", "--bind", source, place)
    run("mount", "-o", "remount,bind,ro", place)


def on_stacked_mounts(place, source):
    run("mount", "-t", "tmpfs", "below", place)
    on_bind(place, source)


def on_shared_mount(place, source):
    run("mount", "--make-rshared", "/")
    on_bind(place, source)
    run("mount", "--make-shared", place)


def on_bind_of_itself(place, source):
    run("cp", "-a", f"{source}/.", place)
    run("mount", "--bind", place, place)


FILE_SYSTEMS = {"tmpfs": (on_tmpfs, "tmpdir"), "ext4": (on_ext4, "tmpdir"), "overlayfs": (on_overlay, "tmpdir"),
                "squashfs": (on_squashfs, "stacked"), "bind": (on_bind, "tmpdir"),
                "read-only-bind": (on_ro_bind, "stacked"), "stacked": (on_stacked_mounts, "tmpdir"),
                "shared": (on_shared_mount, "tmpdir"), "bind-of-itself": (on_bind_of_itself, "tmpdir")}
TOOLS = {"ext4": "mkfs.ext4", "squashfs": "mksquashfs"}


def mount_root(name, scratch, source):
    """In a private mount namespace: a root of that kind, or skip by name."""
    if name in TOOLS and not shutil.which(TOOLS[name]):
        pytest.skip(f"needs {TOOLS[name]}")
    place = scratch / "place"
    place.mkdir()
    place.chmod(0o755)
    try:
        FILE_SYSTEMS[name][0](place, source)
    except AssertionError as error:
        if "mount" in str(error.args[0]):
            pytest.skip(f"needs to mount {name}: {error}")
        raise
    return place


@need_root
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@private_mounts
def test_file_system(bbox, scratch, name):
    place = mount_root(name, scratch, bbox)
    before = host_state(place)
    enters(place, pivot=FILE_SYSTEMS[name][1])
    enters(place, "--pivot=stacked", pivot="stacked")
    fd = os.open(place, os.O_PATH)
    enters(f"fd:{fd}", pass_fds=[fd])
    enters(place, "--enter=chroot", method="chroot")
    enters(place, "--ro")
    before.check()


@need_root
@need_userns
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@private_mounts
def test_file_system_as_an_ordinary_user(bbox, scratch, name):
    """An inherited mount point is locked in a user namespace: ROOT is cloned over itself."""
    place = mount_root(name, scratch, bbox)
    before = host_state(place)
    enters(place, **as_user())
    enters(place, "--pivot=stacked", **as_user())
    enters(place, "--ro", **as_user())
    before.check()


@need_root
@pytest.mark.parametrize("name", ["bind", "squashfs", "tmpfs"])
@private_mounts
def test_descriptor_of_a_mount_that_is_covered(bbox, scratch, name):
    """The descriptor names what lies below another mount at the same place."""
    place = mount_root(name, scratch, bbox)
    fd = os.open(place, os.O_PATH)
    run("mount", "-t", "tmpfs", "cover", place)
    proc, records = status_of("exec", f"fd:{fd}", "/bin/cat", "/etc/inside", pass_fds=[fd])
    if proc.returncode != 125:
        assert (proc.returncode, proc.stdout) == (0, "inside\n"), proc
        assert entered(records)["method"] in ("pivot", "chroot")


@need_root
@private_mounts
def test_detached_root(bbox):
    """The mount was taken away while a descriptor holds it: refused, or entered, never something else."""
    run("mount", "-t", "tmpfs", "gone", bbox / "mnt")
    run("cp", "-a", bbox / "bin", bbox / "etc", bbox / "mnt")
    fd = os.open(bbox / "mnt", os.O_PATH)
    run("umount", "-l", bbox / "mnt")
    proc = inroot("exec", f"fd:{fd}", "/bin/cat", "/etc/inside", pass_fds=[fd])
    assert (proc.returncode, proc.stdout) in ((0, "inside\n"), (125, "")), proc


@need_root
@private_mounts
def test_submounts_come_along(bbox):
    run("mount", "-t", "tmpfs", "sub", bbox / "mnt")
    (bbox / "mnt/file").write_text("sub\n")
    for opts in ([], ["--pivot=stacked"], ["--enter=chroot"]):
        enters(bbox, *opts, method="chroot" if "--enter=chroot" in opts else "pivot",
               file="/mnt/file", text="sub\n")


@need_root
@private_mounts
def test_one_tree(bbox):
    """All mounts that the payload sees are ROOT and what lies below; all private or slave of nobody."""
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "proc", "proc", bbox / "proc")
    run("mount", "-t", "tmpfs", "sub", bbox / "mnt")
    for opts in PIVOTS:
        proc = inroot("exec", "--allow-host-proc", *opts, bbox, "/bin/cat", "/proc/self/mountinfo")
        assert proc.returncode == 0, proc
        lines = [line.split() for line in proc.stdout.splitlines()]
        assert sorted(line[4] for line in lines) == ["/", "/mnt", "/proc"]
        assert not [line for line in lines if "shared:" in line[6] or "master:" in line[6]]


# -- a caller that is not at home --------------------------------------------------------------

@need_root
@need_static
def test_caller_in_a_chroot(bbox, payloads, unchanged_host):
    """`/` can't be made slave and pivot_root fails there; no /proc either: chroot, and it is said."""
    make_bbox(bbox / "mnt/inner", payloads)
    (bbox / "mnt/inner/etc/inside").write_text("inner\n")
    shutil.copy(INROOT, bbox / "bin/inroot")
    found = enters("/mnt/inner", method="chroot", text="inner\n", wrapper=["chroot", bbox],
                   program="/bin/inroot")
    assert found["fallback"]
    left_nothing(bbox / "mnt/inner")


@need_root
@need_static
def test_caller_in_a_chroot_that_wants_more(bbox, payloads, unchanged_host):
    make_bbox(bbox / "mnt/inner", payloads)
    shutil.copy(INROOT, bbox / "bin/inroot")
    for opts in (["--enter=pivot"], ["--map-root-user"]):
        proc = inroot("exec", *opts, "/mnt/inner", "/bin/echo", "RAN", wrapper=["chroot", bbox],
                      program="/bin/inroot")
        assert proc.stdout == ""
        assert_fails(proc, 125)
        left_nothing(bbox / "mnt/inner")


@need_root
@need_tool("setpriv")
@pytest.mark.parametrize("caps", ["-sys_admin", "-sys_admin,-setuid,-setgid"])
def test_chroot_only(bbox, caps, unchanged_host):
    found = enters(bbox, method="chroot", wrapper=["setpriv", "--bounding-set", caps])
    assert "EPERM" in json.dumps(found["fallback"]) and found["userns"] is False


@need_root
@need_userns
@need_tool("setpriv")
def test_root_without_either_capability(bbox, unchanged_host):
    """Neither CAP_SYS_ADMIN nor CAP_SYS_CHROOT: a user namespace first."""
    assert enters(bbox, wrapper=["setpriv", "--bounding-set", "-sys_admin,-sys_chroot"])["userns"] is True


@need_userns
def test_caller_in_a_user_namespace(bbox):
    """It already holds CAP_SYS_ADMIN there: no second namespace."""
    if ROOT_CALLER:
        give(bbox)
    found = enters(bbox, wrapper=["unshare", "-Urm"], **ordinary())
    assert found["userns"] is False
    left_nothing(bbox)


@need_static
def test_in_itself(bbox):
    """inroot in inroot, with the capability that the inner one needs; it makes a procfs of its own to look at."""
    if not ROOT_CALLER:
        pytest.skip("needs root: the kernel gives a user namespace no procfs where none is visible")
    shutil.copy(INROOT, bbox / "bin/inroot")
    proc = inroot("exec", "--cap-add=SYS_ADMIN", "--seccomp=none", bbox, "/bin/inroot", "exec", "/",
                  "/bin/cat", "/etc/inside")
    assert (proc.returncode, proc.stdout) == (0, "inside\n"), proc
    left_nothing(bbox)


@need_userns
@need_static
def test_in_itself_without_proc(bbox):
    """It can't protect its executable, or look at what the root shows: refused, by name."""
    if ROOT_CALLER:
        give(bbox)
    shutil.copy(INROOT, bbox / "bin/inroot")
    proc = inroot("exec", "--cap-add=SYS_ADMIN", "--seccomp=none", bbox, "/bin/inroot", "exec", "/",
                  "/bin/echo", "RAN", **ordinary())
    assert proc.stdout == ""
    assert_fails(proc, 125, "/proc")


# -- a real distribution -----------------------------------------------------------------------

DEBIAN = {
    "os-release": (["sh", "-c", "cat /etc/os-release"], "ID=debian"),
    "apt-get": (["apt-get", "--version"], "apt "),
    "perl": (["perl", "-MCwd", "-e", 'print "perl $] ", getcwd(), "\\n"'], "perl 5"),
    "dpkg": (["dpkg", "-l", "libc6"], "libc6"),
    "locale": (["sh", "-c", "LC_ALL=C.UTF-8 sort /etc/passwd | head -1"], ":"),
}
WAYS = {
    "root": ({}, "pivot"),
    "stacked": ({"opts": ["--pivot=stacked"]}, "pivot"),
    "read-only": ({"opts": ["--ro"]}, "pivot"),
    "overlay": ({"opts": ["--overlay=tmpfs"]}, "pivot"),
    "user": ({"opts": ["--user=1000"]}, "pivot"),
    "user-namespace": ({"who": ordinary}, "pivot"),
    "pid-namespace": ({"opts": ["--unshare=pid", "--init"]}, "pivot"),
    "chroot-only": ({"wrapper": ["setpriv", "--bounding-set", "-sys_admin"]}, "chroot"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", DEBIAN)
def test_debian(debian_root, program, way):
    kw, method = dict(WAYS[way][0]), WAYS[way][1]
    if not ROOT_CALLER and way in ("user", "chroot-only"):
        pytest.skip("needs root")
    if not ROOT_CALLER and (way, program) == ("overlay", "perl"):
        pytest.skip("needs root: perl -e opens /dev/null, and no device opens on a user namespace's overlay")
    command, text = DEBIAN[program]
    opts = kw.pop("opts", [])
    who = kw.pop("who", dict)()
    before = host_state(debian_root)
    proc, records = status_of("exec", *opts, debian_root, *command, **kw, **who,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert proc.returncode == 0 and text in proc.stdout, proc
    assert entered(records)["method"] == method
    before.check()


# -- what lies in the root is not asked anything -----------------------------------------------

@need_root
@need_static
@need_tool("strace")
@pytest.mark.parametrize("opts", [[], ["--user=1000", "--cap-add=KILL"], ["--unshare=pid", "--init"]],
                         ids=lambda o: " ".join(o) or "plain")
def test_proc_of_the_root_is_not_opened(bbox, scratch, opts):
    """A FIFO at /proc/PID/status inside would hang whoever reads it, a file there would lie to him."""
    trace = scratch / "trace"
    proc = inroot("exec", *opts, bbox, "/bin/static-true",
                  wrapper=["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2,pivot_root"])
    assert proc.returncode == 0, proc
    before, after = trace.read_text().split("pivot_root(", 1)
    assert '"/proc"' in before
    assert "/proc" not in after, after


@need_root
@need_static
def test_root_of_another_mount_namespace(bbox):
    """EINVAL from open_tree is final: no chroot into what can't be cloned."""
    with subprocess.Popen(["unshare", "-m", "sleep", "60"]) as other:
        try:
            wait_until(lambda: os.stat(f"/proc/{other.pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino)
            proc = inroot("exec", f"/proc/{other.pid}/root{bbox}", "/bin/echo", "RAN")
        finally:
            other.kill()
    assert proc.stdout == ""
    assert "hint: " in assert_fails(proc, 125, "open_tree", "EINVAL")
