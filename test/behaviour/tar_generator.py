# SPDX-License-Identifier: MIT
"""Small valid tar archives from a source of randomness, as several writers make them."""
import io
import tarfile

BLOCK = 512
USTAR, OLDGNU, V7 = b"ustar\x0000", b"ustar  \0", bytes(8)
FIELDS = {"name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12),
          "mtime": (136, 12), "chksum": (148, 8), "typeflag": (156, 1), "linkname": (157, 100),
          "magic": (257, 6), "version": (263, 2), "uname": (265, 32), "gname": (297, 32),
          "devmajor": (329, 8), "devminor": (337, 8), "prefix": (345, 155), "tail": (500, 12)}


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def octal(value, width, style="nul"):
    digits = {"nul": b"%0*o\0" % (width - 1, value), "space": b"%0*o " % (width - 1, value),
              "spaces": b"%*o\0" % (width - 1, value), "short": b"%o\0" % value,
              "space-nul": b"%0*o \0" % (width - 2, value), "full": b"%0*o" % (width, value)}[style]
    assert len(digits) <= width
    return digits.ljust(width, b"\0")


def base256(value, width):
    sign = 0x80 << 8 * (width - 1) if value >= 0 else 0
    return (value % (1 << (8 * width)) | sign).to_bytes(width, "big")


def number(value, width, style="nul"):
    return octal(value, width, style) if 0 <= value < 8 ** (width - 2) else base256(value, width)


def checksum(block, signed=False):
    block = block[:148] + b" " * 8 + block[156:]
    return sum(b - 256 if signed and b > 127 else b for b in block)


def sealed(block, signed=False):
    """The header with the right checksum in it."""
    return block[:148] + b"%06o\0 " % max(0, checksum(block, signed)) + block[156:]


def header(name, kind=b"0", size=0, link=b"", magic=USTAR, style="nul", prefix=b"", device=None, **kw):
    uid, gid = kw.get("uid", 0), kw.get("gid", 0)
    mtime, mode = kw.get("mtime", 1_600_000_000), kw.get("mode", 0o644)
    assert len(name) <= 100 and len(link) <= 100 and len(prefix) <= 155
    block = b"".join([name.ljust(100, b"\0"), number(mode, 8, style), number(uid, 8, style),
                      number(gid, 8, style), number(size, 12, style), number(mtime, 12, style), bytes(8),
                      kind, link.ljust(100, b"\0"), magic, kw.get("uname", b"").ljust(32, b"\0"),
                      kw.get("gname", b"").ljust(32, b"\0")])
    major, minor = device or (0, 0)
    block += number(major, 8, style) + number(minor, 8, style) if device or magic == USTAR else bytes(16)
    return sealed((block + prefix).ljust(BLOCK, b"\0"))


def record(key, value):
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key, value)


def extended(records, kind=b"x", name=b"PaxHeaders.0/entry", **kw):
    body = b"".join(record(*r) if isinstance(r, tuple) else r for r in records)
    return header(name, kind, len(body), **kw) + padded(body)


# -- what is in an archive ---------------------------------------------------------------------

class Entry:
    def __init__(self, kind, name, data=b"", link=b"", **kw):
        self.kind, self.name, self.data, self.link, self.more = kind, name, data, link, kw
        self.holes = kw.pop("holes", None)  # [(offset, data), …], real size


def new_name(chance, form):
    short = [b"a", b"b", b"c", b"file", b"x.y", b"-o", b"sp ace", b"semi;colon", b"%s", b"a=b", b"...",
             b"q'q"]
    name = chance.choice(short) + b"%d" % chance.randrange(50)
    if form != "v7":
        name += chance.choice([b"", b"", b"", b"", "\u00e9\u2603".encode(), b"n" * 90, b"n" * 95, b"n" * 150,
                               b"m" * 240])
    if form == "gnu":
        name = name[:230] + chance.choice([b"", b"", b"", b"\xe9", b"new\nline"])
    return name


