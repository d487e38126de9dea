# SPDX-License-Identifier: MIT
"""The rows of the requirements on the root file system: test/rows.tsv, and what ran of its tests.

    rows.py LOGS      after the runs: prints the rows whose tests did not run, and the counts

A row: its name, what it says, the tests that show it (a file, two colons, a function; several by blanks), or `-` and
why there is none. As a test ran counts one that did so in any of the runs; as root, in that run. What a machine lacks is
skipped by the word "needs": listed, no error. A row with a test that neither ran nor was skipped so is one.
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TEST = pathlib.Path(__file__).resolve().parent
# Why a row has no test.
WORDS = {"go artefact", "parent's duty", "planned with the view", "layer", "child root", "removed upstream",
         "cannot happen"}
Row = collections.namedtuple("Row", "name says tests word reason")


def read(path=TEST / "rows.tsv"):
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        name, says, tests, *why = line.split("\t")
        if tests == "-":
            word, _, reason = why[0].partition(": ")
            rows.append(Row(name, says, [], word, reason))
        else:
            rows.append(Row(name, says, tests.split(" "), "", ""))
    return rows


def results(logs):
    """Run -> test -> set of what came of it: "ran", or the reason why it was skipped."""
    found = collections.defaultdict(lambda: collections.defaultdict(set))
    for path in sorted(logs.glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            skipped = [s.get("message", "") for s in case.iter("skipped")]
            file = case.get("classname").partition("test.")[2].replace(".", "/")
            name = case.get("name").partition("[")[0]
            found[path.stem][f"test/{file}.py::{name}"].update(skipped or ["ran"])
    program, log = "", logs / "unit.log"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else ():
        if line.startswith("== "):
            program = line[3:]
        elif match := re.fullmatch(r"\[ +(OK|FAILED|SKIPPED) \] (\w+)", line):
            found["unit"][f"test/unit/{program}.c::{match[2]}"].add("needs more" if match[1] == "SKIPPED" else "ran")
    return found


def counts(rows):
    words = collections.Counter(row.word for row in rows if row.word)
    tests = {test for row in rows for test in row.tests}
    shown = sum(bool(row.tests) for row in rows)
    lines = [f"{len(rows)} rows of the root file system: {shown} shown by {len(tests)} tests, {len(rows) - shown} do not apply"]
    for word, count in sorted(words.items()):
        lines.append(f"  {count} × {word}: {' '.join(row.name for row in rows if row.word == word)}")
    return lines


def main(logs):
    rows, ran, bad = read(), results(logs), 0
    print("\n== rows")
    for row in rows:
        for test in row.tests:
            outcomes = set().union(*(run[test] for run in ran.values()))
            if "ran" not in outcomes:
                missed = not outcomes or any(not reason.startswith("needs ") for reason in outcomes)
                bad += missed and "behaviour-root" in ran
                print(f"{row.name}: {test} did not run: {'; '.join(sorted(outcomes)) or 'it is in no log'}")
            elif "behaviour-root" in ran and "/unit/" not in test and "ran" not in ran["behaviour-root"][test]:
                print(f"{row.name}: {test} did not run as root: {'; '.join(sorted(ran['behaviour-root'][test]))}")
    print("\n".join(counts(rows)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
