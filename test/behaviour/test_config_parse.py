# SPDX-License-Identifier: MIT
"""--config: what a config.json becomes, seen by --dry-run; what overrides it; and how it is refused."""
import json
import os
import subprocess

import pytest

from bundles import bundle, own_maps  # noqa: F401
from conftest import assert_fails, inroot, need_root, need_tool

TOP = b'{"ociVersion":"1.0.2"'


def dry(bundle, *opts, operands=(), **kw):
    proc = inroot("exec", "--dry-run", *opts, f"--config={bundle.write()}", *operands, **kw)
    assert proc.returncode == 0, proc.stderr
    return json.loads(proc.stdout)


def refused(file, *parts, opts=()):
    """One line, with the file's name."""
    return assert_fails(inroot("exec", "--dry-run", *opts, f"--config={file}", "/", "true"), 125, *parts)


@pytest.fixture
def text(tmp_path):
    def write(data):
        file = tmp_path / "config.json"
        file.write_bytes(data)
        return file
    return write


# -- fields ------------------------------------------------------------------------------------

def test_the_whole(bundle):
    bundle.config.update(hostname="h", domainname="d")
    bundle.config["root"]["readonly"] = True
    bundle.process.update(
        cwd="/w", oomScoreAdj=-5, env=["A=1", "B=2"], noNewPrivileges=False,
        user={"uid": 3, "gid": 4, "umask": 0o27, "additionalGids": [5]},
        rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 2 ** 64 - 1}],
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 3},
        scheduler={"policy": "SCHED_IDLE"})
    bundle.linux.update(own_maps(), namespaces=[
        {"type": t} for t in ("mount", "pid", "uts", "user", "ipc", "time", "network")],
        timeOffsets={"boottime": {"secs": -1}}, sysctl={"net.ipv4.ip_forward": "1"},
        personality={"domain": "LINUX32"}, rootfsPropagation="rshared", maskedPaths=["/m"], readonlyPaths=["/r"],
        seccomp={"defaultAction": "SCMP_ACT_ALLOW"}, devices=[{"path": "/dev/p", "type": "p"}])
    bundle.linux["uidMappings"][0]["containerID"] = 3
    bundle.linux["gidMappings"] = [{"containerID": 4, "hostID": 1000, "size": 2}]
    bundle.config["mounts"].append(
        {"destination": "t", "source": "rel", "options": ["rbind", "ro", "nosuid", "slave"]})
    plan = dry(bundle)
    assert plan["root"] == str(bundle.path / "rootfs") and plan["ro"] is True
    assert plan["unshare"] == ["user", "pid", "net", "ipc", "uts", "time"]
    assert (plan["uid"], plan["gid"], plan["groups"], plan["umask"]) == (3, 4, [5], 0o27)
    assert (plan["hostname"], plan["domainname"], plan["workdir"]) == ("h", "d", "/w")
    assert plan["boottime"] == {"seconds": -1, "nanoseconds": 0}
    assert plan["sysctl"] == ["net.ipv4.ip_forward=1"]
    assert plan["rlimits"] == [{"name": "core", "soft": 0, "hard": "unlimited"}]
    assert (plan["oom_score_adj"], plan["personality"], plan["io_priority"]) == (-5, 8, 2 << 13 | 3)
    assert plan["scheduler"]["policy"] == 5
    assert plan["environment"] == [{"clear": True}, {"set": "A=1"}, {"set": "B=2"}]
    assert plan["no_new_privs"] is False and plan["seccomp"] == "linux.seccomp"
    assert plan["masks"] == ["/m"] and plan["read_only_paths"] == ["/r"]
    assert plan["devices"][0]["target"] == "/dev/p"
    assert [m["target"] for m in plan["mounts"]] == ["/proc", "/t"]
    assert plan["mounts"][1]["source"] == str(bundle.path / "rel")
    assert plan["mounts"][1]["options"] == ["rbind", "ro", "nosuid", "slave"]


