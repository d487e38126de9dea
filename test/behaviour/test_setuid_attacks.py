# SPDX-License-Identifier: MIT
"""What an ordinary user can hand to a set-uid helper, where user namespaces are closed to him.

Each attack looks at the host afterwards.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import resource
import shutil
import socket
import stat
import subprocess
import threading

import pytest

import tarball
from conftest import (MARK, SANITIZED, Running, give, host_state, inroot, libc, need_root, private_mounts, run)
from many_runs import say  # noqa: F401
from setuid_host import (GID, UID, as_him, binary_is_whole, closed, install, opened, secret, setuid,  # noqa: F401
                         tells_nothing)

pytestmark = need_root


# -- what he hands over ------------------------------------------------------------------------

LIMITS = ["AS", "CORE", "DATA", "FSIZE", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RTPRIO", "SIGPENDING", "STACK"]


@pytest.mark.parametrize("value", [0, 1, 4, 4096])
@pytest.mark.parametrize("name", LIMITS)
def test_limits(setuid, bbox, name, value, secret, unchanged_host):
    """Where it can't work it says so, or dies of it; it never does half of it."""
    number = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    proc = as_him(setuid, "exec", "--init", bbox, "/bin/report", also=lambda: resource.setrlimit(number, (value, value)))
    if proc.returncode != 0:
        assert "uids" not in proc.stdout, proc
        return
    seen = json.loads(proc.stdout)
    assert seen["uids"] == [UID] * 3 and not any(seen["caps"].values())
    soft = 0 if SANITIZED and name == "CORE" else value  # those builds dump no core
    assert seen["rlimits"][name.lower()] == [soft, value]


@pytest.mark.parametrize("which", ["".join(w) for n in (1, 2, 3) for w in itertools.combinations("012", n)])
def test_closed_standard_descriptors(setuid, bbox, secret, scratch, which, unchanged_host):
    """No file that is opened lands on one of them, and no message in a file."""
    def close():
        for n in which:
            os.close(int(n))
    proc = subprocess.run([setuid, "exec", bbox, "/bin/nothing"], timeout=20, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **closed(close))
    assert proc.returncode == 127, proc
    tells_nothing(proc)


UNREADABLE = ["secret", "closed/secret", "/etc/shadow", "/proc/1/environ", "/proc/1/maps", "/proc/1/mem", "/proc/sys/kernel/cad_pid",
              "/proc/sys/net/core/bpf_jit_harden", "/proc/kpagecount", "/dev/mem", "/proc/kcore"]


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("how", ["archive", "exclude-from"])
def test_files_he_may_not_read(setuid, scratch, secret, name, how):
    path = pathlib.Path(name) if name.startswith("/") else scratch / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    root = scratch / "root"
    root.mkdir()
    give(root)
    words = [root, path] if how == "archive" else [f"--exclude-from={path}", root, "-"]
    proc = as_him(setuid, "unpack", *words)
    assert proc.returncode in (2, 125) and "Permission denied" in proc.stderr or "EPERM" in proc.stderr, proc
    tells_nothing(proc)
    assert os.listdir(root) == []


@pytest.mark.parametrize("option", ["--args-fd", "--status-fd", "--sync-fd", "--pass-fd", "root", "archive"])
@pytest.mark.parametrize("flags", [os.O_PATH, os.O_RDONLY], ids=["path", "read-only"])
def test_descriptors_he_may_not_use(setuid, bbox, scratch, secret, option, flags):
    """O_PATH of root's own file, which anybody can open; or one for reading that he was given, onto which he has it write."""
    before = host_state(bbox)
    fd = os.open(secret, flags)
    root = scratch / "root"
    root.mkdir()
    give(root)
    try:
        if option == "archive":
            words = ["unpack", root, f"fd:{fd}"]
        elif option == "root":
            words = ["exec", f"fd:{fd}", "/bin/echo", "RAN"]
        else:
            words = ["exec", f"{option}={fd}", bbox, "/bin/echo", "RAN"]
        proc = as_him(setuid, *words, pass_fds=[fd])
    finally:
        os.close(fd)
    allowed = option in ("--pass-fd",) or (option == "--sync-fd" and flags == os.O_RDONLY)
    if option == "--status-fd":
        assert proc.returncode in (0, 125)
    elif not allowed:
        assert proc.returncode != 0 and "RAN" not in proc.stdout, proc
    if flags == os.O_PATH:
        tells_nothing(proc)
    before.check()


