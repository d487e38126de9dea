# SPDX-License-Identifier: MIT
"""Parents are kept open between entries; here entries change what a parent's path means.

Peers broke here twice (CVE-2025-47290 of containerd, issue 745 of libarchive).
"""
import random
import shutil

import pytest

from attacks import D, F, GONE, H, L
from conftest import SANITIZED, _temp_dir, need_root
from tarball import file, sym, tar
from tree_model import Refused, after, entry_of, listing_of, random_operations
from unpack_host import MARKS, MODES, Place, Tree, modes, possible, unpack

WAYS = ("pivot", "detached", "chroot", "confined", "userns", "subids", "confined-user")
ROUNDS = 10
if SANITIZED:
    WAYS, ROUNDS = ("pivot", "confined"), 3

# How the same operations are given: options, prefix of the names, directory that they end up in.
FORMS = {
    "plain": ((), "", ""),
    "strip": (("--strip-components=2",), "one/two/", ""),
    "directory": (("--directory=sub",), "", "sub"),
    "both": (("--directory=/sub/deep", "--strip-components=1"), "./one/", "sub/deep"),
}


def d(name):
    return ("dir", name)


def f(name, content=b"data\n"):
    return ("file", name, content)


def s(name, target):
    return ("sym", name, target)


def h(name, target):
    return ("hard", name, target)


