# SPDX-License-Identifier: MIT
"""Starts that nobody means, and that somebody will make: each works or is refused cleanly."""
import contextlib
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import pathlib

import pytest

from conftest import (INROOT, as_user, assert_fails, error_line, exec_in, inroot,
                      make_bbox, need_root, need_static, need_tool, need_userns,
                      report_in, run)

# What a strict parser of plain decimal digits refuses.
NOT_NUMBERS = ["", "-1", "+1", " 1", "1 ", "0x10", "010", "4294967295", "4294967296", "1a"]
MORE_NOT_NUMBERS = ["1.0", "1e3", "1\n", "\u0661", "00", "--1", "18446744073709551616"]


def never_ran(proc):
    assert "RAN" not in proc.stdout, "the payload ran"


def refused(bbox, *opts, code=125, parts=(), **kw):
    """The run is refused, in one clean line, and the payload never ran."""
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=opts, **kw)
    never_ran(proc)
    return assert_fails(proc, code, *parts)


def clean(text):
    """Printable ASCII and line ends only."""
    return all(c == "\n" or " " <= c <= "~" for c in text)


# -- numbers -----------------------------------------------------------------------------------

NUMBERED = {
    "user": "--user={}",
    "user-gid": "--user=0:{}",
    "groups": "--groups={}",
    "groups-second": "--groups=0,{}",
    "pass-fd": "--pass-fd={}",
    "status-fd": "--status-fd={}",
    "sync-fd": "--sync-fd={}",
    "args-fd": "--args-fd={}",
    "map-inner": "--map-users={}:0:1",
    "map-outer": "--map-users=0:{}:1",
    "map-count": "--map-users=0:0:{}",
    "map-groups": "--map-groups=0:{}:1",
}


@pytest.mark.parametrize("value", NOT_NUMBERS + MORE_NOT_NUMBERS, ids=ascii)
@pytest.mark.parametrize("option", NUMBERED, ids=str)
def test_number(bbox, option, value):
    word = NUMBERED[option].format(value)
    stderr = refused(bbox, word, parts=[word.split("=")[0]])
    assert clean(stderr)


@pytest.mark.parametrize("value", NOT_NUMBERS + MORE_NOT_NUMBERS, ids=ascii)
def test_number_of_fd_root(value):
    proc = inroot("exec", f"fd:{value}", "/bin/echo", "RAN")
    never_ran(proc)
    assert_fails(proc)
    assert clean(proc.stderr)


@pytest.mark.parametrize("value", ["", "-1", "+1", " 1", "1 ", "0x10", "8", "778", "1000", "01000",
                                   "4294967295", "1a", "u=rwx"], ids=ascii)
def test_umask_number(bbox, value):
    refused(bbox, f"--umask={value}", parts=["--umask"])


@pytest.mark.parametrize("value", ["", "-1", "+1", " 1", "1 ", "0x10", "010", "1a", "1:", ":1", "2:1", "1K",
                                   "1:2:3", "18446744073709551616", "infinity", "unlimited:1"],
                         ids=ascii)
def test_rlimit_number(bbox, value):
    refused(bbox, f"--rlimit=nofile={value}", parts=["--rlimit"])


# -- words -------------------------------------------------------------------------------------

