# SPDX-License-Identifier: MIT
"""Where there is no room for an archive, or no right to write: the entry is named, and nothing is left."""
import gzip
import os
import resource
import subprocess

import pytest

from conftest import ROOT_CALLER, assert_fails, need_root, need_tool, private_mounts, run
from tarball import directory, fifo, file, sym, tar
from unpacking import MODES, canary, given, in_modes, names, record, root, unpack_records, xattr  # noqa: F401

MIB = 1 << 20
BIG = file("some/big file", bytes(range(256)) * (4 * MIB // 256))
ROOT_MODES = ("pivot", "detached", "chroot", "confined")
AS_ROOT = {**MODES, "confined": (["--enter=confined", "--policy=layer"], {})}


def failed(proc, records, code, name, op_is=None):
    """The system's fault: exit 125, one line and one record that name the entry, and the summary."""
    line = assert_fails(proc, 125, code, f'"{name}"')
    error, told = record(records, "error"), record(records, "summary")
    assert (error["code"], error["path"]) == (code, name)
    assert told["complete"] is False and told["last"] == name
    assert [r["type"] for r in records][-2:] == ["summary", "error"]
    return line


# -- no room (root, in mounts of its own) ------------------------------------------------------

def mounted(root, *options, kind="tmpfs", source="none"):
    run("mount", "-t", kind, "-o", ",".join(options), source, root)


def loop_mounted(root, scratch, *options, size=8 * MIB, features=()):
    """An ext4 of its own on ROOT; a machine without loop devices skips."""
    image = scratch / "own-image"
    with open(image, "wb") as made:
        made.truncate(size)
    run("mkfs.ext4", "-q", "-F", *features, image)
    proc = subprocess.run(["mount", "-o", ",".join(("loop", *options)), image, root], capture_output=True,
                          text=True)
    if proc.returncode != 0:
        pytest.skip("needs loop mounts of ext4: " + proc.stderr.strip()[-100:])


@need_root
@pytest.mark.parametrize("mode", ROOT_MODES)
@private_mounts
def test_tmpfs_is_full(mode, root, canary):
    mounted(root, "size=1M")
    proc, records = unpack_records(root, tar([file("small"), BIG, file("never")]), *AS_ROOT[mode][0])
    failed(proc, records, "ENOSPC", "some/big file")
    assert (root / "small").read_bytes() == b"data\n" and not (root / "never").exists()


@need_root
@need_tool("mkfs.ext4")
@pytest.mark.parametrize("mode", ROOT_MODES)
@private_mounts
def test_ext4_is_full(mode, root, scratch, canary):
    loop_mounted(root, scratch)
    bytes_ = os.urandom(5 * MIB)
    proc, records = unpack_records(root, tar([file("small"), file("one", bytes_), file("one", bytes_),
                                              file("some/two", bytes_)]), *AS_ROOT[mode][0])
    failed(proc, records, "ENOSPC", "some/two")  # the same name twice takes the room once


@need_root
@need_tool("mkfs.ext4")
@private_mounts
@pytest.mark.parametrize("kind", ["directory", "symlink", "xattr", "packed"])
def test_ext4_is_full_of_other_things(kind, root, scratch, canary):
    """Directories, long link targets and attributes need blocks too; a packed archive, two processes."""
    loop_mounted(root, scratch, size=2 * MIB, features=["-N", "4096", "-O", "^has_journal"])
    entries = {
        "directory": [directory(f"d{i}") for i in range(4000)],
        "symlink": [sym(f"l{i}", "t/" * 400) for i in range(4000)],
        "xattr": [xattr(user_a="v" * 3000 + str(i)) + file(f"f{i}", "") for i in range(4000)],
        "packed": [file(f"f{i}", os.urandom(70000)) for i in range(40)],
    }[kind]
    data = tar(entries)
    proc, records = unpack_records(root, gzip.compress(data, 1) if kind == "packed" else data)
    failed(proc, records, "ENOSPC", record(records, "summary")["last"])


@need_root
@pytest.mark.parametrize("mode", ROOT_MODES)
@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "fifo", "parent"])
@private_mounts
def test_no_inodes(kind, mode, root, canary):
    mounted(root, "size=4M", "nr_inodes=20")
    make = {"file": file, "directory": directory, "symlink": lambda n: sym(n, "x" * 200), "fifo": fifo,
            "parent": lambda n: file(f"{n}/x")}[kind]
    proc, records = unpack_records(root, tar([make(f"n{i:02}") for i in range(30)]), *AS_ROOT[mode][0])
    failed(proc, records, "ENOSPC", record(records, "summary")["last"])
    assert len(names(root)) < 20


