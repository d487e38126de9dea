# SPDX-License-Identifier: MIT
"""Tar archives and their containers, written byte by byte, so that each of them can be wrong.

An archive is a list of parts (bytes); `tar(parts)` joins them and adds the end marker.

    tar([directory("d"), file("d/f", b"data", mode=0o600), sym("l", "d/f"), hard("h", "d/f")])
    tar([pax({"path": "long", "mtime": "1.5"}), file("short")])          an x record and its entry
    tar([gnu_long("name\\0"), file("short", format="gnu")])              an L record
    entry("x", "Z", b"..", size=7, checksum=b"0000000\\0", format="v7")   any field, any value
    gzip(tar(…), crc=0)                                                  a gzip member with a bad CRC

Names, targets and values are str (as UTF-8, surrogates as single bytes) or bytes. A header field takes
a number, which is written as octal, or base-256 where it does not fit or is negative; or bytes, which
are written as they are and filled up with NUL.
"""
import bz2
import lzma
import os
import struct
import zlib

BLOCK = 512
MTIME = 1_500_000_000
END = bytes(2 * BLOCK)

# field: (offset, width)
COMMON = {"name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12),
          "mtime": (136, 12), "checksum": (148, 8), "type": (156, 1), "link": (157, 100)}
USTAR = {**COMMON, "magic": (257, 6), "version": (263, 2), "uname": (265, 32), "gname": (297, 32),
         "major": (329, 8), "minor": (337, 8), "prefix": (345, 155), "pad": (500, 12)}
GNU = {**USTAR, "atime": (345, 12), "ctime": (357, 12), "offset": (369, 12), "longnames": (381, 4),
       "sparse": (386, 96), "extended": (482, 1), "realsize": (483, 12)}
STAR = {**USTAR, "prefix": (345, 131), "atime": (476, 12), "ctime": (488, 12), "trailer": (508, 4)}
FORMATS = {
    "v7": (COMMON, {}),
    "ustar": (USTAR, {"magic": b"ustar\0", "version": b"00", "major": 0, "minor": 0}),
    "gnu": (GNU, {"magic": b"ustar ", "version": b" \0", "major": 0, "minor": 0}),
    "star": (STAR, {"magic": b"ustar\0", "version": b"00", "major": 0, "minor": 0,
                    "atime": b"14553135000 ", "ctime": b"14553135000 ", "trailer": b"tar\0"}),
}


def as_bytes(text):
    return text if isinstance(text, bytes) else os.fsencode(text)


def octal(value, width):
    """Octal digits and a NUL, as most writers do it."""
    return b"%0*o\0" % (width - 1, value)


def base256(value, width):
    """GNU's binary numbers: two's complement, the first byte 0x80 or 0xff."""
    raw = bytearray(value.to_bytes(width, "big", signed=True))
    raw[0] |= 0x80
    return bytes(raw)


def number(value, width):
    return octal(value, width) if 0 <= value < 8 ** (width - 1) else base256(value, width)


def pad(data, size=BLOCK):
    """Data, filled up with NUL to whole blocks."""
    return data + bytes(-len(data) % size)


# -- headers and entries -----------------------------------------------------------------------

