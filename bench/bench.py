#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What entering a root costs: inroot against the bare system calls and the installed peers.

    bench/bench.py [--rounds N]        INROOT names another binary; default ./inroot

How to read it. A row is one way to run /static-true, timed from before the vfork to the return of
waitpid by spawn.c. The commands of a table run interleaved, in an order shuffled anew each round
(runc in each tenth round), after a warm-up. Times are microseconds; `median` is what everything
else is computed from, `min` and the quartiles tell how quiet the machine was.

    x floor       median over that of the row's own floor: floor.c, a fixed list of bare calls
    / tmpdir      median over that of `inroot exec` with --pivot=tmpdir: how many times as long
    / stacked     the same with --pivot=stacked

Each table comes twice: with the host's mounts as they are, and with 1,000 more. As an ordinary user
only the tables of the user namespace can be made. Then peak memory: KiB summed over all processes,
payload included (peak.c says how), and what `time -f %M` prints, which is never less than the size
of time itself. Last the targets. A missed target is reported and no error; a peer that is missing
or does not work here is skipped by name; the exit status is 1 when inroot or a floor does not run.

Everything is made in one temporary directory, mounts in a mount namespace of the bench's own.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from common import (EXTRA_MOUNTS, HERE, STATIC_TRUE, Report, add_mounts, build_programs,
                    count_mounts, describe_host, fs_of, need_inroot, run_inside)

PAYLOAD = "/static-true"
USER = 1000
TARGET_FLOOR, TARGET_PEAK_KIB = 1.3, 2048
TARGET_BWRAP = {"tmpdir": 2.5, "stacked": 3.5}


@dataclasses.dataclass
class Row:
    """One command of a table."""
    name: str
    argv: list
    floor: str = ""         # the name of its floor's row
    every: int = 1          # runs in each n-th round
    ours: bool = False      # must run
    low: float = 0
    q1: float = 0
    median: float = 0
    q3: float = 0


