# SPDX-License-Identifier: MIT
"""The options of exec, one by one, seen from inside the root."""
import json
import os
import pathlib
import resource
import socket
import tempfile

import pytest

from conftest import (ROOT_CALLER, SANITIZED, Running, as_user, assert_fails, exec_in, give, host_state,
                      inroot, marked, need_root, need_tool, need_userns, ordinary, private_mounts,
                      report_in, run, status_of)

CAPS = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable "
        "net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio "
        "sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time "
        "sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog "
        "wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore").split()
DEFAULT = ("chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw "
           "sys_chroot audit_write setfcap").split()
AFTER_CHROOT = "sys_chroot sys_admin dac_read_search sys_ptrace sys_module sys_rawio mknod".split()


def bits(*names):
    return sum(1 << CAPS.index(n) for n in set(names))


def sh(root, script, *opts, **kw):
    return exec_in(root, "/bin/sh", "-c", script, opts=opts, **kw)


# -- working directory -------------------------------------------------------------------------

def test_workdir_default(bbox):
    assert report_in(bbox)["cwd"] == "/"


@pytest.mark.parametrize("form", [["--workdir=/etc"], ["--workdir", "/etc"]], ids=" ".join)
def test_workdir(bbox, form, unchanged_host):
    assert report_in(bbox, *form)["cwd"] == "/etc"


def test_workdir_is_resolved_inside(bbox):
    (bbox / "link").symlink_to("/etc")
    (bbox / "up").symlink_to("../../../../etc")
    for name in ("/link", "/up", "/../../etc"):
        assert report_in(bbox, f"--workdir={name}")["cwd"] == "/etc"


@pytest.mark.parametrize("name", ["/tmp/new", "/tmp/one/two/three"])
def test_workdir_is_made(bbox, name, unchanged_host):
    seen = report_in(bbox, f"--workdir={name}", umask=0o022)
    assert seen["cwd"] == name
    made = os.stat(str(bbox) + name)
    assert (made.st_uid, made.st_gid) == (os.geteuid(), os.getegid())
    assert made.st_mode & 0o7777 == 0o755


@need_root
def test_workdir_is_made_with_the_payloads_ids(bbox):
    report_in(bbox, "--user=1000:1234", "--workdir=/tmp/mine")
    made = os.stat(bbox / "tmp/mine")
    assert (made.st_uid, made.st_gid) == (1000, 1234)


@need_root
def test_workdir_not_writable(bbox, unchanged_host):
    proc = sh(bbox, "echo RAN", "--user=1000", "--workdir=/etc/new")
    assert_fails(proc, 125, "EACCES")
    assert proc.stdout == "" and not (bbox / "etc/new").exists()


@need_root
def test_workdir_not_searchable_for_the_payload(bbox):
    (bbox / "root").chmod(0o700)
    assert_fails(sh(bbox, "echo RAN", "--user=1000", "--workdir=/root"), 125, "EACCES")


@need_root
@private_mounts
@pytest.mark.parametrize("name", ["/proc/self/fd/{}", "/proc/self/fd/{}/../etc", "/proc/1/cwd",
                                  "/proc/self/root/proc/self/cwd"])
