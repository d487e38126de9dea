# SPDX-License-Identifier: MIT
"""Which entries are taken, under which names, and what gives way to them: globs, --strip-components,
--existing."""
import os
import stat

import pytest

import treedigest
from conftest import assert_fails, error_line
from tarball import directory, fifo, file, hard, sym, tar
from unpacking import (canary, emptied, names, record, root, unpack, unpack_records, unpacked)  # noqa: F401

ONE = tar([file("one")])

# -- what is taken -----------------------------------------------------------------------------

TREE = ["a", "a/b", "a/b/c.o", "a/b/d.c", "a/e.o", "f.o", "g", "g/h", "g/h/a"]
FULL = tar([directory(n) if n in ("a", "a/b", "g", "g/h") else file(n) for n in TREE])
ALL = set(TREE)

TAKEN = {
    "none": ([], ALL),
    "exclude-file": (["--exclude=f.o"], ALL - {"f.o"}),
    "exclude-directory": (["--exclude=a"], {"f.o", "g", "g/h", "g/h/a"}),
    "exclude-below": (["--exclude=a/*"], ALL - {"a/b", "a/b/c.o", "a/b/d.c", "a/e.o"}),
    "exclude-is-whole": (["--exclude=a/b/c", "--exclude=b", "--exclude=e.o", "--exclude=.o"], ALL),
    "star-stops": (["--exclude=*.o"], ALL - {"f.o"}),
    "two-stars": (["--exclude=**.o"], ALL - {"f.o", "a/e.o", "a/b/c.o"}),
    "two-stars-middle": (["--exclude=a/**/d.c"], ALL - {"a/b/d.c"}),
    "two-stars-alone": (["--exclude=**"], set()),
    "star-alone": (["--exclude=*"], set()),
    "question": (["--exclude=?.o"], ALL - {"f.o"}),
    "question-is-no-slash": (["--exclude=a?b"], ALL),
    "bracket": (["--exclude=[f-h].o"], ALL - {"f.o"}),
    "bracket-not": (["--exclude=[!a]"], ALL - {"g", "g/h", "g/h/a"}),
    "bracket-is-no-slash": (["--exclude=a[/]b", "--exclude=a[!x]b"], ALL),
    "several": (["--exclude=f.o", "--exclude=g/h/a"], ALL - {"f.o", "g/h/a"}),
    "include-file": (["--include=a/e.o"], {"a", "a/e.o"}),
    "include-directory": (["--include=a/b"], {"a", "a/b", "a/b/c.o", "a/b/d.c"}),
    "include-two": (["--include=g", "--include=f.o"], {"g", "g/h", "g/h/a", "f.o"}),
    "include-pattern": (["--include=**.c"], {"a", "a/b", "a/b/d.c"}),
    "include-nothing": (["--include=zzz"], set()),
    "exclude-wins": (["--include=a", "--exclude=a/b"], {"a", "a/e.o"}),
    "exclude-wins-in-any-order": (["--exclude=a/b", "--include=a"], {"a", "a/e.o"}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_include_and_exclude(name, root):
    opts, expected = TAKEN[name]
    proc, records = unpack_records(root, FULL, *opts)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert set(names(root)) == expected
    told = record(records, "summary")
    assert told["complete"] is True and told["entries"] + told["skipped"] >= len(TREE)
    if not expected:
        assert told["skipped"] == len(TREE)


def test_globs_see_the_normalised_name(root):
    data = tar([file("./x/y"), file("/x//z"), file("x/./w"), file("v")])
    unpacked(root, data, "--exclude=x/y", "--exclude=x/z", "--exclude=x/w")
    assert names(root) == ["v"]


def test_globs_are_bytes(root):
    data = tar([file("a\u00e4b"), file(b"c\xffd"), file("e*f"), file("e-f"), file("new\nline")])
    unpacked(root, data, "--exclude=a??b", b"--exclude=c\xff*", "--exclude=e\\*f", "--exclude=new*")
    assert names(root) == ["e-f"]


def test_a_hard_glob_takes_no_time(root):
    long = "a" * 80 + "/" + "a" * 80
    unpacked(root, tar([file("a" * 90 + "b"), file(long)]), "--exclude=" + "*a" * 40 + "x",
             "--exclude=" + "**a" * 40 + "x", timeout=10)
    assert len(names(root)) == 3


@pytest.mark.parametrize("by", ["path", "fd"])
def test_exclude_from(by, root, scratch):
    """One pattern a line; the last needs no newline."""
    path = scratch / "own-patterns"
    path.write_text("f.o\n\na/b\n*.x\ng/h/a")
    with open(path, "rb") as opened:
        fd = opened.fileno()
        option = f"--exclude-from={path}" if by == "path" else f"--exclude-from=fd:{fd}"
        unpacked(root, FULL, option, pass_fds=[fd])
    assert set(names(root)) == ALL - {"f.o", "a/b", "a/b/c.o", "a/b/d.c", "g/h/a"}


def test_exclude_from_what_is_not_there(root, scratch):
    proc = unpack(root, ONE, f"--exclude-from={scratch}/nothing")
    assert proc.returncode in (2, 125) and f"{scratch}/nothing" in error_line(proc)
    assert os.listdir(root) == []


def test_excluded_parents_are_made_when_needed(root):
    """With the default mode, not that of the entry that was left out."""
    data = tar([directory("a", mode=0o700), directory("a/b", mode=0o700), file("a/b/c")])
    unpacked(root, data, "--include=a/b/c", umask=0o077)
    assert names(root) == ["a", "a/b", "a/b/c"]
    assert [stat.S_IMODE(os.stat(root / n).st_mode) for n in ("a", "a/b")] == [0o755, 0o755]


def test_hard_link_to_what_was_excluded(root):
    assert_fails(unpack(root, tar([file("a"), hard("b", "a")]), "--exclude=a"), 1, '"b"')
    assert names(root) == []


# -- --strip-components ------------------------------------------------------------------------

STRIPPED = tar([directory("./", mode=0o700), directory("top", mode=0o711), file("top/a"), directory("top/d"),
                file("top/d/b"), hard("top/h", "top/a"), hard("top/d/i", "./top//d/b"),
                sym("top/s", "top/a")])


@pytest.mark.parametrize("count,expected", [
    (0, ["top", "top/a", "top/d", "top/d/b", "top/d/i", "top/h", "top/s"]),
    (1, ["a", "d", "d/b", "d/i", "h", "s"]),
    (9, []),
])
def test_strip_components(count, expected, root):
    mode = stat.S_IMODE(os.stat(root).st_mode)
    unpacked(root, STRIPPED, f"--strip-components={count}")
    assert names(root) == expected
    if count:
        assert stat.S_IMODE(os.stat(root).st_mode) == mode
    if count == 1:
        assert os.readlink(root / "s") == "top/a"
        found = treedigest.digest(root)
        assert found[b"h"]["links"] == (b"a", b"h") and found[b"d/i"]["links"] == (b"d/b", b"d/i")


def test_strip_leaves_nothing_of_a_link_target(root):
    data = tar([file("a"), file("b/c"), hard("b/d", "a")])
    assert_fails(unpack(root, data, "--strip-components=1"), 1, 'd"')
    assert names(root) == ["c"]


def test_strip_does_not_hide_what_is_refused(root, canary):
    for data in (tar([file("../x/y")]), tar([file("x/../y")]), tar([file("a/b"), hard("a/c", "../a/b")])):
        assert_fails(unpack(root, data, "--strip-components=1"), 1)
    assert names(root) in (["b"], [])


def test_globs_are_matched_before_stripping(root):
    unpacked(root, FULL, "--strip-components=1", "--include=a", "--exclude=a/b")
    assert names(root) == ["e.o"]


# -- --existing --------------------------------------------------------------------------------

NODES = {"file": file("n", "new"), "directory": directory("n", mode=0o711), "symlink": sym("n", "new"),
         "fifo": fifo("n", mode=0o600)}


def old(root, kind):
    """What is there before."""
    path = root / "n"
    if kind == "directory":
        (path / "deep/er").mkdir(parents=True)
        (path / "deep/er/file").write_text("old")
        path.chmod(0o750)
    elif kind == "file":
        path.write_text("old")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"symlink": "old", "link-to-directory": "dir"}.get(kind, "../own-canary/victim"))
    (root / "dir").mkdir()


