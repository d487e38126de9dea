# SPDX-License-Identifier: MIT
"""Rows 171-218: times, ids, extended attributes, limits, compression."""
import random
import zlib

from attacks import D, F, H, IDS, L, NOT_MAPPED, ONE, Case
from tarball import (base256, bzip2, deflate, directory, file, gzip, hard, pax, sym, tar, xz, zstd,
                     zstd_block, zstd_skippable)

EITHER = "ok-or-refuse"
SECOND = 10**9


def cases(C):
    yield from times()
    yield from ids()
    yield from attributes()
    yield from limits()
    yield from gzips()
    yield from other_compressors()


def times():
    yield Case(171, "mtime-big", EITHER, None, [file("a", mtime=2**33 - 1)], has={"a": F()})
    yield Case(172, "mtime-2to63", EITHER, None,
               [file("a", mtime=base256(2**63 - 1, 12)), directory("x", mtime=base256(2**63 - 1, 12))])
    yield Case(172, "mtime-negative", EITHER, None, [file("a", mtime=-1)], has={"a": F(mtime=-SECOND)})
    yield Case(173, "mtime-2to64", EITHER, None, [file("a", mtime=base256(2**64, 12))])
    yield Case(174, "pax-mtime-sub", "ok", 0,
               [pax({"mtime": "1700000000.123456789", "atime": "1600000000.5"}), file("a")],
               has={"a": F(mtime=1700000000123456789)})
    bad = {"nan": "nan", "inf": "inf", "exp": "1e9", "dots": "1.2.3", "text": "text", "plus": "+5",
           "space": " 5"}
    for variant, value in bad.items():
        yield Case(174, "pax-mtime-" + variant, EITHER, 1, [pax({"mtime": value}), file("a")])
    for variant, value, has in (("neg", "-1.5", {"a": F(mtime=-1500000000)}), ("huge", "9" * 40, {}),
                                ("longfrac", "5." + "1" * 40, {"a": F(mtime=5111111111)})):
        yield Case(174, "pax-mtime-" + variant, EITHER, None, [pax({"mtime": value}), file("a")], has=has)


def ids():
    setuid = {"mode": 0o4755}
    for row, name, value in ((175, "2to32", 2**32), (176, "minus1", 2**32 - 1)):
        raw = base256(value, 8)
        yield Case(row, "uid-" + name, "refuse", 1, [file("a", uid=raw, **setuid)])
        yield Case(row, "gid-" + name, "refuse", 1, [file("a", gid=raw, mode=0o2755)])
        yield Case(row, f"uid-{name}-not-taken", EITHER, None, [file("a", uid=raw)], opts=IDS)
    for variant, value in (("2to32", 2**32), ("2to64", 2**64), ("minus1", -1), ("4294967295", 2**32 - 1),
                           ("text", "root"), ("float", "0.5"), ("plus", "+0"), ("wraps", 2**64 + 4242)):
        yield Case(177, "pax-uid-" + variant, "refuse", 1, [pax({"uid": str(value)}), file("a", **setuid)])
        yield Case(177, "pax-gid-" + variant, "refuse", 1, [pax({"gid": str(value)}), file("a", mode=0o2755)])
    large = 718322462
    yield Case(178, "uid-large", "ok", 0, [file("a", uid=large, gid=large), file("b", uid=2**32 - 2, gid=7)],
               unpriv=IDS, has={"a": F(uid=large, gid=large), "b": F(uid=2**32 - 2, gid=7)})
    yield Case(178, "uid-not-mapped", "ok", 0, [file("a", uid=large, **setuid)],
               unpriv_code=NOT_MAPPED, says={125: "718322462"}, has={"a": F(uid=large, mode=0o4755)})


