# SPDX-License-Identifier: MIT
"""Mistakes that were made once in `inroot unpack`: each test fails on the code that had one."""
import gzip
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time

import pytest

from conftest import INROOT, TIMEOUT, inroot, need_root, need_static, need_tool, private_mounts
from tarball import directory, file, hard, pax, sym, tar, xz

DATA = ["--enter=confined", "--policy=data"]
STRICT = ["--enter=confined", "--policy=strict"]


@pytest.fixture
def top(scratch):
    """A root beside a file that no link may lead to."""
    (scratch / "root").mkdir()
    (scratch / "secret").mkdir()
    (scratch / "secret/pw").write_text("SECRET\n")
    return scratch / "root"


def unpack(root, parts, *opts, data=None, **kw):
    return inroot("unpack", *opts, root, input=tar(parts) if data is None else data, text=False,
                  stdin=None, **kw)


def said(proc):
    return proc.stderr.decode("ascii")


LEADS_OUT = {
    "dotdot-behind-a-link": [sym("l", "."), sym("k", "l/../secret/pw")],
    "link-below-a-link": [sym("l", "."), sym("l/k", "../secret/pw")],
    "hard-link-to-a-link": [directory("d"), directory("d/e"), sym("d/e/k", "../x"), hard("k", "d/e/k")],
}


@pytest.mark.parametrize("case", LEADS_OUT)
@pytest.mark.parametrize("opts", [DATA, STRICT], ids=["data", "strict"])
def test_no_link_leads_out_of_the_root(case, opts, top):
    """CVE-2025-4330, CVE-2025-4138: a link's depth as text is not where it is."""
    proc = unpack(top, LEADS_OUT[case], *opts)
    assert proc.returncode == 1, said(proc)
    assert not (top / "k").is_symlink()


def test_links_that_stay_inside(top):
    parts = [directory("a"), directory("a/b"), sym("a/b/up", "../../c"), sym("a/l", "b/up"), sym("m", "./a//b")]
    proc = unpack(top, parts, *DATA)
    assert proc.returncode == 0, said(proc)
    assert os.readlink(top / "a/b/up") == "../../c"


def test_the_directory_is_a_boundary(top):
    (top / "home/u").mkdir(parents=True)
    (top / "etc").mkdir()
    proc = unpack(top, [sym("l", "../../etc"), file("l/passwd")], "--directory=home/u", *DATA)
    assert proc.returncode == 1, said(proc)
    assert not list((top / "etc").iterdir())


def test_metadata_of_a_directory_is_not_another_s(top):
    """An inode number is used again; and a final link was followed when times were set."""
    parts = [directory("a", mode=0o777, mtime=1000), sym("a", "c"), file("c/f")]
    proc = unpack(top, parts, "--enter=confined", "--policy=layer", "--no-same-owner")
    assert proc.returncode == 0, said(proc)
    assert stat.S_IMODE((top / "c").stat().st_mode) == 0o755
    assert (top / "c").stat().st_mtime > 1000


def test_an_implied_directory_is_tightened_at_once(top):
    proc = unpack(top, [file("s/f"), directory("s", mode=0o700)], "--enter=confined", "--max-entries=2",
                  data=tar([file("s/f"), directory("s", mode=0o700)], end=b"garbage" * 200))
    assert proc.returncode == 1
    assert stat.S_IMODE((top / "s").stat().st_mode) == 0o700


def test_a_sticky_bit_stays(top):
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    assert unpack(top, [directory("tmp", mode=0o777)], *DATA).returncode == 0
    assert stat.S_IMODE((top / "tmp").stat().st_mode) == 0o1777


def test_the_umask_counts_after_an_acl(top):
    parts = [pax({"SCHILY.acl.access": "user::rwx,group::rwx,other::rwx"}), file("f", mode=0o600)]
    proc = unpack(top, parts, "--acls", "--no-same-permissions", *DATA, umask=0o077)
    assert proc.returncode == 0, said(proc)
    assert stat.S_IMODE((top / "f").stat().st_mode) == 0o600


def test_excluded_entries_count(top):
    parts = [file(f"e{i}") for i in range(50)]
    proc = unpack(top, parts, "--max-entries=5", "--exclude=e*", *DATA)
    assert proc.returncode == 1 and "--max-entries" in said(proc)


@pytest.mark.parametrize("pattern", ["**/*.pyc", "**x*y", "**[x]*[x]*[a-y]z"])
def test_patterns_cost_little(pattern, top):
    """Matching each leading directory again took 0.1 s an entry."""
    parts = [pax({"path": "x/" * 1020 + f"f{i}"}) + file("n") for i in range(100)]
    begun = time.monotonic()
    proc = unpack(top, parts, f"--exclude={pattern}", "--include=zz", *DATA)
    assert proc.returncode == 0, said(proc)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("name", ["BZhang.txt", "070701-report.csv", "LZIP.md", "\x1f\x8bx"])
def test_a_name_is_no_magic_number(name, top):
    proc = unpack(top, [file(name)], *DATA)
    assert proc.returncode == 0, said(proc)
    assert (top / name).read_bytes() == b"data\n"


def test_a_descriptor_is_named_once(top):
    proc = unpack(top, [], "--exclude-from=fd:0", *DATA, data=b"pattern\n")
    assert proc.returncode == 2 and "twice" in said(proc)


