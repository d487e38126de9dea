# SPDX-License-Identifier: MIT
"""Why a peer reads an archive that unpack accepts in another way: what of it the peer trips over, by the
peer's own source. A row holds for an archive if the peer reads it as unpack does once that is edited out.
"""
import unicodedata

from tar_generator import BLOCK, USTAR, octal, padded, sealed
from tar_mutations import records_of, walk


def _edited(data, change):
    """change(block, body, before) -> (block, body) for each header; a body is what follows it up to the next,
    before the type of the header before it.
    """
    spans, out, before = walk(data), b"", b""
    for at, last in spans:
        block, body = change(data[at:at + BLOCK], data[at + BLOCK:last], before)
        out += sealed(block) + body if block != data[at:at + BLOCK] else block + body
        before = data[at + 156:at + 157]
    return out + data[spans[-1][1]:]


def _put(block, start, value):
    return block[:start] + value + block[start + len(value):]


def without_prefix(block, body, _):
    if block[257:263] == USTAR[:6] or block[156:157] == b"S":
        return block, body
    return _put(block, 345, bytes(155)), body


def without_idle_numbers(block, body, before):
    """Fields that mean nothing: devices' numbers for another type, all of a record header but its size, and
    what a pax record replaces.
    """
    if block[156:157] not in (b"3", b"4"):
        block = _put(block, 329, bytes(16))
    if block[156:157] in (b"x", b"g", b"L", b"K"):
        block = _put(_put(block, 100, octal(0, 8) * 3), 136, octal(0, 12))
    if before == b"x":
        block = _put(_put(block, 108, octal(0, 8) * 2), 136, octal(0, 12))
    return block, body


def without_far_times(block, body, _):
    far = block[136:137] == b"\x80" and any(block[137:142])
    return _put(block, 136, octal(0, 12)) if far else block, body


def _of_sparse(block, body, key):
    """Without the record of that key beside those of a sparse file."""
    if block[156:157] == b"x":
        records = records_of(block + body)
        kept = [r for r in records if r.partition(b" ")[2].partition(b"=")[0] != key]
        if kept != records and any(b" GNU.sparse." in r for r in kept):
            body = b"".join(kept)
            return _put(block, 124, octal(len(body), 12)), padded(body)
    return block, body


def without_size_of_sparse(block, body, _):
    return _of_sparse(block, body, b"size")


def without_path_of_sparse(block, body, _):
    return _of_sparse(block, body, b"path")


def without_oldest_directories(block, body, before):
    """Their slash stands in the header; a pax record or a long name then gives a name without one."""
    name = block[:100].split(b"\0")[0]
    if block[156:157] == b"\0" and len(name) > 1 and name.endswith(b"/") and before in (b"x", b"L"):
        return _put(block, len(name) - 1, b"\0"), body
    return block, body


def composed(tree):
    """Names and targets in Unicode's composed form, where they are UTF-8."""
    def form(text):
        try:
            return unicodedata.normalize("NFC", text.decode()).encode()
        except UnicodeDecodeError:
            return text
    return {form(name): (kind, size, form(target), form(first))
            for name, (kind, size, target, first) in tree.items()}


# Peer -> (reason, edit) and (reason, view of both results).
EDITS = {
    "tarfile": [
        ("reads a prefix in headers of every format (frombuf)", without_prefix),
        ("refuses a number that means nothing there (frombuf)", without_idle_numbers),
        ("lets a size record win over GNU.sparse.realsize (_apply_pax_info)", without_size_of_sparse),
        ("lets a path record win over GNU.sparse.name (_apply_pax_info)", without_path_of_sparse),
        ("makes a directory of a name with a slash before it knows its long name (frombuf)",
         without_oldest_directories),
    ],
    "bsdtar": [
        ("checks numbers that mean nothing there (validate_number_field)", without_idle_numbers),
        ("dies of a time that localtime() has no words for (tar/util.c)", without_far_times),
    ],
    "GNU tar": [],
}
VIEWS = {
    "bsdtar": [("composes UTF-8 names (archive_string_normalize_C)", composed)],
}


def explanation(peer, data, ours, theirs, read):
    """The reason or reasons, or nothing. read(data): what the peer makes of other data."""
    for reason, view in VIEWS.get(peer, []):
        if not isinstance(theirs, str) and view(theirs) == view(ours):
            return reason
    applied, edited = [], data
    for reason, change in EDITS[peer]:
        if (alone := _edited(data, change)) != data and read(alone) == ours:
            return reason
        if (both := _edited(edited, change)) != edited:
            applied, edited = [*applied, reason], both
    return " and ".join(applied) if len(applied) > 1 and read(edited) == ours else ""