def checksum(block, signed=False):
    """The sum of a header; signed: as old Sun tars made it, with bytes as signed chars."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return total - 256 * sum(b > 127 for b in block[:148] + block[156:]) if signed else total


def header(name="", type="0", format="ustar", **fields):
    """One header block. fields: any field of the format; `checksum` may be "signed", bytes, or a number
    which is added to the right sum; `raw` is {offset: bytes}, put in before the sum is made."""
    layout, values = FORMATS[format]
    values = {"mode": 0o644, "uid": 0, "gid": 0, "size": 0, "mtime": MTIME, **values, **fields}
    raw, total = values.pop("raw", {}), values.pop("checksum", 0)
    values.update(name=as_bytes(name), type=as_bytes(type))
    block = bytearray(BLOCK)
    for field, value in values.items():
        offset, width = layout[field]
        value = number(value, width) if isinstance(value, int) else as_bytes(value)
        if len(value) > width:
            raise ValueError(f"{field}: {value[:40]!r} has {len(value)} bytes, there is room for {width}")
        block[offset:offset + len(value)] = value
    for offset, value in raw.items():
        block[offset:offset + len(value)] = value
    if total == "signed":
        total = b"%06o\0 " % checksum(block, signed=True)
    elif isinstance(total, int):
        total = b"%06o\0 " % (checksum(block) + total)
    block[148:148 + len(total)] = total
    return bytes(block)


def entry(name="", type="0", data=b"", long="x", **fields):
    """Header and data with its padding. `size` is the data's unless it is given.

    long: what is done about a name or target of more than 100 bytes: "x" a pax record before it, "L" GNU
    records, "cut" nothing; the header has the first 100 bytes in each case.
    """
    name, data, extra = as_bytes(name), as_bytes(data), b""
    link = as_bytes(fields.get("link", b""))
    fields.setdefault("size", len(data))
    if long == "x" and (len(name) > 100 or len(link) > 100):
        extra = pax([(k, v) for k, v in ((b"path", name), (b"linkpath", link)) if len(v) > 100])
    elif long == "L":
        extra = b"".join(gnu_long(v + b"\0", k) for k, v in (("L", name), ("K", link)) if len(v) > 100)
    if link:
        fields["link"] = link[:100]
    return extra + header(name[:100], type, **fields) + pad(data)


def file(name, data=b"data\n", **fields):
    return entry(name, "0", data, **fields)


def directory(name, **fields):
    return entry(name, "5", **{"mode": 0o755, **fields})


def sym(name, target, **fields):
    return entry(name, "2", link=target, **{"mode": 0o777, **fields})


def hard(name, target, **fields):
    return entry(name, "1", link=target, **fields)


def fifo(name, **fields):
    return entry(name, "6", **fields)


def char(name, major, minor, **fields):
    return entry(name, "3", major=major, minor=minor, **fields)


def block(name, major, minor, **fields):
    return entry(name, "4", major=major, minor=minor, **fields)


def tar(parts, end=END):
    return b"".join(parts) + end


# -- records before an entry -------------------------------------------------------------------

def record(key, value):
    """`LENGTH KEY=VALUE\\n`, the length counting itself."""
    body = b" " + as_bytes(key) + b"=" + as_bytes(str(value) if isinstance(value, int) else value) + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def records(items):
    return b"".join(record(k, v) for k, v in (items.items() if isinstance(items, dict) else items))


def pax(items, type="x", **fields):
    """An x record (type: "g", or Solaris' "X"); items: a dict, a list of pairs, or the raw body."""
    body = items if isinstance(items, bytes) else records(items)
    return entry(fields.pop("name", "PaxHeaders/x"), type, body, **fields)


def gnu_long(body, type="L", **fields):
    """An L record (type: "K"); the body is written as it is: its NUL is the caller's."""
    return entry("././@LongLink", type, body, long="cut", **{"format": "gnu", **fields})


# -- sparse files ------------------------------------------------------------------------------

def regions_raw(regions, slots):
    """(offset, bytes) pairs of old GNU sparse headers: numbers, or raw bytes in their place."""
    raw = b"".join(b"".join(number(v, 12) if isinstance(v, int) else v.ljust(12, b"\0") for v in pair)
                   for pair in regions)
    return raw.ljust(24 * slots, b"\0")


def sparse_old(name, regions, realsize, data, more=(), **fields):
    """Type S: up to 4 regions in the header, then 21 in each block of `more`."""
    blocks = [regions_raw(part, 21) + (b"\1" if i + 1 < len(more) else b"\0") + bytes(7)
              for i, part in enumerate(more)]
    head = header(name, "S", **{"format": "gnu", "sparse": regions_raw(regions, 4), "size": len(data),
                                "extended": b"\1" if more else b"\0", "realsize": realsize, **fields})
    return head + b"".join(blocks) + pad(data)


def sparse_map(regions):
    """The map of pax sparse 1.0, which stands before the data: decimal lines, filled up to a block."""
    numbers = [len(regions), *(v for pair in regions for v in pair)]
    return pad(b"".join(b"%d\n" % v for v in numbers))


def sparse_pax(name, regions, realsize, data, version="1.0", items=(), type="0", body=None, **fields):
    """A pax sparse file in version 0.0, 0.1 or 1.0; body: what stands in the place of map and data."""
    if version == "1.0":
        sparse = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", name),
                  ("GNU.sparse.realsize", realsize)]
        data = sparse_map(regions) + data if body is None else body
    elif version == "0.1":
        sparse = [("GNU.sparse.size", realsize), ("GNU.sparse.numblocks", len(regions)),
                  ("GNU.sparse.name", name),
                  ("GNU.sparse.map", ",".join(str(v) for pair in regions for v in pair))]
    else:
        sparse = [("GNU.sparse.size", realsize), ("GNU.sparse.numblocks", len(regions)),
                  *((f"GNU.sparse.{k}", v) for pair in regions for k, v in zip(("offset", "numbytes"), pair))]
    held = "GNUSparseFile.0/" + os.path.basename(name) if version != "0.0" else name
    return pax([*sparse, *items]) + entry(held, type, data, **fields)


# -- containers --------------------------------------------------------------------------------

def deflate(data, level=6):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def gzip(data, raw=None, method=8, extra=None, name=None, comment=None, header_crc=False, crc=None,
         size=None):
    """One gzip member (RFC 1952). raw: what stands in place of the deflate stream; crc, size: of the
    trailer, if they are to be wrong."""
    flags = (header_crc << 1) | ((extra is not None) << 2) | ((name is not None) << 3) \
        | ((comment is not None) << 4)
    head = b"\x1f\x8b" + bytes([method, flags]) + struct.pack("<IBB", 0, 0, 255)
    if extra is not None:
        head += struct.pack("<H", len(extra)) + extra
    for text in (name, comment):
        head += text + b"\0" if text is not None else b""
    if header_crc:
        head += struct.pack("<H", zlib.crc32(head) & 0xffff)
    trailer = struct.pack("<II", zlib.crc32(data) if crc is None else crc,
                          len(data) & 0xffffffff if size is None else size)
    return head + (deflate(data) if raw is None else raw) + trailer


ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def zstd_block(data, last, kind="raw"):
    """A block: "raw", or "rle" with data = (byte, count)."""
    payload, size, number_ = (data, len(data), 0) if kind == "raw" else (data[0], data[1], 1)
    return struct.pack("<I", size << 3 | number_ << 1 | last)[:3] + payload


def zstd(data, step=65536, window=0x58, blocks=None):
    """A zstd frame (RFC 8878) without content size and checksum; window: the window descriptor
    (0x58: 2 MiB, 0x68: 8 MiB, 0xff: terabytes); blocks: in place of raw ones of `step` bytes."""
    if blocks is None:
        parts = [data[i:i + step] for i in range(0, len(data), step)] or [b""]
        blocks = [zstd_block(part, i + 1 == len(parts)) for i, part in enumerate(parts)]
    return ZSTD_MAGIC + b"\0" + bytes([window]) + b"".join(blocks)


def zstd_skippable(data, magic=0):
    return struct.pack("<II", 0x184D2A50 + magic, len(data)) + data


def xz(data):
    return lzma.compress(data, format=lzma.FORMAT_XZ, preset=1)


def bzip2(data):
    return bz2.compress(data, 1)