# name: (operations, what is there afterwards). A target that begins with $ is absolute: $/ is where the
# archive is unpacked.
SCENES = {
    "dir-to-link": ([d("d"), f("d/x"), d("e"), s("d", "e"), f("d/y")],
                    {"d": L("e"), "e/y": F(), "e/x": GONE}),
    "dir-to-absolute-link": ([d("d"), f("d/x"), d("e"), s("d", "$/e"), f("d/y")], {"e/y": F()}),
    "dir-to-root-link": ([d("d"), f("d/x"), s("d", "$/"), f("d/y")], {"y": F(), "x": GONE}),
    "dir-to-dot-link": ([d("d"), f("d/x"), s("d", "."), f("d/y")], {"y": F(), "x": GONE}),
    "dir-to-parent-link": ([d("p/d"), f("p/d/x"), s("p/d", ".."), f("p/d/y")], {"y": F(), "p/y": GONE}),
    "dir-to-sibling-by-parent": ([d("p/d"), f("p/d/x"), d("p/e"), s("p/d", "../p/e"), f("p/d/y")],
                                 {"p/e/y": F(), "p/e/x": GONE}),
    "deep-dir-to-link": ([d("p/q/r/d"), f("p/q/r/d/x"), d("e/q/r/d"), s("p", "e"), f("p/q/r/d/y")],
                         {"e/q/r/d/y": F(), "e/q/r/d/x": GONE}),
    "middle-dir-to-link": ([d("p/q/r"), f("p/q/r/x"), d("e/r"), s("p/q", "../e"), f("p/q/r/y"), f("p/z")],
                           {"e/r/y": F(), "e/r/x": GONE, "p/z": F()}),
    "dir-to-hard-linked-link": ([d("d"), f("d/x"), d("e"), s("l", "e"), f("d"), h("d", "l"), f("d/y")],
                                {"d": H("l"), "e/y": F()}),
    "hard-linked-link-again": ([d("a"), d("b"), s("l", "a"), s("m", "b"), h("d", "l"), f("d/x"), h("d", "m"),
                                f("d/y")], {"a/x": F(), "b/y": F(), "a/y": GONE}),
    "dir-to-file-to-dir": ([d("d"), f("d/x"), f("d"), d("d"), f("d/y")], {"d/x": GONE, "d/y": F()}),
    "dir-to-file-to-implied-dir": ([d("d"), f("d/x"), s("d", "e"), d("d"), f("d/e/y")],
                                   {"d/x": GONE, "d/e/y": F()}),
    "tree-with-open-parents": ([f("a/b/c/x"), f("a/b/y"), f("a/z"), f("a"), d("a"), f("a/b/c/n")],
                               {"a/b/c/n": F(), "a/b/c/x": GONE, "a/b/y": GONE}),
    "tree-to-link": ([f("a/b/c/x"), f("e/b/c/y"), s("a", "e"), f("a/b/c/n")],
                     {"e/b/c/n": F(), "e/b/c/x": GONE}),
    "inner-tree-to-link": ([f("a/b/c/d/x"), f("e/c/d/y"), s("a/b", "../e"), f("a/b/c/d/n"), f("a/b/c/m")],
                           {"e/c/d/n": F(), "e/c/m": F()}),
    "link-to-dir": ([d("e"), s("l", "e"), f("l/x"), d("l"), f("l/y")], {"e/x": F(), "l/y": F(), "e/y": GONE}),
    "link-to-implied-dir": ([d("e"), s("l", "e"), f("l/x"), f("l"), d("l"), f("l/p/y")],
                            {"e/x": F(), "l/p/y": F(), "e/p": GONE}),
    "link-retargeted": ([d("a"), d("b"), s("l", "a"), f("l/x"), s("l", "b"), f("l/y")],
                        {"a/x": F(), "b/y": F(), "a/y": GONE}),
    "link-retargeted-deep": ([d("a/p/q"), d("b/p/q"), s("l", "a"), f("l/p/q/x"), s("l", "b"), f("l/p/q/y")],
                             {"a/p/q/x": F(), "b/p/q/y": F(), "a/p/q/y": GONE}),
    "link-behind-a-link": ([d("a"), d("b"), s("l", "a"), s("m", "l"), f("m/x"), s("l", "b"), f("m/y")],
                           {"a/x": F(), "b/y": F(), "a/y": GONE}),
    "dir-in-a-target": ([d("d/e"), d("g/e"), s("t", "d/e"), f("t/x"), s("d", "g"), f("t/y")],
                        {"g/e/y": F(), "g/e/x": GONE}),
    "dotdot-in-a-target": ([d("p/d"), d("q/d"), s("m", "p/d"), s("t", "m/.."), f("t/x"), s("m", "q/d"),
                            f("t/y")],
                           {"p/x": F(), "q/y": F(), "p/y": GONE}),
    "target-made-anew": ([d("a"), s("l", "a"), f("l/x"), f("a"), d("a"), f("l/y")],
                        {"a/y": F(), "a/x": GONE}),
    "target-becomes-a-link": ([d("a"), d("b"), s("l", "a"), f("l/x"), s("a", "b"), f("l/y")],
                              {"b/y": F(), "b/x": GONE}),
    "replaced-through-a-link": ([d("p/d"), d("p/e"), f("p/d/x"), s("l", "p"), s("l/d", "e"), f("p/d/y")],
                                {"p/e/y": F(), "p/e/x": GONE, "p/d": L("e")}),
    "replaced-through-a-link-and-back": ([d("p/d"), d("p/e"), s("l", "p"), f("l/d/x"), s("p/d", "e"),
                                          f("l/d/y")], {"p/e/y": F(), "p/e/x": GONE}),
    "prefix-longer": ([f("aaa/bbb/ccc/x"), d("e"), s("aaa/bbb/cc", "../../e"), f("aaa/bbb/cc/y"),
                       f("aaa/bbb/ccc/z")], {"e/y": F(), "aaa/bbb/ccc/z": F(), "e/z": GONE}),
    "prefix-shorter": ([f("aaa/bbb/cc/x"), d("e"), s("aaa/bbb/ccc", "../../e"), f("aaa/bbb/ccc/y"),
                        f("aaa/bbb/cc/z")], {"e/y": F(), "aaa/bbb/cc/z": F(), "e/z": GONE}),
    "prefix-replaced": ([f("aaa/bbb/cc/x"), f("aaa/bbb/ccc/x"), d("e"), s("aaa/bbb/ccc", "../../e"),
                         s("aaa/bbb/cc", "ccc"), f("aaa/bbb/cc/y"), f("aaa/bbb/ccc/z")],
                        {"e/y": F(), "e/z": F(), "e/x": GONE}),
    "prefix-of-a-name": ([f("a/x"), f("ab/x"), d("e"), s("a", "e"), f("ab/y"), f("a/y")],
                         {"ab/x": F(), "ab/y": F(), "e/y": F()}),
    "spelled-dot": ([f("a/b/x"), d("e"), s("a/./b", "../e"), f("a/b/y")], {"e/y": F(), "e/x": GONE}),
    "spelled-slashes": ([f("a/b/x"), d("e"), s("a//b", "../e"), f("a/b/y")], {"e/y": F(), "e/x": GONE}),
    "spelled-absolute": ([f("a/b/x"), d("e"), s("/a/b", "../e"), f("a/b/y")], {"e/y": F(), "e/x": GONE}),
    "spelled-parent": ([f("/a//./b/x"), d("e"), s("a/b", "../e"), f("./a/.//b/y")],
                       {"e/y": F(), "e/x": GONE}),
    "spelled-slash-at-the-end": ([d("a/b/"), f("a/b/x"), d("e/"), s("a/b", "../e/"), f("a/b/y"), d("a/b/")],
                                 {"a/b": D(), "a/b/y": GONE, "e/y": F()}),
    "root-between": ([f("a/x"), d("e"), d("."), s("a", "e"), d("./"), f("a/y")], {"e/y": F(), "e/x": GONE}),
    "round-trip": ([d("a"), d("b"), *(op for i in range(40) for op in (
        s("l", "ab"[i % 2]), f(f"l/x{i}")))],
                   {"a/x0": F(), "b/x1": F(), "a/x38": F(), "b/x39": F(), "a/x39": GONE}),
    "many-parents": ([f(f"d{i}/x{n}") for n in range(3) for i in range(64)],
                     {f"d{i}/x2": F() for i in range(64)}),
    "many-parents-replaced": ([*(f(f"d{i}/x") for i in range(64)), d("e"),
                               *(s(f"d{i}", "e") for i in range(0, 64, 3)),
                               *(f(f"d{i}/y{i}") for i in range(64))],
                              {f"d{i}/y{i}" if i % 3 else f"e/y{i}": F() for i in range(64)}),
    "many-parents-below-one": ([*(f(f"p/q{i}/r/x") for i in range(64)), *(d(f"e/q{i}/r") for i in range(64)),
                                s("p", "e"), *(f(f"p/q{i}/r/y") for i in range(64))],
                               {f"e/q{i}/r/y": F() for i in range(64)}),
    "many-parents-and-back": ([d("a"), d("b"), s("l", "a"), f("l/x"), *(f(f"d{i}/x") for i in range(64)),
                               s("l", "b"), *(f(f"d{i}/y") for i in range(64)), f("l/y")],
                              {"a/x": F(), "b/y": F(), "a/y": GONE}),
}

