# SPDX-License-Identifier: MIT
"""What is read-only by mount(2), where the newer calls are missing or denied."""
import os
import signal
import subprocess

import pytest

from conftest import exec_in, need_root, need_tool, private_mounts, run
from denying import way  # noqa: F401: a fixture

TRY = "for d in / /a /a/sub /b /b/sub; do echo x 2>&- >$d/w && echo wrote $d; done; ls /a /b; true"


@need_root
@private_mounts
def test_read_only_root(bbox, way):  # noqa: F811
    """With a mount below, and one that another covers, whose place is not to be found."""
    for name in ("a/sub", "b/sub"):
        (bbox / name).mkdir(parents=True)
        run("mount", "-t", "tmpfs", "below", bbox / name)
    run("mount", "-t", "tmpfs", "cover", bbox / "b")
    proc = exec_in(bbox, "/bin/sh", "-c", TRY, opts=["--ro"], **way)
    assert proc.returncode == 0, proc.stderr
    assert "wrote" not in proc.stdout and "sub" in proc.stdout, (proc.stdout, proc.stderr)


@need_root
@need_tool("strace")
@private_mounts
def test_way_to_a_mount_is_exchanged(bbox, scratch, payloads, way):  # noqa: F811
    """Directories above a mount are exchanged between the look at the list of mounts and that at its place: it was
    taken for a covered one, and could be written to."""
    if not way:
        pytest.skip("the newer calls change all of a tree at once")
    for name in ("a/sub", "b/sub"):
        (bbox / name).mkdir(parents=True)
    run("mount", "-t", "tmpfs", "below", bbox / "a/sub")
    late = ["strace", "-f", "-o", scratch / "trace", "-e", "trace=openat2,openat",
            "-e", "inject=openat2,openat:delay_enter=10000:when=8+"]
    with subprocess.Popen([payloads["swapper"], "-1", "1000000000", "60", "d", bbox / "a", bbox / "b", "-"],
                          stdout=subprocess.DEVNULL) as beside:
        try:
            for _ in range(16):
                proc = exec_in(bbox, "/bin/sh", "-c", TRY, opts=["--ro"], wrapper=late, **way)
                assert "wrote" not in proc.stdout, proc.stdout
                assert proc.returncode in (0, 125), proc.stderr
        finally:
            os.kill(beside.pid, signal.SIGTERM)
