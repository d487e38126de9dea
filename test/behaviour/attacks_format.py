# SPDX-License-Identifier: MIT
"""Rows 111-170: records, headers, ends of archives, sparse maps."""
from attacks import F, GONE, IDS, ONE, Case
from tarball import (BLOCK, END, base256, directory, entry, file, gnu_long, header, pad, pax, record,
                     sparse_map, sparse_old, sparse_pax, sym, tar)

PWN = b"pwned\n"
EITHER = "ok-or-refuse"


def cases(C):
    yield from several_records(C)
    yield from global_records(C)
    yield from bad_records()
    yield from sizes()
    yield from long_names()
    yield from headers()
    yield from ends()
    yield from sparse_files()
    yield from sparse_pax_files()


def several_records(C):
    yield Case(111, "pax-size-smaller", EITHER, 1,
               [pax({"size": "0"}), file("outer", header("smuggled") + bytes(512)), file("next")],
               left={"outer": GONE, "smuggled": GONE})
    yield Case(111, "pax-size-larger", EITHER, 1, [pax({"size": "1024"}), file("outer", b""), file("next")])
    yield Case(112, "pax-size-on-L", EITHER, 1,
               [pax({"size": "2048"}), gnu_long(b"longname.txt\0"), file("short", bytes(2048)), file("next")])
    yield Case(113, "pax-size-on-g", EITHER, 1,
               [pax({"size": "4"}), pax({"comment": "c"}, "g"), file("a", b"abcd"), file("next")])
    yield Case(114, "L-and-pax-path", "refuse", 1,
               [gnu_long(b"gnuname\0"), pax({"path": "paxname"}), file("hdrname")])
    yield Case(114, "pax-path-and-L", "refuse", 1,
               [pax({"path": "paxname"}), gnu_long(b"gnuname\0"), file("hdrname")])
    yield Case(115, "pax-and-K-link", "refuse", 1,
               [directory("p"), directory("q"), pax({"linkpath": "p"}), gnu_long(b"q\0", "K"), sym("l", "r")])
    yield Case(116, "pax-double-x", "refuse", 1,
               [pax({"path": "one", "mtime": "5"}), pax({"path": "two"}), file("hdrname")])
    yield Case(116, "gnu-double-L", "refuse", 1, [gnu_long(b"one\0"), gnu_long(b"two\0"), file("hdrname")])
    yield Case(121, "pax-dangling-x", "refuse", 1, [file("a"), pax({"path": "b"})])
    yield Case(121, "pax-dangling-x-no-end", "refuse", 1, lambda: file("a") + pax({"path": "b"}))
    yield Case(122, "gnu-dangling-L", "refuse", 1, [file("a"), gnu_long(b"b\0")])
    yield Case(122, "gnu-dangling-K", "refuse", 1, [file("a"), gnu_long(b"b\0", "K")])
    yield Case(157, "many-pax-no-file", EITHER, 1,
               lambda: tar([pax({"path": "p"})] * 2000))


def global_records(C):
    yield Case(117, "pax-global-comment", "ok", 0,
               [pax({"comment": "0123456789abcdef0123456789abcdef01234567"}, "g"), file("a")], has={"a": F()})
    yield Case(118, "pax-global-only", "ok", 0, [pax({"comment": "x"}, "g")])
    yield Case(119, "pax-global-local", "ok", 0,
               [pax({"mtime": "5", "uid": "77"}, "g"), pax({"mtime": "6"}), file("a"), file("b")], unpriv=IDS,
               has={"a": F(mtime=6 * 10**9, uid=77), "b": F(mtime=5 * 10**9, uid=77)})
    yield Case(120, "pax-global-linkpath", "confine", 1,
               [pax({"linkpath": C + "/canary", "path": "p"}, "g"), sym("l", "in"), file("l/pwn", PWN)])
    for key, value in (("path", "p"), ("size", "5"), ("GNU.sparse.name", "p"), ("SCHILY.xattr.user.a", "1"),
                       ("SCHILY.acl.access", "user::rw-,group::r--,other::r--")):
        yield Case(120, "pax-global-" + key.lower(), EITHER, 1, [pax({key: value}, "g"), file("a")])