# What leads nowhere inside: refused, and nothing is written. $ holds ROOT and the canary.
OUTSIDE = {
    "dir-to-link-out": [d("d"), f("d/x"), s("d", "../canary"), f("d/pwn")],
    "dir-to-absolute-link-out": [d("d"), f("d/x"), s("d", "$/canary"), f("d/pwn")],
    "dir-to-link-above": [d("d"), f("d/x"), s("d", "$"), f("d/canary/pwn")],
    "deep-dir-to-link-out": [d("d/dir"), f("d/dir/x"), s("d", "$/canary"), f("d/dir/pwn")],
    "deep-dir-again": [d("d/dir"), f("d/dir/x"), s("d", "../canary"), d("d/dir")],
    "link-retargeted-out": [d("a"), s("l", "a"), f("l/x"), s("l", "../canary"), f("l/pwn")],
    "link-behind-a-link-out": [d("a"), s("l", "a"), s("m", "l"), f("m/x"), s("l", "$/canary"), f("m/pwn")],
    "dir-in-a-target-out": [d("d/dir"), s("t", "d/dir"), f("t/x"), s("d", "$/canary"), f("t/pwn")],
    "hard-linked-link-out": [d("d"), f("d/x"), s("l", "../canary"), f("d"), h("d", "l"), f("d/pwn")],
    "hard-link-by-a-link-out": [d("d"), f("d/secret"), s("d", "../canary"), h("h", "d/secret")],
    "prefix-out": [f("aaa/bbb/ccc/x"), s("aaa/bbb/cc", "../../../canary"), f("aaa/bbb/cc/pwn")],
    "spelled-out": [f("a/b/x"), s("./a//b", "../../canary"), f("a/b/pwn")],
    "many-out": [*(f(f"d{i}/x") for i in range(64)), *(s(f"d{i}", "../canary") for i in range(64)),
                 f("d63/pwn")],
}


@pytest.fixture(scope="module")
def place_of():
    top, places = _temp_dir("cache"), {}

    def get(mode):
        owner = MODES[mode].owner
        if owner not in places:
            (top / str(owner)).mkdir()
            places[owner] = Place(top / str(owner), owner)
        places[owner].fresh()
        return places[owner]
    yield get
    shutil.rmtree(top, ignore_errors=True)


def archive_of(operations, prefix):
    return tar([entry_of(*operation, prefix=prefix) for operation in operations])


def with_targets(operations, base):
    """$ stands for that directory."""
    return [(*op[:2], op[2].replace("$", base)) if op[0] == "sym" else op for op in operations]


def prepared(place, directory):
    """ROOT with the directory that --directory needs."""
    here = place.root
    for name in filter(None, directory.split("/")):
        here = here / name
        here.mkdir()
        if here.stat().st_uid != place.owner:
            shutil.chown(here, place.owner, place.owner)


