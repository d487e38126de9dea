# SPDX-License-Identifier: MIT
"""What unpack tells: status records, the summary, names, progress."""
import json
import os
import pty
import select
import time

import pytest

from conftest import TIMEOUT, Running, assert_fails, error_line, inroot, parse_records
from tarball import END, char, directory, fifo, file, gzip, hard, sym, tar
from unpacking import (MODES, given, in_modes, names, record, root, unpack, unpack_records,  # noqa: F401
                       waiting)

SUMMARY = {"entries", "files", "directories", "symlinks", "hardlinks", "devices", "fifos", "skipped", "bytes",
           "complete", "end_marker"}
SOME = [directory("d"), directory("d/e"), file("d/f", "12345"), file("g", ""), hard("h", "g"), sym("s", "g"),
        fifo("p")]
COUNTS = {"entries": 7, "files": 2, "directories": 2, "symlinks": 1, "hardlinks": 1, "devices": 0, "fifos": 1,
          "skipped": 0, "bytes": 5, "complete": True, "end_marker": True}
ERROR = {"type", "stage", "op", "path", "path_hex", "errno", "code", "message", "hint"}


def kinds(records):
    return [r["type"] for r in records if r["type"] not in ("mounts-ready", "progress")]


# -- records -----------------------------------------------------------------------------------

@in_modes()
def test_records(mode, root):
    opts, kw = MODES[mode]
    given(root, mode)
    proc, records = unpack_records(root, tar(SOME), *opts, **kw)
    assert (proc.returncode, proc.stderr, proc.stdout) == (0, "", ""), proc
    assert kinds(records) == ["entered", "summary"]
    entered = record(records, "entered")
    assert set(entered) == {"type", "method", "pivot", "userns", "fallback"}
    assert entered["method"] == {"userns": "pivot"}.get(mode, mode)
    assert entered["userns"] is (mode == "userns") and not entered["fallback"]
    assert {k: v for k, v in record(records, "summary").items() if k != "type"} == COUNTS


@pytest.mark.parametrize("packed", [False, True])
def test_records_of_a_refusal(packed, root):
    data = tar([*SOME, file("a/../b"), file("never")])
    proc, records = unpack_records(root, gzip(data) if packed else data)
    assert kinds(records) == ["entered", "summary", "error"]
    error, told = record(records, "error"), record(records, "summary")
    assert {"type", "stage", "op", "path", "errno", "code", "message"} <= set(error) <= ERROR
    assert error["path"] == "a/../b" == told["last"] and told["complete"] is False
    assert set(told) == SUMMARY | {"type", "last"}
    assert told["entries"] in (7, 8) and told["files"] == 2
    line = assert_fails(proc, 1, '"a/../b"', f"({error['code']})")
    assert f"at byte {len(b''.join(SOME))}" in line and line.startswith("inroot unpack: ")
    assert "never" not in names(root)


def test_records_of_a_system_error(root):
    proc, records = unpack_records(root, tar([file("x" * 255), file("a/" + "y" * 256)]))
    assert kinds(records) == ["entered", "summary", "error"]
    assert record(records, "error")["code"] == "ENAMETOOLONG" and proc.returncode in (1, 125)


def test_records_before_the_root_is_entered(root):
    """A usage error, and an archive that can't be opened: there is nothing to sum up but nothing."""
    for args, status in ((["--policy=lax", root], 2), ([root, "/nonexistent/a.tar"], 125)):
        r, w = os.pipe()
        proc = inroot("unpack", f"--status-fd={w}", *args, pass_fds=[w])
        os.close(w)
        with open(r, "rb") as pipe:
            records = parse_records(pipe.read())
        assert proc.returncode == status and "entered" not in kinds(records)
        assert [k for k in kinds(records) if k != "summary"] == ["error"], records


def test_an_empty_archive(root):
    for data, marker in ((b"", False), (END, True), (gzip(b""), False)):
        proc, records = unpack_records(root, data)
        assert proc.returncode == 0, proc
        told = record(records, "summary")
        assert (told["entries"], told["complete"]) == (0, True) and told["end_marker"] is marker


def test_no_end_marker_is_told(root):
    proc, records = unpack_records(root, tar([file("a")], b""))
    assert proc.returncode == 0 and record(records, "summary")["end_marker"] is False
    assert "warning" in proc.stderr and len(proc.stderr.splitlines()) == 1
    assert record(records, "summary")["complete"] is True
    assert_fails(unpack(root, tar([file("b")], b""), "--policy=strict"), 1)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"quo\"te", b"back\\slash", b"esc\x1b[2J",
                                  "snow\u2603".encode(), b"x" * 3000])