BAD_WORDS = {
    "unknown-option": (["--frobnicate"], "--frobnicate"),
    "unknown-short-option": (["-r"], "-r"),
    "abbreviated-option": (["--unsh=pid"], "--unsh"),
    "flag-with-value": (["--init=yes"], "--init"),
    "flag-with-empty-value": (["--new-session="], "--new-session"),
    "enter": (["--enter=magic"], "magic"),
    "enter-empty": (["--enter="], "--enter"),
    "enter-case": (["--enter=PIVOT"], "PIVOT"),
    "pivot": (["--pivot=sideways"], "sideways"),
    "nnp": (["--no-new-privs=maybe"], "maybe"),
    "unshare": (["--unshare=pid,foo"], "foo"),
    "unshare-empty-word": (["--unshare=pid,,net"], "--unshare"),
    "cap-add": (["--cap-add=NOPE"], "NOPE"),
    "cap-drop": (["--cap-drop=CAP_"], "--cap-drop"),
    "cap-number": (["--cap-add=21"], "21"),
    "rlimit-name": (["--rlimit=nope=1"], "nope"),
    "rlimit-no-value": (["--rlimit=nofile"], "nofile"),
    "overlay": (["--overlay=upperonly"], "upperonly"),
    "map-fields": (["--map-users=0:1000"], "0:1000"),
    "map-wraps": (["--map-users=0:4294967290:10"], "--map-users"),
    "map-zero": (["--map-users=0:1000:0"], "--map-users"),
    "map-overlap": (["--map-users=0:1000:10", "--map-users=5:5000:10"], "--map-users"),
    "user-name": (["--user=root"], "root"),
    "user-fields": (["--user=1:2:3"], "1:2:3"),
    "groups-name": (["--groups=wheel"], "wheel"),
    "workdir-relative": (["--workdir=tmp"], "tmp"),
    "env-empty": (["--env="], "--env"),
    "env-no-name": (["--env==x"], "--env"),
    "sysctl": (["--sysctl=kernel.panic"], "kernel.panic"),
    "hostname-without-uts": (["--hostname=box"], "--hostname"),
    "seccomp": (["--seccomp="], "--seccomp"),
}


@pytest.mark.parametrize("name", BAD_WORDS)
def test_usage(bbox, name, unchanged_host):
    opts, part = BAD_WORDS[name]
    refused(bbox, *opts, parts=[part])


@pytest.mark.parametrize("args", [["exec"], ["exec", "--user"], ["exec", "ROOT"],
                                  ["exec", "ROOT", "--"], ["exec", "--"], ["exec", "--env=A=B"]],
                         ids=" ".join)
def test_operand_missing(bbox, args):
    assert_fails(inroot(*[bbox if a == "ROOT" else a for a in args]), 125)


@pytest.mark.parametrize("args,part", [([], "inroot"), (["frobnicate"], "frobnicate"), ([""], "inroot"),
                                       (["--frobnicate"], "--frobnicate"), (["EXEC"], "EXEC"),
                                       (["exe"], "exe")], ids=lambda v: "_".join(v) or "none")
def test_unknown_command(args, part):
    proc = inroot(*args)
    assert proc.returncode == 2, proc
    assert part in proc.stderr and clean(proc.stderr)


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["exec", "--help"], ["features", "--help"]],
                         ids=" ".join)
def test_help_and_version(args):
    proc = inroot(*args)
    assert proc.returncode == 0 and proc.stdout.strip() and proc.stderr == ""


def test_options_end_at_root(bbox):
    proc = inroot("exec", bbox, "--user=0", "true")
    assert_fails(proc, 127, "--user=0")


def test_options_after_command_are_the_payloads(bbox):
    proc = inroot("exec", bbox, "/bin/echo", "--user=0", "--", "-x")
    assert (proc.returncode, proc.stdout) == (0, "--user=0 -- -x\n"), proc


@pytest.mark.parametrize("form", [["ROOT", "CMD"], ["--", "ROOT", "CMD"], ["ROOT", "--", "CMD"],
                                  ["--", "ROOT", "--", "CMD"], ["--enter=auto", "--", "ROOT", "CMD"]],
                         ids=" ".join)
def test_dashes(bbox, form):
    args = [x for a in form for x in ([bbox] if a == "ROOT" else ["/bin/echo", "hi"] if a == "CMD"
                                      else [a])]
    proc = inroot("exec", *args)
    assert (proc.returncode, proc.stdout) == (0, "hi\n"), proc


def test_root_that_looks_like_an_option(scratch, payloads):
    make_bbox(scratch / "--help", payloads)
    proc = inroot("exec", "--", "--help", "/bin/echo", "hi", cwd=scratch)
    assert (proc.returncode, proc.stdout) == (0, "hi\n"), proc


