# SPDX-License-Identifier: MIT
"""Faults and SIGKILL at every system call of runs that build a root file system: by options, and by an OCI config.

INROOT_SOAK=1: every error at every call. Else one of them at each call, in turn; SIGKILL at its entry or its exit; and
the user's way in the user's own run.
"""
import collections
import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "behaviour"))
from conftest import (ROOT_CALLER, bbox, binary, give, mark, need_root, need_userns, payloads, run,  # noqa: E402,F401
                      scratch)
from injection import (ERRORS, EXCLUDED, NEWER, NO_ROOM, REPORT, TRUE, USER, Host, Injector,  # noqa: E402
                       difference, number_of, view)
from test_faults import (MOST_HANGS, alone, killat, listed, options_are_read, pytestmark, summary)  # noqa: E402,F401

SOAK = os.environ.get("INROOT_SOAK") == "1"
DENIED = sorted(NEWER | {"fsconfig", "fsmount"})
CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/tmp", "noNewPrivileges": True},
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "inroot",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
        {"destination": "/tmp", "type": "bind", "source": "SOURCE", "options": ["rbind", "rro"]},
    ],
    "linux": {
        "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}],
        "maskedPaths": ["/proc/kcore", "/proc/acpi", "/etc/inside"],
        "readonlyPaths": ["/proc/sys"],
        "rootfsPropagation": "slave",
    },
}
EVERY = ("mounts", "mounts-user", "config")
FEW = EVERY if SOAK or not ROOT_CALLER else ("mounts", "config")


def modes(names):
    """The ordinary user's run has its own mode only."""
    return pytest.mark.parametrize("mode", [pytest.param(n, marks=need_userns if n == "mounts-user" else need_root)
                                            for n in names])


class Mounting(Injector):
    """One mount of each sort, with places that are there: what a missing one leads to has fallbacks of its own."""

    def __init__(self, killat, root, scratch):  # noqa: F811
        super().__init__(killat, root, scratch)
        source, config = scratch / "source", scratch / "config.json"
        (source / "sub").mkdir(parents=True)
        config.write_text(json.dumps(CONFIG).replace("SOURCE", str(source)))
        options = ["--unshare=pid", "--mount=type=proc,dst=/proc", f"--mount=type=bind,src={source},dst=/mnt,ro",
                   f"--mount=type=bind,src={config},dst=/etc/inside,nosuid", "--mount=type=tmpfs,dst=/tmp,mode=1777",
                   "--mount=type=devtmpfs,dst=/dev", "--mask=/mnt/sub", "--mask=/proc/kcore", "--ro-path=/proc/sys"]
        every = {"mounts": (options, None), "mounts-user": (options, USER),
                 "config": ([f"--config={config}"], None)}
        self.modes = {}
        for name, (opts, uid) in every.items():
            self.modes[name] = (opts, uid, {f"{name}-stacked": NO_ROOM})
            self.modes[f"{name}-stacked"] = ([*opts, "--pivot=stacked"], uid, {})

    def wrong_view(self, mode, call, error, outcome):
        """A node that can't be made is the host's, bound. What is missing below a directory that can't be written, or
        seems so, is synthesised on an overlay, which is the root then, or is read-only as what it covers."""
        wrong = super().wrong_view(mode, call, error, outcome)
        lines, undisturbed = outcome.mountinfo.splitlines(keepends=True), self.count(mode)
        if call.name == "mknodat" and error == "EPERM" and len(lines) == undisturbed + 1:
            outcome.mountinfo = "".join(line for line in lines if " - devtmpfs " not in line or " /dev/" not in line)
            return super().wrong_view(mode, call, error, outcome)
        if error in NO_ROOM and sum(" - overlay " in line for line in lines) == 1:
            seen = view(outcome, self.root)  # in the layer, read-only by now, pivot may make no directory
            for own in (self.view_of(mode), self.view_of(f"{mode}-stacked")):
                same_points = {m[2] for m in seen["mounts"]} == {m[2] for m in own["mounts"]}
                if same_points and difference(own, seen).keys() <= {"mounts", "root"}:
                    return None
        return wrong

    def count(self, mode):
        return len(self.view_of(mode)["mounts"])


def prepared(mode, killat, bbox, scratch):  # noqa: F811
    if ROOT_CALLER:
        run("mount", "--make-rshared", "/")
        if mode == "mounts-user":
            give(bbox)
    return Mounting(killat, bbox, scratch), Host(bbox)


@modes(FEW)
@alone
def test_every_call_fails_once(mode, killat, bbox, scratch, summary):  # noqa: F811
    injector, host = prepared(mode, killat, bbox, scratch)
    bad, count = [], collections.Counter()
    calls = injector.calls(mode, payload=[REPORT])
    known = options_are_read(calls)
    for i, call in enumerate(calls):
        if call.after or call.name in EXCLUDED:
            continue
        some = ERRORS if SOAK else ERRORS[i % len(ERRORS):][:1]
        for error in (*some, *(["ENOSYS"] if call.name in DENIED else [])):
            outcome = injector.go(mode, "fail", call.ordinal, call.n, number_of(error))
            if not outcome.answer["reached"]:
                count["missed"] += 1
                continue
            struck = injector.struck(call, outcome)
            wrong, left = injector.judge(mode, struck, error, outcome, early=i <= known), host.left_behind()
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


@modes(FEW)
@alone
def test_killed_at_every_call(mode, killat, bbox, scratch, summary):  # noqa: F811
    injector, host = prepared(mode, killat, bbox, scratch)
    bad, count = [], collections.Counter()
    for i, call in enumerate(injector.calls(mode, payload=[TRUE])):
        for where in ("kill-entry", "kill-exit")[0 if SOAK else i % 2:None if SOAK else i % 2 + 1]:
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


@modes(EVERY)
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@alone
def test_newer_calls_are_denied(mode, error, killat, bbox, scratch):  # noqa: F811
    """Of the mount calls each has an older way, in either case."""
    injector, host = prepared(mode, killat, bbox, scratch)
    last, own, bad = injector.calls(mode, payload=[REPORT])[-1], injector.view_of(mode), []
    known = [name for name in DENIED if name in injector.numbers]
    for names in (*([name] for name in known), known):
        outcome = injector.go(mode, "deny", number_of(error), *(injector.numbers[n] for n in names))
        wrong = injector.judge(mode, last, error, outcome)
        if not wrong and (error == "ENOSYS" or not set(names) & {"close_range", "pidfd_open", "clone3"}):
            wrong = difference(own, view(outcome, bbox)) if outcome.ran else "it did not run"
        left = host.left_behind()
        if wrong or left:
            bad.append(f"{error} for {names}: {wrong}, left {left}, {outcome}")
    assert not bad, listed(bad)