@pytest.mark.parametrize("rootless", [False, True])
def test_as_runc_writes_it(tmp_path, rootless):
    need_tool("runc")
    subprocess.run(["runc", "spec", *["--rootless"] * rootless], cwd=tmp_path, check=True)
    file = tmp_path / "config.json"
    refused(file, "process.terminal: not carried out")
    config = json.loads(file.read_text())
    config["process"]["terminal"] = False
    file.write_text(json.dumps(config))
    proc = inroot("exec", "--dry-run", f"--config={file}")
    assert proc.returncode == 0, proc.stderr
    plan = json.loads(proc.stdout)
    assert plan["command"] == ["sh"] and plan["hostname"] == "runc"
    assert len(plan["mounts"]) == len(config["mounts"])
    assert plan["masks"] == config["linux"]["maskedPaths"]


def test_without_a_mount_namespace(bundle):
    """It is the caller's then, and the root is entered by chroot: with no mounts."""
    bundle.linux["namespaces"] = []
    proc = bundle.inroot(opts=["--dry-run"])
    assert proc.returncode == 125 and "--mount" in proc.stderr and "linux.namespaces" in proc.stderr, proc
    del bundle.config["mounts"]
    assert dry(bundle)["enter"] == ["chroot"]
    bundle.config["root"]["readonly"] = True
    assert_fails(bundle.inroot(opts=["--dry-run"]), 125, "--ro")


def test_operands_take_the_place_of_root_and_args(bundle):
    del bundle.process["args"]
    assert_fails(bundle.inroot(opts=["--dry-run"]), 125, "no command was given")
    plan = dry(bundle, operands=["/", "a", "b"])
    assert plan["root"] == "/" and plan["command"] == ["a", "b"]
    bundle.process["args"] = ["c"]
    assert dry(bundle, operands=["--", "/"])["command"] == ["c"]
    del bundle.config["root"]
    assert_fails(bundle.inroot(opts=["--dry-run"]), 125, "no root was given")


# Each option, wherever it stands, against what the config says.
OVERRIDES = {
    "--user=5:6": lambda p: (p["uid"], p["gid"]) == (5, 6),
    "--workdir=/o": lambda p: p["workdir"] == "/o",
    "--env=A=9": lambda p: p["environment"][-1] == {"set": "A=9"},
    "--clear-env": lambda p: p["environment"][-1] == {"clear": True},
    "--hostname=o": lambda p: p["hostname"] == "o",
    "--umask=07": lambda p: p["umask"] == 7,
    "--rlimit=core=7": lambda p: p["rlimits"] == [{"name": "core", "soft": 7, "hard": 7}],
    "--no-new-privs=on": lambda p: p["no_new_privs"] is True,
    "--seccomp=default": lambda p: p["seccomp"] == "default",
    "--groups=8,9": lambda p: p["groups"] == [8, 9],
    "--ro": lambda p: p["ro"] is True,
    "--unshare=ipc": lambda p: p["unshare"] == ["pid", "ipc", "uts"],
    "--mount=type=tmpfs,dst=/o": lambda p: [m["target"] for m in p["mounts"]] == ["/proc", "/o"],
    "--mask=/o": lambda p: p["masks"] == ["/m", "/o"],
    "--mask=none": lambda p: "masks" not in p,
    "--ro-path=/o": lambda p: p["read_only_paths"] == ["/o"],
    "--cap-drop=kill": lambda p: p["capabilities"] == ["chown"] and p["capability_sets"]["bounding"] == ["chown"],
    "--enter=move": lambda p: p["enter"] == ["move"],
}


