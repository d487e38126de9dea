# SPDX-License-Identifier: MIT
"""Names and sysctls of a joined namespace: written there, and never where the caller lives too."""
import pathlib
import socket

import pytest

from conftest import assert_fails, exec_in, need_root, need_tool, run
from joining import OF_HOST, container

HOST_UTS, HOST_NET = "--join=uts:/proc/self/ns/uts", "--join=net:/proc/self/ns/net"
FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


@pytest.fixture
def target(bbox, unchanged_host):
    with container(bbox, *OF_HOST) as pid:
        yield pid


@need_root
@need_tool("nsenter")
def test_hostname(bbox, target):
    before = socket.gethostname()
    got = exec_in(bbox, "/bin/sh", "-c", "hostname",
                  opts=[f"--join=uts:/proc/{target}/ns/uts", "--hostname=from-outside"])
    assert (got.returncode, got.stdout) == (0, "from-outside\n"), got.stderr
    assert run("nsenter", "-t", target, "-u", "hostname").strip() == "from-outside"
    assert socket.gethostname() == before


@need_root
@need_tool("nsenter")
def test_sysctl(bbox, target):
    before = FORWARD.read_text()
    got = exec_in(bbox, "/bin/sh", "-c", "echo RAN",
                  opts=[f"--join=net:/proc/{target}/ns/net", "--sysctl=net.ipv4.ip_forward=1"])
    assert (got.returncode, got.stdout) == (0, "RAN\n"), got.stderr
    assert run("nsenter", "-t", target, "-n", "cat", FORWARD) == "1\n"
    assert FORWARD.read_text() == before


@need_root
@pytest.mark.parametrize("opts", [[HOST_UTS, "--hostname=mine"], [HOST_UTS, "--sysctl=kernel.domainname=mine"],
                                  [HOST_NET, "--sysctl=net.ipv4.ip_forward=1"]], ids=" ".join)
def test_own_is_refused(bbox, opts, unchanged_host):
    before = socket.gethostname(), FORWARD.read_text(), pathlib.Path("/proc/sys/kernel/domainname").read_text()
    got = exec_in(bbox, "/bin/sh", "-c", "echo RAN", opts=opts)
    assert_fails(got, 125)
    assert opts[1].split("=")[0] in got.stderr and "the caller's own" in got.stderr
    assert before == (socket.gethostname(), FORWARD.read_text(),
                      pathlib.Path("/proc/sys/kernel/domainname").read_text())