def attributes():
    values = {"user.foo": b"bar", "user.nul": b"a\0b\nc", "user.empty": b""}
    yield Case(179, "xattr-user", "ok", 0,
               [pax([("SCHILY.xattr." + k, v) for k, v in values.items()]), file("a")],
               has={"a": F(xattrs=values)})
    overlay = {"trusted.overlay.opaque": "y", "user.overlay.opaque": "y", "trusted.overlay.redirect": "/etc"}
    whiteout = {"trusted.overlay.whiteout": "y", "trusted.overlay.metacopy": "", "user.overlay.whiteout": "y",
                "user.overlay.origin": "zz"}
    label = {"security.selinux": "system_u:object_r:evil_t:s0"}
    for opts in ((), ("--xattrs=*",), ("--xattrs=user.*,trusted.*,security.*",)):
        more = "" if not opts else "-all" if opts[0] == "--xattrs=*" else "-some"
        if more != "-some":  # `trusted.*` begins with the prefix itself, but not with trusted.overlay.
            yield Case(180, "xattr-overlay-opaque" + more, EITHER, 0,
                       [schily(overlay), directory("x"), file("x/y")], opts=opts,
                       has={"x": D(xattrs=absent(overlay)), "x/y": F()})
            yield Case(182, "xattr-selinux" + more, "ok", 0, [schily(label), file("a")], opts=opts,
                       has={"a": F(xattrs=absent(label))})
        yield Case(181, "xattr-overlay-whiteout" + more, EITHER, None, [schily(whiteout), file("x")],
                   opts=opts, unpriv=("--xattrs=user.*",) if more == "-some" else (),
                   has={"x": F(xattrs=absent(whiteout))})
    yield Case(183, "xattr-long-name", EITHER, None, [schily({"user." + "n" * 300: "v"}), file("a")])
    yield Case(184, "xattr-long-value", EITHER, None, [schily({"user.big": "v" * 70000}), file("a")])
    yield Case(185, "xattr-bad-ns", EITHER, None, [schily({"nonsense": "v", "": "v"}), file("a")])
    yield Case(185, "xattr-bad-ns-taken", "confine", None, [schily({"nonsense": "v"}), file("a")],
               opts=("--xattrs=*",))
    yield Case(186, "xattr-on-symlink", EITHER, None,
               [schily({"user.foo": "bar"}), sym("l", "t"), file("next")])
    yield Case(186, "xattr-on-symlink-trusted", EITHER, 0, [schily({"trusted.foo": "bar"}), sym("l", "t")],
               opts=("--xattrs=trusted.foo",), only=("pivot", "detached", "chroot", "confined"),
               has={"l": L("t", xattrs={"trusted.foo": b"bar"})})
    yield Case(187, "xattr-libarchive", "ok", 0, [pax({"LIBARCHIVE.xattr.user%2Efoo": "YmFy"}), file("a")],
               has={"a": F(xattrs={"user.foo": b"bar"})})
    acl = {"SCHILY.acl.access": "user::rw-,user:4242:rw-,group::r--,mask::rw-,other::---",
           "SCHILY.acl.default": "nonsense"}
    yield Case(188, "acl-text", EITHER, None, [pax(acl), file("a")],
               has={"a": F(xattrs={"system.posix_acl_access": None})})
    yield Case(188, "acl-text-taken", EITHER, 1, [pax(acl), file("a")], opts=("--acls",))


def schily(items):
    return pax([("SCHILY.xattr." + k, v) for k, v in items.items()])


def absent(names):
    return dict.fromkeys(names)


