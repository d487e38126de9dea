# SPDX-License-Identifier: MIT
"""A tmpfs: its mode, size and owner, and what becomes of the directory below it."""
import os
import stat

import pytest

from conftest import assert_fails, inroot
from denying import way  # noqa: F401: a fixture
from mounting import who  # noqa: F401: a fixture


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


FORMS = {"mount": lambda options: "--mount=type=tmpfs,dst=/d/t" + "".join(f",{o}" for o in options),
         "tmpfs": lambda options: "--tmpfs=/d/t" + (":" if options else "") + ",".join(options)}


@pytest.fixture(params=sorted(FORMS))
def form(request):
    return FORMS[request.param]


# -- modes -------------------------------------------------------------------------------------

MODES = [(0o710, [], "710"), (0o755, ["mode=1500"], "1500"), (0o700, ["mode=1777"], "1777"), (0o1777, [], "1777"),
         (0o2775, [], "2775"), (0o000, [], "0"), (0o755, ["mode=0"], "0"), (0o755, ["mode=0700"], "700"),
         (0o755, ["mode=700", "mode=711"], "711")]


@pytest.mark.parametrize("before,options,after", MODES)
def test_mode_over_a_directory(bbox, who, way, form, before, options, after):  # noqa: F811
    place = bbox / "d/t"
    place.mkdir(parents=True)
    who.own(bbox)
    place.chmod(before)
    assert who.inside(bbox, [form(options)], "stat -c %a /d/t; stat -c '%a %u %g' /d", **way) == f"{after}\n755 0 0\n"
    assert mode_of(place) == before  # it is not changed: what is mounted over it is


@pytest.mark.parametrize("options,after", [([], "1777"), (["mode=710"], "710")])
def test_mode_where_nothing_was(bbox, who, way, form, options, after):  # noqa: F811
    old = os.umask(0o077)
    try:
        assert who.inside(bbox, [form(options)], "stat -c %a /d/t /d", **way) == f"{after}\n755\n"
    finally:
        os.umask(old)
    assert (mode_of(bbox / "d"), mode_of(bbox / "d/t")) == (0o755, 0o755)
    assert os.lstat(bbox / "d").st_uid == os.lstat(bbox).st_uid


def test_mode_over_an_earlier_mount(bbox, who, way):  # noqa: F811
    opts = ["--tmpfs=/d:mode=711", "--tmpfs=/d"]
    assert who.inside(bbox, opts, "stat -c %a /d; touch /d/x; ls /d", **way) == "711\nx\n"


# -- size and owner ----------------------------------------------------------------------------

@pytest.mark.parametrize("size,blocks", [("64k", 16), ("65536", 16), ("1M", 256), ("2m", 512), ("1G", 262144)])
def test_size(bbox, who, way, form, size, blocks):  # noqa: F811
    script = "stat -f -c '%T %b %s' /d/t"
    assert who.inside(bbox, [form([f"size={size}"])], script, **way).split() == ["tmpfs", str(blocks), "4096"]


def test_size_as_a_share_of_memory(bbox, who):  # noqa: F811
    # How much that is, is the machine's: what counts is that it is no error, and not nothing.
    assert int(who.inside(bbox, ["--tmpfs=/d/t:size=1%"], "stat -f -c %b /d/t")) > 16


def test_what_does_not_fit(bbox, who, way):  # noqa: F811
    script = "dd if=/dev/zero of=/d/t/x bs=4096 count=17; cat /d/t/x | wc -c"
    opts = ["--mount=type=devtmpfs,dst=/dev", "--mount=type=tmpfs,dst=/d/t,tmpfs-size=64k,tmpfs-mode=700"]
    proc = who.start(bbox, opts, script, **way)
    assert "No space left" in proc.stderr and proc.stdout == "65536\n"


def test_owner(bbox, who, way, form):  # noqa: F811
    ids = (7, 8) if who.is_root else (0, 0)
    out = who.inside(bbox, [form([f"uid={ids[0]}", f"gid={ids[1]}"])], "stat -c '%u %g' /d/t", **way)
    assert out == f"{ids[0]} {ids[1]}\n"


def test_options_of_the_file_system_itself(bbox, who, way, form):  # noqa: F811
    out = who.inside(bbox, [form(["nr_inodes=3"])], "touch /d/t/1 /d/t/2 /d/t/3; ls /d/t", **way)
    assert out == "1\n2\n"


# -- attributes --------------------------------------------------------------------------------

