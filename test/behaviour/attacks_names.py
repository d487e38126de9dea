# SPDX-License-Identifier: MIT
"""Rows 1-60: names that climb, and symbolic links."""
from attacks import D, F, IDS, L, Case
from tarball import directory, file, gnu_long, hard, pax, sparse_map, sym

PWN = b"pwned\n"


def cases(C):
    yield from names(C)
    yield from root_links(C)
    yield from through_links(C)
    yield from replaced_links(C)
    yield from odd_links(C)
    yield from deferred(C)
    yield from two_archives(C)


def up(C, times=30):
    return "../" * times + C.lstrip("/")


def names(C):
    inside = C.lstrip("/") + "/canary/pwn"
    deep = "a/" * 500 + "../" * 501 + "canary/pwn"
    yield Case(1, "name-dotdot", "confine", 1, [file("../canary/pwn", PWN)])
    yield Case(2, "name-dotdot-mid", "confine", 1, [file("a/../../canary/pwn", PWN)])
    yield Case(3, "name-dotdot-doubleslash", "confine", 1, [file("a//..//..//canary//pwn", PWN)])
    yield Case(4, "name-dotdot-many", "confine", 1, [file(up(C) + "/canary/pwn", PWN)])
    yield Case(5, "name-abs", "confine", 0, [file(C + "/canary/pwn", PWN)], has={inside: F(PWN)})
    yield Case(6, "name-abs-dotdot", "confine", 1, [file("/" + up(C) + "/canary/pwn", PWN)])
    yield Case(7, "name-abs-then-dotdot", "confine", 1, [file("/a/../../canary/pwn", PWN)])
    yield Case(8, "name-dotdot-dir-mode", "confine", 1, [directory("..", mode=0o777, uid=4242)])
    yield Case(9, "name-dir-dotdot", "ok-or-refuse", 1, [directory("a/.."), file("b")])
    yield Case(10, "name-deep-dotdot", "confine", 1, [file(deep, PWN)])
    yield Case(11, "name-prefix-dotdot", "confine", 1, [file("canary/pwn", PWN, prefix="..")])
    yield Case(12, "name-pax-dotdot", "confine", 1, [pax({"path": "../canary/pwn"}), file("benign", PWN)])
    yield Case(13, "name-pax-abs", "confine", 0, [pax({"path": C + "/canary/pwn"}), file("benign", PWN)],
               has={inside: F(PWN)})
    yield Case(14, "name-gnulong-dotdot", "confine", 1,
               [gnu_long(b"../canary/pwn\0"), file("benign", PWN, format="gnu")])
    yield Case(15, "name-sparse-name-dotdot", "confine", 1,
               [pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "../canary/pwn",
                     "GNU.sparse.realsize": "3"}), file("benign", sparse_map([(0, 3)]) + b"pwn")])
    yield Case(16, "name-backslash", "ok", 0, [file("..\\canary\\pwn", PWN)], has={"..\\canary\\pwn": F(PWN)})
    yield Case(17, "name-dotdotdot", "ok", 0, [file(".../x"), file("..a/y"), file("a../z")],
               has={".../x": F(), "..a/y": F(), "a../z": F()})
    yield Case(18, "name-nul-gnulong", "ok-or-refuse", 1,
               [gnu_long(f"ok.txt\0/{up(C)}/canary/pwn\0".encode()), file("benign", PWN, format="gnu")])
    yield Case(19, "name-empty", "refuse", 1, [file(""), file("next")])
    yield Case(20, "name-dot-file", "refuse", 1, [file("."), file("next")])
    yield Case(21, "name-root-dirs", "ok", 0,
               [directory("./"), directory("/"), directory(".", mode=0o751), file("./a"), file("././b"),
                file("c//d")], has={"": D(mode=0o751), "a": F(), "b": F(), "c/d": F()})


def root_links(C):
    for variant, name in (("dot", "."), ("slash", "/"), ("dot-slash", "./"), ("empty", ""),
                          ("dotdot-in", "a/.."), ("dotdot", "..")):
        yield Case(22, "rootlink-" + variant, "confine", (1, 0),
                   ([sym(name, "../canary")], [file("pwn", PWN)]), has={"": D(), "pwn": F(PWN)})
    yield Case(23, "roothard", "confine", 1, [file("a"), hard(".", "a"), hard("", "a"), file("b")])


