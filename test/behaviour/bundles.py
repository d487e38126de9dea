# SPDX-License-Identifier: MIT
"""OCI bundles: a directory with a config.json and a busybox root, run by inroot and by whoever else can."""
import copy
import json
import subprocess

import pytest

from conftest import TIMEOUT, inroot, make_bbox, words

BASE = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {
        "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/bin/true"],
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "noNewPrivileges": True,
    },
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
}


def own_maps(uid=1000, gid=1000):
    """Of a container of an ordinary user's."""
    return {"uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}]}


class Bundle:
    """config is a dict, written anew for every run."""

    def __init__(self, path, payloads):
        self.path = path
        self.root = make_bbox(path / "rootfs", payloads)
        (self.root / "sys").mkdir()
        self.config = copy.deepcopy(BASE)

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def write(self):
        file = self.path / "config.json"
        file.write_text(json.dumps(self.config, indent=1))
        file.chmod(0o644)
        return file

    def inroot(self, *args, opts=(), **kw):
        if args:
            self.process["args"] = words(args)
        return inroot("exec", f"--config={self.write()}", *opts, **kw)

    def runtime(self, name, state, *args, wrapper=(), **kw):
        """By `runc run` or its like, with its state below the directory `state`."""
        if args:
            self.process["args"] = words(args)
        self.write()
        options = ["--cgroup-manager=disabled"] if name == "crun" else []
        # No /dev/null: crun would give the host's to the container's user.
        return subprocess.run(words([*wrapper, name, "--root", state, *options, "run", "--bundle", self.path,
                                     f"inroot-{self.path.name}"]),
                              input="", capture_output=True, text=True, timeout=TIMEOUT, **kw)


@pytest.fixture
def bundle(scratch, payloads):
    return Bundle(scratch, payloads)


def status(text):
    """/proc/PID/status as a dict, white space made one."""
    return {key: " ".join(value.split()) for key, _, value in (line.partition(":") for line in text.splitlines())}
