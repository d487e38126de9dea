# SPDX-License-Identifier: MIT
"""Images, sources and namespaces that lead a mount elsewhere."""
import json
import os

import pytest

from conftest import assert_fails, exec_in, inroot, need_root, need_tool, private_mounts


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
