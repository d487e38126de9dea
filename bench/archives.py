# SPDX-License-Identifier: MIT
"""The archives that bench/unpack.py has unpacked."""
import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
import tarfile

from common import PATH, REPO

SIZE_BIG = 256 << 20


@dataclasses.dataclass
class Archive:
    name: str
    path: pathlib.Path
    entries: int            # that it makes: how a run is known to have done its work

    def warm(self):
        """All of it into the page cache."""
        with open(self.path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass

    def packed(self, name, *command):
        """The same, compressed by a program that writes to its standard output."""
        path = self.path.with_name(f"{self.path.name}{name}")
        with open(path, "wb") as file:
            subprocess.run([*command, self.path], stdout=file, check=True)
        return Archive(f"{self.name}{name}", path, self.entries)


class Writer:
    """Entries of a new archive, in the format that GNU tar writes unasked."""

    def __init__(self, path):
        self.path, self.entries = path, 0

    def __enter__(self):
        self.tar = tarfile.open(self.path, "w", format=tarfile.GNU_FORMAT)
        return self

    def __exit__(self, *_):
        self.tar.close()

    def add(self, name, kind=tarfile.REGTYPE, mode=0o644, data=b""):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, len(data), 1700000000
        self.tar.addfile(info, io.BytesIO(data) if data else None)
        self.entries += 1

    def directory(self, name):
        self.add(name, tarfile.DIRTYPE, 0o755)


def small_files(top, name, directories, files, size=1024):
    """`files` files of 1 KiB in each of the directories."""
    data = os.urandom(size)
    with Writer(top / f"{name}.tar") as writer:
        for directory in range(directories):
            writer.directory(f"d{directory:03}")
            for number in range(files):
                writer.add(f"d{directory:03}/file-{number:06}", data=data)
    return Archive(f"{directories * files} files of 1 KiB", writer.path, writer.entries)


def big_files(top, count=4):
    # Neither zeros, which could be left out, nor the same in each.
    data = os.urandom(SIZE_BIG + count)
    with Writer(top / "big.tar") as writer:
        for number in range(count):
            writer.add(f"big-{number}", data=data[number:number + SIZE_BIG])
    return Archive(f"{count} files of 256 MiB", writer.path, writer.entries)


def one_file(top):
    with Writer(top / "one.tar") as writer:
        writer.add("file", data=b"one file\n")
    return Archive("one file", writer.path, writer.entries)


def only_directories(top, count):
    """Directories alone, each 1,000th of which holds the next 999."""
    with Writer(top / f"directories-{count}.tar") as writer:
        for number in range(count):
            parent = f"share/doc-{number // 1000:03}"
            if number % 1000 == 0:
                writer.directory(parent)
            else:
                writer.directory(f"{parent}/package-{number:06}")
    return Archive(f"{count} directories", writer.path, writer.entries)


def debian_suite():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def minbase(top):
    """A Debian minbase root: the one that `make check` has made, or a new one. None and the reason
    where it can't be made."""
    suite = debian_suite()
    root = REPO / "build" / f"debian-{suite}"
    if not root.is_dir():
        program = shutil.which("mmdebstrap", path=PATH)
        if not program:
            return None, "mmdebstrap is not installed"
        root = top / "minbase"
        proc = subprocess.run([program, "--variant=minbase", "--mode=root", suite, root],
                              capture_output=True, text=True)
        if proc.returncode != 0:
            return None, f"needs a Debian mirror: {proc.stderr[-200:].strip()}"
    path = top / "minbase.tar"
    subprocess.run(["tar", "--numeric-owner", "--sort=name", "-C", root, "-cf", path, "."], check=True)
    listing = subprocess.check_output(["tar", "-tf", path]).splitlines()
    if root.parent == top:
        shutil.rmtree(root)
    # All but "./", the root itself.
    return Archive("minbase.tar", path, len(listing) - 1), ""
