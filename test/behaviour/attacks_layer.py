# SPDX-License-Identifier: MIT
"""Rows 219-254, where `.wh.` names are names like others, and 255-258, races."""
from attacks import D, F, GONE, H, L, Case
from tarball import directory, file, gzip, hard, sym, tar

PWN = b"pwned\n"
LOWER = {"dir": D(), "dir/old": F(b"old"), "file": F(b"lower")}
KEPT = {"dir": D(), "dir/old": F(b"old"), "file": F(b"lower")}


def cases(C):
    yield from whiteouts(C)
    yield from bad_whiteouts(C)
    yield from opaque(C)
    yield from ordered()
    yield from pseudo_links(C)
    yield from layers(C)
    yield from races(C)


def wh(row, name, code, archives, has=None, pre=None):
    return Case(row, name, "confine", code, archives, has=has or {}, pre=LOWER if pre is None else pre)


def whiteouts(C):
    yield wh(219, "wh-dir", 0, [file(".wh.dir", b"")], {**KEPT, ".wh.dir": F(b"")})
    yield wh(220, "wh-in-dir", 0, [directory("dir"), file("dir/.wh.old", b"")],
             {**KEPT, "dir/.wh.old": F(b"")})
    yield wh(221, "wh-missing", 0, [file(".wh.nothing", b""), file("no/such/.wh.thing", b"")],
             {".wh.nothing": F(b""), "no/such/.wh.thing": F(b"")})
    yield wh(223, "wh-outside-dotdot", 1, [file("../.wh.canary", b"")])
    inside = C.lstrip("/")
    yield wh(224, "wh-outside-abs", 0, [file(C + "/.wh.canary", b"")], {inside + "/.wh.canary": F(b"")})
    yield wh(225, "wh-through-symlink-abs", 1, [file("l/.wh.victim", b"")], pre={"l": L(C + "/canary")})
    yield wh(225, "wh-through-symlink-rel", 1, [file("l/.wh.victim", b"")], pre={"l": L("../canary")})
    yield wh(226, "wh-through-new-symlink", 1,
             [sym("l", "../canary"), file("l/.wh.victim", b""), file("l/.wh.dir", b"")])
    yield wh(227, "wh-symlink", 0, [file(".wh.l", b"")], {"l": L("../canary"), ".wh.l": F(b"")},
             pre={"l": L("../canary")})


def bad_whiteouts(C):
    for variant, name in (("empty", ".wh."), ("dot", ".wh.."), ("dotdot", ".wh..."),
                          ("sub-empty", "dir/.wh."), ("sub-dot", "dir/.wh.."), ("sub-dotdot", "dir/.wh...")):
        yield wh(222, "wh-bad-" + variant, 0, [file(name, b"")], {**KEPT, name: F(b"")})


def opaque(C):
    yield wh(228, "wh-opq", 0, [directory("dir"), file("dir/.wh..wh..opq", b""), file("dir/new")],
             {**KEPT, "dir/new": F()})
    yield wh(229, "wh-opq-last", 0,
             [directory("dir"), file("dir/new"), directory("dir/sub"), file("dir/sub/y"),
              file("dir/.wh..wh..opq", b"")], {**KEPT, "dir/new": F(), "dir/sub/y": F()})
    yield wh(230, "wh-opq-last-implied", 0, [file("dir/sub/deep/new"), file("dir/.wh..wh..opq", b"")],
             {**KEPT, "dir/sub/deep/new": F()})
    yield wh(231, "wh-opq-root", 0, [file(".wh..wh..opq", b""), file("new")], {**KEPT, "new": F()})
    yield wh(232, "wh-opq-symlink", 1, [file("l/.wh..wh..opq", b"")], pre={"l": L("../canary")})
    yield wh(233, "wh-opq-symlink-abs", 1, [file("l/.wh..wh..opq", b"")], pre={"l": L(C + "/canary")})
    links = {"dir": D(), "dir/out": L("../canary"), "dir/abs": L(C + "/canary/dir")}
    yield wh(234, "wh-opq-inner-links", 0, [file("dir/.wh..wh..opq", b"")], links, pre=links)
    yield wh(234, "replaced-inner-links", 0, [file("dir", PWN)], {"dir": F(PWN)}, pre=links)
    yield wh(235, "wh-opq-nondir", 1, [file("file/.wh..wh..opq", b"")])
    yield wh(236, "wh-opq-missing", 0, [file("nodir/.wh..wh..opq", b""), file("nodir/x")], {"nodir/x": F()})


