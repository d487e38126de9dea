# SPDX-License-Identifier: MIT
"""--join and --target: every type, every way to name it, who may, and what is refused."""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import (INROOT, Running, as_user, assert_fails, exec_in, marked, need_root, need_tool, need_userns,
                      ordinary, private_mounts, report_in, run, status_of, wait_until)
from joining import (ALL, HOST, OF_HOST, OF_ROOT, OF_USER, RANGE, STAYING, TYPES, Sources, by_target, container,
                     expected, joined, namespaces, nested)

sources = pytest.mark.parametrize("way", Sources.WAYS)
types = pytest.mark.parametrize("kind", TYPES)
BUSY = ("/bin/sh", "-c")


@pytest.fixture
def target(bbox, unchanged_host):
    """A container of root's with all namespaces of its own and other ids: its pid."""
    with container(bbox, *OF_ROOT) as pid:
        yield pid


@pytest.fixture
def own(bbox, unchanged_host):
    """One of an ordinary user, or of who runs the tests."""
    with container(bbox, *OF_USER, **ordinary()) as pid:
        yield pid


def without_mounts(seen):
    return {kind: name for kind, name in seen.items() if kind != "mnt"}


# -- every type, by everything that names it ---------------------------------------------------

@need_root
@sources
@types
def test_type(bbox, target, kind, way):
    """One namespace is the target's, the others are the caller's; mounts are new ones, or the target's."""
    root = "/" if kind == "mnt" else bbox
    with Sources(way, target) as source:
        opts = source.options(kind)
        with joined(root, *opts, pass_fds=source.fds) as (_, seen):
            wanted = expected(namespaces(target), kind)
            assert without_mounts(seen) == without_mounts(wanted)
            assert (seen["mnt"] == wanted["mnt"]) == (kind == "mnt")
            assert seen["mnt"] != HOST["mnt"]


@need_root
@sources
def test_all_types(target, way):
    """As root, who is nobody in there: all but user first, then user."""
    with Sources(way, target) as source:
        opts = source.options(*TYPES)
        with joined("/", *opts, pass_fds=source.fds) as (_, seen):
            assert seen == namespaces(target)


@need_userns
@sources
def test_all_types_as_the_owner(own, way):
    """As a user, who is nobody before: user first."""
    with Sources(way, own) as source:
        opts = source.options(*TYPES)
        with joined("/", *opts, pass_fds=source.fds, **ordinary()) as (_, seen):
            assert seen == namespaces(own)


@need_root
@need_userns
def test_all_types_of_a_users_container_as_root(own):
    with joined("/", *ALL, f"--target={own}") as (box, seen):
        assert seen == namespaces(own)


@need_root
def test_container_that_shares_the_ids(bbox, unchanged_host):
    kinds = [kind for kind in TYPES if kind != "user"]
    with container(bbox, *OF_HOST) as pid:
        with joined("/", *(f"--join={kind}" for kind in kinds), f"--target={pid}") as (_, seen):
            assert seen == namespaces(pid)


@need_userns
@need_tool("unshare")
def test_nested_user_namespace(bbox, unchanged_host):
    """A grandchild of the caller's: its owner is the child's root."""
    with nested(("-Ur",), ("-Urn",)) as pid:
        with joined(bbox, "--join=user", "--join=net", f"--target={pid}") as (_, seen):
            there = namespaces(pid)
            assert (seen["user"], seen["net"]) == (there["user"], there["net"])


@need_root
def test_network_alone(bbox, unchanged_host):
    """The usual case: a network namespace by name, all else the caller's."""
    with container(bbox, "--unshare=net,pid") as pid:
        proc = exec_in(bbox, *BUSY, "ip link | grep -c ^[0-9]", opts=[f"--join=net:/proc/{pid}/ns/net"])
        assert (proc.returncode, proc.stdout) == (0, "1\n"), proc


