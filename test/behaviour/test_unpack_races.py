# SPDX-License-Identifier: MIT
"""Another process swaps parts of the tree for symbolic links to a canary while archives unpack.

Rooted, the links lead to copies of the canary inside ROOT, so that an extraction that follows them as
it should goes on; one that follows them as the host would changes the canary, which is compared after
each run. In every mode and scene extractions are repeated until enough swaps were seen during them.
INROOT_SOAK=1: ten times as many.
"""
import collections
import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import INROOT, SANITIZED, TIMEOUT, parse_records, words
from tarball import char, directory, fifo, file, hard, sym, tar
from unpacking import MODES, Canary, give_all, given, in_modes, owner_of, root, xattr  # noqa: F401

SOAK = os.environ.get("INROOT_SOAK") == "1"
SWAPS = 10_000 if SOAK else 1000  # in each scene, and ten times as many in each mode
MOST_RUNS = 3000 if SOAK else 300


def content(place, mode):
    """Entries below place that have the names of the canary."""
    device = [] if mode in ("userns", "confined") else [char(f"{place}/pipe", 1, 3)]
    return [
        xattr(user_a="1") + file(f"{place}/victim", "x" * 700, mode=0o666),
        file(f"{place}/secret", "", mode=0o777),
        directory(f"{place}/dir", mode=0o777, mtime=2),
        file(f"{place}/dir/inner", "y"),
        file(f"{place}/dir/deep/inner", "z"),
        hard(f"{place}/hard", f"{place}/victim"),
        hard(f"{place}/dir/hard", f"{place}/secret"),
        fifo(f"{place}/pipe", mode=0o666),
        *device,
        sym(f"{place}/link", "dir/inner", mtime=3),
        file(f"{place}/link", "over a link"),
        sym(f"{place}/link", "victim"),
        file(f"{place}/implied/parents/here", "w"),
    ]


def last(target, style="x", spare="root/.spare", entry=True):
    """a/d is swapped; entries below it, and d itself, are extracted."""
    def scene(top, mode):
        own = [directory("a/d", mode=0o711, mtime=1)] if entry else []
        return [(style, "root/a/d", spare, target(top, "a/d"))], own + content("a/d", mode)
    return scene


def middle(target, style="x"):
    """m is swapped; entries are extracted two levels below it."""
    def scene(top, mode):
        return ([(style, "root/m", "root/.spare", target(top, "m"))],
                content("m/dir", mode) + [directory("m/dir", mode=0o700, mtime=1)])
    return scene


def absolute(top, _):
    return str(top / "own-canary")


def relative(_, place):
    return "../" * (place.count("/") + 1) + "own-canary"


def final(top, mode):
    """The last component itself: files, directories, links and fifos that are made again and again."""
    pairs = [("x", f"root/f/{name}", f"root/.spare{i}", f"{to(top, 'f')}/{name}") for i, (name, to) in
             enumerate([("victim", absolute), ("secret", relative), ("dir", absolute), ("pipe", relative)])]
    return pairs, content("f", mode) + [directory("f/dir", mode=0o700, mtime=4)]


def moved(top, mode):
    """A directory is moved out of ROOT and back: what is written into it goes along, nothing else."""
    up = sym("a/d/up", "../own-canary")
    return ([("d", "root/a/d", "own-outside/d", "-")],
            [up, file("a/d/up/victim"), *content("a/d", mode), up, *content("a/d/up", mode)])


def removal(top, mode):
    """Trees are removed to make room for a file."""
    pairs = [("x", "root/t/dir", "root/.spare0", str(top / "own-canary")),
             ("x", "root/t/dir/deep", "root/.spare1", str(top / "own-canary/dir"))]
    deep = [file(f"t/dir/deep/{n}/{m}", "") for n in range(3) for m in range(4)]
    return pairs, [directory("t"), *content("t", mode), *deep, file("t", "a file")]


SCENES = {
    "last-absolute": last(absolute),
    "last-relative": last(relative, entry=False),
    "last-outside": last(absolute, spare="own-outside/d"),
    "last-missing": last(relative, style="r"),
    "middle-absolute": middle(absolute),
    "middle-relative": middle(relative),
    "middle-missing": middle(absolute, style="r"),
    "final": final,
    "moved": moved,
    "removal": removal,
}