def bad_records():
    good, overflow = record("path", "abc"), b"18446744073709551628 path=abc\n"
    bodies = {
        "len-long": b"99 path=abc\n", "len-short": b"5 path=abc\n", "len-zero": b"0 path=abc\n",
        "len-one": b"1 path=abc\n", "len-none": b" path=abc\n", "len-overflow": b"9" * 30 + b" path=abc\n",
        "len-wrap": overflow, "len-negative": b"-12 path=abc\n", "no-newline": b"12 path=abcd",
        "no-equals": b"12 path.abc\n", "no-key": b"7 =abc\n", "junk-tail": good + b"junk",
        "plus": b"+13 path=abc\n", "leading-zero": b"013 path=abc\n",
        "space": b" 13 path=abc\n", "tab": b"12\tpath=abc\n", "zero-tail": good + bytes(5),
        "nul-in-path": record("path", "a\0bc"), "twice": record("path", "a") + record("path", "b"),
    }
    for variant, body in bodies.items():
        yield Case(123, "pax-rec-" + variant, "refuse", 1, [pax(body), file("hdrname"), file("next")],
                   left={"abc": GONE, "hdrname": GONE})
    value = "x\n30 path=../canary/pwn-by-line\n"
    yield Case(124, "pax-newline-value", "ok", 0,
               [pax({"SCHILY.xattr.user.a": value, "path": "named"}), file("hdrname")],
               has={"named": F(xattrs={"user.a": value.encode()}), "hdrname": GONE})
    yield Case(125, "pax-empty-value", EITHER, 1, [pax({"path": "", "mtime": ""}), file("hdrname")])
    for key in ("path", "linkpath", "size", "uid", "gid", "mtime"):
        yield Case(125, "pax-empty-" + key, EITHER, 1, [pax({key: ""}), sym("hdrname", "t")])
    yield Case(127, "pax-unknown-keys", "ok", 0,
               [pax({"VENDOR.foo": "1", "comment": "c", "SCHILY.dev": "1", "SCHILY.ino": "2",
                     "charset": "BINARY"}), file("a")], has={"a": F()})
    yield Case(128, "pax-hdrcharset", EITHER, None,
               [pax({"hdrcharset": "BINARY", "path": b"n\xff\xfe"}), file("hdrname")],
               has={"n\udcff\udcfe": F(), "hdrname": GONE})
    yield Case(129, "pax-empty-x", EITHER, 1, [pax(b""), file("a")])
    yield Case(130, "pax-huge-declared", "refuse", 1,
               lambda: header("PaxHeaders/x", "x", size=2**33) + b"a".ljust(4 * BLOCK, b"\0"))
    yield Case(131, "pax-huge-body", EITHER, 1,
               lambda: tar([pax({"comment": "c" * (24 << 20)}), file("a")]), only=ONE)
    yield Case(131, "pax-huge-global", EITHER, 1,
               lambda: tar([pax({"comment": "c" * (24 << 20)}, "g"), file("a")]), only=ONE)
    yield Case(131, "pax-many-records", EITHER, None,
               [pax([(f"VENDOR.k{i}", "v") for i in range(40000)]), file("a")], has={"a": F()}, only=ONE)


def sizes():
    values = {"hex": "0x10", "plus": "+5", "minus": "-5", "exp": "1e1", "space": " 5",
              "wrap": str(2**64 + 5), "huge": "9" * 40, "text": "abc", "float": "5.0", "nul": "5\0",
              "past-int64": str(2**63)}
    for variant, value in values.items():
        yield Case(126, "pax-size-" + variant, "refuse", 1,
                   [pax({"size": value}), file("a", b"12345"), file("next")], left={"a": GONE, "next": GONE})


def long_names():
    yield Case(132, "gnu-huge-L", "refuse", 1,
               lambda: header("././@LongLink", "L", "gnu", size=2**33) + b"a".ljust(4 * BLOCK, b"\0"))
    yield Case(133, "gnu-L-8M", "refuse", 1,
               lambda: tar([gnu_long(b"a" * (8 << 20) + b"\0"), file("h", format="gnu")]), only=ONE)
    yield Case(134, "gnu-L-no-nul", EITHER, None, [gnu_long(b"exactly"), file("h", format="gnu")],
               has={"exactly": F(), "h": GONE})
    times = {"atime": b"14553135000\0", "ctime": b"14553135000\0"}
    yield Case(135, "gnu-prefix-ignored", EITHER, 1,
               [file("short", format="gnu", **times), file("s2", format="gnu", atime=b"dir/prefix"),
                file("next")], left={"short": F(), "dir": GONE})
    yield Case(135, "gnu-times", "ok", 0, [file("short", format="gnu", **times)], has={"short": F()})


