# SPDX-License-Identifier: MIT
"""What an OCI config says of the process: capabilities, scheduling, clocks, names, and the hooks before it."""
import contextlib
import json
import os
import pathlib
import random
import signal
import socket

import pytest

from bundles import bundle, own_maps, status  # noqa: F401 (a fixture)
from conftest import (Running, assert_fails, need_root, need_tool, need_userns, ordinary, private_mounts, run,
                      wait_until)
from joining import OF_HOST, container

STATUS = ("/bin/cat", "/proc/self/status")
VIEW = ("/bin/process-view",)
SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
CHOWN, KILL, BIND = 1 << 0, 1 << 5, 1 << 10
NAMES = {CHOWN: "CAP_CHOWN", KILL: "CAP_KILL", BIND: "CAP_NET_BIND_SERVICE"}


def names(mask):
    return [name for bit, name in NAMES.items() if mask & bit]


def capabilities(*masks):
    return {name: names(mask) for name, mask in zip(SETS, masks, strict=True)}


def masks_of(proc):
    assert proc.returncode == 0, proc.stderr
    seen = status(proc.stdout)
    return {key: int(seen[key], 16) for key in ("CapBnd", "CapEff", "CapInh", "CapPrm", "CapAmb")}


def run_ok(proc):
    assert proc.returncode == 0, proc.stderr
    return proc.stdout


def view(proc):
    return dict(line.split(" ", 1) for line in run_ok(proc).splitlines() if " " in line)


@pytest.fixture
def own(bundle):
    """A bundle that an ordinary user runs, or who runs the tests."""
    who = ordinary()
    uid, gid = who.get("user", os.getuid()), who.get("group", os.getgid())
    bundle.linux.update(own_maps(uid, gid))
    bundle.linux["namespaces"].append({"type": "user"})
    return bundle


# -- capabilities ------------------------------------------------------------------------------

# uid; sets as SETS; what the payload's status says, in the same order.
CAPABILITIES = {
    "root, all alike": (0, [KILL] * 5, [KILL] * 5),
    "root, none": (0, [0] * 5, [0] * 5),
    # no_new_privs: execve adds nothing of the bounding set.
    "root, a larger bounding set": (0, [KILL | CHOWN, KILL, 0, KILL, 0], [KILL | CHOWN, KILL, 0, KILL, 0]),
    "root, as runc spec": (0, [KILL | BIND, KILL | BIND, 0, KILL | BIND, KILL],
                           [KILL | BIND, KILL | BIND, 0, KILL | BIND, 0]),
    "root, less effective": (0, [KILL | CHOWN, KILL, 0, KILL | CHOWN, 0],
                             [KILL | CHOWN, KILL | CHOWN, 0, KILL | CHOWN, 0]),
    "user, all alike": (1000, [KILL] * 5, [KILL] * 5),
    "user, a part is ambient": (1000, [KILL | CHOWN, KILL | CHOWN, KILL | CHOWN, KILL | CHOWN, KILL],
                                [KILL | CHOWN, KILL, KILL | CHOWN, KILL, KILL]),
    "user, bounding alone": (1000, [KILL, 0, 0, 0, 0], [KILL, 0, 0, 0, 0]),
    "user, inheritable alone": (1000, [KILL, 0, KILL, 0, 0], [KILL, 0, KILL, 0, 0]),
}
IN_STATUS = ("CapBnd", "CapEff", "CapInh", "CapPrm", "CapAmb")


@need_root
@pytest.mark.parametrize("row", CAPABILITIES)
def test_capabilities(bundle, row):
    uid, sets, wanted = CAPABILITIES[row]
    bundle.process["user"]["uid"] = uid
    bundle.process["capabilities"] = capabilities(*sets)
    assert masks_of(bundle.inroot(*STATUS)) == dict(zip(IN_STATUS, wanted, strict=True))


@need_root
@need_tool("runc")
@pytest.mark.parametrize("row", CAPABILITIES)
@pytest.mark.parametrize("nnp", [True, False])
def test_capabilities_as_under_runc(bundle, row, nnp, tmp_path):
    uid, sets, _ = CAPABILITIES[row]
    bundle.process["user"]["uid"] = uid
    bundle.process["noNewPrivileges"] = nnp
    bundle.process["capabilities"] = capabilities(*sets)
    ours = masks_of(bundle.inroot(*STATUS))
    assert ours == masks_of(bundle.runtime("runc", tmp_path, *STATUS))