@need_root
def test_order_of_the_options_does_not_matter(target):
    for opts in (ALL, ALL[::-1]):
        with joined("/", *opts, f"--target={target}") as (_, seen):
            assert seen == namespaces(target)


def new_ones(opts):
    lists = [opt.partition("=")[2].split(",") for opt in opts if opt.startswith("--unshare=")]
    return {*sum(lists, []), *(["pid"] if "--init" in opts else [])}


@need_root
@pytest.mark.parametrize("opts", [["--join=pid", "--unshare=time,uts"], ["--join=time", "--unshare=pid,net"],
                                  ["--join=time", "--init"], ["--join=net", "--unshare=pid,uts", "--init"],
                                  ["--join=pid", "--no-new-privs=off"], ["--join=user", "--unshare=net"],
                                  ["--join=pid", "--overlay=tmpfs"], ["--join=user", "--join=pid", "--ro"]],
                         ids=" ".join)
def test_together_with_new_ones(bbox, target, opts):
    """What is joined is the target's, what is unshared is nobody else's, all others are the caller's."""
    proc, records = status_of("exec", *opts, f"--target={target}", bbox, "/bin/report", "-f", "1")
    assert proc.returncode == 0, proc
    seen, there = json.loads(proc.stdout)["ns"], namespaces(target)
    for kind in seen.keys() & set(TYPES) - {"mnt"}:
        name, is_joined = f"{kind}:[{seen[kind]}]", f"--join={kind}" in opts
        assert (name == there[kind]) == is_joined, kind
        assert (name == HOST[kind]) == (not is_joined and kind not in new_ones(opts)), kind
    assert next(r for r in records if r["type"] == "entered")["fallback"] is None or "--join=user" in opts


@need_userns
def test_another_root_in_a_users_container(bbox, own):
    """As its owner: the mounts are copied and the root changed by the capabilities in there."""
    (bbox / "mnt/bin").mkdir()
    run("cp", "-a", *(bbox / "bin").iterdir(), bbox / "mnt/bin")
    proc, records = status_of("exec", *ALL, f"--target={own}", "/mnt", *BUSY, "ls /", **ordinary())
    assert (proc.returncode, proc.stdout) == (0, "bin\n"), proc
    assert next(r for r in records if r["type"] == "entered")["method"] == "pivot"


@need_root
def test_own_mounts_are_entered_again(bbox, unchanged_host):
    """Nothing is gained by that: the caller's procfs is in sight, and is refused as ever."""
    opts = ["--join=mnt:/proc/self/ns/mnt", "--join=net:/proc/self/ns/net"]
    assert_fails(exec_in("/", "/bin/true", opts=opts), 125, "check /proc", "the caller's own pid namespace")
    with joined("/", *opts, "--allow-host-proc") as (_, seen):
        assert seen == HOST
    with joined(bbox, *opts) as (_, seen):
        assert without_mounts(seen) == without_mounts(HOST) and seen["mnt"] != HOST["mnt"]


@need_root
@pytest.mark.parametrize("maps", [["--map-root-user"], ["--map-users=0:1000:9", "--map-groups=0:1000:9"]], ids=" ".join)
def test_own_user_namespace_in_joined_mounts(bbox, target, maps):
    with joined("/", "--join=mnt", f"--target={target}", *maps) as (_, seen):
        assert seen["mnt"] == namespaces(target)["mnt"] and seen["user"] not in (HOST["user"],
                                                                               namespaces(target)["user"])


@need_root
def test_own_namespaces_are_entered_again(bbox, unchanged_host):
    kinds = ("net", "ipc", "uts", "cgroup", "time", "pid")
    with joined(bbox, *(f"--join={kind}:/proc/self/ns/{kind}" for kind in kinds)) as (_, seen):
        assert without_mounts(seen) == without_mounts(HOST)


# -- where ROOT is -----------------------------------------------------------------------------

