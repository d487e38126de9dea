# SPDX-License-Identifier: MIT
"""Mounts with mapped ids, and many sources with few descriptors."""
import os
import resource

import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import assert_fails, exec_in, host_state, inroot, need_root, need_userns, private_mounts, run
from mounting import Caller

BASE, COUNT = 100000, 65536
USERNS = [f"--map-users=0:{BASE}:{COUNT}", f"--map-groups=0:{BASE}:{COUNT}"]
NOBODY = 65534

pytestmark = [need_root, need_userns]


@pytest.fixture
def source(scratch):
    """Files of 0, 5 and of 70000, which is in no map."""
    path = scratch / "source"
    (path / "sub").mkdir(parents=True)
    for owner in (0, 5, 70000):
        (path / str(owner)).write_text("x\n")
        os.chown(path / str(owner), owner, owner)
    return path


@pytest.fixture
def root(bbox):
    run("chown", "-Rh", f"{BASE}:{BASE}", bbox)
    return bbox


@pytest.fixture
def probe(root, source):
    """Skips where idmapped mounts are missing: the kernel's, or of this file system."""
    proc = exec_in(root, "/bin/true", opts=[*USERNS, f"--mount=type=bind,src={source},dst=/m,idmap"])
    if proc.returncode != 0 and ("mapped ids" in proc.stderr or "ENOSYS" in proc.stderr):
        pytest.skip(f"needs idmapped mounts: {proc.stderr}")


def inside(root, opts, script, **kw):
    proc = exec_in(root, "/bin/sh", "-c", script, opts=[*USERNS, *opts], **kw)
    assert proc.returncode == 0, (proc.stdout, proc.stderr)
    return proc.stdout


OWNERS = "stat -c '%u %g' /m/0 /m/5 /m/70000"


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("word", ["idmap", "ridmap"])
def test_owners_are_those_on_disk(root, source, word):
    nobody = f"{NOBODY} {NOBODY}"
    opts = [f"--mount=type=bind,src={source},dst=/m,{word}"]
    assert inside(root, opts, OWNERS).splitlines() == ["0 0", "5 5", nobody]
    # without the word nobody of them is known
    assert inside(root, [f"--volume={source}:/m"], OWNERS).splitlines() == [nobody] * 3


@pytest.mark.usefixtures("probe")
def test_what_is_written_belongs_on_disk_to_whom_it_belongs_inside(root, source):
    opts = [f"--mount=type=bind,src={source},dst=/m,idmap", "--cap-add=chown"]
    inside(root, opts, "touch /m/new; touch /m/given; chown 7:8 /m/given; echo y >> /m/5; mkdir /m/d")
    owners = {n: (os.lstat(source / n).st_uid, os.lstat(source / n).st_gid) for n in ("new", "given", "d")}
    assert owners == {"new": (0, 0), "given": (7, 8), "d": (0, 0)}
    assert (source / "5").read_text() == "x\ny\n"


@pytest.mark.usefixtures("probe")
def test_who_is_not_in_the_map_cannot_own(root, source):
    """EOVERFLOW: a file of nobody's can't be made, nor one of somebody without a map be changed."""
    narrow = ["--map-users=0:100000:2", "--map-groups=0:100000:2"]
    proc = exec_in(root, "/bin/sh", "-c", "chown 5:5 /m/0; echo y >> /m/70000; cat /m/70000; stat -c %u /m/5",
                   opts=[*narrow, f"--mount=type=bind,src={source},dst=/m,idmap", "--cap-add=chown"])
    assert "Invalid argument" in proc.stderr
    assert proc.stdout == f"x\n{NOBODY}\n" and (source / "70000").read_text() == "x\n"
    assert os.lstat(source / "0").st_uid == 0