@pytest.mark.parametrize("where", ["closed", "closed/sub", "/root", "/proc/1/root", "/proc/1/cwd", "fd"])
def test_roots_he_may_not_enter(setuid, scratch, secret, where):
    fds = []
    if where == "fd":
        fds = [os.open(scratch / "closed", os.O_PATH | os.O_DIRECTORY)]
    root = f"fd:{fds[0]}" if fds else where if where.startswith("/") else scratch / where
    proc = as_him(setuid, "exec", root, "/secret", pass_fds=fds)
    for fd in fds:
        os.close(fd)
    assert proc.returncode == 125 and "EACCES" in proc.stderr, proc
    tells_nothing(proc)


def test_root_is_the_hosts(setuid, unchanged_host):
    """"/" shows the host's processes."""
    proc = as_him(setuid, "exec", "/", "/bin/echo", "RAN")
    assert proc.returncode == 125 and "check /proc" in proc.stderr and proc.stdout == "", proc


@pytest.mark.parametrize("target", ["secret", "/etc/shadow"])
def test_messages_go_nowhere_he_may_not_write(setuid, bbox, scratch, secret, target):
    """Standard error is what he opened: for reading only, for a file of root's."""
    path = pathlib.Path(target) if target.startswith("/") else scratch / target
    before = path.read_bytes()
    with open(path, "rb") as file:
        proc = subprocess.run([setuid, "exec", bbox, "/bin/nothing"], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                              timeout=20, **closed())
    assert proc.returncode == 127 and path.read_bytes() == before


def test_messages_to_his_socket_carry_his_ids(setuid, bbox, secret):
    """Who listens on the other side may trust the sender's ids: they must not be root's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    proc = subprocess.run([setuid, "exec", "--nonsense", bbox], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                          timeout=20, **closed())
    theirs.close()
    data, control, _, _ = ours.recvmsg(4096, 256)
    ours.close()
    assert proc.returncode == 125 and b"unknown option" in data
    creds = [c[2] for c in control if c[1] == 2]  # SCM_CREDENTIALS
    assert creds and int.from_bytes(creds[0][4:8], "little") == UID


# -- roots that change -------------------------------------------------------------------------

def test_root_replaced_while_it_waits(setuid, bbox, scratch, secret):
    """At mounts-ready, the last moment: what was opened is what is entered."""
    home = scratch / "home"
    home.mkdir()
    shutil.move(bbox, home / "root")
    give(home)
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", home / "root", "/bin/cat", "/etc/inside", "/secret", program=setuid, pass_fds=[r],
                 **closed()) as running:
        os.close(r)
        assert running.record("mounts-ready")
        (home / "root").rename(home / "old")
        (home / "root").symlink_to(scratch / "closed")
        os.write(w, b"x")
        os.close(w)
        assert running.line() == "inside\n"
        assert running.proc.wait(10) == 1  # no /secret there
    (home / "root").unlink()
    shutil.move(home / "old", bbox)


def test_root_exchanged_in_a_loop(setuid, payloads, bbox, scratch, secret, say):
    """RENAME_EXCHANGE of ROOT with a link to a place of root's: it is either, and never more than he may."""
    home = scratch / "home"
    (home / "link").mkdir(parents=True)
    (home / "link").rmdir()
    (home / "link").symlink_to(scratch / "closed")
    shutil.copytree(bbox, home / "root", symlinks=True)
    give(home)
    end, swaps = threading.Event(), [0]

    def swap():
        a, b = os.fsencode(home / "root"), os.fsencode(home / "link")
        while not end.is_set():
            libc.renameat2(-100, a, -100, b, 2)
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    before, codes = host_state(scratch), []
    thread.start()
    try:
        for _ in range(60):
            proc = as_him(setuid, "exec", home / "root", "/bin/cat", "/etc/inside")
            codes.append(proc.returncode)
            assert (proc.returncode == 0) == (proc.stdout == "inside\n"), proc
            assert proc.returncode in (0, 125), proc
            tells_nothing(proc)
    finally:
        end.set()
        thread.join()
    before.check()
    say(f"{swaps[0]} swaps during {len(codes)} starts, {codes.count(0)} ran")


