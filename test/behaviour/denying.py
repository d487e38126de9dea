# SPDX-License-Identifier: MIT
"""The newer mount calls as a kernel or a filter without them answers, for whatever is started."""
import ctypes
import errno
import platform
import re
import struct

import pytest

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000

# Of every architecture the same: they came after the numbers were made so.
CALLS = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
         "openat2": 437, "mount_setattr": 442, "open_tree_attr": 467}


def program(number, calls):
    words = [(LOAD, 0, 0, 0)]
    words += [(EQUAL, len(calls) - i, 0, call) for i, call in enumerate(calls)]
    words += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, FAIL | number)]
    return b"".join(struct.pack("HBBI", *w) for w in words)


def deny(number, *names):
    """For preexec_fn: the calls fail from here on."""
    text = program(number, sorted(CALLS[n] for n in names or CALLS))
    buffer = ctypes.create_string_buffer(text, len(text))

    def install():
        head = struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(buffer))
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
                libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "a filter for the test")
    return install


@pytest.fixture(params=["new", "ENOSYS", "EPERM"])
def way(request):
    """Keyword arguments for a run: the newer calls are there, missing, or denied."""
    if request.param == "new":
        return {}
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("needs the numbers of this architecture's calls")
    return {"preexec_fn": deny(getattr(errno, request.param))}


# What has no older way: mapped ids, overlays and what is made up on them, mounts by descriptor alone, more options than
# mount(2) takes, the procfs of others.
REFUSALS = re.compile(r'newer mount calls|fsopen "(tmpfs|overlay)"|mapped ids take|takes fsopen\(2\)|needs no path|'
                      r"more than 4094 bytes of options")


def is_refusal(stderr):
    return bool(REFUSALS.search(stderr if isinstance(stderr, str) else (stderr or b"").decode(errors="replace")))
