# SPDX-License-Identifier: MIT
"""What unpack accepts is what GNU tar, bsdtar and Python's tarfile read: names, types, sizes, links; or it is
known why not. What it refuses needs no agreement, but a valid archive is never refused.
"""
import collections
import functools
import io
import os
import pathlib
import re
import stat
import subprocess
import tarfile

import pytest
from conftest import ROOT_CALLER, SANITIZED, inroot, need_tool, run, words
from many_runs import Place, alone, say  # noqa: F401
from odd_tree import make
from tar_differences import explanation
from tar_mutations import generated
from test_unpack_formats import FORMATS, pack

SOAK = os.environ.get("INROOT_SOAK") == "1"
SEED = "inroot"
COUNT = 4000 if SOAK else 150 if SANITIZED or not ROOT_CALLER else 700
MOST_SHOWN = 8
MOST_LINKS = 40

pytestmark = need_tool("tar", "bsdtar")


# -- what a list of entries makes, by the manual's rules ---------------------------------------

class Unmakeable(Exception):
    """The manual says that such an entry is refused."""


class Node:
    def __init__(self, kind, size=0, target=b""):
        self.kind, self.size, self.target = kind, size, target
        self.children = {}


def parts_of(name):
    parts = [p for p in name.split(b"/") if p not in (b"", b".")]
    if b".." in parts:
        raise Unmakeable("..")
    return parts


class Tree:
    """A file system in which entries are made one by one."""

    def __init__(self):
        self.root = Node("directory")

    def parent(self, parts):
        """The directory of all but the last, links followed inside the root, what is missing made."""
        here, todo, links = [self.root], list(reversed(parts)), 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                here = here[:-1] or here
                continue
            node = here[-1].children.get(part)
            if node is None:
                if links:
                    raise Unmakeable("dangling")
                node = here[-1].children[part] = Node("directory")
            if node.kind == "symlink":
                links += 1
                if links > MOST_LINKS:
                    raise Unmakeable("loop")
                if node.target.startswith(b"/"):
                    here = here[:1]
                # What follows the link's own components was named by the entry: it may be made.
                here = [*self.followed(here, node.target.split(b"/"), links)]
                continue
            if node.kind != "directory":
                raise Unmakeable("not a directory")
            here.append(node)
        return here[-1]

    def followed(self, here, parts, links):
        """As parent() for a link's target: nothing is made."""
        todo = list(reversed(parts))
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                here = here[:-1] or here
                continue
            node = here[-1].children.get(part)
            if node is None:
                raise Unmakeable("dangling")
            if node.kind == "symlink":
                links += 1
                if links > MOST_LINKS:
                    raise Unmakeable("loop")
                here = here[:1] if node.target.startswith(b"/") else here
                todo += reversed(node.target.split(b"/"))
            elif node.kind != "directory":
                raise Unmakeable("not a directory")
            else:
                here = [*here, node]
        return here

    def add(self, name, kind, size, target):
        parts = parts_of(name)
        if not parts:
            if kind != "directory":
                raise Unmakeable("the root")
            return
        linked = None
        if kind == "hard link":
            aims = parts_of(target)
            linked = self.parent(aims[:-1]).children.get(aims[-1]) if aims else None
            if linked is None or linked.kind == "directory":
                raise Unmakeable("hard link")
        place = self.parent(parts[:-1]).children
        there = place.get(parts[-1])
        if kind == "directory" and there and there.kind == "directory":
            return
        made_new = Node(kind, size if kind == "file" else 0, target if kind == "symlink" else b"")
        place[parts[-1]] = linked or made_new

    def flat(self):
        """Name -> (type, size, target, the first name of the same file)"""
        found, first, todo = {}, {}, [(b"", self.root)]
        while todo:
            above, node = todo.pop()
            for name, child in node.children.items():
                found[above + name] = child
                if child.kind == "directory":
                    todo.append((above + name + b"/", child))
        for name in sorted(found):
            first.setdefault(id(found[name]), name)
        return {name: (n.kind, n.size, n.target, first[id(n)]) for name, n in found.items()}


def replayed(entries):
    """What they make, or the reason why they don't."""
    tree = Tree()
    try:
        for entry in entries:
            tree.add(*entry)
    except Unmakeable as reason:
        return str(reason)
    return tree.flat()


# -- the readers -------------------------------------------------------------------------------

STAT = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
        stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