@pytest.mark.usefixtures("probe")
def test_another_user_than_the_root_of_the_namespace(root, scratch):
    """His id is written as it is inside, wherever the namespace maps it to."""
    (scratch / "open").mkdir()
    (scratch / "open").chmod(0o777)
    maps = [f"--map-{kind}={line}" for kind in ("users", "groups") for line in ("0:100000:10", "1000:200000:1")]
    proc = exec_in(root, "/bin/sh", "-c", "touch /m/x; stat -c %u /m/x", opts=[
        *maps, "--user=1000", f"--mount=type=bind,src={scratch}/open,dst=/m,idmap"])
    assert (proc.returncode, proc.stdout) == (0, "1000\n"), proc.stderr
    assert os.lstat(scratch / "open/x").st_uid == 1000


def line(inside, outside, size=1):
    return [{"containerID": inside, "hostID": outside, "size": size}]


def of_config(bundle, source, lines, script, options=("rbind",)):
    bundle.config["mounts"].append({"destination": "/m", "type": "bind", "source": str(source), "options": [*options],
                                    "uidMappings": lines, "gidMappings": lines})
    return bundle.inroot("/bin/sh", "-c", script)


@pytest.mark.usefixtures("probe")
def test_maps_of_a_config_without_a_user_namespace(bundle, source):  # noqa: F811
    proc = of_config(bundle, source, line(5, 7), OWNERS)
    nobody = f"{NOBODY} {NOBODY}"
    assert proc.stdout.splitlines() == [nobody, "7 7", nobody], proc.stderr


@pytest.mark.usefixtures("probe")
def test_who_has_no_id_on_disk_makes_nothing(bundle, source):  # noqa: F811
    """EOVERFLOW: by the mount's maps root inside is nobody of the source's."""
    (source / "sub").chmod(0o777)
    proc = of_config(bundle, source, line(5, 7), "touch /m/sub/x; ls -A /m/sub")
    assert "Value too large" in proc.stderr and proc.stdout == ""
    assert list((source / "sub").iterdir()) == []


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("options,below", [(["rbind", "idmap"], 5), (["rbind", "ridmap"], 7)])
def test_maps_of_a_config_and_mounts_below(bundle, source, options, below):  # noqa: F811
    @private_mounts
    def check():
        run("mount", "-t", "tmpfs", "-o", "uid=5,gid=5", "below", source / "sub")
        proc = of_config(bundle, source, line(5, 7), "stat -c %u /m/5 /m/sub", options)
        assert proc.stdout.split() == ["7", str(below)], proc.stderr
    check()


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("word,below", [("idmap", NOBODY), ("ridmap", 3)])
def test_mounts_below(root, source, word, below):
    @private_mounts
    def check():
        run("mount", "-t", "tmpfs", "-o", "uid=3,gid=3", "below", source / "sub")
        out = inside(root, [f"--mount=type=bind,src={source},dst=/m,{word}"], "stat -c %u /m /m/sub")
        assert out.split() == ["0", str(below)]
    check()


@pytest.mark.usefixtures("probe")
def test_with_attributes_and_below_a_read_only_root(root, source):
    opts = ["--ro", f"--mount=type=bind,src={source},dst=/new/m,ro,noexec,idmap", "--unshare=pid",
            "--mount=type=proc,dst=/proc"]
    out = inside(root, opts, "stat -c %u /new/m/5; touch /new/m/x 2>&1; grep /new/m /proc/self/mountinfo")
    first, second, third = out.splitlines()
    assert first == "5" and "Read-only" in second and "noexec" in third and "idmapped" in third


@pytest.mark.usefixtures("probe")
def test_a_file(root, source):
    out = inside(root, [f"--mount=type=bind,src={source}/5,dst=/etc/inside,idmap"], "stat -c '%u %g' /etc/inside")
    assert out == "5 5\n"


@pytest.mark.usefixtures("probe")
def test_a_descriptor_as_source(root, source):
    fd = os.open(source, os.O_PATH)
    try:
        assert inside(root, [f"--mount=type=bind,src=fd:{fd},dst=/m,idmap"], "stat -c %u /m/5", pass_fds=(fd,)) == "5\n"
    finally:
        os.close(fd)


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("opts", [["ro", "--tmpfs=/m/new"], ["overlay"]], ids=["a place in it", "an overlay"])
def test_owners_through_a_layer(root, source, opts):
    spec = f"--mount=type=bind,src={source},dst=/m,idmap,{opts[0]}"
    assert inside(root, [spec, *opts[1:]], OWNERS + "; touch /m/x; true").splitlines() == \
        ["0 0", "5 5", f"{NOBODY} {NOBODY}"]
    assert sorted(os.listdir(source)) == ["0", "5", "70000", "sub"]


