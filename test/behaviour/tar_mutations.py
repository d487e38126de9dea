# SPDX-License-Identifier: MIT
"""Archives from a seed, valid and mutated: fields, records, blocks. Checksums are mostly made right again."""
import random

from tar_generator import (BLOCK, FIELDS, OLDGNU, USTAR, base256, extended, header, octal, padded, record,
                           sealed, valid)

NAMES = [b"", b".", b"/", b"./", b"a", b"a/", b"a//b", b"./a", b"/abs", b"../x", b"a/../b", b"a/.",
         b"n" * 100, b"d/" * 50, b"ok\0hidden", b"\xff\xfe", b"a0/x", b"b0", b"file", b"PaxHeaders.0/x",
         b"a\nb", b" lead", b"trail ", b"\\x41"]
NUMBERS = [b"", b"0", b"1", b"777", b"0000644", b" 644", b"  0 ", b"644 \0", b"\0644", b"8", b"0x10", b"-1",
           b"+1", b"1 1", b"1\0001", b"77777777777", b"7777777", b"00000001000", b"1000", b"512", b"2000",
           b"17777777777", b"4294967295", b"37777777777", b"\x80\0\0\0\0\0\0\x05", b"\x80", b"\xff" * 12,
           b"\xff" * 8, b"\x81\0\0\0\0\0\0\x05", base256(5, 12), base256(512, 12), base256(-5, 12),
           base256(2 ** 33, 12), base256(2 ** 62, 12), b"junk", b"1e3"]
TYPES = [b"\0", b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"x", b"g", b"L", b"K", b"S", b"V", b"M",
         b"D", b"N", b"A", b"X", b"s", b"Z", b" ", b"\xff"]
MAGICS = [USTAR, OLDGNU, bytes(8), b"ustar\0\0\0", b"ustar\x0001", b"ustar 00", b"ustar\x0000"[::-1],
          b"USTAR\x0000", b"ustar  0"]
KEYS = [b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"atime", b"comment", b"hdrcharset",
        b"uname", b"VENDOR.x", b"SCHILY.xattr.user.a", b"GNU.sparse.name", b"GNU.sparse.size",
        b"GNU.sparse.realsize", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.map",
        b"GNU.sparse.numblocks", b"LIBARCHIVE.xattr.user.a", b"Path", b"path ", b""]
VALUES = [b"", b"0", b"1", b"5", b"512", b"1024", b"-1", b"+5", b" 5", b"5 ", b"05", b"0x10", b"1.5", b"1e3",
          b"junk", b"4294967295", b"4294967296", b"18446744073709551616", b"a", b"a/", b"../x", b"/abs",
          b"new/name", b"n\0x", b"a" * 300, b"v\nw", b"\xff\xfe", b"BINARY", b"0,1", b"0,5,10,5",
          "\u00e9".encode(), b"a0", b"b0", b"."]


def size_of(block):
    """What the header says, or 0."""
    try:
        return int(block[124:136].strip(b"\0 ") or b"0", 8)
    except ValueError:
        return 0


def walk(data):
    """[(offset of a header, end of its data), …], as far as its sizes can be believed."""
    found, at = [], 0
    while at + BLOCK <= len(data) and any(data[at:at + BLOCK]) and len(found) < 1000:
        stored = size_of(data[at:at + BLOCK]) if data[at + 156:at + 157] not in b"123456" else 0
        last = at + BLOCK + (stored + BLOCK - 1) // BLOCK * BLOCK
        if data[at + 156:at + 157] == b"S":  # its extension blocks come before its data
            more, place = data[at + 482:at + 483], at + BLOCK
            while more == b"\1":
                more, place, last = data[place + 504:place + 505], place + BLOCK, last + BLOCK
        if last > len(data):
            last = len(data)
        found.append((at, last))
        at = last
    return found


def records_of(span):
    """The records of a pax header and its body; what is malformed is the last."""
    body, records = span[BLOCK:BLOCK + max(0, size_of(span))], []
    while body:
        digits, _, _ = body.partition(b" ")
        if not digits.isdigit() or not 0 < int(digits) <= len(body):
            return [*records, body]
        records.append(body[:int(digits)])
        body = body[int(digits):]
    return records