def made(root):
    """The same of a real tree."""
    found, first, todo = {}, {}, [b""]
    top = os.fsencode(root)
    if not ROOT_CALLER:
        run("chmod", "-R", "u+rwX", root)
    while todo:
        above = todo.pop()
        for entry in os.scandir(os.path.join(top, above)):
            name, st = os.path.join(above, entry.name), entry.stat(follow_symlinks=False)
            kind = STAT[stat.S_IFMT(st.st_mode)]
            target = os.readlink(entry.path) if kind == "symlink" else b""
            found[name] = (kind, st.st_size if kind == "file" else 0, target, st.st_ino)
            if kind == "directory":
                todo.append(name)
    for name in sorted(found):
        first.setdefault(found[name][3], name)
    return {name: (*value[:3], first[value[3]]) for name, value in found.items()}


KINDS = {b"-": "file", b"d": "directory", b"l": "symlink", b"h": "hard link", b"p": "fifo",
         b"c": "character device", b"b": "block device", b"C": "file"}
GNU_LINE = re.compile(rb'(.)\S{9,10} \S+/\S+ +(\d+|\d+,\d+) (?:-?\d+-\d\d-\d\d \d\d:\d\d|-?\d+) +'
                      rb'("(?:[^"\\]|\\.)*")(.*)', re.S)
BSD_LINE = re.compile(rb"(.)\S{9}.? +\d+ +\S+ +\S+ +(\d+|\d+, *\d+) \w{3} [ \d]\d +-?[\d:]+ "
                      rb"(.*?)((?: -> | link to ).*)?", re.S)
SEPARATOR = {"symlink": b" -> ", "hard link": b" link to "}
ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.S)
LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def unescaped(text):
    return ESCAPE.sub(lambda m: bytes([int(m[1], 8)]) if len(m[1]) == 3 else LETTERS.get(m[1], m[1]), text)


def parsed(output, pattern):
    """The entries of a verbose listing."""
    entries = []
    for line in output.splitlines():
        found = pattern.fullmatch(line)
        letter, size, name, target = found.groups(b"") if found else (b"?", b"0", line, b"")
        kind = KINDS.get(letter, "?")
        if kind not in SEPARATOR:
            name, target = name + target, b""
        name, target = name.strip(b'"'), target.removeprefix(SEPARATOR.get(kind, b"")).strip(b'"')
        entries.append((unescaped(name), kind, int(size) if size.isdigit() else 0, unescaped(target)))
    return entries


def by_tarfile(data):
    kinds = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file",
             tarfile.GNUTYPE_SPARSE: "file", tarfile.LNKTYPE: "hard link", tarfile.SYMTYPE: "symlink",
             tarfile.DIRTYPE: "directory", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "character device",
             tarfile.BLKTYPE: "block device"}
    entries = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape",
                          encoding="utf-8") as archive:
            for info in archive:
                name, link = (text.encode("utf-8", "surrogateescape") for text in (info.name, info.linkname))
                entries.append((name, kinds.get(info.type, "?"), info.size, link))
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError, KeyError,
            IndexError) as error:
        return entries, f"{type(error).__name__}: {error}"
    return entries, ""


COMMANDS = {
    "GNU tar": ((["tar", "-tv", "--numeric-owner", "--quoting-style=c"], "C"), GNU_LINE),
    "bsdtar": ((["bsdtar", "-tv", "--numeric-owner"], "C.UTF-8"), BSD_LINE),
}


