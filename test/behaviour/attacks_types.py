# SPDX-License-Identifier: MIT
"""Rows 80-110: types that follow one another, devices, modes, directories, odd type flags."""
from attacks import CHR, D, F, GONE, IDS, NO_DEVICES, NODEV, P, Case
from tarball import base256, block, char, directory, entry, fifo, file, header, pax

PWN = b"pwned\n"
EITHER = "ok-or-refuse"


def cases(C):
    yield from replaced()
    yield from devices()
    yield from modes()
    yield from directories()
    yield from flags()


def replaced():
    yield Case(80, "dup-file", "ok", 0, [file("a", b"one"), file("a", b"two")], has={"a": F(b"two")})
    yield Case(81, "dup-mode", "ok", 0,
               [file("a", mode=0o777), file("./a", mode=0o755), file("a", mode=0o640)],
               has={"a": F(mode=0o640)})
    yield Case(82, "file-to-dir", "ok", 0, [file("x"), directory("x"), file("x/y")],
               has={"x": D(), "x/y": F()})
    yield Case(83, "dir-to-file", "ok", 0, [directory("x"), file("x/y"), file("x", PWN)], has={"x": F(PWN)})
    yield Case(84, "file-parent", EITHER, 1, [file("x", PWN), file("x/y")], left={"x": F(PWN)})
    yield Case(85, "fifo-to-file", "ok", 0, [fifo("p"), file("p", PWN)], has={"p": F(PWN)})
    yield Case(86, "fifo-pre", "ok", 0, [file("p", PWN)], pre={"p": P()}, has={"p": F(PWN)})
    yield Case(87, "fifo-plain", "ok", 0, [fifo("p", mode=0o640)], has={"p": P(mode=0o640)})
    yield Case(88, "fifo-dir-swap", "ok", 0, [fifo("p"), directory("p"), file("p/x")],
               has={"p": D(), "p/x": F()})
    yield Case(88, "fifo-parent", EITHER, 1, [fifo("p"), file("p/x")])
    yield Case(88, "fifo-dir-pre", "ok", 0, [directory("p"), file("p/x")], pre={"p": P()},
               has={"p": D(), "p/x": F()})


def devices():
    both = [char("null", 1, 3, mode=0o666), char("zero", 1, 5, mode=0o666)]
    yield Case(89, "dev-null", EITHER, 0, both, unpriv_code=NO_DEVICES,
               has={"null": CHR(1, 3, mode=0o666), "zero": CHR(1, 5, mode=0o666)})
    yield Case(89, "dev-null-skip", EITHER, 0, [*both, file("a")], opts=NODEV,
               has={"null": GONE, "zero": GONE, "a": F()})
    yield Case(89, "dev-null-refuse", EITHER, 1, both, opts=("--devices=refuse",), left={"null": GONE})
    yield Case(90, "dev-pre", "ok", 0, [file("x", PWN)], pre={"x": CHR(1, 5)}, has={"x": F(PWN)})
    yield Case(91, "dev-block-to-dir", "ok", 0, [block("x", 7, 200), directory("x"), file("x/y")],
               unpriv=NODEV, has={"x": D(), "x/y": F()})
    yield Case(92, "dev-huge-major", "refuse", 1, [char("x", base256(2**33 + 1, 8), 3)])
    yield Case(92, "dev-wide-major", "refuse", 1, [char("x", 2**12, 3)])
    yield Case(92, "dev-wide-minor", "refuse", 1, [block("x", 1, 2**20)])
    yield Case(92, "dev-negative-minor", "refuse", 1, [block("x", 1, base256(-1, 8))])
    yield Case(93, "dev-size", "refuse", 1,
               [entry("x", "3", header("smuggled"), major=1, minor=3), file("next")])
    yield Case(93, "dev-size-skip", "refuse", 1,
               [entry("x", "3", header("smuggled"), major=1, minor=3), file("next")], opts=NODEV)
    yield Case(94, "sock-type", EITHER, 1, [entry("s", "s"), file("next")])


