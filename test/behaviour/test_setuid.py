# SPDX-License-Identifier: MIT
"""Set-uid mode: every option of exec and unpack, for an ordinary user where user namespaces are closed.

What is not allowed is refused twice: by the parser, and, in a build whose parser lets everything pass, by who
carries the plan out.
"""
import json
import os
import pathlib
import platform
import resource
import shutil
import struct
import subprocess

import pytest

from conftest import (INROOT, MARK, REPO, Running, assert_fails, give, host_state, inroot, need_root, need_tool,
                      private_mounts, run)
from setuid_host import (GID, GROUPS, UID, become, close_user_namespaces, closed, install, lenient, listed_options, opened, setuid)  # noqa: F401
import tarball

pytestmark = need_root

ALLOW = struct.pack("=HBBI", 6, 0, 0, 0x7fff0000)  # one instruction: return SECCOMP_RET_ALLOW
CONFIG = b'{"ociVersion":"1.0.2","linux":{"namespaces":[{"type":"mount"}]}}'
HIGH = str(resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1)

# exec: option -> (values that are allowed, values that are not). None: without a value.
EXEC = {
    "--enter": (["auto", "pivot"], ["chroot", "move", "detached", "confined"]),
    "--pivot": (["stacked"], ["tmpdir"]),
    "--ro": ([None], []),
    "--overlay": ([], ["tmpfs", "UPPER:WORK"]),
    "--config": ([], ["fd:CONFIG"]),
    "--mount": ([], ["type=tmpfs,dst=/tmp", "type=bind,src=/etc,dst=/tmp"]),
    "--volume": ([], ["/etc:/tmp"]),
    "--tmpfs": ([], ["/tmp"]),
    "--device": ([], ["/dev/null"]),
    "--default-mounts": ([], [None]),
    "--mask": ([], ["/etc/passwd", "none"]),
    "--ro-path": ([], ["/etc", "none"]),
    "--mount-fds": ([], ["BYTE"]),
    "--workdir": (["/tmp", "/"], []),
    "--env": (["SEEN=yes", "SEEN"], []),
    "--clear-env": ([None], []),
    "--unset-env": (["SEEN"], []),
    "--argv0": (["name"], []),
    "--unshare": (["pid", "ipc", "uts", "net", "pid,ipc,uts,net"], ["user", "cgroup", "time", "pid,user", "net,cgroup"]),
    "--join": ([], ["net:/proc/self/ns/net", "mnt:/proc/1/ns/mnt", "user", "pid"]),
    "--target": ([], ["1"]),
    "--map-root-user": ([], [None]),
    "--map-current-user": ([], [None]),
    "--map-auto": ([], [None]),
    "--map-users": ([], ["0:1000:1"]),
    "--map-groups": ([], ["0:1000:1"]),
    "--user": ([], ["0", "0:0", "1000", "1000:0", "1001:1000", "33"]),
    "--groups": (["keep"], ["0", "27", "1000", "1234,0"]),
    "--cap-add": ([], ["sys_admin", "ALL", "chown", "dac_override", "net_bind_service"]),
    "--cap-drop": (["ALL", "chown"], []),
    "--no-new-privs": ([], ["off", "on"]),
    "--seccomp": (["default", "bpf:fd:BPF"], ["none", "./profile.json", "bpf:./program", "fd:BYTE"]),
    "--hostname": ([], ["box"]),
    "--umask": (["027"], []),
    "--rlimit": (["nofile=40", "core=0", "cpu=100:200"], [f"nofile={HIGH}", f"nofile=40:{HIGH}", "memlock=unlimited"]),
    "--sysctl": ([], ["kernel.shmmax=1", "net.ipv4.ip_forward=1", "kernel.core_pattern=x"]),
    "--init": ([None], []),
    "--die-with-parent": ([None], []),
    "--new-session": ([None], []),
    "--allow-host-proc": ([], [None]),
    "--pass-fd": (["FD"], []),
    "--status-fd": (["FD"], []),
    "--sync-fd": (["BYTE"], []),
    "--args-fd": (["ARGS"], []),
    "--dry-run": ([], [None]),
}

