# SPDX-License-Identifier: MIT
"""Ways out of the root, tried by hostile payloads, in every method that exec has.

Each payload also runs once where nothing holds it, so that a test which finds nothing is known to
have looked.
"""
import array
import ctypes
import fcntl
import hashlib
import os
import pathlib
import pty
import shutil
import subprocess
import termios
import tty

import pytest

from conftest import (INROOT, ROOT_CALLER, Running, as_user, assert_fails, exec_in, host_state, inroot, libc,
                      make_bbox, marked, need_root, need_static, need_userns, ordinary, private_mounts, report_in, run, wait_until)

# name: (options, is it an ordinary user in a user namespace)
WAYS = {
    "tmpdir": (["--pivot=tmpdir"], False),
    "stacked": (["--pivot=stacked"], False),
    "chroot": (["--enter=chroot"], False),
    "move": (["--enter=move"], False),
    "user": ([], True),
    "tmpdir-pid": (["--pivot=tmpdir", "--unshare=pid"], False),
    "stacked-init": (["--pivot=stacked", "--unshare=pid", "--init"], False),
    "chroot-init": (["--enter=chroot", "--unshare=pid", "--init"], False),
    "user-init": (["--unshare=pid", "--init"], True),
}
STAYING = [name for name in WAYS if name.endswith(("-pid", "-init"))]
FSOPEN, FSCONFIG, FSMOUNT, MOVE_MOUNT = 430, 431, 432, 429
CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000


class Way:
    """One method: its options, and who calls."""

    def __init__(self, name):
        self.opts, self.user = WAYS[name]
        self.who = ordinary() if self.user else {}


def ways(*names):
    marks = {name: need_userns if user else need_root for name, (_, user) in WAYS.items()}
    return pytest.mark.parametrize("way", [pytest.param(Way(n), id=n, marks=marks[n])
                                           for n in names or WAYS])


def apart(test):
    """In a mount namespace of its own, where that can be had."""
    return private_mounts(test) if ROOT_CALLER else test


def attempts(proc, code=0):
    """(reached, refused) of a payload that tried all it knows."""
    lines = proc.stdout.splitlines()
    assert proc.returncode == code and lines and lines[-1] == "end", proc
    return ([line.split()[1] for line in lines if line.startswith("REACHED ")],
            [line.split()[1] for line in lines if line.startswith("refused ")])


def nothing_reached(proc, least):
    reached, refused = attempts(proc)
    assert not reached, proc.stdout
    assert len(refused) >= least


def unheld(*command, **kw):
    """The payload where nothing holds it."""
    return attempts(subprocess.run([str(word) for word in command], capture_output=True, text=True,
                                   timeout=20, **kw))[0]


@pytest.fixture
def secret(scratch):
    (scratch / "secret").write_text("secret\n")
    return scratch / "secret"


@pytest.fixture
def leaked(scratch):
    """Descriptors of directories outside, which the caller forgot to close."""
    fds = [os.open(name, flags) for name in ("/", scratch)
           for flags in (os.O_RDONLY | os.O_DIRECTORY, os.O_PATH)]
    high = fcntl.fcntl(fds[0], fcntl.F_DUPFD, 900)
    yield [*fds, high]
    for fd in (*fds, high):
        os.close(fd)


# -- climbing ----------------------------------------------------------------------------------

@ways()
@apart
def test_climbing_out(bbox, way, scratch, secret, leaked):
    """chroot and `..`, directories left open, the caller's working directory, renames."""
    before = host_state(bbox)
    proc = exec_in(bbox, "/bin/escape-chroot", secret, opts=way.opts, cwd=scratch, pass_fds=leaked, **way.who)
    nothing_reached(proc, 9)
    before.check()


@need_root
@private_mounts
def test_climbing_out_of_a_plain_chroot(bbox, secret, leaked):
    reached = unheld("chroot", bbox, "/bin/escape-chroot", secret, pass_fds=leaked)
    assert set(reached) >= {"descriptors", "climb-from-above", "climb-by-descriptor", "climb-by-rename",
                            "climb-by-message", "new-mount-namespace"}


@ways()
@apart
def test_only_standard_and_passed_descriptors(bbox, way, leaked):
    r, w = os.pipe()
    seen = report_in(bbox, *way.opts, f"--pass-fd={r}", pass_fds=[*leaked, r, w], **way.who)
    os.close(r)
    os.close(w)
    assert sorted(seen["fds"], key=int) == ["0", "1", "2", str(r)]
    assert seen["cwd"] == "/"


