# SPDX-License-Identifier: MIT
"""test/rows.tsv: every row once, with tests that are there, or a reason. That they ran is seen by test/rows.py."""
import ast
import re
import sys

from conftest import REPO
from many_runs import say  # noqa: F401: a fixture

sys.path.insert(0, str(REPO / "test"))
import rows as table  # noqa: E402

ROWS = table.read()
NAMES = [f"S{part}-{n}" for part, first, last in ((0, 2, 19), (1, 1, 56), (3, 1, 82), (4, 1, 13))
         for n in range(first, last + 1)]


def functions(path):
    """The tests of a file, as who runs it takes them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        return set(re.findall(r"cmocka_unit_test\w*\((\w+)", text))
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_row_is_there_once(say):  # noqa: F811
    assert [row.name for row in ROWS] == NAMES
    for line in table.counts(ROWS):
        say(line)


def test_rows_are_short():
    assert [r.name for r in ROWS if not 0 < len(r.says.split()) <= 12] == []
    assert [r.name for r in ROWS if len(set(r.tests)) != len(r.tests)] == []


def test_what_has_no_test_has_a_reason():
    assert [r.name for r in ROWS if not r.tests and (r.word not in table.WORDS or not r.reason)] == []


def test_named_tests_are_there():
    missing = []
    for name in sorted({test for row in ROWS for test in row.tests}):
        file, _, function = name.partition("::")
        path = REPO / file
        # Those that `make check` runs: all of these directories.
        runs = re.fullmatch(r"test/behaviour/test_\w+\.py|test/unit/test_\w+\.c", file)
        if not runs or not path.is_file() or function not in functions(path):
            missing.append(name)
    assert missing == []