counted = collections.defaultdict(collections.Counter)


class Summary:
    """The lines at the end."""

    @staticmethod
    def pytest_terminal_summary(terminalreporter):
        terminalreporter.section("races")
        for mode, count in counted.items():
            ends = ", ".join(f"{count[code]} × exit {code}" for code in (0, 1, 125))
            terminalreporter.write_line(f"{mode}: {count['swaps']} swaps seen during {count['runs']} "
                                        f"extractions ({ends}; {count['entries']} entries), "
                                        f"{count['escapes']} escapes")


@pytest.fixture(scope="session", autouse=True)
def summary(request):
    request.config.pluginmanager.register(Summary)


def copies(top, owner):
    """Copies of the canary where its links lead to inside ROOT."""
    base = top / "root"
    places = [base / "own-canary", base / "a/own-canary", base / str(top / "own-canary").lstrip("/")]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        Canary(place)
    for name in ("a/d", "f"):
        (base / name).mkdir(parents=True)
    give_all(base, owner)


def raced(swapper, top, mode, pairs, data):
    """One extraction with the swapper beside it: (exit status, records, swaps during it)."""
    opts, kw = MODES[mode]
    r, w = os.pipe()
    try:
        arguments = [word for style, a, b, target in pairs for word in (style, top / a, top / b, target)]
        beside = subprocess.Popen(words([swapper, r, 10 ** 9, TIMEOUT, *arguments]), pass_fds=[r],
                                  stdout=subprocess.PIPE, **kw)
        with open(top / "own-archive", "rb") as stdin:
            proc = subprocess.Popen(words([INROOT, "unpack", f"--status-fd={w}", *opts, top / "root"]),
                                    pass_fds=[w], stdin=stdin, stderr=subprocess.PIPE, text=True, **kw)
        os.close(w)
        w = -1
        try:
            proc.stderr_text = proc.communicate(timeout=TIMEOUT)[1]
            *lines, counts = beside.communicate(timeout=TIMEOUT)[0].splitlines(keepends=True)
        finally:
            for process in (proc, beside):
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                process.wait(10)
        return proc, parse_records(b"".join(lines)), int(counts.split()[0])
    finally:
        os.close(r)
        if w >= 0:
            os.close(w)


def tidy(top):
    """What swapping leaves beside the tree."""
    for where in (top / "root", top / "own-outside"):
        for path in where.glob(".spare*.trash.*" if where.name == "root" else "*.trash.*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@in_modes()
@pytest.mark.parametrize("name", SCENES)
def test_swaps_during_extraction(name, mode, root, scratch, payloads):
    owner = owner_of(mode)
    given(root, mode)
    canary = Canary(scratch / "own-canary", owner)
    copies(scratch, owner)
    (scratch / "own-outside").mkdir()
    os.chown(scratch / "own-outside", owner, owner)
    pairs, entries = SCENES[name](scratch, mode)
    data = tar(entries * 25)
    (scratch / "own-archive").write_bytes(data)
    count, total = counted[mode], collections.Counter()
    enough = SWAPS // 5 if SANITIZED else SWAPS
    while (total["swaps"] < enough or total["runs"] < 3) and total["runs"] < MOST_RUNS:
        proc, records, swaps = raced(payloads["swapper"], scratch, mode, pairs, data)
        assert proc.returncode in (0, 1, 125), (proc.returncode, proc.stderr_text)
        told = [r for r in records if r["type"] == "summary"]
        assert len(told) == 1, (records, proc.stderr_text)
        total.update({"swaps": swaps, "runs": 1, proc.returncode: 1, "entries": told[0]["entries"]})
        changes = canary.changes()
        total["escapes"] += bool(changes)
        tidy(scratch)
        if changes:
            break
    count.update(total)
    assert not total["escapes"], (proc.args, proc.stderr_text, changes)
    assert total["swaps"] >= enough, total
    assert pathlib.Path(scratch / "root").is_dir()
