# SPDX-License-Identifier: MIT
"""Where an extraction ends before its archive: a limit, a signal, a producer that never stops."""
import contextlib
import functools
import gzip
import json
import os
import pathlib
import select
import signal
import subprocess
import threading

import pytest

from conftest import TIMEOUT, assert_fails, children, error_line, inroot, marked, need_tool, run, wait_until
from tarball import END, directory, file, tar, xz, zstd
from unpacking import (MODES, canary, given, in_modes, names, record, root, unpack,  # noqa: F401
                       unpack_records, waiting)

MIB = 1 << 20


# -- limits of the command ---------------------------------------------------------------------

OVER = {
    "bytes": (["--max-bytes=1000"], [file("a", bytes(900)), file("b", bytes(200))], "max-bytes", "b"),
    "bytes-one": (["--max-bytes=1K"], [file("a", bytes(1025))], "max-bytes", "a"),
    "entries": (["--max-entries=3"], [file(f"f{i}") for i in range(4)], "max-entries", "f3"),
    "depth": (["--max-depth=3"], [file("a/b/c"), file("a/b/c2/d")], "max-depth", "a/b/c2/d"),
    "depth-default": ([], [file("d/" * 1024 + "f")], "max-depth", None),
    "ratio": (["--max-ratio=10"], [file("zeros", bytes(32 * MIB))], "max-ratio", None),
}


@pytest.mark.parametrize("name", OVER)
def test_over_a_limit(name, root, canary):
    opts, entries, limit, entry = OVER[name]
    data = tar(entries)
    proc, records = unpack_records(root, gzip.compress(data, 6) if limit == "max-ratio" else data, *opts)
    text = assert_fails(proc, 1)
    assert limit in text, text
    error, told = record(records, "error"), record(records, "summary")
    assert told["complete"] is False
    if entry:
        assert f'"{entry}"' in error_line(proc) and error["path"] == entry and told["last"] == entry
        assert not (root / entry).exists() or (root / entry).stat().st_size < 1025


@pytest.mark.parametrize("opts,entries", [
    (["--max-bytes=1100"], [file("a", bytes(900)), file("b", bytes(200))]),
    (["--max-bytes=0"], [file("a", b""), directory("d")]),
    (["--max-entries=4"], [file(f"f{i}") for i in range(4)]),
    (["--max-depth=3"], [file("a/b/c")]),
    (["--max-ratio=2000"], [file("zeros", bytes(32 * MIB))]),
    ([], [file("d/" * 1023 + "f")]),
], ids=lambda v: " ".join(v) if v and isinstance(v[0], str) else "")
def test_just_within_a_limit(opts, entries, root):
    data = tar(entries)
    proc = unpack(root, gzip.compress(data, 6) if "--max-ratio=2000" in opts else data, *opts)
    assert proc.returncode == 0, proc.stderr
    run("rm", "-rf", root / "d")  # too deep for the fixture's way of looking


@need_tool("zstd")
@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_is_refused_by_default(kind, root):
    """More than 1000 to 1."""
    data = tar([file("zeros", bytes(32 * MIB))])
    pack = {"gz": ["gzip", "-9c"], "zst": ["zstd", "-q", "-c"]}[kind]
    packed = subprocess.run(pack, input=data, capture_output=True, check=True).stdout
    proc = unpack(root, packed)
    assert_fails(proc, 1)
    assert "max-ratio" in proc.stderr
    assert unpack(root, packed, "--max-ratio=1000000").returncode == 0


# -- what comes after the archive --------------------------------------------------------------

class Producer:
    """Writes into a pipe from a thread of its own, until it is done or nobody reads any more."""

    def __init__(self, chunks):
        self.read, self.write = os.pipe()
        self.chunks, self.written, self.broken = chunks, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            for chunk in self.chunks:
                while chunk:
                    n = os.write(self.write, chunk)
                    self.written, chunk = self.written + n, chunk[n:]
        except BrokenPipeError:
            self.broken = True
        finally:
            os.close(self.write)

    def feed(self, root, *opts, **kw):
        """One run that reads what is produced."""
        self.thread.start()
        try:
            return inroot("unpack", *opts, root, stdin=self.read, **kw)
        finally:
            os.close(self.read)
            self.thread.join(TIMEOUT)
            assert not self.thread.is_alive()


def endless(first, then):
    yield first
    while True:
        yield then


PACK = {"plain": bytes, "gz": lambda data: gzip.compress(data, 1), "zst": zstd, "xz": xz}


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("then", [bytes(65536), b"garbage!" * 8192, tar([file("more")]) * 40],
                         ids=["zeros", "garbage", "archives"])
def test_endless_producer(then, packed, root, canary):
    """After the end of the archive, packed or not."""
    producer = Producer(endless(PACK[packed](tar([file("a")])), then))
    proc = producer.feed(root)
    assert_fails(proc, 1)
    # xz skips zeros for ever: it is stopped when it has taken more than its memory can hold.
    assert producer.broken and producer.written < (300 if packed == "xz" else 4) * MIB
    assert names(root) in ([], ["a"])  # a decoder may see it before the first entry is passed on


@pytest.mark.parametrize("packed", ["gz", "zst", "xz"])
def test_endless_zeros_inside_the_packed_stream(packed, root, canary):
    """As many as the ratio allows, which is no end."""
    data = tar([file("a")]) + bytes(8 * MIB)
    proc = unpack(root, PACK[packed](data), "--max-ratio=4294967295")
    assert_fails(proc, 1)
    assert names(root) == ["a"]