class Bench(Report):
    def __init__(self, top, rounds):
        super().__init__()
        self.top, self.rounds = pathlib.Path(top), rounds
        self.root, self.bundle = self.top / "root", self.top / "bundle"
        self.user_root = self.top / "user-root"
        self.is_root = os.geteuid() == 0
        self.user = USER if self.is_root else os.getuid()
        self.ids = {"user": USER, "group": USER, "extra_groups": []} if self.is_root else {}
        self.has_userns = False

    # -- making ready --------------------------------------------------------------------------

    def build(self):
        """The programs, and the roots with nothing but the payload."""
        build_programs(self.top, HERE / "floor.c", HERE / "spawn.c", HERE / "peak.c", STATIC_TRUE)
        for root in (self.root, self.user_root, self.bundle / "rootfs"):
            root.mkdir(parents=True)
            shutil.copy(self.top / "static-true", root)
        (self.bundle / "rootfs/proc").mkdir()
        (self.bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2", "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": [PAYLOAD], "user": {"uid": 0, "gid": 0}},
            # runc needs a proc of its own to close descriptors.
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": "mount"}]}}))

    def probe_userns(self):
        """Whether the tables of the user namespace can be made."""
        try:
            os.chown(self.user_root, self.user, -1)
            proc = self.run(self.floor("user", "stacked", self.user_root), self.ids)
            reason = proc.stderr.strip()
            self.has_userns = proc.returncode == 0
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"uid {self.user}: {error}"
        if not self.has_userns:
            self.skipped["user namespaces"] = reason

    # -- the commands --------------------------------------------------------------------------

    def floor(self, *args):
        return [self.top / "floor", *args]

    def inroot(self, *options, root=None):
        return [self.top / "inroot", "exec", *options, root or self.root, "--", PAYLOAD]

    def own_rows(self, root, *user):
        """The floors and inroot, each way of pivoting, in a user namespace or not."""
        for way in ("tmpdir", "stacked"):
            yield Row(f"floor {way}", self.floor(*user, way, root), f"floor {way}", ours=True)
        for way in ("tmpdir", "stacked"):
            for option in ((), ("--seccomp=none",)):
                options = ("--enter=pivot", f"--pivot={way}", *option)
                yield Row(" ".join(("inroot", f"--pivot={way}", *option)),
                          self.inroot(*options, root=root), f"floor {way}", ours=True)

    def root_rows(self):
        yield Row("static-true, no root", [self.top / "static-true"], ours=True)
        yield from self.own_rows(self.root)
        yield Row("floor chroot", self.floor("chroot", self.root), "floor chroot", ours=True)
        yield Row("inroot --enter=chroot", self.inroot("--enter=chroot"), "floor chroot", ours=True)
        if bwrap := self.tool("bwrap"):
            yield Row("bwrap --bind ROOT /", [bwrap, "--bind", self.root, "/", "--", PAYLOAD])
        if (unshare := self.tool("unshare")) and (chroot := self.tool("chroot")):
            yield Row("unshare -m chroot ROOT", [unshare, "-m", chroot, self.root, PAYLOAD])
        if runc := self.tool("runc"):
            yield Row("runc run", [runc, "--root", self.top / "runc", "run", "--bundle",
                                   self.bundle, f"inroot-bench-{os.getpid()}"], every=10)

    def user_rows(self):
        yield from self.own_rows(self.user_root, "user")
        if bwrap := self.tool("bwrap"):
            yield Row("bwrap --bind ROOT /", [bwrap, "--bind", self.user_root, "/", "--", PAYLOAD])
        if (unshare := self.tool("unshare")) and (chroot := self.tool("chroot")):
            yield Row("unshare -rm chroot ROOT",
                      [unshare, "-rm", chroot, self.user_root, PAYLOAD])

    # -- measuring -----------------------------------------------------------------------------

    def run(self, argv, ids, timeout=20):
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="backslashreplace", timeout=timeout, **ids)

    def usable(self, rows, ids):
        """Those of the rows whose command works here."""
        for row in rows:
            proc = self.run(row.argv, ids)
            if proc.returncode == 0:
                yield row
            elif row.ours:
                self.fail(row.name, proc)
            else:
                self.skipped[row.name] = (proc.stderr.strip().splitlines() or ["it failed"])[-1]

    def measure(self, title, rows, ids):
        """One table; its rows by name."""
        rows = list(self.usable(rows, ids))
        words = [word for row in rows for word in (str(row.every), *row.argv, "")]
        proc = self.run([self.top / "spawn", str(self.rounds), *words], ids, timeout=None)
        if proc.returncode != 0:
            self.fail(title, proc)
            return {}
        for row, line in zip(rows, proc.stdout.splitlines(), strict=True):
            row.low, row.q1, row.median, row.q3 = (int(time) / 1000 for time in line.split())
        table = {row.name: row for row in rows}
        print_table(title, table)
        return table

    def measure_all(self, mounts):
        if self.is_root:
            table = self.measure(f"root, {mounts}", self.root_rows(), {})
            self.judge(table, mounts)
        if self.has_userns:
            self.measure(f"uid {self.user}, user namespace, {mounts}", self.user_rows(), self.ids)

    def judge(self, table, mounts):
        bwrap = table.get("bwrap --bind ROOT /")
        for way in ("tmpdir", "stacked"):
            ours, floor = table.get(f"inroot --pivot={way}"), table.get(f"floor {way}")
            if ours and floor:
                ratio = ours.median / floor.median
                self.target(f"{way}: times its floor, {mounts}", f"{ratio:.2f}",
                            f"<= {TARGET_FLOOR}", ratio <= TARGET_FLOOR)
            if ours and floor and bwrap:
                ratio = bwrap.median / ours.median
                self.target(f"{way}: faster than bwrap, {mounts}", f"{ratio:.2f}",
                            f">= {TARGET_BWRAP[way]}", ratio >= TARGET_BWRAP[way],
                            f"the floor: {bwrap.median / floor.median:.2f}")

    def measure_memory(self):
        """Peak memory, in the caller's own ids."""
        root = self.root if self.is_root else self.user_root
        rows = [Row("static-true, no root", [self.top / "static-true"]),
                Row("inroot", self.inroot(root=root), ours=True),
                Row("inroot --unshare=pid", self.inroot("--unshare=pid", root=root), ours=True),
                Row("inroot --init", self.inroot("--init", root=root), ours=True)]
        if bwrap := self.tool("bwrap"):
            rows.append(Row("bwrap --bind ROOT /", [bwrap, "--bind", root, "/", "--", PAYLOAD]))
        timer = self.tool("time")
        print(f"\n{'peak memory':40} {'KiB':>8} {'processes':>10} {'time -f %M':>12}")
        for row in self.usable(rows, {}):
            proc = self.run([self.top / "peak", *row.argv], {})
            if proc.returncode != 0:
                self.skipped[f"peak memory of {row.name}"] = proc.stderr.strip()
                continue
            kib, processes, _ = map(int, proc.stdout.split())
            largest = self.run([timer, "-f", "%M", *row.argv], {}).stderr.strip() if timer else "-"
            print(f"{row.name:40} {kib:>8} {processes:>10} {largest:>12}", flush=True)
            if row.ours:
                self.target(f"{row.name}: peak memory, KiB", str(kib), f"<= {TARGET_PEAK_KIB}",
                            kib <= TARGET_PEAK_KIB)

    # -- all of it -----------------------------------------------------------------------------

    def bench(self):
        self.top.chmod(0o755)
        self.build()
        print(f"{describe_host()}, ROOT on {fs_of(self.top)}, {self.rounds} rounds")
        self.probe_userns()
        self.measure_all(f"{count_mounts()} mounts")
        if self.is_root:
            add_mounts(self.top / "many")
            self.measure_all(f"{count_mounts()} mounts")
        else:
            self.skipped[f"{EXTRA_MOUNTS} extra mounts"] = "need root"
            self.skipped["the ways without a user namespace"] = "need root"
        if self.is_root or self.has_userns:
            self.measure_memory()
        return self.print_verdict()


def print_table(title, table):
    ours = [table.get(f"inroot --pivot={way}") for way in ("tmpdir", "stacked")]
    print(f"\n{title:40} {'median':>8} {'min':>8} {'q1':>8} {'q3':>8}"
          f" {'x floor':>8} {'/ tmpdir':>8} {'/ stacked':>9}")
    for row in table.values():
        ratios = [row.median / other.median if other else None
                  for other in (table.get(row.floor), *ours)]
        cells = ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        print(f"{row.name:40} {row.median:8.0f} {row.low:8.0f} {row.q1:8.0f} {row.q3:8.0f}"
              f" {cells[0]:>8} {cells[1]:>8} {cells[2]:>9}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, metavar="N", help="default 400")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.rounds <= 10000:
        parser.error("--rounds is 1 to 10000")
    # Terminated, it still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.inside:
        return Bench(options.inside, options.rounds).bench()
    need_inroot()
    with tempfile.TemporaryDirectory(prefix="inroot-bench.") as top:
        return run_inside(__file__, "--rounds", str(options.rounds), "--inside", top)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