ENTERING = ("--enter", "--pivot", "--map-root-user", "--map-current-user", "--map-auto", "--map-users", "--map-groups")
UNPACK = {
    **{name: EXEC[name] for name in ENTERING if name != "--enter"},
    "--enter": (["auto", "pivot"], ["chroot", "move", "detached", "confined"]),
    "--directory": (["sub"], []),
    "--policy": (["data", "strict"], []),
    "--same-owner": ([None], []),
    "--no-same-owner": ([None], []),
    "--chown": (["1000:1000"], []),
    "--map-uid": (["0:1000:1"], []),
    "--map-gid": (["0:1000:1"], []),
    "--devices": (["skip", "refuse"], []),
    "--xattrs": (["none", "user.*"], []),
    "--acls": ([None], []),
    "--no-same-permissions": ([None], []),
    "--strip-components": (["0"], []),
    "--include": (["file"], []),
    "--exclude": (["other"], []),
    "--exclude-from": (["FILE"], []),
    "--existing": (["replace", "keep", "refuse"], []),
    "--no-overwrite-dir": ([None], []),
    "--max-bytes": (["1M"], []),
    "--max-entries": (["10"], []),
    "--max-depth": (["10"], []),
    "--max-ratio": (["1000"], []),
    "--ignore-zeros": ([None], []),
    "--sync": (["none", "fs"], []),
    "--progress": (["never", "always"], []),
    "--verbose": ([None], []),
    "--json": ([None], []),
    "--die-with-parent": ([None], []),
    "--status-fd": (["FD"], []),
    "--sync-fd": (["BYTE"], []),
    "--args-fd": (["ARGS"], []),
}


def cases(table, which):
    return [pytest.param(name, value, id=f"{name}={value}" if value else name)
            for name, both in table.items() for value in both[which]]


@pytest.mark.parametrize("command,table", [("exec", EXEC), ("unpack", UNPACK)])
def test_every_option_is_in_the_table(command, table):
    assert sorted(listed_options(command)) == sorted([*table, "--help"])


def test_counts(record_property):
    counts = {name: sum(len(both[which]) for both in table.values())
              for name, table, which in (("exec allowed", EXEC, 0), ("exec refused", EXEC, 1),
                                         ("unpack allowed", UNPACK, 0), ("unpack refused", UNPACK, 1))}
    print("\nset-uid matrix:", ", ".join(f"{n} {k}" for k, n in counts.items()))
    assert all(counts.values())


def word(name, value):
    return name if value is None else f"{name}={value}"


class Descriptors:
    """What FD, BYTE, ARGS and FILE stand for; and which numbers are to be passed."""

    def __init__(self, scratch):
        self.scratch, self.fds = scratch, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self.fds:
            os.close(fd)

    def pipe(self, data):
        r, w = os.pipe()
        os.write(w, data)
        os.close(w)
        self.fds.append(r)
        return r

    def of(self, value):
        if value == "FD":
            self.fds.append(os.open("/dev/null", os.O_WRONLY))
            return str(self.fds[-1])
        if value == "BYTE":
            return str(self.pipe(b"x"))
        if value == "ARGS":
            return str(self.pipe(b"--die-with-parent\0"))
        if value and value.startswith(("bpf:fd:", "fd:")):
            form, _, what = value.rpartition(":")
            return f"{form}:{self.pipe({'BPF': ALLOW, 'CONFIG': CONFIG}.get(what, b'{}'))}"
        if value == "FILE":
            (self.scratch / "patterns").write_text("other\n")
            return str(self.scratch / "patterns")
        return value


# -- what is allowed works ---------------------------------------------------------------------

def is_his(seen):
    """The caller, and nothing more."""
    assert seen["uids"] == [UID] * 3 and seen["gids"] == [GID] * 3
    assert sorted(seen["groups"]) == sorted(GROUPS)
    assert all(v == 0 for v in seen["caps"].values()), seen["caps"]
    assert (seen["nnp"], seen["seccomp"], seen["dumpable"]) == (1, 2, 1)
    assert seen["setgroups"] == 1  # EPERM


def namespaces_of(pid="self"):
    return {n: os.stat(f"/proc/{pid}/ns/{n}").st_ino for n in os.listdir(f"/proc/{pid}/ns")}


