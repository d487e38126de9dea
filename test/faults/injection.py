# SPDX-License-Identifier: MIT
"""Runs of inroot that are struck at one system call, and the judgement of what came of each.

A fault is handled if the helper exits non-zero with the right record and the payload never ran; or
if it ran, and what it saw of itself equals what it sees in an undisturbed run, or in one by a
fallback that INTERFACE.md names for that error. Nothing stays behind either way.
"""
import errno
import fcntl
import json
import os
import pathlib
import re
import stat
import subprocess

from conftest import INROOT, ROOT_CALLER, parse_records, run

STATUS_FD, ANSWER_FD = 100, 101
REPORT, TRUE = "/bin/report", "/bin/static-true"
SECONDS = 8
ERRORS = ("EPERM", "ENOSPC", "EIO", "ENOMEM")
NEWER = {"openat2", "open_tree", "move_mount", "mount_setattr", "close_range", "fsopen", "pidfd_open",
         "clone3"}
# Calls that get no fault, and why.
EXCLUDED = {name: "the kernel defines no failure for it" for name in (
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "umask",
    "set_tid_address", "exit", "exit_group", "rt_sigreturn", "restart_syscall")}
EXCLUDED["arch_prctl"] = "musl's start code ends the process before main: no thread pointer"

WRITES = ("write", "writev")

USER = 1000 if ROOT_CALLER else None
# name: (options, uid, {fallback: errors for which INTERFACE.md lets it be taken})
DENIED = {"EPERM", "ENOSYS"}
NO_ROOM = {"EROFS", "ENOSPC", "EDQUOT", "EACCES", "EPERM", "EOVERFLOW"}
INIT = ["--unshare=pid", "--init"]
FILTER = ["--no-new-privs=off", f"--seccomp={pathlib.Path(__file__).with_name('filter.json')}"]
MODES = {
    "pivot": ([], None, {"stacked": NO_ROOM, "chroot": DENIED}),
    "stacked": (["--pivot=stacked"], None, {"chroot": DENIED}),
    "chroot": (["--enter=chroot"], None, {}),
    "userns": ([], USER, {"userns-stacked": NO_ROOM, "userns-chroot": DENIED}),
    "init": (INIT, None, {"init-stacked": NO_ROOM, "init-chroot": DENIED}),
    "userns-stacked": (["--pivot=stacked"], USER, {}),
    "userns-chroot": (["--enter=chroot"], USER, {}),
    "init-stacked": ([*INIT, "--pivot=stacked"], None, {}),
    "init-chroot": ([*INIT, "--enter=chroot"], None, {}),
    "die": ([*INIT, "--die-with-parent"], None, {}),
    "read-only": (["--ro"], None, {"read-only-stacked": NO_ROOM}),
    "read-only-stacked": (["--ro", "--pivot=stacked"], None, {}),
    "overlay": (["--overlay=tmpfs"], None, {"overlay-stacked": NO_ROOM}),
    "overlay-stacked": (["--overlay=tmpfs", "--pivot=stacked"], None, {}),
    "setuid": ([], USER, {}),
    "setuid-init": ([*INIT, "--unshare=net,ipc,uts"], USER, {}),
    "filter": (FILTER, None, {"filter-stacked": NO_ROOM, "filter-chroot": DENIED}),
    "filter-stacked": ([*FILTER, "--pivot=stacked"], None, {}),
    "filter-chroot": ([*FILTER, "--enter=chroot"], None, {}),
}
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def call_names():
    """Number -> name of this machine's system calls."""
    text = subprocess.run(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                          capture_output=True, text=True, check=True).stdout
    known = {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)\n", text)}
    return {452: "fchmodat2", 463: "setxattrat", **known}  # newer than some libraries, the same everywhere


class Call:
    """One system call of a run: the nth of process `ordinal`; `after` the payload started to run."""

    def __init__(self, names, ordinal, n, number, *args, after=0):
        self.ordinal, self.n, self.args, self.after = ordinal, n, args, after
        self.name = names.get(number, str(number))

    def __str__(self):
        return f"process {self.ordinal}, call {self.n}, {self.name}{tuple(self.args)}"


