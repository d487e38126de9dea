# SPDX-License-Identifier: MIT
"""Callers, and what a payload sees of its mounts: for the tests of the root file system."""
import os
import pathlib

import pytest

from conftest import ROOT_CALLER, exec_in, give, need_root, need_userns, ordinary, run

PROC = ["--unshare=pid", "--mask=none", "--ro-path=none", "--mount=type=proc,dst=/proc"]


class Mount:
    """One line of mountinfo."""

    def __init__(self, line):
        left, _, right = line.partition(" - ")
        self.id, self.parent, self.device, self.root, self.point, options, *fields = left.split()
        self.options = set(options.split(","))
        self.propagation = {f.partition(":")[0]: f.partition(":")[2] for f in fields}
        self.type, self.source, supers = right.split(" ", 2)
        self.supers = set(supers.split(","))

    def __repr__(self):
        return f"{self.point} {self.root} {sorted(self.options)} {self.propagation} {self.type} {self.source}"


def parse(text):
    """Mount point -> the topmost Mount there."""
    return {m.point: m for m in map(Mount, text.splitlines())}


def host_mounts():
    return parse(pathlib.Path("/proc/self/mountinfo").read_text())


class Caller:
    """Root, or an ordinary user in a user namespace who has everything that it is to own."""

    def __init__(self, name):
        self.name, self.is_root = name, name == "root"
        self.opts = [] if self.is_root else ["--map-root-user"]
        self.run = {} if self.is_root else ordinary()

    def own(self, *paths):
        """Their owner's ids are 0 inside."""
        for path in paths:
            if ROOT_CALLER and not self.is_root:
                give(path)
        return paths[0]

    def start(self, root, opts, script, **kw):
        return exec_in(root, "/bin/sh", "-c", script, opts=[*self.opts, *opts], **{**self.run, **kw})

    def inside(self, root, opts, script, **kw):
        proc = self.start(root, opts, script, **kw)
        assert proc.returncode == 0, (proc.stdout, proc.stderr)
        return proc.stdout

    def mounts(self, root, opts, script="", **kw):
        """What is mounted inside when the script has run."""
        return parse(self.inside(root, [*PROC, *opts], f"{script}\ncat /proc/self/mountinfo", **kw))


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request, bbox):
    caller = Caller(request.param)
    caller.own(bbox)
    return caller


def image(kind, tree, file):
    """A file system in a file, of what is in the directory `tree`."""
    if kind == "squashfs":
        run("mksquashfs", tree, file, "-quiet", "-no-progress")
    else:
        with open(file, "wb") as out:
            out.truncate(32 << 20)
        run("mkfs.ext4", "-q", "-F", "-d", tree, file)
    os.chmod(file, 0o644)
    return file
