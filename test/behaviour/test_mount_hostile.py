# SPDX-License-Identifier: MIT
"""Images, sources and namespaces that lead a mount elsewhere."""
import contextlib
import json
import os
import resource

import pytest

from conftest import (ROOT_CALLER, assert_fails, exec_in, give, inroot, need_root, need_tool, need_userns, ordinary,
                      private_mounts, run)
from joining import OF_HOST, container


@need_root
@pytest.mark.parametrize("data", ["lowerdir={0}/lower", "lowerdir=/usr:{0}/lower", "lowerdir+={0}/lower",
                                  "lowerdir=/usr,upperdir={0}/lower/up,workdir=/work"])
def test_layers_of_an_overlay_below_the_root(bbox, scratch, data):
    """As a path of the host it would be followed there, through what the image made a link."""
    (scratch / "host").mkdir()
    (bbox / "lower").symlink_to(scratch / "host")
    opts = [f"--mount=type=overlay,dst=/mnt,{data.format(bbox)}"]
    assert_fails(exec_in(bbox, "/bin/ls", "/mnt", opts=opts), 125, "open-sources: overlay", "below ROOT")


@need_root
def test_a_device_of_a_joined_mount_namespace(bbox):
    opts = ["--join=mnt:/proc/self/ns/mnt", "--device=/dev/null"]
    assert_fails(exec_in(bbox, "/bin/true", opts=opts), 125, "usage: --device", "--join=mnt")


@need_root
@pytest.mark.parametrize("data", ["lowerdir=lower", "lowerdir=/usr:lower", "lowerdir+=lower", "lowerdir=/usr::lower",
                                  "lowerdir=/usr,upperdir=lower,workdir=/work", "lowerdir=/usr,workdir=lower,upperdir=/up"])
@private_mounts
def test_relative_layers_of_an_overlay(bbox, scratch, data):
    """The working directory is ROOT, whose links the kernel would follow."""
    (scratch / "host").mkdir()
    (scratch / "host/secret").write_text("host\n")
    (bbox / "lower").symlink_to(scratch / "host")
    opts = [f"--mount=type=overlay,dst=/mnt,{data}"]
    assert_fails(exec_in(bbox, "/bin/cat", "/mnt/secret", opts=opts), 125, "must be absolute")
    config = scratch / "config.json"
    mount = {"destination": "/mnt", "type": "overlay", "source": "overlay", "options": data.split(",")}
    config.write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": str(bbox)}, "mounts": [mount],
        "process": {"cwd": "/", "args": ["/bin/cat", "/mnt/secret"]}, "linux": {"namespaces": [{"type": "mount"}]}}))
    assert_fails(inroot("exec", f"--config={config}"), 125, "must be absolute")
    assert not (bbox / "mnt/secret").exists()


@need_root
@need_tool("strace")
@pytest.mark.skipif(os.stat("/proc/self/ns/cgroup").st_ino != 0xEFFFFFFB, reason="needs the initial cgroup namespace")
@private_mounts
def test_cgroups_of_the_hosts_namespace(bbox, scratch):
    """Joined by another name it is the host's still: a new mount from there would change the options for all."""
    def calls(*opts):
        trace = scratch / "trace"
        proc = exec_in(bbox, "/bin/true", opts=[*opts, "--mount=type=cgroup2,dst=/mnt"],
                       wrapper=["strace", "-f", "-o", trace, "-e", "trace=fsopen,setns"])
        assert proc.returncode == 0, proc.stderr
        return trace.read_text()
    for join in (["--join=cgroup:/proc/self/ns/cgroup"], [f"--target={os.getpid()}", "--join=cgroup"]):
        found = calls(*join)
        assert "CLONE_NEWCGROUP" in found and '"cgroup2"' not in found, found
        proc = exec_in(bbox, "/bin/true", opts=[*join, "--mount=type=cgroup2,dst=/mnt,nsdelegate"])
        assert_fails(proc, 125, "the options of cgroup2 are the host's")


@need_root
@pytest.mark.parametrize("kinds", [("net",), ("pid",), ("net", "cgroup", "ipc"), ("mnt",), ("mnt", "net", "pid", "uts")], ids=" ".join)
@pytest.mark.parametrize("files", [None, 40])
@private_mounts
def test_sources_and_joined_namespaces(bbox, scratch, kinds, files):
    """What is opened for the mounts stays open where all other descriptors are closed; in a socket too."""
    count = 60 if files else 5
    for i in range(count):
        (scratch / f"s{i}").mkdir()
        (scratch / f"s{i}/name").write_text(f"{i}\n")
    given = os.open(scratch / "s0", os.O_RDONLY)
    opts = ["--mount=type=tmpfs,dst=/mnt", f"--mount=type=bind,src=fd:{given},dst=/mnt/given",
            *[f"--volume={scratch}/s{i}:/mnt/{i}" for i in range(1, count)]]
    with container(bbox, *OF_HOST) as pid:
        inside = "/mnt/root" if "mnt" in kinds else bbox
        if "mnt" in kinds:
            run("nsenter", f"--mount=/proc/{pid}/ns/mnt", "/bin/mkdir", "-p", "/mnt/root/mnt")
            run("nsenter", f"--mount=/proc/{pid}/ns/mnt", "/bin/cp", "-r", "/bin", "/mnt/root/bin")
        proc = exec_in(inside, "/bin/sh", "-c", "cat /mnt/given/name; for i in $(seq 1 %d); do cat /mnt/$i/name; done" % (count - 1),
                       opts=[f"--target={pid}", *[f"--join={kind}" for kind in kinds], *opts], pass_fds=[given],
                       preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))))
    assert proc.returncode == 0, proc.stderr
    assert proc.stdout.split() == [str(i) for i in range(count)], proc.stdout