@pytest.mark.parametrize("zeros", [0, 512, 10240, 65536, MIB - 1, MIB])
@pytest.mark.parametrize("packed", ["plain", "gz"])
def test_padding_is_read(packed, zeros, root):
    """A producer that pads gets no SIGPIPE; for gzip the padding is behind the packed stream."""
    pad = [bytes(4096) for _ in range(zeros // 4096)] + [bytes(zeros % 4096)]
    parts = [PACK[packed](tar([file("a")])), *pad]
    producer = Producer(iter(parts))
    proc = producer.feed(root)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert not producer.broken and producer.written == sum(map(len, parts))


def test_more_padding_than_that(root):
    proc = unpack(root, tar([file("a")]) + bytes(MIB + 1))
    assert_fails(proc, 1)
    assert names(root) == ["a"]


@pytest.mark.parametrize("zeros", [512, MIB, 8 * MIB])
def test_zeros_are_ignored_when_asked(zeros, root):
    proc = unpack(root, tar([file("a")]) + bytes(zeros) + tar([file("b")]), "--ignore-zeros")
    assert proc.returncode == 0, proc.stderr
    assert names(root) == ["a", "b"]


# -- signals -----------------------------------------------------------------------------------

FIRST = [file("one"), directory("d", mode=0o700, mtime=7), file("d/two", bytes(3000)), file("ready")]
MUCH = [*FIRST, *(file(f"filler/{i}", os.urandom(4096)) for i in range(600))]
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@functools.cache
def cut(packed):
    """Part of an archive, so that more is waited for, and where."""
    if packed == "between":
        return tar(FIRST, b"")
    if packed == "inside":
        return tar([*FIRST, file("inside", bytes(8 * MIB))])[:-4 * MIB]
    return PACK[packed](tar(MUCH))[:-1000]


@in_modes()
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
@pytest.mark.parametrize("packed", ["between", "inside", "gz"])
def test_stopped_by_a_signal(packed, number, mode, root, canary):
    """The summary is told, and it dies by that signal."""
    opts, kw = MODES[mode]
    given(root, mode)
    with waiting(root, cut(packed), "--json", *opts, ready="ready", **kw) as box:
        box.proc.send_signal(number)
        assert box.proc.wait(TIMEOUT) == -number
        told = box.record("summary")
        assert told["complete"] is False and told["end_marker"] is False
        assert told["files"] >= 3 and told["directories"] >= 1
        assert box.record()["type"] == "error" and box.record() is None
        shown = json.loads(box.proc.stdout.read())
        assert shown == {k: v for k, v in told.items() if k != "type"}
        if packed == "inside":
            assert told["last"] == "inside"
        lines = box.proc.stderr.read().decode().splitlines()
        assert len(lines) <= 1, lines
    assert (root / "d/two").read_bytes() == bytes(3000)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_ignored_signals_stay_ignored(number, root):
    """As with nohup: who ignores SIGINT for a background job does not get it stopped."""
    given(root, "confined")
    with waiting(root, tar(FIRST, b""), ready="ready",
                 preexec_fn=lambda: signal.signal(number, signal.SIG_IGN)) as box:
        box.proc.send_signal(number)
        assert select.select([box.fd], [], [], 0.1) and box.proc.poll() is None
        box.proc.stdin.write(END)
        box.proc.stdin.close()
        assert box.proc.wait(TIMEOUT) == 0


@in_modes()
@pytest.mark.parametrize("packed", ["gz", "zst", "xz"])
def test_no_decoder_outlives_it(packed, mode, root, canary):
    """SIGKILL; the fixture looks for processes."""
    opts, kw = MODES[mode]
    given(root, mode)
    with waiting(root, cut(packed), *opts, ready="ready", **kw) as box:
        assert len(children()) >= 1
        box.proc.kill()
        assert box.proc.wait(TIMEOUT) == -signal.SIGKILL
        assert wait_until(lambda: not marked(), 5), marked()


@pytest.mark.parametrize("packed", ["gz", "zst", "xz"])
def test_decoder_is_killed(packed, root):
    """Then it ends, and says so; a part is never taken for the whole."""
    with waiting(root, cut(packed), ready="ready") as box:
        pids = pathlib.Path(f"/proc/{box.proc.pid}/task/{box.proc.pid}/children").read_text().split()
        assert pids
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError):  # the end of the one before was its own
                os.kill(pid, signal.SIGKILL)
        assert box.proc.wait(TIMEOUT) in (1, 125)
        assert box.record("summary")["complete"] is False
        assert box.proc.stderr.read().startswith(b"inroot unpack: ")


def test_producer_that_gives_up(root):
    """The end of the pipe comes in the middle of an entry."""
    with waiting(root, cut("inside"), ready="ready") as box:
        box.proc.stdin.close()
        assert box.proc.wait(TIMEOUT) == 1
        told = box.record("summary")
        assert told["complete"] is False and told["last"] == "inside"


def test_output_that_nobody_reads(root):
    """A status descriptor and a standard error whose readers are gone."""
    r, w = os.pipe()
    os.close(r)
    try:
        proc = unpack(root, tar(FIRST), f"--status-fd={w}", "--verbose", stderr=w, pass_fds=[w])
    finally:
        os.close(w)
    assert proc.returncode in (0, 125, -signal.SIGPIPE)
    if proc.returncode == 0:
        assert names(root) == ["d", "d/two", "one", "ready"]