@need_root
def test_options_change_all_sets(bundle):
    bundle.process["capabilities"] = capabilities(*[KILL | CHOWN] * 5)
    got = masks_of(bundle.inroot(*STATUS, opts=["--cap-drop=kill", "--cap-add=net_bind_service"]))
    assert got == dict.fromkeys(IN_STATUS, CHOWN | BIND)


@need_root
@pytest.mark.parametrize(("uid", "sets", "word"), [
    (0, [KILL, KILL, 0, 0, 0], "kill"),
    (0, [0, 0, KILL, KILL, 0], "kill"),
    (1000, [CHOWN, 0, CHOWN, 0, CHOWN], "chown"),
], ids=["effective", "inheritable", "ambient, not permitted"])
def test_sets_that_can_not_be(bundle, uid, sets, word):
    bundle.process["user"]["uid"] = uid
    bundle.process["capabilities"] = capabilities(*sets)
    got = bundle.inroot("/bin/echo", "RAN")
    assert_fails(got, 125)
    assert word in got.stderr and "process.capabilities" in got.stderr


@need_root
@need_tool("setpriv")
def test_what_the_caller_lacks(bundle):
    bundle.process["capabilities"] = {"bounding": ["CAP_KILL", "CAP_SYS_TIME"]}
    got = bundle.inroot("/bin/echo", "RAN", wrapper=["setpriv", "--bounding-set=-sys_time"])
    assert_fails(got, 125)
    assert "sys_time" in got.stderr


# -- the process -------------------------------------------------------------------------------

@need_userns
@pytest.mark.parametrize("adj", [0, 500, 1000])
def test_oom_score(own, adj):
    own.process["oomScoreAdj"] = adj
    assert run_ok(own.inroot("/bin/cat", "/proc/self/oom_score_adj", **ordinary())) == f"{adj}\n"


CAP_SYS_RESOURCE = 24
HELD = int(status(pathlib.Path("/proc/self/status").read_text())["CapEff"], 16)


@need_root
@pytest.mark.skipif(not HELD >> CAP_SYS_RESOURCE & 1, reason="needs CAP_SYS_RESOURCE")
def test_oom_score_below_zero(bundle):
    bundle.process["oomScoreAdj"] = -300
    assert run_ok(bundle.inroot("/bin/cat", "/proc/self/oom_score_adj")) == "-300\n"


@need_userns
def test_oom_score_denied(own):
    own.process["oomScoreAdj"] = -1000
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert "oomScoreAdj" in got.stderr