@need_root
@pytest.mark.parametrize("option", OVERRIDES)
@pytest.mark.parametrize("place", ["before", "after", "args-fd"])
def test_options_override(bundle, option, place):
    bundle.config["hostname"] = "h"
    sets = ["CAP_KILL", "CAP_CHOWN"]
    bundle.process.update(env=["A=1"], rlimits=[{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}],
                          user={"uid": 1, "gid": 2, "umask": 0, "additionalGids": [3]}, noNewPrivileges=False,
                          capabilities={"bounding": sets, "permitted": sets})
    bundle.linux["namespaces"].append({"type": "uts"})
    bundle.linux["maskedPaths"] = ["/m"]
    config = f"--config={bundle.write()}"
    words = {"before": [option, config], "after": [config, option], "args-fd": ["--args-fd=0", option]}[place]
    proc = inroot("exec", "--dry-run", *words, input=config + "\0" if place == "args-fd" else "", stdin=None)
    assert proc.returncode == 0, proc.stderr
    assert OVERRIDES[option](json.loads(proc.stdout)), proc.stdout


def test_dry_run_of_devices(bundle):
    """Those that are named, as they become, and that others are made at all."""
    bundle.linux["devices"] = [{"path": "/dev/d", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5, "gid": 6}]
    plan = dry(bundle)
    (device,) = plan["devices"]
    assert (device["target"], device["uid"], device["gid"]) == ("/dev/d", 5, 6) and "600" in str(device["mode"])
    assert "null" in plan["dev"]
    bundle.config["mounts"] += [{"destination": "/dev", "source": "/dev", "options": ["bind"]}]
    assert "dev" not in dry(bundle)


@need_root
def test_a_map_of_all_ids(bundle):
    """As the first user namespace has it: by the config and by options."""
    whole = [{"containerID": 0, "hostID": 0, "size": (1 << 32) - 1}]
    bundle.linux["namespaces"].append({"type": "user"})
    bundle.linux.update(uidMappings=whole, gidMappings=whole)
    option = f"0:0:{whole[0]['size']}"
    for opts in ([], [f"--map-users={option}", f"--map-groups={option}"]):
        proc = bundle.inroot("/bin/cat", "/proc/self/uid_map", opts=opts)
        assert (proc.returncode, proc.stdout.split()) == (0, ["0", "0", "4294967295"]), proc


def test_maps_of_options_replace_those_of_the_config(bundle):
    bundle.linux.update(own_maps(), namespaces=[{"type": t} for t in ("mount", "pid", "user")])
    plan = dry(bundle, "--map-users=0:7:1", "--map-groups=0:8:1")
    assert [line["outer"] for line in plan["map-users"] + plan["map-groups"]] == [7, 8]
    assert dry(bundle, "--map-root-user")["map-users"][0]["outer"] == os.getuid()


# -- the text ----------------------------------------------------------------------------------