# -- ROOT --------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,code", [("", ""), ("/nonexistent/root", "ENOENT"),
                                       ("/etc/passwd", "ENOTDIR"), ("/dev/null", "ENOTDIR"),
                                       ("/etc/passwd/x", "ENOTDIR"), ("x" * 5000, "ENAMETOOLONG")],
                         ids=["empty", "missing", "file", "device", "below-file", "long"])
def test_bad_root(name, code):
    proc = inroot("exec", name, "/bin/echo", "RAN")
    never_ran(proc)
    assert_fails(proc, 125, code)


def test_symlink_loop_root(scratch):
    (scratch / "loop").symlink_to("loop")
    assert_fails(inroot("exec", scratch / "loop", "/bin/echo", "RAN"), 125, "ELOOP")


def test_fd_root_is_a_file(bbox):
    with open("/etc/passwd") as file:
        proc = inroot("exec", f"fd:{file.fileno()}", "/bin/echo", "RAN", pass_fds=[file.fileno()])
    never_ran(proc)
    assert_fails(proc, 125)


@pytest.mark.parametrize("fd", ["9", "200", "2147483647"])
def test_fd_root_is_closed(fd):
    proc = inroot("exec", f"fd:{fd}", "/bin/echo", "RAN")
    never_ran(proc)
    assert_fails(proc, 125)


@pytest.mark.parametrize("flags", [os.O_RDONLY | os.O_DIRECTORY, os.O_PATH], ids=["rdonly", "path"])
def test_fd_root(bbox, flags, unchanged_host):
    fd = os.open(bbox, flags)
    try:
        seen = json.loads(inroot("exec", f"fd:{fd}", "/bin/report", pass_fds=[fd]).stdout)
    finally:
        os.close(fd)
    assert sorted(seen["fds"]) == ["0", "1", "2"]


def test_fd_root_is_stdin(bbox):
    """fd 0 is a number like any other; the payload finds /dev/null there."""
    fd = os.open(bbox, os.O_PATH)
    try:
        proc = inroot("exec", "fd:0", "/bin/report", stdin=fd)
    finally:
        os.close(fd)
    assert proc.returncode == 0, proc
    fds = json.loads(proc.stdout)["fds"]
    assert sorted(fds) == ["0", "1", "2"]
    assert (fds["0"]["kind"], fds["0"]["rdev"]) == ("char", [1, 3])


def test_fd_root_on_another_mount(payloads):
    if not os.path.ismount("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev:
        pytest.skip("needs /dev/shm as a mount of its own")
    top = pathlib.Path(tempfile.mkdtemp(prefix="inroot-shm.", dir="/dev/shm"))
    try:
        root = make_bbox(top / "root", payloads)
        fd = os.open(root, os.O_PATH)
        proc = inroot("exec", f"fd:{fd}", "/bin/ls", "/etc", pass_fds=[fd])
        os.close(fd)
        assert (proc.returncode, proc.stdout) == (0, "inside\n"), proc
        assert not [n for n in os.listdir(root) if n.startswith(".pivot")]
    finally:
        shutil.rmtree(top)


@pytest.mark.parametrize("opts", [["--pass-fd={}"], ["--sync-fd={}"], ["--args-fd={}"],
                                  ["--status-fd={}"]], ids=lambda o: o[0][2:-3])
def test_fd_root_named_twice(bbox, opts):
    fd = os.open(bbox, os.O_RDONLY)
    try:
        proc = inroot("exec", *[o.format(fd) for o in opts], f"fd:{fd}", "/bin/echo", "RAN",
                      pass_fds=[fd])
    finally:
        os.close(fd)
    never_ran(proc)
    assert_fails(proc, 125)


@pytest.mark.parametrize("first,second", [("--pass-fd", "--pass-fd"), ("--sync-fd", "--args-fd"),
                                          ("--sync-fd", "--pass-fd"), ("--status-fd", "--sync-fd")])
def test_descriptor_named_twice(bbox, first, second):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        refused(bbox, f"{first}={fd}", f"{second}={fd}", pass_fds=[fd])


@pytest.mark.parametrize("option", ["--pass-fd", "--status-fd", "--sync-fd", "--args-fd"])
def test_descriptor_not_open(bbox, option):
    refused(bbox, f"{option}=77", parts=["77"])


@pytest.mark.parametrize("flags", [os.O_RDONLY | os.O_DIRECTORY, os.O_PATH], ids=["rdonly", "path"])
@pytest.mark.parametrize("place", ["stdin", "stdout", "stderr", "pass"])
def test_directory_for_the_payload(bbox, flags, place):
    """A directory is a way out of any root."""
    fd = os.open("/", flags)
    try:
        if place == "pass":
            refused(bbox, f"--pass-fd={fd}", pass_fds=[fd])
            return
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                 place: fd}
        proc = exec_in(bbox, "/bin/sh", "-c", "echo RAN; echo RAN >&2", **pipes)
    finally:
        os.close(fd)
    assert proc.returncode == 125
    assert "RAN" not in (proc.stdout or "") + (proc.stderr or "")


