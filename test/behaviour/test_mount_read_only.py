# SPDX-License-Identifier: MIT
"""--ro and root.readonly with mounts: what stays writable is what was asked for, and nothing else. Masks in such roots."""
import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import assert_fails, need_root, need_userns, private_mounts
from denying import way  # noqa: F401: a fixture
from mountcalls import mount, propagate
from mounting import Caller, who  # noqa: F401: a fixture
from treedigest import digest

callers = pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])


@pytest.fixture
def source(scratch):
    """A source with a file, a place for a mount, and one for another."""
    path = scratch / "source"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text("source\n")
    return path


def writable(places):
    """A script that names those of the directories in which a file can be made."""
    return "; ".join(f"touch {p}/.probe && rm {p}/.probe && echo {p}" for p in places) + "; true"


# -- the matrix --------------------------------------------------------------------------------

# option -> what can be written below /m, and below what is mounted in it; from a source with a mount below.
MOUNTS = {
    "": ("/", "/sub"), "ro": (), "rro": (), "ro,bind-recursive=writable": ("/sub",), "bind": ("/", "/sub"),
    "bind,ro": ("/sub",), "rw": ("/", "/sub"), "rw,noexec": ("/", "/sub"),
}


@need_root
@pytest.mark.parametrize("root_opts", [(), ("--ro",), ("--overlay=tmpfs",)], ids=["plain", "ro", "overlay"])
@pytest.mark.parametrize("options", MOUNTS)
@callers
def test_every_kind(bbox, source, name, options, root_opts):
    """Mounts below ROOT, a tmpfs and a bind of the plan's, a bind with a mount below, a tmpfs in each of them.

    A user namespace that was given mounts below a directory can't be shown the directory without them, and so gets no
    layer over it.
    """
    caller = Caller(name)
    for place in ("below/inner", "m"):
        (bbox / place).mkdir(parents=True)
    caller.own(bbox, source.parent)

    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        mount("below", bbox / "below", "tmpfs")
        (bbox / "below").chmod(0o777)
        (bbox / "below/inner").mkdir()
        plain = options.startswith("bind")  # without what is below: in a user namespace there must be nothing
        if not plain:
            mount("below", source / "sub", "tmpfs")
            (source / "sub").chmod(0o777)
        spec = f"--mount=type=bind,src={source},dst=/m" + (f",{options}" if options else "")
        opts = [*root_opts, "--tmpfs=/tmp", spec, "--tmpfs=/tmp/inner", "--tmpfs=/m/inner", "--tmpfs=/below/inner"]
        proc = caller.start(bbox, opts, writable(["/", "/etc", "/mnt", "/tmp", "/tmp/inner", "/m", "/m/sub", "/m/inner",
                                                  "/below", "/below/inner"]))
        locked = "--overlay=tmpfs" in root_opts or ("/" not in MOUNTS[options] and not plain)
        if not caller.is_root and locked:
            assert "hint: in a user namespace" in assert_fails(proc, 125, "EINVAL")
            return
        assert proc.returncode == 0, proc.stderr
        written = {"/tmp", "/tmp/inner", "/m/inner", "/below/inner"}
        written |= {f"/m{p.rstrip('/')}" for p in MOUNTS[options]}
        if plain and options.endswith("ro"):
            written.discard("/m/sub")  # a directory of the same mount then
        if "--ro" not in root_opts:
            written |= {"/", "/etc", "/mnt"}
        if not root_opts:
            written.add("/below")
        assert set(proc.stdout.split()) == written
    check()


@need_root
@callers
def test_in_the_older_way(bbox, source, name, way):  # noqa: F811
    """Places are there, for the layers that would make them take the newer calls."""
    caller = Caller(name)
    for place in ("below", "m", "t"):
        (bbox / place).mkdir()
    caller.own(bbox, source.parent)

    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        mount("below", bbox / "below", "tmpfs")
        (bbox / "below").chmod(0o777)
        opts = ["--ro", f"--volume={source}:/m", "--tmpfs=/t", f"--volume={source}:/t/in:ro", "--tmpfs=/m/sub"]
        out = caller.inside(bbox, opts, writable(["/", "/etc", "/below", "/m", "/m/sub", "/t", "/t/in"]), **way)
        assert out.split() == ["/m", "/m/sub", "/t"]
    check()


def test_a_bind_of_root_itself(bbox, who, way):  # noqa: F811
    """ROOT's own directories: through a bind of the plan's they are written, if the bind says so."""
    opts = ["--ro", f"--volume={bbox}/mnt:/tmp", f"--volume={bbox}/etc:/root:ro"]
    proc = who.start(bbox, opts, writable(["/tmp", "/mnt", "/root", "/etc"]), **way)
    assert proc.returncode == 0, proc.stderr
    assert set(proc.stdout.split()) <= {"/tmp"}


