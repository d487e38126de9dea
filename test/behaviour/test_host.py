# SPDX-License-Identifier: MIT
"""The host after many runs at once, and mounts that come and go while a payload runs."""
import concurrent.futures
import functools
import os
import pathlib

import pytest

from conftest import (ROOT_CALLER, SANITIZED, Running, exec_in, give, host_state, libc, need_root,
                      need_tool, need_userns, ordinary, private_mounts, run, wait_until)

CLONE_NEWPID = 0x20000000
RUNS = 5000 if os.environ.get("INROOT_SOAK") == "1" else 40 if SANITIZED else 200
AT_ONCE = 20
INIT = ["--unshare=pid", "--init"]
# name: (options, is it an ordinary user, does it make a directory in ROOT)
WAYS = {
    "tmpdir": (["--pivot=tmpdir"], False, True),
    "stacked": (["--pivot=stacked"], False, False),
    "chroot": (["--enter=chroot"], False, False),
    "user": ([], True, True),
    "init": (INIT, False, True),
    "user-init": ([*INIT, "--pivot=stacked"], True, False),
}


def ways(*names):
    return pytest.mark.parametrize("way", [
        pytest.param(name, marks=need_userns if WAYS[name][1] else need_root) for name in names or WAYS])


def alone(test):
    """Decorator: the body is the first process of a pid namespace with a procfs, and its mounts are
    shared, as they are on most hosts: what it does not see there is not left."""
    @private_mounts
    def first_process(*args, **kw):
        run("mount", "-t", "proc", "proc", "/proc")
        run("mount", "--make-rshared", "/")
        test(*args, **kw)

    @functools.wraps(test)
    @private_mounts
    def wrapper(*args, **kw):
        assert libc.unshare(CLONE_NEWPID) == 0
        first_process(*args, **kw)
    return wrapper if ROOT_CALLER else test


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def mount_namespaces():
    return {os.readlink(f"/proc/{pid}/ns/mnt") for pid in processes()}


@ways()
@alone
def test_many_runs_at_once(bbox, way):
    """Mounts, ROOT's listing, mode and owner are the same; no process, no namespace is left."""
    opts, user, makes_directory = WAYS[way]
    who = ordinary() if user else {}
    if user and ROOT_CALLER:
        give(bbox)
    before, modified = host_state(bbox), bbox.stat().st_mtime_ns
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        started = [pool.submit(exec_in, bbox, "/bin/static-true", opts=opts, **who) for _ in range(RUNS)]
        ended = [run_.result() for run_ in started]
    assert not [proc for proc in ended if (proc.returncode, proc.stdout, proc.stderr) != (0, "", "")]
    before.check()
    if not makes_directory:
        assert bbox.stat().st_mtime_ns == modified
    if ROOT_CALLER:
        assert processes() == {os.getpid()}
        assert mount_namespaces() == {os.readlink("/proc/self/ns/mnt")}


@ways("tmpdir", "user")
@alone
def test_modification_time_after_many_runs(bbox, way):
    opts, user, _ = WAYS[way]
    who = ordinary() if user else {}
    if user and ROOT_CALLER:
        give(bbox)
    before = host_state(bbox)
    os.utime(bbox, ns=(10**18, 10**18 + 7))
    for _ in range(RUNS // AT_ONCE):
        assert exec_in(bbox, "/bin/static-true", opts=opts, **who).returncode == 0
        assert bbox.stat().st_mtime_ns == 10**18 + 7
    before.check()


@need_root
@alone
def test_namespaces_are_gone_with_the_run(bbox):
    """The same count sees the namespaces of a run that is under way."""
    with Running("exec", *INIT, bbox, "/bin/cat") as box:
        assert box.record("payload")
        assert len(mount_namespaces()) == 2 and len(processes()) > 2
        box.proc.stdin.close()
        assert box.proc.wait(10) == 0
    assert processes() == {os.getpid()}


# -- mounts, while a payload runs --------------------------------------------------------------

SHOW = "echo up; read go; ls -A /mnt /etc; echo end"


@need_root
@ways("tmpdir", "stacked", "user", "init", "user-init")
@pytest.mark.parametrize("opts", [[], ["--ro"]], ids=lambda o: " ".join(o) or "plain")
@private_mounts
def test_mounts_of_the_host_do_not_arrive(bbox, way, opts):
    """Below a ROOT that is a plain directory on a shared mount, on one of its submounts, and on ROOT."""
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "sub", bbox / "mnt")
    (bbox / "mnt/below").mkdir()
    with Running("exec", *WAYS[way][0], *opts, bbox, "/bin/sh", "-c", SHOW,
                 **(ordinary() if WAYS[way][1] else {})) as box:
        assert box.line() == "up\n"
        for place in (bbox / "mnt/below", bbox / "etc", bbox / "mnt", bbox):
            run("mount", "-t", "tmpfs", "late", place)
            (place / "LATE").write_text("")
        out, _ = box.proc.communicate(b"go\n", 10)
        assert out == b"/etc:\ninside\n\n/mnt:\nbelow\nend\n"


@need_root
@ways("tmpdir", "stacked", "user", "init", "user-init")
@private_mounts
def test_mounts_of_the_payload_do_not_get_out(bbox, way):
    """One that was given CAP_SYS_ADMIN mounts inside; the host sees nothing of it, during or after."""
    run("mount", "--make-rshared", "/")
    run("mount", "--bind", bbox, bbox)
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    with Running("exec", *WAYS[way][0], "--cap-add=SYS_ADMIN", bbox, "/bin/sh", "-c",
                 "mount -t tmpfs inner /mnt && echo x > /mnt/file && mount --bind /mnt /etc && echo up; read go",
                 **(ordinary() if WAYS[way][1] else {})) as box:
        assert box.line() == "up\n"
        assert pathlib.Path("/proc/self/mountinfo").read_text() == before
        assert os.listdir(bbox / "mnt") == [] and os.listdir(bbox / "etc") == ["inside"]
        box.proc.communicate(b"go\n", 10)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before


@need_root
@need_tool("mkfs.ext4", "findmnt")
@pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="needs loop devices")
@ways("tmpdir", "stacked", "user", "init", "user-init")
@private_mounts
def test_unmounting_on_the_host_while_a_payload_runs(bbox, scratch, way):
    """The box holds no mount of the host but ROOT's: a file system can be given back meanwhile."""
    run("mount", "--make-rshared", "/")
    (scratch / "image").write_bytes(b"")
    os.truncate(scratch / "image", 8 << 20)
    (scratch / "place").mkdir()
    run("mkfs.ext4", "-q", scratch / "image")
    run("mount", "-o", "loop", scratch / "image", scratch / "place")
    device = run("findmnt", "-n", "-o", "SOURCE", scratch / "place").strip()
    with Running("exec", *WAYS[way][0], bbox, "/bin/sh", "-c", "echo up; read go",
                 **(ordinary() if WAYS[way][1] else {})) as box:
        assert box.line() == "up\n"
        run("umount", scratch / "place")
        released = pathlib.Path("/sys/block", pathlib.Path(device).name, "loop/backing_file")
        assert wait_until(lambda: not released.exists()), "the file system is still held"
        box.proc.communicate(b"go\n", 10)