def test_short_form_is_as_the_engines_have_it(bbox, who, way):  # noqa: F811
    mounts = who.mounts(bbox, ["--tmpfs=/a", "--tmpfs=/b:exec,dev,suid", "--mount=type=tmpfs,dst=/c"], **way)
    word = {"noexec", "nosuid", "nodev"}
    assert mounts["/a"].options >= word
    assert not mounts["/b"].options & word
    assert not mounts["/c"].options & word
    assert all(mounts[p].source == "tmpfs" and mounts[p].propagation == {} for p in ("/a", "/b", "/c"))


def test_read_only_last_of_all(bbox, who, way, scratch):  # noqa: F811
    opts = ["--tmpfs=/d:ro", f"--volume={scratch}:/d/in/it", "--tmpfs=/d/other"]
    script = "ls /d; touch /d/x 2>&1; touch /d/other/x && ls /d/other"
    out = who.inside(bbox, opts, script, **way).splitlines()
    assert out[:2] == ["in", "other"] and "Read-only" in out[2] and out[3:] == ["x"]


def test_each_run_has_its_own(bbox, who, way):  # noqa: F811
    for _ in range(2):
        assert who.inside(bbox, ["--tmpfs=/d/t"], "ls -A /d/t; echo x > /d/t/x; cat /d/t/x", **way) == "x\n"
    assert list((bbox / "d/t").iterdir()) == []


# -- places ------------------------------------------------------------------------------------

def test_through_a_link_in_the_root(bbox, who, way, scratch):  # noqa: F811
    (bbox / "real").mkdir()
    (bbox / "link").symlink_to("/real")
    (bbox / "out").symlink_to(f"/../../..{scratch}")
    (bbox / "up").symlink_to("../../../../etc")
    who.own(bbox)
    mounts = who.mounts(bbox, ["--tmpfs=/link/t", "--tmpfs=/up"], **way)
    assert mounts["/real/t"].type == mounts["/etc"].type == "tmpfs"
    # A link that leads to nothing inside: made there, or an error; never what it names outside.
    who.start(bbox, ["--tmpfs=/out/t"], "true", **way)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("target", ["/etc/inside", "/etc/inside/below"])
def test_no_directory(bbox, who, way, target, unchanged_host):  # noqa: F811
    assert_fails(who.start(bbox, [f"--tmpfs={target}"], "true", **way), 125, "inside", "ENOTDIR")


# -- what is refused ---------------------------------------------------------------------------

BAD = [("size=x", "size"), ("size=-1", "size"), ("size=1KB", "size"), ("size=101%", "size"), ("size=", "size"),
       ("size=18446744073709551616", "size"), ("mode=8", "mode"), ("mode=10000", "mode"), ("mode=0x1ff", "mode"),
       ("mode=", "mode"), ("uid=root", "uid"), ("uid=-1", "uid"), ("gid=4294967295", "gid"), ("gid= 1", "gid")]


@pytest.mark.parametrize("option,word", BAD)
def test_bad_values_are_usage_errors(bbox, form, option, word, unchanged_host):
    assert word in assert_fails(inroot("exec", form([option]), bbox, "/bin/true"), 125, option)
    assert not (bbox / "d").exists()


@pytest.mark.parametrize("option", ["nonsense", "nr_inodes=x", "nonsense=1"])
def test_what_the_kernel_refuses_is_named(bbox, who, form, option):  # noqa: F811
    assert option.partition("=")[0] in assert_fails(who.start(bbox, [form([option])], "true"), 125, "/d/t", "EINVAL")


def test_ids_that_are_not_mapped(bbox, who, way, form):  # noqa: F811
    if who.is_root:
        pytest.skip("is about user namespaces")
    assert_fails(who.start(bbox, [form(["uid=7"])], "true", **way), 125, "/d/t", "EINVAL")


def test_more_options_than_mount_takes(bbox, who, way):  # noqa: F811
    words = ",".join(["nr_inodes=100"] * 320)
    proc = who.start(bbox, [f"--mount=type=tmpfs,dst=/d/t,{words}"], "true", **way)
    if way:
        assert_fails(proc, 125, "/d/t", "4094 bytes")
    else:
        assert proc.returncode == 0, proc.stderr


def test_dry_run_does_nothing(bbox, unchanged_host):
    proc = inroot("exec", "--dry-run", "--tmpfs=/d/t:size=1m,mode=700", bbox, "/bin/true")
    assert proc.returncode == 0 and '"size=1m,mode=700"' in proc.stdout