def test_workdir_through_proc_is_refused(bbox, name):
    """CVE-2024-21626: a working directory outside the root through a leaked descriptor."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    fd = os.open("/", os.O_RDONLY)
    proc = sh(bbox, "echo RAN; ls", "--allow-host-proc", "--workdir=" + name.format(fd),
              pass_fds=[fd])
    assert proc.stdout == "" and proc.returncode == 125, proc


# -- environment and argv ----------------------------------------------------------------------

@pytest.mark.parametrize("opts,expect", [
    ([], ["A=1", "B=2"]),
    (["--env=C=3"], ["A=1", "B=2", "C=3"]),
    (["--env", "C=3"], ["A=1", "B=2", "C=3"]),
    (["--env=A=x=y"], ["A=x=y", "B=2"]),
    (["--env=A="], ["A=", "B=2"]),
    (["--env=A=x", "--env=A=y"], ["A=y", "B=2"]),
    (["--clear-env"], []),
    (["--clear-env", "--env=A"], ["A=1"]),
    (["--clear-env", "--env=A=9"], ["A=9"]),
    (["--clear-env", "--env=NOT_THERE"], []),
    (["--unset-env=A"], ["B=2"]),
    (["--unset-env=NOT_THERE"], ["A=1", "B=2"]),
    (["--clear-env", "--env=N=\n\u00e9"], ["N=\n\u00e9"]),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_environment(bbox, opts, expect):
    seen = report_in(bbox, *opts, env={"A": "1", "B": "2"})
    assert sorted(s.encode("latin-1").decode() for s in seen["environ"]) == sorted(expect)


def test_argv(bbox):
    seen = report_in(bbox, args=["x", "", "--init", "a b"])
    assert seen["argv"] == ["/bin/report", "x", "", "--init", "a b"]


@pytest.mark.parametrize("name", ["-sh", "", "other name"])
def test_argv0(bbox, name):
    assert report_in(bbox, f"--argv0={name}")["argv"] == [name]


# -- limits, mask, session ---------------------------------------------------------------------

@pytest.mark.parametrize("text,mask", [("0", 0), ("022", 0o22), ("22", 0o22), ("777", 0o777),
                                       ("0777", 0o777), ("077", 0o77)])
def test_umask(bbox, text, mask):
    assert report_in(bbox, f"--umask={text}")["umask"] == mask


@pytest.mark.parametrize("text,name,limit", [
    ("nofile=100", "nofile", [100, 100]), ("nofile=50:60", "nofile", [50, 60]),
    ("stack=2M:1G", "stack", [2 << 20, 1 << 30]), ("core=0", "core", [0, 0]), ("cpu=unlimited", "cpu", [-1, -1]),
    ("fsize=1:unlimited", "fsize", [1, -1]), ("stack=1048576", "stack", [1 << 20, 1 << 20]),
    ("nproc=7", "nproc", [7, 7]), ("as=1000000000", "as", [10**9, 10**9]),
])
def test_rlimit(bbox, text, name, limit):
    if SANITIZED and name == "as":
        pytest.skip("needs the static binary: the address sanitizer needs terabytes of addresses")
    proc = exec_in(bbox, "/bin/report", opts=[f"--rlimit={text}"])
    assert proc.returncode == 0, proc
    assert json.loads(proc.stdout)["rlimits"][name] == limit


def test_rlimits_together(bbox):
    limits = report_in(bbox, "--rlimit=nofile=64", "--rlimit=core=0", "--rlimit=nofile=65")["rlimits"]
    assert (limits["nofile"], limits["core"]) == ([65, 65], [0, 0])


def test_no_descriptor_for_the_payload(bbox):
    """The limit is the payload's: what the helper still does needs none."""
    proc = exec_in(bbox, "/bin/pwd", opts=["--rlimit=nofile=0", "--workdir=/tmp/made"])
    assert (proc.returncode, proc.stdout) == (0, "/tmp/made\n"), proc.stderr


def test_rlimit_above_the_hard_limit(bbox):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    kw = {"wrapper": ["setpriv", "--bounding-set", "-sys_resource"]} if ROOT_CALLER else {}
    proc = sh(bbox, "echo RAN", "--rlimit=nofile=128", preexec_fn=limit, **kw)
    assert_fails(proc, 125, "EPERM")


def test_session_is_the_callers(bbox):
    seen = report_in(bbox)
    assert seen["sid"] == os.getsid(0)


@pytest.mark.parametrize("prepare", [None, lambda: os.setpgid(0, 0)], ids=["member", "leader"])
def test_new_session(bbox, prepare):
    seen = report_in(bbox, "--new-session", preexec_fn=prepare)
    assert seen["sid"] == seen["pid"] == seen["pgid"]


# -- uts, sysctl -------------------------------------------------------------------------------

@need_userns
def test_hostname(bbox, unchanged_host):
    before = socket.gethostname()
    assert report_in(bbox, "--unshare=uts", "--hostname=in.the-box")["hostname"] == "in.the-box"
    assert socket.gethostname() == before


@need_userns
@pytest.mark.parametrize("name", ["x" * 65, ""], ids=["long", "empty"])
def test_bad_hostname(bbox, name):
    assert_fails(sh(bbox, "echo RAN", "--unshare=uts", f"--hostname={name}"), 125)


@need_root
@need_tool("nsenter", "sysctl")
@pytest.mark.parametrize("kind,flag,key,value", [("net", "-n", "net.ipv4.ip_default_ttl", "77"),
                                                 ("ipc", "-i", "kernel.msgmax", "4242"),
                                                 ("net", "-n", "net/ipv4/ip_forward", "1")])
def test_sysctl(bbox, kind, flag, key, value, unchanged_host):
    before = run("sysctl", "-n", key)
    with Running("exec", f"--unshare={kind}", f"--sysctl={key}={value}", bbox, "/bin/cat") as box:
        box.record("entered")
        assert box.record() is None
        seen = run("nsenter", "-t", box.proc.pid, flag, "sysctl", "-n", key)
        box.proc.stdin.close()
        assert box.proc.wait(10) == 0
    assert seen.strip() == value
    assert run("sysctl", "-n", key) == before