# -- system calls ------------------------------------------------------------------------------

def handle_of(path):
    """(type, hex) of name_to_handle_at; skips where the file system has none."""
    buffer, mount = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
    ctypes.cast(buffer, ctypes.POINTER(ctypes.c_uint))[0] = 128
    if libc.name_to_handle_at(-100, os.fsencode(path), buffer, ctypes.byref(mount), 0) != 0:
        pytest.skip(f"needs file handles: {os.strerror(ctypes.get_errno())}")
    size, kind = array.array("i", buffer.raw[:8])
    return kind, buffer.raw[8:8 + size].hex()


def disk():
    """Numbers of a disk of the host."""
    for entry in pathlib.Path("/sys/class/block").iterdir():
        if not entry.name.startswith(("loop", "ram")):
            return entry.joinpath("dev").read_text().strip().split(":")
    return "8", "0"


def host_namespaces():
    return [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "user", "pid", "net", "uts")]


@ways()
@apart
def test_calls(bbox, way, secret):
    """Mounts, new and old namespaces, the host's disks, files by handle: all are refused."""
    before, fds = host_state(bbox), host_namespaces()
    proc = exec_in(bbox, "/bin/escape-calls", *handle_of(secret), *disk(), *fds, pass_fds=fds, **way.who,
                   opts=[*way.opts, *(f"--pass-fd={fd}" for fd in fds)])
    for fd in fds:
        os.close(fd)
    nothing_reached(proc, 30)
    assert not [p for p in (bbox / "tmp").iterdir() if not p.is_dir()]
    before.check()


@need_root
@private_mounts
def test_calls_in_a_plain_chroot(bbox, secret):
    fds = host_namespaces()
    reached = unheld("unshare", "-m", "chroot", bbox, "/bin/escape-calls", *handle_of(secret), *disk(), *fds,
                     pass_fds=fds)
    assert {"open-by-handle", "mknod-disk", "mount-tmpfs", "fsopen", "open-tree", "unshare-mnt",
            f"setns-{fds[0]}"} <= set(reached)


@ways("tmpdir", "stacked", "user", "stacked-init")
@apart
def test_file_by_handle_with_the_capability(bbox, way, secret):
    """The filter refuses it even to a payload that was given CAP_DAC_READ_SEARCH."""
    proc = exec_in(bbox, "/bin/escape-calls", *handle_of(secret), *disk(),
                   opts=[*way.opts, "--cap-add=DAC_READ_SEARCH"], **way.who)
    assert "open-by-handle" in attempts(proc)[1] and "open-by-handle" not in attempts(proc)[0]


# -- other processes ---------------------------------------------------------------------------

class Victim:
    """A process of the host: works in that directory, holds it open."""

    def __init__(self, directory, **who):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.proc = subprocess.Popen(["sleep", "1000"], cwd=directory, pass_fds=[fd], **who)
        os.close(fd)
        self.pid = self.proc.pid

    def __enter__(self):
        wait_until(lambda: pathlib.Path(f"/proc/{self.pid}/comm").read_text() == "sleep\n")
        return self

    def __exit__(self, *_):
        alive = self.proc.poll() is None
        self.proc.kill()
        self.proc.wait(10)
        assert alive, "the victim did not survive"


@ways()
@apart
def test_process_of_the_same_uid(bbox, way, scratch):
    """setuid, then ptrace and its like; no procfs is needed for that."""
    uid = 1000 if ROOT_CALLER else os.getuid()
    with Victim(scratch, **ordinary()) as victim:
        proc = exec_in(bbox, "/bin/escape-ptrace", victim.pid, uid, opts=way.opts, **way.who)
        nothing_reached(proc, 6)
        status = pathlib.Path(f"/proc/{victim.pid}/status").read_text()
        assert "TracerPid:\t0\n" in status and "State:\tS" in status


def test_process_of_the_same_uid_unheld(payloads, scratch):
    scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    if scope.exists() and scope.read_text() != "0\n":
        pytest.skip("needs kernel.yama.ptrace_scope=0")
    uid = 1000 if ROOT_CALLER else os.getuid()
    with Victim(scratch, **ordinary()) as victim:
        reached = unheld(payloads["escape-ptrace"], victim.pid, uid, **ordinary())
        assert {"ptrace-attach", "ptrace-seize", "process-vm-readv", "process-vm-writev"} <= set(reached)


