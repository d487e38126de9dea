# SPDX-License-Identifier: MIT
"""--default-mounts in user namespaces that others made, where no group tty may be mapped."""
from conftest import ROOT_CALLER, exec_in, give, inroot, need_root, need_tool, need_userns, ordinary
from denying import way  # noqa: F401: a fixture
from joining import nested

DEFAULTS = ["--default-mounts", "--unshare=pid"]
SHOW = ["/bin/sh", "-c", "grep ' /dev/pts ' /proc/self/mountinfo"]


def options_of(proc):
    """Of the file system of terminals: the last field of its line."""
    assert proc.returncode == 0, proc.stderr
    return set(proc.stdout.split()[-1].split(","))


@need_root
def test_group_of_terminals(bbox):
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= options_of(exec_in(bbox, *SHOW, opts=DEFAULTS))


@need_userns
@need_tool("unshare")
def test_namespace_of_the_caller(bbox, way):  # noqa: F811
    if ROOT_CALLER:
        give(bbox)
    proc = inroot("exec", *DEFAULTS, bbox, *SHOW, wrapper=["unshare", "-Ur"], **ordinary(), **way)
    seen = options_of(proc)
    assert {"mode=620", "ptmxmode=666"} <= seen and not any(option.startswith("gid=") for option in seen)


@need_root
@need_userns
@need_tool("unshare")
def test_namespace_that_is_joined(bbox):
    with nested(["-Ur"]) as pid:
        seen = options_of(exec_in(bbox, *SHOW, opts=[*DEFAULTS, "--join=user", f"--target={pid}"]))
    assert {"mode=620", "ptmxmode=666"} <= seen and "gid=5" not in seen


@need_root
@need_userns
@need_tool("unshare")
def test_group_of_one_that_was_given_is_an_error(bbox):
    """Only the default does without: who names a group gets it, or nothing."""
    proc = inroot("exec", "--unshare=pid", "--mount=type=devpts,dst=/dev/pts,newinstance,gid=5", bbox, "/bin/true",
                  wrapper=["unshare", "-Ur"])
    assert proc.returncode == 125 and "/dev/pts" in proc.stderr
