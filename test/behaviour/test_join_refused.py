# SPDX-License-Identifier: MIT
"""--join and --target: targets that are gone, sources that are something else, options that can't be meant."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import INROOT, ROOT_CALLER, assert_fails, exec_in, inroot, need_root, wait_until
from joining import by_target, container


# -- what is not there any more, or is something else ------------------------------------------

def a_dead_process():
    proc = subprocess.Popen(["sleep", "1000"])
    pidfd = os.pidfd_open(proc.pid)
    proc.kill()
    return proc, pidfd


def test_dead_targets(bbox, unchanged_host):
    """Ended and not waited for; waited for; a number that nobody has."""
    proc, pidfd = a_dead_process()
    wait_until(lambda: pathlib.Path(f"/proc/{proc.pid}/stat").read_text().split(") ")[1][0] == "Z")
    for reaped in (False, True):
        for target in (f"fd:{pidfd}", proc.pid):
            got = exec_in(bbox, "/bin/true", opts=["--join=net", f"--target={target}"], pass_fds=[pidfd])
            assert_fails(got, 125, "open-join", "ESRCH")
        if not reaped:
            proc.wait()
    os.close(pidfd)


@need_root
def test_number_that_is_another_process_by_now(bbox, unchanged_host):
    """A pidfd stays with its process, whoever has the number afterwards."""
    last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    program = f"""
import os, subprocess, sys
proc = subprocess.Popen(["sleep", "1000"])
pidfd = os.pidfd_open(proc.pid)
proc.kill(); proc.wait()
with open({str(last)!r}, "w") as file:
    file.write(str(proc.pid - 1))
other = subprocess.Popen(["sleep", "1000"])
print(other.pid == proc.pid, flush=True)
got = subprocess.run([sys.argv[1], "exec", "--join=net", f"--target=fd:{{pidfd}}", sys.argv[2], "/bin/true"],
                     pass_fds=[pidfd])
