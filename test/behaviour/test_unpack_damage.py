# SPDX-License-Identifier: MIT
"""A real archive cut off or with one byte changed: refused, or the same tree, or said; no hang, no crash.

What no reader can see is counted apart: a byte of a file's data, or of a pax record's value, in a tar that
nothing with a checksum is wrapped around.
"""
import bisect
import collections
import contextlib
import json
import os
import random
import shutil
import subprocess

import pytest
import tarball
from conftest import INROOT, ROOT_CALLER, SANITIZED, TIMEOUT, _temp_dir, inroot, need_tool, words
from many_runs import Place, alone, say  # noqa: F401
from odd_tree import listing
from tar_generator import BLOCK, USTAR
from treedigest import differences, digest

SOAK = os.environ.get("INROOT_SOAK") == "1"
CUTS, FLIPS = (300, 1000) if SOAK else (40, 120) if SANITIZED or not ROOT_CALLER else (100, 200)
SUBTREES = ["etc", "usr/share/perl5", "usr/share/keyrings", "usr/share/common-licenses", "usr/lib/apt"]
COMPRESSED = {"tar": None, "gz": ["gzip", "-n"], "zst": ["zstd", "-q", "--check"]}
MOST_SHOWN = 10

pytestmark = [need_tool("tar", "gzip", "zstd")]


# -- the archive -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def originals(debian_root):
    """Kind -> archive; all of the same subtrees."""
    place = _temp_dir("damage")
    names = [b"./", b"./usr", b"./usr/share", b"./usr/lib"]
    for subtree in SUBTREES:
        if (debian_root / subtree).is_dir():
            names += [b"./" + subtree.encode() + name[1:].rstrip(b"/") for name in
                      listing(debian_root / subtree, devices=False, closed_links=not ROOT_CALLER)]
    names = [name for name in names if ROOT_CALLER or os.path.islink(os.fsencode(debian_root) + name[1:]) or
             os.access(os.fsencode(debian_root) + name[1:], os.R_OK)]
    made = {"tar": place / "a.tar"}
    subprocess.run(words(["tar", "--format=posix", "--numeric-owner", "--no-recursion", "--null", "-C",
                          debian_root, "--verbatim-files-from", "-cf", made["tar"], "-T", "-"]),
                   input=b"\0".join(names) + b"\0", check=True, timeout=60)
    for kind, command in COMPRESSED.items():
        if command:
            made[kind] = place / f"a.tar.{kind}"
            made[kind].write_bytes(subprocess.run([*command, "-c", made["tar"]], check=True, timeout=60,
                                                  capture_output=True).stdout)
    yield {kind: path.read_bytes() for kind, path in made.items()}
    shutil.rmtree(place)


class Regions:
    """What lies where in an uncompressed archive, by a scan that knows headers, sizes and nothing else."""

    def __init__(self, data):
        self.starts, self.kinds, self.boundaries = [], [], []
        at, extended = 0, False
        while any(data[at:at + BLOCK]):
            header = data[at:at + BLOCK]
            size, kind = int(header[124:136].rstrip(b"\0 "), 8), header[156:157]
            assert header[257:265] == USTAR and kind in (b"0125x" if size == 0 else b"0x"), header
            if not extended:
                self.boundaries.append(at)
            extended = kind == b"x"
            self._add(at, "header")
            self._add(at + BLOCK, "record" if extended else "data")
            self._add(at + BLOCK + size, "padding")
            at += BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
        assert not any(data[at:]) and len(data) - at >= 2 * BLOCK
        self._add(at, "end")
        self.boundaries.append(at)
        self.end = at

    def _add(self, start, kind):
        if self.starts and self.starts[-1] == start:  # the one before is empty
            self.starts.pop()
            self.kinds.pop()
        self.starts.append(start)
        self.kinds.append(kind)

    def kind(self, position):
        return self.kinds[bisect.bisect_right(self.starts, position) - 1]

    def of_kind(self, kind):
        """All positions of that kind, as ranges."""
        ends = [*self.starts[1:], self.end + 2 * BLOCK]
        return [range(a, b) for a, b, k in zip(self.starts, ends, self.kinds) if k == kind]


# -- one run -----------------------------------------------------------------------------------