@need_root
@pytest.mark.parametrize("mode", ROOT_MODES)
@private_mounts
def test_read_only_root(mode, root, canary):
    mounted(root, "size=1M")
    (root / "there").write_text("as it was")
    run("mount", "-o", "remount,ro", root)
    for entry in (file("new"), file("there"), sym("a/b", "c"), directory("d")):
        proc, records = unpack_records(root, tar([entry]), *AS_ROOT[mode][0])
        failed(proc, records, "EROFS", record(records, "summary")["last"])
    assert names(root) == ["there"] and (root / "there").read_text() == "as it was"


@need_root
@need_tool("mkfs.ext4", "setquota", "quotaon")
@private_mounts
def test_over_quota(root, scratch, canary):
    loop_mounted(root, scratch, "usrquota", size=16 * MIB,
                 features=["-O", "quota", "-E", "quotatype=usrquota"])
    root.chmod(0o777)
    subprocess.run(["quotaon", "-u", root], capture_output=True)
    run("setquota", "-u", "1000", "0", "1024", "0", "0", root)
    proc, records = unpack_records(root, tar([file("small", uid=1000), BIG]), "--chown=1000:1000")
    if proc.returncode == 0:
        pytest.skip("needs disk quotas: the kernel does not enforce them")
    failed(proc, records, "EDQUOT", "some/big file")


# -- the caller's own limits -------------------------------------------------------------------

@in_modes()
def test_file_size_limit(mode, root, canary):
    """SIGXFSZ does not kill it: the write fails and is reported."""
    opts, kw = MODES[mode]
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))}
    given(root, mode)
    if "user" in kw:
        limit = {}
        kw = {**kw, "wrapper": ["prlimit", "--fsize=65536"]}
    proc, records = unpack_records(root, tar([file("small"), BIG]), *opts, **kw, **limit)
    failed(proc, records, "EFBIG", "some/big file")
    assert (root / "small").exists()


@in_modes("userns", "confined")
def test_directory_that_may_not_be_written(mode, root, canary):
    opts, kw = MODES[mode]
    if not ROOT_CALLER:
        if mode == "userns":
            pytest.skip("needs root: one's own directory can be written in a user namespace")
        root.chmod(0o555)
    more = ["--pivot=stacked"] if mode == "userns" else []
    for data in (tar([file("new")]), tar([directory("new/one")])):
        proc, records = unpack_records(root, data, *opts, *more, **kw)
        failed(proc, records, "EACCES", record(records, "summary")["last"])
    root.chmod(0o755)
    assert names(root) == []


# -- things that can't be removed --------------------------------------------------------------

@need_root
@need_tool("chattr")
@pytest.mark.parametrize("name", ["n", "n/below"])
def test_immutable(name, root, canary):
    """Replacing it is denied: the system's word, not the archive's fault."""
    (root / "n").mkdir()
    (root / "n/below").write_text("kept")
    if subprocess.run(["chattr", "+i", root / name], capture_output=True).returncode != 0:
        pytest.skip("needs a file system with immutable files")
    try:
        for entry in (file("n"), file("n/below"), sym("n", "x")):
            proc, records = unpack_records(root, tar([entry]))
            failed(proc, records, "EPERM", record(records, "summary")["last"])
        assert (root / "n/below").read_text() == "kept"
    finally:
        run("chattr", "-i", root / name)


@need_root
@private_mounts
def test_mount_point_in_the_way(root, canary):
    """It is not removed, and nothing on it."""
    (root / "n").mkdir()
    mounted(root / "n", "size=1M")
    (root / "n/below").write_text("kept")
    for entry in (file("n"), sym("n", "x")):
        proc, records = unpack_records(root, tar([entry]))
        failed(proc, records, "EBUSY", "n")
    assert (root / "n/below").read_text() == "kept"