# -- hostile names -----------------------------------------------------------------------------

HOSTILE = {"escape": "\x1b[31m", "newline": "a\ninroot: ok", "quote": 'a" (EOK)', "backslash": "a\\b",
           "tab": "a\tb", "return": "a\rb", "delete": "a\x7fb", "latin": b"a\xe9b", "utf8": "a\u202eb",
           "one": "\x01"}


def escaped(name):
    raw = name if isinstance(name, bytes) else name.encode()
    return "".join(chr(b) if 0x20 <= b < 0x7f and chr(b) not in '"\\' else f"\\x{b:02x}" for b in raw)


@pytest.mark.parametrize("place", ["root", "command", "option", "value", "workdir"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name(bbox, name, place):
    raw = HOSTILE[name] if isinstance(HOSTILE[name], bytes) else HOSTILE[name].encode()
    root, command = os.fsencode(bbox), b"/bin/true"
    args = {"root": [b"/nonexistent/" + raw, command],
            "command": [root, b"/nonexistent/" + raw],
            "option": [b"--" + raw, root, command],
            "value": [b"--enter=" + raw, root, command],
            "workdir": [b"--workdir=/etc/inside/" + raw, root, command]}[place]
    proc = inroot("exec", *args)
    assert proc.returncode == (127 if place == "command" else 125), proc
    assert clean(proc.stderr), proc.stderr
    assert escaped(raw).lower() in error_line(proc).lower(), proc.stderr


def test_hostile_command_word():
    proc = inroot("x\x1b[2J\n")
    assert proc.returncode == 2 and clean(proc.stderr)
    assert "\\x1b[2J\\x0a" in proc.stderr.replace("\\x1B", "\\x1b").replace("\\x0A", "\\x0a")


# -- descriptors 0, 1, 2 -----------------------------------------------------------------------

@pytest.mark.parametrize("closed", [c for n in range(4) for c in itertools.combinations(range(3), n)],
                         ids=lambda c: "closed-" + ("".join(map(str, c)) or "none"))
def test_closed_stdio(bbox, closed, unchanged_host):
    proc = exec_in(bbox, "/bin/report", "-o", "/tmp/seen", stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                   preexec_fn=lambda: [os.close(fd) for fd in closed])
    assert proc.returncode == 0, proc
    fds = json.loads((bbox / "tmp/seen").read_text())["fds"]
    assert sorted(fds) == ["0", "1", "2"]
    for fd in range(3):
        null = (fds[str(fd)]["kind"], fds[str(fd)]["rdev"]) == ("char", [1, 3])
        assert null == (fd in closed), fds
        assert fds[str(fd)]["cloexec"] == 0


def test_closed_stdio_and_an_error():
    """Nothing may open on 2 what the error line then writes into."""
    proc = inroot("exec", "/nonexistent", "x", preexec_fn=lambda: [os.close(fd) for fd in range(3)])
    assert proc.returncode == 125


def test_inherited_descriptors_are_closed(bbox):
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
    try:
        seen = report_in(bbox, close_fds=False, pass_fds=fds)
    finally:
        for fd in fds:
            os.close(fd)
    assert sorted(seen["fds"]) == ["0", "1", "2"]


# -- argv and environment ----------------------------------------------------------------------

def test_empty_argv(payloads):
    proc = subprocess.run([payloads["hostile-start"], "argv-null", INROOT], capture_output=True,
                          text=True, timeout=20)
    assert proc.returncode == 2 and proc.stderr.startswith("inroot"), proc


@pytest.mark.parametrize("how,words", [("env-null", []), ("env-odd", ["", "=", "==x", "NOEQUALS", "PATH"])])
def test_odd_environment(bbox, payloads, how, words):
    proc = subprocess.run([payloads["hostile-start"], how, INROOT, "exec", bbox, "/bin/report"],
                          capture_output=True, text=True, timeout=20)
    assert proc.returncode == 0, proc
    assert json.loads(proc.stdout)["environ"] == words


def test_missing_path(bbox):
    proc = exec_in(bbox, "report", env={"HOME": "/"})
    stderr = assert_fails(proc, 127)
    assert "hint: " in stderr and "PATH" in stderr


def test_empty_path_name(bbox):
    assert_fails(exec_in(bbox, ""), 127)


def test_environment_of_the_helper_is_not_read(bbox):
    env = {"PATH": "/bin", "INROOT_ENTER": "chroot", "LD_PRELOAD": "/x", "LANG": "xx_XX", "TZ": ":/x",
           "TMPDIR": "/nonexistent", "MALLOC_PERTURB_": "7", "NLSPATH": "/x", "LOCPATH": "/x"}
    seen = report_in(bbox, env=env)
    assert sorted(seen["environ"]) == sorted(f"{k}={v}" for k, v in env.items())


def test_environment_string_at_the_limit(bbox):
    """One string may have 128 KiB with its NUL (MAX_ARG_STRLEN)."""
    big = "x" * (131072 - 1 - len("BIG="))
    seen = report_in(bbox, env={"BIG": big})
    assert seen["environ"] == ["BIG=" + big]


def test_environment_near_the_total_limit(bbox):
    stack = resource.getrlimit(resource.RLIMIT_STACK)
    if stack[0] != 8 << 20:
        pytest.skip("needs the usual stack limit of 8 MiB")
    env = {f"V{i:02}": "x" * 120000 for i in range(17)}
    seen = report_in(bbox, env=env)
    assert len(seen["environ"]) == 17 and sum(map(len, seen["environ"])) > 2_000_000


def test_many_environment_strings(bbox):
    env = {f"V{i}": str(i) for i in range(20000)}
    assert len(report_in(bbox, env=env)["environ"]) == 20000


def test_too_large_environment_string(bbox):
    """--args-fd can bring a string that execve then refuses."""
    data = b"--env=BIG=" + b"x" * 140000 + b"\0"
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--args-fd={file.fileno()}"],
                       pass_fds=[file.fileno()])
    never_ran(proc)
    assert proc.returncode in (125, 126), proc
    error_line(proc)


def test_many_arguments(bbox):
    args = [str(i) for i in range(30000)]
    proc = exec_in(bbox, "/bin/sh", "-c", "echo $#", "sh", *args)
    assert (proc.returncode, proc.stdout) == (0, "30000\n"), proc.stderr


# -- signals and limits ------------------------------------------------------------------------

ALL_SIGNALS = set(range(1, 65)) - {9, 19, 32, 33}


def mask_of(signals):
    return sum(1 << (s - 1) for s in signals)


def test_sigchld_ignored(bbox):
    seen = report_in(bbox, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert seen["ignored"] & mask_of([signal.SIGCHLD])


@need_userns
@pytest.mark.parametrize("opts", [["--unshare=pid"], ["--unshare=pid", "--init"]], ids=" ".join)
def test_sigchld_ignored_by_a_parent(bbox, opts):
    proc = exec_in(bbox, "/bin/sh", "-c", "exit 7", opts=opts,
                   preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert proc.returncode == 7, proc


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
def test_signal_state_is_handed_on(bbox, opts):
    ignored = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE}

    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        for s in ignored:
            signal.signal(s, signal.SIG_IGN)

    seen = report_in(bbox, *opts, preexec_fn=prepare, restore_signals=False)
    assert seen["blocked"] == mask_of(ALL_SIGNALS)
    assert seen["ignored"] & mask_of(ALL_SIGNALS) & ~mask_of([signal.SIGXFSZ]) == mask_of(ignored)


def test_no_signal_is_left_blocked_or_ignored(bbox):
    seen = report_in(bbox)
    assert (seen["blocked"], seen["ignored"]) == (0, 0)


def limited(name, value):
    return lambda: resource.setrlimit(name, (value, value))


@need_static
@pytest.mark.parametrize("limit", range(4, 9))
def test_few_descriptors(bbox, limit, unchanged_host):
    """Works, or is refused cleanly."""
    proc = exec_in(bbox, "/bin/report", preexec_fn=limited(resource.RLIMIT_NOFILE, limit))
    if proc.returncode == 0:
        assert sorted(json.loads(proc.stdout)["fds"]) == ["0", "1", "2"]
    else:
        never_ran(proc)
        assert_fails(proc, 125, "EMFILE")


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
def test_no_file_size(bbox, opts, unchanged_host):
    proc = exec_in(bbox, "/bin/static-true", opts=opts,
                   preexec_fn=limited(resource.RLIMIT_FSIZE, 0))
    assert proc.returncode == 0, proc


@pytest.mark.parametrize("mask", [0o777, 0o077, 0])
def test_umask_of_the_caller(bbox, mask, unchanged_host):
    seen = report_in(bbox, umask=mask)
    assert seen["umask"] == mask


def test_working_directory_is_gone(bbox, scratch):
    gone = scratch / "gone"
    gone.mkdir()
    proc = exec_in(bbox, "/bin/pwd", cwd=gone, preexec_fn=gone.rmdir)
    assert (proc.returncode, proc.stdout) == (0, "/\n"), proc


# -- names of the program ----------------------------------------------------------------------

@pytest.mark.parametrize("how", ["symlink", "copy", "path"])
def test_link_named_after_the_job(bbox, scratch, how):
    link = scratch / "exec-in-root"
    if how == "copy":
        shutil.copy(INROOT, link)
    else:
        link.symlink_to(INROOT)
    program = link if how != "path" else os.path.relpath(link)
    proc = inroot(bbox, "/bin/echo", "hi", program=program)
    assert (proc.returncode, proc.stdout) == (0, "hi\n"), proc


def test_link_of_another_name(bbox, scratch):
    (scratch / "something").symlink_to(INROOT)
    proc = inroot("exec", bbox, "/bin/echo", "hi", program=scratch / "something")
    assert (proc.returncode, proc.stdout) == (0, "hi\n"), proc


# -- privileged copies -------------------------------------------------------------------------

def privileged_copy(scratch, **change):
    if os.statvfs(scratch).f_flag & os.ST_NOSUID:
        pytest.skip("needs a temporary directory without nosuid")
    copy = scratch / "inroot-copy"
    shutil.copy(INROOT, copy)
    os.chown(copy, change.get("uid", 0), change.get("gid", 0))
    os.chmod(copy, change.get("mode", 0o755))
    if "caps" in change:
        run("setcap", change["caps"], copy)
    return copy


PRIVILEGED = {
    "setuid-other": {"mode": 0o4755, "uid": 33},
    "setgid": {"mode": 0o2755, "gid": 4},
    "setuid-and-setgid": {"mode": 0o6755},
    "capability": {"caps": "cap_sys_admin=ep"},
    "capability-permitted-only": {"caps": "cap_sys_chroot=p"},
    "all-capabilities": {"caps": "=ep"},
}


@need_root
@need_static
@need_tool("setcap")
@pytest.mark.parametrize("name", PRIVILEGED)
@pytest.mark.parametrize("args", [["exec", "ROOT", "/bin/echo", "RAN"], ["--version"], ["features"]],
                         ids=lambda a: a[0])
def test_privileged_copy_refuses(bbox, scratch, name, args):
    copy = privileged_copy(scratch, **PRIVILEGED[name])
    try:
        proc = inroot(*[bbox if a == "ROOT" else a for a in args], program=copy, **as_user())
    except PermissionError:
        pytest.skip("needs every capability in the bounding set: the kernel itself refuses such a file")
    assert proc.returncode != 0, proc
    assert proc.stdout == "" and len(proc.stderr.splitlines()) in (1, 2), proc


@need_root
@need_static
def test_setuid_copy_refuses_root_too(bbox, scratch):
    copy = privileged_copy(scratch, mode=0o4755, uid=1000)
    proc = exec_in(bbox, "/bin/echo", "RAN", program=copy)
    assert proc.returncode != 0 and proc.stdout == "", proc


@need_root
@need_static
def test_setuid_copy_opens_nothing(bbox, scratch):
    """Refused before anything: not even the status descriptor is written to."""
    copy = privileged_copy(scratch, mode=0o6755)
    status = scratch / "status"
    with open(status, "wb") as file:
        proc = exec_in(bbox, "/bin/echo", "RAN", opts=[f"--status-fd={file.fileno()}"], program=copy,
                       pass_fds=[file.fileno()], **as_user())
    assert proc.returncode != 0 and status.read_bytes() == b""


@need_root
@need_static
@need_tool("setpriv")
def test_ambient_capabilities_are_fine(bbox, unchanged_host):
    """As systemd's AmbientCapabilities= starts a service."""
    caps = "+sys_admin,+sys_chroot,+setuid,+setgid,+setpcap"
    wrapper = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", f"--inh-caps={caps}",
               f"--ambient-caps={caps}"]
    seen = report_in(bbox, wrapper=wrapper)
    assert seen["uids"] == [1000] * 3
    assert seen["caps"]["effective"] == seen["caps"]["permitted"] == seen["caps"]["ambient"] == 0



# -- the helper's own descriptors --------------------------------------------------------------

@pytest.mark.parametrize("number", range(3, 12))
@pytest.mark.parametrize("form", ["--pass-fd={}", "--sync-fd={}", "ROOT"])
def test_own_descriptors_have_no_number(bbox, number, form):
    """What the caller did not open is not open, whatever the helper opens itself."""
    r, w = os.pipe()

    def prepare():
        os.dup2(w, 20)
        os.closerange(3, 20)

    opts = [] if form == "ROOT" else [form.format(number)]
    root = f"fd:{number}" if form == "ROOT" else bbox
    proc = inroot("exec", "--status-fd=20", "--allow-host-proc", *opts, root, "/bin/echo", "RAN",
                  close_fds=False, preexec_fn=prepare)
    os.close(w)
    os.close(r)
    never_ran(proc)
    assert_fails(proc, 125, "EBADF")


@need_static
@pytest.mark.parametrize("size", [32 << 10, 64 << 10])
def test_small_stack(bbox, size):
    """Of 8 KiB the kernel's own random offset can take all."""
    proc = exec_in(bbox, "/bin/echo", "RAN", preexec_fn=limited(resource.RLIMIT_STACK, size), env={})
    never_ran(proc)
    assert_fails(proc, 125, "RLIMIT_STACK")


def test_status_on_a_full_pipe_that_does_not_block(bbox):
    """A lost `error` record would say: the payload runs."""
    r, w = os.pipe2(os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(w, b"\n" * 4096)
    with subprocess.Popen([INROOT, "exec", f"--status-fd={w}", bbox, "/bin/nothing"], pass_fds=[w],
                          stderr=subprocess.DEVNULL) as proc:
        os.close(w)
        with contextlib.suppress(subprocess.TimeoutExpired):
            proc.wait(0.5)  # it waits for room; one that does not has ended by then
        os.set_blocking(r, True)
        with open(r, "rb") as pipe:
            lines = [line for line in pipe.read().split(b"\n") if line]
    assert proc.returncode == 127 and json.loads(lines[-1])["type"] == "error"
