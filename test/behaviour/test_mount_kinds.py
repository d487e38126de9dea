# SPDX-License-Identifier: MIT
"""The types of mounts and the order of the steps around them: what test/rows.tsv names and no other file shows."""
import errno
import json
import os

import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import (Running, assert_fails, exec_in, inroot, libc, need_root, need_tool, need_userns, private_mounts,
                      run, status_of)
from denying import deny, way  # noqa: F401: a fixture
from mountcalls import mount, opened
from mounting import Caller, who  # noqa: F401: a fixture
from treedigest import digest

# type -> its options, what mountinfo calls it, namespaces that it takes in a user namespace
TYPES = {"tmpfs": ("", "tmpfs", ""), "proc": ("", "proc", "pid"), "sysfs": ("", "sysfs", "net"),
         "devpts": (",newinstance", "devpts", ""), "mqueue": ("", "mqueue", "ipc"), "devtmpfs": ("", "tmpfs", "")}


@pytest.fixture
def source(scratch):
    path = scratch / "source"
    path.mkdir()
    (path / "which").write_text("source\n")
    return path


def dry_run(root, *opts, **kw):
    proc = exec_in(root, "/bin/true", opts=["--dry-run", *opts], **kw)
    assert proc.returncode == 0, proc.stderr
    return json.loads(proc.stdout)


# -- types -------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", TYPES)
def test_type(bbox, who, way, kind):  # noqa: F811
    options, name, namespace = TYPES[kind]
    opts = [f"--unshare={namespace}"] if namespace else []
    mounts = who.mounts(bbox, [*opts, f"--mount=type={kind},dst=/made/deep{options}"], **way)
    assert mounts["/made/deep"].type == name
    assert (bbox / "made/deep").stat().st_mode & 0o7777 == (bbox / "made").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("kind", ["tmpfs", "proc", "mqueue", "devpts"])
def test_source_is_the_word_for_mountinfo(bbox, who, way, kind):  # noqa: F811
    options, _, namespace = TYPES[kind]
    opts = [f"--unshare={namespace}"] if namespace else []
    mounts = who.mounts(bbox, [*opts, f"--mount=type={kind},src=a-word,dst=/m{options}"], **way)
    assert mounts["/m"].source == "a-word"


@pytest.mark.parametrize("kind", ["none", "ext4", "nfs", "fuse", "9p", "ramfs", "Tmpfs", "tmpfs ", ""])
def test_other_types_are_refused(bbox, kind, unchanged_host):
    """Never skipped; and `none` is no sysfs."""
    assert_fails(inroot("exec", f"--mount=type={kind},dst=/m", bbox, "/bin/true"), 125, "--mount")


@need_root
@pytest.mark.parametrize("kind", ["none", "ext4", "fuse", ""])
def test_other_types_of_a_config_are_refused(bundle, kind):  # noqa: F811
    bundle.config["mounts"].append({"destination": "/m", "type": kind, "source": "x"})
    assert_fails(bundle.inroot("/bin/echo", "RAN"), 125, "mounts[1].type")
    assert not (bundle.root / "m").exists()


def test_overlay(bbox, who, way, scratch):  # noqa: F811
    """Values with `=` in them, as many as there are."""
    for name in ("lower=1", "lower=2=3", "upper", "work"):
        (scratch / name).mkdir()
        (scratch / name / name).write_text(f"{name}\n")
    who.own(scratch)
    run("rm", scratch / "work/work")
    words = f"lowerdir={scratch}/lower=1:{scratch}/lower=2=3,upperdir={scratch}/upper,workdir={scratch}/work"
    if not who.is_root:
        words += ",userxattr"
    out = who.inside(bbox, [f"--mount=type=overlay,dst=/m,{words}"], "cat /m/*; echo new > /m/new", **way)
    assert out == "lower=1\nlower=2=3\nupper\n" and (scratch / "upper/new").read_text() == "new\n"


