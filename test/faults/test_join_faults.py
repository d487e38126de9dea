# SPDX-License-Identifier: MIT
"""Faults and SIGKILL at every system call of a run that joins the namespaces of a container.

INROOT_SOAK=1: every error at every call. Else one of them at each call, in turn.
"""
import collections
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "behaviour"))
from conftest import (as_user, bbox, binary, mark, need_root, need_userns, payloads, run,  # noqa: E402,F401
                      scratch)
from injection import (ERRORS, EXCLUDED, NEWER, NO_ROOM, REPORT, TRUE, USER, Host, Injector,  # noqa: E402
                       difference, number_of, view)
from joining import OF_HOST, OF_ROOT, OF_USER, TYPES, by_target, container  # noqa: E402
from test_faults import (MOST_HANGS, alone, killat, listed, options_are_read, pytestmark,  # noqa: E402,F401
                         summary)

SOAK = os.environ.get("INROOT_SOAK") == "1"
pytestmark = [*pytestmark, need_root]

OTHERS = [kind for kind in TYPES if kind not in ("mnt", "user")]
# name: (the container's options, the types, further options, where ROOT is, fallbacks)
JOINS = {
    "join": (OF_ROOT, TYPES, [], "/", {}),
    "join-user": (OF_USER, TYPES, [], "/", {}),
    "join-pivot": (OF_HOST, OTHERS, [], None, {"join-stacked": NO_ROOM, "join-chroot": {"EPERM", "ENOSYS"}}),
    "join-stacked": (OF_HOST, OTHERS, ["--pivot=stacked"], None, {}),
    "join-chroot": (OF_HOST, OTHERS, ["--enter=chroot"], None, {}),
}
modes = pytest.mark.parametrize("mode", ["join", "join-pivot", pytest.param("join-user", marks=need_userns)])


class Joining(Injector):
    """Runs that join the container `pid`."""

    def __init__(self, killat, root, scratch, pid):  # noqa: F811
        super().__init__(killat, root, scratch)
        users = {"join-user": USER}
        self.modes = {name: ([*by_target(pid, kinds), *opts], users.get(name), fallbacks)
                      for name, (_, kinds, opts, _, fallbacks) in JOINS.items()}

    def words(self, mode, payload):
        options, words = super().words(mode, payload)
        return options, [JOINS[mode][3] or word if word == self.root else word for word in words]


@contextlib.contextmanager
def prepared(mode, killat, bbox, scratch):  # noqa: F811
    run("mount", "--make-rshared", "/")
    who = as_user() if mode == "join-user" else {}
    with container(bbox, *JOINS[mode][0], **who) as pid:
        yield Joining(killat, bbox, scratch, pid), Host(bbox)
        reap()


def reap():
    """What died in the container's pid namespace and was left to us: it ends no sooner."""
    with contextlib.suppress(ChildProcessError):
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            os.waitpid(-1, os.WNOHANG)


@modes
@alone
def test_every_call_fails_once(mode, killat, bbox, scratch, summary):  # noqa: F811
    bad, count = [], collections.Counter()
    with prepared(mode, killat, bbox, scratch) as (injector, host):
        calls = injector.calls(mode, payload=[REPORT])
        known = options_are_read(calls)
        for i, call in enumerate(calls):
            if call.after or call.name in EXCLUDED:
                continue
            some = ERRORS if SOAK else ERRORS[i % len(ERRORS):][:1]
            for error in (*some, *(["ENOSYS"] if call.name in NEWER else [])):
                outcome = injector.go(mode, "fail", call.ordinal, call.n, number_of(error))
                if not outcome.answer["reached"]:
                    count["missed"] += 1
                    continue
                struck = injector.struck(call, outcome)
                wrong = injector.judge(mode, struck, error, outcome, early=i <= known)
                left = host.left_behind()
                count["tried"] += 1
                count["handled"] += not wrong and not left
                count["hung"] += outcome.answer["hung"]
                if wrong or left:
                    bad.append(f"{error} for {struck}: {wrong or ''}, left {left}, {outcome}")
            if count["hung"] > MOST_HANGS:
                break
    summary(f"{mode}: injections tried {count['tried']}, handled {count['handled']}, hung {count['hung']}")
    assert not bad, listed(bad)
    assert count["tried"] > 100 and count["missed"] <= count["tried"] / 20


@modes
@alone
def test_killed_at_every_call(mode, killat, bbox, scratch, summary):  # noqa: F811
    bad, count = [], collections.Counter()
    with prepared(mode, killat, bbox, scratch) as (injector, host):
        for call in injector.calls(mode, payload=[TRUE]):
            for where in ("kill-entry", "kill-exit"):
                outcome = injector.go(mode, where, call.ordinal, call.n, payload=[TRUE], seconds=4)
                left, answer = host.left_behind(killed=True), outcome.answer
                count["tried" if answer["reached"] else "missed"] += 1
                count["hung"] += answer["hung"]
                if answer["reached"] and (left or answer["hung"] or answer["crashed"]):
                    bad.append(f"{where} {injector.struck(call, outcome)}: left {left}, {outcome}")
            if count["hung"] > MOST_HANGS:
                break
    summary(f"SIGKILL in {mode}: tried {count['tried']}, hung {count['hung']}")
    assert not bad, listed(bad)
    assert count["tried"] > 100 and count["missed"] <= count["tried"] / 20


@modes
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@alone
def test_newer_calls_are_denied(mode, error, killat, bbox, scratch):  # noqa: F811
    """Without pidfd_open(2) a directory of /proc is what pins the target."""
    bad = []
    with prepared(mode, killat, bbox, scratch) as (injector, host):
        last, own = injector.calls(mode, payload=[REPORT])[-1], injector.view_of(mode)
        known = sorted(name for name in NEWER if name in injector.numbers)
        for names in (*([name] for name in known), known):
            outcome = injector.go(mode, "deny", number_of(error), *(injector.numbers[n] for n in names))
            wrong = injector.judge(mode, last, error, outcome)
            if error == "ENOSYS" and not wrong:
                wrong = difference(own, view(outcome, bbox)) if outcome.ran else "it did not run"
            left = host.left_behind()
            if wrong or left:
                bad.append(f"{error} for {names}: {wrong}, left {left}, {outcome}")
    assert not bad, listed(bad)
