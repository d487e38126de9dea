# SPDX-License-Identifier: MIT
"""Every system call of an extraction fails once, or is the last one: nothing is left, nothing is weaker.

INROOT_SOAK=1: every call, and every error. Else a fixed share: every kind of call, every few calls of the
others, and one error for each, in turn.
"""
import collections
import os
import pathlib
import platform
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "behaviour"))
from conftest import SANITIZED, need_root, need_userns  # noqa: E402
from injection import ERRORS, EXCLUDED, NEWER, number_of  # noqa: E402
from test_faults import (MOST_HANGS, alone, binary, killat, listed, mark, options_are_read,  # noqa: E402,F401
                         scratch, summary)
from unpack_injection import prepared  # noqa: E402

SOAK = os.environ.get("INROOT_SOAK") == "1"
INTERRUPTIBLE = {"read", "write", "pread64", "pwrite64", "recvfrom", "sendto", "openat", "open", "wait4",
                 "ppoll", "poll", "sendfile", "close", "ftruncate"}
NEWER_HERE = {*NEWER, "fchmodat2", "setxattrat", "landlock_create_ruleset"}

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="needs the static binary, not the ASan build"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"),
                       reason="needs x86-64 or aarch64 to replace a system call"),
]

RUNS = [("pivot", False), ("detached", False), ("chroot", False), ("userns", False), ("confined", False),
        ("pivot", True), ("confined", True), ("userns", True)]


def runs(*which):
    marks = {"userns": [need_userns], "confined": []}
    return pytest.mark.parametrize("mode,packed", [
        pytest.param(mode, packed, marks=marks.get(mode, [need_root]), id=mode + ("-gz" if packed else ""))
        for mode, packed in which])


def share(calls, mode, packed, step):
    """The calls to strike: all of them when soaking; else, in the first mode, all of a name's first and every
    `step`th after them, in the others every `step`th."""
    if SOAK:
        return list(enumerate(calls))
    seen, chosen = collections.Counter(), []
    for i, call in enumerate(calls):
        seen[call.ordinal, call.name] += 1
        if ((mode, packed) == RUNS[0] and seen[call.ordinal, call.name] <= 2) or i % step == 0:
            chosen.append((i, call))
    return chosen


def errors_for(call, i, first):
    """EPERM always in the first run: it is what fallbacks are taken for."""
    possible = [*ERRORS, *(["ENOSYS"] if call.name in NEWER_HERE else []),
                *(["EINTR"] if call.name in INTERRUPTIBLE else [])]
    chosen = possible[i % len(possible)]
    return possible if SOAK else [chosen, *(["EPERM"] if first and chosen != "EPERM" else [])]


# -- SIGKILL -----------------------------------------------------------------------------------

@runs(*RUNS)
@alone
def test_killed_at_every_call(mode, packed, killat, scratch, summary):
    """Files inside ROOT are allowed, and an empty .pivot_root.* directory; no mount, no process, and nothing
    outside."""
    injector, host = prepared(mode, killat, scratch)
    calls = injector.calls(mode, packed)
    bad, count = [], collections.Counter()
    for i, call in share(calls, mode, packed, 9):
        for where in ("kill-entry", "kill-exit") if SOAK else (("kill-entry", "kill-exit")[i % 2],):
            outcome = injector.go(mode, where, call.ordinal, call.n, packed=packed, seconds=4)
            left = host.left_behind(killed=True)
            if not outcome.answer["reached"]:
                count["missed"] += 1
                continue
            count["tried"] += 1
            count["hung"] += outcome.answer["hung"]
            count["left"] += bool(left)
            if left or outcome.answer["hung"] or outcome.answer["crashed"]:
                bad.append(f"{where} {injector.struck(call, outcome)}: left {left}, {outcome}")
        if count["hung"] > MOST_HANGS:
            break
    summary(f"unpack, SIGKILL in {mode}{'-gz' if packed else ''}: tried {count['tried']}, "
            f"left something behind {count['left']}, hung {count['hung']}")
    assert not bad, listed(bad)
    assert count["tried"] > 10 and count["missed"] <= count["tried"] / 10


