# SPDX-License-Identifier: MIT
"""Mount calls, for tests that hand over what they make, or need many of them."""
import contextlib
import ctypes
import os

from denying import CALLS

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE, O_CLOEXEC = 0x1000, 0x8000, 1, 0o2000000
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE, MOVE_FROM_EMPTY = 1, 6, 4
MS_REC, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x4000, 1 << 17, 1 << 18, 1 << 19, 1 << 20
PROPAGATIONS = {"unbindable": MS_UNBINDABLE, "private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED}


def call(name, *args):
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(CALLS[name]), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def clone(path, recursive=True):
    """A detached mount: of a path's mounts."""
    flags = OPEN_TREE_CLONE | O_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    return call("open_tree", -100, os.fsencode(path), flags)


def new(kind, **options):
    """A detached mount: of a new file system."""
    fs = call("fsopen", kind.encode(), 1)
    try:
        for key, value in options.items():
            call("fsconfig", fs, FSCONFIG_SET_STRING, key.encode(), str(value).encode(), 0)
        call("fsconfig", fs, FSCONFIG_CMD_CREATE, None, None, 0)
        return call("fsmount", fs, 1, 0)
    finally:
        os.close(fs)


FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "nosymfollow": 256, "noatime": 1 << 10, "nodiratime": 1 << 11,
         "relatime": 1 << 21, "strictatime": 1 << 24, "bind": 1 << 12, "remount": 1 << 5, "rec": MS_REC}


def mount(source, target, kind=None, *flags):
    """mount(2): no process for each, where a test needs many."""
    words = [None if w is None else os.fsencode(w) for w in (source, target, kind)]
    if libc.mount(*words, sum(FLAGS[f] for f in flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def unmount(*paths):
    for path in paths:
        if libc.umount2(os.fsencode(path), 2) != 0:  # MNT_DETACH: with all below
            raise OSError(ctypes.get_errno(), f"umount {path}")


def propagate(path, kind, recursive=False):
    if libc.mount(None, os.fsencode(path), None, PROPAGATIONS[kind] | (MS_REC if recursive else 0), None) != 0:
        raise OSError(ctypes.get_errno(), f"{kind} {path}")


@contextlib.contextmanager
def opened(*paths, flags=os.O_PATH | os.O_CLOEXEC):
    """Descriptors of them, closed at the end."""
    fds = [os.open(p, flags) for p in paths]
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)