def test_propagation(setuid, bbox, secret):
    """A shared parent: what the host mounts later does not arrive, and nothing of ours leaves."""
    @private_mounts
    def body():
        run("mount", "-t", "tmpfs", "tmpfs", bbox / "mnt")
        run("mount", "--make-rshared", bbox / "mnt")
        (bbox / "mnt/late").mkdir()
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        with Running("exec", "--unshare=pid", bbox, "/bin/sh", "-c", "echo up; read x; ls /mnt/late", program=setuid, **opened()) as r:
            assert r.line() == "up\n"
            assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
            run("mount", "-t", "tmpfs", "tmpfs", bbox / "mnt/late")
            (bbox / "mnt/late/arrived").touch()
            r.proc.stdin.write(b"\n")
            r.proc.stdin.close()
            assert r.proc.wait(10) == 0 and r.proc.stdout.read() == b""
    body()


# -- what lies in the root ---------------------------------------------------------------------

@pytest.mark.parametrize("how", ["setuid", "setgid", "capability"])
def test_privileged_programs_in_the_root(setuid, bbox, how, secret):
    program = bbox / "bin/report"
    if how == "capability":
        if not shutil.which("setcap"):
            pytest.skip("needs setcap")
        run("setcap", "cap_sys_admin,cap_setuid=ep", program)
    else:
        program.chmod(0o4755 if how == "setuid" else 0o2755)
    proc = as_him(setuid, "exec", bbox, "/bin/report")
    seen = json.loads(proc.stdout)
    assert seen["uids"] == [UID] * 3 and seen["gids"] == [GID] * 3 and not any(seen["caps"].values())


@pytest.mark.parametrize("kind,major,minor", [("c", 1, 3), ("c", 1, 1), ("b", 7, 0), ("b", 8, 0), ("c", 10, 229)])
def test_devices_in_the_root(setuid, bbox, kind, major, minor, secret):
    run("mknod", "-m", "666", bbox / "dev/node", kind, major, minor)
    proc = as_him(setuid, "exec", bbox, "/bin/sh", "-c", "cat /dev/node; echo $?")
    assert proc.stdout == "1\n" and "Permission denied" in proc.stderr, proc


@pytest.mark.parametrize("script", [
    "mount -t tmpfs tmpfs /mnt", "umount /", "chroot / true", "mknod /tmp/n c 1 3", "hostname other", "ip link set lo down",
    "unshare -m true", "unshare -U true", "chown 0:0 /tmp/mine", "sysctl -w kernel.hostname=x",
    "kill -9 1", "nsenter -t 1 -m true",
])
def test_payload_may_not(setuid, bbox, script, secret, unchanged_host):
    """In namespaces of the host's own user namespace, with an id, and no capability in them."""
    before = (socket.gethostname(), pathlib.Path("/proc/sys/kernel/hostname").read_text())
    prepare = "touch /tmp/mine; "
    proc = as_him(setuid, "exec", "--unshare=net,uts,ipc", bbox, "/bin/sh", "-c", f"{prepare}{script} 2>/dev/null && echo DONE; echo end")
    assert proc.stdout == "end\n", proc
    assert (socket.gethostname(), pathlib.Path("/proc/sys/kernel/hostname").read_text()) == before


def test_directory_of_roots_in_the_root(setuid, bbox, secret):
    """--workdir is made, and entered, with his rights."""
    (bbox / "root").chmod(0o700)
    for dir_ in ("/root", "/root/new", "/etc/new"):
        proc = as_him(setuid, "exec", f"--workdir={dir_}", bbox, "/bin/echo", "RAN")
        assert proc.returncode == 125 and "EACCES" in proc.stderr and proc.stdout == "", proc
    assert os.listdir(bbox / "root") == [] and not (bbox / "etc/new").exists()