@need_root
@need_tool("strace")
@pytest.mark.parametrize("kind", ["mqueue", "devpts"])
def test_a_file_system_that_the_kernel_lacks(bbox, kind, unchanged_host):
    calls = ["-e", "trace=fsopen", "-e", "inject=fsopen:error=ENODEV"]
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", *calls]
    proc = inroot("exec", f"--mount=type={kind},dst=/mnt", bbox, "/bin/true", wrapper=trace)
    assert_fails(proc, 125, "ENODEV", kind)


# -- places ------------------------------------------------------------------------------------

@pytest.mark.parametrize("count,fails", [(40, False), (41, True), (400, True)])
def test_links_on_the_way_are_counted(bbox, who, way, count, fails):  # noqa: F811
    """As the kernel does it: 40."""
    (bbox / "l0").symlink_to("mnt")
    for i in range(1, count):
        (bbox / f"l{i}").symlink_to(f"l{i - 1}")
    who.own(bbox)
    proc = who.start(bbox, [f"--tmpfs=/l{count - 1}/m"], "true", **way)
    if fails:
        assert_fails(proc, 125, f"/l{count - 1}", "ELOOP")
    else:
        assert proc.returncode == 0, proc.stderr
    assert (bbox / "mnt/m").exists() != fails


@need_root
def test_the_payloads_user_makes_nothing_of_it(bbox, scratch, way):  # noqa: F811
    """Mounts are root's work, whoever the payload is: places and nodes are of root's, whatever the umask."""
    scratch.chmod(0o700)
    opts = ["--user=1000", "--umask=077", f"--volume={scratch}:/a/b", "--tmpfs=/c/d", "--mount=type=devtmpfs,dst=/e"]
    script = "stat -c '%u %a' /a /c /c/d /e /e/null; umask; id -u; ls /a/b"
    proc = exec_in(bbox, "/bin/sh", "-c", script, opts=opts, **way)
    assert proc.stdout.split("\n")[:7] == ["0 755", "0 755", "0 1777", "0 755", "0 666", "0077", "1000"]
    assert "Permission denied" in proc.stderr


# -- sources -----------------------------------------------------------------------------------

@need_root
def test_a_descriptor_is_of_one_mount_only(bbox, source, scratch, way):  # noqa: F811
    """runc's mount after one with a descriptor took that again: d370e3c04."""
    (scratch / "other").mkdir()
    (scratch / "other/which").write_text("other\n")
    caller = Caller("root")
    with opened(source) as (d,):
        opts = [f"--volume=fd:{d}:/a", f"--volume={scratch}/other:/b", "--tmpfs=/c",
                f"--volume={scratch}/other/which:/d"]
        if os.path.isdir("/sys/fs/cgroup"):
            opts.append("--mount=type=cgroup,dst=/e,ro")
        out = caller.inside(bbox, opts, "cat /a/which /b/which /d; ls -A /c; test -e /e/which || echo none",
                            pass_fds=(d,), **way)
    assert out == "source\nother\nother\nnone\n"


@need_root
def test_an_overlay_over_a_descriptor(bbox, source):
    before = digest(source)
    with opened(source, source / "which") as (d, f):
        opts = [f"--mount=type=bind,src=fd:{d},dst=/a,overlay", f"--mount=type=bind,src=fd:{f},dst=/b,overlay"]
        out = Caller("root").inside(bbox, opts, "echo x >> /a/which; echo y >> /b; cat /a/which /b", pass_fds=(d, f))
    assert out == "source\nx\nsource\ny\n" and digest(source) == before


@need_root
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_an_overlay_is_as_guarded_as_what_it_covers(bbox, source, name):
    """Always writable, but with nosuid, nodev and noexec of the source."""
    caller = Caller(name)
    (source / "tool").write_text("#!/bin/sh\necho RAN\n")
    (source / "tool").chmod(0o755)
    caller.own(bbox, source)

    @private_mounts
    def check():
        mount(source, source, None, "bind")
        mount(None, source, None, "remount", "bind", "ro", "nosuid", "nodev", "noexec")
        opts = [f"--mount=type=bind,src={source},dst=/m,overlay"]
        mounts = caller.mounts(bbox, opts, "/m/tool; touch /m/x || exit 1")
        assert mounts["/m"].type == "overlay" and mounts["/m"].options >= {"rw", "nosuid", "nodev", "noexec"}
    check()