class Outcome:
    """How one run ended, as killat, the helper, the payload and the kernel tell it."""

    def __init__(self, lines, proc, status, mountinfo):
        self.answer = json.loads(lines[-1])
        self.lines = lines[:-1]
        self.ran, self.exit = self.answer["ran"], self.answer["exit"]
        self.stdout, self.stderr = proc.stdout, proc.stderr
        self.records = parse_records(status)
        self.mountinfo = mountinfo

    def record(self, kind):
        return next((r for r in self.records if r["type"] == kind), None)

    def __repr__(self):
        shown = {k: v for k, v in self.answer.items() if k not in ("args", "number")}
        return f"{shown} {self.records} {self.stderr!r}"


def normalized_mounts(text):
    """What mountinfo says, without the numbers that differ from run to run; the point that each lies on instead."""
    lines = [re.sub(r"self/fd/\d+", "self/fd", line).split() for line in text.splitlines()]
    points, mounts = {fields[0]: fields[4] for fields in lines}, []
    for fields in lines:
        dash = fields.index("-")
        mounts.append((points.get(fields[1]), *fields[3:6], *(f.partition(":")[0] for f in fields[6:dash]),
                       *fields[dash + 1:]))
    return sorted(mounts, key=lambda mount: (mount[2], str(mount)))


def view(outcome, root):
    """What the payload was: by its own report, by the records, and by its mounts."""
    seen = json.loads(outcome.stdout)
    for name in ("pid", "ppid", "pgid", "sid"):
        del seen[name]
    for fd in seen["fds"].values():
        del fd["ino"]
    seen["root"] = seen["root"] == [root.stat().st_dev, root.stat().st_ino]
    seen["ns"] = {name: seen["ns"][name] == os.stat(f"/proc/self/ns/{name}").st_ino
                  for name in NAMESPACES if name in seen["ns"]}
    entered = {k: v for k, v in (outcome.record("entered") or {}).items() if k != "fallback"}
    return {**seen, "entered": entered, "records": [r["type"] for r in outcome.records],
            "mounts": normalized_mounts(outcome.mountinfo), "exit": outcome.exit,
            "stderr": outcome.stderr}


def difference(one, other):
    return {k: (one.get(k), other.get(k)) for k in one.keys() | other.keys() if one.get(k) != other.get(k)}


class Host:
    """What must be the same after a run; differences are mended, so that each counts once."""

    def __init__(self, root):
        self.root = root
        self.before = self.look()

    def look(self):
        st = self.root.stat()
        return (pathlib.Path("/proc/self/mountinfo").read_text(),
                (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), sorted(os.listdir(self.root)))

    def left_behind(self, killed=False):
        """What a run left; after SIGKILL an empty .pivot_root.* directory is allowed."""
        found = []
        for path in self.root.glob(".pivot_root*"):
            try:
                path.rmdir()
            except OSError as problem:
                found.append(f"{path}: {problem}")
            else:
                found += [] if killed else [str(path)]
        now = self.look()
        if now != self.before:
            found.append(difference(dict(enumerate(self.before)), dict(enumerate(now))))
            self.before = now
        return found