def effect(name, value, seen, proc):
    """That the option did what it says, as far as a payload sees it."""
    if name == "--workdir":
        assert seen["cwd"] == value
    if name == "--argv0":
        assert seen["argv"][0] == value
    if name == "--env":
        assert f"SEEN={'yes' if '=' in value else 'callers'}" in seen["environ"]
    if name == "--clear-env":
        assert seen["environ"] == []
    if name == "--unset-env":
        assert not [v for v in seen["environ"] if v.startswith("SEEN=")]
    if name == "--umask":
        assert seen["umask"] == 0o27
    if name == "--rlimit":
        which, _, limits = value.partition("=")
        soft, _, hard = limits.partition(":")
        assert seen["rlimits"][which] == [int(soft), int(hard or soft)]
    if name == "--init":
        assert seen["ppid"] == 1
    if name == "--unshare" and "pid" in value:
        assert seen["pid"] == 1
    if name == "--new-session":
        assert seen["sid"] == seen["pid"]


@pytest.mark.parametrize("name,value", cases(EXEC, 0))
def test_exec_allows(setuid, bbox, scratch, name, value, unchanged_host):
    with Descriptors(scratch) as d:
        opts = [word(name, d.of(value))]
        proc = inroot("exec", *opts, bbox, "/bin/report", program=setuid, pass_fds=d.fds,
                      env={"SEEN": "callers", MARK: os.environ[MARK]}, **closed())
    assert proc.returncode == 0, proc
    seen = json.loads(proc.stdout)
    is_his(seen)
    effect(name, value, seen, proc)
    assert seen["root"][1] == os.stat(bbox).st_ino


def test_programs_of_his_own_come_on_top(setuid, bbox, scratch, unchanged_host):
    """One that allows all does not open what the default filter closes; one that denies mkdir() is obeyed."""
    load_number, deny = struct.pack("=HBBI", 0x20, 0, 0, 0), struct.pack("=HBBI", 6, 0, 0, 0x00050000 | 28)
    program = load_number + struct.pack("=HBBI", 0x15, 0, 1, 83) + deny + ALLOW  # mkdir
    for code, expected in ((program, 1), (ALLOW, 0)):
        with Descriptors(scratch) as d:
            fd = d.pipe(code)
            proc = inroot("exec", f"--seccomp=bpf:fd:{fd}", bbox, "/bin/sh", "-c",
                          "unshare -U true 2>/tmp/o && echo UNSHARED; mkdir /tmp/made 2>/tmp/o; echo $?",
                          program=setuid, pass_fds=d.fds, **opened())
        assert proc.returncode == 0 and "UNSHARED" not in proc.stdout, proc
        if platform.machine() == "x86_64":
            assert proc.stdout == f"{expected}\n", proc


@pytest.mark.parametrize("opts", [[], ["--init"], ["--unshare=pid"]], ids=" ".join)
def test_read_only_means_it(setuid, bbox, opts):
    before = host_state(give(bbox))
    script = "touch /new 2>/dev/null && echo WROTE; echo done"
    proc = inroot("exec", "--ro", *opts, bbox, "/bin/sh", "-c", script, program=setuid, **closed())
    assert (proc.returncode, proc.stdout) == (0, "done\n"), proc
    before.check()


@pytest.mark.parametrize("kind,flag", [("ipc", "ipc"), ("uts", "uts"), ("net", "net"), ("pid", "pid")])
def test_namespaces_are_new(setuid, bbox, kind, flag, unchanged_host):
    with Running("exec", f"--unshare={flag}", bbox, "/bin/sh", "-c", "echo up; read x", program=setuid, **closed()) as r:
        assert r.line() == "up\n"
        record = r.record("payload") if flag == "pid" else None
        pid = record["pid"] if record else r.proc.pid
        assert namespaces_of(pid)[kind] != namespaces_of()[kind]
        assert namespaces_of(pid)["mnt"] != namespaces_of()["mnt"]
        r.proc.stdin.write(b"\n")
        r.proc.stdin.close()
        assert r.proc.wait(10) == 0