# -- a procfs in the root ----------------------------------------------------------------------

def wait_for_pids(way, bbox, secret, *opts):
    """A payload that reads process numbers, then follows their links."""
    return Running("exec", *way.opts, *opts, bbox, "/bin/sh", "-c",
                   f"echo up; read pids; exec /bin/escape-proc {secret} $pids", **way.who)


def outcome_of(box, line):
    out, err = box.proc.communicate(line.encode(), 20)
    return subprocess.CompletedProcess([], box.proc.returncode, out.decode(), err.decode())


@need_root
@ways()
@private_mounts
def test_links_of_host_processes(bbox, way, scratch, secret):
    """--allow-host-proc: those of the host's root, of another user, of pid 1, of the helper itself."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    with Victim(scratch) as root, Victim(scratch, **as_user()) as user, \
            wait_for_pids(way, bbox, secret, "--allow-host-proc") as box:
        assert box.line() == "up\n"
        pids = [1, root.pid, user.pid]
        if any(name in way.opts for name in ("--unshare=pid", "--init")):
            pids.append(box.proc.pid)
        nothing_reached(outcome_of(box, " ".join(map(str, pids)) + "\n"), 13 * len(pids))


@need_root
@ways()
@private_mounts
def test_links_of_the_same_uid(bbox, way, scratch, secret):
    """Not asked to allow it, exec refuses such a root, or what the host's procfs shows leads nowhere: a
    pid namespace of its own hides nothing in a procfs of the host's."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    opts = way.opts if way.user else [*way.opts, "--user=1000"]
    with Victim(scratch, **as_user()) as user:
        proc = exec_in(bbox, "/bin/escape-proc", secret, user.pid, opts=opts, **way.who)
        if proc.returncode == 125:
            assert "--allow-host-proc" in proc.stderr and proc.stdout == ""
        else:
            nothing_reached(proc, 13)


@need_root
@private_mounts
def test_links_of_host_processes_in_a_plain_chroot(bbox, scratch, secret):
    run("mount", "-t", "proc", "proc", bbox / "proc")
    with Victim(scratch) as victim:
        reached = unheld("chroot", bbox, "/bin/escape-proc", secret, victim.pid)
        assert {f"{victim.pid}/root", f"{victim.pid}/cwd", f"/proc/{victim.pid}/mem",
                f"/proc/{victim.pid}/exe", f"{victim.pid}/setns-mnt"} <= set(reached)
        assert [name for name in reached if name.startswith(f"/proc/{victim.pid}/fd/")]


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount_proc_for(pid):
    """Mount a procfs of that process' pid namespace on /proc of its root, from outside."""
    first = os.fork()
    if first == 0:
        try:
            place = os.open(f"/proc/{pid}/root", os.O_PATH)
            mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
            pids = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
            checked(libc.setns(pids, CLONE_NEWPID))
            if second := os.fork():
                os._exit(os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]))
            context = checked(libc.syscall(FSOPEN, b"proc", 0))
            checked(libc.syscall(FSCONFIG, context, 6, None, None, 0))
            procfs = checked(libc.syscall(FSMOUNT, context, 0, 0))
            checked(libc.setns(mounts, CLONE_NEWNS))
            checked(libc.syscall(MOVE_MOUNT, procfs, b"", place, b"proc", 4))
            os._exit(0)
        except BaseException as problem:
            os.write(2, f"{problem!r}\n".encode())
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == 0, "procfs from outside"


@need_root
@ways(*STAYING)
@private_mounts
def test_links_in_an_own_pid_namespace(bbox, way, secret):
    """A procfs of the box shows pid 1, which is ours: nothing of it leads out."""
    with wait_for_pids(way, bbox, secret) as box:
        assert box.line() == "up\n"
        mount_proc_for(box.record("payload")["pid"])
        proc = outcome_of(box, "\n")
        reached, refused = attempts(proc)
        assert not reached, proc.stdout
        inside = {name.partition("/")[0] for name in refused if name[0].isdigit()}
        assert inside == ({"1"} if "--init" in way.opts else set()), "the box only"


# -- the helper's executable -------------------------------------------------------------------

