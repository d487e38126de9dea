#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What unpacking costs: `inroot unpack` against GNU tar, bsdtar and moby's chrootarchive.

    bench/unpack.py [--only PART,…] [--fs ext4|tmpfs] [--rounds N]     needs root; INROOT names
                                                        another binary; default ./inroot

The parts:

    a        a Debian minbase root, as .tar, .tar.gz and .tar.zst
    b        100,000 files of 1 KiB in 100 directories
    c        four files of 256 MiB
    d        one file: what starting costs
    mounts   d with 1,000 more mounts on the host, and a bare chroot(2) and execve besides
    memory   peak memory, and system calls, of all processes

How to read it. A row is one way to unpack an archive into an empty directory, timed by once.c from
before the spawn to the return of waitpid. The rows of a table run interleaved, in an order
shuffled anew each round, after one run each that warms up and shows that all entries arrive. The
archive is in the page cache. Each run of a, b and c has a new, empty file system, so that it pays
neither for the writeback of another nor for what another deleted. Times are milliseconds; `cpu` is
the median of user and system time of all processes; `x inroot` is the row's median over inroot's.

ext4 is an image in the temporary directory, through a loop device and without write barriers: what
the file system itself costs and not the disk. moby unpacks gzip with unpigz where it is installed,
as dockerd does; its row without says what it does alone. Peak memory is KiB summed over all
processes, and both it and the calls are taken from a traced run (peak.c), on tmpfs. Targets are
judged on medians; a missed one is reported and no error. A peer that is missing or does not work
here is skipped by name; the exit status is 1 when inroot does not do its work.

