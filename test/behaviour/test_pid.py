# SPDX-License-Identifier: MIT
"""Pid namespaces: exit status, reaping, signals, and that nothing is left behind."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import (INROOT, Running, exec_in, marked, need_root, need_tool, need_userns, ordinary, report_in,
                      status_of, wait_until)

pytestmark = need_userns
STAYS = [["--unshare=pid"], ["--unshare=pid", "--init"]]
INIT = ["--unshare=pid", "--init"]
# All that can be caught and is neither made by a fault nor job control of a terminal.
FORWARDED = sorted(set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTERM,
                                        signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGILL,
                                        signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE,
                                        signal.SIGSEGV, signal.SIGSYS}) + [34, 35, 50, 64]


def stays(test):
    return pytest.mark.parametrize("opts", STAYS, ids=" ".join)(test)


# -- what the payload is -----------------------------------------------------------------------

def test_payload_is_pid_1(bbox, unchanged_host):
    seen = report_in(bbox, "--unshare=pid")
    assert (seen["pid"], seen["ppid"]) == (1, 0)


def test_init_is_pid_1(bbox, unchanged_host):
    seen = report_in(bbox, *INIT)
    assert seen["pid"] > 1 and seen["ppid"] == 1


def test_init_alone_implies_or_names_the_pid_namespace(bbox, unchanged_host):
    proc = exec_in(bbox, "/bin/sh", "-c", "echo $PPID", opts=["--init"])
    if proc.returncode == 125:
        assert "--unshare" in proc.stderr
    else:
        assert (proc.returncode, proc.stdout) == (0, "1\n"), proc


@stays
def test_ordinary_user(bbox, opts, unchanged_host):
    proc = exec_in(bbox, "/bin/sh", "-c", "exit 9", opts=opts, **ordinary())
    assert proc.returncode == 9, proc


@stays
def test_descriptors(bbox, opts, unchanged_host):
    assert sorted(report_in(bbox, *opts)["fds"]) == ["0", "1", "2"]


def test_init_holds_nothing(bbox, unchanged_host):
    """The pid 1 in the box: no environment of the host, no descriptors but 0-2, no capabilities."""
    with Running("exec", *INIT, bbox, "/bin/sigprint", env={"SECRET_WORD": "xyzzy", "PATH": "/bin"}) as box:
        payload = box.record("payload")["pid"]
        status = pathlib.Path(f"/proc/{payload}/status").read_text()
        init = int(status.split("PPid:")[1].split()[0])
        with contextlib.suppress(PermissionError):  # it is not dumpable: only root may look
            assert b"xyzzy" not in pathlib.Path(f"/proc/{init}/environ").read_bytes()
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{init}/status").read_text().splitlines())
        assert int(status["CapEff"], 16) in (0, 1 << 5), status["CapEff"]
        assert status["NoNewPrivs"].strip() == "1"
        assert box.line() == "ready\n"
        box.proc.send_signal(signal.SIGTERM)
        assert box.proc.wait(10) == 42


# -- exit status -------------------------------------------------------------------------------

@stays
@pytest.mark.parametrize("code", [0, 1, 2, 124, 125, 126, 127, 128, 137, 255])
def test_exit_code(bbox, opts, code):
    proc = exec_in(bbox, "/bin/sh", "-c", f"exit {code}", opts=opts)
    assert (proc.returncode, proc.stderr) == (code, "")


@pytest.mark.parametrize("number", [1, 2, 6, 8, 9, 11, 13, 14, 15, 31, 34, 64])
def test_exit_by_signal(bbox, number, unchanged_host):
    proc, records = status_of("exec", *INIT, bbox, "/bin/sh", "-c", f"kill -{number} $$; sleep 5")
    assert proc.returncode == 128 + number, proc
    assert records[-1] == {"type": "exit", "signal": number}


@stays
def test_killed_from_outside(bbox, opts, unchanged_host):
    with Running("exec", *opts, bbox, "/bin/sigprint") as box:
        pid = box.record("payload")["pid"]
        os.kill(pid, signal.SIGKILL)
        assert box.record("exit") == {"type": "exit", "signal": 9}
        assert box.proc.wait(10) == 137


@stays
def test_exec_failure(bbox, opts, unchanged_host):
    for command, code in (("/bin/nothing", 127), ("/etc/inside", 126)):
        proc, records = status_of("exec", *opts, bbox, command)
        assert proc.returncode == code and records[-1]["type"] == "error"
        assert "payload" not in [r["type"] for r in records]


# -- reaping -----------------------------------------------------------------------------------

def test_orphans_are_reaped(bbox, unchanged_host):
    """Fifty orphans: none is a zombie when the payload looks through its own /proc."""
    script = ("for i in $(seq 50); do (sh -c 'sleep 0.01 & exit 0' &) ; done; sleep 0.5; "
              "n=0; for p in $(seq 2 400); do kill -0 $p 2>/dev/null && n=$((n+1)); done; echo $n")
    proc = exec_in(bbox, "/bin/sh", "-c", script, opts=INIT)
    assert proc.returncode == 0, proc
    assert int(proc.stdout) == 1, "only the shell itself is left"


def test_exit_of_an_orphan_is_not_the_payloads(bbox, unchanged_host):
    proc = exec_in(bbox, "/bin/sh", "-c", "(sh -c 'exit 77' &); sleep 0.2; exit 5", opts=INIT)
    assert proc.returncode == 5


@stays
def test_children_die_with_the_payload(bbox, opts, unchanged_host):
    """The kernel ends the pid namespace with its pid 1; nothing is left, nothing is waited for."""
    proc = exec_in(bbox, "/bin/sh", "-c", "sleep 1000 & sleep 1000 & setsid sleep 1000 & exit 6",
                   opts=opts, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert proc.returncode == 6


# -- signals -----------------------------------------------------------------------------------

@stays
def test_every_signal_is_forwarded(bbox, opts, unchanged_host):
    with Running("exec", *opts, bbox, "/bin/sigprint") as box:
        assert box.record("payload") and box.line() == "ready\n"
        for number in FORWARDED:
            box.proc.send_signal(number)
            assert box.line() == f"{int(number)}\n"
        box.proc.send_signal(signal.SIGTERM)
        assert box.line() == f"{int(signal.SIGTERM)}\n"
        assert box.proc.wait(10) == 42


def test_signal_kills_a_payload_that_does_not_handle_it(bbox, unchanged_host):
    with Running("exec", *INIT, bbox, "/bin/sleep", "1000") as box:
        assert box.record("payload")
        box.proc.send_signal(signal.SIGTERM)
        assert box.record("exit") == {"type": "exit", "signal": 15}
        assert box.proc.wait(10) == 143


@stays
def test_signals_before_the_payload_runs(bbox, opts, unchanged_host):
    """A signal that comes while the helper waits for its parent is not lost: it is never ignored."""
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", *opts, bbox, "/bin/sleep", "1000", pass_fds=[r]) as box:
        os.close(r)
        assert box.record("mounts-ready")
        box.proc.send_signal(signal.SIGKILL)
        assert box.proc.wait(10) == -9
        os.close(w)


# -- the end of somebody -----------------------------------------------------------------------

@stays
def test_killed_helper_leaves_nothing(bbox, opts, unchanged_host):
    (bbox / "dev/null").touch()  # a shell's standard input for what it puts into the background
    with Running("exec", "--die-with-parent", *opts, bbox, "/bin/sh", "-c",
                 "sleep 1000 & setsid sleep 1000 & echo up; wait") as box:
        assert box.line() == "up\n"
        box.proc.kill()
        assert box.proc.wait(10) == -9
        assert wait_until(lambda: not marked())


DIE = [["--die-with-parent"], ["--die-with-parent", *STAYS[0]], ["--die-with-parent", *INIT]]
SHELL = ["sh", "-c", '"$@"; exit $?', "sh"]


@pytest.mark.parametrize("opts", DIE, ids=" ".join)
def test_killed_parent_leaves_nothing(bbox, opts, unchanged_host):
    with Running("exec", *opts, bbox, "/bin/sh", "-c", "echo up; exec sleep 1000", wrapper=SHELL) as box:
        assert box.line() == "up\n"
        assert len(marked()) >= 2
        box.proc.kill()
        assert wait_until(lambda: not marked())


def _in_pdeathsig_call():
    """Pids of the marked processes that are in prctl(PR_SET_PDEATHSIG)."""
    found = []
    for pid in marked():
        with contextlib.suppress(OSError):
            call = pathlib.Path(f"/proc/{pid}/syscall").read_text().split()
            if call[:2] == ["157", "0x1"] and os.readlink(f"/proc/{pid}/exe") == INROOT:
                found.append(pid)
    return found


@need_tool("strace")
@pytest.mark.parametrize("opts", DIE, ids=" ".join)
def test_parent_dies_before_the_helper_asks(bbox, opts, unchanged_host):
    """The race of S38: the parent is gone when the signal is ordered. (The call is held up.)"""
    if os.uname().machine != "x86_64":
        pytest.skip("needs x86-64 (knows its number of prctl)")
    strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=prctl",
              "-e", "inject=prctl:delay_enter=1000000"]
    with Running("exec", *opts, bbox, "/bin/sleep", "1000", wrapper=[*SHELL, *strace]) as box:
        assert wait_until(_in_pdeathsig_call, 20), "it never asked"
        box.proc.kill()
        assert wait_until(lambda: not marked(), 20)


def test_without_die_with_parent_the_run_goes_on(bbox):
    with Running("exec", *INIT, bbox, "/bin/sh", "-c", "echo up; read x; echo got $x",
                 wrapper=SHELL) as box:
        assert box.line() == "up\n"
        box.proc.kill()
        box.proc.wait(10)
        box.proc.stdin.write(b"it\n")
        box.proc.stdin.flush()
        assert box.line() == "got it\n"
        assert wait_until(lambda: not marked())


@stays
def test_ignored_signal_does_not_end_the_set_up(bbox, opts, unchanged_host):
    """nohup: the helper waits for its parent, and SIGHUP comes."""
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", *opts, bbox, "/bin/sh", "-c", "exit 3", pass_fds=[r],
                 preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as box:
        os.close(r)
        assert box.record("mounts-ready")
        box.proc.send_signal(signal.SIGHUP)
        os.write(w, b"x")
        os.close(w)
        assert box.proc.wait(10) == 3


@stays
def test_signal_ends_the_set_up(bbox, opts, unchanged_host):
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", *opts, bbox, "/bin/true", pass_fds=[r]) as box:
        os.close(r)
        assert box.record("mounts-ready")
        box.proc.send_signal(signal.SIGTERM)
        assert box.proc.wait(10) == -15
        os.close(w)


@need_tool("strace")
def test_signal_during_the_pivot_leaves_nothing(bbox, unchanged_host):
    """The set-up is ended where it can be: not between the mkdir and the rmdir of .pivot_root.XXXXXX."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=umount2",
              "-e", "inject=umount2:delay_enter=1000000:when=1"]
    with Running("exec", *INIT, bbox, "/bin/true", wrapper=strace) as box:
        assert box.record("mounts-ready")
        helper = wait_until(lambda: pathlib.Path(f"/proc/{box.proc.pid}/task/{box.proc.pid}/children").read_text().split())
        assert wait_until(lambda: [n for n in os.listdir(bbox) if n.startswith(".pivot_root")])
        os.kill(int(helper[0]), signal.SIGTERM)
        box.proc.wait(20)
        assert box.record("payload") is None


@pytest.mark.parametrize("opts", [STAYS[0], INIT], ids=" ".join)
@need_root
def test_killed_parent_with_maps(bbox, opts, unchanged_host):
    """The change of ids in the user namespace makes the kernel forget the order."""
    maps = ["--map-users=0:100000:65536", "--map-groups=0:100000:65536"]
    with Running("exec", "--die-with-parent", *maps, *opts, bbox, "/bin/sh", "-c", "echo up; exec sleep 1000",
                 wrapper=SHELL) as box:
        assert box.line() == "up\n"
        box.proc.kill()
        assert wait_until(lambda: not marked())
