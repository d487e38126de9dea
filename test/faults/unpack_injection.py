# SPDX-License-Identifier: MIT
"""Extractions that are struck at one system call, and the judgement of what came of each.

A fault is handled if the run fails as the system's fault (125) with the right line and record; or if it
succeeds, and the tree, the record of how the root was entered and what each process held when it ended
(capabilities, filter, no_new_privs, ids) equal those of an undisturbed run, or of a fallback that
INTERFACE.md names for that error. Outside of ROOT nothing has changed either way.
"""
import ctypes
import gzip
import os
import pathlib
import platform
import re
import shutil

import tarball
import treedigest
from conftest import ROOT_CALLER, libc, run
from injection import DENIED, NO_ROOM, STATUS_FD, USER, WRITES, Call, Host, Injector, difference
from tarball import char, directory, entry, fifo, file, hard, pax, sparse_pax, sym, tar
from unpacking import (ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER, ACL_USER, ACL_USER_OBJ, CAPABILITY, NO_ID, Canary,
                       acl)

MNT_DETACH = 2
LONG = "/".join(["long" * 20] * 3)
OPTIONS = ["--json", "--acls", "--sync=fs"]
LAYER = ["--policy=layer", "--xattrs=user.*,security.capability,trusted.x"]
MODES = {
    "pivot": (LAYER, None, {"stacked": NO_ROOM, "chroot": DENIED, "confined-layer": DENIED}),
    "stacked": ([*LAYER, "--pivot=stacked"], None, {"chroot": DENIED, "confined-layer": DENIED}),
    "detached": ([*LAYER, "--enter=detached"], None, {}),
    "chroot": ([*LAYER, "--enter=chroot"], None, {}),
    "confined-layer": ([*LAYER, "--enter=confined"], None, {}),
    "userns": (["--policy=layer"], USER,
               {"userns-stacked": NO_ROOM, "userns-chroot": DENIED, "userns-confined": DENIED}),
    "userns-stacked": (["--policy=layer", "--pivot=stacked"], USER, {}),
    "userns-chroot": (["--policy=layer", "--enter=chroot"], USER, {}),
    "userns-confined": (["--policy=layer", "--enter=confined", "--map-root-user"], USER, {}),
    "confined": (["--enter=confined"], USER, {}),
}
# What these decide can't be seen in the tree: they work, or the run ends.
HELD = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
        "Seccomp_filters")
LANDLOCK = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


def attributes(**values):
    return {"SCHILY.xattr." + k.replace("_", ".", 1): v for k, v in values.items()}


def every_type(privileged):
    """An archive with each type of entry and of metadata, and with names that exist already (see Root)."""
    text = acl((ACL_USER_OBJ, 6, NO_ID), (ACL_USER, 4, 0), (ACL_GROUP_OBJ, 4, NO_ID), (ACL_MASK, 4, NO_ID),
               (ACL_OTHER, 0, NO_ID))
    uid = 5 if privileged else 0
    own = []
    if privileged:
        own = [char("null", 1, 3, mode=0o666), tarball.block("loop", 7, 200, gid=6),
               pax(attributes(security_capability=CAPABILITY)),
               file("capable", "c" * 900, mode=0o755, uid=uid),
               pax(attributes(trusted_x="1")) + directory("attributed", mode=0o700)]
    return tar([
        directory("./", mode=0o751, mtime=1000), directory("d", mode=0o2750, mtime=1001, uid=uid),
        file("d/empty", ""), file("d/small", "small\n", mode=0o4711, uid=uid, gid=uid),
        file("d/large", bytes(range(256)) * 2400, mode=0o600), hard("d/hard", "d/small"),
        sym("d/sym", "small", uid=uid), fifo("d/fifo", mode=0o640), *own,
        sparse_pax("sparse", [(0, 4), (500000, 4)], 900000, b"headtail"),
        pax({**attributes(user_a="1", user_b=""), "mtime": "1500000000.123456789"}) + file("d/attributed"),
        pax({"SCHILY.acl.access": "user::rw-,user:0:r--,group::r--,mask::r--,other::---"}),
        file("d/acl", mode=0o640),
        pax({"SCHILY.xattr.system.posix_acl_default": text}) + directory("d/default"),
        file(LONG), entry(LONG + ".gnu", "0", b"g", long="L", format="gnu"),
        file("old/file", "new"), file("old/directory", "new"), file("old/symlink", "new"),
        file("old/fifo", "new"), sym("old/other", "new"), directory("old/merged", mode=0o711, mtime=1002),
        directory("old/link"),
        file("implied/parents/file"), file("through/absolute", "t"), file("through/again", "t"),
    ])