# -- one call fails ----------------------------------------------------------------------------

@runs(*RUNS)
@alone
def test_every_call_fails_once(mode, packed, killat, scratch, summary):
    injector, host = prepared(mode, killat, scratch)
    calls = injector.calls(mode, packed)
    known = options_are_read(calls)
    bad, count, excluded = [], collections.Counter(), set()
    for i, call in share(calls, mode, packed, 7):
        if call.name in EXCLUDED:
            excluded.add(call.name)
            continue
        for error in errors_for(call, i, (mode, packed) == RUNS[0]):
            outcome = injector.go(mode, "fail", call.ordinal, call.n, number_of(error), packed=packed)
            if not outcome.answer["reached"]:
                count["missed"] += 1
                continue
            struck = injector.struck(call, outcome)
            wrong = injector.judge(mode, struck, error, outcome, packed, early=i <= known)
            left = host.left_behind()
            count["tried"] += 1
            count["handled"] += not wrong and not left
            count["left"] += bool(left)
            count["hung"] += outcome.answer["hung"]
            count["crashed"] += bool(outcome.answer["crashed"])
            if wrong or left:
                bad.append(f"{error} for {struck}: {wrong or ''}, left {left}, {outcome}")
        if count["hung"] > MOST_HANGS:
            break
    summary(f"unpack, {mode}{'-gz' if packed else ''}: injections tried {count['tried']}, handled "
            f"{count['handled']}, left something behind {count['left']}, hung {count['hung']}, "
            f"crashed {count['crashed']}")
    for name in excluded:
        summary(f"no fault in {name}: {EXCLUDED[name]}")
    assert not bad, listed(bad)
    assert count["tried"] > 10 and count["missed"] <= count["tried"] / 10


@runs(("pivot", False), ("pivot", True), ("confined", False))
@alone
def test_fewer_bytes_are_moved(mode, packed, killat, scratch, summary):
    """Reads and writes may do a part of what is asked for: the rest is asked for again."""
    injector, host = prepared(mode, killat, scratch)
    calls = injector.calls(mode, packed)
    bad, tried = [], 0
    for call in calls:
        if call.name not in ("read", "write", "pread64", "pwrite64", "sendfile"):
            continue
        if call.name == "write" and call.args[0] in (1, 2, 100):  # one record, one write
            continue
        outcome = injector.go(mode, "short", call.ordinal, call.n, packed=packed)
        if not outcome.answer["reached"]:
            continue
        tried += 1
        wrong = injector.judge(mode, injector.struck(call, outcome), "EIO", outcome, packed)
        left = host.left_behind()
        if outcome.exit != 0 or wrong or left:
            bad.append(f"{injector.struck(call, outcome)}: {wrong}, left {left}, {outcome}")
    summary(f"unpack, short reads and writes in {mode}{'-gz' if packed else ''}: {tried}")
    assert not bad, listed(bad)
    assert tried > 5


# -- a kernel, or a filter, that does not know the newer calls ---------------------------------

@runs(*RUNS[:5])
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@alone
def test_newer_calls_are_denied(mode, packed, error, killat, scratch):
    """Each alone, then all. Unknown (ENOSYS): the older way is taken, with the same result."""
    injector, host = prepared(mode, killat, scratch)
    last = injector.calls(mode)[-1]
    known = sorted(name for name in NEWER_HERE if name in injector.numbers)
    bad = []
    for names in (*([name] for name in known), known):
        outcome = injector.go(mode, "deny", number_of(error), *(injector.numbers[n] for n in names))
        wrong = injector.judge(mode, last, error, outcome)
        if error == "ENOSYS" and not wrong and outcome.exit != 0 and not (
                mode == "detached" and {"open_tree", "mount_setattr"} & set(names)):  # there is no older way
            wrong = "it did not work"
        left = host.left_behind()
        if wrong or left:
            bad.append(f"{error} for {names}: {wrong}, left {left}, {outcome}")
    assert not bad, listed(bad)
