# SPDX-License-Identifier: MIT
"""What runtimes did before their fixes, in their order: so that a test of a flaw is seen to have one.

Each works on the root of a test, in a child with mounts of its own.
"""
import json
import os

from conftest import libc, unshare_mounts
from mountcalls import mount

CLONE_NEWNET, CLONE_NEWUTS = 0x40000000, 0x04000000


def secure_join(root, path):
    """filepath-securejoin: links are followed inside the root, by name."""
    here, todo, links = "", os.fspath(path).split("/"), 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        full = f"{root}{here}/{part}"
        if not os.path.islink(full):
            here += f"/{part}"
            continue
        links += 1
        if links > 255:
            raise OSError("too many links")
        target = os.readlink(full)
        here, todo = "" if target.startswith("/") else here, target.split("/") + todo
    return f"{root}{here}"


def is_proc(path):
    """isProc: by what statfs says of the source, whatever the type of the mount is."""
    return os.path.ismount(path) and os.path.exists(f"{path}/self/status")


def apart(step):
    """What step() returns in a child with mounts of its own; an OSError as its number."""
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            unshare_mounts()
            try:
                answer = step()
            except OSError as problem:
                answer = {"errno": problem.errno}
            os.write(w, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(w)
    with open(r, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    assert data, "the child died"
    return json.loads(data)


def jailed(root, step, procfs=False, namespaces=0):
    """The same after the change of root."""
    def inside():
        mount(root, root, None, "bind", "rec")
        if procfs:
            mount("proc", f"{root}/proc", "proc")
        assert libc.unshare(namespaces) == 0
        os.chroot(root)
        os.chdir("/")
        return step()
    return apart(inside)


def mask(path):
    """maskPath: /dev/null of the container, and nothing where that is missing."""
    try:
        mount("/dev/null", path, None, "bind")
    except FileNotFoundError:
        return
    except NotADirectoryError:
        mount("tmpfs", path, "tmpfs", "ro")


def write_sysctl(key, value):
    """writeSystemProperty."""
    with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="utf-8") as file:
        file.write(value)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
