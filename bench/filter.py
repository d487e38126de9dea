#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the built-in filter costs when a payload starts: seccomp(2) with it and with a bare program.

    bench/filter.py [--rounds N]

filter.c says what the ways are; their rounds are interleaved, and times are medians in microseconds.
`x bare` is the ratio that has a target. Ranges of numbers are those of both tables of calls together.
"""
import argparse
import pathlib
import statistics
import subprocess
import tempfile

from common import HERE, REPO, Report, build_program, describe_host

TARGET = 1.2
SETTINGS = {"root": "root's default capabilities", "none": "no capability", "ALL": "all capabilities"}
WAYS = {"bare": "bare tree of the same ranges", "load": "built-in filter",
        "both": "  and the time to write it"}


def measure(top, rounds):
    """(setting, way) -> (instructions, ranges, median of microseconds)."""
    sources = [REPO / "seccomp" / name for name in ("profile.c", "bpf.c", "calls.c")]
    build_program(top, HERE / "filter.c", "-Os", "-iquote", REPO, *sources)  # -Os: as inroot
    out = subprocess.run([top / "filter", str(rounds)], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in out.splitlines():
        setting, way, count, ranges, took = line.split()
        found.setdefault((setting, way), (int(count), int(ranges), []))[2].append(int(took) / 1000)
    return {key: (count, ranges, statistics.median(times)) for key, (count, ranges, times) in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    report = Report()
    print(describe_host())
    with tempfile.TemporaryDirectory(prefix="inroot-bench-") as top:
        found = measure(pathlib.Path(top), rounds)
    print(f"\nloading a filter, {rounds} rounds")
    print(f"  {'':59} {'instructions':>12} {'ranges':>6} {'median':>7} {'x bare':>6}")
    for setting, meaning in SETTINGS.items():
        bare = found[setting, "bare"][2]
        for way, name in WAYS.items():
            count, ranges, median = found[setting, way]
            print(f"  {meaning:28} {name:30} {count:>12} {ranges:>6} {median:>7.1f} {median / bare:>6.2f}")
        ratio = found[setting, "load"][2] / bare
        report.target(f"filter, {meaning}", f"{ratio:.2f}", f"<= {TARGET}", ratio <= TARGET)
    return report.print_verdict()


if __name__ == "__main__":
    raise SystemExit(main())