def modes():
    yield Case(95, "setuid", "ok", 0,
               [file("su", mode=0o4755, uid=4242, gid=4242), file("su2", mode=0o6711, uid=1, gid=2),
                directory("st", mode=0o1777), directory("sg", mode=0o2775, gid=4243)], unpriv=IDS,
               has={"su": F(mode=0o4755, uid=4242, gid=4242), "su2": F(mode=0o6711, uid=1, gid=2),
                    "st": D(mode=0o1777), "sg": D(mode=0o2775, gid=4243)})
    yield Case(95, "setuid-no-permissions", "ok", 0,
               [file("su", mode=0o4755, uid=4242, gid=4242), directory("st", mode=0o3777)], unpriv=IDS,
               opts=("--no-same-permissions",), umask=0o027, has={"su": F(mode=0o750), "st": D(mode=0o750)})
    yield Case(96, "mode-high-bits", EITHER, None,
               [file("a", mode=0o100640), directory("b", mode=0o40750)],
               has={"a": F(mode=0o640), "b": D(mode=0o750)})
    yield Case(96, "mode-other-type", EITHER, None,
               [file("a", mode=0o20640), directory("b", mode=0o120750)], has={"a": F(), "b": D()})
    yield Case(97, "mode-zero-dir", "ok", 0,
               [directory("x", mode=0), file("x/y"), directory("x/z", mode=0), file("x/z/w", mode=0)],
               has={"x": D(mode=0), "x/y": F(), "x/z": D(mode=0), "x/z/w": F(mode=0)})
    yield Case(98, "mode-ro-dir", "ok", 0, [directory("x", mode=0o555, mtime=1000), file("x/y")],
               has={"x": D(mode=0o555, mtime=1000 * 10**9), "x/y": F()})
    yield Case(99, "implied-parents", "ok", 0, [file("a/b/c/file")], umask=0o077,
               has={"a": D(mode=0o755), "a/b": D(mode=0o755), "a/b/c": D(mode=0o755), "a/b/c/file": F()})
    yield Case(100, "keep-existing", "ok", 0, [directory("keep", mode=0o750), file("keep/new")],
               pre={"keep": D(), "keep/old": F(b"old")},
               has={"keep": D(mode=0o750), "keep/old": F(b"old"), "keep/new": F()})
    yield Case(101, "umask", "ok", 0,
               [file("a", mode=0o666), directory("b", mode=0o777), fifo("c", mode=0o622)], umask=0o077,
               has={"a": F(mode=0o666), "b": D(mode=0o777), "c": P(mode=0o622)})


def directories():
    long = "x" * 99 + "x/y"
    yield Case(102, "trailing-slash-v7", "ok", 0,
               [entry("dir/", b"\0", format="v7", mode=0o755), file("dir/x", format="v7")],
               has={"dir": D(mode=0o755), "dir/x": F()})
    yield Case(102, "trailing-slash-v7-body", EITHER, 1,
               [entry("dir/", b"\0", header("smuggled"), format="v7"), file("next")])
    for flag in "07":
        yield Case(103, f"trailing-slash-file-{flag}", EITHER, 1,
                   [entry("dir/", flag, header("smuggled")), file("next")],
                   left={"dir": GONE, "smuggled": GONE})
    yield Case(103, "trailing-slash-pax", EITHER, None,
               [pax({"path": long}), file("x" * 99 + "/", PWN)], has={long: F(PWN)})
    yield Case(103, "trailing-slash-pax-name", EITHER, 1,
               [pax({"path": "dir/"}), file("dir", header("next"))], left={"dir": GONE, "next": GONE})
    yield Case(104, "dir-size-body", "refuse", 1, [entry("x", "5", header("smuggled")), file("next")],
               left={"smuggled": GONE})
    yield Case(105, "dir-size-nodata", EITHER, 1, [directory("x", size=4096), file("x/next")])


def flags():
    yield Case(106, "contiguous", EITHER, None, [entry("c", "7", b"abcd"), file("next")],
               has={"c": F(b"abcd"), "next": F()})
    yield Case(107, "unknown-type", EITHER, 1, [entry("z", "Z", b"zz"), file("next")])
    yield Case(107, "unknown-type-high", EITHER, 1, [entry("z", b"\xb7", b"zz"), file("next")])
    yield Case(108, "gnu-dumpdir", "confine", 1,
               [entry("x/", "D", b"R../canary/victim\0T../y\0\0"[:24], format="gnu"), file("a")])
    yield Case(109, "gnu-volume", EITHER, 1, [entry("label", "V", format="gnu"), file("a")])
    yield Case(110, "gnu-multivol", EITHER, 1, [entry("m", "M", b"cont", format="gnu"), file("a")])
    yield Case(110, "gnu-names", EITHER, 1, [entry("n", "N", b"Rename a to ../b\n", format="gnu"), file("a")])
