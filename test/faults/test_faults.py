# SPDX-License-Identifier: MIT
"""Every system call of a run fails once, or is the last one: nothing is left, nothing is weaker."""
import collections
import pathlib
import platform
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "behaviour"))
from conftest import (ROOT_CALLER, SANITIZED, _temp_dir, bbox, binary, give, mark, need_root,  # noqa: E402,F401
                      need_userns, payloads, private_mounts, pytest_configure, run, scratch)
from injection import (ERRORS, EXCLUDED, NEWER, REPORT, STATUS_FD, TRUE, Host, Injector,  # noqa: E402
                       compiled, difference, number_of, view)

MOST_HANGS = 3

pytestmark = [
    pytest.mark.skipif(SANITIZED, reason="needs the static binary, not the ASan build"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"),
                       reason="needs x86-64 or aarch64 to replace a system call"),
]


def modes(*names):
    """Parametrize by mode; the ordinary user's run has its own mode only."""
    marks = {"userns": need_userns}
    return pytest.mark.parametrize("mode", [pytest.param(n, marks=marks.get(n, need_root)) for n in names])


# -- the lines at the end ----------------------------------------------------------------------

class Summary:
    """Prints the lines that the tests wrote; they run in children of this process."""

    def __init__(self, path):
        self.path = path

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("faults")
        for line in sorted(set(self.path.read_text().splitlines())):
            terminalreporter.write_line(line)
        shutil.rmtree(self.path.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def summary(request):
    pytest_configure(request.config)
    path = _temp_dir("faults") / "summary"
    path.touch()
    request.config.pluginmanager.register(Summary(path))

    def say(line):
        with open(path, "a", encoding="ascii") as file:
            file.write(line + "\n")
    return say


@pytest.fixture(scope="session")
def killat():
    if not shutil.which("gcc"):
        pytest.skip("needs gcc for the tracer")
    directory = _temp_dir("killat")
    yield compiled(directory)
    shutil.rmtree(directory, ignore_errors=True)


def alone(test):
    """In a mount namespace of its own where that can be had; shared, as a host's mounts often are."""
    return private_mounts(test) if ROOT_CALLER else test


def prepared(mode, killat, bbox, scratch):
    if ROOT_CALLER:
        run("mount", "--make-rshared", "/")
        if mode.startswith("userns"):
            give(bbox)
    return Injector(killat, bbox, scratch), Host(bbox)


def options_are_read(calls):
    """Up to this call the helper may not have had its status descriptor where it keeps it."""
    return max((i for i, c in enumerate(calls) if c.args[0] == STATUS_FD), default=0)


def listed(bad):
    return f"{len(bad)} not handled:\n" + "\n".join(text[:600] for text in bad[:40])


# -- SIGKILL -----------------------------------------------------------------------------------

@modes("pivot", "stacked", "chroot", "userns", "init", "die")
@alone
def test_killed_at_every_call(mode, killat, bbox, scratch, summary):
    """Mounts, ROOT and processes are as before; an empty .pivot_root.* directory may remain."""
    injector, host = prepared(mode, killat, bbox, scratch)
    short, endless = ((["/bin/sleep", "0.1"], ["/bin/sleep", "1000"]) if mode == "die" else ([TRUE], [TRUE]))
    bad, count = [], collections.Counter()
    for call in injector.calls(mode, payload=short):
        if mode == "die" and call.after:
            continue
        for where in ("kill-entry", "kill-exit"):
            outcome = injector.go(mode, where, call.ordinal, call.n, payload=endless, seconds=4)
            left = host.left_behind(killed=True)
            if not outcome.answer["reached"]:
                count["missed"] += 1  # such as the exit of a call that waits for an endless payload
                continue
            count["tried"] += 1
            count["hung"] += outcome.answer["hung"]
            count["left"] += bool(left)
            if left or outcome.answer["hung"] or outcome.answer["crashed"]:
                bad.append(f"{where} {injector.struck(call, outcome)}: left {left}, {outcome}")
        if count["hung"] > MOST_HANGS:
            break
    summary(f"SIGKILL in {mode}: tried {count['tried']}, left something behind {count['left']}, "
            f"hung {count['hung']}")
    assert not bad, listed(bad)
    assert count["tried"] > 40 and count["missed"] <= count["tried"] / 20


# -- one call fails ----------------------------------------------------------------------------

@modes("pivot", "stacked", "chroot", "userns", "init", "read-only", "overlay", "filter")
@alone
def test_every_call_fails_once(mode, killat, bbox, scratch, summary):
    injector, host = prepared(mode, killat, bbox, scratch)
    calls = injector.calls(mode, payload=[REPORT])
    known = options_are_read(calls)
    bad, count, excluded = [], collections.Counter(), set()
    for i, call in enumerate(calls):
        if call.after:
            continue
        if call.name in EXCLUDED:
            excluded.add(call.name)
            continue
        for error in (*ERRORS, *(["ENOSYS"] if call.name in NEWER else [])):
            outcome = injector.go(mode, "fail", call.ordinal, call.n, number_of(error))
            if not outcome.answer["reached"]:
                count["missed"] += 1
                continue
            struck = injector.struck(call, outcome)
            wrong = injector.judge(mode, struck, error, outcome, early=i <= known)
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
    summary(f"{mode}: injections tried {count['tried']}, handled {count['handled']}, "
            f"left something behind {count['left']}, hung {count['hung']}, crashed {count['crashed']}")
    for name in excluded:
        summary(f"no fault in {name}: {EXCLUDED[name]}")
    assert not bad, listed(bad)
    assert count["tried"] > 100 and count["missed"] <= count["tried"] / 20


# -- a kernel, or a filter, that does not know the newer calls ---------------------------------

@modes("pivot", "stacked", "chroot", "userns", "init", "read-only", "overlay")
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@alone
def test_newer_calls_are_denied(mode, error, killat, bbox, scratch):
    """Each alone, then all. Unknown (ENOSYS): the older way is taken and the payload sees no difference.
    Forbidden (EPERM, as some engines' filters answer): it may also end the run, or be a fallback."""
    injector, host = prepared(mode, killat, bbox, scratch)
    last, own = injector.calls(mode, payload=[REPORT])[-1], injector.view_of(mode)
    known = sorted(name for name in NEWER if name in injector.numbers)
    bad = []
    for names in (*([name] for name in known), known):
        outcome = injector.go(mode, "deny", number_of(error), *(injector.numbers[n] for n in names))
        wrong = injector.judge(mode, last, error, outcome)
        if error == "ENOSYS" and not wrong:
            wrong = difference(own, view(outcome, bbox)) if outcome.ran else "it did not run"
            if mode == "overlay" and not outcome.ran:
                wrong = None  # there is no older way: refused by name, as judge() has seen
        left = host.left_behind()
        if wrong or left:
            bad.append(f"{error} for {names}: {wrong}, left {left}, {outcome}")
    assert not bad, listed(bad)
