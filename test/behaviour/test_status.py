# SPDX-License-Identifier: MIT
"""--status-fd and --sync-fd: the records, their order and shape, and what end of file means."""
import json
import os
import select
import signal

import pytest

from conftest import (Running, assert_fails, inroot, need_root, need_tool, need_userns, ordinary,
                      parse_records, private_mounts, status_of)

ERROR_KEYS = {"type", "stage", "op", "path", "errno", "code", "message", "hint"}


def types(records):
    return [r["type"] for r in records]


def entered(records):
    found = [r for r in records if r["type"] == "entered"]
    assert len(found) == 1, records
    assert set(found[0]) == {"type", "method", "pivot", "userns", "fallback"}
    return found[0]


def error_of(records):
    """The error record: the last one, and the only one of its kind."""
    assert types(records).count("error") == 1 and records[-1]["type"] == "error", records
    error = records[-1]
    assert set(error) - {"path_hex"} <= ERROR_KEYS and {"type", "stage", "message"} <= set(error)
    return error


# -- a run that works --------------------------------------------------------------------------

def test_records_of_a_plain_run(bbox, unchanged_host):
    proc, records = status_of("exec", bbox, "/bin/true")
    assert proc.returncode == 0, proc
    assert types(records) == ["mounts-ready", "entered"]
    assert records[0] == {"type": "mounts-ready"}
    assert entered(records)["method"] == "pivot"


@need_root
def test_entered_of_root(bbox, unchanged_host):
    found = entered(status_of("exec", bbox, "/bin/true")[1])
    assert (found["method"], found["pivot"], found["userns"]) == ("pivot", "tmpdir", False)
    assert not found["fallback"]


@need_root
def test_entered_stacked(bbox, unchanged_host):
    found = entered(status_of("exec", "--pivot=stacked", bbox, "/bin/true")[1])
    assert (found["method"], found["pivot"]) == ("pivot", "stacked") and not found["fallback"]


@need_root
def test_entered_chroot(bbox, unchanged_host):
    found = entered(status_of("exec", "--enter=chroot", bbox, "/bin/true")[1])
    assert found["method"] == "chroot" and not found["pivot"] and not found["fallback"]


@need_userns
def test_entered_of_an_ordinary_user(bbox, unchanged_host):
    found = entered(status_of("exec", bbox, "/bin/true", **ordinary())[1])
    assert (found["method"], found["userns"]) == ("pivot", True)


@need_root
@need_tool("setpriv")
def test_fallback_gives_its_reason(bbox, unchanged_host):
    proc, records = status_of("exec", bbox, "/bin/true",
                              wrapper=["setpriv", "--bounding-set", "-sys_admin"])
    assert proc.returncode == 0, proc
    found = entered(records)
    assert found["method"] == "chroot" and "EPERM" in json.dumps(found["fallback"])


@need_userns
@pytest.mark.parametrize("opts", [["--unshare=pid"], ["--unshare=pid", "--init"]], ids=" ".join)
@pytest.mark.parametrize("script,last", [("exit 0", {"type": "exit", "code": 0}),
                                         ("exit 7", {"type": "exit", "code": 7}),
                                         ("exit 255", {"type": "exit", "code": 255})])
def test_records_where_the_helper_stays(bbox, opts, script, last, unchanged_host):
    proc, records = status_of("exec", *opts, bbox, "/bin/sh", "-c", script)
    assert types(records) == ["mounts-ready", "entered", "payload", "exit"]
    assert records[-1] == last and proc.returncode == last["code"]
    assert set(records[2]) == {"type", "pid"} and records[2]["pid"] > 1


@need_userns
def test_payload_killed_by_a_signal(bbox, unchanged_host):
    proc, records = status_of("exec", "--unshare=pid", "--init", bbox, "/bin/sh", "-c", "kill -9 $$")
    assert proc.returncode == 128 + 9
    assert records[-1] == {"type": "exit", "signal": 9}


@need_userns
@pytest.mark.parametrize("opts", [["--unshare=pid"], ["--unshare=pid", "--init"]], ids=" ".join)
def test_payload_pid_is_the_hosts(bbox, opts, unchanged_host):
    with Running("exec", *opts, bbox, "/bin/sigprint") as box:
        pid = box.record("payload")["pid"]
        assert box.line() == "ready\n"
        assert os.readlink(f"/proc/{pid}/exe").endswith("sigprint")
        os.kill(pid, signal.SIGTERM)
        assert box.record("exit") == {"type": "exit", "code": 42}
        assert box.record() is None
        assert box.proc.wait(10) == 42