def copied(program, place):
    """A copy that may be destroyed, known by its size."""
    copy = place / pathlib.Path(program).name
    shutil.copy(program, copy)
    os.truncate(copy, copy.stat().st_size + 4096 + os.getpid() % 4000)
    copy.chmod(0o755)
    return copy


@pytest.fixture
def prey(scratch):
    return copied(INROOT, scratch)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def strike(box):
    """One round of the attacker: (executables held, writes that worked)."""
    box.proc.stdin.write(b"go\n")
    box.proc.stdin.flush()
    words = box.line().split()
    return int(words[1]), int(words[3])


def box_of(prey, way, bbox, *command, opts=("--allow-host-proc",)):
    return Running("exec", *way.opts, *opts, bbox, *command, program=prey, **way.who)


SELF = {
    "interpreter": ["/script"],
    "command": ["/proc/self/exe", "exec", "--args-fd=0"],
    "link": ["/exec-in-root", "--args-fd=0"],
    "plain": ["/bin/cat"],
}


@need_root
@need_static
@ways("tmpdir", "stacked", "chroot", "tmpdir-pid", "stacked-init", "chroot-init")
@pytest.mark.parametrize("form", SELF)
@private_mounts
def test_executable_of_the_helper(bbox, way, form, prey):
    """A payload that is /proc/self/exe again, and one that writes to what it then sees, while it runs
    and after: the file on the host is as it was, and still works."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    (bbox / "exec-in-root").symlink_to("/proc/self/exe")
    (bbox / "script").write_text("#!/exec-in-root --args-fd=0\n")
    (bbox / "script").chmod(0o755)
    before = digest(prey)
    with box_of(prey, Way("tmpdir"), bbox, "/bin/escape-exe", prey.stat().st_size) as attacker:
        assert attacker.line() == "ready\n"
        with box_of(prey, way, bbox, *SELF[form]) as victim:
            assert victim.record("entered")
            wait_until(lambda: victim.proc.poll() is not None or runs(bbox, SELF[form][0]), 3)
            strike(attacker)
            victim.proc.stdin.close()
            victim.proc.wait(10)
        strike(attacker)
        assert digest(prey) == before
        attacker.proc.stdin.close()
        assert attacker.proc.wait(10) == 0
    proc = exec_in(bbox, "/bin/true", opts=[*way.opts, "--allow-host-proc"], program=prey)
    assert proc.returncode == 0 and digest(prey) == before, proc


def runs(bbox, name):
    """Does a process of the test run under that name, as its own interpreter or payload?"""
    name = {"/script": "/exec-in-root"}.get(name, name)
    for pid in marked():
        try:
            if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == name.encode():
                return True
        except OSError:
            pass
    return False


@need_root
@need_static
@ways("tmpdir-pid", "stacked-init", "chroot-init")
@private_mounts
def test_executable_of_the_helper_in_an_own_pid_namespace(bbox, way, prey):
    """With a procfs of the box: /proc/1/exe is the helper's where it is the box's init."""
    before = digest(prey)
    with box_of(prey, way, bbox, "/bin/escape-exe", prey.stat().st_size, opts=()) as attacker:
        assert attacker.line() == "ready\n"
        mount_proc_for(attacker.record("payload")["pid"])
        strike(attacker)
        strike(attacker)
        assert digest(prey) == before
        attacker.proc.stdin.close()
        assert attacker.proc.wait(10) == 0
    assert digest(prey) == before


@need_root
@private_mounts
def test_executable_in_a_plain_chroot(bbox, scratch):
    """The same attacker does destroy an executable that nobody protects."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    prey = copied(shutil.which("busybox"), scratch)
    before = digest(prey)
    attacker = subprocess.Popen(["chroot", bbox, "/bin/escape-exe", str(prey.stat().st_size)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    victim = subprocess.Popen([prey, "cat"], stdin=subprocess.PIPE)
    try:
        assert attacker.stdout.readline() == "ready\n"
        wait_until(lambda: os.readlink(f"/proc/{victim.pid}/exe") == str(prey))
        for round_ in range(2):
            attacker.stdin.write("go\n")
            attacker.stdin.flush()
            assert attacker.stdout.readline().startswith("held 1 wrote")
            if round_ == 0:
                assert digest(prey) == before
                victim.communicate()
        assert digest(prey) != before
    finally:
        for proc in (attacker, victim):
            proc.kill()
            proc.communicate()


# -- the terminal ------------------------------------------------------------------------------

def on_terminal(start):
    """start(slave): run a payload on a terminal of its own session; what was typed into it."""
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        proc = start(slave)
        typed = array.array("i", [0])
        fcntl.ioctl(slave, termios.FIONREAD, typed)
        return proc, typed[0]
    finally:
        os.close(master)
        os.close(slave)


def take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


SHELL = ["sh", "-c", '"$@"; exit $?', "sh"]  # the leader of the session that has the terminal


@ways()
@pytest.mark.parametrize("opts", [[], ["--new-session"]], ids=lambda o: " ".join(o) or "plain")
@apart
def test_typing_into_the_terminal(bbox, way, opts):
    # Who leads a session can't make another: a shell leads this one.
    wrapper = ["sh", "-c", '"$@"; exit $?', "sh"] if opts else []
    proc, typed = on_terminal(lambda slave: exec_in(
        bbox, "/bin/escape-tty", opts=[*way.opts, *opts], stdin=slave, preexec_fn=take_terminal,
        wrapper=wrapper, **way.who))
    nothing_reached(proc, 6)
    assert typed == 0


@need_root
def test_typing_into_the_terminal_unheld(payloads):
    proc, typed = on_terminal(lambda slave: subprocess.run(
        [payloads["escape-tty"]], stdin=slave, preexec_fn=take_terminal, capture_output=True, text=True,
        timeout=20))
    assert {"tiocsti", "tiocsti-high-1", "tiocsti-high-all"} <= set(attempts(proc)[0])
    assert typed >= 3


# -- a caller whose "/" is a mount point, but not the root of its mount namespace ----------------

@need_root
@need_static
@pytest.mark.parametrize("opts", [[], ["--pivot=stacked"], ["--ro"], ["--enter=pivot"], ["--enter=move"],
                                  ["--init"]], ids=lambda o: " ".join(o) or "auto")
@private_mounts
def test_caller_in_a_chroot_on_a_mount(bbox, payloads, secret, opts):
    """The mounts above its root would stay above the new one: chroot, or refused, but never climbed."""
    jail = bbox.parent / "jail"
    make_bbox(jail, payloads)
    shutil.copy(INROOT, jail / "bin/inroot")
    run("mount", "--bind", jail, jail)
    (jail / "mnt/inner").mkdir()
    run("mount", "--bind", bbox, jail / "mnt/inner")
    run("mount", "-t", "proc", "proc", jail / "proc")
    proc = inroot("exec", *opts, "/mnt/inner", "/bin/escape-chroot", secret, wrapper=["chroot", jail],
                  program="/bin/inroot")
    if proc.returncode == 125:
        assert opts and proc.stdout == ""
        assert_fails(proc, 125)
    else:
        assert opts in ([], ["--pivot=stacked"], ["--init"]), proc
        nothing_reached(proc, 1)


@need_root
@private_mounts
def test_root_of_another_namespace_shows_its_procfs(bbox):
    """By chroot nothing is cloned, and our mountinfo does not list what is mounted there."""
    with subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount -t proc proc "$1/proc"; echo; exec sleep 60', "sh",
                           bbox], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            fd = os.open(f"/proc/{other.pid}/root{bbox}", os.O_PATH)
            proc = exec_in(f"fd:{fd}", "/bin/echo", "RAN", opts=["--enter=chroot"], pass_fds=[fd])
            os.close(fd)
        finally:
            other.kill()
    assert proc.stdout == ""
    assert "--allow-host-proc" in assert_fails(proc, 125)


@need_root
@need_static
@private_mounts
@pytest.mark.parametrize("opts", [["--user=1000", "--cap-add=dac_override"], ["--user=1000", "--cap-add=setuid"],
                                  ["--user=1000", "--no-new-privs=off"], []], ids=" ".join)
def test_payload_that_could_write_gets_a_copy(bbox, scratch, opts):
    """Not the uid alone decides who can write to the helper's executable: seen by the second execveat."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    trace = scratch / "trace"
    proc = exec_in(bbox, "/bin/true", opts=["--allow-host-proc", *opts],
                   wrapper=["strace", "-f", "-o", trace, "-e", "trace=execveat"])
    assert proc.returncode == 0 and "execveat(" in trace.read_text(), proc