OLD = ["file", "directory", "symlink", "fifo", "link-to-directory", "link-out"]
KIND = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "fifo": stat.S_IFIFO, "symlink": stat.S_IFLNK}


@pytest.mark.parametrize("before", OLD)
@pytest.mark.parametrize("kind", NODES)
def test_existing_is_replaced(kind, before, root, canary):
    old(root, before)
    unpacked(root, tar([NODES[kind]]))
    st = os.lstat(root / "n")
    assert stat.S_IFMT(st.st_mode) == KIND[kind]
    if kind == "file":
        assert (root / "n").read_text() == "new"
    if kind == "directory":
        assert stat.S_IMODE(st.st_mode) == 0o711
        assert (root / "n/deep/er/file").exists() == (before == "directory")
    assert os.listdir(root / "dir") == []


@pytest.mark.parametrize("before", OLD)
@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("opts,status", [(["--existing=keep"], 0), (["--existing=refuse"], 1),
                                         (["--policy=strict"], 1)], ids=str)
def test_existing_is_kept_or_refused(opts, status, kind, before, root, canary):
    old(root, before)
    was = treedigest.digest(root)
    proc = unpack(root, tar([NODES[kind]]), *opts)
    if (kind, before) == ("directory", "directory") and opts != ["--policy=strict"]:
        assert (root / "n/deep/er/file").read_text() == "old"  # directories merge
        return
    assert proc.returncode == status, proc
    if status:
        assert '"n"' in error_line(proc)
    now = treedigest.digest(root)
    now[b"."]["mtime"] = was[b"."]["mtime"]
    assert treedigest.differences(was, now) == []