@need_userns
@pytest.mark.parametrize("opts", [["--sysctl=net.ipv4.ip_forward=1"], ["--sysctl=kernel.msgmax=1"],
                                  ["--unshare=net,ipc,uts", "--sysctl=kernel.panic=1"],
                                  ["--unshare=net,ipc,uts", "--sysctl=vm.swappiness=1"],
                                  ["--unshare=net", "--sysctl=net/../kernel/panic=1"],
                                  ["--unshare=net", "--sysctl=net.ipv4.nothing_of_the_kind=1"],
                                  ["--unshare=ipc", "--sysctl=kernel.msgmax=x\ny"]], ids=" ".join)
def test_sysctl_refused(bbox, opts):
    proc = sh(bbox, "echo RAN", *opts)
    assert proc.stdout == ""
    assert_fails(proc, 125)


@need_userns
@pytest.mark.parametrize("kind", ["user", "pid", "net", "ipc", "uts", "cgroup", "time"])
def test_unshare(bbox, kind, unchanged_host):
    seen = report_in(bbox, f"--unshare={kind}")["ns"]
    if kind not in seen:
        pytest.skip("needs namespaces of a pidfd (kernel 6.11)")
    assert seen[kind] != os.stat(f"/proc/self/ns/{kind}").st_ino
    if ROOT_CALLER:
        for other in {"user", "net", "ipc", "uts", "cgroup"} - {kind}:
            assert seen[other] == os.stat(f"/proc/self/ns/{other}").st_ino
    assert seen["mnt"] != os.stat("/proc/self/ns/mnt").st_ino


@need_userns
def test_unshare_everything(bbox, unchanged_host):
    seen = report_in(bbox, "--unshare=user,pid,net", "--unshare", "ipc,uts,cgroup,time")["ns"]
    assert seen, "needs namespaces of a pidfd (kernel 6.11)"
    assert all(seen[k] != os.stat(f"/proc/self/ns/{k}").st_ino
               for k in ("user", "pid", "net", "ipc", "uts", "cgroup", "time", "mnt"))


@need_userns
def test_loopback_is_up(bbox):
    proc = sh(bbox, "ip addr show lo", "--unshare=net")
    assert proc.returncode == 0 and "LOOPBACK,UP" in proc.stdout, proc


# -- read-only, overlay ------------------------------------------------------------------------

WRITE = "for f in / /etc /tmp /mnt; do echo x 2>/dev/null > $f/new && echo WROTE $f; done; echo end"


def test_ro(bbox, unchanged_host):
    proc = sh(bbox, WRITE, "--ro")
    assert (proc.returncode, proc.stdout) == (0, "end\n"), proc
    assert not (bbox / "tmp/new").exists()


def test_writable_without_ro(bbox):
    assert "WROTE /tmp" in sh(bbox, WRITE).stdout
    assert (bbox / "tmp/new").read_text() == "x\n"


@need_root
@private_mounts
@pytest.mark.parametrize("user", [False, True], ids=["root", "userns"])
def test_ro_covers_submounts(bbox, user):
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "sub", bbox / "mnt")
    (bbox / "mnt/deep").mkdir(mode=0o777)
    (bbox / "mnt/deep").chmod(0o777)
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "deep", bbox / "mnt/deep")
    (bbox / "mnt/deep/file").write_text("there\n")
    kw = as_user() if user else {}
    proc = sh(bbox, WRITE + "; echo y > /mnt/deep/new; cat /mnt/deep/file", "--ro", **kw)
    assert proc.stdout == "end\nthere\n" and "Read-only" in proc.stderr, proc
    assert sh(bbox, "echo y > /mnt/deep/new", **kw).returncode == 0
    assert (bbox / "mnt/deep/new").exists()


@need_root
@private_mounts
@pytest.mark.parametrize("opts", [[], ["--ro"], ["--overlay=tmpfs"], ["--pivot=stacked"]],
                         ids=lambda o: " ".join(o) or "plain")
def test_no_mount_arrives(bbox, opts):
    """A mount made below ROOT on the (shared) host while the payload runs never shows up inside."""
    run("mount", "--bind", bbox, bbox)
    run("mount", "--make-rshared", "/")
    with Running("exec", *opts, bbox, "/bin/sh", "-c", "read x; ls /mnt; echo end") as box:
        assert box.record("entered") and box.record() is None
        run("mount", "-t", "tmpfs", "late", bbox / "mnt")
        (bbox / "mnt/LATE").write_text("")
        out, _ = box.proc.communicate(b"go\n", 10)
        assert out == b"end\n"


