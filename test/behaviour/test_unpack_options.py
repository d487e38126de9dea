# SPDX-License-Identifier: MIT
"""The options of unpack: what is a usage error, where it goes, what is taken, what gives way."""
import os
import subprocess

import pytest

from conftest import INROOT, assert_fails, error_line, inroot, need_tool
from tarball import directory, file, hard, tar
from unpacking import (as_input, canary, emptied, names, record, root, unpack, unpack_records,
                       unpacked)  # noqa: F401

ONE = tar([file("one")])

# -- usage -------------------------------------------------------------------------------------

BAD = [
    ["--enter=nothing"], ["--enter="], ["--enter"], ["--pivot=none"],
    ["--directory="], ["--directory"], ["--policy=lax"], ["--policy="], ["--policy=Layer"], ["--policy"],
    ["--chown="], ["--chown=0"], ["--chown=0:"], ["--chown=:0"], ["--chown=root:root"], ["--chown=-1:0"],
    ["--chown=4294967295:0"], ["--chown=0:4294967295"], ["--chown=4294967296:0"], ["--chown=00:0"],
    ["--chown=0:0:0"], ["--chown=0 :0"], ["--chown=+1:0"], ["--chown=0x1:0"],
    ["--map-uid=0:0"], ["--map-uid=0"], ["--map-uid=0:0:0"], ["--map-uid=0:0:1:1"], ["--map-uid="],
    ["--map-uid=0:4294967295:1"], ["--map-uid=4294967295:0:1"], ["--map-uid=1:0:4294967295"],
    ["--map-uid=a:b:c"], ["--map-uid=0:-1:1"], ["--map-gid=0:0"], ["--map-gid=0:4294967290:10"],
    ["--devices=maybe"], ["--devices="], ["--xattrs"], ["--xattrs="], ["--acls=yes"],
    ["--no-same-permissions=1"], ["--same-owner=1"], ["--no-same-owner=0"],
    ["--strip-components=-1"], ["--strip-components="], ["--strip-components=x"], ["--strip-components=01"],
    ["--strip-components=1K1"], ["--strip-components=99999999999999999999"],
    ["--include"], ["--include="], ["--exclude"], ["--exclude="], ["--exclude-from"], ["--exclude-from="],
    ["--exclude-from=fd:99"], ["--exclude-from=fd:x"], ["--existing=ask"], ["--existing="],
    ["--no-overwrite-dir=1"], ["--max-bytes="], ["--max-bytes=-1"], ["--max-bytes=1X"], ["--max-bytes=1.5G"],
    ["--max-bytes=1 K"], ["--max-bytes=K"], ["--max-bytes=18446744073709551616"], ["--max-bytes=99999999T"],
    ["--max-bytes=unlimited"], ["--max-entries=x"], ["--max-entries=-1"], ["--max-depth="],
    ["--max-depth=1.0"], ["--max-ratio=x"], ["--max-ratio=1e3"], ["--ignore-zeros=yes"],
    ["--sync=full"], ["--sync="], ["--sync"],
    ["--progress=yes"], ["--progress="], ["--verbose=1"], ["--json=1"], ["--nonsense"], ["-x"], ["-f", "x"],
    ["--status-fd=99"], ["--status-fd=x"], ["--status-fd="], ["--args-fd=99"], ["--sync-fd=99"],
    ["--bad\nname=x"],
    # those of exec alone
    ["--ro"], ["--user=0"], ["--overlay=tmpfs"], ["--unshare=net"], ["--cap-add=ALL"], ["--init"],
    ["--seccomp=none"], ["--workdir=/"], ["--env=A=1"], ["--pass-fd=0"], ["--mount=type=tmpfs,dst=/x"],
]


@pytest.mark.parametrize("opts", BAD, ids=lambda v: ascii(" ".join(v)))
def test_usage_errors(opts, root):
    """They name what is wrong, read nothing and change nothing."""
    with as_input(ONE) as fd:
        proc = inroot("unpack", *opts, root, stdin=fd)
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    assert proc.returncode == 2, proc
    line = error_line(proc)
    assert line.startswith("inroot unpack: ") and "\n" not in line and proc.stdout == ""
    if "=" in opts[0]:
        assert opts[0].partition("=")[0].replace("\n", "\\x0a") in line, line
    assert os.listdir(root) == []


def test_usage_errors_of_operands(root, scratch):
    path = scratch / "own.tar"
    path.write_bytes(ONE)
    for operands in ([], [root, path, "more"], [root, "fd:99"], ["fd:99"], ["fd:"], [root, "fd:01"]):
        proc = inroot("unpack", *operands)
        assert proc.returncode == 2 and proc.stderr.startswith("inroot unpack: "), (operands, proc)
    assert os.listdir(root) == []