@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_a_summary_that_is_lost(option, top):
    with open("/dev/full", "wb") as full:
        proc = unpack(top, [file("a")], option, *DATA, stdout=full, stderr=subprocess.PIPE)
    assert proc.returncode == 125 and "ENOSPC" in said(proc)


def test_strict_takes_no_second_link(top):
    proc = unpack(top, [file("a"), hard("b", "a"), hard("b", "a")], *STRICT)
    assert proc.returncode == 1


def test_strict_wants_the_whole_end(top):
    proc = unpack(top, [], *STRICT, data=tar([file("a")], end=bytes(512)))
    assert proc.returncode == 1


def test_a_hard_link_does_not_destroy_its_target(top):
    parts = [directory("d"), file("d/f"), sym("l", "d"), hard("d", "l/f")]
    proc = unpack(top, parts, "--enter=confined", "--policy=layer", "--no-same-owner")
    assert proc.returncode == 1
    assert (top / "d/f").read_bytes() == b"data\n"


def test_a_hard_link_to_a_directory_is_the_archive_s_fault(top):
    proc = unpack(top, [directory("d"), hard("h", "d")], *DATA)
    assert proc.returncode == 1 and "directory" in said(proc)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, xz], ids=["plain", "gz", "xz"])
def test_an_archive_that_does_not_wait(pack, top):
    """Some parents leave a pipe in non-blocking mode."""
    data = pack(tar([file("a", os.urandom(100000))]))
    r, w = os.pipe()
    os.set_blocking(r, False)
    proc = subprocess.Popen([INROOT, "unpack", *DATA, top], stdin=r, stderr=subprocess.PIPE)
    for half in (data[:50000], data[50000:]):
        time.sleep(0.2)
        with open(os.dup(w), "wb") as pipe:
            pipe.write(half)
    os.close(w)
    assert proc.wait(TIMEOUT) == 0, proc.stderr.read()
    proc.stderr.close()
    os.close(r)
    assert (top / "a").stat().st_size == 100000


@need_root
@need_tool("xz")
@pytest.mark.parametrize("script, status", [("kill -9 $$", 125), ("exit 7", 1), ("exec sleep 1000 >&-", None)])
@private_mounts
def test_a_program_that_fails(script, status, top):
    """Killed (no memory): the system's fault. One that does not end can be interrupted."""
    fake = top.parent / "xz"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    subprocess.run(["mount", "--bind", fake, "/usr/bin/xz"], check=True)
    proc = subprocess.Popen([INROOT, "unpack", top], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    proc.stdin.write(xz(tar([file("a")])))
    proc.stdin.close()
    if status is None:
        time.sleep(1)
        proc.send_signal(signal.SIGTERM)
        status = -signal.SIGTERM
    assert proc.wait(TIMEOUT) == status, proc.stderr.read()


@need_root
@need_tool("xz")
@private_mounts
def test_a_program_has_no_power(top):
    """It reads hostile bytes: no capabilities, no way to write a file."""
    seen, fake = top.parent / "seen", top.parent / "xz"
    seen.write_text("")
    # What it is allowed comes back as the name of a file.
    fake.write_text(f"#!/bin/sh\n(echo written > {seen}) 2>/dev/null\ncd /proc/self || exit 1\n"
                    "s=$(grep -E 'CapEff|CapPrm|NoNewPrivs' status | tr -d '[:space:]')\n"
                    f"exec {sys.executable} -c 'import io,sys,tarfile\n"
                    "t=tarfile.open(fileobj=sys.stdout.buffer,mode=\"w|\")\n"
                    "t.addfile(tarfile.TarInfo(sys.argv[1]))\nt.close()' \"$s\"\n")
    fake.chmod(0o755)
    subprocess.run(["mount", "--bind", fake, "/usr/bin/xz"], check=True)
    proc = unpack(top, [], data=xz(tar([file("a")])))
    assert proc.returncode == 0, said(proc)
    assert [n.name for n in top.iterdir()] == ["CapPrm:0000000000000000CapEff:0000000000000000NoNewPrivs:1"]
    assert seen.read_text() == ""


@pytest.mark.parametrize("how", ["sync-fd", "exclude-from"])
def test_waits_can_be_ended(how, top):
    r, w = os.pipe()
    fifo = top.parent / "fifo"
    os.mkfifo(fifo)
    option = f"--sync-fd={r}" if how == "sync-fd" else f"--exclude-from={fifo}"
    with open(top.parent / "a.tar", "wb") as archive:
        archive.write(tar([file("a")]))
    with subprocess.Popen([INROOT, "unpack", option, *DATA, top, top.parent / "a.tar"], pass_fds=(r,),
                          stderr=subprocess.DEVNULL) as proc:
        time.sleep(0.5)
        proc.send_signal(signal.SIGTERM)
        assert proc.wait(TIMEOUT) == -signal.SIGTERM
    os.close(r)
    os.close(w)
    assert not list(pathlib.Path(top).iterdir())


@need_static
def test_little_address_space(top):
    """What is large is mapped when it is needed, and not part of every run."""
    proc = subprocess.run(["sh", "-c", f"ulimit -v 16000; exec {INROOT} --version"], capture_output=True)
    assert proc.returncode == 0