class Injector:
    """Runs of `inroot exec`; of another command where a class of its own says so."""

    modes = MODES

    def __init__(self, killat, root, scratch):
        self.killat, self.root, self.program = killat, root, INROOT
        self.copy = scratch / "mountinfo"
        self.names = call_names()
        self.numbers = {name: number for number, name in self.names.items()}
        self.views = {}

    def words(self, mode, payload):
        """What killat is told about the run, and the words of inroot."""
        return (["-m", self.copy, "-p", os.path.basename(payload[0])[:15]],
                ["exec", f"--status-fd={STATUS_FD}", *self.modes[mode][0], self.root, "--", *payload])

    def go(self, mode, *action, payload=(REPORT,), seconds=SECONDS, stdin=subprocess.DEVNULL):
        """One run of inroot in that mode, struck by killat's action."""
        uid = self.modes[mode][1]
        options, inroot = self.words(mode, payload)
        command = [self.killat, "-o", ANSWER_FD, "-t", seconds, *options,
                   *(["-u", uid] if uid is not None else []), *action, "--", self.program, *inroot]
        pipes = {}
        self.copy.unlink(missing_ok=True)
        try:
            for number in (STATUS_FD, ANSWER_FD):
                pipes[number], w = os.pipe()
                fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 1 << 20)  # it is read when all is over
                os.dup2(w, number)
                os.close(w)
            proc = subprocess.run(list(map(str, command)), pass_fds=tuple(pipes), text=True,
                                  capture_output=True, stdin=stdin, timeout=60)
        finally:
            for number in pipes:
                os.close(number)
        status, lines = (open(fd, "rb").read() for fd in pipes.values())
        assert proc.returncode == 0, (action, proc)
        mountinfo = self.copy.read_text() if self.copy.exists() else ""
        return Outcome(lines.decode().splitlines(), proc, status, mountinfo)

    def calls(self, mode, **kw):
        """All system calls of an undisturbed run, in their order."""
        outcome = self.go(mode, "list", **kw)
        assert outcome.ran and not outcome.answer["hung"], outcome
        lines = [list(map(int, line.split())) for line in outcome.lines]
        return [Call(self.names, *numbers, after=after) for *numbers, after in lines]

    def struck(self, call, outcome):
        """The call that was really struck: from run to run they can differ by one."""
        return Call(self.names, call.ordinal, call.n, outcome.answer["number"], *outcome.answer["args"])

    def view_of(self, mode):
        if mode not in self.views:
            outcome = self.go(mode, "list")
            assert outcome.ran and outcome.exit == 0, (mode, outcome)
            assert outcome.record("entered") and not outcome.record("entered")["fallback"], outcome
            self.views[mode] = view(outcome, self.root)
        return self.views[mode]

    # -- judgement -----------------------------------------------------------------------------

    def wrong_view(self, mode, call, error, outcome):
        """What is wrong with a payload that ran although a call failed; None if nothing.

        A record that could not be written is missing; all else is as it was. After a fallback to
        chroot the payload may have mounts of its own where an undisturbed one has the caller's.
        """
        if outcome.record("error"):
            return "an error record, and the payload ran"
        try:
            seen = view(outcome, self.root)
        except ValueError:
            return "the payload ran and could not report"
        lost = {"entered", "records"} if call.name in WRITES else set()
        wrong = difference(self.view_of(mode), seen)
        if wrong.keys() <= lost:
            return None
        for fallback, errors in self.modes[mode][2].items():
            more = difference(self.view_of(fallback), seen)
            if seen["entered"].get("method") == "chroot" and outcome.record("entered")["fallback"]:
                more = {k: v for k, v in more.items() if k != "mounts" and not (k == "ns" and
                        difference({**v[0], "mnt": False}, v[1]) == {})}
            if error in errors and not more:
                return None
            wrong = min(wrong, more, key=len)
        return f"the payload differs: {wrong}"

    def wrong_record(self, call, error, outcome, early):
        """What is wrong with a run that failed; None if nothing.

        A record that could not be written is missing: on the descriptor whose write failed, and on
        the status descriptor before the helper has read its options.
        """
        if outcome.exit not in (125, 126, 127):
            return f"exit status {outcome.exit}, signal {outcome.answer['signal']}"
        told = outcome.stderr.splitlines()
        record = outcome.records[-1] if outcome.records else {"type": None}
        writes = call.name in WRITES
        if call.name in ("mmap", "brk"):  # malloc says ENOMEM, whatever the reason
            error = f"({error}|ENOMEM)"
        if not (writes and call.args[0] == 2):
            if not told or not re.fullmatch(rf"inroot.*\({error}\)", told[0]) or \
                    len(told) > 2 or not all(line.startswith("hint: ") for line in told[1:]):
                return "not the right error line"
        if record["type"] != "error":
            return None if early or (writes and call.args[0] != 2) else "no error record"
        return None if re.fullmatch(error, record["code"]) else "not the right error record"

    def judge(self, mode, call, error, outcome, early=False):
        if outcome.answer["crashed"]:
            return "crashed"
        if outcome.answer["hung"]:
            return "hung"
        return self.wrong_view(mode, call, error, outcome) if outcome.ran else \
            self.wrong_record(call, error, outcome, early)


def compiled(directory):
    """killat, built in that directory."""
    target = directory / "killat"
    run("gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-o", target,
        pathlib.Path(__file__).with_name("killat.c"))
    return target


def number_of(name):
    return getattr(errno, name)