class Outcome:
    """What came of it: code, summary, warned, and what is wrong about the run itself."""

    def __init__(self, proc):
        self.code, self.error = proc.returncode, proc.stderr
        lines = proc.stderr.splitlines()
        self.warned = any("warning" in line for line in lines)
        self.wrong = []
        if self.code not in (0, 1):
            self.wrong.append(f"exit {self.code}")
        if not all(line.startswith(("inroot unpack: ", "hint: ")) for line in lines):
            self.wrong.append(f"stderr {proc.stderr[:300]!r}")
        try:
            self.summary = json.loads(proc.stdout)
        except ValueError:
            self.summary = {}
            self.wrong.append(f"no summary: {proc.stdout[:300]!r}")
        if self.summary.get("complete") is not (self.code == 0):
            self.wrong.append(f"exit {self.code} and complete {self.summary.get('complete')}")
        if self.code == 1 and not lines:
            self.wrong.append("no error line")

    def __str__(self):
        return f"exit {self.code}, {self.error.strip()[:300]!r}"


class Runner:
    """Unpacks what is put into its file, by turns confined and in a chroot."""

    def __init__(self, scratch, original):
        self.place, self.original, self.runs = Place(scratch), original, 0
        self.file = open(scratch / "archive", "w+b", buffering=0)
        self.restore()
        outcome, self.expected = self.go(tree=True)
        assert outcome.code == 0 and not outcome.wrong and not outcome.warned, outcome
        assert len(self.expected) > 100

    def restore(self):
        os.pwrite(self.file.fileno(), self.original, 0)
        os.ftruncate(self.file.fileno(), len(self.original))

    def go(self, tree=False):
        """(outcome, digest where it was accepted or asked for); (None, None) for a hang."""
        self.runs += 1
        enter = "chroot" if ROOT_CALLER and self.runs % 2 else "confined"
        with self.place.empty() as root:
            self.file.seek(0)
            try:
                outcome = Outcome(inroot("unpack", "--json", f"--enter={enter}", root, stdin=self.file,
                                         timeout=TIMEOUT))
            except subprocess.TimeoutExpired:
                return None, None
            return outcome, digest(root) if tree or outcome.code == 0 else None

    def cut(self, position, **kw):
        os.ftruncate(self.file.fileno(), position)
        result = self.go(**kw)
        os.pwrite(self.file.fileno(), self.original[position:], position)
        return result

    def flip(self, position, bits):
        os.pwrite(self.file.fileno(), bytes([self.original[position] ^ bits]), position)
        result = self.go()
        os.pwrite(self.file.fileno(), self.original[position:position + 1], position)
        return result


class Tally:
    def __init__(self):
        self.count, self.bad = collections.Counter(), []

    def add(self, what, wrong=()):
        self.count["runs"] += 1
        self.count[what] += 1
        self.bad += wrong

    def line(self, first):
        return f"{first}: " + ", ".join(f"{name} {n}" for name, n in self.count.items())

    def check(self):
        assert not self.bad, f"{len(self.bad)} bad:\n" + "\n".join(self.bad[:MOST_SHOWN])