def through_links(C):
    inside = C.lstrip("/") + "/canary/pwn"
    yield Case(24, "sym-rel-through", "confine", 1, [sym("l", "../canary"), file("l/pwn", PWN)],
               left={"l": L("../canary")})
    yield Case(25, "sym-abs-through", "confine", 1, [sym("l", C + "/canary"), file("l/pwn", PWN)])
    yield Case(26, "sym-abs-root-through", "confine", 0, [sym("l", "/"), file(f"l{C}/canary/pwn", PWN)],
               has={"l": L("/"), inside: F(PWN)})
    yield Case(27, "sym-chain-dirs", "confine", 1,
               [directory("x"), directory("x/y"), sym("x/y/up", ".."), sym("x/up2", "y/up/.."),
                file("x/up2/../canary/pwn", PWN)])
    yield Case(27, "sym-chain-dirs-plain", "confine", 1,
               [directory("x"), directory("x/y"), sym("x/y/up", ".."), sym("x/up2", "y/up/../../canary"),
                file("x/up2/pwn", PWN)])
    yield Case(28, "sym-chain-deep", "confine", 1,
               [*(sym(f"s{i}", f"s{i + 1}") for i in range(59)), sym("s59", "../canary"),
                file("s0/pwn", PWN)])
    yield Case(28, "sym-chain-deep-inside", "confine", 1,
               [directory("d"), *(sym(f"s{i}", f"s{i + 1}") for i in range(59)), sym("s59", "d"),
                file("s0/pwn", PWN)])
    yield Case(29, "sym-pathmax-realpath", "confine", 1, pathmax())
    yield Case(30, "sym-prefix-cache", "confine", 0,
               [directory("aaa/bbb/ccc"), file("aaa/bbb/ccc/f"), sym("aaa/bbb/cc", "../../../canary"),
                directory("aaa/bbb/cc"), file("aaa/bbb/cc/pwn", PWN)],
               has={"aaa/bbb/cc": D(), "aaa/bbb/cc/pwn": F(PWN), "aaa/bbb/ccc/f": F()})
    invalidate = [directory("foo"), directory("foo/tmp"), file("foo/tmp/x"), file("foo/tmp/f"), sym("foo", C),
                  file("foo/canary/pwn", PWN)]
    yield Case(31, "sym-cache-invalidate", "confine", 1, invalidate, left={"foo": L(C)})
    yield Case(31, "sym-cache-invalidate-inside", "confine", 0,
               [*invalidate, directory("foo"), file("foo/tmp/x", b"new")], pre={C.lstrip("/"): D()},
               has={"foo": D(), "foo/tmp/x": F(b"new"), inside: F(PWN)})


def pathmax():
    """The links of CVE-2025-4517: the path that they spell is longer than PATH_MAX."""
    comp, path, parts, steps = "d" * 247, "", [], "abcdefghijklmnop"
    for step in steps:
        parts += [directory(path + comp), sym(path + step, comp)]
        path += comp + "/"
    link = "/".join(steps) + "/" + "l" * 254
    return [*parts, sym(link, "../" * len(steps)), sym("escape", link + "/../canary"),
            file("escape/pwn", PWN), hard("flag", "escape/secret")]


def replaced_links(C):
    yield Case(32, "sym-replace-file", "ok", 0, [sym("l", "../canary/victim"), file("l", PWN)],
               has={"l": F(PWN)})
    yield Case(33, "sym-replace-empty-file", "ok", 0, [sym("l", C + "/canary/victim"), file("l", b"")],
               has={"l": F(b"")})
    yield Case(34, "sym-dir-chmod", "ok-or-refuse", 0, [sym("l", "../canary"), directory("l", mode=0o777)],
               has={"l": D(mode=0o777)})
    yield Case(35, "sym-dir-then-file", "ok", 0,
               [sym("l", "../canary"), directory("l"), file("l/pwn", PWN)], has={"l": D(), "l/pwn": F(PWN)})
    yield Case(36, "sym-trailing-slash", "confine", 1, [sym("l/", "../canary"), file("l/pwn", PWN)])
    yield Case(37, "sym-loop", "confine", 1, [sym("a", "b"), sym("b", "a"), file("a/x"), file("ok")])
    yield Case(38, "sym-self", "confine", 1, [sym("a", "a"), file("a/x"), directory("a/y")])
    yield Case(39, "sym-long-target", "ok", 0, [sym("l", "t" * 4095)], has={"l": L("t" * 4095)})
    yield Case(40, "sym-toolong-target", "refuse", 1, [sym("l", "t/" * 2500)])
    yield Case(41, "sym-inside-rel", "ok", 0,
               [directory("usr"), directory("usr/lib"), sym("lib64", "usr/lib"), file("lib64/x")],
               has={"lib64": L("usr/lib"), "usr/lib/x": F()})
    yield Case(42, "sym-inside-dotdot", "ok", 0,
               [directory("etc"), directory("dummy"), sym("l", "dummy/../etc"), file("l/x")],
               has={"l": L("dummy/../etc"), "etc/x": F()})
    yield Case(43, "sym-clamped-dotdot", "ok-or-refuse", 0,
               [directory("etc"), sym("l", "../" * 30 + "etc-x-dir"), directory("etc-x-dir"), file("l/x")],
               has={"etc-x-dir/x": F()})
    yield Case(44, "sym-dangling-mid", "ok-or-refuse", 1, [sym("l", "nowhere"), file("l/x")])


