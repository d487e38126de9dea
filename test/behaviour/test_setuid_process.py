# SPDX-License-Identifier: MIT
"""What an ordinary user can do to the process of a set-uid helper, and what others can make of its system calls.

It is stopped at its calls, untraced, as its caller could have stopped it.
"""
import contextlib
import ctypes
import itertools
import os
import pathlib
import platform
import random
import resource
import signal
import struct
import subprocess

import pytest

import tarball
from conftest import SANITIZED, give, host_state, inroot, libc, need_root, private_mounts, run, wait_until
from many_runs import say  # noqa: F401
from setuid_host import UID, become, binary_is_whole, check, closed, opened, secret, setuid  # noqa: F401

pytestmark = need_root

SOAK = os.environ.get("INROOT_SOAK") == "1"
STEP = 1 if SOAK else 23 if SANITIZED else 3
PR_SET_SECCOMP = 22


# -- the process, at its system calls ----------------------------------------------------------

class Stopped:
    """`command` stopped at its N-th system-call stop; .pids is empty if it ended before."""

    def __init__(self, payloads, number, *command):
        self.proc = subprocess.Popen([payloads["stop-at"], str(UID), str(number), *map(str, command)], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        line = self.proc.stdout.readline().split()
        assert line and line[0] in ("stopped", "end"), (line, self.proc.stderr.read())
        self.pids = [int(p) for p in line[1:]] if line[0] == "stopped" else []
        self.ended = line[0] == "end"
        return self

    def go_on(self):
        out, err = self.proc.communicate("\n", timeout=20)
        return out, err

    def __exit__(self, *_):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ValueError, subprocess.TimeoutExpired):
            self.proc.communicate("\n", timeout=10)
        self.proc.kill()
        self.proc.wait()


def is_helper(pid, program):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe") == str(program)
    return False


def holds_something(pid):
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return "0" in lines["Uid"].split() or int(lines["CapPrm"], 16) != 0


WAYS = {
    "exec": ["exec", "ROOT", "/bin/true"],
    "init": ["exec", "--init", "--unshare=net", "ROOT", "/bin/true"],
    "unpack": ["unpack", "ROOT", "ARCHIVE"],
}


@pytest.fixture
def command(request, setuid, bbox, scratch):
    archive = scratch / "a.tar.gz"
    archive.write_bytes(tarball.gzip(tarball.tar([tarball.file("tmp/extracted", b"x\n")])))
    return [setuid, *[{"ROOT": bbox, "ARCHIVE": archive}.get(w, w) for w in WAYS[request.param]]]


every_way = pytest.mark.parametrize("command", WAYS, indirect=True)


@every_way
def test_nobody_gets_at_the_process(setuid, payloads, bbox, command, secret, say):
    """ptrace, process_vm_*, pidfd_getfd, /proc/PID/{mem,fd,root,cwd,environ …}: some 50 attempts at each stop."""
    with subprocess.Popen(["sleep", "100"], **opened()) as own:
        reached = subprocess.run([payloads["attack-process"], str(own.pid)], capture_output=True, text=True, timeout=20,
                                 **opened()).stdout
        own.kill()
    assert reached.count("REACHED") > 25 and "REACHED ptrace-attach" in reached  # they work on a process of his own
    before, stops, attempts = host_state(bbox), 0, 0
    for number in itertools.count(1, STEP):
        with Stopped(payloads, number, *command) as stopped:
            if stopped.ended:
                break
            for pid in stopped.pids:
                if not is_helper(pid, setuid):
                    continue  # the payload, which is his; or the test's own launcher, before it became the helper
                privileged = holds_something(pid)
                tried = subprocess.run([payloads["attack-process"], str(pid)], capture_output=True, text=True,
                                       timeout=20, **opened())
                if not is_helper(pid, setuid):
                    continue
                lines = tried.stdout.splitlines()
                assert lines[-1] == "end", tried
                reached = {line.split()[1] for line in lines if line.startswith("REACHED")}
                # Who holds nothing more than the caller is not less than a process of his own here: not dumpable.
                assert reached <= (set() if privileged else {"prlimit"}), (number, pid, reached)
                attempts += len(lines) - 1
                stops += 1
            stopped.go_on()
    before.check(listing=False)
    assert stops > 10
    say(f"{stops} stops of a helper, {attempts} attempts, nothing reached")


@every_way
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGQUIT, signal.SIGXCPU, signal.SIGALRM],
                         ids=lambda n: n.name)
