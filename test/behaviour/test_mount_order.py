# SPDX-License-Identifier: MIT
"""Mounts in mounts: in the order given, into places that are missing, and into roots that are not written."""
import subprocess

import pytest

from conftest import assert_fails, host_state, need_root, need_tool, need_userns, private_mounts, run
from denying import way  # noqa: F401: a fixture
from mounting import Caller, image, who  # noqa: F401: a fixture
from treedigest import digest

# gVisor's TestCreateMountNamespace.
NESTED = ["/foo", "/foo/bar/baz", "/foo/qux", "/foo/qux-quz", "/foo/some/very/very/deep/path"]


@pytest.fixture
def sources(scratch):
    """A directory each, with a file that says which."""
    found = {}
    for i, target in enumerate(NESTED):
        source = scratch / str(i)
        source.mkdir()
        (source / "which").write_text(f"{target}\n")
        found[target] = source
    return found


def binds(sources, *options):
    return [f"--mount={','.join(['type=bind', f'src={s}', f'dst={t}', *options])}" for t, s in sources.items()]


READ = "cat " + " ".join(f"{t}/which" for t in NESTED)
ALL = "".join(f"{t}\n" for t in NESTED)


# -- nested ------------------------------------------------------------------------------------

def test_tmpfs_in_tmpfs(bbox, who, way):  # noqa: F811
    (bbox / "foo").mkdir()
    who.own(bbox)
    opts = [f"--tmpfs={t}:mode=700" for t in NESTED]
    mounts = who.mounts(bbox, opts, **way)
    assert [t for t in NESTED if mounts[t].type != "tmpfs"] == []
    ids = [mounts[t].id for t in NESTED]
    assert all(mounts[t].parent == ids[0] for t in NESTED[1:])
    assert list((bbox / "foo").iterdir()) == []


def test_nested_binds_make_their_places_in_the_source(bbox, who, way, sources, scratch):  # noqa: F811
    (bbox / "foo").mkdir()
    who.own(bbox, scratch)
    assert who.inside(bbox, binds(sources), READ, **way) == ALL
    assert sorted(p.name for p in sources["/foo"].iterdir()) == ["bar", "qux", "qux-quz", "some", "which"]
    assert (sources["/foo"] / "some/very/very/deep/path").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("option", ["--ro", "--overlay=tmpfs"])
def test_nested_binds_in_a_root_that_is_not_written(bbox, who, sources, scratch, option):  # noqa: F811
    who.own(bbox, scratch)
    before = digest(bbox)
    assert who.inside(bbox, [option, *binds(sources)], READ) == ALL
    assert digest(bbox) == before


def test_below_a_read_only_bind_nothing_is_written(bbox, who, sources, scratch):  # noqa: F811
    (bbox / "foo").mkdir()
    who.own(bbox, scratch)
    before = digest(scratch)
    script = READ + "; for d in " + " ".join(NESTED) + "; do touch $d/x && echo $d; done; ls /foo"
    out = who.inside(bbox, binds(sources, "ro"), script + "; true")
    assert out == ALL + "bar\nqux\nqux-quz\nsome\nwhich\n"
    assert digest(scratch) == before


def test_read_only_only_the_outer(bbox, who, sources, scratch):  # noqa: F811
    who.own(bbox, scratch)
    opts = [*binds({"/foo": sources["/foo"]}, "ro"), "--tmpfs=/foo/t", *binds({"/foo/w": sources["/foo/qux"]})]
    out = who.inside(bbox, opts, "touch /foo/x; touch /foo/t/x /foo/w/x; ls -A /foo /foo/t")
    assert out == "/foo:\nt\nw\nwhich\n\n/foo/t:\nx\n"
    assert (sources["/foo/qux"] / "x").exists() and not (sources["/foo"] / "t").exists()


def test_a_file_below_a_read_only_bind(bbox, who, sources, scratch):  # noqa: F811
    who.own(bbox, scratch)
    file = sources["/foo/qux"] / "which"
    opts = [*binds({"/foo": sources["/foo"]}, "ro"), f"--volume={file}:/foo/new/file"]
    assert who.inside(bbox, opts, "cat /foo/new/file; echo y > /foo/new/file; ls /foo") == "/foo/qux\nnew\nwhich\n"
    assert file.read_text() == "y\n"


# -- order -------------------------------------------------------------------------------------

