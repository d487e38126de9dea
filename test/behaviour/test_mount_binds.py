# SPDX-License-Identifier: MIT
"""Binds: of every kind of source, over places that are there or not, with what is mounted below or without it."""
import os
import socket
import stat

import pytest

from conftest import assert_fails, exec_in, host_state, need_root, need_userns, private_mounts, run
from denying import way  # noqa: F401: a fixture
from mounting import Caller, who  # noqa: F401: a fixture


@pytest.fixture
def source(scratch):
    path = scratch / "source"
    (path / "sub").mkdir(parents=True)
    (path / "which").write_text("source\n")
    return path


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# -- kinds of sources --------------------------------------------------------------------------

def test_a_directory(bbox, who, way, source, scratch):  # noqa: F811
    who.own(scratch)
    assert who.inside(bbox, [f"--volume={source}:/m"], "cat /m/which; echo x > /m/new", **way) == "source\n"
    assert (source / "new").read_text() == "x\n"


def test_a_file(bbox, who, way, source, scratch):  # noqa: F811
    who.own(scratch)
    opts = [f"--volume={source / 'which'}:/etc/inside"]
    assert who.inside(bbox, opts, "cat /etc/inside; echo x >> /etc/inside", **way) == "source\n"
    assert (source / "which").read_text() == "source\nx\n" and (bbox / "etc/inside").read_text() == "inside\n"


def test_a_fifo(bbox, who, way, source):  # noqa: F811
    os.mkfifo(source / "fifo")
    assert who.inside(bbox, [f"--volume={source}/fifo:/m/f"], "test -p /m/f && echo fifo", **way) == "fifo\n"
    assert stat.S_ISREG(os.lstat(bbox / "m/f").st_mode)


def test_a_socket(bbox, who, way, source):  # noqa: F811
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(source / "s"))
        s.listen()
        assert who.inside(bbox, [f"--volume={source}/s:/m/s"], "test -S /m/s && echo socket", **way) == "socket\n"


def test_a_device(bbox, who, way):  # noqa: F811
    script = "stat -c %t:%T /m/null; echo x > /m/null && echo written"
    assert who.inside(bbox, ["--volume=/dev/null:/m/null"], script, **way) == "1:3\nwritten\n"
    out = who.inside(bbox, ["--volume=/dev/null:/m/null:nodev"], "stat -c %t:%T /m/null; echo x > /m/null; true", **way)
    assert out == "1:3\n"


def test_a_link_is_followed_as_the_caller_sees_it(bbox, who, way, source, scratch):  # noqa: F811
    (scratch / "link").symlink_to("source/which")
    (scratch / "again").symlink_to(scratch / "link")
    opts = [f"--volume={scratch}/again:/etc/inside", f"--volume={scratch}/link:/m/f"]
    assert who.inside(bbox, opts, "cat /etc/inside /m/f; test -L /m/f || echo none", **way) == "source\nsource\nnone\n"


def test_a_link_in_a_source_leads_where_it_leads_inside(bbox, who, way, source):  # noqa: F811
    (source / "link").symlink_to("/etc/inside")
    assert who.inside(bbox, [f"--volume={source}:/m"], "cat /m/link", **way) == "inside\n"


def test_a_relative_path_is_the_callers(bbox, who, way, source, scratch):  # noqa: F811
    opts = ["--volume=source:/m", "--volume=./source/which:/etc/inside", "--volume=../source:/up"]
    (scratch / "cwd").mkdir()
    assert who.inside(bbox, opts[:2], "cat /m/which /etc/inside", cwd=scratch, **way) == "source\n" * 2
    assert who.inside(bbox, opts[2:], "cat /up/which", cwd=scratch / "cwd", **way) == "source\n"


# -- sources that are not there ----------------------------------------------------------------

@pytest.mark.parametrize("name", ["none", "none/at/all", "which/below", "dangling", "loop"])
def test_a_missing_source_makes_nothing(bbox, who, way, source, name):  # noqa: F811
    (source / "dangling").symlink_to("nowhere")
    (source / "loop").symlink_to("loop")
    before = host_state(bbox)
    for opts in ([f"--volume={source}/{name}:/m/deep"], [f"--mount=type=bind,src={source}/{name},dst=/m/deep"],
                 ["--tmpfs=/t", f"--volume={source}/{name}:/t/deep"]):
        assert_fails(who.start(bbox, opts, "true", **way), 125, str(source / name))
    before.check()
    assert sorted(p.name for p in source.iterdir()) == ["dangling", "loop", "sub", "which"]


