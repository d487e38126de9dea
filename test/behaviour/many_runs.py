# SPDX-License-Identifier: MIT
"""For tests of many runs: an empty root for each, and lines of counts for the end."""
import contextlib
import ctypes
import os
import shutil

import pytest
from conftest import ROOT_CALLER, _temp_dir, libc, private_mounts, run

MNT_DETACH = 2


def alone(test):
    """In a mount namespace of its own where that can be had."""
    return private_mounts(test) if ROOT_CALLER else test


class Place:
    """An empty directory for each run: a tmpfs that is unmounted again, or one that is removed."""

    def __init__(self, scratch):
        self.path = scratch / "root"

    @contextlib.contextmanager
    def empty(self):
        self.path.mkdir(exist_ok=True)
        where = os.fsencode(self.path)
        if ROOT_CALLER and libc.mount(b"empty", where, b"tmpfs", 0, b"mode=755") != 0:
            raise OSError(ctypes.get_errno(), "tmpfs")
        try:
            yield self.path
        finally:
            if ROOT_CALLER:
                libc.umount2(where, MNT_DETACH)
            else:
                run("chmod", "-R", "u+rwX", self.path)
                shutil.rmtree(self.path)


class Summary:
    """The tests that write the lines may run in children of this process."""

    def __init__(self, path):
        self.path = path

    def pytest_terminal_summary(self, terminalreporter):
        with contextlib.suppress(FileNotFoundError):
            lines = self.path.read_text(encoding="utf-8").splitlines()
            if lines:
                terminalreporter.section("counts")
            for line in dict.fromkeys(lines):
                terminalreporter.write_line(line)
        shutil.rmtree(self.path.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def say(request):
    """say(line): print it with the others after the last test."""
    plugin = request.config.pluginmanager.get_plugin("unpack-summary")
    if not plugin:
        plugin = Summary(_temp_dir("summary") / "lines")
        request.config.pluginmanager.register(plugin, "unpack-summary")

    def write(line):
        with open(plugin.path, "a", encoding="utf-8") as file:
            file.write(line + os.linesep)
    return write