CHANGE = ("echo changed > /etc/inside && rm /bin/ls && mkdir /new && echo y > /new/file && "
          "mv /etc/inside /etc/outside && cat /etc/outside /new/file")


def tree(root):
    found = {}
    for path in sorted(pathlib.Path(root).rglob("*")):
        st = path.lstat()
        found[str(path.relative_to(root))] = (st.st_mode, st.st_uid, st.st_size, st.st_mtime_ns, st.st_ino)
    return found


@need_userns
def test_overlay_tmpfs(bbox, unchanged_host):
    before = tree(bbox)
    proc = sh(bbox, CHANGE, "--overlay=tmpfs")
    assert (proc.returncode, proc.stdout) == (0, "changed\ny\n"), proc
    assert tree(bbox) == before


@need_userns
def test_overlay_tmpfs_of_an_ordinary_user(bbox):
    if ROOT_CALLER:
        give(bbox)
    before = tree(bbox)
    proc = sh(bbox, CHANGE, "--overlay=tmpfs", **ordinary())
    assert (proc.returncode, proc.stdout) == (0, "changed\ny\n"), proc
    assert tree(bbox) == before


@need_userns
@pytest.mark.parametrize("form", ["path", "relative"])
def test_overlay_upper(bbox, scratch, form, unchanged_host):
    (scratch / "upper").mkdir()
    (scratch / "work").mkdir()
    before = tree(bbox)
    value = f"{scratch}/upper:{scratch}/work" if form == "path" else "upper:work"
    proc = sh(bbox, CHANGE, f"--overlay={value}", cwd=scratch)
    assert (proc.returncode, proc.stdout) == (0, "changed\ny\n"), proc
    assert tree(bbox) == before
    assert (scratch / "upper/new/file").read_text() == "y\n"
    again = sh(bbox, "cat /etc/outside; ls -d /new", f"--overlay={value}", cwd=scratch)
    assert again.stdout.startswith("changed\n"), again


@need_userns
@pytest.mark.parametrize("upper,work", [("missing", "work"), ("upper", "missing"), ("upper", "upper"),
                                        ("file", "work")])
def test_bad_overlay(bbox, scratch, upper, work, unchanged_host):
    (scratch / "upper").mkdir()
    (scratch / "work").mkdir()
    (scratch / "file").write_text("")
    proc = sh(bbox, "echo RAN", f"--overlay={scratch / upper}:{scratch / work}")
    assert proc.stdout == ""
    assert_fails(proc, 125)


@need_root
@private_mounts
def test_overlay_keeps_submounts_read_only(bbox):
    """Submounts of ROOT are bound on top again, read-only, or the run is refused."""
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "sub", bbox / "mnt")
    (bbox / "mnt/file").write_text("there\n")
    proc = sh(bbox, "cat /mnt/file; echo x > /mnt/new", "--overlay=tmpfs")
    assert os.listdir(bbox / "mnt") == ["file"]
    if proc.returncode != 125:
        assert proc.stdout == "there\n" and "Read-only" in proc.stderr, proc


# -- descriptors -------------------------------------------------------------------------------

def test_pass_fd(bbox):
    r, w = os.pipe()
    other = os.open("/dev/null", os.O_RDONLY)
    try:
        seen = report_in(bbox, f"--pass-fd={w}", "--pass-fd", other, pass_fds=[r, w, other])
    finally:
        for fd in (r, w, other):
            os.close(fd)
    assert sorted(seen["fds"], key=int) == sorted({"0", "1", "2", str(w), str(other)}, key=int)
    assert seen["fds"][str(w)]["kind"] == "fifo" and seen["fds"][str(w)]["cloexec"] == 0


@pytest.mark.parametrize("number", [3, 9, 100, 1000])
def test_pass_fd_keeps_its_number(bbox, number):
    with tempfile.TemporaryFile() as file:
        ino = os.fstat(file.fileno()).st_ino

        def prepare():
            os.dup2(file.fileno(), number, inheritable=True)

        seen = report_in(bbox, f"--pass-fd={number}", preexec_fn=prepare, close_fds=False)
    assert sorted(seen["fds"], key=int) == ["0", "1", "2", str(number)]
    assert seen["fds"][str(number)]["ino"] == ino


@need_userns
def test_pass_fd_where_the_helper_stays(bbox):
    r, w = os.pipe()
    seen = report_in(bbox, "--unshare=pid", "--init", f"--pass-fd={w}", pass_fds=[w])
    os.close(w)
    os.close(r)
    assert sorted(seen["fds"], key=int) == sorted(["0", "1", "2", str(w)], key=int)