@need_root
def test_root_of_the_joined_namespace(bbox, target, scratch):
    """ROOT / is taken as it is; any other is a path in there, entered as ever."""
    proc, records = status_of("exec", "--join=mnt", f"--target={target}", "/", *BUSY, "cat /etc/inside; pwd")
    assert (proc.returncode, proc.stdout) == (0, "inside\n/\n"), proc
    entered = next(r for r in records if r["type"] == "entered")
    assert (entered["method"], entered["pivot"], entered["fallback"]) == ("joined", None, None)
    opts = ["--join=mnt", f"--target={target}"]
    run("cp", "-a", bbox / "bin", scratch)
    proc, records = status_of("exec", *opts, scratch, *BUSY, "true")
    assert_fails(proc, 125, "open-root", "ENOENT")
    (bbox / "mnt/bin").mkdir()
    run("cp", "-a", *(bbox / "bin").iterdir(), bbox / "mnt/bin")
    for root in ("/mnt", "mnt", "/mnt/../mnt/."):
        proc, records = status_of("exec", *opts, root, *BUSY, "ls /", cwd=scratch)
        assert (proc.returncode, proc.stdout) == (0, "bin\n"), proc
        assert next(r for r in records if r["type"] == "entered")["method"] == "pivot"
    for kind in (["--ro"], ["--overlay=tmpfs"], ["--enter=chroot"], ["--pivot=stacked"]):
        proc = exec_in("/mnt", *BUSY, "ls /", opts=[*opts, *kind])
        assert (proc.returncode, proc.stdout) == (0, "bin\n"), (kind, proc)


@need_root
@pytest.mark.parametrize("link", ["PID/root", "PID/cwd", "self/root", "self/fd/3"])
@pytest.mark.parametrize("opts", [["--enter=chroot"], [], ["--ro"], ["--join=pid", "--enter=chroot"]], ids=" ".join)
def test_links_of_a_procfs_lead_nowhere(bbox, link, opts):
    """A container in which the host's procfs is visible, and which puts a link in the place of ROOT."""
    @private_mounts
    def body():
        run("mount", "--rbind", "/proc", bbox / "proc")
        (bbox / "srv").symlink_to("/proc/" + link.replace("PID", str(os.getpid())))
        with container(bbox, "--unshare=pid", "--allow-host-proc") as target:
            proc = exec_in("/srv", "/bin/ls", "/", opts=[f"--target={target}", "--join=mnt", "--allow-host-proc", *opts])
            assert_fails(proc, 125, "open-root")
            assert proc.stdout == ""
    body()


@need_root
def test_session_keyring_stays_outside(bbox, payloads, unchanged_host):
    """It belongs to no namespace; who joins leaves it behind."""
    with container(bbox, *OF_HOST) as target:
        key = [payloads["session-key"], "inroot-test"]
        assert run(*key, *key) == "found\n"
        for kinds, found in ((["--join=mnt", "--join=pid"], "none"), (["--join=net"], "none"), ([], "found")):
            opts = ["--seccomp=none", *kinds, *([f"--target={target}"] if kinds else [])]
            root = "/" if "--join=mnt" in kinds else bbox
            proc = exec_in(root, "/bin/session-key", "inroot-test", opts=opts, wrapper=key)
            assert (proc.returncode, proc.stdout) == (0, found + "\n"), proc


@need_root
def test_methods_named_by_the_user(target):
    for opts, method in ((["--enter=pivot"], "pivot"), (["--enter=chroot"], "chroot"),
                         (["--pivot=stacked"], "pivot"), ([], "joined")):
        proc, records = status_of("exec", "--join=mnt", f"--target={target}", *opts, "/", "/bin/true")
        assert proc.returncode == 0, proc
        assert next(r for r in records if r["type"] == "entered")["method"] == method


@need_root
def test_root_of_the_host_and_a_foreign_user_namespace(bbox, target, own):
    """The mounts are copied into a namespace of the joined one's, where all are locked."""
    for pid in (target, own):
        with joined(bbox, "--join=user", f"--target={pid}") as (_, seen):
            assert seen["user"] == namespaces(pid)["user"]
            assert seen["mnt"] not in (HOST["mnt"], namespaces(pid)["mnt"])


