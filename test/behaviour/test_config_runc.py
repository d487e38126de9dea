# SPDX-License-Identifier: MIT
"""The configs of `runc spec` and `runc spec --rootless`, as they are generated: the payload sees the same under inroot
and under runc and, where that runs, crun. What differs is a row of DIFFERENCES, with its reason."""
import json
import os
import re
import subprocess

import pytest

import container_view
from bundles import bundle  # noqa: F401 (a fixture)
from conftest import ROOT_CALLER, need_root, need_tool, need_userns, ordinary

# What, theirs, ours (whole matches), and why.
DIFFERENCES = [
    ("env HOME", ".*", "None", "runc and crun make one up from the root's /etc/passwd; here the environment is the "
                               "config's and nothing else"),
    ("mount (/proc|/sys)/.*", "tmpfs / tmpfs ro,relatime .*", "tmpfs / tmpfs ro,nosuid,nodev,noexec,relatime .*",
     "the directory that masks is a tmpfs of one inode, with all restrictions"),
    ("mount /proc/.*", "(devtmpfs|tmpfs) /null (devtmpfs|tmpfs) (rw|ro,relatime).*",
     "(devtmpfs|tmpfs) /null (devtmpfs|tmpfs) ro,nosuid,noexec,relatime .*",
     "the /dev/null that masks is the host's, verified, and read-only"),
    ("mount /sys", r"sysfs / sysfs ro,nosuid,nodev,noexec,relatime \[private\] ro",
     r"sysfs / sysfs ro,nosuid,nodev,noexec,relatime \[private\] rw",
     "ro is an attribute of the mount, as with fsmount(2); mount(2) says it of the file system too"),
    ("mount /sys/fs/cgroup(#2)?", "tmpfs / (tmpfs|cgroup) rw,.*", "tmpfs / cgroup ro,.*",
     "ro of a cgroup mount holds for the directory of its hierarchies too, and its source is the config's"),
    ("paths /sys/fs/cgroup", "directory, writable: yes, .*", "directory, writable: no, .*", "the same"),
    ("mount /dev/(full|null|random|tty|urandom|zero)", "devtmpfs /[a-z]* devtmpfs rw,relatime .*",
     "devtmpfs /[a-z]* devtmpfs rw,nosuid,noexec,relatime .*",
     "a device that is bound executes nothing, as under crun"),
    ("(dev|links) /dev/core", ".*", "None",
     "crun makes the link everywhere; runc and inroot where there is /proc/kcore"),
    ("mount /", r".* \[private\] .*", r".* \[shared\] .*",
     "rootfsPropagation as the specification has it; runc 1.1 makes nothing shared that was private on the host"),
    ("dev /dev/mqueue", "directory 1777 0 (0|65534) 0:0", "directory 1777 65534 65534 0:0",
     "its directory belongs to who made the ipc namespace: the others were the user namespace's root by then"),
    ("mount /sys/fs/cgroup/[a-z]*", "cgroup / (systemd|/sys/fs/cgroup/[a-z]*) .*", "cgroup / cgroup .*",
     "the source is a word for mountinfo: the others have other ones in a cgroup namespace of its own"),
    ("status (NSpgid|NSsid)", "1", "0", "the session stays the caller's; --new-session is what runc does"),
]


def generated(where, *options, **who):
    """What `runc spec` writes, with the terminal off."""
    subprocess.run(["runc", "spec", *options], cwd=where, check=True, timeout=20, **who)
    file = where / "config.json"
    config = json.loads(file.read_text())
    file.unlink()
    config["process"]["terminal"] = False
    return config


def prepare(bundle, config):
    config["process"]["env"] += container_view.environment(config)
    config["process"]["args"] = container_view.command()
    bundle.config = config


def ours(bundle, **who):
    got = bundle.inroot(**who)
    assert got.returncode == 0, got.stderr
    return container_view.view(got.stdout, bundle.root)


def theirs(bundle, runtime, state, **who):
    got = bundle.runtime(runtime, state, **who)
    if got.returncode != 0 and "@@ mounts" not in got.stdout:
        pytest.skip(f"{runtime} does not run here: {got.stderr.strip()[-200:]}")
    return container_view.view(got.stdout, bundle.root)


def reason_of(difference):
    for *patterns, why in DIFFERENCES:
        if all(re.fullmatch(pattern, str(seen)) for pattern, seen in zip(patterns, difference, strict=True)):
            return why
    return None


def judge(theirs, ours):
    """Prints each difference with its reason; those that have none are a failure."""
    unexplained = []
    for difference in container_view.differences(theirs, ours):
        what, their, our = difference
        why = reason_of(difference)
        print(f"{what}\n  theirs: {their}\n  ours:   {our}\n  {why or 'NOT EXPLAINED'}")
        if why is None:
            unexplained.append(what)
    assert not unexplained
    print(f"{len(theirs)} things compared")