def test_the_later_covers_the_earlier(bbox, who, way, sources):  # noqa: F811
    a, b = sources["/foo"], sources["/foo/qux"]
    assert who.inside(bbox, [f"--volume={a}:/m", f"--volume={b}:/m"], "cat /m/which", **way) == "/foo/qux\n"
    assert who.inside(bbox, [f"--volume={b}:/m", f"--volume={a}:/m"], "cat /m/which", **way) == "/foo\n"


def test_a_parent_after_its_child_hides_it(bbox, who, way, sources):  # noqa: F811
    a, b = sources["/foo"], sources["/foo/qux"]
    out = who.inside(bbox, [f"--volume={b}:/m/below", f"--volume={a}:/m"], "ls /m; cat /m/which", **way)
    assert out == "which\n/foo\n"


def test_kinds_of_options_mixed(bbox, who, way, sources):  # noqa: F811
    a, b = sources["/foo"], sources["/foo/qux"]
    opts = [f"--volume={a}:/m", "--tmpfs=/m", f"--mount=type=bind,src={b},dst=/m/in"]
    assert who.inside(bbox, opts, "ls /m; cat /m/in/which", **way) == "in\n/foo/qux\n"


def test_a_source_in_the_root_sees_earlier_mounts(bbox, who, way, sources):  # noqa: F811
    """runc's tests of mount order: /final comes from what was mounted over ROOT/mnt."""
    a = sources["/foo"]
    opts = [f"--volume={a}:/mnt", f"--volume={bbox}/mnt:/final"]
    assert who.inside(bbox, opts, "cat /final/which", **way) == "/foo\n"
    # and the other way round what was there before
    assert who.inside(bbox, opts[::-1], "ls /final; cat /mnt/which", **way) == "/foo\n"


def test_a_source_in_the_root_by_a_relative_path(bbox, who, way, sources):  # noqa: F811
    opts = [f"--volume={sources['/foo']}:/mnt", "--volume=root/mnt:/final"]
    assert who.inside(bbox, opts, "cat /final/which", cwd=bbox.parent, **way) == "/foo\n"


def test_a_link_in_the_root_leads_where_it_leads_then(bbox, who, way, sources):  # noqa: F811
    (bbox / "late").symlink_to("/m/to")
    (sources["/foo"] / "to").symlink_to("/other")
    opts = [f"--volume={sources['/foo']}:/m", "--tmpfs=/other", "--tmpfs=/late/x:mode=711"]
    mounts = who.mounts(bbox, opts, **way)
    assert "/other/x" in mounts


def test_five_hundred(bbox, who, way, sources):  # noqa: F811
    a = sources["/foo"]
    opts = ["--tmpfs=/m", *(f"--volume={a}:/m/{i}" if i % 2 else f"--tmpfs=/m/{i}" for i in range(500))]
    out = who.inside(bbox, opts, "ls /m | wc -l; cat /m/499/which; ls -A /m/498", **way)
    assert out == "500\n/foo\n"


# -- roots that can't be written ---------------------------------------------------------------

OPTS = ["--tmpfs=/new/deep/t", "--tmpfs=/etc/there", "--mount=type=devtmpfs,dst=/dev2"]
LOOK = "ls -d /new/deep/t /etc/there /dev2/null; cat /etc/inside; touch /x /etc/x /new/x; touch /new/deep/t/x && ls /new/deep/t"
SEEN = ["/dev2/null", "/etc/there", "/new/deep/t", "inside", "x"]


@need_root
@need_tool("mksquashfs", "mkfs.ext4", "losetup")
@pytest.mark.parametrize("kind", ["squashfs", "ext4"])
@pytest.mark.parametrize("name", [pytest.param("root"), pytest.param("user", marks=need_userns)])
@pytest.mark.parametrize("opts", [(), ("--ro",), ("--overlay=tmpfs",)], ids=["plain", "ro", "overlay"])
def test_a_read_only_file_system(bbox, scratch, kind, name, opts):
    caller = Caller(name)
    caller.own(bbox)
    file = image(kind, bbox, scratch / "image")

    @private_mounts
    def check():
        place = scratch / "mnt"
        place.mkdir()
        proc = subprocess.run(["mount", "-o", "loop,ro", "-t", kind, file, place], capture_output=True, text=True)
        if proc.returncode != 0:
            pytest.skip(f"needs a loop device: {proc.stderr}")
        state = host_state(place)
        try:
            out = caller.inside(place, [*opts, *OPTS], LOOK)
            state.check()
            seen = out.splitlines()
            assert seen == SEEN, out
        finally:
            run("umount", place)
    check()