other.kill()
sys.exit(got.returncode)
"""
    # In a pid namespace of its own nobody else takes the number.
    got = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c",
                          program, INROOT, bbox], capture_output=True, text=True, timeout=30)
    if got.stdout != "True\n":
        pytest.skip("needs kernel.ns_last_pid to give a number twice")
    assert_fails(got, 125, "--target", "the process has ended", "ESRCH")


def odd_sources(scratch):
    (scratch / "file").write_text("x")
    os.mkfifo(scratch / "fifo")
    return {str(scratch): "no namespace", scratch / "file": "no namespace", scratch / "fifo": "no namespace",
            "/dev/null": "no namespace", "/proc/self/status": "no namespace", scratch / "none": "ENOENT",
            "/proc/self/ns/uts": "another type", "/proc/self/ns": "no namespace"}


def test_sources_that_are_something_else(bbox, scratch, unchanged_host):
    for source, text in odd_sources(scratch).items():
        got = exec_in(bbox, "/bin/true", opts=[f"--join=net:{source}"], timeout=10)
        assert_fails(got, 125, "open-join", text)


def test_descriptors_that_are_something_else(bbox, scratch, unchanged_host):
    fds = [os.open(name, os.O_RDONLY) for name in ("/", "/dev/null", "/proc/self/ns/uts")]
    fds += [os.open("/proc/self/ns/net", os.O_PATH | os.O_NOFOLLOW), *os.pipe(), os.pidfd_open(os.getpid())]
    for fd in fds:
        got = exec_in(bbox, "/bin/true", opts=[f"--join=net:fd:{fd}"], pass_fds=[fd])
        assert_fails(got, 125, "open-join")
        if fd != fds[-1]:
            got = exec_in(bbox, "/bin/true", opts=["--join=net", f"--target=fd:{fd}"], pass_fds=[fd])
            assert_fails(got, 125, "open-join", "no pidfd")
    for fd in fds:
        os.close(fd)


def test_target_of_another_pid_namespace(bbox, unchanged_host):
    """A pidfd whose process has no number where we are."""
    outside = os.pidfd_open(os.getpid())
    user = [] if ROOT_CALLER else ["-Ur"]
    got = subprocess.run(["unshare", *user, "--mount", "--pid", "--fork", "--mount-proc", INROOT, "exec",
                          "--join=net", f"--target=fd:{outside}", bbox, "/bin/true"],
                         pass_fds=[outside], capture_output=True, text=True, timeout=20)
    os.close(outside)
    if "unshare" in got.stderr:
        pytest.skip("needs unshare: " + got.stderr)
    assert_fails(got, 125, "--target", "not one of this pid namespace")


@need_root
def test_pid_namespace_without_a_pid_1(bbox, unchanged_host):
    with container(bbox, "--unshare=pid,net") as pid:
        fd = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
    got = exec_in(bbox, "/bin/true", opts=[f"--join=pid:fd:{fd}"], pass_fds=[fd])
    os.close(fd)
    assert "its pid 1 has ended" in assert_fails(got, 125, "fork", "ENOMEM")


# -- usage -------------------------------------------------------------------------------------

USAGE = [
    (["--join=net"], "there is no --target"),
    (["--join=net:"], "empty"),
    (["--join="], "no such namespace"),
    (["--join=nets:/x"], "no such namespace"),
    (["--join=net,uts:/x"], "no such namespace"),
    (["--join=mount:/x"], "no such namespace"),
    (["--join=net:/x", "--join=net:/y"], "named before"),
    (["--target=1"], "no --join without a SOURCE"),
    (["--target=1", "--join=net:/x"], "no --join without a SOURCE"),
    (["--join=net", "--target=1", "--target=1"], "given before"),
    (["--join=net", "--target=0"], "--target"),
    (["--join=net", "--target=-1"], "--target"),
    (["--join=net", "--target=01"], "--target"),
    (["--join=net", "--target=2147483648"], "--target"),
    (["--join=net", "--target=self"], "--target"),
    (["--join=net", "--target="], "--target"),
    (["--join=net", "--target=fd:99"], "EBADF"),
    (["--join=net", "--target=fd:"], "--target"),
    (["--join=net:fd:99"], "EBADF"),
    (["--join=net:fd:x"], "--join"),
    (["--join=net:fd:0", "--join=uts:fd:0"], "named twice"),
    (["--join=net:fd:0", "--pass-fd=0"], "named twice"),
    (["--join=net:fd:0", "--join=uts", "--target=fd:0"], "named twice"),
    (["--join=net:/x", "--unshare=net"], "--unshare"),
    (["--join=pid:/x", "--unshare=pid"], "--unshare"),
    (["--join=pid:/x", "--init"], "pid 1"),
    (["--join=user:/x", "--unshare=user"], "--unshare"),
    (["--join=user:/x", "--map-root-user"], "--map"),
    (["--join=user:/x", "--map-auto"], "--map"),
    (["--join=net:/x", "--hostname=x"], "--unshare=uts"),
    (["--join=uts:/x", "--sysctl=net.ipv4.ip_forward=1"], "--unshare"),
    (["--join=mnt:/x", "--overlay=/a:/b"], "--overlay"),
    (["--join=mnt:/x", "--enter=joined"], "no such method"),
]


@pytest.mark.parametrize("opts,text", USAGE, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_usage(bbox, opts, text, unchanged_host):
    assert_fails(exec_in(bbox, "/bin/true", opts=opts), 125, "usage", text)


@pytest.mark.parametrize("root,opts,text", [("fd:0", [], "a path in there"), ("/", ["--ro"], "as it is"),
                                            ("//", ["--overlay=tmpfs"], "as it is")], ids=str)
def test_usage_of_mounts(root, opts, text):
    assert_fails(exec_in(root, "/bin/true", opts=["--join=mnt:/x", *opts]), 125, "usage", text)


def test_unpack_joins_nothing(bbox):
    assert_fails(inroot("unpack", "--join=net:/proc/self/ns/net", bbox), 2, "unknown option")


def test_dry_run(bbox, unchanged_host):
    kinds = ("user", "mnt", "pid")
    proc = exec_in("/", "x", opts=["--dry-run", "--join=net:/nowhere", *by_target(999999, kinds)])
    assert proc.returncode == 0, proc
    plan = json.loads(proc.stdout)
    assert plan["enter"] == ["joined"] and "uid" not in plan
    assert plan["join"] == [{"type": "net", "source": "/nowhere"}, *({"type": t, "target": "999999"}
                            for t in kinds)]
    steps = plan["steps"]
    assert [s for s in steps if s in ("open-join", "join", "open-root", "fork", "entered")] == [
        "open-join", "join", "open-root", "entered", "fork"]
    plan = json.loads(exec_in(bbox, "x", opts=["--dry-run", "--join=time:/x"]).stdout)
    assert [s for s in plan["steps"] if s in ("open-join", "join", "open-root", "fork", "change-root")] == [
        "open-join", "open-root", "join", "fork", "change-root"]
