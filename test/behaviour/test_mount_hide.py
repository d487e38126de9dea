# SPDX-License-Identifier: MIT
"""Masks and read-only paths: what the payload must not see, and what it must not change."""
import os
import pathlib
import socket
import subprocess

import pytest

from conftest import (INROOT, ROOT_CALLER, assert_fails, exec_in, give, need_root, need_userns, ordinary, private_mounts,
                      run)
from denying import way  # noqa: F401: a fixture

PROC = ["--unshare=pid", "--mount=type=proc,dst=/proc"]


def callers():
    yield pytest.param("root", marks=need_root)
    yield pytest.param("user", marks=need_userns)


@pytest.fixture(params=callers())
def who(request, bbox):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    if request.param == "root":
        return {}
    if ROOT_CALLER:
        give(bbox)
    return {"opts": ["--map-root-user"], "run": ordinary()}


def start(root, who, way, opts, script):
    return exec_in(root, "/bin/sh", "-c", script, opts=[*who.get("opts", []), *opts], **who.get("run", {}), **way)


def inside(root, who, way, opts, script):
    proc = start(root, who, way, opts, script)
    assert proc.returncode == 0, (proc.stdout, proc.stderr)
    return proc.stdout


@pytest.fixture
def filled(bbox):
    """One of each kind, with something to see in it. Asked for before `who`, who is to own it."""
    root = bbox
    (root / "secret").mkdir()
    (root / "secret/file").write_text("secret\n")
    (root / "etc/shadow").write_text("secret\n")
    (root / "etc/to-file").symlink_to("/etc/shadow2")
    (root / "etc/shadow2").write_text("secret\n")
    (root / "etc/to-directory").symlink_to("../second")
    (root / "second").mkdir()
    (root / "second/file").write_text("secret\n")
    (root / "etc/dangling").symlink_to("/none")
    os.mkfifo(root / "etc/fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(root / "etc/socket"))
    return root


MASKS = ["/secret", "/etc/shadow", "/etc/to-file", "/etc/to-directory", "/etc/dangling", "/etc/fifo", "/etc/socket",
         "/etc/none", "/none/at/all"]


# -- masks -------------------------------------------------------------------------------------

def test_masks_of_every_kind(filled, who, way, unchanged_host):  # noqa: F811
    out = inside(filled, who, way, [f"--mask={m}" for m in MASKS], """
        for f in /etc/shadow /etc/shadow2 /etc/fifo /etc/socket; do stat -c '%n %F %t:%T' $f; cat $f; done
        for d in /secret /second; do ls -A $d; mkdir $d/x 2>&1 | grep -c 'Read-only'; done
        cat /etc/inside; ls /etc/dangling /etc/none /none 2>/dev/null; true""")
    null = "character special file 1:3"
    assert out.splitlines() == [f"/etc/shadow {null}", f"/etc/shadow2 {null}", f"/etc/fifo {null}",
                                f"/etc/socket {null}", "1", "1", "inside"]
    assert (filled / "etc/shadow").read_text() == (filled / "secret/file").read_text() == "secret\n"


def mount_lines(text, field=4):
    return [line.split()[field] for line in text.splitlines()]


def test_a_mask_named_twice_is_one(filled, who, way):  # noqa: F811
    again = ["/secret", "/secret/", "//secret/.", "/etc/../secret", "/etc/to-file", "/etc/shadow2", "/etc/./shadow2"]
    lines = inside(filled, who, way, [*PROC, *(f"--mask={m}" for m in again)], "cat /proc/self/mountinfo")
    points = mount_lines(lines)
    assert points.count("/secret") == 1 and points.count("/etc/shadow2") == 1, lines


def test_directories_share_one_file_system(bbox, who, way):  # noqa: F811
    names = [f"/d/{i}" for i in range(200)]
    for name in names:
        (bbox / name[1:]).mkdir(parents=True)
    if who and ROOT_CALLER:
        give(bbox)
    out = inside(bbox, who, way, [f"--mask={n}" for n in names], "stat -c %d /d/* | sort -u | wc -l; ls -A /d/0 /d/199")
    assert out.split() == ["1", "/d/0:", "/d/199:"]


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_mask_holds_under_a_mount(bbox, scratch, who, way, kind):  # noqa: F811
    """What is mounted at the path, or above it, is what is masked."""
    (scratch / "sub").mkdir()
    (scratch / "sub/secret").write_text("secret\n")
    target = "/mnt/sub" if kind == "directory" else "/mnt/sub/secret"
    out = inside(bbox, who, way, [f"--mask={target}", f"--mount=type=bind,src={scratch},dst=/mnt"],
                 "cat /mnt/sub/secret 2>/dev/null; ls -A /mnt/sub")
    assert out == ("" if kind == "directory" else "secret\n")
    assert (scratch / "sub/secret").read_text() == "secret\n"


def test_masks_below_a_procfs(bbox, who, way):  # noqa: F811
    """Those that engines name; what this kernel has of them."""
    paths = ["/proc/acpi", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi",
             "/proc/asound", "/proc/interrupts", "/proc/kcore"]
    out = inside(bbox, who, way, [*PROC, *(f"--mask={p}" for p in paths)],
                 f"for f in {' '.join(paths)}; do test -d $f && ls -A $f; test -f $f && echo $f; cat $f; done 2>/dev/null; true")
    assert out == ""


@pytest.mark.parametrize("path", ["/proc/self/root/etc/inside", "/etc/magic", "/etc/magic/inside"])
def test_no_mask_through_a_magic_link(bbox, who, way, path):  # noqa: F811
    (bbox / "etc/magic").symlink_to("/proc/self/root/etc")
    for option in ("--mask", "--ro-path"):
        proc = start(bbox, who, way, [*PROC, f"{option}={path}"], "echo ran")
        assert_fails(proc, 125, path, "ELOOP")
        assert proc.stdout == ""


def test_what_is_no_directory_is_an_error(bbox, who, way):  # noqa: F811
    assert_fails(start(bbox, who, way, ["--mask=/etc/inside/below"], "echo ran"), 125, "/etc/inside/below", "ENOTDIR")


# -- /dev/null: CVE-2025-31133 -----------------------------------------------------------------

def test_cve_2025_31133_a_link_of_the_images(filled, who, way, scratch):  # noqa: F811
    (filled / "dev/null").symlink_to("/etc/inside")
    if who and ROOT_CALLER:
        give(filled)
    out = inside(filled, who, way, ["--mask=/etc/shadow"], "stat -c '%F %t:%T' /etc/shadow; echo x > /etc/shadow; cat /etc/inside")
    assert out == "character special file 1:3\ninside\n"


@private_mounts
def check_host_null(bbox, fake):
    (bbox / "etc/shadow").write_text("secret\n")
    r, w = os.pipe()
    os.close(w)
    if fake == "missing":
        run("mount", "-t", "tmpfs", "none", "/dev")
    else:
        run("mount", "--bind", fake, "/dev/null")
    proc = subprocess.run([INROOT, "exec", "--mask=/etc/shadow", bbox, "/bin/echo",
                           "ran"], stdin=r, capture_output=True, text=True, timeout=20)
    assert proc.returncode == 125 and proc.stdout == "" and '"/dev/null"' in proc.stderr, proc
    proc = subprocess.run([INROOT, "exec", "--mask=/etc", bbox, "/bin/echo", "ran"], stdin=r, capture_output=True,
                          text=True, timeout=20)
    assert proc.returncode == 0, proc # a directory needs none


@need_root
@pytest.mark.parametrize("kind", ["missing", "file", "other device"])
def test_cve_2025_31133_the_hosts_is_checked(bbox, scratch, kind):
    (scratch / "file").write_text("")
    check_host_null(bbox, {"missing": "missing", "file": scratch / "file", "other device": "/dev/zero"}[kind])


# -- read-only paths ---------------------------------------------------------------------------

def test_read_only_paths(filled, who, way, unchanged_host):  # noqa: F811
    paths = ["/secret", "/etc/shadow", "/etc/to-file", "/etc/to-directory", "/etc/dangling", "/etc/none", "/secret"]
    out = inside(filled, who, way, [f"--ro-path={p}" for p in paths], """
        for f in /secret/file /secret/new /etc/shadow /etc/shadow2 /second/file; do
            (echo changed > $f) 2>&1 | grep -c 'Read-only'; done
        echo changed > /etc/inside; cat /secret/file /etc/shadow /etc/shadow2 /second/file""")
    assert out == "1\n" * 5 + "secret\n" * 4
    assert (filled / "etc/inside").read_text() == "changed\n"


def test_mounts_below_are_read_only_and_keep_their_flags(bbox, who, way):  # noqa: F811
    opts = [*PROC, "--mount=type=tmpfs,dst=/mnt,nosuid", "--mount=type=tmpfs,dst=/mnt/a,noexec,nodev",
            "--mount=type=tmpfs,dst=/mnt/a/b", "--ro-path=/mnt"]
    lines = inside(bbox, who, way, opts, """
        for d in /mnt /mnt/a /mnt/a/b; do mkdir $d/x 2>&1 | grep -c 'Read-only' >&2; done; cat /proc/self/mountinfo""")
    last = {line.split()[4]: set(line.split()[5].split(",")) for line in lines.splitlines()}
    assert {"ro", "nosuid"} <= last["/mnt"] and {"ro", "noexec", "nodev"} <= last["/mnt/a"], lines
    assert "ro" in last["/mnt/a/b"]
    assert "nosuid" not in last["/mnt/a"]


def test_masks_come_after_read_only_paths(filled, who, way):  # noqa: F811
    out = inside(filled, who, way, ["--mask=/secret", "--mask=/etc/shadow", "--ro-path=/", "--ro-path=/etc"], """
        ls -A /secret; cat /etc/shadow; mkdir /x 2>&1 | grep -c 'Read-only'; (echo x > /etc/inside) 2>&1 | grep -c 'Read-only'""")
    assert out == "1\n1\n"


def test_the_payload_cannot_take_them_off(filled, who, way):  # noqa: F811
    """With all capabilities that a user namespace of its own gives it."""
    opts = ["--mask=/secret", "--mask=/etc/shadow", "--ro-path=/second", "--seccomp=none"]
    out = inside(filled, who, way, opts, """
        unshare -Ur sh -c 'umount /secret; umount /etc/shadow; mount -o remount,rw,bind /second; cat /secret/file /etc/shadow;
                           echo x > /second/file' 2>/dev/null; cat /second/file""")
    assert out == "secret\n"


def test_proc_sys_read_only(bbox, who, way):  # noqa: F811
    out = inside(bbox, who, way, [*PROC, "--unshare=pid,uts", "--ro-path=/proc/sys"],
                 "(echo changed > /proc/sys/kernel/hostname) 2>&1 | grep -c 'Read-only'")
    assert out == "1\n"


def test_many(bbox, who):
    """Nothing is left open or quadratic: 1000 of each."""
    for i in range(500):
        (bbox / f"d/{i}").mkdir(parents=True)
        (bbox / f"d/{i}/f").write_text("")
    if who and ROOT_CALLER:
        give(bbox)
    opts = [f"--mask=/d/{i}/f" for i in range(500)] + [f"--ro-path=/d/{i}" for i in range(500)]
    out = inside(bbox, who, {}, opts, "stat -c %t:%T /d/*/f | sort | uniq -c 2>/dev/null || stat -c %t:%T /d/499/f")
    assert "1:3" in out


def test_paths_of_hosts_are_never_touched(bbox, who, way, scratch):  # noqa: F811
    """A link that would lead out stays inside."""
    (scratch / "file").write_text("host\n")
    (bbox / "etc/out").symlink_to(scratch / "file")
    (bbox / "etc/up").symlink_to("../../../../../../../.." + str(scratch))
    if who and ROOT_CALLER:
        give(bbox)
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    out = inside(bbox, who, way, ["--mask=/etc/out", "--mask=/etc/up", "--ro-path=/etc/up"], "echo ran")
    assert out == "ran\n"
    assert (scratch / "file").read_text() == "host\n"
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before