@need_root
@need_userns
@pytest.mark.parametrize("opts", [(), ("--ro",), ("--overlay=tmpfs",)], ids=["plain", "ro", "overlay"])
def test_a_root_of_somebody_else(bbox, opts):
    before = digest(bbox)
    caller = Caller("user")
    assert caller.inside(bbox, [*opts, *OPTS], LOOK).splitlines() == SEEN
    assert digest(bbox) == before


@need_root
@need_userns
def test_a_root_of_somebody_else_without_the_newer_calls(bbox, way):  # noqa: F811
    before = digest(bbox)
    proc = Caller("user").start(bbox, ["--tmpfs=/new/t"], "true", **way)
    if way:
        assert "hint: " in assert_fails(proc, 125, "/new/t")
    else:
        assert proc.returncode == 0, proc.stderr
    assert digest(bbox) == before


def test_a_read_only_root_stays_read_only_where_a_layer_lies(bbox, who):  # noqa: F811
    before = digest(bbox)
    out = who.inside(bbox, ["--ro", "--tmpfs=/new/t"], "touch /new/x; touch /x; touch /etc/x; touch /new/t/x; ls / /new")
    assert "new" in out.split() and "x" not in out.split()
    assert digest(bbox) == before


# -- overlays ----------------------------------------------------------------------------------

def test_mounts_in_an_overlay_in_memory(bbox, who, sources, scratch):  # noqa: F811
    who.own(scratch)
    before = digest(bbox)
    script = READ + "; touch /x /foo/x /foo/qux/x && rm /etc/inside && ls /foo"
    out = who.inside(bbox, ["--overlay=tmpfs", *binds(sources)], script)
    assert out == ALL + "bar\nqux\nqux-quz\nsome\nwhich\nx\n"
    assert digest(bbox) == before and (sources["/foo/qux"] / "x").exists()


def test_mounts_in_an_overlay_on_disk(bbox, who, sources, scratch):  # noqa: F811
    upper, work = scratch / "upper", scratch / "work"
    upper.mkdir(), work.mkdir()
    who.own(scratch)
    before = digest(bbox)
    opts = [f"--overlay={upper}:{work}", *binds(sources), "--tmpfs=/new/t"]
    assert who.inside(bbox, opts, READ + "; touch /x /new/x /new/t/y") == ALL
    assert digest(bbox) == before
    assert sorted(p.name for p in upper.iterdir()) == ["foo", "new", "x"]
    assert sorted(p.name for p in (upper / "new").iterdir()) == ["t", "x"]
    assert list((upper / "new/t").iterdir()) == list((upper / "foo").iterdir()) == []


# -- a bind with an overlay of its own ---------------------------------------------------------

def test_writes_to_a_bind_are_thrown_away(bbox, who, sources, scratch):  # noqa: F811
    who.own(scratch)
    before = digest(scratch)
    opts = binds({"/foo": sources["/foo"]}, "overlay") + ["--tmpfs=/foo/in/t"]
    script = "cat /foo/which; echo y > /foo/which; touch /foo/x; cat /foo/which; ls /foo /foo/in"
    assert who.inside(bbox, opts, script).split() == ["/foo", "y", "/foo:", "in", "which", "x", "/foo/in:", "t"]
    assert digest(scratch) == before


# -- what fails --------------------------------------------------------------------------------

def test_a_failure_leaves_no_mount_and_no_process(bbox, who, way, sources, unchanged_host):  # noqa: F811
    opts = [f"--volume={sources['/foo']}:/mnt", "--tmpfs=/tmp", "--tmpfs=/etc/inside/x"]
    assert_fails(who.start(bbox, opts, "true", **way), 125, "/etc/inside/x", "ENOTDIR")


def test_a_place_in_a_procfs_is_not_made_up(bbox, who, unchanged_host):  # noqa: F811
    opts = ["--unshare=pid", "--mount=type=proc,dst=/proc", "--tmpfs=/proc/none"]
    proc = who.start(bbox, opts, "true")
    assert_fails(proc, 125, "/proc/none")