def headers():
    yield Case(136, "x-on-v7", EITHER, 1, [pax({"path": "evil"}, format="v7"), file("hdrname")],
               left={"evil": GONE, "hdrname": GONE})
    yield Case(136, "L-on-v7", EITHER, 1, [gnu_long(b"evil\0", format="v7"), file("hdrname")],
               left={"evil": GONE, "hdrname": GONE})
    yield Case(137, "ver-nul", EITHER, None, [file("a", version=bytes(2))], has={"a": F()})
    yield Case(138, "solaris-x", EITHER, 1, [pax({"path": "named"}, "X"), file("hdrname")])
    yield Case(139, "solaris-acl", EITHER, 1, [entry("acl", "A", b"user::rw-".ljust(48, b"\0")), file("a")])
    yield Case(140, "cksum-bad", "refuse", 1, [file("a", checksum=1)], left={"a": GONE})
    yield Case(140, "cksum-bad-mid", "refuse", 1, [file("a"), file("b", checksum=-1), file("c")],
               left={"b": GONE, "c": GONE})
    yield Case(141, "cksum-signed", EITHER, 0, [file(b"a\xe9\xe8", checksum="signed")],
               has={"a\udce9\udce8": F()})
    total = int(header("a", size=5)[148:154], 8)
    yield Case(142, "cksum-spaces", "ok", 0, [file("a", checksum=b"%7o " % total)], has={"a": F()})
    yield Case(143, "cksum-garbage", "refuse", 1, [file("a", checksum=b"zz zz zz")], left={"a": GONE})
    for variant, size in (("leadnul", b"\x00000000005\0"), ("negative", base256(-1, 12)),
                          ("nine", b"00000000009\0"), ("middle-space", b"00000 00005\0"),
                          ("minus", b"-0000000005\0"), ("81", b"\x81" + bytes(11)),
                          ("huge", base256(2**70, 12))):
        yield Case(143, "size-" + variant, EITHER, 1, [file("a", b"12345", size=size), file("next")],
                   left={"a": GONE, "next": GONE})


def ends():
    one = file("a", PWN)
    big = file("a", b"x" * 5000)
    yield Case(144, "trunc-header", "refuse", 1, file("a") + file("b")[:300], left={"b": GONE})
    yield Case(144, "trunc-first-header", "refuse", 1, one[:300], left={"a": GONE})
    yield Case(145, "trunc-data", "refuse", 1, big[:3000])
    yield Case(146, "trunc-data-zero", "refuse", 1, big[:BLOCK])
    yield Case(147, "trunc-pad", EITHER, 0, one[:BLOCK + len(PWN)], has={"a": F(PWN)}, says={0: "warning"})
    yield Case(148, "trunc-pax", "refuse", 1, pax({"path": "abcdefghijklmnopqrst"})[:BLOCK + 12])
    yield Case(149, "no-eoa", "ok", 0, one, has={"a": F(PWN)}, says={0: "warning"})
    yield Case(149, "one-zero-block", EITHER, None, one + bytes(BLOCK), has={"a": F(PWN)})
    yield Case(150, "one-zero-then-more", EITHER, 1, one + bytes(BLOCK) + tar([file("after")]),
               left={"after": GONE})
    garbage = (b"garbage" * 300)[:2048]
    yield Case(151, "eoa-then-garbage", EITHER, 1, one + END + garbage, left={"a": F(PWN)})
    yield Case(152, "eoa-then-tar", EITHER, 1, one + END + tar([file("second")]), left={"second": GONE})
    yield Case(152, "eoa-then-tar-asked", "ok", 0, one + END + tar([file("second")]),
               opts=("--ignore-zeros",), has={"a": F(PWN), "second": F()})
    yield Case(152, "eoa-then-zeros", "ok", 0, one + END + bytes(1 << 19), has={"a": F(PWN)})
    yield Case(152, "eoa-then-too-many-zeros", EITHER, 1, lambda: one + END + bytes(3 << 20), only=ONE)
    yield Case(153, "empty-input", "ok", 0, b"")
    yield Case(154, "garbage", "refuse", 1, bytes((i * 64 + 0xb7) * 31 % 251 + 1 for i in range(4096)))
    yield Case(155, "garbage-text", "refuse", 1, b"<html><body>404 Not Found</body></html>\n" * 64)
    yield Case(156, "unaligned", "refuse", 1, b"\0" + tar([file("a")]), left={"a": GONE})
    yield Case(156, "unaligned-short", "refuse", 1, tar([file("a")])[1:], left={"a": GONE})