class Root(Host):
    """ROOT as it is before each run, a canary beside it, and what of the machine must not change."""

    def __init__(self, root, owner, changed):
        self.owner, self.changed = owner, changed
        self.canary = Canary(root.parent / "canary", owner)
        super().__init__(root)

    def look(self):
        """Mounts, the directory around ROOT, and `/`: itself, and what was made or changed below it."""
        st = os.stat("/")
        below = sorted(os.path.join(where, name) for top in self.changed for where, directories, files in
                       os.walk(top) for name in (*directories, *files))
        return (pathlib.Path("/proc/self/mountinfo").read_text(), sorted(os.listdir(self.root.parent)),
                (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns) if self.changed else None, below)

    def renew(self):
        """The same as ever, whatever a run made of it."""
        for name in os.listdir(self.root):
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        old = self.root / "old"
        for path in (old, old / "directory", old / "directory/deep", old / "merged"):
            path.mkdir()
        for name in ("file", "other", "directory/deep/file", "merged/kept"):
            (old / name).write_text("old")
        (old / "symlink").symlink_to("../../canary/victim")
        (old / "link").symlink_to("../../canary")
        os.mkfifo(old / "fifo")
        (self.root / "real").mkdir()
        (self.root / "through").symlink_to("/real")
        self.root.chmod(0o755)
        for where, directories, files in os.walk(self.root):
            for name in ("", *directories, *files):
                path = os.path.join(where, name)
                os.chown(path, self.owner, self.owner, follow_symlinks=False)
                os.utime(path, (1, 1), follow_symlinks=False)
        for name in os.listxattr(self.root):
            os.removexattr(self.root, name)

    def left_behind(self, killed=False):
        found = super().left_behind(killed)
        if changes := self.canary.changes():
            found.append({"canary": changes})
            self.canary.before = self.canary.look()
        return found