def entries(chance, form, most=9):
    """A handful of entries that make sense: parents before children, link targets before links."""
    made, directories, files = [], [b""], []
    links = {}
    for _ in range(chance.randint(1, most)):
        parent = chance.choice([*directories, *directories, *links])
        name = parent + new_name(chance, form)
        if name in [e.name for e in made] or len(name) > {"v7": 95, "ustar": 240}.get(form, 2000):
            continue
        more = {"mode": chance.choice([0o644, 0o755, 0o4755, 0o600, 0, 0o777]),
                "uid": chance.choice([0, 1, 1000, 65534]),
                "gid": chance.choice([0, 5, 100]), "mtime": chance.choice([0, 1, 1_500_000_000, 2 ** 33 - 1])}
        if form in ("gnu", "pax"):
            more["uid"] = chance.choice([more["uid"], 2 ** 21, 2 ** 31, 2 ** 32 - 2])
            more["mtime"] = chance.choice([more["mtime"], -1, -86400])
        kind = chance.choice("fffffddshpcb" if form != "v7" else "ffffdsh")
        if kind == "f":
            size = chance.choice([0, 1, 5, 511, 512, 513, 1024, 2000])
            holes = None
            if form in ("gnu", "pax") and chance.random() < 0.25:
                holes = sparse_regions(chance)
            made.append(Entry("f", name, chance.randbytes(size), holes=holes, **more))
            files.append(name)
        elif kind == "d":
            made.append(Entry("d", name, **more))
            directories.append(name + b"/")
        elif kind == "s":
            target = chance.choice([b"nowhere", b"/etc/passwd", b"t" * 99, b".",
                                    *(directories[1:] * (parent == b""))])
            if form in ("gnu", "pax") and chance.random() < 0.3:
                target = b"u/" * chance.choice([50, 51, 60, 300]) + b"v"
            if target in directories:
                links[name + b"/"] = target
            made.append(Entry("s", name, link=target.rstrip(b"/")[:100 if form in ("v7", "ustar") else None],
                              **more))
        elif kind == "h" and files:
            link = chance.choice(files)
            if len(link) > 100 and form in ("v7", "ustar"):
                continue
            made.append(Entry("h", name, link=link, **more))
            files.append(name)
        elif kind in "pcb":
            made.append(Entry(kind, name, device=(chance.choice([1, 8, 4095]), chance.choice([0, 3, 300])),
                              **more))
    if files and chance.random() < 0.2:  # written again: the later one wins
        made.append(Entry("f", chance.choice(files), b"again", mode=0o644))
    return made


def sparse_regions(chance):
    """([(offset, data), …], real size), as GNU tar writes them: the last one is empty, at the end."""
    at, regions = chance.choice([0, 0, 4096]), []
    for _ in range(chance.choice([0, 1, 2, 4, 5, 22, 30])):
        data = chance.randbytes(chance.choice([1, 511, 512, 1024]))
        regions.append((at, data))
        at += len(data) + 4096 * chance.randint(1, 3)
    size = (regions[-1][0] + len(regions[-1][1]) if regions else 0) + chance.choice([0, 4096, 1])
    return [*regions, (size, b"")], size


# -- writers -----------------------------------------------------------------------------------

TYPES = {"f": b"0", "h": b"1", "s": b"2", "c": b"3", "b": b"4", "d": b"5", "p": b"6"}


def ustar_split(name):
    if len(name) <= 100:
        return b"", name
    for i in range(len(name) - 101, min(156, len(name) - 1)):
        if name[i:i + 1] == b"/" and i > 0:
            return name[:i], name[i + 1:]
    return None