def _with_field(chance, data, at, field, value):
    start, width = FIELDS[field]
    block = data[at:at + BLOCK]
    block = block[:start] + value[:width].ljust(width, b"\0") + block[start + width:]
    sums = chance.random()
    if field != "chksum" and sums < 0.94:
        block = sealed(block, signed=sums < 0.06)
    return data[:at] + block + data[at + BLOCK:]


def change_field(chance, data):
    at, _ = chance.choice(walk(data))
    field = chance.choice([*FIELDS, "name", "size", "size", "typeflag", "typeflag", "linkname"])
    if field in ("name", "linkname", "uname", "gname", "prefix"):
        value = chance.choice(NAMES)
    elif field == "typeflag":
        value = chance.choice(TYPES)
    elif field in ("magic", "version"):
        magic = chance.choice(MAGICS)
        data = _with_field(chance, data, at, "version", magic[6:])
        return "magic", _with_field(chance, data, at, "magic", magic[:6])
    elif field == "tail":
        value = chance.choice([bytes(8) + b"tar\0", b"\xff" * 12, b"00000000000\0"])
    elif field == "chksum":
        value = chance.choice([*NUMBERS, b"%06o\0 " % (int.from_bytes(data[at:at + 2], "big") % 8000)])
    else:
        value = chance.choice(NUMBERS)
    return field, _with_field(chance, data, at, field, value)


def change_times_in_prefix(chance, data):
    """Where GNU tar's headers keep atime and ctime, and what another reader calls a prefix."""
    at, _ = chance.choice(walk(data))
    value = chance.choice([octal(1_600_000_000, 12) * 2, octal(1_600_000_000, 12, "space") * 2, b"pre/fix",
                           b"0" * 155, bytes(131) + octal(5, 12, "space") * 2])
    return "prefix", _with_field(chance, data, at, "prefix", value)


def change_idle_map(chance, data):
    """Where GNU tar's sparse entries have their map and size."""
    at, _ = chance.choice(walk(data))
    start, value = chance.choice([(386, octal(0, 12) + octal(5, 12)), (386, octal(512, 12) * 2), (482, b"\1"),
                                  (483, octal(5, 12)), (483, octal(0, 12)), (369, octal(5, 12)),
                                  (386, b"x" * 12)])
    block = data[at:at + BLOCK]
    block = sealed(block[:257] + OLDGNU + block[265:start] + value + block[start + len(value):])
    return "map", data[:at] + block + data[at + BLOCK:]