@need_root
@private_mounts
def test_procfs_in_the_root(bbox, scratch):
    """One of the caller's processes is refused as ever; that of the joined pid namespace is not."""
    with container(bbox, *OF_HOST) as pid:
        opts = ["--join=pid", f"--target={pid}"]
        run("mount", "-t", "proc", "proc", bbox / "proc")
        proc = exec_in(bbox, "/bin/true", opts=opts)
        assert_fails(proc, 125, "check /proc", "the caller's own pid namespace")
        run("umount", bbox / "proc")
        run("nsenter", f"--pid=/proc/{pid}/ns/pid", "mount", "-t", "proc", "proc", bbox / "proc")
        proc = exec_in(bbox, *BUSY, "cat /proc/1/comm /proc/$$/comm; true", opts=opts)
        assert proc.returncode == 0 and proc.stdout.split() == ["sleep", "sh"], proc
        assert exec_in(bbox, "/bin/true").returncode == 0, "and it shows nobody of the caller's"


# -- who the payload is ------------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("opts,ids", [([], [0, 0]), (["--user=5"], [5, 5]), (["--user=5:6"], [5, 6])],
                         ids=str)
def test_ids(target, opts, ids):
    seen = report_in("/", *ALL, f"--target={target}", *opts)
    assert (seen["uids"], seen["gids"], seen["groups"]) == ([ids[0]] * 3, [ids[1]] * 3, [])
    assert seen["nnp"] == 1 and seen["seccomp"] == 2 and seen["dumpable"] == 1
    assert (seen["caps"]["permitted"] != 0) == (ids == [0, 0])


@need_root
def test_ids_seen_from_outside(target):
    opts = [*by_target(target, TYPES), "--user=7:8", "--groups=9,10"]
    with Running("exec", *opts, "/", "/bin/sigprint") as box:
        assert box.line() == "ready\n"
        pid = box.record("payload")["pid"]
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{RANGE + 7}\t{RANGE + 7}\t" in status and f"Gid:\t{RANGE + 8}\t" in status
        assert f"Groups:\t{RANGE + 9} {RANGE + 10} \n" in status
        helper = pathlib.Path(f"/proc/{box.proc.pid}/status").read_text()
        assert f"Uid:\t{RANGE + 7}\t" in helper and "CapPrm:\t0000000000000000\n" in helper
        box.proc.terminate()
        assert box.proc.wait(10) == 42


@need_root
def test_id_that_is_not_mapped(target):
    opts = [*ALL, f"--target={target}"]
    assert_fails(exec_in("/", "/bin/true", opts=[*opts, "--user=70000"]), 125, "--user", "is not mapped")
    assert_fails(exec_in("/", "/bin/true", opts=[*opts, "--groups=70000"]), 125, "--groups", "is not mapped")


@need_root
def test_namespace_without_0(bbox, unchanged_host):
    maps = [f"--map-users=5:{RANGE}:10", f"--map-groups=5:{RANGE}:10", "--user=5"]
    with container(bbox, "--unshare=pid,user", *maps) as pid:
        opts = ["--join=user", "--join=mnt", f"--target={pid}"]
        text = assert_fails(exec_in("/", "/bin/true", opts=opts), 125, "--user", "is not mapped")
        assert "--user=UID:GID" in text
        seen = report_in("/", *opts, "--user=6")
        assert (seen["uids"], seen["gids"], seen["caps"]["permitted"]) == ([6] * 3, [6] * 3, 0)


@need_root
@need_userns
def test_groups(own, bbox):
    """A map of one line: groups can't be cleared, and are not kept unless asked."""
    opts = ["--join=user", f"--target={own}"]
    kw = as_user(groups=[4, 5])
    text = assert_fails(exec_in(bbox, "/bin/true", opts=opts, **kw), 125)
    assert "--groups=keep" in text
    assert len(report_in(bbox, *opts, "--groups=keep", **kw)["groups"]) == 2
    assert report_in(bbox, *opts, **as_user())["groups"] == []
    assert report_in(bbox, *opts)["uids"] == [0] * 3