def args_file(*words, end=b"\0"):
    file = tempfile.TemporaryFile()
    file.write(b"\0".join(w if isinstance(w, bytes) else str(w).encode() for w in words) + end)
    file.seek(0)
    return file


def test_args_fd(bbox):
    with args_file("--env=FROM=fd", "--workdir=/etc", "--env=LINE=a\nb") as file:
        seen = report_in(bbox, "--clear-env", f"--args-fd={file.fileno()}", "--env=LAST=1",
                         pass_fds=[file.fileno()])
    assert seen["cwd"] == "/etc" and sorted(seen["fds"]) == ["0", "1", "2"]
    assert sorted(seen["environ"]) == ["FROM=fd", "LAST=1", "LINE=a\nb"]


def test_args_fd_stands_in_place_of_the_option(bbox):
    with args_file("--clear-env") as file:
        seen = report_in(bbox, "--env=A=1", f"--args-fd={file.fileno()}", "--env=B=2",
                         pass_fds=[file.fileno()])
    assert seen["environ"] == ["B=2"] or sorted(seen["environ"]) == ["A=1", "B=2"]


def test_args_fd_with_everything(bbox):
    with args_file("--argv0=x", bbox, "--", "/bin/report", "--pass-fd=9", "") as file:
        proc = inroot("exec", "--clear-env", f"--args-fd={file.fileno()}", pass_fds=[file.fileno()])
    assert proc.returncode == 0, proc
    assert json.loads(proc.stdout)["argv"] == ["x", "--pass-fd=9", ""]


def test_args_fd_from_a_pipe_that_is_slow(bbox):
    r, w = os.pipe()
    with Running("exec", f"--args-fd={r}", bbox, "/bin/report", pass_fds=[r]) as box:
        os.close(r)
        for byte in b"--workdir=/etc\0":
            os.write(w, bytes([byte]))
        os.close(w)
        out, _ = box.proc.communicate(timeout=20)
    assert json.loads(out)["cwd"] == "/etc"


def test_args_fd_empty(bbox):
    with args_file(end=b"") as file:
        assert report_in(bbox, f"--args-fd={file.fileno()}", pass_fds=[file.fileno()])["cwd"] == "/"


def test_args_fd_is_not_nested(bbox):
    with args_file("--env=X=1") as inner, args_file(f"--args-fd={inner.fileno()}") as outer:
        proc = sh(bbox, "echo RAN", f"--args-fd={outer.fileno()}",
                  pass_fds=[inner.fileno(), outer.fileno()])
    assert proc.stdout == ""
    assert_fails(proc, 125, "--args-fd")


def test_args_fd_cut_off(bbox):
    """Each argument is ended by a NUL byte; one without is cut off."""
    with args_file("--workdir=/etc", "--env=X=1", end=b"") as file:
        proc = sh(bbox, "echo RAN", f"--args-fd={file.fileno()}", pass_fds=[file.fileno()])
    assert proc.stdout == ""
    assert_fails(proc, 125)


@need_userns
def test_args_fd_keeps_secrets_out_of_argv(bbox):
    with args_file("--env=PASSWORD=xyzzy-secret") as file:
        with Running("exec", f"--args-fd={file.fileno()}", "--unshare=pid", "--init", bbox,
                     "/bin/sigprint", pass_fds=[file.fileno()]) as box:
            assert box.record("payload")
            assert box.line() == "ready\n"
            for pid in marked():
                assert b"xyzzy" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


# -- capabilities, no_new_privs, filter --------------------------------------------------------