def test_one_descriptor_for_two_things(root):
    fd = os.open(root, os.O_RDONLY)
    try:
        proc = inroot("unpack", f"fd:{fd}", f"fd:{fd}", pass_fds=[fd])
        assert proc.returncode == 2, proc
        with as_input(ONE) as archive:
            proc = inroot("unpack", f"--exclude-from=fd:{archive}", root, f"fd:{archive}", pass_fds=[archive])
            assert proc.returncode == 2, proc
    finally:
        os.close(fd)
    assert os.listdir(root) == []


GOOD = [
    [], ["--"], ["--enter=auto"], ["--policy=layer", "--no-same-owner"], ["--policy", "data"],
    ["--directory=/"], ["--directory=."], ["--max-bytes=1K"], ["--max-bytes", "1T"],
    ["--max-bytes=5"], ["--max-entries=1"],
    ["--max-depth=1"], ["--max-ratio=1"], ["--sync=none"], ["--sync=fs"], ["--existing=keep"],
    ["--existing=refuse"], ["--existing=replace"], ["--progress=auto"], ["--progress=never"],
    ["--ignore-zeros"], ["--acls"],
    ["--xattrs=none"], ["--xattrs=*"], ["--xattrs=user.a,user.b*"], ["--no-overwrite-dir"], ["--include=*"],
    ["--include=**"], ["--include=one"], ["--exclude=two", "--exclude=three"], ["--strip-components=0"],
    ["--no-same-permissions"], ["--devices=skip"], ["--devices=refuse"], ["--die-with-parent"],
    ["--pivot=stacked"], ["--exclude-from=/dev/null"],
]


@pytest.mark.parametrize("opts", GOOD, ids=" ".join)
def test_good_options(opts, root):
    unpacked(root, ONE, *opts)
    assert names(root) == ["one"]


@pytest.mark.parametrize("operand,code", [("/nonexistent/root", "ENOENT"), ("/etc/passwd", "ENOTDIR")])
def test_root_is_no_directory(operand, code):
    proc, records = unpack_records(operand, ONE)
    assert_fails(proc, 125, operand, code)
    assert record(records, "error")["code"] == code


def test_help():
    proc = inroot("unpack", "--help")
    assert (proc.returncode, proc.stderr) == (0, "")
    for option in ("directory policy chown map-uid map-gid devices xattrs acls no-same-permissions "
                   "same-owner strip-components include exclude exclude-from existing no-overwrite-dir "
                   "max-bytes max-entries max-depth max-ratio ignore-zeros sync progress verbose json "
                   "enter").split():
        assert f"--{option}" in proc.stdout, option


def test_link_name(root, scratch):
    link = scratch / "own-link" / "unpack-in-root"
    link.parent.mkdir()
    link.symlink_to(INROOT)
    with as_input(ONE) as fd:
        proc = subprocess.run([link, root], stdin=fd, capture_output=True, text=True, timeout=20)
    assert proc.returncode == 0, proc
    assert names(root) == ["one"]


def test_arguments_from_a_descriptor(root):
    long = [f"--exclude=no-such-{'x' * 200}-{i}" for i in range(1000)]
    arguments = "".join(f"{word}\0" for word in [*long, "--exclude=two", "--strip-components=1", str(root)])
    with as_input(arguments.encode()) as fd:
        unpacked_from = [f"--args-fd={fd}"]
        with as_input(tar([file("x/one"), file("two/b")])) as stdin:
            proc = inroot("unpack", *unpacked_from, stdin=stdin, pass_fds=[fd])
    assert proc.returncode == 0, proc
    assert names(root) == ["one"]


# -- the archive -------------------------------------------------------------------------------

def test_archive_by_path(root, scratch):
    path = scratch / "own.tar"
    path.write_bytes(ONE)
    (scratch / "own-link.tar").symlink_to("own.tar")
    for operand in (path, scratch / "own-link.tar", "own.tar"):
        proc = inroot("unpack", emptied(root), operand, cwd=scratch)
        assert (proc.returncode, proc.stderr) == (0, ""), proc
        assert names(root) == ["one"]
    assert path.read_bytes() == ONE


@pytest.mark.parametrize("operand", [[], ["-"], ["fd:0"]], ids=" ".join)
def test_archive_from_standard_input(root, operand):
    with as_input(ONE) as fd:
        proc = inroot("unpack", root, *operand, stdin=fd)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert names(root) == ["one"]