def started(peer, path):
    (command, locale), _ = COMMANDS[peer]
    return subprocess.Popen(words([*command, "-f", path]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": locale, "TZ": "UTC"})


def finished(peer, proc):
    output, error = proc.communicate(timeout=30)
    return parsed(output, COMMANDS[peer][1]), error.decode(errors="replace") if proc.returncode else ""


def by_peers(path, data):
    """Peer -> (entries, complaint)"""
    running = {peer: started(peer, path) for peer in COMMANDS}
    return {"tarfile": by_tarfile(data), **{peer: finished(peer, proc) for peer, proc in running.items()}}


# -- the test ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Archives of small trees that real programs packed: (writer, data)."""
    place, found = pathlib.Path(tmp_path_factory.mktemp("pool")), []
    tree = place / "tree"
    tree.mkdir()
    make(tree, root=ROOT_CALLER)
    for part in ("links", "files", "times", "names", "sparse",
                 *(["devices", "owners"] if ROOT_CALLER else [])):
        for form in FORMATS:
            if part == "names" and form == "bsd-pax":
                continue  # bytes that are not UTF-8 are a matter of its locale
            archive = pack(place / f"{part}-{form}.tar", tree / part, form, "all")
            found.append((f"{form} {part}", archive.read_bytes()))
    return found


def reason_of(proc):
    """The rule of a refusal, without names and numbers."""
    line = proc.stderr.splitlines()[0] if proc.stderr else "nothing said"
    line = re.sub(r'"(?:[^"\\]|\\.)*"', "", line.removeprefix("inroot unpack: "))
    return f"{proc.returncode}: " + re.sub(r"\s+", " ", re.sub(r"\d+", "N", line)).strip()


class Comparison:
    def __init__(self, scratch):
        self.place, self.file, self.edited = Place(scratch), scratch / "a.tar", scratch / "edited.tar"
        self.count, self.refusals, self.classes = (collections.Counter() for _ in range(3))
        self.bad = []

    def unpack(self, data):
        self.file.write_bytes(data)
        with self.place.empty() as root:
            who = ["--enter=chroot"] if ROOT_CALLER else ["--enter=confined", "--no-same-owner"]
            proc = inroot("unpack", "--policy=layer", "--xattrs=none", *who, root, self.file)
            return proc, made(root) if proc.returncode == 0 else None

    def one(self, index, writer, change, data):
        """What is wrong about this one goes to self.bad."""
        proc, tree = self.unpack(data)
        self.count["archives"] += 1
        where = f"archive {index} ({writer}{'; ' + change if change else ''})"
        if proc.returncode not in (0, 1, 125) or not all(
                line.startswith(("inroot unpack: ", "hint: ")) for line in proc.stderr.splitlines()):
            self.bad.append(f"{where}: {proc}")
        elif proc.returncode:
            self.count["refused"] += 1
            self.refusals[reason_of(proc)] += 1
            if not change:
                self.bad.append(f"{where}: valid, but {proc.stderr}")
        else:
            self.count["accepted"] += 1
            self.compare(where, data, tree, proc)

    def compare(self, where, data, tree, proc):
        for peer, (entries, complaint) in by_peers(self.file, data).items():
            theirs = replayed(entries)
            if theirs == tree:
                continue
            reason = explanation(peer, data, tree, theirs, functools.partial(self.reread, peer))
            if reason:
                self.count["explained"] += 1
                self.classes[f"{peer} {reason}"] += 1
            else:
                self.count["unexplained"] += 1
                said = f"{complaint.strip()[:200]!r} {proc.stderr.strip()!r}"
                self.bad.append(f"{where}: {peer} {difference(tree, theirs)} {said}")

    def reread(self, peer, data):
        """What the peer makes of an edited archive."""
        if peer == "tarfile":
            return replayed(by_tarfile(data)[0])
        self.edited.write_bytes(data)
        return replayed(finished(peer, started(peer, self.edited))[0])


def difference(ours, theirs):
    if isinstance(theirs, str):
        return f"can't be made: {theirs}"
    lines = [f"{ascii(n)[:60]}: ours {str(ours.get(n))[:90]}, theirs {str(theirs.get(n))[:90]}"
             for n in sorted(ours.keys() | theirs.keys()) if ours.get(n) != theirs.get(n)]
    return "; ".join(lines[:3])


def devices_in(data):
    return any(data[at + 156:at + 157] in (b"3", b"4") for at in range(0, len(data), 512))


@alone
def test_generated_archives(pool, scratch, say):
    comparison = Comparison(scratch)
    for index in range(COUNT):
        writer, change, data = generated(SEED, index, pool)
        if ROOT_CALLER or not devices_in(data):
            comparison.one(index, writer, change, data)
    count = comparison.count
    say(f"differential: archives {count['archives']}, accepted {count['accepted']}, "
        f"refused {count['refused']}, differences explained {count['explained']}, "
        f"unexplained {count['unexplained']}")
    for name, n in sorted(comparison.classes.items()):
        say(f"  explained, {name}: {n}")
    for name, n in sorted(comparison.refusals.items(), key=lambda item: -item[1]):
        say(f"  refused, {name}: {n}")
    assert not comparison.bad, f"{len(comparison.bad)} bad:\n" + "\n".join(comparison.bad[:MOST_SHOWN])
    assert count["accepted"] > count["archives"] / 3 and count["refused"] > count["archives"] / 5