def test_mounts_are_nosuid_and_nodev(setuid, bbox):
    """Submounts too; as the kernel says it from outside."""
    (bbox / "mnt/sub").mkdir()

    @private_mounts
    def body():
        run("mount", "-t", "tmpfs", "tmpfs", bbox / "mnt")
        (bbox / "mnt/sub").mkdir()
        run("mount", "-t", "tmpfs", "-o", "suid,dev", "tmpfs", bbox / "mnt/sub")
        with Running("exec", bbox, "/bin/sh", "-c", "echo up; read x", program=setuid, **opened()) as r:
            assert r.line() == "up\n"
            lines = pathlib.Path(f"/proc/{r.proc.pid}/mountinfo").read_text().splitlines()
        assert len(lines) == 3
        for line in lines:
            assert {"nosuid", "nodev"} <= set(line.split()[5].split(",")), line
            assert "shared:" not in line and "master:" not in line
    body()


@pytest.mark.parametrize("name,value", cases(UNPACK, 0))
def test_unpack_allows(setuid, scratch, name, value):
    root = scratch / "root"
    root.mkdir()
    if name == "--directory":
        (root / "sub").mkdir()
    give(root)
    data = archive_bytes("gzip" if name in ("--enter", "--max-ratio", "--die-with-parent") else "plain")
    with Descriptors(scratch) as d:
        opts = [word(name, d.of(value))]
        if name in ("--same-owner", "--map-uid", "--map-gid"):
            opts += ["--map-uid=0:1000:1"] * (name != "--map-uid") + ["--map-gid=0:1000:1"] * (name != "--map-gid")
        before = host_state(root)
        proc = inroot("unpack", *opts, root, program=setuid, input=data, stdin=None, text=False, pass_fds=d.fds, **closed())
        before.check(listing=False)
    assert proc.returncode == 0, proc
    base = root / "sub" if name == "--directory" else root
    assert (base / "file").read_bytes() == b"text\n"
    st = os.stat(base / "file")
    assert (st.st_uid, st.st_gid, st.st_mode & 0o6000) == (UID, GID, 0)


def archive_bytes(packed):
    data = tarball.tar([tarball.directory("sub", mode=0o755), tarball.file("file", b"text\n", mode=0o755)])
    return tarball.gzip(data) if packed == "gzip" else data


# -- what is not is refused, twice -------------------------------------------------------------

def refused(program, command, name, value, root, scratch, stage):
    before = host_state(root)
    words = ["/bin/echo", "RAN"] if command == "exec" else []
    with Descriptors(scratch) as d:
        proc = inroot(command, word(name, d.of(value)), root, *words, program=program, pass_fds=d.fds, **closed())
    assert "RAN" not in proc.stdout
    assert proc.returncode == (125 if command == "exec" or stage != "usage" else 2), proc
    line = proc.stderr.splitlines()[0]
    assert "not in set-uid mode (EPERM)" in line and f": {stage}: " in line, line
    before.check()


@pytest.mark.parametrize("name,value", cases(EXEC, 1))
def test_exec_refuses(setuid, bbox, scratch, name, value):
    refused(setuid, "exec", name, value, bbox, scratch, "usage")


@pytest.mark.parametrize("name,value", cases(UNPACK, 1))
def test_unpack_refuses(setuid, bbox, scratch, name, value):
    refused(setuid, "unpack", name, value, bbox, scratch, "usage")


@pytest.mark.parametrize("name,value", [c for c in cases(EXEC, 1) if c.values != ("--no-new-privs", "on")])
def test_executor_refuses_exec(lenient, bbox, scratch, name, value):
    """`--no-new-privs=on` leaves a plan like any other."""
    refused(lenient, "exec", name, value, bbox, scratch, "set-uid")


@pytest.mark.parametrize("name,value", cases(UNPACK, 1))
def test_executor_refuses_unpack(lenient, bbox, scratch, name, value):
    refused(lenient, "unpack", name, value, bbox, scratch, "set-uid")


@pytest.mark.parametrize("words,code", [(["features"], 2), (["features", "--json"], 2), (["nonsense"], 2), ([], 2)],
                         ids=lambda w: " ".join(w) if isinstance(w, list) else "")
def test_other_commands(setuid, words, code):
    proc = inroot(*words, program=setuid, **closed())
    assert proc.returncode == code and proc.stdout == "", proc


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["exec", "--help"], ["unpack", "--help"]], ids=" ".join)
def test_help_is_for_everybody(setuid, words):
    proc = inroot(*words, program=setuid, **closed())
    assert proc.returncode == 0 and proc.stderr == "" and proc.stdout