def test_procfs_in_the_root(setuid, bbox, secret):
    @private_mounts
    def body():
        run("mount", "-t", "proc", "proc", bbox / "proc")
        proc = inroot("exec", bbox, "/bin/echo", "RAN", program=setuid, **opened())
        assert proc.returncode == 125 and "check /proc" in proc.stderr and proc.stdout == "", proc
    body()


@pytest.mark.parametrize("entry,policy,code", [
    (tarball.file("etc/inside", b"changed\n"), "data", 125),
    (tarball.file("etc/new", b"new\n"), "data", 125),
    (tarball.file("tmp/suid", b"x\n", mode=0o4755, uid=0, gid=0), "layer", 125),
    (tarball.char("tmp/null", 1, 3), "layer", 125),
    (tarball.sym("tmp/link", "../root/x"), "data", 0),
], ids=["replace", "create", "owner", "device", "link"])
def test_extraction_is_his(setuid, bbox, scratch, secret, entry, policy, code):
    proc = inroot("unpack", f"--policy={policy}", bbox, program=setuid, input=tarball.tar([entry]), stdin=None, text=False, **closed())
    assert proc.returncode == code, proc
    assert (bbox / "etc/inside").read_text() == "inside\n" and not (bbox / "etc/new").exists()
    for path in (bbox / "tmp").iterdir():
        st = os.lstat(path)
        assert (st.st_uid, st.st_mode & 0o6000 if stat.S_ISREG(st.st_mode) else 0) == (UID, 0) and not stat.S_ISCHR(st.st_mode)


# -- the program's own name, and its surroundings ----------------------------------------------

@pytest.mark.parametrize("how", ["symlink", "hard-link", "argv0", "moved-while-running"])
def test_names_of_the_binary(setuid, bbox, scratch, secret, how, unchanged_host):
    """Its path means nothing to it."""
    copy = install(setuid, mode=0o4750, gid=GID)
    evil = copy.parent / "evil"
    evil.mkdir()
    give(evil)
    try:
        program, argv0 = copy, None
        if how == "symlink":
            program = evil / "exec-in-root"
            program.symlink_to(copy)
            proc = as_him(program, bbox, "/bin/id", "-u")
        elif how == "hard-link":
            program = evil / "helper"
            os.link(copy, program)
            proc = as_him(program, "exec", bbox, "/bin/id", "-u")
        elif how == "argv0":
            argv0 = "/proc/self/fd/9/exec-in-root"
            proc = subprocess.run([argv0, bbox, "/bin/id", "-u"], executable=copy, capture_output=True, text=True, timeout=20, **closed())
        else:
            r, w = os.pipe()
            with Running("exec", f"--sync-fd={r}", bbox, "/bin/id", "-u", program=copy, pass_fds=[r], **closed()) as running:
                os.close(r)
                running.record("mounts-ready")
                copy.rename(evil / "gone")
                os.write(w, b"x")
                os.close(w)
                assert running.line() == f"{UID}\n" and running.proc.wait(10) == 0
            return
        assert (proc.returncode, proc.stdout) == (0, f"{UID}\n"), proc
    finally:
        shutil.rmtree(copy.parent)


def test_environment_means_nothing(setuid, bbox, scratch, secret, unchanged_host):
    trap = scratch / "trap.so"
    trap.write_bytes(b"not an ELF file")
    names = ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "MUSL_LOCPATH", "NLSPATH", "LOCPATH", "TZ", "TMPDIR", "INROOT_ROOT"]
    env = {name: str(trap) for name in names} | {MARK: os.environ[MARK], "PATH": str(scratch)}
    proc = as_him(setuid, "exec", "--clear-env", bbox, "/bin/report", env=env)
    assert proc.returncode == 0 and json.loads(proc.stdout)["environ"] == []