Everything is made in one temporary directory (TMPDIR; it takes up to 3 GiB), mounts in a mount
namespace of the bench's own.
"""
import argparse
import dataclasses
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import archives
from common import (EXTRA_MOUNTS, HERE, PATH, STATIC_TRUE, Report, add_mounts, build_programs,
                    count_mounts, describe_host, fs_of, mount, need_inroot, run_inside)

FLOOR = "bare chroot and execve"
PARTS = ("a", "b", "c", "d", "mounts", "memory")
FILE_SYSTEMS = ("ext4", "tmpfs")
ROUNDS = {"a": 5, "b": 3, "c": 3, "d": 100, "mounts": 100}  # with --rounds=5
KEPT = ("d", "mounts")          # small trees: they may stay, the file system too
MKFS_FAST = "lazy_itable_init,lazy_journal_init,nodiscard"
SETTLE, SETTLE_KEPT = 0.05, 0.005   # seconds
TIMEOUT = 600
DIRECTORIES = (1000, 101000)

# How many times as fast as the peer: by part and kind of archive.
TARGETS = {
    ("a", ".tar"): {"GNU tar": 1.15, "moby": 2},
    ("a", ".gz"): {"GNU tar": 3, "bsdtar": 2.5, "moby": 3.5},
    ("a", ".zst"): {"GNU tar": 1.3},
    ("c", ".tar"): {"GNU tar": 1.3},
    ("d", ".tar"): {"GNU tar": 1.5, "moby": 10},
}
TARGET_DETACHED = 3             # times a bare chroot and execve
TARGET_PEAK_KIB = 16384
TARGET_DIRECTORY_BYTES = 128
TARGET_FLAT_KIB = 128           # a small archive or a large one
TARGET_CALLS = 6                # for each regular file


@dataclasses.dataclass
class Row:
    """One way to unpack an archive."""
    name: str
    argv: list
    stdin: pathlib.Path
    entries: int                    # there must be afterwards
    ours: bool = False              # must work
    wall: list = dataclasses.field(default_factory=list)    # ms
    cpu: list = dataclasses.field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.wall)


class Place:
    """A file system of our own to unpack on."""

    def __init__(self, kind, top):
        self.kind, self.path, self.number = kind, top / kind, 0
        self.target = self.path / "target"
        self.path.mkdir()

    def remake(self):
        """A new file system. The old one is not emptied but left: ext4 takes longer to make a file
        where many were deleted within the last minutes, and nothing of it needs to be written."""
        self.leave()
        if self.kind == "tmpfs":
            mount("none", self.path, b"tmpfs", 0, b"size=3G,nr_inodes=1m,mode=755")
            return
        image = self.path.with_name("ext4.image")
        for command in (["truncate", "-s", "4G", image],
                        ["mkfs.ext4", "-q", "-F", "-E", MKFS_FAST, image],
                        ["mount", "-o", "loop,barrier=0,noinit_itable", image, self.path]):
            subprocess.run(command, env={**os.environ, "PATH": PATH}, check=True,
                           capture_output=True, text=True)
        image.unlink()

    def leave(self):
        if os.path.ismount(self.path):
            subprocess.run(["umount", self.path], check=True)

    def fresh(self, remake=True):
        """An empty target; without `remake` the one before it goes aside."""
        if remake:
            self.remake()
        elif self.target.exists():
            self.number += 1
            self.target.rename(self.path / str(self.number))
        self.target.mkdir()

    def count_entries(self):
        return sum(len(directories) + len(files) for _, directories, files in os.walk(self.target))


class Unpack(Report):
    def __init__(self, top, options):
        super().__init__()
        self.top, self.scale = pathlib.Path(top), options.rounds / 5
        self.parts, self.file_systems = options.only, [options.fs] if options.fs else FILE_SYSTEMS
        self.inroot = self.top / "inroot"
        self.tar, self.bsdtar = self.tool("tar"), self.tool("bsdtar")
        self.igzip, self.pigz = self.tool("igzip"), self.tool("unpigz")
        self.moby = None

    # -- making ready --------------------------------------------------------------------------

    def build_moby(self):
        """moby's own code from Debian's package: only that is looked at, nothing is fetched."""
        if not (go := self.tool("go")):
            return
        env = {**os.environ, "PATH": PATH, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
               "GOFLAGS": "", "GOPROXY": "off", "GOCACHE": str(self.top / "go-cache")}
        proc = subprocess.run([go, "build", "-o", self.top / "moby", "."], cwd=HERE / "moby", env=env,
                              capture_output=True, text=True)
        if proc.returncode == 0:
            self.moby = self.top / "moby"
        else:
            self.skipped["moby"] = line_of(proc.stderr, -1)

    def place(self, kind):
        place = Place(kind, self.top)
        try:
            place.remake()
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipped[kind] = line_of(getattr(error, "stderr", "") or str(error), -1)
            return None
        return place

    # -- the rows ------------------------------------------------------------------------------

    def own_row(self, archive, target, *options):
        return Row(" ".join(("inroot", *options)),
                   [self.inroot, "unpack", *options, target, archive.path], archive.path,
                   archive.entries, ours=True)

    def rows(self, archive, target):
        """Each tool the way that suits it best: the archive by name where it takes one."""
        kind, common = archive.path.suffix, (archive.path, archive.entries)
        yield self.own_row(archive, target)
        untar = ["--numeric-owner", "-C", target]
        if self.tar:
            unpack = {".gz": ["-z"], ".zst": ["--zstd"]}.get(kind, [])
            yield Row("GNU tar", [self.tar, "-xpf", archive.path, *unpack, *untar], *common)
        if self.tar and self.igzip and kind == ".gz":
            script = 'igzip=$1 archive=$2; shift 2; "$igzip" -dc "$archive" | "$@"'
            yield Row("igzip | GNU tar", ["/bin/sh", "-c", script, "sh", self.igzip, archive.path,
                                          self.tar, "-xpf", "-", *untar], *common)
        if self.bsdtar:
            yield Row("bsdtar", [self.bsdtar, "-xpf", archive.path, *untar], *common)
        if self.moby:
            plain = ["-uncompressed"] if kind == ".tar" else []
            yield Row("moby", [self.moby, *plain, target], *common)
            if self.pigz and kind == ".gz":
                yield Row("moby without unpigz",
                          ["/usr/bin/env", "MOBY_DISABLE_PIGZ=1", self.moby, target], *common)

    def mount_rows(self, archive, target):
        """d once more, and next to it what the least start costs that changes the root."""
        root = self.top / "root"
        yield Row(FLOOR, [self.top / "floor", "chroot", root], archive.path, 0, ours=True)
        yield self.own_row(archive, target, "--enter=detached")
        yield self.own_row(archive, target, "--enter=pivot")
        yield self.own_row(archive, target, "--enter=chroot")
        yield from (row for row in self.rows(archive, target) if not row.ours)

    # -- measuring -----------------------------------------------------------------------------

    def run(self, row, place, program="once", keep=False):
        """One run in a new directory: the numbers that the program prints, or None."""
        place.fresh(not keep)
        time.sleep(SETTLE_KEPT if keep else SETTLE)
        with open(row.stdin, "rb") as stdin:
            proc = subprocess.run([self.top / program, *row.argv], stdin=stdin, text=True,
                                  capture_output=True, errors="backslashreplace", timeout=TIMEOUT)
        if proc.returncode == 0:
            return [int(word) for word in proc.stdout.split()]
        if row.ours:
            self.fail(row.name, proc)
        else:
            self.skipped[f"{row.name}, {row.stdin.name}"] = line_of(proc.stderr, 0)
        return None

    def usable(self, rows, place):
        """Those of the rows that do their work here. This warms up, too."""
        for row in rows:
            if self.run(row, place) is None:
                continue
            if (found := place.count_entries()) == row.entries:
                yield row
                continue
            self.failed = self.failed or row.ours
            self.skipped[f"{row.name}, {row.stdin.name}"] = f"made {found} entries of {row.entries}"

    def measure(self, part, title, rows, place, base="inroot"):
        """One table; its rows by name, each also as a multiple of the row `base`."""
        rounds = max(1, round(ROUNDS[part] * self.scale))
        rows = list(self.usable(rows, place))
        place.remake()
        order = rows.copy()
        for _ in range(rounds):
            random.shuffle(order)
            for row in order:
                if numbers := self.run(row, place, keep=part in KEPT):
                    row.wall.append(numbers[0] / 1e6)
                    row.cpu.append((numbers[1] + numbers[2]) / 1e3)
        place.leave()
        table = {row.name: row for row in rows if row.wall}
        print_table(f"{title}, {place.kind}, {rounds} rounds", table, base)
        return table

    def measure_archive(self, part, archive, place):
        archive.warm()
        table = self.measure(part, f"{part}: {archive.name}", self.rows(archive, place.target), place)
        if ours := table.get("inroot"):
            for peer, wanted in TARGETS.get((part, archive.path.suffix), {}).items():
                if peer in table:
                    ratio = table[peer].median / ours.median
                    self.target(f"{part}: {archive.name}, {place.kind}: faster than {peer}",
                                f"{ratio:.2f}", f">= {wanted}", ratio >= wanted)

    def measure_mounts(self, archive, place):
        title = f"d: {archive.name}, {count_mounts()} mounts"
        table = self.measure("mounts", title, self.mount_rows(archive, place.target), place, FLOOR)
        floor, ours = table.get(FLOOR), table.get("inroot --enter=detached")
        pivot = table.get("inroot --enter=pivot")
        if floor and ours:
            ratio = ours.median / floor.median
            note = f"pivot: {pivot.median / floor.median:.2f}" if pivot else ""
            self.target(f"d, {EXTRA_MOUNTS} more mounts, {place.kind}: detached, times a bare chroot",
                        f"{ratio:.2f}", f"<= {TARGET_DETACHED}", ratio <= TARGET_DETACHED, note)

    # -- memory and calls ----------------------------------------------------------------------

    def trace(self, archive, row, place):
        """(KiB, calls) of a run, printed; None where it fails."""
        if not (numbers := self.run(row, place, "peak")):
            return None
        kib, processes, calls = numbers
        print(f"  {archive.name:36} {row.name:20} {kib:>8} {processes:>10} {calls:>10}", flush=True)
        return kib, calls

    def measure_peak(self, packed, place):
        """Of each tool with a real root; and of inroot with the largest window that it takes."""
        rows = [(archive, row) for archive in packed for row in self.rows(archive, place.target)]
        if packed and (zstd := self.tool("zstd")):
            wide = packed[0].packed(".window-8M.zst", zstd, "-qc", "--long=23")
            rows.append((wide, self.own_row(wide, place.target)))
        for archive, row in rows:
            traced = self.trace(archive, row, place)
            if traced and row.ours:
                self.target(f"{archive.name}: peak memory, KiB", str(traced[0]),
                            f"<= {TARGET_PEAK_KIB}", traced[0] <= TARGET_PEAK_KIB)

    def measure_growth(self, name, few, many, place):
        """What each entry that `many` has more costs a tool: (KiB in all, calls), or None."""
        traced = []
        for archive in (few, many):
            rows = [row for row in self.rows(archive, place.target) if row.name == name]
            traced += [self.trace(archive, row, place) for row in rows]
        if not traced or None in traced:
            return None
        (few_kib, few_calls), (many_kib, many_calls) = traced
        return many_kib - few_kib, (many_calls - few_calls) / (many.entries - few.entries)

    def measure_memory(self, packed, many, place):
        print(f"\n{'memory and system calls':59} {'peak KiB':>8} {'processes':>10} {'calls':>10}")
        self.measure_peak(packed, place)
        pair = [archives.only_directories(self.top, count) for count in DIRECTORIES]
        if growth := self.measure_growth("inroot", *pair, place):
            each = growth[0] * 1024 / (pair[1].entries - pair[0].entries)
            self.target("peak memory for each directory, bytes", f"{each:.1f}",
                        f"<= {TARGET_DIRECTORY_BYTES}", each <= TARGET_DIRECTORY_BYTES)
        few = archives.small_files(self.top, "few", 100, 1)
        if growth := self.measure_growth("inroot", few, many, place):
            kib, calls = growth
            self.target(f"peak memory for {many.entries - few.entries} more files, KiB", str(kib),
                        f"<= {TARGET_FLAT_KIB}", kib <= TARGET_FLAT_KIB)
            self.target("system calls for each file", f"{calls:.2f}", f"<= {TARGET_CALLS}",
                        calls <= TARGET_CALLS)
        # Fewer files for the peers: traced, they take their time.
        some = archives.small_files(self.top, "some", 100, 50)
        for peer in ("GNU tar", "bsdtar", "moby"):
            if growth := self.measure_growth(peer, few, some, place):
                print(f"{peer}: {growth[1]:.2f} system calls for each file")

    # -- all of it -----------------------------------------------------------------------------

    def minbase(self):
        """Three archives, or none."""
        plain, reason = archives.minbase(self.top)
        if not plain:
            self.skipped["minbase"] = reason
            return []
        found = [plain]
        if gzip := self.tool("gzip"):
            found.append(plain.packed(".gz", gzip, "-nc"))
        if zstd := self.tool("zstd"):
            found.append(plain.packed(".zst", zstd, "-qc"))
        return found

    def bench(self):
        self.top.chmod(0o755)
        print(f"{describe_host()}, temporary files on {fs_of(self.top)}", flush=True)
        build_programs(self.top, HERE / "floor.c", HERE / "once.c", HERE / "peak.c", STATIC_TRUE)
        self.build_moby()
        parts = set(self.parts)
        packed = self.minbase() if parts & {"a", "memory"} else []
        many = archives.small_files(self.top, "many", 100, 1000) if parts & {"b", "memory"} else None
        one = archives.one_file(self.top)

        places = [place for place in map(self.place, self.file_systems) if place]
        for part, measured in (("a", packed), ("b", [many]), ("d", [one])):
            for archive in measured if part in parts else []:
                for place in places:
                    self.measure_archive(part, archive, place)
        if "c" in parts:
            big = archives.big_files(self.top)
            for place in places:
                self.measure_archive("c", big, place)
            big.path.unlink()
        if "memory" in parts:
            found = [place for place in places if place.kind == "tmpfs"] or [self.place("tmpfs")]
            if found[0]:
                self.measure_memory(packed, many, found[0])
        if "mounts" in parts:
            (self.top / "root").mkdir()
            (self.top / "static-true").rename(self.top / "root/static-true")
            add_mounts(self.top / "many")
            for place in places:
                self.measure_mounts(one, place)
        return self.print_verdict()


def line_of(text, which):
    return (text.strip().splitlines() or ["it failed"])[which]


def print_table(title, table, base):
    print(f"\n{title:54} {'median':>9} {'min':>9} {'q1':>9} {'q3':>9} {'cpu':>9}"
          f" {'x inroot' if base == 'inroot' else 'x chroot':>9}")
    for row in table.values():
        wall = sorted(row.wall)
        figures = (row.median, wall[0], wall[len(wall) // 4], wall[len(wall) * 3 // 4],
                   statistics.median(row.cpu))
        ratio = f"{row.median / table[base].median:.2f}" if base in table else "-"
        print(f"  {row.name:52}", *(f"{figure:9.2f}" for figure in figures), f"{ratio:>9}", flush=True)


def a_part(words):
    chosen = words.split(",")
    if wrong := [word for word in chosen if word not in PARTS]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: the parts are {', '.join(PARTS)}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=a_part, default=list(PARTS), metavar="PART,…",
                        help=", ".join(PARTS))
    parser.add_argument("--fs", choices=FILE_SYSTEMS, help="default both")
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="of a, default 5; b and c have 3 for 5, d and mounts 100")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.rounds <= 1000:
        parser.error("--rounds is 1 to 1000")
    # Terminated, it still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.inside:
        return Unpack(options.inside, options).bench()
    if os.geteuid() != 0:
        print("skipped: bench/unpack.py: needs root")
        return 0
    need_inroot()
    with tempfile.TemporaryDirectory(prefix="inroot-bench.") as top:
        return run_inside(__file__, *sys.argv[1:], "--inside", top)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