@pytest.mark.parametrize("opts", [["--ro", "--overlay=tmpfs"], ["--overlay=tmpfs", "--ro"]])
def test_nothing_is_written_to_the_overlay_of_a_read_only_root(bbox, who, opts):  # noqa: F811
    before = digest(bbox)
    proc = who.start(bbox, opts, "touch /x && echo RAN")
    assert "RAN" not in proc.stdout
    assert digest(bbox) == before


# -- what is there already ---------------------------------------------------------------------

@need_root
def test_links_in_dev_that_are_there_stay(bundle, way):  # noqa: F811
    """A /dev of the root's own, on disk: what is a name there already is left alone."""
    (bundle.root / "dev/fd").symlink_to("/somewhere")
    (bundle.root / "dev/stdin").write_text("file\n")
    proc = bundle.inroot("/bin/sh", "-c", "readlink /dev/fd; cat /dev/stdin; readlink /dev/stdout; stat -c %t:%T /dev/null", **way)
    assert (proc.returncode, proc.stdout) == (0, "/somewhere\nfile\n/proc/self/fd/1\n1:3\n"), proc.stderr


@need_root
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_a_read_only_root_keeps_its_flags(bbox, name, way):  # noqa: F811
    """In a user namespace they are locked: a remount must repeat them."""
    caller = Caller(name)
    caller.own(bbox)

    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        mount(None, bbox, None, "remount", "bind", "nosuid", "nodev", "noatime")
        opts = ["--ro", "--unshare=pid", "--mount=type=proc,dst=/proc"]
        out = caller.inside(bbox, opts, "cat /proc/self/mountinfo", **way)
        top = [line for line in out.splitlines() if line.split()[4] == "/"][-1]
        assert set(top.split()[5].split(",")) == {"ro", "nosuid", "nodev", "noatime"}, out
    check()


# -- the order of the steps --------------------------------------------------------------------

STEPS = ["open-overlay", "open-sources", "open-root", "unshare", "fork", "attach-root", "mount-overlay", "mount",
         "hostname", "sysctl", "mounts-ready", "hide", "read-only", "change-root", "entered"]


def test_order_of_the_steps(bbox, source):
    opts = ["--unshare=pid,uts,net", "--hostname=x", "--sysctl=net.ipv4.ip_forward=1", f"--volume={source}:/m:ro",
            "--mask=/etc", "--overlay=tmpfs", "--default-mounts"]
    steps = dry_run(bbox, *opts)["steps"]
    assert [s for s in steps if s in STEPS] == STEPS


@need_root
def test_order_of_the_steps_of_a_config(bundle):  # noqa: F811
    bundle.config["hooks"] = {"createContainer": [{"path": "/bin/true"}]}
    bundle.linux.update(maskedPaths=["/etc"], rootfsPropagation="shared")
    steps = json.loads(bundle.inroot(opts=["--dry-run"]).stdout)["steps"]
    order = ["unshare", "attach-root", "mount", "mounts-ready", "hooks", "hide", "read-only", "change-root",
             "propagation"]
    assert [s for s in steps if s in order] == order


def test_the_program_is_searched_where_mounts_stand(bbox, who, way, scratch):  # noqa: F811
    (scratch / "tool").write_text("#!/bin/sh\necho mounted\n")
    (scratch / "tool").chmod(0o755)
    opts = [*who.opts, f"--volume={scratch}:/new", "--env=PATH=/none:/new:/bin"]
    proc = exec_in(bbox, "tool", opts=opts, **who.run, **way)
    assert (proc.returncode, proc.stdout) == (0, "mounted\n"), proc.stderr
    # and what a mount hides is not found
    assert exec_in(bbox, "/bin/ls", opts=[*who.opts, "--tmpfs=/bin"], **who.run, **way).returncode == 127


