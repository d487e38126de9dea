# SPDX-License-Identifier: MIT
"""Prints which tests were skipped, by name and for what reason, from pytest's JUnit files."""
import collections
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

for name in sys.argv[1:]:
    reasons = collections.defaultdict(list)
    for case in ElementTree.parse(name).iter("testcase"):
        for skip in case.iter("skipped"):
            test = f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"
            reasons[skip.get("message")].append(test)
    total = sum(map(len, reasons.values()))
    print(f"\n== skipped in {pathlib.Path(name).stem}: {total}")
    for reason, tests in sorted(reasons.items()):
        print(f"{len(tests)} × {reason}: {' '.join(tests)}")