def test_hostile_names(name, root):
    """They neither forge a line or a field nor drive a terminal."""
    path = b"/".join([name[:200]] * (len(name) // 200 or 1)) + b"/../x"
    proc, records = unpack_records(root, tar([file(path)]), "--verbose")
    assert proc.returncode == 1
    shown = proc.stderr + proc.stdout
    assert all(32 <= ord(c) < 127 or c == "\n" for c in shown), shown
    error = record(records, "error")
    if "path_hex" in error:
        assert error["path_hex"] == path.hex() and "path" not in error
    else:
        assert error["path"] == path.decode() or len(path) > 2000


# -- --json, --verbose -------------------------------------------------------------------------

@pytest.mark.parametrize("extra", [[], ["--verbose"], ["--progress=always"]], ids=" ".join)
def test_json(extra, root):
    proc = unpack(root, tar(SOME), "--json", *extra)
    assert proc.returncode == 0, proc
    assert proc.stdout.endswith("}\n") and proc.stdout.count("\n") == 1
    assert json.loads(proc.stdout) == COUNTS


def test_json_of_a_failure(root):
    proc = unpack(root, tar([*SOME, file("..")]), "--json")
    told = json.loads(proc.stdout)
    assert proc.returncode == 1 and set(told) == SUMMARY | {"last"}
    assert told["complete"] is False and told["last"] == ".." and told["files"] == 2
    assert error_line(proc)


def test_json_counts_what_was_skipped(root):
    data = tar([*SOME, char("null", 1, 3), file("x/y", "0123456789")])
    told = json.loads(unpack(root, data, "--json", "--devices=skip", "--exclude=x", "--exclude=d/f").stdout)
    assert told["skipped"] == 3 and told["devices"] == 0 and told["files"] == 1 and told["bytes"] == 0


def test_json_that_cannot_be_written(root):
    with open("/dev/full", "wb") as full:
        proc = unpack(root, tar(SOME), "--json", stdout=full, stderr=-1)
    assert proc.returncode == 125 and "ENOSPC" in error_line(proc)


def test_verbose_names_each_entry(root):
    data = tar([*SOME, file("new\nline"), file(b"\xff")])
    proc = unpack(root, data, "--verbose")
    assert proc.returncode == 0, proc
    lines = (proc.stdout + proc.stderr).splitlines()
    assert len(lines) == 9
    for name, line in zip(["d", "d/e", "d/f", "g", "h", "s", "p", "new\\x0aline", "\\xff"], lines):
        assert name in line, (name, line)


def test_quiet_by_default(root):
    proc = unpack(root, tar(SOME))
    assert (proc.stdout, proc.stderr) == ("", "")


# -- progress ----------------------------------------------------------------------------------

def test_progress_records(root):
    with waiting(root, tar([file("a", bytes(5000)), file("ready")], b""), ready="ready") as run:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            time.sleep(0.2)
            run.proc.stdin.write(file(f"f{time.monotonic_ns()}", bytes(70000)))
            run.proc.stdin.flush()
        run.proc.stdin.write(END)
        run.proc.stdin.close()
        assert run.proc.wait(TIMEOUT) == 0
        records = []
        while found := run.record():
            records.append(found)
    told = [r for r in records if r["type"] == "progress"]
    assert told and [r["type"] for r in records if r["type"] != "mounts-ready"] == \
        ["entered", *["progress"] * len(told), "summary"]
    for one, two in zip(told, told[1:]):
        assert one["bytes"] <= two["bytes"] and one["entries"] <= two["entries"]
    assert all(set(r) <= {"type", "entries", "bytes", "total_bytes"} and r["entries"] >= 1 for r in told)


def test_progress_is_dropped_rather_than_waited_for(root):
    """A status pipe that is full, and that nobody reads."""
    r, w = os.pipe()
    try:
        os.set_blocking(w, False)
        while True:
            try:
                os.write(w, b"x" * 4096)
            except BlockingIOError:
                break
        os.set_blocking(w, True)
        os.read(r, 3 * 4096)  # some room for the records that are waited for
        proc = unpack(root, tar([file(f"f{i}") for i in range(2000)]), f"--status-fd={w}", pass_fds=[w])
        assert proc.returncode == 0, proc
    finally:
        os.close(r)
        os.close(w)


def test_no_progress_line_without_a_terminal(root):
    with waiting(root, tar([file("ready")], b""), ready="ready") as run:
        time.sleep(1.5)
        run.proc.stdin.write(tar([file("b")]))
        run.proc.stdin.close()
        assert run.proc.wait(TIMEOUT) == 0
        assert run.proc.stderr.read() == b""


@pytest.mark.parametrize("opts,shown", [(["--progress=always"], True), (["--progress=never"], False),
                                        (["--progress=auto"], True), ([], True)], ids=str)
def test_progress_on_a_terminal(opts, shown, root):
    """After one second; and the line is gone, or ended, at the end."""
    ours, theirs = pty.openpty()
    seen = b""
    try:
        with Running("unpack", *opts, root, stderr=theirs) as run:
            os.close(theirs)
            end = time.monotonic() + 2.2
            while time.monotonic() < end:
                run.proc.stdin.write(file(f"f{time.monotonic_ns()}", bytes(70000)))
                run.proc.stdin.flush()
                if select.select([ours], [], [], 0.1)[0]:
                    seen += os.read(ours, 4096)
            run.proc.stdin.write(END)
            run.proc.stdin.close()
            assert run.proc.wait(TIMEOUT) == 0
            while select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 4096)
                except OSError:  # the other side is closed
                    break
    finally:
        os.close(ours)
    assert bool(seen) is shown, seen
    if shown:
        assert b"\r" in seen