# -- what is refused ---------------------------------------------------------------------------

def test_without_a_user_namespace(bbox, source, unchanged_host):
    opts = [f"--mount=type=bind,src={source},dst=/m,idmap"]
    assert_fails(inroot("exec", *opts, bbox, "/bin/true"), 125, "user namespace")


@pytest.mark.parametrize("word", ["idmap=uids=0-1-10", "ridmap=uids=0-1-10"])
def test_maps_of_its_own_are_for_configs(bbox, source, word, unchanged_host):
    assert_fails(inroot("exec", f"--mount=type=bind,src={source},dst=/m,{word}", bbox, "/bin/true"), 125, "maps")


def test_of_a_tmpfs(bbox, unchanged_host):
    assert_fails(inroot("exec", "--mount=type=tmpfs,dst=/m,idmap", "--map-root-user", bbox, "/bin/true"), 125, "bind")


def test_by_an_ordinary_user(bbox, source):
    caller = Caller("user")
    caller.own(bbox, source)
    before = host_state(bbox)
    assert_fails(caller.start(bbox, [f"--mount=type=bind,src={source},dst=/m,idmap"], "true"), 125, "CAP_SYS_ADMIN")
    before.check()


def test_of_what_lies_in_the_root(root):
    before = host_state(root)
    proc = exec_in(root, "/bin/true", opts=[*USERNS, f"--mount=type=bind,src={root}/etc,dst=/m,idmap"])
    assert_fails(proc, 125, "outside ROOT")
    before.check()


def test_of_a_file_system_that_has_none(root):
    before = host_state(root)
    proc = exec_in(root, "/bin/true", opts=[*USERNS, "--mount=type=bind,src=/proc/sys,dst=/m,idmap,bind"])
    assert "hint: the file system can't" in assert_fails(proc, 125, "/proc/sys", "EINVAL")
    before.check()


# -- few descriptors ---------------------------------------------------------------------------

def few(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


@pytest.fixture
def twenty(scratch):
    for i in range(20):
        (scratch / str(i)).mkdir()
        (scratch / str(i) / "which").write_text(f"{i}\n")
        os.chown(scratch / str(i) / "which", i, i)
    return scratch


TWENTY = "for i in " + " ".join(map(str, range(20))) + "; do stat -c %u /m/$i/which; done"


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("how", ["of the caller", "of the payload"])
def test_twenty_with_twenty_descriptors(root, twenty, how):
    """runc issue 3784."""
    opts = [f"--mount=type=bind,src={twenty}/{i},dst=/m/{i},idmap" for i in range(20)]
    kw = {"preexec_fn": few(20)} if how == "of the caller" else {}
    opts += [] if kw else ["--rlimit=nofile=20"]
    assert inside(root, opts, TWENTY + "; ulimit -n", **kw).split() == [str(i) for i in range(20)] + ["20"]


@pytest.mark.parametrize("name", ["root", "user"])
def test_two_hundred_with_twenty_descriptors(bbox, twenty, name):
    caller = Caller(name)
    caller.own(bbox, twenty)
    opts = ["--tmpfs=/m", *(f"--volume={twenty}/{i % 20}:/m/{i}" for i in range(200))]
    out = caller.inside(bbox, opts, "cat /m/0/which /m/119/which /m/199/which; ls /m | wc -l", preexec_fn=few(20))
    assert out.split() == ["0", "19", "19", "200"]


def test_two_thousand_with_a_thousand_descriptors(bbox, twenty):
    opts = ["--tmpfs=/m", *(f"--volume={twenty}/{i % 20}:/m/{i}" for i in range(2000))]
    out = Caller("root").inside(bbox, opts, "cat /m/1999/which; ls /m | wc -l", preexec_fn=few(1024))
    assert out.split() == ["19", "2000"]
