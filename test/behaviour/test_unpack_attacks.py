# SPDX-License-Identifier: MIT
"""Every attack of the list, in every way in; after each run the host is looked at."""
import collections
import os
import pathlib
import re
import shutil

import pytest

from attacks import all_cases
from conftest import ROOT_CALLER, SANITIZED, _temp_dir, need_root, need_tool
from unpack_host import MARKS, MODES, UNPRIVILEGED, WHERE, Place, Tree, possible, unpack

ROWS = range(1, 259)
SWAPS = 200  # in each race
CASES = {case.id: case for case in all_cases("/C")}
TOOLS = {"bz2": "bzip2", "xz": "xz"}
KERNEL = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
NEED_SETXATTRAT = pytest.mark.skipif(KERNEL < (6, 13), reason="needs setxattrat (Linux 6.13)")
RUN_BY = [m for m in MODES if not SANITIZED or m in ("pivot", "confined", "userns")]


class Count:
    """Counts the runs, and says so after the last test."""

    def __init__(self):
        self.all = collections.Counter()
        self.seen = {"rows": set(), "cases": set(), "modes": set()}

    def add(self, case, mode, outcome):
        for what, value in (("rows", case.row), ("cases", case.id), ("modes", mode)):
            self.seen[what].add(value)
        self.all.update(runs=1, escapes=outcome.escaped, hangs=outcome.hung, crashes=outcome.crashed)

    def pytest_terminal_summary(self, terminalreporter):
        rows, cases, ways = (len(self.seen[what]) for what in ("rows", "cases", "modes"))
        terminalreporter.write_line(
            f"unpack attacks: {rows} rows, {cases} cases x {ways} modes = {self.all['runs']} runs, "
            f"escapes {self.all['escapes']}, hangs {self.all['hangs']}, crashes {self.all['crashes']}")


@pytest.fixture(scope="session")
def count(request):
    request.config.pluginmanager.register(counted := Count())
    return counted


@pytest.fixture(scope="session")
def places():
    """One place for each owner of ROOT, with the cases that name its paths."""
    top, made = _temp_dir("attacks"), {}

    def place_of(mode):
        owner = MODES[mode].owner
        if owner not in made:
            (top / str(owner)).mkdir()
            place = Place(top / str(owner), owner)
            made[owner] = place, {case.id: case for case in all_cases(place.c)}
        return made[owner]
    yield place_of
    shutil.rmtree(top, ignore_errors=True)


# -- what is expected --------------------------------------------------------------------------

def options(case, mode):
    return [*case.opts, *(case.unpriv if mode in UNPRIVILEGED else ())]


def wanted_codes(case, mode, count):
    """For each archive. `data` and `strict` refuse more than `layer`; never less, but for what an earlier
    archive then did not put there."""
    codes = case.codes(count)
    if mode in UNPRIVILEGED and mode in case.unpriv_code:
        return [{case.unpriv_code[mode]}] * count
    if MODES[mode].policy == "layer":
        return codes
    return [c if c <= {1, 125} and count == 1 else c | {0, 1} for c in codes]


def as_wanted(place, case, mode, opts, code):
    """Differences of the tree from what the case says, and set-uid files that it does not mention."""
    wanted = case.has if code == 0 else case.left
    if MODES[mode].policy != "layer":
        wanted = {name: what for name, what in case.left.items() if what.kind == "gone" and code}
    if mode in UNPRIVILEGED and "--devices=skip" in case.unpriv:
        wanted = {name: what for name, what in wanted.items() if what.kind not in ("char", "block")}
    same_owner = "--no-same-owner" not in opts
    bad = []
    with Tree(place.root) as tree:
        for name, node in tree.nodes.items():
            said = case.has.get(name)
            meant = said and said.attrs.get("mode", 0) & 0o6000
            if node.kind == "file" and node.mode & 0o6000 and not meant:
                bad.append(f"{name!r} is set-uid: {node.mode:o} of {node.uid}:{node.gid}")
        for name, what in wanted.items():
            bad += tree.differs(name, what, MODES[mode], same_owner)
    return bad