def test_signals_at_its_calls(setuid, payloads, bbox, command, number, secret):
    """Deadly ones, and those that dump core: from the caller, who may send them. Nothing is left behind."""
    before = host_state(bbox)
    for at in itertools.count(5, 11 * STEP):
        with Stopped(payloads, at, *command) as stopped:
            if stopped.ended:
                break
            for pid in stopped.pids:
                # It may have ended with another of them.
                subprocess.run(["kill", f"-{int(number)}", str(pid)], stderr=subprocess.DEVNULL, timeout=20, **opened())
            stopped.go_on()
        assert not [p for p in pathlib.Path.cwd().glob("core*")]
    before.check(listing=False)


def test_a_storm_of_signals(setuid, bbox, secret):
    """SIGSTOP, SIGCONT and others from the caller, at any moment: the payload is his, or there is none."""
    before, chance = host_state(bbox), random.Random(4)
    numbers = [signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR1, signal.SIGCHLD, signal.SIGURG, signal.SIGPIPE, signal.SIGTSTP]
    for round_ in range(40):
        proc = subprocess.Popen([setuid, "exec", *(["--init"] * (round_ % 2)), bbox, "/bin/id"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **closed())
        for _ in range(chance.randrange(1, 12)):
            os.kill(proc.pid, chance.choice(numbers))
        for _ in range(200):
            os.kill(proc.pid, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                proc.wait(0.05)
                break
        out = proc.communicate(timeout=10)[0]
        assert "uid=0" not in out and (proc.returncode != 0 or f"uid={UID}" in out), (proc.returncode, out)
    before.check()


# -- filters that others put on him -------------------------------------------------------------

def swallowed(call):
    """To be run as root after fork: a filter under which `call` succeeds and does nothing, without no_new_privs."""
    code = b"".join(struct.pack("=HBBI", *i) for i in (
        (0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x00050000), (0x06, 0, 0, 0x7fff0000)))
    program = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", 4, ctypes.addressof(program))
    check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(head, len(head)), 0, 0))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="has x86-64's numbers of calls")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers make these calls too")
@pytest.mark.parametrize("name,number", [("unshare", 272), ("prctl", 157), ("setresuid", 117), ("capset", 126), ("mount", 165),
                                         ("pivot_root", 155), ("umount2", 166), ("mount_setattr", 442), ("move_mount", 429),
                                         ("fchdir", 81), ("setresgid", 119)])
def test_calls_that_do_nothing(setuid, bbox, scratch, secret, name, number):
    """What was not done is seen: no payload, no mount of the host that is another."""
    give(bbox)

    @private_mounts
    def body():
        def prepare():
            swallowed(number)
            if name not in ("setresuid", "setresgid"):
                become()

        run("mount", "--make-rshared", "/")
        mounts, top = pathlib.Path("/proc/self/mountinfo").read_text(), sorted(os.listdir("/"))
        proc = inroot("exec", bbox, "/bin/echo", "RAN", program=setuid, preexec_fn=prepare)
        assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts and sorted(os.listdir("/")) == top
        if name in ("setresuid", "setresgid"):
            return  # root's run: what counts is above
        assert proc.returncode == 125 and proc.stdout == "", proc
    body()


def test_limit_of_processes(setuid, bbox, secret):
    """The helper that stays counts as one more process of the caller; on the host, where CAP_SYS_ADMIN would pass it."""
    proc = inroot("exec", "--unshare=pid", bbox, "/bin/echo", "RAN", program=setuid,
                  **opened(lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))))
    assert proc.returncode == 125 and "EAGAIN" in proc.stderr and proc.stdout == "", proc


@pytest.mark.parametrize("option", ["--args-fd={}", "--seccomp=bpf:fd:{}", "--sync-fd={}"])
def test_waits_end_by_a_signal(setuid, bbox, option):
    """He may have made it wait for ever; he can end it too."""
    r, w = os.pipe()
    with subprocess.Popen([setuid, "exec", option.format(r), bbox, "/bin/true"], pass_fds=[r], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, **closed()) as proc:
        os.close(r)
        number = {"--args": 0, "--secc": 0, "--sync": 271}[option[:6]]  # read, ppoll

        def waits():
            with contextlib.suppress(OSError):
                return pathlib.Path(f"/proc/{proc.pid}/syscall").read_text().split()[0] == str(number)
        assert platform.machine() != "x86_64" or wait_until(waits)
        os.kill(proc.pid, signal.SIGTERM)
        if not wait_until(lambda: proc.poll() is not None):
            proc.kill()
        assert proc.wait(10) == -signal.SIGTERM
    os.close(w)