def test_a_second_entry_of_a_name(root):
    data = tar([file("a", "1"), file("./a", "2"), sym("b", "x"), file("b", "3")])
    unpacked(root, data)
    assert ((root / "a").read_text(), (root / "b").read_text()) == ("2", "3")
    unpacked(emptied(root), data, "--existing=keep")
    assert (root / "a").read_text() == "1" and os.readlink(root / "b") == "x"
    assert_fails(unpack(emptied(root), data, "--existing=refuse"), 1, '"a"')


def test_a_replaced_file_is_not_written_into(root, scratch):
    """It may be a hard link into another tree."""
    outside = scratch / "own-file"
    outside.write_text("outside")
    os.link(outside, root / "a")
    unpacked(root, tar([file("a", "new")]))
    assert outside.read_text() == "outside" and (root / "a").read_text() == "new"


@pytest.mark.parametrize("opts,mode,time", [([], 0o700, 7), (["--no-overwrite-dir"], 0o750, None)], ids=str)
def test_existing_directories(opts, mode, time, root):
    old(root, "directory")
    before = os.stat(root / "n").st_mtime_ns
    unpacked(root, tar([directory("n", mode=0o700, mtime=7), directory("new", mode=0o700, mtime=7)]), *opts)
    st = os.stat(root / "n")
    assert stat.S_IMODE(st.st_mode) == mode and st.st_mtime_ns == (before if time is None else time * 10 ** 9)
    assert stat.S_IMODE(os.stat(root / "new").st_mode) == 0o700


def test_no_overwrite_dir_of_root_itself(root):
    root.chmod(0o751)
    unpacked(root, tar([directory("./", mode=0o700)]), "--no-overwrite-dir")
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o751
    unpacked(root, tar([directory("./", mode=0o700)]))
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