def test_archive_and_root_by_descriptor(root):
    top = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        with as_input(ONE) as fd:
            proc = inroot("unpack", f"fd:{top}", f"fd:{fd}", pass_fds=[fd, top])
    finally:
        os.close(top)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert names(root) == ["one"]


def test_archive_is_read_from_where_the_descriptor_stands(root):
    with as_input(b"#!script\n".ljust(700) + ONE) as fd:
        os.lseek(fd, 700, os.SEEK_SET)
        proc = inroot("unpack", root, "fd:0", stdin=fd)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert names(root) == ["one"]


def test_archive_inside_the_root(root):
    """It is found in the caller's world, before the root is entered."""
    (root / "in.tar").write_bytes(ONE)
    proc = inroot("unpack", root, root / "in.tar")
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert names(root) == ["in.tar", "one"]
    assert inroot("unpack", root, "/in.tar").returncode == 125


def test_archive_missing(root):
    assert_fails(inroot("unpack", root, "/nonexistent/a.tar"), 125, "/nonexistent/a.tar", "ENOENT")
    assert os.listdir(root) == []


def test_archive_is_a_directory(root, scratch):
    assert_fails(inroot("unpack", root, scratch), 125, "EISDIR")
    fd = os.open(scratch, os.O_RDONLY)
    try:
        assert inroot("unpack", root, f"fd:{fd}", pass_fds=[fd]).returncode in (2, 125)
    finally:
        os.close(fd)
    assert os.listdir(root) == []


def test_archive_may_not_be_read(root, scratch):
    fd = os.open(scratch / "own-output", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        proc = inroot("unpack", root, stdin=fd)
    finally:
        os.close(fd)
    assert_fails(proc, 125, "EBADF")


def test_standard_input_is_closed(root):
    """It is /dev/null then: an empty input."""
    proc = subprocess.run(["sh", "-c", f"exec {INROOT} unpack {root} <&-"], capture_output=True, text=True)
    assert proc.returncode == 0, proc


# -- --directory -------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["sub", "/sub", "/sub/", "./sub", "//sub//.", "link", "absolute", "chain/.",
                                  "up"])
def test_directory(name, root, canary):
    (root / "sub").mkdir()
    (root / "link").symlink_to("sub")
    (root / "absolute").symlink_to("/sub")
    (root / "chain").symlink_to("absolute")
    (root / "up").symlink_to("../../../../sub")
    unpacked(root, tar([file("one"), directory("."), hard("two", "one")]), f"--directory={name}")
    assert sorted(os.listdir(root / "sub")) == ["one", "two"]
    assert names(root) == sorted(["sub", "sub/one", "sub/two", "link", "absolute", "chain", "up"])


@pytest.mark.parametrize("name,code", [("missing", "ENOENT"), ("file", "ENOTDIR"), ("out", "ENOENT"),
                                       ("dangling", "ENOENT"), ("loop", "ELOOP")])
def test_directory_that_is_none(name, code, root, canary):
    (root / "file").write_text("")
    (root / "out").symlink_to(canary.path)
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    before = names(root)
    assert_fails(unpack(root, ONE, f"--directory={name}"), 125, code)
    assert names(root) == before


def test_directory_is_where_links_start(root):
    """Symbolic links are resolved in ROOT, names begin at DIR."""
    (root / "sub").mkdir()
    (root / "etc").mkdir()
    (root / "sub/l").symlink_to("/etc")
    unpacked(root, tar([file("l/x"), file("/y")]), "--directory=sub", "--policy=layer", "--no-same-owner")
    assert names(root) == ["etc", "etc/x", "sub", "sub/l", "sub/y"]


# -- the rest ----------------------------------------------------------------------------------

def test_ignore_zeros(root):
    data = tar([file("a")]) + tar([file("b")])
    assert_fails(unpack(root, data), 1)
    assert names(root) == ["a"]
    unpacked(emptied(root), data, "--ignore-zeros")
    assert names(root) == ["a", "b"]


@need_tool("strace")
@pytest.mark.parametrize("opts,count", [([], 0), (["--sync=none"], 0), (["--sync=fs"], 1)], ids=str)
def test_sync(opts, count, root, scratch):
    log = scratch / "own-trace"
    unpacked(root, tar([file("a"), directory("d"), file("d/b")]), *opts,
             wrapper=["strace", "-f", "-qq", "-o", log, "-e", "trace=syncfs,fsync,fdatasync,sync"])
    lines = log.read_text().splitlines()
    assert len([line for line in lines if "sync" in line]) == count
    assert all("syncfs(" in line and line.endswith("= 0") for line in lines if "sync" in line)
    assert names(root) == ["a", "d", "d/b"]
