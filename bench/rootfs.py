#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the root file system of a container costs: an OCI bundle, and each further bind mount.

    bench/rootfs.py [--rounds N]       INROOT names another binary; default ./inroot

The bundle is the one that `runc spec` writes (proc, dev, devpts, shm, mqueue, sysfs, cgroup, masks, read-only
paths) with no terminal and /static-true as its process. inroot, runc and crun run it interleaved, timed by
spawn.c as in bench.py; runc in each tenth round. `x inroot` is the median over inroot's.

The cost of a bind mount is a slope: (the median with BINDS of them - the median without) / BINDS, of inroot and
of binds.c, which makes the bare calls alone. As an ordinary user neither can be made.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import (HERE, STATIC_TRUE, Report, build_programs, count_mounts, describe_host, fs_of, libc,
                    need_inroot, run_inside)

PAYLOAD = "/static-true"
BINDS = 100
MNT_DETACH = 2
TARGET_RUNC, TARGET_CRUN, TARGET_BIND = 10, 1.5, 1.3


class Bench(Report):
    def __init__(self, top, rounds):
        super().__init__()
        self.top, self.rounds = pathlib.Path(top), rounds
        self.bundle, self.root, self.source = self.top / "bundle", self.top / "root", self.top / "source"

    def build(self):
        build_programs(self.top, HERE / "binds.c", HERE / "spawn.c", STATIC_TRUE)
        for root in (self.root, self.bundle / "rootfs"):
            root.mkdir(parents=True)
            shutil.copy(self.top / "static-true", root)
        # Else each run would have them to make: what is measured is mounting.
        for name in ("proc", "dev", "sys"):
            (self.bundle / "rootfs" / name).mkdir()
        self.source.mkdir()
        for number in range(BINDS):
            (self.root / "mnt" / str(number)).mkdir(parents=True)

    def make_bundle(self, runc):
        subprocess.run([runc, "spec", "--bundle", self.bundle], check=True)
        path = self.bundle / "config.json"
        config = json.loads(path.read_text())
        config["process"] |= {"terminal": False, "args": [PAYLOAD]}
        path.write_text(json.dumps(config))

    def measure(self, title, rows):
        """Medians in microseconds, by name. ROWS: name, each n-th round, words, ours."""
        usable = []
        for name, every, argv, ours in rows:
            proc = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="backslashreplace", timeout=60)
            if proc.returncode == 0:
                usable.append((name, every, argv))
            elif ours:
                self.fail(name, proc)
            else:
                self.skipped[name] = (proc.stderr.strip().splitlines() or ["it failed"])[-1]
        words = [word for _, every, argv in usable for word in (str(every), *argv, "")]
        out = subprocess.run([self.top / "spawn", str(self.rounds), *words], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=True).stdout
        found = {}
        print(f"\n{title:44} {'median':>8} {'min':>8} {'q1':>8} {'q3':>8} {'x inroot':>8}")
        for (name, *_), line in zip(usable, out.splitlines(), strict=True):
            low, q1, median, q3 = (int(time) / 1000 for time in line.split())
            found[name] = median
            ratio = f"{median / found['inroot']:.2f}" if "inroot" in found else "-"
            print(f"{name:44} {median:8.0f} {low:8.0f} {q1:8.0f} {q3:8.0f} {ratio:>8}", flush=True)
        return found

    def measure_bundle(self):
        runc, crun = self.tool("runc"), self.tool("crun")
        if not runc:
            return
        self.make_bundle(runc)
        name = f"inroot-bench-{os.getpid()}"
        rows = [("inroot", 1, [self.top / "inroot", "exec", f"--config={self.bundle}/config.json"], True),
                ("runc run", 10, [runc, "--root", self.top / "runc", "run", "--bundle", self.bundle, name], False)]
        if crun:
            rows.append(("crun run", 1, [crun, "--root", self.top / "crun", "run", "--bundle", self.bundle, name],
                         False))
        found = self.measure("the bundle of `runc spec`", rows)
        for peer, wanted in (("runc run", TARGET_RUNC), ("crun run", TARGET_CRUN)):
            if peer in found and "inroot" in found:
                ratio = found[peer] / found["inroot"]
                self.target(f"bundle: faster than {peer.split()[0]}", f"{ratio:.2f}", f">= {wanted}",
                            ratio >= wanted)

    def measure_binds(self):
        def options(count):
            return [f"--mount=type=bind,src={self.source},dst=/mnt/{number},ro" for number in range(count)]

        def ours(count):
            return [self.top / "inroot", "exec", "--enter=pivot", "--pivot=stacked", *options(count), self.root,
                    "--", PAYLOAD]

        def raw(count):
            return [self.top / "binds", str(count), self.source, self.root]
        # One bind on both sides: what comes with the first (a sealed copy of the helper) is no cost of the next.
        found = self.measure("bind mounts", [
            ("inroot", 1, ours(1), True), (f"inroot, {BINDS} more", 1, ours(BINDS), True),
            ("bare calls", 1, raw(1), True), (f"bare calls, {BINDS} more", 1, raw(BINDS), True)])
        mine = (found[f"inroot, {BINDS} more"] - found["inroot"]) / (BINDS - 1)
        bare = (found[f"bare calls, {BINDS} more"] - found["bare calls"]) / (BINDS - 1)
        print(f"a bind mount costs inroot {mine:.2f} us, the bare calls {bare:.2f} us")
        self.target("a further bind mount: times the bare calls", f"{mine / bare:.2f}", f"<= {TARGET_BIND}",
                    mine / bare <= TARGET_BIND)

    def bench(self):
        self.top.chmod(0o755)
        # crun refuses a host of both cgroup versions; without the second one's mount, here alone, it has none to see.
        libc.umount2(b"/sys/fs/cgroup/unified", MNT_DETACH)
        self.build()
        print(f"{describe_host()}, {count_mounts()} mounts, ROOT on {fs_of(self.top)}, {self.rounds} rounds")
        self.measure_bundle()
        self.measure_binds()
        return self.print_verdict()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300, metavar="N", help="default 300")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return Bench(options.inside, options.rounds).bench()
    need_inroot()
    if os.geteuid() != 0:
        print("skipped: bench/rootfs.py: needs root")
        return 0
    with tempfile.TemporaryDirectory(prefix="inroot-bench.") as top:
        return run_inside(__file__, "--rounds", str(options.rounds), "--inside", top)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