def held():
    """What root here can hand on (a container's root may lack some)."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    raise AssertionError("no CapPrm line")


CAP_OPTIONS = [
    ([], DEFAULT),
    (["--cap-add=SYS_ADMIN"], DEFAULT + ["sys_admin"]),
    (["--cap-add=CAP_SYS_ADMIN,sys_ptrace"], DEFAULT + ["sys_admin", "sys_ptrace"]),
    (["--cap-add", "cap_mknod"], DEFAULT + ["mknod"]),
    (["--cap-drop=CHOWN"], [c for c in DEFAULT if c != "chown"]),
    (["--cap-drop=ALL"], []),
    (["--cap-drop=all"], []),
    (["--cap-drop=ALL", "--cap-add=CHOWN,KILL"], ["chown", "kill"]),
    (["--cap-add=ALL"], CAPS),
    (["--cap-add=ALL", "--cap-drop=SYS_ADMIN,CAP_MKNOD"],
     [c for c in CAPS if c not in ("sys_admin", "mknod")]),
    (["--cap-drop=CHOWN", "--cap-drop=KILL"], [c for c in DEFAULT if c not in ("chown", "kill")]),
]


@need_root
@pytest.mark.parametrize("opts,names", CAP_OPTIONS, ids=lambda v: " ".join(v) or "none")
def test_capabilities_of_a_root_payload(bbox, opts, names, unchanged_host):
    expect = bits(*names) & held()
    caps = report_in(bbox, *opts)["caps"]
    assert (caps["effective"], caps["permitted"], caps["bounding"]) == (expect, expect, expect)
    assert caps["inheritable"] & ~expect == 0 and caps["ambient"] & ~expect == 0


@need_userns
@pytest.mark.parametrize("opts,names", CAP_OPTIONS, ids=lambda v: " ".join(v) or "none")
def test_capabilities_in_a_user_namespace(bbox, opts, names):
    caps = report_in(bbox, "--map-root-user", *opts, **ordinary())["caps"]
    expect = bits(*names)
    if names is CAPS:
        expect = (1 << int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1 & expect
    assert caps["effective"] & expect == caps["effective"] == caps["permitted"]
    assert caps["effective"] == expect & (caps["bounding"] | expect)


@need_root
@pytest.mark.parametrize("opts,names", [([], []), (["--cap-add=NET_BIND_SERVICE"], ["net_bind_service"]),
                                        (["--cap-add=KILL,CHOWN", "--cap-drop=CHOWN"], ["kill"]),
                                        (["--cap-drop=ALL"], [])], ids=lambda v: " ".join(v) or "none")
def test_capabilities_of_another_payload(bbox, opts, names):
    caps = report_in(bbox, "--user=1000", *opts)["caps"]
    assert caps["effective"] == caps["permitted"] == caps["ambient"] == bits(*names)
    assert caps["bounding"] & ~bits(*DEFAULT, *names) == 0


@need_root
def test_capability_that_the_caller_lacks(bbox):
    proc = exec_in(bbox, "/bin/echo", "RAN", opts=["--cap-add=SYS_TIME"],
                   wrapper=["setpriv", "--bounding-set", "-sys_time"])
    assert proc.stdout == ""
    assert_fails(proc, 125)


@pytest.mark.parametrize("opts,nnp", [([], 1), (["--no-new-privs=on"], 1),
                                      (["--no-new-privs=off", "--seccomp=none"], 0)],
                         ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_no_new_privs(bbox, opts, nnp):
    assert report_in(bbox, *opts)["nnp"] == nnp


@pytest.mark.parametrize("opts,mode", [([], 2), (["--seccomp=default"], 2), (["--seccomp=none"], 0)],
                         ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_filter(bbox, opts, mode):
    assert report_in(bbox, *opts)["seccomp"] == mode


@need_root
def test_filter_without_no_new_privs(bbox):
    seen = report_in(bbox, "--no-new-privs=off")
    assert (seen["nnp"], seen["seccomp"]) == (0, 2)


# -- the payload is found ----------------------------------------------------------------------

def script(root, name, text="#!/bin/sh\necho ran $0\n", mode=0o755):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return "/" + name


def test_path_is_searched_inside(bbox):
    script(bbox, "only/here/tool")
    proc = exec_in(bbox, "tool", opts=["--env=PATH=/nowhere:/only/here"])
    assert (proc.returncode, proc.stdout) == (0, "ran /only/here/tool\n"), proc


@pytest.mark.parametrize("before", ["/nowhere", "/etc/inside", "/denied", "/etc/inside/x", "/loop", "/dir"],
                         ids=["ENOENT", "ENOTDIR", "EACCES", "ENOTDIR-2", "ELOOP-or-stop", "directory"])
def test_search_goes_on(bbox, before):
    script(bbox, "denied/tool", mode=0o644)
    script(bbox, "last/tool")
    (bbox / "dir/tool").mkdir(parents=True)
    (bbox / "loop").symlink_to("loop")
    proc = exec_in(bbox, "tool", opts=[f"--env=PATH={before}:/last"])
    if before == "/loop":
        assert proc.returncode in (0, 126)
    else:
        assert (proc.returncode, proc.stdout) == (0, "ran /last/tool\n"), proc


def test_only_a_file_that_is_not_executable(bbox):
    script(bbox, "denied/tool", mode=0o644)
    assert_fails(exec_in(bbox, "tool", opts=["--env=PATH=/nowhere:/denied:/etc"]), 126, "EACCES")


@pytest.mark.parametrize("command,path,code", [
    ("nothing", "/bin", 127), ("/bin/nothing", "/bin", 127), ("bin/nothing", "/bin", 127),
    ("/etc/inside/x", "/bin", 127), ("/etc", "/bin", 126), ("/etc/inside", "/bin", 126), ("", "/bin", 127),
])
def test_payload_status(bbox, command, path, code):
    assert_fails(exec_in(bbox, command, opts=[f"--env=PATH={path}"]), code)


def test_hosts_path_is_not_searched(bbox):
    assert_fails(exec_in(bbox, "python3", env={"PATH": os.environ["PATH"]}), 127)


def test_unset_path(bbox):
    proc = exec_in(bbox, "sh", "-c", ":", opts=["--unset-env=PATH"])
    assert "hint: " in assert_fails(proc, 127) and "PATH" in proc.stderr


@pytest.mark.parametrize("text", ["#!/nonexistent/interpreter\n", "#! /nonexistent/interpreter -x\n"])
def test_missing_interpreter(bbox, text):
    name = script(bbox, "bad", text)
    proc = exec_in(bbox, name)
    stderr = assert_fails(proc, 126)
    assert "hint: " in stderr and "/nonexistent/interpreter" in stderr


def test_missing_loader(bbox):
    """A dynamic program of the host, in a root without its loader."""
    with open("/bin/true", "rb") as file:
        data = file.read()
    (bbox / "dynamic").write_bytes(data)
    (bbox / "dynamic").chmod(0o755)
    stderr = assert_fails(exec_in(bbox, "/dynamic"), 126)
    assert "hint: " in stderr and "ld-" in stderr


def test_no_format(bbox):
    name = script(bbox, "text", "just text\n")
    assert_fails(exec_in(bbox, name), 126, "ENOEXEC")


def test_relative_command(bbox):
    script(bbox, "etc/here")
    proc = exec_in(bbox, "./here", opts=["--workdir=/etc"])
    assert (proc.returncode, proc.stdout) == (0, "ran ./here\n"), proc


@pytest.mark.parametrize("code", [0, 1, 2, 125, 126, 127, 255])
def test_exit_status_is_the_payloads(bbox, code):
    assert sh(bbox, f"exit {code}").returncode == code


def test_payload_dies_by_a_signal(bbox):
    """The helper is the payload: the caller sees the signal itself."""
    assert sh(bbox, "kill -TERM $$").returncode == -15


@need_root
def test_executable_for_somebody_else(bbox):
    """Looked up with the payload's ids, not with the helper's."""
    script(bbox, "one/tool", mode=0o700)
    script(bbox, "two/tool")
    proc = exec_in(bbox, "tool", opts=["--user=1000", "--env=PATH=/one:/two"])
    assert (proc.returncode, proc.stdout) == (0, "ran /two/tool\n"), proc


# -- plan, methods -----------------------------------------------------------------------------

@pytest.mark.parametrize("opts", [[], ["--ro"], ["--enter=pivot", "--pivot=stacked", "--user=0"],
                                  ["--unshare=pid,net", "--init", "--hostname=x", "--unshare=uts"],
                                  ["--map-root-user", "--cap-drop=ALL", "--overlay=tmpfs"],
                                  ["--env=HOSTILE=\x1b\"\\\n"], ["--rlimit=nofile=5:6", "--umask=027"]],
                         ids=ascii)
def test_dry_run(bbox, opts, unchanged_host):
    before = tree(bbox)
    proc = exec_in(bbox, "/bin/touch", "/tmp/RAN", opts=["--dry-run", "--workdir=/tmp/made", *opts])
    assert proc.returncode == 0 and proc.stderr == "", proc
    assert json.loads(proc.stdout)
    assert tree(bbox) == before


def test_dry_run_prints_auto_as_a_ladder(bbox):
    plan = exec_in(bbox, "/bin/true", opts=["--dry-run"]).stdout
    assert "pivot" in plan and "chroot" in plan


def test_dry_run_of_a_bad_plan(bbox):
    proc = exec_in(bbox, "/bin/true", opts=["--dry-run", "--enter=detached"])
    assert proc.stdout == ""
    assert_fails(proc, 125)


@pytest.mark.parametrize("method", ["detached", "confined"])
@pytest.mark.parametrize("form", ["--enter={}", "--enter {}"])
def test_methods_that_are_not_for_exec(bbox, method, form, unchanged_host):
    proc = sh(bbox, "echo RAN", *form.format(method).split())
    assert proc.stdout == ""
    assert_fails(proc, 125, method)


@need_userns
@pytest.mark.parametrize("who", ["self", "ordinary"])
@pytest.mark.parametrize("opts,method", [(["--enter=auto"], "pivot"), (["--enter=pivot"], "pivot"),
                                         (["--enter=pivot", "--pivot=stacked"], "pivot"),
                                         (["--enter=chroot"], "chroot")], ids=lambda v: "".join(v))
def test_methods(bbox, opts, method, who, unchanged_host):
    proc, records = status_of("exec", *opts, bbox, "/bin/ls", "/etc",
                              **(ordinary() if who == "ordinary" else {}))
    assert (proc.returncode, proc.stdout) == (0, "inside\n"), proc
    assert [r["method"] for r in records if r["type"] == "entered"] == [method]


@need_root
@private_mounts
def test_move(bbox):
    before = host_state(bbox)
    proc, records = status_of("exec", "--enter=move", bbox, "/bin/ls", "/etc")
    assert (proc.returncode, proc.stdout) == (0, "inside\n"), proc
    assert [r["method"] for r in records if r["type"] == "entered"] == ["move"]
    before.check()


@need_root
def test_pivot_tmpdir_that_was_asked_for_fails(bbox, unchanged_host):
    """Unasked it gives way on a full, read-only or foreign root; by name it does not."""
    @private_mounts
    def on_a_read_only_bind():
        run("mount", "--bind", bbox, bbox)
        run("mount", "-o", "remount,bind,ro", bbox)
        assert_fails(sh(bbox, "echo RAN", "--pivot=tmpdir"), 125, "EROFS")
        proc, records = status_of("exec", bbox, "/bin/true")
        assert proc.returncode == 0 and records[-1]["pivot"] == "stacked"
    on_a_read_only_bind()


@need_root
@need_tool("setpriv")
@pytest.mark.parametrize("opts", [["--enter=pivot"], ["--ro"], ["--overlay=tmpfs"], ["--cap-add=SYS_ADMIN"],
                                  ["--cap-add=MKNOD"]], ids=" ".join)
def test_no_fallback(bbox, opts, unchanged_host):
    """Without CAP_SYS_ADMIN: what is named, or what chroot can't keep, is not replaced."""
    proc = sh(bbox, "echo RAN", *opts, wrapper=["setpriv", "--bounding-set", "-sys_admin"])
    assert proc.stdout == ""
    assert_fails(proc, 125)