def is_shut_in(held):
    """What a decoder holds when it ends by itself: nothing, under a filter."""
    return int(held["CapPrm"], 16) == int(held["CapEff"], 16) == 0 and \
        (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")


def held_by(text):
    """What each process was when it ended, the helper first: which ends first is a matter of chance."""
    found = []
    for part in text.split("Name:\t")[1:]:
        lines = dict(line.split(":\t", 1) for line in part.splitlines() if ":\t" in line)
        found.append((int(lines["Pid"]), {key: lines.get(key) for key in HELD}))
    return [held for _, held in sorted(found, key=lambda item: item[0])]


def changes(expected, seen):
    """Differences of two views. A decoder that was killed after its work does not tell what it held."""
    wrong = difference(expected, seen)
    wanted, held = expected["held"], seen["held"]
    if held and held[0] == wanted[0] and all(h in wanted or is_shut_in(h) for h in held[1:]):
        wrong.pop("held", None)
    return wrong


class UnpackInjector(Injector):
    modes = MODES

    def __init__(self, killat, root, scratch, host):
        super().__init__(killat, root, scratch)
        self.host = host
        self.status = scratch / "status"
        self.archives = {}
        for privileged in (False, True):
            for packed in (False, True):
                data = every_type(privileged)
                path = scratch / f"archive-{privileged}-{packed}"
                path.write_bytes(gzip.compress(data, 1, mtime=0) if packed else data)
                self.archives[privileged, packed] = path

    def words(self, mode, packed):
        self.packed = packed
        return (["-s", self.status],
                ["unpack", f"--status-fd={STATUS_FD}", *OPTIONS, *self.modes[mode][0], self.root])

    def go(self, mode, *action, packed=False, **kw):
        self.host.renew()
        self.status.unlink(missing_ok=True)
        self.status.touch(0o666)
        uid = self.modes[mode][1]
        with open(self.archives[uid is None and ROOT_CALLER, packed], "rb") as stdin:
            outcome = super().go(mode, *action, payload=packed, stdin=stdin, **kw)
        outcome.held = held_by(self.status.read_text())
        return outcome

    def calls(self, mode, packed=False):
        outcome = self.go(mode, "list", packed=packed)
        assert outcome.exit == 0 and not outcome.answer["hung"], outcome
        lines = [list(map(int, line.split())) for line in outcome.lines]
        return [Call(self.names, *numbers, after=after) for *numbers, after in lines]

    def view(self, outcome):
        """All that must be as ever in a run that succeeds."""
        found = treedigest.digest(self.root)
        for properties in found.values():
            properties.pop("blocks", None)
            if properties["mtime"] > 1_600_000_000 * 10 ** 9:
                properties["mtime"] = "that of the run"
        entered = {k: v for k, v in (outcome.record("entered") or {}).items() if k != "fallback"}
        records = [r["type"] for r in outcome.records if r["type"] != "progress"]
        return {"tree": found, "held": outcome.held, "entered": entered, "records": records,
                "summary": outcome.record("summary"), "stdout": outcome.stdout, "stderr": outcome.stderr}

    def view_of(self, mode, packed=False):
        if (mode, packed) not in self.views:
            outcome = self.go(mode, "list", packed=packed)
            assert outcome.exit == 0, (mode, outcome)
            assert outcome.record("entered") and not outcome.record("entered")["fallback"], outcome
            self.views[mode, packed] = self.view(outcome)
        return self.views[mode, packed]

    # -- judgement -----------------------------------------------------------------------------

    def judge(self, mode, call, error, outcome, packed=False, early=False):
        if outcome.answer["crashed"]:
            return "crashed"
        if outcome.answer["hung"]:
            return "hung"
        if outcome.exit == 0:
            return self.wrong_success(mode, call, error, outcome, packed)
        return self.wrong_failure(call, error, outcome, early)

    def wrong_success(self, mode, call, error, outcome, packed):
        if outcome.record("error"):
            return "an error record, and success"
        if error and call.name in LANDLOCK and error not in ("ENOSYS", "EOPNOTSUPP", "EPERM"):
            return "without Landlock, although the kernel has it"
        # A line or record that could not be written is missing; its writer is told nothing else.
        lost = {"entered", "records", "summary", "stdout", "stderr"} if call.name in WRITES else set()
        seen = self.view(outcome)
        wrong = changes(self.view_of(mode, packed), seen)
        if wrong.keys() <= lost:
            return None
        for fallback, errors in self.modes[mode][2].items():
            if error in errors and changes(self.view_of(fallback, packed), seen).keys() <= lost:
                return None
        if "tree" in wrong:
            wrong["tree"] = treedigest.differences(*wrong["tree"], sparse=False)[:5]
        return f"it differs: {wrong}"

    def wrong_failure(self, call, error, outcome, early):
        """As of exec, but for the exit status and the summary. A decoder that failed is gone: the helper
        knows that, and perhaps not why."""
        told = outcome.stderr.splitlines()
        usage = early and told and ": usage: " in told[0]  # what can't be looked at is no descriptor
        if outcome.exit != 125 and not (usage and outcome.exit == 2):
            return f"exit status {outcome.exit}, signal {outcome.answer['signal']}"
        code = error if call.ordinal == 0 else r"E\w+"
        if call.name in ("mmap", "brk"):  # malloc says ENOMEM, whatever the reason
            code = f"({error}|ENOMEM)"
        writes = call.name in WRITES
        if not (writes and call.args[0] == 2):
            if not told or not re.fullmatch(rf"inroot.*\({code}\)", told[0]) or \
                    len(told) > 2 or not all(line.startswith("hint: ") for line in told[1:]):
                return "not the right error line"
        record = outcome.record("error")
        if record is None:
            return None if early or (writes and call.args[0] != 2) else "no error record"
        if [r["type"] for r in outcome.records].count("error") != 1:
            return "more than one error"
        if not re.fullmatch(code, record["code"]):
            return "not the right error record"
        if outcome.record("entered") and not outcome.record("summary") and not writes:
            return "no summary"
        return None


PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def copy_of_the_host(directory):
    """An overlay of `/` becomes our `/`, so that a run which takes that for ROOT does no harm, and is seen.

    The rest of the host's mounts is there as well. The directory in which changes are kept is returned.
    """
    for name in ("upper", "work", "merged"):
        (directory / name).mkdir()
    merged, upper = directory / "merged", directory / "upper"
    upper.chmod(0o755)
    run("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={directory / 'work'}", "none",
        merged)
    for name in ("dev", "proc", "sys", "tmp"):
        run("mount", "--rbind", f"/{name}", merged / name)
    os.chdir(merged)
    if libc.syscall(PIVOT_ROOT[platform.machine()], b".", b".") != 0 or libc.umount2(b".", MNT_DETACH) != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    return upper


def prepared(mode, killat, directory):
    """A tmpfs of its own for ROOT and what is beside it, in the test's own mounts; and the runs."""
    changed = []
    if ROOT_CALLER:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", directory)
        (directory / "host").mkdir()
        changed = [copy_of_the_host(directory / "host")]
        run("mount", "--make-rshared", "/")
    uid = MODES[mode][1]
    owner = os.geteuid() if uid is None else uid
    (directory / "box").mkdir()
    root = directory / "box/root"
    root.mkdir()
    host = Root(root, owner, changed)
    (directory / "own").mkdir()
    return UnpackInjector(killat, root, directory / "own", host), host