def odd_links(C):
    fds = range(3, 13)
    yield Case(45, "sym-proc-fd", "confine", (1,) * len(fds),
               tuple([sym(f"f{n}", f"/proc/self/fd/{n}/../canary"), file(f"f{n}/pwn", PWN)] for n in fds))
    yield Case(45, "sym-proc-root", "confine", (1, 1, 1),
               tuple([sym(f"f{n}", f"/proc/{n}{C}/canary"), file(f"f{n}/pwn", PWN)]
                     for n in ("self/root", "1/root", "self/cwd/..")))
    yield Case(46, "sym-lchown", "ok", 0, [sym("l", "../canary/victim", uid=4242, gid=4243, mtime=99)],
               has={"l": L("../canary/victim", uid=4242, gid=4243, mtime=99 * 10**9)}, unpriv=IDS)
    yield Case(47, "sym-xattr", "confine", None,
               [pax({"SCHILY.xattr.user.evil": "1", "SCHILY.xattr.trusted.evil": "1"}),
                sym("l", "../canary/victim")])
    yield Case(48, "sym-fflags", "confine", 0,
               [pax({"SCHILY.fflags": "nodump,noatime"}), sym("l", "../canary/victim")],
               has={"l": L("../canary/victim")})


def deferred(C):
    when = {"mode": 0o700, "mtime": 1000}
    yield Case(49, "sym-deferred-dir", "confine", 0,
               [directory("x", **when), file("x/f"), sym("x", "../canary")], has={"x": L("../canary")})
    yield Case(50, "sym-deferred-empty-dir", "confine", 0, [directory("x", **when), sym("x", "../canary")],
               has={"x": L("../canary")})
    yield Case(51, "sym-deferred-rename", "confine", 0,
               [directory("z"), directory("z/dir", **when), sym("z", C + "/canary")],
               has={"z": L(C + "/canary")})
    yield Case(52, "sym-hl-deferred", "ok-or-refuse", 0,
               [directory("x", **when), file("y", mode=0o644, mtime=2000),
                hard("x", "y", mode=0o777, mtime=3000)],
               has={"y": F(mode=0o644, mtime=2000 * 10**9, nlink=2)})
    yield Case(53, "sym-pax-linkpath", "confine", 1,
               [pax({"linkpath": "../canary"}), sym("l", "harmless"), file("l/pwn", PWN)],
               left={"l": L("../canary")})


def two_archives(C):
    yield Case(54, "sym-two-step", "confine", (0, 1), ([sym("x", "../canary")], [file("x/pwn", PWN)]))
    yield Case(55, "sym-two-step-abs", "confine", (0, 1), ([sym("x", C + "/canary")], [file("x/pwn", PWN)]))
    yield Case(56, "sym-two-step-dir", "confine", (0, 0),
               ([sym("x", "../canary")], [directory("x"), file("x/pwn", PWN)]),
               has={"x": D(), "x/pwn": F(PWN)})
    yield Case(57, "sym-pre-existing-deep", "confine", 1, [file("a/b/c/pwn", PWN)],
               pre={"a": D(), "a/b": L(C)}, left={"a/b": L(C)})
    yield Case(58, "sym-pre-file", "ok", 0, [file("v", PWN)], pre={"v": L("../canary/victim")},
               has={"v": F(PWN)})
    yield Case(59, "sym-mkdir-outside", "confine", 1,
               [sym("l", "../canary"), directory("l/newdir"), directory("l/a/b/c")])
    yield Case(59, "sym-mkdir-implied", "confine", 1, [sym("l", "../canary"), directory("l/a/b/c")])
    yield Case(60, "sym-unlink-outside", "confine", 1,
               [sym("l", "../canary"), sym("l/victim", "x"), directory("l/dir")])
    yield Case(60, "sym-unlink-outside-abs", "confine", 1,
               [sym("l", C + "/canary"), sym("l/victim", "x"), directory("l/dir")])