@pytest.mark.parametrize("packer", ["xz", "bzip2"])
def test_no_other_program_unpacks(setuid, scratch, packer):
    if not shutil.which(packer):
        pytest.skip(f"needs {packer}")
    root = scratch / "root"
    root.mkdir()
    give(root)
    data = subprocess.run([packer, "-c"], input=archive_bytes("plain"), capture_output=True, check=True).stdout
    proc = inroot("unpack", root, program=setuid, input=data, stdin=None, text=False, **closed())
    assert proc.returncode == 125 and b"not in set-uid mode" in proc.stderr, proc
    assert os.listdir(root) == []


# -- where it refuses to run -------------------------------------------------------------------

@pytest.mark.parametrize("mode,uid,gid", [(0o4755, 33, 0), (0o2755, 0, 4), (0o6755, 0, 4), (0o4775, 0, 4), (0o4757, 0, 0)],
                         ids=["owner", "setgid", "both", "group-writable", "world-writable"])
def test_refuses_to_run(bbox, mode, uid, gid):
    copy = install(INROOT, mode=mode, uid=uid, gid=gid)
    try:
        proc = inroot("exec", bbox, "/bin/echo", "RAN", program=copy, **opened())
        assert_fails(proc, 125, "EPERM")
    finally:
        shutil.rmtree(copy.parent)


@need_tool("setcap")
def test_file_capabilities_are_refused(bbox):
    copy = install(INROOT, mode=0o755)
    try:
        run("setcap", "cap_sys_admin=ep", copy)
        assert_fails(inroot("exec", bbox, "/bin/echo", "RAN", program=copy, **opened()), 125, "EPERM")
    finally:
        shutil.rmtree(copy.parent)


def test_root_keeps_all_options(setuid, bbox, unchanged_host):
    proc = inroot("exec", "--user=33", "--overlay=tmpfs", bbox, "/bin/id", "-u", program=setuid)
    assert (proc.returncode, proc.stdout) == (0, "33\n"), proc


def test_no_new_privs_makes_it_an_ordinary_one(setuid, bbox):
    """The kernel ignores the bit then; so user namespaces have to do, and here there are none."""
    wrapper = ["setpriv", "--no-new-privs"]
    proc = inroot("exec", bbox, "/bin/echo", "RAN", program=setuid, wrapper=wrapper, **closed(groups=[]))
    assert_fails(proc, 125, "unshare")


@pytest.mark.parametrize("ids", ["0 0 65536", "0 0 4294967294", "0 0 1000\n1000 1000 1"])
def test_refuses_a_user_namespace_of_less_than_all_ids(setuid, bbox, ids):
    """Root's own namespace with 0 on 0: the set-uid bit works there, and 0 is the host's; but not all ids are."""
    def prepare():
        close_user_namespaces(ids)
        become(groups=[])

    proc = inroot("exec", bbox, "/bin/echo", "RAN", program=setuid, preexec_fn=prepare)
    assert_fails(proc, 125, "user namespace")


# -- installing --------------------------------------------------------------------------------

@need_tool("make")
def test_install_setuid(scratch):
    if not (REPO / "inroot").exists():
        pytest.skip("needs ./inroot")
    (scratch / "etc/apparmor.d").mkdir(parents=True)
    make = ["make", "-C", REPO, "-o", "inroot", f"DESTDIR={scratch}", "PREFIX=/usr"]
    proc = subprocess.run([*make, "install-setuid"], capture_output=True, text=True, timeout=60)
    assert proc.returncode != 0 and "GROUP=" in proc.stderr
    assert os.stat(scratch / "usr/bin/inroot").st_mode & 0o7777 == 0o755
    proc = subprocess.run([*make, "install-setuid", "GROUP=games"], capture_output=True, text=True, timeout=60)
    assert proc.returncode == 0, proc.stderr
    st = os.stat(scratch / "usr/bin/inroot")
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o4750, 0, 60)
    profile = (scratch / "etc/apparmor.d/inroot").read_text()
    assert "profile inroot /usr/bin/inroot flags=(unconfined)" in profile and "userns," in profile
    proc = subprocess.run([*make, "uninstall"], capture_output=True, text=True, timeout=60)
    assert proc.returncode == 0
    assert [p for p in scratch.rglob("*") if p.is_file() or p.is_symlink()] == []