# -- end of file -------------------------------------------------------------------------------

def test_end_of_file_while_the_payload_runs(bbox, unchanged_host):
    """Where the helper becomes the payload: EOF after `entered` without `error` means: it runs."""
    with Running("exec", bbox, "/bin/cat") as box:
        assert box.record()["type"] == "mounts-ready"
        assert box.record()["type"] == "entered"
        assert box.record() is None
        assert box.proc.poll() is None
        box.proc.stdin.close()
        assert box.proc.wait(10) == 0


@need_userns
def test_no_end_of_file_while_the_helper_stays(bbox, unchanged_host):
    with Running("exec", "--unshare=pid", "--init", bbox, "/bin/cat") as box:
        assert box.record("payload")
        assert select.select([box.fd], [], [], 0.2)[0] == []
        box.proc.stdin.close()
        assert box.record()["type"] == "exit"
        assert box.record() is None


# -- errors ------------------------------------------------------------------------------------

ERRORS = {
    "root-missing": (["/nonexistent/root", "x"], 125, "ENOENT", "/nonexistent/root"),
    "root-is-file": (["/etc/passwd", "x"], 125, "ENOTDIR", "/etc/passwd"),
    "command-missing": (["BBOX", "/bin/nothing"], 127, "ENOENT", "/bin/nothing"),
    "command-is-directory": (["BBOX", "/etc"], 126, "EACCES", "/etc"),
    "workdir-is-file": (["--workdir=/etc/inside", "BBOX", "/bin/true"], 125, "ENOTDIR", "/etc/inside"),
}


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
@pytest.mark.parametrize("name", ERRORS)
def test_error_record(bbox, name, opts, unchanged_host):
    args, status, code, path = ERRORS[name]
    proc, records = status_of("exec", *opts, *[bbox if a == "BBOX" else a for a in args])
    assert_fails(proc, status, code)
    error = error_of(records)
    assert error["code"] == code and error["path"] == path
    assert isinstance(error["errno"], int) and os.strerror(error["errno"])
    assert error["op"] and error["stage"] and error["message"]
    assert "payload" not in types(records) and "exit" not in types(records)


@pytest.mark.parametrize("args", [["--frobnicate", "BBOX", "x"], ["BBOX"], ["--user=x", "BBOX", "x"]],
                         ids=" ".join)
def test_usage_error_record(bbox, args):
    proc, records = status_of("exec", *[bbox if a == "BBOX" else a for a in args])
    assert_fails(proc, 125)
    assert error_of(records)["message"]


def test_error_has_the_hint(bbox):
    proc, records = status_of("exec", bbox, "true", env={})
    hint = error_of(records)["hint"]
    assert proc.returncode == 127 and hint
    assert proc.stderr.splitlines()[1] == f"hint: {hint}"


@pytest.mark.parametrize("name", [b"/nonexistent/\xff\xfe", b"/\xc3\x28", b"/nonexistent/\xed\xa0\x80",
                                  b"/nonexistent/\xc0\xaf"], ids=repr)
def test_name_that_is_not_utf8(name):
    proc, records = status_of("exec", name, "x")
    error = error_of(records)
    assert proc.returncode == 125
    assert bytes.fromhex(error["path_hex"]) == name
    assert error.get("path") is None


@pytest.mark.parametrize("name", ['/nonexistent/"\\\n\x01\x7f', "/nonexistent/\u00e9\u202e\U0001f600"],
                         ids=ascii)
def test_name_that_needs_care(name):
    assert error_of(status_of("exec", name, "x")[1])["path"] == name


@pytest.mark.parametrize("unit", [b"\xff", b"\x01", b'"', b"x", "\u00e9".encode()], ids=ascii)
def test_long_names_fit_into_a_record(unit):
    """Escaped or in hex a path grows up to sixfold; a record never exceeds 4096 bytes."""
    part = (unit * 250)[:250 - 250 % len(unit)]
    proc, records = status_of("exec", b"/nonexistent" + (b"/" + part) * 15, "x")
    assert proc.returncode == 125
    assert error_of(records)["code"] == "ENOENT"