def test_files(bbox, who, way, source):  # noqa: F811
    who.own(source.parent)
    opts = ["--ro", f"--volume={source}/file:/etc/inside", "--mount=type=devtmpfs,dst=/dev"]
    assert who.inside(bbox, opts, "echo x >> /etc/inside; cat /etc/inside; echo x > /dev/null && echo y", **way) == \
        "source\nx\ny\n"
    opts[1] += ":ro"
    assert "Read-only" in who.start(bbox, opts, "echo x >> /etc/inside", **way).stderr
    assert (source / "file").read_text() == "source\nx\n"


# -- it stays so -------------------------------------------------------------------------------

def test_the_payload_cannot_change_it(bbox, who, source, way):  # noqa: F811
    who.own(source.parent)
    script = "for p in / /mnt; do mount -o remount,bind,rw $p; umount $p; done; touch /x /mnt/x; ls /mnt"
    proc = who.start(bbox, ["--ro", f"--volume={source}:/mnt:ro"], script, **way)
    assert proc.stdout.split() == ["file", "sub"] and not (bbox / "x").exists()


@need_root
def test_none_arrives_later(bbox, source):
    """A slave mount takes what the host mounts; what is below --ro is private."""
    caller = Caller("root")

    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        propagate(bbox, "shared")
        opts = ["--ro", "--tmpfs=/tmp"]
        mounts = caller.mounts(bbox, opts)
        assert mounts["/"].propagation == {} and "ro" in mounts["/"].options
    check()


# -- of a config -------------------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("read_only", [False, True])
def test_root_readonly(bundle, source, read_only, way):  # noqa: F811
    """Mounts below ROOT are made read-only too, which says more than the specification."""
    for place in ("m", "t", "below"):
        (bundle.root / place).mkdir()

    @private_mounts
    def check():
        mount(bundle.root, bundle.root, None, "bind")
        mount("below", bundle.root / "below", "tmpfs")
        bundle.config["root"]["readonly"] = read_only
        bundle.config["mounts"] += [
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/m", "type": "bind", "source": str(source), "options": ["rbind"]},
            {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/t/in", "type": "bind", "source": str(source), "options": ["rbind", "ro"]}]
        proc = bundle.inroot("/bin/sh", "-c", writable(["/", "/etc", "/m", "/m/sub", "/t", "/t/in", "/below"]), **way)
        assert proc.returncode == 0, proc.stderr
        always = ["/m", "/m/sub", "/t"]
        assert sorted(proc.stdout.split()) == (always if read_only else sorted(["/", "/etc", "/below", *always]))
    check()


# -- masks in them -----------------------------------------------------------------------------

@pytest.mark.parametrize("root_opts", [(), ("--ro",), ("--overlay=tmpfs",)], ids=["plain", "ro", "overlay"])
def test_masks_and_read_only_paths(bbox, who, source, root_opts):  # noqa: F811
    """Over what mounts brought, in a mount below another, in a layer; the sources stay as they are."""
    who.own(source.parent)
    before = digest(source)
    opts = [*root_opts, f"--volume={source}:/m", "--tmpfs=/m/sub", f"--volume={source}:/m/sub/in", "--tmpfs=/new/t",
            "--mask=/m/file", "--mask=/m/sub/in/sub", "--mask=/new/t", "--ro-path=/m/sub/in", "--ro-path=/new",
            "--mask=/m/none", "--ro-path=/none"]
    script = "cat /m/file; ls -A /m/sub/in/sub /new/t; " + writable(["/m/sub", "/m/sub/in", "/m/sub/in/sub", "/new", "/new/t"])
    proc = who.start(bbox, opts, script)
    assert proc.returncode == 0, proc.stderr
    assert proc.stdout.split() == ["/m/sub/in/sub:", "/new/t:", "/m/sub"]
    assert digest(source) == before


@pytest.mark.parametrize("path", ["/", "/.", "//"])
def test_the_root_is_no_mask(bbox, who, way, path):  # noqa: F811
    assert_fails(who.start(bbox, [f"--mask={path}"], "true", **way), 125)


@pytest.mark.parametrize("path", ["/", "//."])
def test_the_root_as_a_read_only_path(bbox, who, way, path):  # noqa: F811
    out = who.inside(bbox, [f"--ro-path={path}", "--tmpfs=/tmp"], writable(["/", "/etc", "/tmp"]), **way)
    assert out == ""