def change_size(chance, data):
    """Off by a byte, by a block or to nothing."""
    at, last = chance.choice(walk(data))
    size = last - at - BLOCK
    value = max(0, chance.choice([size, size - 1, size + 1, size + BLOCK, size - BLOCK, 0, 1, size // 2]))
    return "size", _with_field(chance, data, at, "size", octal(value, 12))


def change_block(chance, data):
    """A block taken out, doubled, exchanged with another, made zero or random."""
    count = len(data) // BLOCK
    one, two = sorted((chance.randrange(count), chance.randrange(count)))
    blocks = [data[i * BLOCK:(i + 1) * BLOCK] for i in range(count)]
    what = chance.choice(["removed", "doubled", "exchanged", "zero", "inserted zero", "random"])
    if what == "removed":
        del blocks[one]
    elif what == "doubled":
        blocks.insert(one, blocks[two])
    elif what == "exchanged":
        blocks[one], blocks[two] = blocks[two], blocks[one]
    elif what == "zero":
        blocks[one] = bytes(BLOCK)
    elif what == "inserted zero":
        blocks.insert(one, bytes(BLOCK))
    else:
        blocks[one] = chance.randbytes(BLOCK)
    return f"block {what}", b"".join(blocks)


def change_order(chance, data):
    """Whole entries (a header and its data) taken out, doubled, exchanged."""
    spans = walk(data)
    pieces, tail = [data[a:b] for a, b in spans], data[spans[-1][1]:]
    one, two = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    what = chance.choice(["removed", "doubled", "exchanged"])
    if what == "removed":
        del pieces[one]
    elif what == "doubled":
        pieces.insert(one, pieces[two])
    else:
        pieces[one], pieces[two] = pieces[two], pieces[one]
    return f"entry {what}", b"".join(pieces) + tail


def add_record_header(chance, data):
    """One more x, g, L or K before an entry."""
    at, _ = chance.choice(walk(data))
    kind = chance.choice([b"x", b"x", b"x", b"g", b"L", b"K"])
    if kind in b"xg":
        records = [(chance.choice(KEYS), chance.choice(VALUES)) for _ in range(chance.choice([1, 1, 2]))]
        piece = extended(records, kind, magic=chance.choice([USTAR, USTAR, USTAR, OLDGNU, bytes(8)]))
    else:
        text = chance.choice([*NAMES, b"long" * 40]) + chance.choice([b"\0", b"\0", b"", b"\0\0", b"\0x"])
        magic = chance.choice([OLDGNU, OLDGNU, USTAR, bytes(8)])
        piece = header(b"././@LongLink", kind, len(text), magic=magic) + padded(text)
    return f"added {kind.decode()}", data[:at] + piece + data[at:]


def change_records(chance, data):
    """In the body of a pax header: keys, values, lengths, order."""
    spans = [(a, b) for a, b in walk(data) if data[a + 156:a + 157] in (b"x", b"g")]
    if not spans:
        return add_record_header(chance, data)
    at, last = chance.choice(spans)
    records = records_of(data[at:last])
    if not records:
        return add_record_header(chance, data)
    i = chance.randrange(len(records))
    key, _, value = records[i].partition(b" ")[2].rstrip(b"\n").partition(b"=")
    length, _, text = records[i].partition(b" ")
    off = int(length) if length.isdigit() else 9
    records[i:i + 1] = chance.choice([
        [], [records[i]] * 2, [record(key, chance.choice(VALUES))], [record(chance.choice(KEYS), value)],
        [record(chance.choice(KEYS), chance.choice(VALUES)), records[i]], [b"%d " % (off + 1) + text],
        [b"%d " % (off - 1) + text], [b"0%d " % (off + 1) + text], [b"+%d " % (off + 1) + text],
        [b"0 " + text], [records[i].replace(b"=", b"", 1)], [records[i].rstrip(b"\n") + b"x"],
        [b"\n" + records[i]], [records[i], b"\0" * 8], [record(b"path", b"a\0b")]])
    if chance.random() < 0.2:
        chance.shuffle(records)
    body = b"".join(records)
    data = data[:at] + data[at:at + BLOCK] + padded(body) + data[last:]
    return "records", _with_field(chance, data, at, "size", octal(len(body), 12))


def change_end(chance, data):
    """Cut, or with something behind it."""
    if chance.random() < 0.5:
        cut = chance.choice([chance.randrange(len(data)), chance.randrange(len(data) // BLOCK + 1) * BLOCK])
        return "cut", data[:cut]
    more = chance.choice([b"x", bytes(BLOCK) + b"x", header(b"second") + bytes(1024), bytes(BLOCK),
                          bytes(100), b"junk" * 128])
    return "appended", data + more


CHANGES = [change_field] * 5 + [change_size, change_block, change_order, add_record_header, change_records,
                                change_records, change_end, change_times_in_prefix, change_idle_map]


def mutated(chance, data):
    """(what was done, the archive)"""
    if len(data) < BLOCK or not walk(data):
        return "too short", data + b"x"
    return chance.choice(CHANGES)(chance, data)


def generated(seed, index, pool=()):
    """(who wrote it, what was done to it or "", the archive): the same for the same arguments."""
    chance = random.Random(f"{seed}/{index}")
    writer, data = valid(chance, pool)
    if chance.random() < 0.3:
        return writer, "", data
    changes = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        change, data = mutated(chance, data)
        changes.append(change)
    return writer, ", ".join(changes), data