def holes(*pieces, size):
    """The content of a sparse file: (offset, bytes) in zeros."""
    content = bytearray(size)
    for offset, data in pieces:
        content[offset:offset + len(data)] = data
    return bytes(content)


def sparse_files():
    more = [[(8192 * (i + 4), 1) for i in range(21)], [(8192 * (i + 25), 1) for i in range(5)]]
    first = [(8192 * i, 1) for i in range(4)]
    data, size = b"abcdefghijklmnopqrstuvwxyzABCD", 8192 * 30
    wanted = holes(*((8192 * i, data[i:i + 1]) for i in range(30)), size=size)
    yield Case(158, "sparse-old-ext", "ok", 0, [sparse_old("s", first, size, data, more), file("next")],
               has={"s": F(wanted, blocks=8 * 30 + 16), "next": F()})
    bad = {
        159: ("order", [(4096, 3), (0, 3)], 8192, b"abcdef"),
        160: ("past-end", [(0, 3), (8190, 3)], 8192, b"abcdef"),
        161: ("negative", [(-4096, 3)], 8192, b"abc"), 163: ("unref-data", [(0, 3)], 8192, b"abcdef"),
        164: ("miss-data", [(0, 3), (4096, 3)], 8192, b"abc"),
    }
    for row, (variant, regions, real, stored) in bad.items():
        yield Case(row, "sparse-" + variant, "refuse", 1,
                   [sparse_old("s", regions, real, stored), file("next")], left={"next": GONE})
    yield Case(159, "sparse-overlap", "refuse", 1,
               [sparse_old("s", [(0, 4), (2, 2)], 8192, b"abcdef"), file("next")])
    yield Case(160, "sparse-wrap", "refuse", 1,
               [sparse_old("s", [(2**63 - 1, 3)], 8192, b"abc"), file("next")])
    slots = [[(b"BBBBBBBBBBBB", b"BBBBBBBBBBBB")] * 21]
    yield Case(162, "sparse-partial", EITHER, 1,
               [sparse_old("s", first, size, b"abcd", slots), file("next")], left={"next": GONE})
    yield Case(162, "sparse-trunc-ext", "refuse", 1,
               sparse_old("s", first, size, b"", [[(65536, 1)]], extended=b"\1", size=5)[:BLOCK])
    endless = header("s", "S", "gnu", extended=b"\1", realsize=8) + (bytes(504) + b"\1" + bytes(7)) * 5000
    yield Case(162, "sparse-endless-ext", "refuse", 1, lambda: endless, only=ONE)


def sparse_pax_files():
    for version in ("0.0", "0.1", "1.0"):
        yield Case(158, "sparse-pax-" + version, "ok", 0,
                   [sparse_pax("s", [(0, 3), (65536, 3)], 131072, b"abcdef", version), file("next")],
                   has={"s": F(holes((0, b"abc"), (65536, b"def"), size=131072), blocks=64), "next": F()})
    counted = pad(b"1099511627776\n0\n3\n")
    yield Case(165, "sparse-10-count", "refuse", 1,
               [sparse_pax("s", [], 8192, b"", body=counted + bytes(1024)), file("next")],
               left={"next": GONE})
    yield Case(166, "sparse-10-big-map", EITHER, 1,
               lambda: tar([sparse_pax("s", [(2 * i, 1) for i in range(200000)], 400000, b"x" * 200000),
                            file("next")]), only=ONE)
    yield Case(167, "sparse-10-trunc-map", "refuse", 1,
               [sparse_pax("s", [], 8192, b"", body=pad(b"5\n0\n3\n")), file("next")])
    yield Case(168, "sparse-orphan-name", EITHER, 1,
               [pax({"GNU.sparse.name": "renamed"}), file("orig"), file("next")], left={"renamed": GONE})
    yield Case(169, "sparse-on-dir", EITHER, 1,
               [sparse_pax("dir", [], 8192, b"", body=b"", type="5"), file("next")])
    yield Case(169, "sparse-on-symlink", EITHER, 1,
               [sparse_pax("l", [], 8192, b"", body=b"", type="2", link="t"), file("next")])
    yield Case(170, "sparse-realsize-mismatch", "refuse", 1,
               [pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
                     "GNU.sparse.realsize": "-5"}),
                file("s", sparse_map([(0, 3)]) + b"abc".ljust(512, b"\0")), file("next")])
    yield Case(170, "sparse-realsize-small", "refuse", 1,
               [sparse_pax("s", [(0, 3)], 2, b"abc"), file("next")])
