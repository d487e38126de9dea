# SPDX-License-Identifier: MIT
"""The newer mount calls are missing (ENOSYS) or denied (EPERM), each alone and all of them: the payload sees the same
mounts as with them, or the run is refused by name."""
import errno
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import pytest

import denying
from bundles import bundle  # noqa: F401: a fixture
from conftest import (ROOT_CALLER, error_line, exec_in, give, libc, need_root, need_tool, need_userns, ordinary,
                      private_mounts, run, wait_until)
from test_config_runc import generated

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"),
                                reason="needs the numbers of this architecture's calls")

MOUNTING = ("open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "mount_setattr")
EACH = [(name,) for name in (*MOUNTING, "openat2")] + [tuple(denying.CALLS)]
PROC = ["--unshare=pid", "--mount=type=proc,dst=/proc"]
SEE = r"""
cat /proc/self/mountinfo; echo --
stat -c '%n %A %u:%g %s %t:%T' $(find / \( -path /proc -o -path /sys -o -path /bin -o -path /opt/proc \) -prune -o -print | sort)
pwd; cat /mnt/file /mnt/sub/file /etc/inside
for f in / /mnt /mnt/sub /etc /data /dev; do test -w $f && echo "$f can be written to"; done; true
"""

errors = pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    return {} if request.param == "root" else {"opts": ["--map-root-user"], "run": ordinary()}


@pytest.fixture
def host(bbox, scratch, who):
    """A directory of sources, with a mount in it where that can be; ROOT has the mount points."""
    source = scratch / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("file", "sub/file"):
        (source / name).write_text(f"{name}\n")
    for name in ("sys/fs/cgroup", "etc/full/deep", "data", "dev/pts", "dev/mqueue", "srv"):
        (bbox / name).mkdir(parents=True)
    (bbox / "etc/full/deep/file").write_text("deep\n")
    (bbox / "data").chmod(0o710)
    shutil.rmtree(bbox / "bin")
    (bbox / "bin").mkdir()
    for name in ("cat", "find", "sort", "stat", "touch", "sh", "true", "echo", "mount", "umount"):
        shutil.copy(shutil.which("busybox"), bbox / "bin" / name) if name == "sh" else \
            (bbox / "bin" / name).symlink_to("sh")
    if who and ROOT_CALLER:
        give(bbox)
        give(scratch)
    return source


# -- the same ----------------------------------------------------------------------------------

def bind(options, dst="/mnt", src=""):
    return f"--mount=type=bind,src=SOURCE{src},dst={dst},{options}"


# SOURCE is a directory of the host, with a file and a directory `sub` with a file; a tmpfs on that one as root.
PLANS = {
    "ro": [bind("ro")],
    "ro-plain": [bind("ro,bind,nosuid,nodev,noexec,noatime")],
    "rro": [bind("rro")],
    "rw": [bind("rw,rnosuid,nodiratime")],
    "rw-below": [bind("rro"), bind("rw", "/mnt/sub", "/sub")],
    "time": [bind("strictatime"), bind("relatime", "/data"), bind("rnoatime", "/opt")],
    "symlinks": [bind("nosymfollow")],
    "file": [bind("ro,nosuid", "/etc/inside", "/file"), bind("rw", "/etc/new/file", "/sub/file")],
    "made": [bind("ro", "/opt/a/b/c"), bind("ro", "/opt/a/file", "/file")],
    "nested": [bind("ro"), "--mount=type=tmpfs,dst=/mnt/sub,mode=700", bind("ro", "/mnt/sub/in/it", "/sub"),
               "--mount=type=tmpfs,dst=/mnt/sub/in/it,nosuid"],
    "volumes": ["--volume=SOURCE:/mnt:ro", "--tmpfs=/data:size=1m,mode=1700,uid=0"],
    "tmpfs": ["--mount=type=tmpfs,dst=/data", "--mount=type=tmpfs,dst=/opt/new", "--mount=type=tmpfs,dst=/tmp,mode=1500",
              "--mount=type=tmpfs,dst=/root,ro,noexec,size=4k,nr_inodes=20"],
    "tmpfs-filled": ["--mount=type=tmpfs,dst=/etc/full,ro", "--mount=type=tmpfs,dst=/etc/full/made"],
    "copy-up": ["--mount=type=tmpfs,dst=/etc,tmpcopyup", "--mount=type=tmpfs,dst=/data,tmpcopyup,ro"],
    "file-overlay": [bind("overlay", "/etc/inside", "/file")],
    "proc-twice": ["--mount=type=proc,dst=/opt/proc,ro"],
    "sysfs": ["--unshare=net", "--mount=type=sysfs,dst=/sys,ro,nosuid,nodev,noexec"],
    "devpts": ["--mount=type=devpts,dst=/dev/pts,newinstance,ptmxmode=0666,mode=0620,nosuid,noexec"],
    "mqueue": ["--unshare=ipc", "--mount=type=mqueue,dst=/dev/mqueue,nosuid,noexec,nodev"],
    "dev": ["--mount=type=devtmpfs,dst=/dev", "--mount=type=devpts,dst=/dev/pts,newinstance,ptmxmode=0666",
            "--mount=type=tmpfs,dst=/dev/shm,mode=1777,size=65536k"],
    "dev-ro": ["--mount=type=devtmpfs,dst=/dev,ro", bind("ro", "/dev/mnt")],
    "device": ["--device=/dev/full", "--device=/dev/zero:/opt/dev/nought"],
    "cgroup": ["--mount=type=cgroup,dst=/sys/fs/cgroup,ro"],
    "cgroup-own": ["--unshare=cgroup", "--mount=type=cgroup,dst=/sys/fs/cgroup,ro,nosuid"],
    "masks": ["--mask=/etc/full", "--mask=/etc/inside", "--mask=/data", "--mask=/etc/none", "--mask=/proc/kcore"],
    "masks-below": [bind("rw"), "--mask=/mnt/sub", "--mask=/mnt/file"],
    "ro-paths": [bind("rw"), "--ro-path=/mnt", "--ro-path=/etc/full", "--ro-path=/etc/inside", "--ro-path=/proc/sys"],
    "ro-masks": ["--ro-path=/etc", "--mask=/etc/full/deep", "--mask=/etc/inside"],
    "private": [bind("private"), bind("rprivate", "/data")],
    "slave": [bind("slave"), bind("rslave", "/data")],
    "shared": [bind("shared"), bind("rshared", "/data"), "--mount=type=tmpfs,dst=/opt,shared"],
    "unbindable": [bind("unbindable"), bind("runbindable", "/data"), "--mount=type=tmpfs,dst=/opt,unbindable"],
    "ro-root": ["--ro", bind("rw"), "--mount=type=tmpfs,dst=/data", "--mount=type=devtmpfs,dst=/dev"],
    "defaults": ["--default-mounts"],
    "inside": ["--mount=type=tmpfs,dst=/data", "--mount=type=bind,src=ROOT/etc/full,dst=/data/full,ro",
               "--mount=type=bind,src=ROOT/data/full,dst=/opt"],
    "workdir": [bind("rw"), "--workdir=/mnt/sub"],
    "remount": [bind("rw"), "--mount=dst=/mnt,remount,ro,nosuid"],
    "move": ["--enter=move", bind("ro"), "--mount=type=tmpfs,dst=/data", "--mask=/etc/full", "--mask=/etc/inside"],
    "stacked": ["--pivot=stacked", bind("ro"), "--mount=type=tmpfs,dst=/data"],
}


def normalized(text):
    """mountinfo without what differs from run to run; with its propagation, and which mount each lies on."""
    lines = [line.split() for line in text.splitlines()]
    points = {f[0]: f[4] for f in lines}
    found = []
    for f in lines:
        dash = f.index("-")
        tags = sorted(t.partition(":")[0] for t in f[6:dash])
        found.append((f[4], points.get(f[1], "-"), f[3], f[5], tuple(tags), *f[dash + 1:]))
    return sorted(found)


MADE = ("opt", "etc/new", "etc/full/made", "dev/full", "dev/ptmx", "x")  # by one run, and found by the next


def forget(root):
    for name in MADE:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def see(root, who, opts, **kw):
    forget(root)
    return exec_in(root, "/bin/sh", "-c", SEE, opts=[*who.get("opts", []), *PROC, *opts], **who.get("run", {}), **kw)


def seen(proc):
    mounts, rest = proc.stdout.split("--\n", 1)
    rest = re.sub(r"(/proc/\d+\S*|/dev/pts/\d+) .*\n", "", rest)
    return normalized(mounts), rest.splitlines(), proc.stderr.splitlines()


def compare(root, who, opts, error):
    free = see(root, who, opts)
    if free.returncode != 0:  # an ordinary user has no say about what the source's mount says of times
        assert who and "locked" in free.stderr, (opts, free.stderr)
    for names in EACH:
        proc = see(root, who, opts, preexec_fn=denying.deny(getattr(errno, error), *names))
        assert proc.returncode == free.returncode, (names, proc.returncode, proc.stderr)
        if free.returncode != 0:
            error_line(proc)
            assert "locked" in proc.stderr
            continue
        for mine, other in zip(seen(proc), seen(free)):
            assert mine == other, (names, [x for x in mine if x not in other], [x for x in other if x not in mine])
    forget(root)


def filled_in(opts, host, root):
    return [o.replace("SOURCE", str(host)).replace("ROOT", str(root)) for o in opts]


def with_mounts(test):
    """Private mounts, with one below the source, for who may have them."""
    return private_mounts(test) if ROOT_CALLER else test


@pytest.mark.parametrize("plan", PLANS)
@errors
@with_mounts
def test_the_same_mounts(bbox, host, who, plan, error, unchanged_host):
    if not who:
        run("mount", "-t", "tmpfs", "-o", "nodev,mode=755", "below", host / "sub")
        (host / "sub/file").write_text("below\n")
    compare(bbox, who, filled_in(PLANS[plan], host, bbox), error)


@need_tool("runc")
@pytest.mark.parametrize("options", [pytest.param([], marks=need_root), pytest.param(["--rootless"], marks=need_userns)],
                         ids=["root", "rootless"])
@errors
def test_the_config_of_runc_spec(bundle, options, error):  # noqa: F811
    who = ordinary() if options else {}
    if who:
        give(bundle.path)
    bundle.config = generated(bundle.path, *options, **who)
    args = ("/bin/sh", "-c", "cat /proc/self/mountinfo; echo --; ls -lan /dev /dev/pts/.; ls -A /proc/acpi; cat /proc/keys")
    views = []
    for names in [(), *EACH]:
        proc = bundle.inroot(*args, **who, **({"preexec_fn": denying.deny(getattr(errno, error), *names)} if names else {}))
        assert proc.returncode == 0, (names, proc.stderr)
        mounts, rest = proc.stdout.split("--\n", 1)
        views.append((normalized(mounts), re.sub(r"[A-Z][a-z]{2} +\d+ +[\d:]+", "TIME", rest)))
    for names, got in zip(EACH, views[1:]):
        assert got == views[0], names


# -- refused -----------------------------------------------------------------------------------

def refused(root, opts, error, *words, names=(), **kw):
    """With all of them denied, and those whose lack alone is enough; what names it stands in the error line."""
    for denied in (tuple(denying.CALLS), *((n,) for n in names)):
        proc = exec_in(root, "/bin/sh", "-c", "echo ran", opts=opts,
                       preexec_fn=denying.deny(getattr(errno, error), *denied), **kw)
        assert proc.stdout == "" and proc.returncode == 125, (denied, proc)
        line = error_line(proc)
        assert all(w in line for w in words), (denied, line)


@need_root
@errors
def test_idmap_is_refused(bbox, host, who, error):
    if who:
        pytest.skip("mapped ids take root")
    maps = ["--map-users=0:100000:1000", "--map-groups=0:100000:1000"]
    refused(bbox, [*maps, f"--mount=type=bind,src={host},dst=/mnt,idmap"], error, "idmap", str(host), names=MOUNTING)


@errors
def test_an_overlay_is_refused(bbox, host, who, error, unchanged_host):
    refused(bbox, [*who.get("opts", []), f"--mount=type=bind,src={host},dst=/mnt,overlay"], error, "overlay", "/mnt",
            **who.get("run", {}), names=("fsopen", "move_mount"))


@errors
def test_a_made_up_mount_point_is_refused(bbox, host, who, error, unchanged_host):
    refused(bbox, [*who.get("opts", []), "--ro", f"--mount=type=bind,src={host},dst=/none"], error, "/none",
            "the mount point is missing", **who.get("run", {}), names=MOUNTING)


@need_root
@errors
@pytest.mark.parametrize("where", ["SOURCE", "/"])
@private_mounts
def test_a_detached_source_is_refused(bbox, host, who, error, where):
    """Not taken for what is at its path: it may be read-only, and that may not."""
    if who:
        pytest.skip("a detached mount takes root")
    fd = libc.syscall(denying.CALLS["open_tree"], -100, str(where).replace("SOURCE", str(host)).encode(), 1)
    assert fd >= 0
    os.set_inheritable(fd, True)
    refused(bbox, [f"--mount=type=bind,src=fd:{fd},dst=/mnt"], error, f"fd:{fd}", "detached", pass_fds=[fd],
            names=MOUNTING)


def child(pid):
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return found[0] if found else None


@need_root
@errors
def test_the_procfs_of_a_joined_pid_namespace_is_refused(bbox, error):
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "60"], start_new_session=True) as outer:
        try:
            source = wait_until(lambda: child(outer.pid))
            refused(bbox, [f"--join=pid:/proc/{source}/ns/pid", "--mount=type=proc,dst=/proc"], error, "/proc",
                    "joined pid namespace", names=MOUNTING)
        finally:
            outer.kill()


# -- everything --------------------------------------------------------------------------------

SUITE = sorted(p.name for p in pathlib.Path(__file__).parent.glob("test_mount_*.py")
               if not re.search("denied|races|swaps", p.name))
# With the calls the kernel says another thing here, and these say so of the run that is to have them.
ELSEWHERE = ["test_what_mountinfo_says", "test_an_unbindable_source", "test_a_file_system_that_the_kernel_lacks"]


@pytest.mark.skipif(os.environ.get("INROOT_SOAK") != "1", reason="takes minutes: INROOT_SOAK=1")
@pytest.mark.parametrize("name", SUITE)
@errors
def test_the_suite_without_the_calls(name, error):
    chosen = " and ".join(f"not {n}" for n in ELSEWHERE)
    proc = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-k", chosen,
                           pathlib.Path(__file__).with_name(name)],
                          env={**os.environ, "INROOT_DENY": error}, capture_output=True, text=True)
    assert proc.returncode == 0, proc.stdout[-3000:]