def limits():
    deep = "c" * 250 + "/"
    yield Case(189, "name-256", "refuse", 1, [file("n" * 256), file("ok")])
    yield Case(190, "path-4095", "ok", 0, [file(deep * 16 + "c" * 68)], has={deep * 16 + "c" * 68: F()})
    yield Case(191, "path-10000", EITHER, 1, [file(deep * 40 + "c"), file("ok")])
    yield Case(192, "deep-3000", EITHER, 1, [file("d/" * 3000 + "f"), file("ok")])
    yield Case(192, "deep-1500", EITHER, 1, [file("d/" * 1500 + "f"), file("ok")])
    yield Case(192, "deep-replaced", "ok", 0, [file("x/" + "d/" * 1000 + "f"), file("x"), file("ok")],
               has={"x": F(), "ok": F()}, only=ONE)
    yield Case(192, "deep-200-replaced", "ok", 0, [file("x/" + "d/" * 200 + "f"), file("x"), file("ok")],
               has={"x": F(), "ok": F()})
    yield Case(193, "deep-100k", "refuse", 1, [file("d/" * 100000 + "f"), file("ok")])
    yield Case(194, "many-files", "ok", 0, lambda: tar([file(f"m/{i:05}", b"small") for i in range(20000)]),
               has={"m/00000": F(b"small"), "m/19999": F(b"small")}, only=ONE)
    yield Case(195, "many-links", "ok", 0,
               lambda: tar([file("t"), *(hard(f"h{i:04}", "t") for i in range(3000)),
                            *(sym(f"s{i:04}", "t") for i in range(3000))]),
               has={"t": F(nlink=3001), "h2999": H("t"), "s2999": L("t")}, only=ONE)
    names = [b"latin\xe9", "snow\u2603man", "new\nline", "esc\x1b[2Jx", "tab\tsp ace ", "-rf",
             "quote'\"`$(x)", "back\\slash", "*?[a]", "\x7f\x01",
             "inroot unpack: forged: line (EPERM)\nhint: none"]
    yield Case(196, "names-bytes", "ok", 0, [file(n) for n in names],
               has={(n if isinstance(n, str) else n.decode("utf-8", "surrogateescape")): F() for n in names})
    for i, name in enumerate(names):
        name = name if isinstance(name, bytes) else name.encode()
        yield Case(196, f"names-bytes-refused-{i}", "refuse", 1, [file(name), file(b"../" + name)])
    yield Case(197, "fsize-limit", "confine", 125, [file("big", bytes(range(256)) * 16)], fsize=1024,
               says={125: "big"})


