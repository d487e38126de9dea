# SPDX-License-Identifier: MIT
"""The README's examples, run as they stand there, and the parent programs of examples/."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import INROOT, REPO, TIMEOUT, need_tool, need_userns, ordinary, parse_records, words
from tarball import directory, file, gzip, tar

pytestmark = [need_userns, pytest.mark.usefixtures("unchanged_host")]


LAYER = [directory("etc/layer"), file("etc/layer/program", mode=0o4755, uid=33, gid=34)]

# -- the README --------------------------------------------------------------------------------

def readme_examples():
    section = re.search(r"^## Seven examples\n(.*?)^## ", (REPO / "README.md").read_text(),
                        re.DOTALL | re.MULTILINE)
    return re.findall(r"^```sh\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE)


def archive_was_unpacked(place):
    program = place / "root/etc/layer/program"
    st = program.stat()
    if os.getuid() == 0:
        assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (33, 34, 0o4755)
    else:
        assert (st.st_uid, st.st_mode & 0o7777) == (os.getuid(), 0o755)
    assert program.read_text() == "data\n"


def nothing_was_written(place):
    assert not (place / "root/etc/motd").exists()


def result_was_passed(place):
    assert (place / "result").read_text() == "done\n"


SUMMARY = ('{"entries":2,"files":1,"directories":1,"symlinks":0,"hardlinks":0,"devices":0,"fifos":0,'
           '"skipped":0,"bytes":5,"complete":true,"end_marker":true}\n')

# In their order: what each prints, and what is to be seen afterwards.
OUTCOMES = [
    (SUMMARY, archive_was_unpacked),
    ("0\n/\n", None),
    ("changed\n", nothing_was_written),
    ("box\n2\n", None),
    ("layer.tar.gz\npath\nroot\n/dev/ptmx\n/dev/pts\n/proc\n", None),
    ("", result_was_passed),
    (None, None),  # test_readme_records
]


def run_example(number, place):
    """The commands of an example in a directory that has root and layer.tar.gz, with inroot on the PATH."""
    (place / "layer.tar.gz").write_bytes(gzip(tar(LAYER)))
    (place / "root/dev/null").touch()  # a shell's background jobs read from it
    (place / "path").mkdir()
    (place / "path/inroot").symlink_to(INROOT)
    path = f"{place}/path:{os.environ['PATH']}"
    return subprocess.run(["sh", "-e", "-c", readme_examples()[number]], cwd=place, text=True,
                          env={**os.environ, "PATH": path}, capture_output=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL)


def test_readme_has_seven_examples():
    assert len(readme_examples()) == len(OUTCOMES) == 7


@pytest.mark.parametrize("number", range(6))
def test_readme_example(bbox, number):
    output, check = OUTCOMES[number]
    proc = run_example(number, bbox.parent)
    assert (proc.returncode, proc.stdout, proc.stderr) == (0, output, ""), proc
    if check:
        check(bbox.parent)


def test_readme_records(bbox):
    proc = run_example(6, bbox.parent)
    said, _, records = proc.stdout.partition("\n")
    assert (proc.returncode, said, proc.stderr) == (0, "ended with 7", ""), proc
    records = parse_records(records.encode())
    assert [r["type"] for r in records] == ["mounts-ready", "entered", "payload", "exit"]
    assert records[-1]["code"] == 7


# -- the parents -------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def go_parent(tmp_path_factory):
    if not shutil.which("go"):
        pytest.skip("needs go")
    top = tmp_path_factory.mktemp("go")
    # No network, nothing written but here, and no look at a repository that may be somebody else's.
    env = {**os.environ, "HOME": str(top), "GOPATH": f"{top}/path", "GOCACHE": f"{top}/cache",
           "GOFLAGS": "-mod=mod -buildvcs=false", "GOPROXY": "off", "CGO_ENABLED": "0"}
    for command in (["vet", "."], ["build", "-o", f"{top}/go-parent", "."]):
        proc = subprocess.run(["go", *command], cwd=REPO / "examples/go-parent", env=env,
                              capture_output=True, text=True, timeout=300)
        assert proc.returncode == 0, proc.stderr
    return top / "go-parent"


@pytest.fixture(params=["python", "go"])
def parent(request, scratch):
    """The command line of a parent program; where an ordinary user can reach it."""
    if request.param == "python":
        return [sys.executable, shutil.copy(REPO / "examples/python-parent.py", scratch)]
    return [shutil.copy(request.getfixturevalue("go_parent"), scratch)]


def run_parent(parent, *args, inroot=INROOT, **kw):
    return subprocess.run(words([*parent, *args]), env={**os.environ, "INROOT": str(inroot)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIMEOUT, **kw)


def lines_of(proc):
    return proc.stdout.splitlines()


@pytest.mark.parametrize("opts,stays", [([], False), (["--init"], True), (["--unshare=pid", "--ro"], True)],
                         ids=["becomes", "init", "pid"])
def test_parent_hears_from_the_payload(bbox, parent, opts, stays):
    proc = run_parent(parent, *opts, bbox, "sh", "-c", "echo hello >&$RESULT_FD; exit 3")
    first, *between, result, status = lines_of(proc)
    assert proc.returncode == 3 and proc.stderr == "", proc
    assert first.startswith("entered: pivot, user namespace: ")
    assert between == (["the payload runs", "the payload has ended"] if stays else [])
    assert (result.replace('"', "'"), status) == (r"result: 'hello\n'", "status: 3")


def test_parent_of_an_ordinary_user(bbox, parent):
    proc = run_parent(parent, bbox, "sh", "-c", "id -u >&$RESULT_FD", **ordinary())
    assert proc.returncode == 0, proc
    assert lines_of(proc)[0].lower() == "entered: pivot, user namespace: true"
    assert r"0\n" in lines_of(proc)[-2]


@pytest.mark.parametrize("opts", [[], ["--init"]], ids=["becomes", "init"])
def test_parent_takes_more_than_a_pipe_holds(bbox, parent, opts):
    proc = run_parent(parent, *opts, bbox, "sh", "-c", "seq 1 30000 >&$RESULT_FD")
    assert proc.returncode == 0, proc
    assert lines_of(proc)[-2].count(r"\n") == 30000


@pytest.mark.parametrize("opts", [[], ["--init"]], ids=["becomes", "init"])
def test_parent_sees_a_signal(bbox, parent, opts):
    proc = run_parent(parent, *opts, bbox, "sh", "-c", "kill -9 $$")
    assert proc.returncode == 128 + 9 and lines_of(proc)[-1] == "status: 137", proc


@pytest.mark.parametrize("opts", [[], ["--init"]], ids=["becomes", "init"])
def test_parent_reads_an_error_after_entering(bbox, parent, opts):
    proc = run_parent(parent, *opts, bbox, "not-there")
    assert proc.returncode == 127, proc
    assert lines_of(proc)[0].startswith("entered: ")
    assert lines_of(proc)[1].startswith("inroot failed at exec: execve: ") and len(lines_of(proc)) == 2


def test_parent_reads_an_error_with_a_hint(bbox, parent):
    proc = run_parent(parent, "--clear-env", bbox, "sh")
    assert proc.returncode == 127, proc
    assert lines_of(proc)[-1].startswith("hint: PATH is not set")


def test_parent_reads_an_error_before_entering(bbox, parent):
    proc = run_parent(parent, "--no-such-option", bbox, "sh")
    assert proc.returncode == 125, proc
    assert lines_of(proc) == ["inroot failed at usage: option: unknown option"]


@pytest.mark.parametrize("when", ["at-once", "mounts-ready"])
def test_parent_sees_a_helper_that_was_killed(bbox, parent, scratch, when):
    """A stand-in for the helper that dies by SIGKILL, before its first record or after it."""
    stand_in = scratch / "inroot"
    record = json.dumps({"type": "mounts-ready"})
    say = f"echo '{record}' >&${{2#--status-fd=}}\n" if when == "mounts-ready" else ""
    stand_in.write_text(f"#!/bin/sh\n{say}kill -9 $$\n")
    stand_in.chmod(0o755)
    proc = run_parent(parent, bbox, "sh", inroot=stand_in)
    assert proc.returncode == 128 + 9 and lines_of(proc) == ["inroot was killed"], proc


def test_parent_names_what_it_cannot_open(bbox, parent):
    proc = run_parent(parent, bbox / "nowhere", "sh")
    assert proc.returncode == 1 and "nowhere" in proc.stderr and "Traceback" not in proc.stderr, proc


@need_tool("gofmt")
def test_go_is_formatted():
    proc = subprocess.run(["gofmt", "-l", REPO / "examples/go-parent"], capture_output=True, text=True,
                          timeout=60)
    assert (proc.returncode, proc.stdout) == (0, ""), proc