@need_root
def test_other_callers_are_refused(bbox, target, own):
    for pid, kw in ((target, as_user()), (own, as_user(1001, 1001))):
        text = assert_fails(exec_in("/", "/bin/true", opts=[*ALL, f"--target={pid}"], **kw), 125, "EACCES")
        assert "CAP_SYS_PTRACE" in text
    fd = os.open(f"/proc/{target}/ns/user", os.O_RDONLY)
    proc = exec_in(bbox, "/bin/true", opts=[f"--join=user:fd:{fd}"], pass_fds=[fd], **as_user())
    os.close(fd)
    assert "or as its owner" in assert_fails(proc, 125, "setns", "EPERM")


@need_root
@need_userns
def test_other_types_need_the_user_namespace(bbox, own):
    opts = ["--join=net", f"--target={own}"]
    proc = exec_in(bbox, "/bin/true", opts=opts, **as_user())
    assert "--join=user" in assert_fails(proc, 125, "setns", "EPERM")
    assert exec_in(bbox, "/bin/true", opts=[*opts, "--join=user"], **as_user()).returncode == 0


@need_userns
def test_own_user_namespace(bbox, unchanged_host):
    proc = exec_in(bbox, "/bin/true", opts=["--join=user:/proc/self/ns/user"])
    assert "already" in assert_fails(proc, 125, "setns", "EINVAL")


@need_root
@pytest.mark.parametrize("maps", [["--map-root-user"], ["--map-users=0:1000:9", "--map-groups=0:1000:9"],
                                  ["--unshare=user"]], ids=" ".join)
def test_own_user_namespace_in_a_joined_network(bbox, maps, unchanged_host):
    with container(bbox, "--unshare=net,pid") as pid:
        with joined(bbox, "--join=net", "--join=pid", f"--target={pid}", *maps) as (_, seen):
            there = namespaces(pid)
            assert (seen["net"], seen["pid"]) == (there["net"], there["pid"]) and seen["user"] != HOST["user"]


# -- descriptors -------------------------------------------------------------------------------

@need_root
def test_descriptors_of_the_payload(bbox, target):
    """Those that were consumed are closed; at 0 to 2 there is /dev/null; passed ones stay."""
    fds = [os.open(name, os.O_RDONLY) for name in ("/", bbox, "/proc/self/ns/mnt", f"/proc/{target}/ns/uts")]
    fds += [fcntl.fcntl(fds[0], fcntl.F_DUPFD, 900), os.pidfd_open(target)]
    r, w = os.pipe()
    seen = report_in("/", *ALL[:4], "--join=uts:fd:%d" % fds[3], f"--target=fd:{fds[5]}", f"--pass-fd={r}",
                     pass_fds=[*fds, r])
    assert sorted(seen["fds"], key=int) == ["0", "1", "2", str(r)]
    seen = report_in(bbox, "--join=net:fd:0", stdin=os.open(f"/proc/{target}/ns/net", os.O_RDONLY))
    assert seen["fds"]["0"]["rdev"] == [1, 3]
    seen = report_in(bbox, "--join=net", "--target=fd:0", stdin=os.pidfd_open(target))
    assert seen["fds"]["0"]["rdev"] == [1, 3]
    for fd in (*fds, r, w):
        os.close(fd)