def ordered():
    yield wh(237, "wh-after-add", 0, [file("file", b"new"), file(".wh.file", b"")],
             {"file": F(b"new"), ".wh.file": F(b"")})
    yield wh(238, "wh-after-add-dir", 0, [directory("dir"), file("dir/new"), file(".wh.dir", b"")],
             {**KEPT, "dir/new": F()})
    yield wh(239, "wh-replace-parent", 0,
             [file(".wh.dir", b""), file("dir/.wh.old", b""), directory("dir"), file("dir/n")],
             {**KEPT, "dir/.wh.old": F(b""), "dir/n": F()})
    yield wh(240, "wh-typed", 0, [sym(".wh.file", "x"), directory(".wh.dir"), file("next")],
             {**KEPT, ".wh.file": L("x"), ".wh.dir": D(), "next": F()})
    yield wh(241, "wh-as-dir", 0, [file(".wh.dir/somefile"), file("next")],
             {**KEPT, ".wh.dir/somefile": F(), "next": F()})
    yield wh(242, "wh-dne", 1, [file("dne/../.wh.file", b"")])


def pseudo_links(C):
    yield wh(243, "wh-plnk", 0,
             [directory(".wh..wh.plnk"), file(".wh..wh.plnk/1"), hard("h1", ".wh..wh.plnk/1"),
              hard("h2", ".wh..wh.plnk/1"), file(".wh..wh.aufs", b"")],
             {".wh..wh.plnk/1": F(nlink=3), "h1": H(".wh..wh.plnk/1"), "h2": H("h1")})
    yield wh(244, "wh-plnk-missing", 1, [hard("h", ".wh..wh.plnk/77")])
    yield wh(245, "wh-plnk-evil", 1,
             [file(".wh..wh.plnk/../../canary/pwn", PWN), file(".wh..wh.plnk/..", PWN),
              sym(".wh..wh.plnk/s", C + "/canary/secret"), hard("h", ".wh..wh.plnk/s")])
    yield wh(245, "wh-plnk-evil-link", 0,
             [sym(".wh..wh.plnk/s", C + "/canary/secret"), hard("h", ".wh..wh.plnk/s")],
             {"h": H(".wh..wh.plnk/s")})


def layers(C):
    yield wh(246, "layer-modify", 0,
             [file("file", b"new", mode=0o600), directory("dir", mode=0o700), sym("keep", "dir/old")],
             {"file": F(b"new", mode=0o600), "dir": D(mode=0o700), "dir/old": F(b"old"),
              "keep": L("dir/old")})
    yield wh(247, "layer-dir-to-file", 0, [file("dir")], {"dir": F(), "dir/old": GONE})
    yield wh(248, "layer-file-to-dir", 0, [directory("file"), file("file/x")], {"file": D(), "file/x": F()})
    yield wh(249, "layer-write-hardlinked-lower", 0, [file("a", b"new")],
             {"a": F(b"new", nlink=1), "b": F(b"old", nlink=1)}, pre={"a": F(b"old"), "b": H("a")})
    yield wh(250, "layer-size-json", 0, [file("a"), file("b"), directory("c"), file(".wh.file", b"")],
             {**KEPT, "a": F(), "b": F(), "c": D()})
    yield wh(251, "layer-empty", 0, b"", KEPT)
    yield wh(252, "layer-escape", 1,
             [sym("l", "../canary"), file("l/pwn", PWN), hard("h", "../canary/secret")])
    yield wh(253, "layer-lower-symlink", 1, [file("l/pwn", PWN), directory("l/newdir")],
             pre={"l": L(C + "/canary")})
    yield wh(253, "layer-lower-symlink-dir", 1, [directory("l/newdir")], pre={"l": L(C + "/canary")})
    yield wh(254, "layer-gz", 0, gzip(tar([file("a"), file(".wh.file", b"")])), {**KEPT, "a": F()})


def races(C):
    """race: the two names that another process exchanges all the time."""
    def many(name):
        return tar([file(name.format(i), PWN) for i in range(400)])

    yield Case(255, "race-swap-dir", "confine", None, many("victimdir/f{:05}"), race=("victimdir", "evil"),
               pre={"victimdir": D(), "evil": L("../canary")})
    yield Case(256, "race-swap-dir-abs", "confine", None, many("victimdir/f{:05}"),
               race=("victimdir", "evil"), pre={"victimdir": D(), "evil": L(C + "/canary")})
    yield Case(257, "race-swap-deep", "confine", None, many("p/q/victimdir/f{:05}"), race=("p/q", "p/evil"),
               pre={"p": D(), "p/q": D(), "p/q/victimdir": D(), "p/evil": L(C + "/canary")})
    yield Case(258, "race-swap-file", "confine", None, many("v"), race=("v", "evil"),
               pre={"v": F(), "evil": L("../canary/victim")})