@need_userns
def test_io_priority(own):
    own.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    assert "io class 2 level 6\n" in run_ok(own.inroot(*VIEW, **ordinary()))
    own.process["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    assert "io class 3 level" in run_ok(own.inroot(*VIEW, **ordinary()))


@need_userns
def test_io_priority_denied(own):
    own.process["ioPriority"] = {"class": "IOPRIO_CLASS_RT", "priority": 0}
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert "process.ioPriority" in got.stderr and "CAP_SYS_NICE" in got.stderr


SCHEDULERS = {
    "batch": ({"policy": "SCHED_BATCH", "nice": 5}, "scheduler 3 flags 0 nice 5 priority 0"),
    "idle": ({"policy": "SCHED_IDLE"}, "scheduler 5 flags 0 nice 0"),
    "fifo": ({"policy": "SCHED_FIFO", "priority": 7}, "scheduler 1 flags 0 nice 0 priority 7"),
    "reset": ({"policy": "SCHED_RR", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, "scheduler 2 flags 1"),
    "deadline": ({"policy": "SCHED_DEADLINE", "runtime": 10000000, "deadline": 20000000, "period": 30000000},
                 "scheduler 6 flags 0 nice 0 priority 0 runtime 10000000 deadline 20000000 period 30000000"),
}


@need_root
@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler(bundle, name):
    wanted, line = SCHEDULERS[name]
    bundle.process["scheduler"] = wanted
    assert line in run_ok(bundle.inroot(*VIEW))


@need_userns
def test_scheduler_denied(own):
    own.process["scheduler"] = SCHEDULERS["fifo"][0]
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert "process.scheduler" in got.stderr


@need_userns
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs x86_64, which has another name for 32 bits")
def test_personality(own):
    own.linux["personality"] = {"domain": "LINUX32"}
    seen = view(own.inroot(*VIEW, **ordinary()))
    assert (seen["personality"], seen["machine"]) == ("8", "i686")
    own.linux["personality"] = {"domain": "LINUX"}
    assert view(own.inroot(*VIEW, **ordinary()))["machine"] == "x86_64"


# -- names and clocks --------------------------------------------------------------------------

@need_userns
def test_names(own):
    before = socket.gethostname(), pathlib.Path("/proc/sys/kernel/domainname").read_text()
    own.linux["namespaces"].append({"type": "uts"})
    own.config |= {"hostname": "box", "domainname": "example.org"}
    seen = view(own.inroot(*VIEW, **ordinary()))
    assert (seen["hostname"], seen["domainname"]) == ("box", "example.org")
    assert before == (socket.gethostname(), pathlib.Path("/proc/sys/kernel/domainname").read_text())


@need_userns
@pytest.mark.parametrize("field", ["hostname", "domainname"])
def test_names_without_a_namespace(own, field):
    own.config[field] = "box"
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert field in got.stderr


need_time = pytest.mark.skipif(not os.path.exists("/proc/self/timens_offsets"), reason="needs time namespaces")


@need_userns
@need_time
def test_time_offsets(own):
    own.linux["namespaces"].append({"type": "time"})
    own.linux["timeOffsets"] = {"monotonic": {"secs": 1000000, "nanosecs": 5}, "boottime": {"secs": 2000000}}
    seen = view(own.inroot(*VIEW, **ordinary()))
    assert 1000000 <= int(seen["monotonic"]) and 2000000 <= int(seen["boottime"])
    own.linux["timeOffsets"] = {"monotonic": {"secs": -1000000000}}
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert "timens_offsets" in got.stderr


@need_userns
@need_time
def test_time_offsets_without_a_namespace(own):
    own.linux["timeOffsets"] = {"monotonic": {"secs": 1}}
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert "time" in got.stderr


# -- hooks -------------------------------------------------------------------------------------

def hook(bundle, script, **more):
    """A createContainer hook that runs `script` with $OUT, a directory outside of the root."""
    out = bundle.path / "out"
    out.mkdir(exist_ok=True)
    out.chmod(0o777)
    one = {"path": "/bin/sh", "args": ["hook", "-c", script], "env": [f"OUT={out}", "PATH=/usr/bin:/bin"], **more}
    bundle.config.setdefault("hooks", {}).setdefault("createContainer", []).append(one)
    return out


@need_userns
def test_hook_reads_the_state(own):
    own.config["annotations"] = {"org.example.key": "a \"value\""}
    out = hook(own, 'cat > "$OUT/state"; readlink /proc/self/ns/mnt > "$OUT/mnt"; pwd > "$OUT/pwd"; '
                    'echo /proc/self/fd/* > "$OUT/fds"')
    run_ok(own.inroot("/bin/true", **ordinary()))
    state = json.loads((out / "state").read_text())
    assert state["status"] == "creating" and state["pid"] == 1
    assert state["bundle"] == str(own.path) and state["annotations"] == own.config["annotations"]
    assert state["ociVersion"] and isinstance(state["id"], str)
    assert (out / "mnt").read_text().strip() != os.readlink("/proc/self/ns/mnt")
    assert (out / "pwd").read_text() == "/\n"
    assert (out / "fds").read_text().split()[3:] in ([], ["/proc/self/fd/3"])  # the shell's own


@need_root
@pytest.mark.parametrize("readonly", [False, True])
def test_hook_adds_to_the_root(bundle, readonly):
    """By the host's paths, when the mounts stand; what it mounts is seen inside."""
    bundle.config["root"]["readonly"] = readonly
    out = hook(bundle, f'mount -t tmpfs hook {bundle.root}/mnt && echo there > {bundle.root}/mnt/file && '
                       f'grep -c " {bundle.root}/proc " /proc/self/mountinfo > "$OUT/proc"; exit 0')
    assert run_ok(bundle.inroot("/bin/cat", "/mnt/file")) == "there\n"
    assert (out / "proc").read_text() == "1\n"
    out = bundle.inroot("/bin/sh", "-c", "echo x > /tmp/new && echo written").stdout
    assert out == ("" if readonly else "written\n")
    assert os.listdir(bundle.root / "mnt") == []


@need_root
@pytest.mark.parametrize("userns", [False, True])
def test_hook_of_a_root_that_is_read_only_on_the_host(bundle, userns):
    """It does not become writable for hooks, and is no error where its flags are locked."""
    bundle.config["root"]["readonly"] = True
    if userns:
        bundle.linux.update(own_maps(0, 0))
        bundle.linux["namespaces"].append({"type": "user"})
    out = hook(bundle, f'touch {bundle.root}/new 2> /dev/null || echo denied > "$OUT/said"; exit 0')

    @private_mounts
    def check():
        run("mount", "--bind", bundle.root, bundle.root)
        run("mount", "-o", "remount,bind,ro", bundle.root)
        run_ok(bundle.inroot("/bin/true"))
    check()
    assert (out / "said").read_text() == "denied\n" and not (bundle.root / "new").exists()


@need_userns
@pytest.mark.parametrize(("script", "more", "words"), [
    ("exit 3", {}, ["exited with status 3"]),
    ("kill -9 $$", {}, ["killed by signal 9"]),
    ("exec sleep 1000", {"timeout": 1}, ["timeout"]),
    ("", {"path": "/nonexistent/hook"}, ["/nonexistent/hook"]),
], ids=["status", "signal", "timeout", "missing"])
def test_hook_fails(own, script, more, words):
    hook(own, script, **more)
    got = own.inroot("/bin/echo", "RAN", **ordinary())
    assert_fails(got, 125)
    assert all(word in got.stderr for word in ["hook", *words]), got.stderr


@need_userns
def test_hooks_in_their_order(own):
    out = hook(own, 'echo one >> "$OUT/order"')
    hook(own, 'echo two >> "$OUT/order"; exit 1')
    hook(own, 'echo three >> "$OUT/order"')
    assert_fails(own.inroot("/bin/echo", "RAN", **ordinary()), 125)
    assert (out / "order").read_text() == "one\ntwo\n"


def sleeper():
    """Words that no other process has."""
    return f"{random.randrange(10**6, 10**7)}.{os.getpid()}"


def running(word):
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and word in _command(pid)]


def _command(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


@need_userns
def test_what_a_hook_has_started_ends_with_its_timeout(own):
    word = sleeper()
    own.linux["namespaces"] = [{"type": "mount"}, {"type": "user"}]
    own.config["mounts"] = []
    hook(own, f"sleep {word} & sleep {word}", timeout=1)
    assert_fails(own.inroot("/bin/echo", "RAN", **ordinary()), 125, "timeout")
    assert wait_until(lambda: not running(word)), running(word)


@need_userns
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kinds", [["mount", "pid"], ["mount"]], ids="-".join)
def test_hook_dies_with_the_set_up(own, number, kinds):
    """Whoever ends the helper while a hook runs leaves nothing behind."""
    word = sleeper()
    own.linux["namespaces"] = [{"type": kind} for kind in [*kinds, "user"]]
    own.config["mounts"] = []
    hook(own, f"exec sleep {word}")
    own.process["args"] = ["/bin/echo", "RAN"]
    with Running("exec", f"--config={own.write()}", **ordinary()) as box:
        assert wait_until(lambda: running(f"sleep\0{word}"))
        box.proc.send_signal(number)
        assert box.proc.wait(20) == -number
        assert box.proc.stdout.read() == b""
        assert wait_until(lambda: not running(word))


@need_userns
def test_hook_of_a_shared_pid_namespace(own):
    """The pid that it reads is the payload's."""
    own.linux["namespaces"] = [{"type": "mount"}, {"type": "user"}]
    own.config["mounts"] = []
    out = hook(own, 'cat > "$OUT/state"')
    got = run_ok(own.inroot("/bin/sh", "-c", "echo $$", **ordinary()))
    assert json.loads((out / "state").read_text())["pid"] == int(got)


@need_root
@pytest.mark.parametrize("kind", ["pid", "mnt"])
def test_hooks_where_others_live(bundle, bbox, kind):
    """A joined namespace's programs, and its eyes, are somebody else's."""
    out = hook(bundle, 'echo RAN > "$OUT/ran"')
    bundle.config["mounts"] = []
    bundle.linux["namespaces"] = [{"type": "mount"}]
    bundle.config["root"]["path"] = "/mnt" if kind == "mnt" else "rootfs"
    with container(bbox, *OF_HOST) as pid:
        got = bundle.inroot("/bin/echo", "RAN", opts=[f"--join={kind}:/proc/{pid}/ns/{kind}"])
    assert_fails(got, 125)
    assert "hooks" in got.stderr and not (out / "ran").exists()


# -- joined ------------------------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("setting", [{"hostname": "from-a-config"}, {"domainname": "from-a-config"}], ids=str)
def test_names_of_a_joined_namespace(bundle, bbox, setting):
    with container(bbox, *OF_HOST) as pid:
        bundle.linux["namespaces"].append({"type": "uts", "path": f"/proc/{pid}/ns/uts"})
        bundle.config |= setting
        assert "from-a-config" in view(bundle.inroot(*VIEW)).values()
    bundle.linux["namespaces"][-1]["path"] = "/proc/self/ns/uts"
    got = bundle.inroot("/bin/echo", "RAN")
    assert_fails(got, 125)
    assert "the caller's own" in got.stderr