def write_plain(chance, entry, magic, style):
    """v7 or ustar; nothing where it doesn't fit."""
    name = entry.name + (b"/" if entry.kind == "d" else b"")
    kind = TYPES[entry.kind]
    if magic == V7:
        kind = b"\0" if entry.kind in "fd" else kind
    elif entry.kind == "f":
        kind = chance.choice([b"0", b"0", b"0", b"\0"] if not name.endswith(b"/") else [b"0"])
    split = ustar_split(name)
    if not split or (split[0] and magic == V7):
        return b""
    block = header(split[1], kind, len(entry.data), entry.link, magic, style, split[0], **entry.more)
    return block + padded(entry.data)


def write_gnu(chance, entry, style):
    out, name, link = b"", entry.name + (b"/" if entry.kind == "d" else b""), entry.link
    for kind, text in chance.sample([(b"L", name), (b"K", link)], 2):
        if len(text) > 100 or (text and chance.random() < 0.05):
            out += header(b"././@LongLink", kind, len(text) + 1, magic=OLDGNU, mtime=0) + padded(text + b"\0")
    if not entry.holes:
        return out + header(name[:100], TYPES[entry.kind], len(entry.data), link[:100], OLDGNU, style,
                            **entry.more) + padded(entry.data)
    regions, size = entry.holes
    fields = [number(o, 12) + number(len(d), 12) for o, d in regions]
    stored = b"".join(d for _, d in regions)
    block = bytearray(header(name[:100], b"S", len(stored), b"", OLDGNU, style, **entry.more))
    block[386:386 + 24 * len(fields[:4])] = b"".join(fields[:4])
    block[482:483] = b"\1" if len(fields) > 4 else b"\0"
    block[483:495] = number(size, 12)
    out += sealed(bytes(block))
    rest = fields[4:]
    while rest:
        out += padded(b"".join(rest[:21]).ljust(504, b"\0") + (b"\1" if len(rest) > 21 else b"\0"))
        rest = rest[21:]
    return out + padded(stored)


def pax_sparse(chance, entry):
    """(records, what is stored, name in the header)"""
    regions, size = entry.holes
    stored, version = b"".join(d for _, d in regions), chance.choice(["0.0", "0.1", "1.0"])
    base = b"GNUSparseFile.7/" + entry.name.rpartition(b"/")[2]
    if version == "1.0":
        text = b"%d\n" % len(regions) + b"".join(b"%d\n%d\n" % (o, len(d)) for o, d in regions)
        return [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", entry.name),
                (b"GNU.sparse.realsize", b"%d" % size)], padded(text) + stored, base
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(regions))]
    if version == "0.0":
        for offset, data in regions:
            records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % len(data))]
        return records, stored, entry.name
    text = b",".join(b"%d,%d" % (o, len(d)) for o, d in regions)
    return [*records, (b"GNU.sparse.map", text), (b"GNU.sparse.name", entry.name)], stored, base