def gzips():
    plain = tar([file("a", b"first\n"), file("b", b"x" * 3000)])
    has = {"a": F(b"first\n"), "b": F(b"x" * 3000)}
    good = gzip(plain)

    def one(row, name, expect, code, archive, with_=True):
        return Case(row, name, expect, code, archive, has=has if with_ else {}, where=False)

    yield one(198, "gz-multi", "ok", 0, gzip(plain[:700]) + gzip(plain[700:]))
    yield one(199, "gz-empty-member", "ok", 0, gzip(b"") + good + gzip(b"") + gzip(b""))
    yield one(200, "gz-fextra", "ok", 0,
              gzip(plain, extra=b"SG\x16\0" + b"x" * 22, name=b"n", comment=b"c", header_crc=True)
              + gzip(b"", extra=b"AB\0\0"))
    yield one(200, "gz-fextra-long", "ok", 0, gzip(plain, extra=b"x" * 65535))
    yield one(201, "gz-trunc-trailer", "refuse", 1, good[:-4])
    yield one(201, "gz-trunc-crc", "refuse", 1, good[:-8])
    yield one(201, "gz-trunc-stream", "refuse", 1, good[:len(good) // 2])
    yield one(201, "gz-trunc-second-header", "refuse", 1, good + gzip(b"")[:5])
    yield one(202, "gz-crc", "refuse", 1, gzip(plain, crc=zlib.crc32(plain) ^ 1))
    yield one(203, "gz-len", "refuse", 1, gzip(plain, size=len(plain) + 1))
    yield one(204, "gz-zeros-after", EITHER, 0, good + bytes(1000))
    yield one(204, "gz-garbage-after", EITHER, 1, good + b"garbage")
    yield one(205, "gz-empty", "ok", 0, gzip(b""), False)
    yield one(206, "gz-bad-block", "refuse", 1, gzip(plain, raw=b"\x07"))
    yield one(207, "gz-method", "refuse", 1, gzip(plain, method=7))
    yield one(207, "gz-flags", "refuse", 1, good[:3] + b"\xe0" + good[4:])
    # a static block: match of length 3 at distance 1 with nothing before it, end of block
    yield one(208, "gz-far-distance", "refuse", 1, gzip(b"", raw=b"\x03\x02\x00", crc=0, size=3))
    yield one(208, "gz-bad-code", "refuse", 1, gzip(plain, raw=deflate(b"ab")[:-2] + b"\xff\xff\xff"))
    yield Case(209, "gz-bomb", "refuse", 1, bomb, only=ONE, where=False)
    yield one(210, "gz-in-gz", "refuse", 1, gzip(good))
    yield one(210, "zstd-in-gz", "refuse", 1, gzip(zstd(plain)))


def bomb():
    """An entry of 384 MiB of zeros, and what they are packed into: more than 1000 : 1."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head, chunk, crc = file("bomb", b"", size=384 << 20), bytes(1 << 20), 0
    raw = packer.compress(head)
    crc = zlib.crc32(head)
    for _ in range(384):
        raw += packer.compress(chunk)
        crc = zlib.crc32(chunk, crc)
    return gzip(b"", raw=raw + packer.flush(), crc=crc, size=len(head) + (384 << 20))


def other_compressors():
    plain = tar([file("a", b"first\n"), file("b", random.Random(1).randbytes(70000))])
    has = {"a": F(b"first\n"), "b": F(random.Random(1).randbytes(70000))}

    def one(row, name, expect, code, archive, with_=True, **more):
        return Case(row, name, expect, code, archive, has=has if with_ else {}, where=False, **more)

    yield one(211, "bz2", EITHER, None, bzip2(plain))
    yield one(211, "bz2-trunc", EITHER, 1, bzip2(plain)[:-10])
    yield one(212, "xz", EITHER, None, xz(plain))
    yield one(212, "xz-trunc", EITHER, 1, xz(plain)[:-10])
    yield one(212, "xz-flip", EITHER, 1, xz(plain)[:-40] + b"\xff" + xz(plain)[-39:])
    yield one(213, "zstd-skippable", "ok", 0,
              zstd_skippable(b"hello") + zstd(plain) + zstd_skippable(b"", 15))
    yield one(214, "zstd-multi", "ok", 0, zstd(plain[:1000]) + zstd(plain[1000:]))
    yield one(214, "zstd-trunc", "refuse", 1, zstd(plain)[:-3])
    yield one(214, "zstd-garbage-after", "refuse", 1, zstd(plain) + b"garbage")
    yield one(215, "zstd-rle", "ok", 0, zstd(b"", blocks=[zstd_block((b"\0", 10240), 1, "rle")]), False)
    yield one(215, "zstd-reserved", "refuse", 1, zstd(b"", blocks=[b"\x07\0\0"]), False)
    yield one(216, "zstd-window", EITHER, 1, zstd(plain, window=0xff), False)
    yield one(216, "zstd-window-16M", EITHER, 1, zstd(plain, window=0x70), False, says={1: "window"})
    yield one(216, "zstd-window-8M", "ok", 0, zstd(plain, window=0x68))
    yield one(217, "lz4-magic", "refuse", 1, b"\x04\x22\x4d\x18" + b"\x60\x40\x82" + b"\xff" * 500, False)
    yield one(218, "compress-Z", "refuse", 1, b"\x1f\x9d\x90" + b"a" * 500, False, says={1: "compress"})
    yield one(218, "lzma-alone", "refuse", 1, b"\x5d\0\0\x80\0" + b"\xff" * 8 + bytes(500), False)
    yield one(218, "lzop", "refuse", 1, b"\x89LZO\0\r\n\x1a\n" + bytes(500), False, says={1: "lzo"})