@need_root
def test_capabilities_after_chroot(bbox, unchanged_host):
    forbidden = bits(*AFTER_CHROOT)
    for opts in ([], ["--cap-add=ALL"], ["--cap-add=ALL", "--user=1000"]):
        seen = report_in(bbox, "--enter=chroot", *opts)
        assert all(held_set & forbidden == 0 for held_set in seen["caps"].values())
    assert report_in(bbox, "--enter=chroot", "--cap-add=ALL")["caps"]["effective"] == \
        bits(*CAPS) & held() & ~forbidden
    plan = json.loads(exec_in(bbox, "/bin/true", opts=["--dry-run", "--enter=chroot", "--cap-add=ALL"]).stdout)
    assert bits(*plan["capabilities"]) == bits(*CAPS) & held() & ~forbidden


@pytest.mark.parametrize("name", AFTER_CHROOT)
def test_capability_that_chroot_forbids(bbox, name, unchanged_host):
    proc = sh(bbox, "echo RAN", "--enter=chroot", f"--cap-add={name}")
    assert proc.stdout == ""
    assert_fails(proc, 125, name)


# -- a procfs of the caller's pid namespace ----------------------------------------------------

@need_root
@private_mounts
def test_host_proc_is_refused(bbox):
    run("mount", "-t", "proc", "proc", bbox / "proc")
    proc = sh(bbox, "echo RAN")
    assert proc.stdout == ""
    assert_fails(proc, 125)
    assert "--allow-host-proc" in proc.stderr
    assert sh(bbox, "echo hi", "--allow-host-proc").stdout == "hi\n"
    # A pid namespace hides nothing in a procfs that shows another one.
    proc = sh(bbox, "echo RAN", "--unshare=pid")
    assert proc.stdout == ""
    assert_fails(proc, 125)
    # The host's root could write to /proc/sys; other ids can't.
    assert "RAN" not in sh(bbox, "echo RAN", "--map-root-user").stdout
    assert sh(bbox, "echo hi", "--map-users=0:100000:10", "--map-groups=0:100000:10").stdout == "hi\n"


@pytest.mark.parametrize("opts", [[], ["--unshare=pid"]], ids=lambda o: " ".join(o) or "plain")
def test_new_session_of_a_session_leader(bbox, opts):
    """It can't make another, but its child can."""
    proc = exec_in(bbox, "/bin/report", opts=["--new-session", *opts], preexec_fn=os.setsid)
    if opts and proc.returncode == 0:
        seen = json.loads(proc.stdout)
        assert seen["sid"] == seen["pid"] == 1
    else:
        assert "hint: " in assert_fails(proc, 125, "setsid", "EPERM")