runtimes = pytest.mark.parametrize("runtime", [pytest.param("runc", marks=need_tool("runc")),
                                               pytest.param("crun", marks=[need_tool("runc"), need_tool("crun")])])
UNIFIED = "/sys/fs/cgroup/unified"


def around(runtime):
    """crun runs where there are cgroups of one version: in a mount namespace where that is so, inroot too."""
    if runtime != "crun" or not ROOT_CALLER or not os.path.ismount(UNIFIED):
        return []
    return ["unshare", "-m", "sh", "-c", f'umount {UNIFIED} && exec "$@"', "sh"]


@need_root
@runtimes
def test_as_root(bundle, runtime, scratch, tmp_path):
    prepare(bundle, generated(scratch))
    wrapper = around(runtime)
    judge(theirs(bundle, runtime, tmp_path, wrapper=wrapper), ours(bundle, wrapper=wrapper))


@need_userns
@runtimes
@need_tool("setpriv")
def test_as_a_user(bundle, runtime, scratch):
    uid, gid = (1000, 1000) if ROOT_CALLER else (os.getuid(), os.getgid())
    state = scratch / "state"
    state.mkdir()
    for path in (scratch, state):
        os.chown(path, uid, gid)
    env = os.environ | {"XDG_RUNTIME_DIR": str(state), "HOME": str(state)}
    prepare(bundle, generated(scratch, "--rootless", env=env, **ordinary()))
    who = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if ROOT_CALLER else []
    wrapper = around(runtime) + who
    judge(theirs(bundle, runtime, state, wrapper=wrapper, env=env), ours(bundle, wrapper=wrapper, env=env))


# -- what the templates leave out --------------------------------------------------------------

def as_another(c):
    c["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 20]}
    c["process"]["capabilities"]["ambient"] = []  # what can't be raised is an error here, and a warning under runc


def with_its_umask(c):
    c["process"]["user"]["umask"] = 0o077


def in_a_new_directory(c):
    c["root"]["readonly"] = False
    c["process"]["cwd"] = "/srv/new/place"


def with_new_privileges(c):
    c["process"]["noNewPrivileges"] = False


def less_likely_to_be_killed(c):
    c["process"]["oomScoreAdj"] = 100


def with_limits(c):
    c["process"]["rlimits"] += [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                                {"type": "RLIMIT_FSIZE", "soft": 4096, "hard": 8192}]


def writable(c):
    c["root"]["readonly"] = False


def shared(c):
    c["linux"]["rootfsPropagation"] = "shared"


def slave(c):
    c["linux"]["rootfsPropagation"] = "rslave"


def with_a_filter(c):
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                             "syscalls": [{"names": ["acct", "swapon"], "action": "SCMP_ACT_ERRNO"}]}


def with_ids_of_its_own(c):
    for maps in ("uidMappings", "gidMappings"):
        c["linux"][maps] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c["linux"]["namespaces"].append({"type": "user"})


def with_all_namespaces(c):
    c["linux"]["namespaces"].append({"type": "cgroup"})


def with_fewer_namespaces(c):
    c["linux"]["namespaces"] = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]


def with_devices(c):
    fuse = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o660, "gid": 44}
    c["linux"]["devices"] = [fuse, {"path": "/dev/pipe", "type": "p", "fileMode": 0o600, "uid": 7}]


def with_sysctls(c):
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "17"}


def with_more_mounts(c):
    c["mounts"] += [
        {"destination": "/tmp", "type": "tmpfs", "source": "tmp", "options": ["noexec", "size=1m", "mode=1700"]},
        {"destination": "/mnt", "type": "bind", "source": "/usr/share", "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/new/place", "type": "bind", "source": "/etc/hostname", "options": ["bind"]},
    ]


VARIANTS = [as_another, with_its_umask, in_a_new_directory, with_new_privileges, less_likely_to_be_killed, with_limits,
            writable, shared, slave, with_a_filter, with_ids_of_its_own, with_all_namespaces, with_fewer_namespaces,
            with_devices, with_sysctls, with_more_mounts]


@need_root
@runtimes
@pytest.mark.parametrize("change", VARIANTS, ids=lambda change: change.__name__)
def test_variant(bundle, change, runtime, scratch, tmp_path):
    config = generated(scratch)
    change(config)
    prepare(bundle, config)
    wrapper = around(runtime)
    judge(theirs(bundle, runtime, tmp_path, wrapper=wrapper), ours(bundle, wrapper=wrapper))
