# SPDX-License-Identifier: MIT
"""Containers to join, and what their namespaces are, seen from outside."""
import contextlib
import os
import pathlib
import signal
import subprocess

from conftest import Running, read_line, words

TYPES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time")
ALL = [f"--join={kind}" for kind in TYPES]
STAYING = ("pid", "time")
# A container of root's with ids of its own, one of root's that shares the host's ids, a user's own.
UNSHARE = "--unshare=pid,net,ipc,uts,cgroup,time"
RANGE = 0x186a0000
OF_ROOT = [UNSHARE, "--unshare=user", f"--map-users=0:{RANGE}:65536", f"--map-groups=0:{RANGE}:65536"]
OF_HOST = [UNSHARE]
OF_USER = [UNSHARE, "--map-root-user"]


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in TYPES}


HOST = namespaces("self")


def end(box, pid):
    """Ends the payload, and so the helper: one that is killed leaves its payload to somebody else."""
    if box.proc.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    box.proc.wait(20)


@contextlib.contextmanager
def container(root, *opts, payload=("/bin/sleep", "1000"), **kw):
    """A running container; its payload's pid on the host."""
    with Running("exec", *opts, root, *payload, **kw) as box:
        record = box.record("payload")
        assert record, box.proc.stderr.read()
        try:
            yield record["pid"]
        finally:
            end(box, record["pid"])


@contextlib.contextmanager
def nested(*unshares):
    """A process below `unshare` run by `unshare`…; its pid."""
    command = [word for opts in unshares for word in ("unshare", *opts)]
    r, w = os.pipe()
    with contextlib.ExitStack() as stack:
        proc = stack.enter_context(subprocess.Popen([*command, "sh", "-c", "echo $$; read x"], stdout=w,
                                                    stdin=subprocess.PIPE))
        os.close(w)
        try:
            read_line(r)
            yield proc.pid
        finally:
            os.close(r)
            proc.kill()


@contextlib.contextmanager
def joined(root, *opts, sh="/bin/sh", **kw):
    """A payload that has joined: (its Running, the namespaces that it is in)."""
    with Running("exec", *opts, root, "--", sh, "-c", "echo ready; read x; exit 7", **kw) as box:
        line = box.line()
        assert line == "ready\n", box.proc.stderr.read()
        stays = any(f"--join={kind}" in " ".join(words(opts)) for kind in STAYING)
        pid = box.record("payload")["pid"] if stays else box.proc.pid
        yield box, namespaces(pid)
        box.proc.stdin.close()
        assert box.proc.wait(20) == 7
        if stays:
            assert box.record("exit") == {"type": "exit", "code": 7}


def by_target(pid, kinds):
    return [f"--target={pid}", *(f"--join={kind}" for kind in kinds)]


class Sources:
    """How a test names the namespaces of a process: `options(kinds)` and what must be passed on."""

    WAYS = ("path", "fd", "pid", "pidfd")

    def __init__(self, way, pid):
        self.way, self.pid, self.fds = way, pid, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self.fds:
            os.close(fd)

    def opened(self, fd):
        self.fds.append(fd)
        return f"fd:{fd}"

    def options(self, *kinds):
        path = pathlib.Path(f"/proc/{self.pid}/ns")
        if self.way == "path":
            return [f"--join={kind}:{path / kind}" for kind in kinds]
        if self.way == "fd":
            return [f"--join={kind}:{self.opened(os.open(path / kind, os.O_RDONLY))}" for kind in kinds]
        target = self.pid if self.way == "pid" else self.opened(os.pidfd_open(self.pid))
        return by_target(target, kinds)


def expected(target, *kinds):
    """The namespaces of who joins those; its mounts are new ones unless they are joined, with ROOT /."""
    return {kind: target[kind] if kind in kinds else HOST[kind] for kind in TYPES}

