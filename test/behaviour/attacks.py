# SPDX-License-Identifier: MIT
"""Hostile, malformed and ambiguous archives as data: one Case for each, with what is right.

The rows are numbered as in the list of attacks that the project keeps; a row with variants has a Case
for each. `C` is the directory that holds ROOT, and beside it `canary`, which must stay as it is.
"""
import dataclasses
import itertools
import os
import typing

import tarball

CODES = {"confine": {0, 1, 125}, "ok": {0}, "refuse": {1}, "ok-or-refuse": {0, 1}}


# -- what a path is, before or after -----------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Is:
    """kind: file dir link fifo char block hard gone; value: content, target, device numbers.

    attrs: mode, uid, gid, size, nlink, mtime (ns), blocks (at most), xattrs ({name: value or None}).
    """
    kind: str
    value: typing.Any = None
    attrs: dict = dataclasses.field(default_factory=dict)


def F(content=b"data\n", **attrs):
    return Is("file", content, attrs)


def D(**attrs):
    return Is("dir", None, attrs)


def L(target, **attrs):
    return Is("link", target, attrs)


def P(**attrs):
    return Is("fifo", None, attrs)


def CHR(major, minor, **attrs):
    return Is("char", (major, minor), attrs)


def H(path, **attrs):
    """The same inode as that path."""
    return Is("hard", path, attrs)


GONE = Is("gone")


# -- cases -------------------------------------------------------------------------------------

@dataclasses.dataclass
class Case:
    """expect: confine, ok, refuse, ok-or-refuse; code: what inroot's own rules make of it (0 or 1, one
    for each archive when it is a tuple; None: as expect says).

    archives: one or a tuple; each a list of parts, or bytes as they are, or a function that makes them.
    has: path -> Is, after a run that ended with 0 (the last archive's), in policy layer.
    left: the same after a refusal. pre: what stands in ROOT before.
    opts; unpriv: further options where ids or devices can't be had; unpriv_code: codes by such a mode.
    says: what standard error names, by exit code (policy layer).
    only: the modes that run it (default all); where: is the offset named in a refusal.
    """
    row: int
    id: str
    expect: str
    code: typing.Any
    archives: typing.Any
    has: dict = dataclasses.field(default_factory=dict)
    left: dict = dataclasses.field(default_factory=dict)
    pre: dict = dataclasses.field(default_factory=dict)
    opts: tuple = ()
    unpriv: tuple = ()
    unpriv_code: dict = dataclasses.field(default_factory=dict)
    only: tuple = ()
    where: bool = True
    says: dict = dataclasses.field(default_factory=dict)
    umask: int = -1
    fsize: int = 0
    race: tuple = ()

    def streams(self):
        """(bytes, offsets at which a header may stand, or None) of each archive."""
        for archive in self.archives if isinstance(self.archives, tuple) else (self.archives,):
            archive = archive() if callable(archive) else archive
            if isinstance(archive, bytes):
                yield archive, None
            else:
                yield tarball.tar(archive), set(itertools.accumulate(map(len, archive), initial=0))

    def codes(self, count):
        """The allowed exit codes of each archive."""
        given = self.code if isinstance(self.code, tuple) else (self.code,) * count
        return [CODES[self.expect] if code is None else {code} for code in given]


ONE = ("pivot",) if os.geteuid() == 0 else ("userns",)  # the mode of what is slow
IDS = ("--no-same-owner",)
NODEV = ("--devices=skip",)
NO_DEVICES = {"userns": 125, "subids": 125, "confined-user": 125}
NOT_MAPPED = {"userns": 125, "subids": 125}


def all_cases(top):
    """Every case, with the paths of that directory in the archives."""
    import attacks_format
    import attacks_layer
    import attacks_links
    import attacks_meta
    import attacks_names
    import attacks_types
    return [case for module in (attacks_names, attacks_links, attacks_types, attacks_format, attacks_meta,
                                attacks_layer)
            for case in module.cases(str(top))]