READ_ONLY = {
    "place missing": (["--mount=type=tmpfs,dst=/srv,ro", "--mount=type=tmpfs,dst=/missing/x"], ["/srv", "/"]),
    "device file system": (["--mount=type=devtmpfs,dst=/dev,ro", "--mount=type=tmpfs,dst=/missing/x",
                            "--mount=type=tmpfs,dst=/also/x"], ["/dev", "/"]),
    "below a directory": (["--mount=type=tmpfs,dst=/etc/old,ro", "--mount=type=tmpfs,dst=/etc/missing/x",
                           "--mount=type=tmpfs,dst=/missing"], ["/etc/old", "/etc", "/"]),
    "bound": (["--mount=type=tmpfs,dst=/srv,ro", "--mount=type=bind,src={root}/srv,dst=/mnt"], ["/srv", "/mnt"]),
    "bound with its parent": (["--mount=type=tmpfs,dst=/etc/old,ro", "--mount=type=bind,src={root}/etc,dst=/mnt"],
                              ["/etc/old", "/mnt/old"]),
}


@pytest.mark.parametrize("scene", READ_ONLY)
@pytest.mark.parametrize("who", [pytest.param({}, marks=need_root, id="root"),
                                 pytest.param({"opts": ["--map-root-user"]}, marks=need_userns, id="user")])
def test_read_only_for_good(bbox, scene, who):
    """What becomes read-only last does so where a layer or a bind shows a clone of it, too."""
    opts, places = READ_ONLY[scene]
    for name in ("srv", "etc/old"):
        (bbox / name).mkdir(parents=True, exist_ok=True)
    if who and ROOT_CALLER:
        give(bbox)
    opts = [word.format(root=bbox) for word in opts]
    proc = exec_in(bbox, "/bin/sh", "-c", "for d in $*; do echo x >$d/w && echo wrote $d; done; ls -d /mnt", "-", *places,
                   opts=[*who.get("opts", []), "--ro", *opts], **(ordinary() if who else {}))
    assert proc.returncode == 0, proc.stderr
    assert proc.stdout == "/mnt\n" and proc.stderr.count("Read-only file system") == len(places), (proc.stdout, proc.stderr)


@need_root
def test_root_by_a_link_is_not_remounted(bbox):
    (bbox / "data").symlink_to("/")
    proc = exec_in(bbox, "/bin/sh", "-c", "echo x >/w", opts=["--ro", "--mount=type=bind,dst=/data,remount,rw"])
    assert_fails(proc, 125, "/data", "it is the root itself")
    assert not (bbox / "w").exists()


@need_root
@pytest.mark.parametrize("opts", [["--mount=type=tmpfs,dst=/mnt/{name}/x"], ["--volume=/etc:/data/{name}"],
                                  ["--device=/dev/null:/data/{name}/null"]])
@private_mounts
def test_no_cgroup_is_made(bbox, scratch, opts):
    """A missing place in a cgroup file system would be a cgroup of the host's, and stay."""
    mounts = [line.split() for line in open("/proc/self/mountinfo")]
    tops = [words[4] for words in mounts if words[words.index("-") + 1] == "cgroup2"]
    if not tops:
        pytest.skip("needs a mount of cgroup2")
    (bbox / "data").symlink_to("/mnt")
    name = f"inroot-test-{os.getpid()}"
    proc = exec_in(bbox, "/bin/true", opts=["--mount=type=cgroup2,dst=/mnt", *[o.format(name=name) for o in opts]])
    found = os.path.exists(f"{tops[0]}/{name}")
    for path in (f"{tops[0]}/{name}/x", f"{tops[0]}/{name}"):
        with contextlib.suppress(OSError):
            os.rmdir(path)
    assert not found
    assert_fails(proc, 125, name, "file system of the kernel's")


@need_root
@need_userns
@pytest.mark.parametrize("config", [False, True])
def test_nodes_on_the_overlay_of_a_user_namespace(bbox, scratch, config):
    """They are there, and can't be opened: the host's are bound on them."""
    os.mknod(bbox / "dev/null", 0o20666, os.makedev(1, 3))
    os.chmod(bbox / "dev/null", 0o666)
    give(bbox)
    payload = ["/bin/sh", "-c", "echo x >/dev/null && echo written"]
    if config:
        file = scratch / "config.json"
        file.write_text(json.dumps({
            "ociVersion": "1.0.2", "root": {"path": str(bbox)}, "process": {"cwd": "/", "args": payload},
            "linux": {"namespaces": [{"type": "mount"}, {"type": "user"}]}}))
        scratch.chmod(0o755)
        proc = inroot("exec", f"--config={file}", "--overlay=tmpfs", **ordinary())
    else:
        proc = exec_in(bbox, *payload, opts=["--overlay=tmpfs", "--device=/dev/null"], **ordinary())
    assert (proc.returncode, proc.stdout) == (0, "written\n"), proc.stderr