def test_a_source_in_the_root_that_is_missing(bbox, who, way):  # noqa: F811
    before = host_state(bbox)
    assert_fails(who.start(bbox, [f"--volume={bbox}/none:/m"], "true", **way), 125, "none", "ENOENT")
    before.check()


def test_a_source_in_the_root_cannot_leave_it(bbox, who, way, source):  # noqa: F811
    """What an image has for a link leads to what is inside."""
    (bbox / "link").symlink_to(f"../../../../../..{source}")
    (bbox / "etc-link").symlink_to("/etc")
    proc = who.start(bbox, [f"--volume={bbox}/link:/m"], "ls /m", **way)
    assert_fails(proc, 125, "ENOENT")
    assert who.inside(bbox, [f"--volume={bbox}/etc-link:/m"], "cat /m/inside", **way) == "inside\n"


@need_userns
def test_what_the_user_cannot_reach(bbox, source, scratch):
    caller = Caller("user")
    caller.own(bbox)
    (scratch / "closed").mkdir(mode=0o700)
    if os.getuid() == os.stat(bbox).st_uid:
        pytest.skip("needs root to make what an ordinary user can't reach")
    before = host_state(bbox)
    assert_fails(caller.start(bbox, [f"--volume={scratch}/closed/x:/m"], "true"), 125, "closed/x", "EACCES")
    before.check()


# -- places ------------------------------------------------------------------------------------

def test_what_is_missing_is_made(bbox, who, way, source):  # noqa: F811
    old = os.umask(0o077)
    try:
        who.inside(bbox, [f"--volume={source}:/a/b/c", f"--volume={source}/which:/d/e/f"], "true", **way)
    finally:
        os.umask(old)
    owner = os.lstat(bbox).st_uid
    for name in ("a", "a/b", "a/b/c", "d", "d/e"):
        assert (bbox / name).is_dir() and mode_of(bbox / name) == 0o755 and os.lstat(bbox / name).st_uid == owner
    assert (bbox / "d/e/f").read_bytes() == b"" and os.lstat(bbox / "d/e/f").st_uid == owner
    assert mode_of(bbox / "d/e/f") in (0o644, 0o755)


def test_what_is_there_is_left_alone(bbox, who, way, source):  # noqa: F811
    (bbox / "m").mkdir(mode=0o700)
    (bbox / "m/x").write_text("x")
    (bbox / "f").write_text("f")
    (bbox / "f").chmod(0o600)
    who.own(bbox)
    before = [os.lstat(bbox / n) for n in ("m", "m/x", "f")]
    opts = [f"--volume={source}:/m", f"--volume={source}/which:/f"]
    assert who.inside(bbox, opts, "ls /m; cat /f", **way) == "sub\nwhich\nsource\n"
    after = [os.lstat(bbox / n) for n in ("m", "m/x", "f")]
    assert [(s.st_mode, s.st_mtime_ns, s.st_size, s.st_ino) for s in before] == \
        [(s.st_mode, s.st_mtime_ns, s.st_size, s.st_ino) for s in after]


@pytest.mark.parametrize("kind", ["directory over file", "file over directory"])
def test_of_another_kind(bbox, who, way, source, kind):  # noqa: F811
    before = host_state(bbox)
    option = {"directory over file": f"--volume={source}:/etc/inside",
              "file over directory": f"--volume={source}/which:/mnt"}[kind]
    error = "ENOTDIR" if kind.startswith("directory") else "EISDIR"
    proc = who.start(bbox, [option], "true", **way)
    assert_fails(proc, 125, error, option.rpartition(":")[2])
    before.check()


@pytest.mark.parametrize("target", ["/", "//", "/.", "/mnt/..", "/a/../b/..", "relative", "", "./m"])
def test_places_that_are_none(bbox, source, target, unchanged_host):
    assert_fails(exec_in(bbox, "/bin/true", opts=[f"--volume={source}:{target}"]), 125)


@pytest.mark.parametrize("target,place", [("//m//deep/", "/m/deep"), ("/m/./deep", "/m/deep"), ("/m/../n", "/n"),
                                          ("/../../../m", "/m")])
def test_places_written_oddly(bbox, who, way, source, target, place):  # noqa: F811
    assert who.inside(bbox, [f"--volume={source}:{target}"], f"cat {place}/which", **way) == "source\n"