def refusal(case, outcome, offsets):
    """Does a refusal say where the entry stands."""
    if outcome.code != 1 or not case.where:
        return []
    found = WHERE.search(outcome.stderr)
    if not found:
        return [f"it does not say at which byte: {outcome.stderr!r}"]
    if offsets is not None and int(found.group(1)) not in offsets:
        return [f"no header stands at byte {found.group(1)}: {outcome.stderr!r}, {sorted(offsets)[:20]}"]
    return []


def attack(place, case, mode, count):
    """All that is wrong, as a list of texts."""
    opts = options(case, mode)
    place.fresh(case.pre)
    streams = list(case.streams())
    kw = {"umask": case.umask} if case.umask >= 0 else {}
    if case.fsize:
        kw["wrapper"] = ["prlimit", f"--fsize={case.fsize}"]
    bad, outcome = [], None
    for (archive, offsets), codes in zip(streams, wanted_codes(case, mode, len(streams))):
        outcome = unpack(place, MODES[mode], archive, *opts, race=case.race, least=SWAPS, **kw)
        count.add(case, mode, outcome)
        bad += outcome.bad
        if outcome.code not in codes and not outcome.hung:
            bad.append(f"exit {outcome.code}, not {codes}: {outcome.stderr!r}")
        bad += refusal(case, outcome, offsets)
        if case.race and outcome.code == 0 and outcome.swaps < SWAPS:
            bad.append(f"only {outcome.swaps} exchanges")
    if outcome.code in (0, 1):
        bad += as_wanted(place, case, mode, opts, outcome.code)
    said = case.says.get(outcome.code, "") if MODES[mode].policy == "layer" else ""
    if said not in outcome.stderr:
        bad.append(f"it does not say {said!r}: {outcome.stderr!r}")
    return bad


# -- the tests ---------------------------------------------------------------------------------

def marks_of(case, mode):
    marks = list(MARKS.get(mode, [need_root]))
    marks += [need_tool(tool) for prefix, tool in TOOLS.items() if case.id.startswith(prefix)]
    marks += [need_tool("prlimit")] * bool(case.fsize)
    marks += [NEED_SETXATTRAT] * (case.id == "xattr-on-symlink-trusted")
    return marks


def attacks():
    return [pytest.param(mode, name, id=f"{mode}-{name}", marks=marks_of(CASES[name], mode))
            for mode in RUN_BY for name in possible(mode, CASES)
            if not CASES[name].only or mode in CASES[name].only]


@pytest.mark.parametrize("mode,name", attacks())
def test_attack(mode, name, places, count):
    place, cases = places(mode)
    if bad := attack(place, cases[name], mode, count):
        pytest.fail("\n".join([f"row {cases[name].row}, {name} in {mode}:", *bad]), pytrace=False)


def test_every_row_has_a_case():
    assert {case.row for case in CASES.values()} == set(ROWS)
    assert len(CASES) == len(list(all_cases("/C"))), "two cases of one name"


@pytest.mark.parametrize("what", ["file", "mode", "time", "read", "list", "link", "beside"])
def test_the_watch_sees(what, places):
    """What the runs above rely on: the least touch of the canary is noticed, and mended."""
    place, _ = places("userns" if not ROOT_CALLER else "pivot")
    if what in ("read", "list") and os.statvfs(place.c).f_flag & os.ST_NOATIME:
        pytest.skip("needs access times")
    place.fresh()
    before = place.state()
    victim = pathlib.Path(place.canary / "victim")
    link = place.canary / "link"
    {"file": lambda: victim.write_bytes(b"victim\n"), "mode": lambda: victim.chmod(0o600),
     "time": lambda: os.utime(link, ns=(1, 1), follow_symlinks=False), "read": victim.read_bytes,
     "list": lambda: os.listdir(place.canary / "dir"), "link": lambda: os.link(victim, place.root / "h"),
     "beside": lambda: (place.c / "new").touch()}[what]()
    assert place.change(before)
    place.fresh()
    assert not place.change(place.state())