def write_pax(chance, entry, style):
    """As Go and others do it: records only where they are needed, and sometimes where they are not."""
    records, name, data = [], entry.name + (b"/" if entry.kind == "d" else b""), entry.data
    shown = name
    if entry.holes:
        records, data, shown = pax_sparse(chance, entry)
    if len(shown) > 100 or not shown.isascii() or chance.random() < 0.1:
        split = ustar_split(shown)
        if not entry.holes or shown == entry.name:
            records.append((b"path", shown))
        elif not split:
            shown = shown[:100]
        shown = shown[:100].rstrip(b"/") + (b"/" if entry.kind == "d" and len(shown) < 100 else b"")
    if len(entry.link) > 100 or (entry.link and chance.random() < 0.1):
        records.append((b"linkpath", entry.link))
    more = dict(entry.more)
    for key in ("uid", "gid", "mtime"):
        if key in more and (not 0 <= more[key] < 8 ** 7 or chance.random() < 0.1) and not (
                key == "mtime" and 0 <= more[key] < 8 ** 11 and chance.random() < 0.8):
            value = b"%d" % more[key]
            if key == "mtime" and more[key] >= 0:
                value += chance.choice([b"", b".5", b".123456789", b".000000001"])
            records.append((key.encode(), value))
            more[key] = chance.choice([0, max(0, min(more[key], 8 ** 7 - 1))])
    if chance.random() < 0.15:
        records.append((b"size", b"%d" % len(data)))
    for extra in ((b"atime", b"1600000000.25"), (b"ctime", b"1600000001"), (b"uname", b"root"),
                  (b"comment", b"a note"), (b"VENDOR.key", b"value=1\nand more"),
                  (b"SCHILY.xattr.user.k", b"\0v\n=\xff"), (b"LIBARCHIVE.creationtime", b"5"),
                  (b"SCHILY.dev", b"64769"), (b"hdrcharset", b"ISO-IR 10646 2000 UTF-8")):
        if chance.random() < 0.06:
            records.append(extra)
    if not (entry.holes and records[0][0] == b"GNU.sparse.size"):
        chance.shuffle(records)
    out = extended(records, style=style) if records else b""
    split = ustar_split(shown) or (b"", shown[:100])
    return out + header(split[1], TYPES[entry.kind], len(data), entry.link[:100], USTAR, style, split[0],
                        **more) + padded(data)


def end(chance):
    """Two blocks of zeros at the least, up to a record; rarely none at all."""
    return bytes(BLOCK * chance.choice([2, 2, 2, 3, 20, 0]))


def written_here(chance, form):
    style = chance.choice(["nul", "nul", "space", "spaces", "short", "space-nul"])
    out = b""
    if form == "pax" and chance.random() < 0.15:
        records = [(b"comment", b"0123456789abcdef" * 3), (b"mtime", b"1500000000.5")][:chance.randint(1, 2)]
        out = extended(records, b"g", b"pax_global_header")
    if chance.random() < 0.3:
        out += write_plain(chance, Entry("d", b"."), {"v7": V7, "gnu": OLDGNU}.get(form, USTAR), style)
    for entry in entries(chance, form):
        if form in ("v7", "ustar"):
            out += write_plain(chance, entry, V7 if form == "v7" else USTAR, style)
        else:
            out += (write_gnu if form == "gnu" else write_pax)(chance, entry, style)
    return out + end(chance)


def written_by_python(chance, form):
    out, formats = io.BytesIO(), {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT,
                                  "pax": tarfile.PAX_FORMAT}
    types = {"f": tarfile.REGTYPE, "h": tarfile.LNKTYPE, "s": tarfile.SYMTYPE, "c": tarfile.CHRTYPE,
             "b": tarfile.BLKTYPE, "d": tarfile.DIRTYPE, "p": tarfile.FIFOTYPE}
    with tarfile.open(fileobj=out, mode="w", format=formats[form], errors="surrogateescape") as archive:
        for entry in entries(chance, form):
            info = tarfile.TarInfo(entry.name.decode("utf-8", "surrogateescape"))
            info.type, info.linkname = types[entry.kind], entry.link.decode("utf-8", "surrogateescape")
            info.size = len(entry.data)
            for key, value in entry.more.items():
                if key != "device":
                    setattr(info, key, value)
            info.devmajor, info.devminor = entry.more.get("device", (0, 0)) if entry.kind in "cb" else (0, 0)
            try:
                archive.addfile(info, io.BytesIO(entry.data))
            except ValueError:  # doesn't fit this format
                continue
    return out.getvalue()


def valid(chance, pool=()):
    """(who wrote it, the archive); pool: archives that real programs made."""
    if pool and chance.random() < 0.15:
        return chance.choice(pool)
    if chance.random() < 0.3:
        form = chance.choice(["ustar", "gnu", "pax"])
        return f"python {form}", written_by_python(chance, form)
    form = chance.choice(["v7", "ustar", "gnu", "gnu", "pax", "pax", "pax"])
    return f"plain {form}", written_here(chance, form)