def test_traced_by_its_caller_it_is_not_set_uid(setuid, bbox):
    """The kernel's rule; and then there is no user namespace for him here."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    proc = as_him(setuid, "exec", bbox, "/bin/echo", "RAN", wrapper=["strace", "-f", "-o", "/dev/null"])
    assert proc.returncode == 125 and proc.stdout == "", proc


def test_hidden_processes(setuid, bbox):
    """hidepid=2: a process sees itself still."""
    remount = "mount -o remount,hidepid=2 /proc"
    if subprocess.run(["unshare", "-mpf", "--mount-proc", "sh", "-c", remount], timeout=20).returncode != 0:
        pytest.skip("needs hidepid")
    proc = in_mounts(f"{remount} && exec {HIM} {setuid} exec --init {bbox} /bin/id -u", "-pf", "--mount-proc")
    assert (proc.returncode, proc.stdout) == (0, f"{UID}\n"), proc


HIM = f"setpriv --reuid={UID} --regid={GID} --clear-groups"


def in_mounts(script, *opts):
    return subprocess.run(["unshare", "-m", *opts, "sh", "-c", script], capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("how,error", [
    ("mount -t tmpfs tmpfs /proc", "/proc"),
    ("mount -t tmpfs tmpfs /proc && mkdir /proc/self && echo '0 0 4294967295' | tee /proc/self/uid_map > /proc/self/gid_map", "/proc"),
    ("mount --bind /proc/1/uid_map /proc/$$/uid_map", "EXDEV"),
    ("mount --bind INSIDE /proc/$$/gid_map", "EXDEV"),
    ("mount --bind /proc/sys /proc", "/proc"),
], ids=["none", "tmpfs", "file-of-another", "own-file", "part-of-it"])
def test_faked_proc(setuid, bbox, how, error):
    """Whether it is in a user namespace is asked of a true /proc, or it does not run."""
    script = how.replace("INSIDE", str(bbox / "etc/inside"))
    proc = in_mounts(f"{script} && exec {HIM} {setuid} exec {bbox} /bin/echo RAN")
    assert proc.returncode == 125 and proc.stdout == "" and error in proc.stderr, proc


# -- file systems of his own -------------------------------------------------------------------

class Fuse:
    """A file system of the user's, of which only the first word is answered."""

    def __init__(self, point, options=""):
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        text = f"fd={self.fd},rootmode=40000,user_id={UID},group_id={GID}{options}"
        if libc.mount(b"inroot-test", os.fsencode(point), b"fuse", 0, text.encode()) != 0:
            number = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(number, os.strerror(number))
        header = os.read(self.fd, 1 << 17)
        unique = header[8:16]
        body = (7).to_bytes(4, "little") + (31).to_bytes(4, "little") + bytes(56)
        os.write(self.fd, (16 + len(body)).to_bytes(4, "little") + bytes(4) + unique + body)

    def close(self):
        os.close(self.fd)


def fuse_or_skip():
    if not os.path.exists("/dev/fuse"):
        pytest.skip("needs /dev/fuse")


@pytest.mark.parametrize("options,hangs", [("", False), (",allow_other", True)], ids=["his", "of-everybody"])
def test_fuse_as_root(setuid, scratch, secret, options, hangs):
    """The helper gets no answer for him; where the server keeps it waiting it can be killed, and nothing is left."""
    fuse_or_skip()
    (scratch / "fuse").mkdir()

    @private_mounts
    def body():
        server = Fuse(scratch / "fuse", options)
        proc = subprocess.Popen([setuid, "exec", scratch / "fuse", "/bin/true"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **opened())
        if hangs:
            with pytest.raises(subprocess.TimeoutExpired):
                proc.communicate(timeout=1)
            proc.kill()
        out, err = proc.communicate(timeout=10)
        server.close()
        run("umount", "-l", scratch / "fuse")
        assert out == "" and (hangs or (proc.returncode == 125 and "EACCES" in err)), (proc.returncode, err)
    body()


@pytest.mark.parametrize("kind", ["fifo", "socket", "file", "device", "missing", "deleted", "loop", "long"])
def test_what_is_no_root(setuid, scratch, secret, kind):
    place, kw = scratch / "thing", {}
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(place))
    elif kind == "file":
        place.touch()
    elif kind == "device":
        place = pathlib.Path("/dev/null")
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "long":
        place = "/" + "a/" * 3000
    elif kind == "deleted":
        place.mkdir()
        give(place)
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        place.rmdir()
        place, kw = f"fd:{fd}", {"pass_fds": [fd]}
    before = host_state(scratch)
    proc = as_him(setuid, "exec", place, "/bin/true", **kw)
    assert proc.returncode in (125, 127) and proc.stdout == "", proc
    before.check()