@need_root
def test_a_working_directory_of_a_read_only_root(bundle, way):  # noqa: F811
    """Made, and then the root is read-only; where it must not be written, it is not made on disk."""
    bundle.process["cwd"] = "/made/../made/deep"
    bundle.config["root"]["readonly"] = True
    bundle.config["mounts"].append({"destination": "/dev", "type": "tmpfs", "source": "tmpfs"})
    proc = bundle.inroot("/bin/sh", "-c", "pwd; touch x /x; true", **way)
    if way:
        assert_fails(proc, 125, "/made")
        return
    assert proc.stdout == "/made/deep\n" and proc.stderr.count("Read-only") == 2, proc


@need_root
def test_a_file_that_a_hook_left_open_is_an_error(bundle):  # noqa: F811
    """EBUSY: the mount was to be read-only, and is not. Waiting for it would not help."""
    bundle.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "t", "options": ["ro"]})
    script = f"exec 9> {bundle.root}/mnt/file; sleep 60 < /dev/null > /dev/null 2>&1 &"
    bundle.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    proc = bundle.inroot("/bin/echo", "RAN")
    assert_fails(proc, 125, "EBUSY")
    assert proc.stdout == ""


@need_root
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_hooks_that_would_meet_another_tree_are_refused(bundle, scratch, error):  # noqa: F811
    """By mount(2) the tree lies where no path leads: what a hook does would be done to ROOT on disk."""
    script = f"touch {bundle.root}/mnt/RAN"
    bundle.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "t"})
    proc = bundle.inroot("/bin/ls", "/mnt", preexec_fn=deny(getattr(errno, error)))
    assert_fails(proc, 125, "hook", "no path leads to the mounts", "EOPNOTSUPP")
    assert not (bundle.root / "mnt/RAN").exists()
    proc = bundle.inroot("/bin/ls", "/mnt", preexec_fn=deny(getattr(errno, error), "mount_setattr"))
    assert (proc.returncode, proc.stdout) == (0, "RAN\n"), proc.stderr
    assert not (bundle.root / "mnt/RAN").exists()


# -- without pivot_root ------------------------------------------------------------------------

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000


def can_mount(kind, pid):
    """Whether who has all capabilities in new namespaces below those of the process mounts a new one there."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        with open(f"/proc/{pid}/ns/mnt", "rb") as namespace:
            assert libc.setns(namespace.fileno(), CLONE_NEWNS) == 0
        assert libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) == 0
        child = os.fork()
        if child == 0:
            os._exit(0 if libc.mount(b"new", b"/mnt", kind.encode(), 0, None) == 0 else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        os._exit(2)


@need_root
@need_userns
@pytest.mark.parametrize("kind", ["proc", "sysfs"])
def test_moving_leaves_no_whole_procfs(bbox, way, kind):  # noqa: F811
    """runc's no_pivot.bats: with the host's still there, though hidden below, a payload could mount a new one."""
    @private_mounts
    def check():
        if not os.path.isdir("/mnt") or not can_mount(kind, os.getpid()):
            pytest.skip(f"needs a {kind} of the host's that is fully visible")
        for opts in ([], ["--tmpfs=/etc"]):
            with Running("exec", "--enter=move", *opts, bbox, "/bin/cat", **way) as box:
                assert box.record("entered")["method"] == "move"
                assert box.record() is None
                assert not can_mount(kind, box.proc.pid)
    check()


@need_root
@private_mounts
def test_moving_the_hosts_own_root():
    opts = ["--enter=move", "--allow-host-proc", "--tmpfs=/mnt"]
    proc, records = status_of("exec", *opts, "/", "/bin/ls", "-A", "/mnt")
    assert (proc.returncode, proc.stdout) == (0, ""), proc
    assert [r["method"] for r in records if r["type"] == "entered"] == ["move"]