def spread(chance, count, length):
    """Positions in each part of the archive, none twice."""
    return sorted({chance.randrange(i * length // count, (i + 1) * length // count) for i in range(count)})


# -- cut off -----------------------------------------------------------------------------------

def whole_part(expected, found):
    """found is what the archive's first entries make: nothing else, and nothing unlike the original."""
    missing = expected.keys() - found.keys()
    return differences({n: e for n, e in expected.items() if n not in missing}, found, ignore=["links"])


def judge_cut(outcome, found, expected, where):
    """(class, what is wrong). where: None in what is compressed; "" between two entries."""
    may_pass = where in ("", "padding", "end")  # nothing is lost
    if outcome is None:
        return "hung", ["hang"]
    wrong = list(outcome.wrong)
    if outcome.code == 0:
        if not outcome.warned or outcome.summary.get("end_marker") is not False:
            wrong.append("nothing was said")
        if not may_pass:
            wrong.append("accepted")
        wrong += whole_part(expected, found)
        return "accepted with a warning", wrong
    if not outcome.summary.get("last") and where == "data":
        wrong.append("the summary doesn't name the entry")
    return "refused", wrong


@pytest.mark.parametrize("kind", COMPRESSED)
@alone
def test_cut_off(kind, originals, scratch, say):
    original, chance, tally = originals[kind], random.Random(3), Tally()
    positions = set(spread(chance, CUTS, len(original))) - {0}  # no input at all is an empty archive
    regions = None
    if kind == "tar":
        regions = Regions(original)
        some = chance.sample(regions.boundaries[1:-1], CUTS // 20)
        for boundary in (*some, regions.end, regions.end + BLOCK):
            positions |= {boundary - 1, boundary, boundary + 1, boundary - BLOCK, boundary + BLOCK}
        positions |= {1, BLOCK - 1, BLOCK, BLOCK + 1}
    else:
        positions |= set(range(len(original) - 16, len(original))) | set(range(1, 20))
    runner = Runner(scratch, original)
    for i, position in enumerate(sorted(positions)):
        outcome, found = runner.cut(position, tree=i % 10 == 0)
        where = None if not regions else "" if position in regions.boundaries else regions.kind(position)
        what, wrong = judge_cut(outcome, found, runner.expected, where)
        silent = outcome and outcome.code == 0 and not outcome.warned
        if silent and regions and position >= regions.end + 2 * BLOCK:
            what, wrong = "accepted: both end blocks are there", differences(runner.expected, found)
        tally.add(what, [f"{kind} cut at {position}: {w}; {outcome}" for w in wrong])
    say(tally.line(f"cut off, {kind}, {len(original)} bytes"))
    tally.check()
    assert tally.count["refused"] >= CUTS // 2


# -- one byte ----------------------------------------------------------------------------------

def flips(kind, original, regions, chance):
    """Spread over the whole; in a tar half of them where most is at stake, which is a small part of it."""
    if kind != "tar":
        length = len(original)
        return [*spread(chance, FLIPS - 32, length), *range(16), *range(length - 16, length)]
    chosen = spread(chance, FLIPS // 2, len(original))
    for kinds, share in (("record", FLIPS // 4), ("end", FLIPS // 20), ("header", FLIPS)):
        ranges = regions.of_kind(kinds)
        chosen += [chance.choice(chance.choice(ranges)) for _ in range(min(share, FLIPS - len(chosen)))]
    return chosen


def judge_flip(where, outcome, found, expected):
    if outcome is None:
        return "hung", ["hang"]
    if outcome.code != 0:
        return "refused", outcome.wrong
    lines = differences(expected, found)
    if not lines:
        what = "accepted with a warning" if outcome.warned else f"accepted, the same tree ({where})"
        return what, outcome.wrong
    if where == "data":  # exactly one file's content: its other names show the same
        changed = [line for line in lines if ": content is " not in line]
        return "undetectable: in a file's data", outcome.wrong + changed
    if where == "record":
        return "undetectable: in a pax record's value", outcome.wrong
    return f"different ({where})", [*outcome.wrong, *lines[:3]]


@pytest.mark.parametrize("kind", COMPRESSED)
@alone
def test_one_byte(kind, originals, scratch, say):
    original, chance, tally = originals[kind], random.Random(4), Tally()
    regions = Regions(original) if kind == "tar" else None
    runner = Runner(scratch, original)
    for position in flips(kind, original, regions, chance):
        bits = chance.choice([1 << chance.randrange(8), chance.randrange(1, 256)])
        outcome, found = runner.flip(position, bits)
        where = regions.kind(position) if regions else kind
        what, wrong = judge_flip(where, outcome, found, runner.expected)
        tally.add(what, [f"{kind} byte {position} ({where}) ^ {bits:#x}: {w}; {outcome}" for w in wrong])
    say(tally.line(f"one byte, {kind}, {len(original)} bytes"))
    tally.check()
    assert tally.count["refused"] >= FLIPS // 4
    if kind != "tar":
        assert not [what for what in tally.count if what.startswith("undetectable")]


@pytest.mark.parametrize("claimed", [0, 4, 6, 128])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_zstd_frame_of_another_size(scratch, claimed, chunk):
    """A second frame says how much it holds, and holds nothing; however the input comes in, that is seen."""
    data = tarball.tar([tarball.file("f", b"data\n")])
    frame = tarball.ZSTD_MAGIC + b"\x20" + bytes([claimed]) + tarball.zstd_block(b"", True)
    packed = tarball.zstd(data) + frame
    root = scratch / "root"
    root.mkdir()
    with subprocess.Popen(words([INROOT, "unpack", root]), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as proc:
        for at in range(0, len(packed), chunk):
            with contextlib.suppress(BrokenPipeError):
                proc.stdin.write(packed[at:at + chunk])
                proc.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            proc.stdin.close()
        error = proc.stderr.read()
    assert proc.returncode == (1 if claimed else 0) and (b"damaged" in error) == (claimed > 0), (proc.returncode, error)