@need_root
@pytest.mark.parametrize("opts", [ALL, ["--join=time"], ["--join=pid"]], ids=" ".join)
def test_descriptors_of_the_helper_that_stays(bbox, target, opts):
    """0 to 2, the status descriptor, sockets and the signals: nothing of the host's or the target's."""
    root = "/" if "--join=mnt" in opts else bbox
    leak = os.open("/", os.O_RDONLY)
    r, w = os.pipe()
    with Running("exec", *opts, f"--target={target}", f"--pass-fd={r}", root, "/bin/sigprint",
                 pass_fds=[leak, r]) as box:
        assert box.line() == "ready\n"
        links = {name: os.readlink(f"/proc/{box.proc.pid}/fd/{name}") for name in
                 os.listdir(f"/proc/{box.proc.pid}/fd")}
        expected_kinds = ("pipe:", "socket:", "anon_inode:[signalfd]")
        assert all(link.startswith(expected_kinds) for link in links.values()) and str(r) not in links, links
        assert os.readlink(f"/proc/{box.proc.pid}/cwd") == "/"
        uid = os.stat(f"/proc/{box.proc.pid}/environ").st_uid
        assert uid == 0, "not dumpable: its files are root's"
        box.proc.terminate()
        assert box.proc.wait(10) == 42
    for fd in (leak, r, w):
        os.close(fd)


# -- where the helper stays --------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("kind", STAYING)
def test_status_and_signals(bbox, target, kind):
    opts = [f"--join={kind}", f"--target={target}"]
    for code in (0, 1, 7, 125, 255):
        proc, records = status_of("exec", *opts, bbox, *BUSY, f"exit {code}")
        assert proc.returncode == code and records[-1] == {"type": "exit", "code": code}, (proc, records)
    assert [r["type"] for r in records] == ["mounts-ready", "entered", "payload", "exit"]
    proc, records = status_of("exec", *opts, bbox, *BUSY, "kill -9 $$")
    assert proc.returncode == 137 and records[-1] == {"type": "exit", "signal": 9}
    proc, records = status_of("exec", *opts, bbox, "/nothing")
    assert proc.returncode == 127 and [r["type"] for r in records] == ["mounts-ready", "entered", "error"]
    with Running("exec", *opts, bbox, "/bin/sigprint") as box:
        assert box.line() == "ready\n"
        for number in (1, 2, 10, 12):
            box.proc.send_signal(number)
            assert box.line() == f"{number}\n"
        box.proc.terminate()
        assert box.proc.wait(10) == 42


def sleepers():
    """Live processes of the test that are `sleep 998`."""
    found = []
    for pid in marked():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x00998\x00":
                found.append(pid)
    return found


@need_root
@pytest.mark.parametrize("kind", [*STAYING, "net"])
@pytest.mark.parametrize("user", [[], ["--user=1000"]], ids=["root", "user"])
def test_die_with_parent(bbox, target, kind, user):
    """The parent is a shell that is killed: helper and payload end too."""
    opts = [f"--join={kind}", f"--target={target}", "--die-with-parent", *user]
    command = [INROOT, "exec", *opts, bbox, "/bin/sleep", "998"]
    with subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *command]) as shell:
        alive = wait_until(sleepers)
        assert len(alive) == 1
        shell.kill()
    assert wait_until(lambda: not sleepers())
    # We are its reaper now; the pid namespace that it joined ends no sooner.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(alive[0], 0)


@need_root
def test_new_session(bbox, target):
    """With a joined pid namespace the payload is the leader, not the helper that stays."""
    seen = report_in(bbox, "--join=pid", f"--target={target}", "--new-session")
    assert seen["sid"] == seen["pid"] == seen["pgid"]


@need_root
def test_sync(bbox, target):
    """While it waits for the parent nothing of it is in the joined pid namespace, and SIGTERM ends it."""
    r, w = os.pipe()
    with Running("exec", *ALL, f"--target={target}", f"--sync-fd={r}", "/", "/bin/true", pass_fds=[r]) as box:
        assert box.record("mounts-ready")
        inside = [pid for pid in os.listdir("/proc") if pid.isdigit() and
                  namespaces_or_none(pid) == namespaces(target)["pid"]]
        assert inside == [str(target)]
        box.proc.terminate()
        assert box.proc.wait(10) == -signal.SIGTERM
    os.close(r)
    os.close(w)


def namespaces_or_none(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
