# SPDX-License-Identifier: MIT
"""Rows 61-79: hard links."""
from attacks import F, H, L, Case
from tarball import directory, entry, file, hard, header, pax, sym

PWN = b"pwned\n"


def smuggled(name="smuggled"):
    """A body that looks like an entry of its own."""
    return header(name)


def cases(C):
    yield Case(61, "hard-out-rel", "confine", 1, [hard("h", "../canary/secret")])
    yield Case(62, "hard-out-abs", "confine", 1, [hard("h", C + "/canary/secret")])
    yield Case(63, "hard-out-abs-dotdot", "confine", 1, [hard("h", "/../../../.." + C + "/canary/secret")])
    yield Case(64, "hard-out-write", "confine", 1, [hard("h", "../canary/victim"), file("h", PWN)])
    yield Case(65, "hard-out-chmod", "confine", 1,
               [hard("h", C + "/canary/victim", mode=0o777, uid=4242, mtime=5)])
    yield Case(66, "hard-via-symdir-abs", "confine", 1, [sym("s", C + "/canary"), hard("h", "s/secret")])
    yield Case(66, "hard-via-symdir-rel", "confine", 1, [sym("s", "../canary"), hard("h", "s/secret")])
    yield Case(67, "hard-to-symlink", "ok-or-refuse", None,
               [sym("s", C + "/canary/secret"), hard("h", "s", mode=0o777, uid=4242, mtime=5)],
               has={"s": L(C + "/canary/secret"), "h": H("s")})
    yield Case(68, "hard-to-symlink-write", "ok-or-refuse", None,
               [sym("s", "../canary/victim"), hard("h", "s"), file("h", PWN)],
               has={"s": L("../canary/victim"), "h": F(PWN)})
    yield Case(69, "hard-forward", "refuse", 1, [hard("h", "later"), file("later")])
    yield Case(70, "hard-self", "ok-or-refuse", 0, [file("a", PWN), hard("a", "a")],
               has={"a": F(PWN, nlink=1)})
    yield Case(71, "hard-self-dot", "ok-or-refuse", 0, [file("a", PWN), hard("./a", "a")],
               has={"a": F(PWN, nlink=1)})
    yield Case(71, "hard-self-twin", "ok-or-refuse", 0, [file("a", PWN), hard("b", "a"), hard("a", "b")],
               has={"a": F(PWN, nlink=2), "b": H("a")})
    yield Case(71, "hard-self-symdir", "ok-or-refuse", 0,
               [directory("d"), file("d/a", PWN), sym("s", "d"), hard("s/a", "d/a"), hard("d/a", "s/a")],
               has={"d/a": F(PWN, nlink=1)})
    yield Case(71, "hard-over-its-target", "ok-or-refuse", 1,
               [directory("d"), file("d/a", PWN), hard("d", "d/a")], left={"d/a": F(PWN)})
    yield Case(71, "hard-over-its-target-symdir", "ok-or-refuse", 1,
               [directory("d"), file("d/a", PWN), sym("s", "d"), hard("d", "s/a")], left={"d/a": F(PWN)})
    yield Case(72, "hard-inside-abs", "ok", 0, [file("x-dir-a", PWN), hard("h", "/x-dir-a")],
               has={"x-dir-a": F(PWN, nlink=2), "h": H("x-dir-a")})
    yield Case(73, "hard-inside-dotdot", "ok-or-refuse", 1,
               [directory("dir"), file("a"), hard("h", "dir/../a")])
    yield Case(74, "hard-replace", "ok", 0, [file("a", b"A"), hard("b", "a"), file("b", b"B")],
               has={"a": F(b"A", nlink=1), "b": F(b"B", nlink=1)})
    yield Case(75, "hard-pax-linkpath", "confine", 1,
               [file("a"), pax({"linkpath": "../canary/secret"}), hard("h", "a")])
    yield Case(76, "hard-empty-target", "refuse", 1, [file("a"), hard("h", "")])
    yield Case(76, "hard-empty-pax-target", "refuse", 1, [file("a"), pax({"linkpath": ""}), hard("h", "a")])
    for variant, target in (("dot", "."), ("slash", "/"), ("dotdot", ".."), ("dot-slash", "./")):
        yield Case(77, "hard-to-root-" + variant, "refuse", 1, [hard("h", target)])
    yield Case(77, "hard-to-root", "refuse", 1, [hard("h", "."), hard("i", "/"), hard("j", "..")])
    yield Case(77, "hard-to-dir", "refuse", 1, [directory("d"), hard("h", "d")])
    yield Case(78, "hard-size-nodata", "ok-or-refuse", 1,
               [file("a"), hard("h", "a", size=512), file("next")])
    yield Case(79, "hard-size-body", "refuse", 1,
               [file("a"), pax({"size": "512"}), entry("h", "1", smuggled(), link="a"), file("next")])