# -- the descriptor itself ---------------------------------------------------------------------

@pytest.mark.parametrize("fd", [1, 2])
def test_status_on_a_standard_descriptor(bbox, fd, unchanged_host):
    """It is duplicated first."""
    proc = inroot("exec", f"--status-fd={fd}", bbox, "/bin/true")
    assert proc.returncode == 0, proc
    found = parse_records((proc.stdout if fd == 1 else proc.stderr).encode())
    assert types(found) == ["mounts-ready", "entered"]


def test_status_on_stdin(bbox, unchanged_host):
    r, w = os.pipe()
    proc = inroot("exec", "--status-fd=0", bbox, "/bin/true", stdin=w)
    os.close(w)
    with open(r, "rb") as pipe:
        assert proc.returncode == 0 and types(parse_records(pipe.read())) == ["mounts-ready", "entered"]


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
def test_nobody_reads(bbox, opts, unchanged_host):
    """EPIPE is ignored, SIGPIPE does not kill."""
    r, w = os.pipe()
    os.close(r)
    proc = inroot("exec", f"--status-fd={w}", *opts, bbox, "/bin/sh", "-c", "exit 3", pass_fds=[w])
    os.close(w)
    assert proc.returncode == 3, proc


def test_payload_does_not_get_it(bbox):
    proc, _ = status_of("exec", bbox, "/bin/report")
    assert sorted(json.loads(proc.stdout)["fds"]) == ["0", "1", "2"]


def test_every_record_is_one_write(bbox, scratch):
    """Read through a packet pipe (O_DIRECT): one read gives one write."""
    r, w = os.pipe2(os.O_DIRECT)
    proc = inroot("exec", f"--status-fd={w}", bbox, "/bin/nothing", pass_fds=[w])
    os.close(w)
    packets = []
    while packet := os.read(r, 8192):
        packets.append(packet)
    os.close(r)
    assert proc.returncode == 127
    assert all(len(p) <= 4096 and p.count(b"\n") == 1 and p.endswith(b"\n") for p in packets)
    assert [json.loads(p)["type"] for p in packets][-1] == "error"


# -- --sync-fd ---------------------------------------------------------------------------------

def sync_run(bbox, go, **kw):
    """Start with a pipe as --sync-fd, wait for mounts-ready, then do go(write end)."""
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", *kw.pop("opts", ()), bbox, "/bin/report", pass_fds=[r],
                 **kw) as box:
        os.close(r)
        assert box.record()["type"] == "mounts-ready"
        assert box.proc.poll() is None and not select.select([box.fd], [], [], 0.2)[0]
        go(w)
        rest = []
        while record := box.record():
            rest.append(record)
        out = box.proc.stdout.read()
        return box.proc.wait(10), rest, out


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
def test_sync_byte(bbox, opts, unchanged_host):
    code, rest, out = sync_run(bbox, lambda w: (os.write(w, b"x"), os.close(w)), opts=opts)
    assert code == 0 and types(rest)[0] == "entered" and "error" not in types(rest)
    assert sorted(json.loads(out)["fds"]) == ["0", "1", "2"]


@pytest.mark.parametrize("opts", [[], ["--unshare=pid", "--init"]], ids=lambda o: " ".join(o) or "plain")
def test_sync_end_of_file(bbox, opts, unchanged_host):
    code, rest, out = sync_run(bbox, os.close, opts=opts)
    assert code == 125 and types(rest) == ["error"] and out == b""


def test_sync_leaves_the_rest_unread(bbox):
    r, w = os.pipe()
    os.write(w, b"go and more")
    proc = inroot("exec", f"--sync-fd={r}", bbox, "/bin/true", pass_fds=[r])
    assert proc.returncode == 0 and os.read(r, 100) == b"o and more"
    os.close(r)
    os.close(w)


@need_root
@private_mounts
def test_old_root_is_reachable_at_mounts_ready(bbox, scratch):
    """The mounts stand and the old root is still there: a parent can still act on both."""
    r, w = os.pipe()
    with Running("exec", f"--sync-fd={r}", bbox, "/bin/true", pass_fds=[r]) as box:
        os.close(r)
        assert box.record()["type"] == "mounts-ready"
        assert os.path.exists(f"/proc/{box.proc.pid}/root{scratch}")
        os.write(w, b"x")
        os.close(w)
        assert box.proc.wait(10) == 0