def test_names_that_need_care(bbox, who, way, scratch):  # noqa: F811
    name = b'a b,c"d\\e\nf\t\xff=g'
    source = os.fsencode(scratch) + b"/" + name
    os.mkdir(source)
    (scratch / os.fsdecode(name) / "which").write_text("source\n")
    quoted = name.replace(b'"', b'""')
    option = b'--mount=type=bind,"src=' + os.fsencode(scratch) + b"/" + quoted + b'","dst=/' + quoted + b'"'
    assert who.inside(bbox, [option], "cat /a*/which", **way) == "source\n"
    assert name in os.listdir(os.fsencode(bbox))


# -- what is mounted below ---------------------------------------------------------------------

RECURSION = [("", True), ("rbind", True), ("bind", False), ("bind-nonrecursive", False), ("bind-nonrecursive=true", False),
             ("bind-nonrecursive=false", True), ("bind-recursive=disabled", False), ("bind-recursive=enabled", True)]


@need_root
@pytest.mark.parametrize("option,taken", RECURSION)
def test_mounts_below_the_source(bbox, source, option, taken, way):  # noqa: F811
    caller = Caller("root")

    @private_mounts
    def check():
        run("mount", "-t", "tmpfs", "below", source / "sub")
        spec = f"--mount=type=bind,src={source},dst=/m" + (f",{option}" if option else "")
        mounts = caller.mounts(bbox, [spec], **way)
        assert ("/m/sub" in mounts) == taken
    check()


@need_root
@need_userns
@pytest.mark.parametrize("option,taken", [("rbind", True), ("bind", False)])
def test_mounts_below_the_source_in_a_user_namespace(bbox, source, option, taken, way):  # noqa: F811
    """Inherited mounts are locked together: without them the kernel takes none (what they cover would be seen)."""
    caller = Caller("user")
    caller.own(bbox)

    @private_mounts
    def check():
        run("mount", "-t", "tmpfs", "below", source / "sub")
        proc = caller.start(bbox, [f"--mount=type=bind,src={source},dst=/mnt,{option}"], "true", **way)
        if taken:
            assert proc.returncode == 0, proc.stderr
        else:
            assert_fails(proc, 125, "/mnt", "EINVAL")
    check()


# -- how strict ro is --------------------------------------------------------------------------

STRICT = [  # options, whether the mount is read-only, and the one below it
    ("rw", False, False), ("ro", True, True), ("rro", True, True), ("readonly", True, True), ("ro=false", False, False),
    ("ro,bind-recursive=writable", True, False), ("ro,bind-recursive=readonly", True, True),
    ("readonly=true", True, True), ("ro,rw", False, False), ("rw,ro", True, True), ("ro,rbind", True, True),
    ("ro,bind-recursive=enabled", True, True), ("rro,ro", True, True),
]


@need_root
@pytest.mark.parametrize("options,top,below", STRICT)
def test_read_only_below(bbox, source, options, top, below, way):  # noqa: F811
    caller = Caller("root")

    @private_mounts
    def check():
        run("mount", "-t", "tmpfs", "below", source / "sub")
        mounts = caller.mounts(bbox, [f"--mount=type=bind,src={source},dst=/m,{options}"], **way)
        assert ("ro" in mounts["/m"].options, "ro" in mounts["/m/sub"].options) == (top, below)
    check()


CONFLICTS = [("rw,bind-recursive=writable", "Writable && ReadOnlyNonRecursive"),
             ("rw,bind-recursive=readonly", "Writable && ReadOnlyForceRecursive"),
             ("rw,rro", "Writable && ReadOnlyForceRecursive"), ("ro,rro,bind-recursive=writable", "ReadOnlyNonRecursive && ReadOnlyForceRecursive")]


# The word of the last would stand beside the descriptor of the first.
CONFLICTS += [("src=/etc", "the source can't be given again"), ("source=fd:0", "the source can't be given again"),
              ("target=/n", "the destination can't be given again"), ("type=tmpfs", "the type can't be given again")]


@pytest.mark.parametrize("options,words", CONFLICTS)
def test_conflicts_are_usage_errors(bbox, source, options, words, unchanged_host):
    assert_fails(exec_in(bbox, "/bin/true", opts=[f"--mount=type=bind,src={source},dst=/m,{options}"]), 125, words)


@pytest.mark.parametrize(("word", "read_only"), [
    ("rw=true", False), ("rw=false", True), ("rw=0", True), ("ro=false", False), ("readonly=1", True),
])
def test_flags_with_a_value(bbox, who, source, word, read_only):
    mounts = who.mounts(bbox, [f"--mount=type=bind,src={source},dst=/m,{word}", f"--mount=type=tmpfs,dst=/t,{word}"])
    assert ["ro" in mounts[at].options for at in ("/m", "/t")] == [read_only] * 2