HOSTILE = {
    "empty": (b"", "line 1, column 0:"),
    "deep": (b'{"a":' * 200000, "maximum parsing depth reached"),
    "deep arrays": (b"[" * 1000000, "maximum parsing depth reached"),
    "duplicate": (TOP + b',\n"root":{"path":"/"},\n"root":{"path":"/"}}', "line 3, column 6: duplicate object key"),
    "duplicate below": (TOP + b',"root":{"path":"/","path":"/"}}', "column 47: duplicate object key"),
    "huge": (TOP + b',"x":' + b"9" * 400 + b"}", "line 1, column 426: too big integer"),
    "huge negative": (TOP + b',"x":-' + b"9" * 40 + b"}", "too big negative integer"),
    "huge real": (TOP + b',"x":1e999999}', "real number overflow"),
    "NUL": (TOP + b',"hostname":"a\0b"}', "line 1, column 35: control character 0x0"),
    "escaped NUL": (TOP + b',"hostname":"a\\u0000b"}', "is not allowed without"),
    "NUL behind": (TOP + b"}\0", "line 1, column 23: end of file expected"),
    "not UTF-8": (TOP + b',"hostname":"\xff"}', "unable to decode byte 0xff"),
    "overlong": (TOP + b',"hostname":"\xc0\xaf"}', "unable to decode byte 0xc0"),
    "surrogate": (TOP + b',"hostname":"\\ud800"}', "invalid Unicode"),
    "byte order mark": (b"\xef\xbb\xbf" + TOP + b"}", "'[' or '{' expected"),
    "a number as a key": (TOP + b',"annotations":{18446744073709551615 : "x"}}', "too big integer near '18446744073709551615'"),
    "no console": (TOP + b',"process":{"cwd":"/","consoleSize":{"height":1,"depth":1}}}', "process.consoleSize: no such field: depth"),
    "terminal": (TOP + b',"a\\u001b]0;x\\u0007":1}', "no such field: a?]0;x?"),
    "more than 1 MiB": (TOP + b"," + b" " * (1 << 20) + b'"x":1}', "larger than 1 MiB"),
    "long word": (TOP + b',"hostname":"' + b"a" * 100000 + b'"}', "hostname: longer than 64 bytes"),
    "long path": (TOP + b',"root":{"path":"/' + b"a" * 100000 + b'"}}', "root.path: the path is too long"),
    "long field": (TOP + b',"' + b"a" * 100000 + b'":1}', "no such field: aaaa"),
    "many keys": (TOP + b',"sysctl":{' + b",".join(b'"%d":"x"' % i for i in range(60000)) + b"}}", "no such field: sysctl"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(text, name):
    data, words = HOSTILE[name]
    message = refused(text(data), words, "config.json")
    assert len(message) < 1024


def test_the_largest(text):
    """One MiB, and what hides a hostile count of things in it, is not refused for its size, and is quick."""
    room = (1 << 20) - len(TOP) - len(b',"annotations":{}}')
    one = b'"%06d":"",'
    notes = b"".join(one % i for i in range(room // len(one % 0)))[:-1]
    data = TOP + b',"annotations":{' + notes + b"}}"
    proc = inroot("exec", "--dry-run", f"--config={text(data)}", "/", "true")
    assert proc.returncode == (0 if os.getuid() == 0 else proc.returncode), proc.stderr
    assert "1 MiB" not in proc.stderr


@pytest.mark.parametrize("field", ["intelRdt", "netDevices", "memoryPolicy", "nope"])
def test_what_is_not_carried_out_is_refused(bundle, field):
    bundle.linux[field] = {}
    assert_fails(bundle.inroot(opts=["--dry-run"]), 125, "linux", field)


def test_the_parents_duty_is_let_pass(bundle):
    hook = [{"path": "/never/run"}]
    bundle.linux.update(cgroupsPath="/x", resources={"memory": {"limit": 1}, "anything": [None, 1.5]})
    bundle.config["hooks"] = {"prestart": hook, "createRuntime": hook, "poststart": hook, "poststop": hook}
    bundle.config["annotations"] = {"a": "b"}
    assert "hooks" not in dry(bundle)
    bundle.config["hooks"]["startContainer"] = hook
    assert_fails(bundle.inroot(opts=["--dry-run"]), 125, "hooks.startContainer: not carried out")


# -- the file ----------------------------------------------------------------------------------

def test_twice(bundle):
    file = bundle.write()
    assert_fails(inroot("exec", f"--config={file}", f"--config={file}"), 125, "--config", "given before")


@pytest.mark.parametrize(("name", "words"), [
    ("absent", "ENOENT"), (".", "not a regular file"), ("fifo", "not a regular file"), ("loop", "ELOOP"),
])
def test_no_file(tmp_path, name, words):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / name, words)


def test_no_descriptor():
    assert_fails(inroot("exec", "--config=fd:99", "/", "true"), 125, "--config", "EBADF")
    assert_fails(inroot("exec", "--config=fd:x", "/", "true"), 125, "--config")
    assert_fails(inroot("exec", "--config=fd:1", "--status-fd=1", "/", "true"), 125)


def test_status_record_of_a_bad_config(text):
    """Though --status-fd comes after it."""
    r, w = os.pipe()
    proc = inroot("exec", f"--config={text(b'{}')}", f"--status-fd={w}", "/", "true", pass_fds=[w])
    os.close(w)
    with os.fdopen(r, "rb") as records:
        record = json.loads(records.read())
    assert proc.returncode == 125 and record["type"] == "error" and record["stage"] == "config"
    assert "ociVersion: missing" in record["message"]


def test_relative_paths(bundle):
    """From the config's directory, wherever the caller is; a descriptor has none."""
    file = bundle.write()
    proc = inroot("exec", "--dry-run", "--config=config.json", cwd=bundle.path)
    assert json.loads(proc.stdout)["root"] == "./rootfs"
    with open(file) as fd:
        proc = inroot("exec", "--dry-run", "--config=fd:0", stdin=fd)
    assert_fails(proc, 125, "root.path: relative")


@need_root
@pytest.mark.parametrize("standard", [True, False])
def test_from_a_pipe(bundle, standard):
    """It is there again when the helper runs itself a second time; the payload has nothing of it."""
    bundle.config["root"]["path"] = str(bundle.root)
    bundle.process["args"] = ["/bin/sh", "-c", "readlink /proc/self/fd/0; ls /proc/self/fd | wc -l; cat"]
    bundle.process["capabilities"] = {"bounding": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"],
                                      "effective": ["CAP_SYS_ADMIN"]}
    r, w = os.pipe()
    os.write(w, bundle.write().read_bytes())
    os.close(w)
    given = {"stdin": r} if standard else {"pass_fds": [r]}
    proc = inroot("exec", f"--config=fd:{0 if standard else r}", **given)
    os.close(r)
    assert proc.returncode == 0, proc.stderr
    assert proc.stdout.split() == ["/dev/null", "4"]


@need_root
def test_seccomp(bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    proc = bundle.inroot("/bin/sh", "-c", "mkdir /tmp/x; grep Seccomp: /proc/self/status")
    assert "No space" in proc.stderr and proc.stdout.split() == ["Seccomp:", "2"]
    assert not (bundle.root / "tmp/x").exists()
    bundle.linux["seccomp"]["defaultAction"] = "SCMP_ACT_NOTIFY"
    for opts in ([], ["--dry-run"]):
        assert_fails(bundle.inroot(opts=opts), 125, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY")


# -- namespaces of others ----------------------------------------------------------------------

@need_root
def test_namespaces_with_a_path_are_joined(bundle):
    """A network and a uts namespace of a process that waits; the names set in the latter are seen there."""
    with subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", "echo; read x; hostname"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        kinds = {"network": "net", "uts": "uts"}
        bundle.linux["namespaces"] += [
            {"type": kind, "path": f"/proc/{other.pid}/ns/{name}"} for kind, name in kinds.items()]
        bundle.config["hostname"] = "joined"
        proc = bundle.inroot("/bin/sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/uts")
        assert proc.returncode == 0, proc.stderr
        assert proc.stdout.split() == [os.readlink(f"/proc/{other.pid}/ns/{name}") for name in kinds.values()]
        assert other.communicate("\n", timeout=20)[0] == "joined\n"


@need_root
@pytest.mark.parametrize(("path", "words"), [
    ("/proc/self/ns/uts", "/proc/self/ns/uts"), ("/nowhere", "ENOENT"), ("/dev/null", "/dev/null"),
])
def test_a_path_of_another_type(bundle, path, words):
    bundle.linux["namespaces"].append({"type": "network", "path": path})
    assert_fails(bundle.inroot("/bin/echo", "RAN"), 125, words)


@need_root
@pytest.mark.parametrize("method", ["pivot", "chroot"])
def test_cwd_is_made_by_the_helper(bundle, method):
    """Mode 0755, whoever the payload is; one that --workdir names is made as the payload's."""
    if method == "chroot":
        del bundle.config["mounts"]
        bundle.linux["namespaces"] = []
    bundle.process.update(cwd="/made/deep", user={"uid": 1000, "gid": 1000, "umask": 0o77})
    proc = bundle.inroot("/bin/pwd")
    assert (proc.returncode, proc.stdout) == (0, "/made/deep\n"), proc.stderr
    made = (bundle.root / "made/deep").stat()
    assert (made.st_uid, made.st_mode & 0o7777) == (0, 0o755)
    assert_fails(bundle.inroot("/bin/pwd", opts=["--workdir=/made/other"]), 125, "mkdir", "EACCES")
