# SPDX-License-Identifier: MIT
"""tmpcopyup: a tmpfs that begins with what it covers; and file overlays, which are copies too."""
import os
import socket

import pytest

from conftest import ROOT_CALLER, assert_fails, exec_in, give, need_root, need_userns, ordinary
from denying import way  # noqa: F401: a fixture


@pytest.fixture
def filled(bbox):
    """Asked for before `who`, who is to own it."""
    top = bbox / "srv"
    for name in ("top", "a", "a/deeper", "b", "c"):
        (top / name).mkdir(parents=True)
    (top / "a/file").write_text("contents\n")
    (top / "a/deeper/tool").write_text("#!/bin/sh\necho tool\n")
    (top / "a/deeper/tool").chmod(0o755)
    (top / "top/large").write_bytes(bytes(range(256)) * 5000)
    (top / "link").symlink_to("a/file")
    (top / "out").symlink_to("/etc/inside")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(top / "socket"))
    for name, mode in (("a", 0o710), ("b", 0o1500), ("c", 0o1777), ("a/file", 0o640)):
        (top / name).chmod(mode)
    os.utime(top / "a/file", (1000000000, 1000000000))
    return bbox


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request, bbox):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    if request.param == "root":
        return {}
    if ROOT_CALLER:
        give(bbox)
    return {"opts": ["--map-root-user"], "run": ordinary()}


def start(root, who, way, opts, script):
    return exec_in(root, "/bin/sh", "-c", script, opts=[*who.get("opts", []), *opts], **who.get("run", {}), **way)


def inside(root, who, way, opts, script):
    proc = start(root, who, way, opts, script)
    assert proc.returncode == 0, (proc.stdout, proc.stderr)
    return proc.stdout


COPY = "--mount=type=tmpfs,dst=/srv,tmpcopyup"


def test_the_copy_is_like_it(filled, who, way, unchanged_host):  # noqa: F811
    script = """cd /srv; find . | sort | while read f; do
        case $(stat -c %F $f) in directory) stat -c '%n %F %a %u:%g' $f;; *) stat -c '%n %F %a %u:%g %s %Y' $f;; esac; done
        cat a/file link out; a/deeper/tool; od -An -tx1 top/large | sort | uniq | head"""
    with_it = inside(filled, who, way, [COPY], script)
    without = inside(filled, who, {}, [], script)
    # Times of links and such are kept too; only the root of the tmpfs has some of its own.
    assert with_it == without
    assert "./b directory 1500" in with_it and "contents\ncontents\ninside\ntool\n" in with_it


def test_writes_are_thrown_away(filled, who, way, unchanged_host):  # noqa: F811
    inside(filled, who, way, [COPY], "echo x > /srv/a/file; rm -r /srv/top; touch /srv/new; chmod 0 /srv/c")
    assert (filled / "srv/a/file").read_text() == "contents\n"
    assert (filled / "srv/top/large").stat().st_size == 1280000
    assert not (filled / "srv/new").exists() and (filled / "srv/c").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("mode", [0o710, 0o1500, 0o1777, 0o755])
def test_the_mode_of_what_is_covered(bbox, who, way, mode):  # noqa: F811
    (bbox / "srv").mkdir()
    if who and ROOT_CALLER:
        give(bbox)
    (bbox / "srv").chmod(mode)
    assert inside(bbox, who, way, [COPY], "stat -c %a /srv") == f"{mode:o}\n"
    assert inside(bbox, who, way, [COPY + ",mode=0701"], "stat -c %a /srv") == "701\n"


def test_of_what_is_not_there(bbox, who, way):  # noqa: F811
    assert inside(bbox, who, way, ["--mount=type=tmpfs,dst=/new,tmpcopyup"], "ls -A /new; echo ran") == "ran\n"


def test_of_an_earlier_mount(bbox, who, way, scratch):  # noqa: F811
    """What is there when its turn comes, and not what is below that."""
    (scratch / "file").write_text("bound\n")
    out = inside(bbox, who, way, [f"--mount=type=bind,src={scratch},dst=/mnt", "--mount=type=tmpfs,dst=/mnt,tmpcopyup"],
                 "cat /mnt/file; echo x > /mnt/file")
    assert out == "bound\n" and (scratch / "file").read_text() == "bound\n"


def test_what_is_too_deep(bbox, who, way):  # noqa: F811
    at = bbox / "srv"
    for _ in range(300):
        at = at / "d"
    at.mkdir(parents=True)
    if who and ROOT_CALLER:
        give(bbox)
    proc = start(bbox, who, way, [COPY], "echo ran")
    assert_fails(proc, 125, "/srv/d/d", "ELOOP")
    assert proc.stdout == ""


def test_what_does_not_fit(filled, who, way):  # noqa: F811
    proc = start(filled, who, way, [COPY + ",size=100k"], "echo ran")
    assert_fails(proc, 125, "/srv/top/large", "ENOSPC")
    assert proc.stdout == ""


@need_userns
def test_what_cannot_be_read_is_an_error(filled):
    if not ROOT_CALLER:
        pytest.skip("needs root, to make a file of another user's")
    give(filled)
    os.chown(filled / "srv/a/file", 0, 0)
    os.chmod(filled / "srv/a/file", 0o600)
    proc = start(filled, {"opts": ["--map-root-user"], "run": ordinary()}, {}, [COPY], "echo ran")
    assert_fails(proc, 125, "/srv/a/file", "EACCES")


@need_root
def test_owners_and_set_id(bbox, way):  # noqa: F811
    (bbox / "srv").mkdir()
    (bbox / "srv/tool").write_text("x")
    os.chown(bbox / "srv/tool", 12, 34)
    os.chmod(bbox / "srv/tool", 0o6755)
    assert inside(bbox, {}, way, [COPY], "stat -c '%a %u:%g' /srv/tool") == "6755 12:34\n"


@need_root
@need_userns
def test_set_id_of_somebody_who_is_not_mapped(bbox):
    """What ran as another user of the host must not run as the payload's root."""
    give(bbox)
    (bbox / "srv").mkdir()
    (bbox / "srv/tool").write_text("x")
    os.chown(bbox / "srv/tool", 12, 34)
    os.chmod(bbox / "srv/tool", 0o6755)
    who = {"opts": ["--map-root-user"], "run": ordinary()}
    assert inside(bbox, who, {}, [COPY], "stat -c '%a %u:%g' /srv/tool") == "755 0:0\n"


# -- file overlays -----------------------------------------------------------------------------

def test_a_file_overlay(bbox, scratch, who, way):  # noqa: F811
    source = scratch / "hosts"
    source.write_text("127.0.0.1 localhost\n")
    source.chmod(0o644)
    if who and ROOT_CALLER:
        os.chown(source, 1000, 1000)
    (bbox / "etc/hosts").write_text("")
    out = inside(bbox, who, way, [f"--mount=type=bind,src={source},dst=/etc/hosts,overlay"],
                 "cat /etc/hosts; stat -c %a:%u /etc/hosts; echo mine > /etc/hosts; cat /etc/hosts")
    assert out == "127.0.0.1 localhost\n644:0\nmine\n"
    assert source.read_text() == "127.0.0.1 localhost\n" and (bbox / "etc/hosts").read_text() == ""