def fails(bad, outcome, code=0):
    if outcome.code != code:
        bad = [*bad, f"exit {outcome.code}: {outcome.stderr!r}"]
    if bad := [*outcome.bad, *bad]:
        pytest.fail("\n".join(bad), pytrace=False)


def model_differs(place, operations, directory):
    """The tree against the model that walks every path anew."""
    with Tree(place.root) as tree:
        found, groups = listing_of(tree)
    wanted, wanted_groups = after(operations, directory)
    bad = [f"{name!r}: {found.get(name)}, not {wanted.get(name)}"
           for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
    return bad[:20] + ([f"hard links: {groups}, not {wanted_groups}"] if groups != wanted_groups else [])


def every(scenes):
    """Each scene in each way, plainly and in one of the other forms: all pairs of them come up."""
    others = [form for form in FORMS if form != "plain"]
    return pytest.mark.parametrize("way,scene,form", [
        pytest.param(way, scene, form, id=f"{way}-{scene}-{form}", marks=MARKS.get(way, [need_root]))
        for w, way in enumerate(WAYS) for n, scene in enumerate(possible(way, scenes))
        for form in ("plain", others[(w + n) % len(others)])])


@every(SCENES)
def test_parent_means_something_else(way, scene, form, place_of):
    opts, prefix, directory = FORMS[form]
    operations, wanted = SCENES[scene]
    operations = with_targets(operations, "/" + directory if directory else "")
    place = place_of(way)
    prepared(place, directory)
    outcome = unpack(place, MODES[way], archive_of(operations, prefix), *opts)
    bad = model_differs(place, [op for op in operations if op[1].strip("./")], directory)
    base = directory + "/" if directory else ""
    with Tree(place.root) as tree:
        for name, what in wanted.items():
            what = H(base + what.value) if what.kind == "hard" else what
            bad += tree.differs(base + name, what, MODES[way])
    fails(bad, outcome)


@every(OUTSIDE)
def test_parent_leads_out(way, scene, form, place_of):
    opts, prefix, directory = FORMS[form]
    place = place_of(way)
    prepared(place, directory)
    operations = with_targets(OUTSIDE[scene], str(place.c))
    with pytest.raises(Refused):
        after(operations, directory)
    fails([], unpack(place, MODES[way], archive_of(operations, prefix), *opts), 1)


@pytest.mark.parametrize("way", modes(*WAYS))
def test_link_out_has_a_twin_inside(way, place_of):
    """The path of the canary exists inside as well: that one is meant."""
    place = place_of(way)
    inside = str(place.c / "canary").lstrip("/")
    operations = [d(inside + "/dir"), d("canary"), d("d"), f("d/x"), s("d", str(place.c / "canary")),
                  f("d/pwn"), f("d/dir/pwn"), s("d", "../canary"), f("d/near"),
                  s("d", "../../../canary"), f("d/near2")]
    outcome = unpack(place, MODES[way], archive_of(operations, ""))
    bad = model_differs(place, operations, "")
    with Tree(place.root) as tree:
        for name in (inside + "/pwn", inside + "/dir/pwn", "canary/near", "canary/near2"):
            bad += tree.differs(name, F(), MODES[way])
    fails(bad, outcome)


@pytest.mark.parametrize("way", modes(*WAYS))
def test_between_two_runs(way, place_of):
    """Nothing is remembered from one run to the next either."""
    place = place_of(way)
    for code, parts in ((0, [file("d/x")]), (0, [sym("d", "../canary")]), (1, [file("d/pwn")]),
                        (0, [sym("d", "e"), file("e/x")]), (0, [file("d/y")])):
        fails([], unpack(place, MODES[way], tar(parts)), code)
    with Tree(place.root) as tree:
        assert not tree.differs("e/y", F(), MODES[way])


@pytest.mark.parametrize("way", modes(*WAYS))
def test_random_archives(way, place_of):
    """400 random entries over few names, so that most of them change what others mean."""
    for seed in range(ROUNDS):
        opts, prefix, directory = FORMS[form := list(FORMS)[seed % len(FORMS)]]
        operations = random_operations(random.Random(f"{seed} {form}"), 400, directory)
        place = place_of(way)
        prepared(place, directory)
        outcome = unpack(place, MODES[way], archive_of(operations, prefix), *opts)
        fails([f"seed {seed}, {form}: {bad}" for bad in model_differs(place, operations, directory)], outcome)
