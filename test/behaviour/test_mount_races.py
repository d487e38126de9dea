# SPDX-License-Identifier: MIT
"""Another process exchanges directories and files of ROOT for links to the host's while starts make /dev, devices,
copies, masks and cgroups: nothing of the host's is changed, shown or mounted on."""
import os
import pathlib
import subprocess

import pytest

from conftest import ROOT_CALLER, TIMEOUT, exec_in, give, need_root, need_userns, ordinary, words
from denying import way  # noqa: F401: a fixture

SWAPS = 100_000 if os.environ.get("INROOT_SOAK") == "1" else 10_000  # in each scene
MOST_STARTS = 200


@pytest.fixture(params=[pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def who(request):
    """Keyword arguments: root, or an ordinary user in a user namespace whose ROOT is his."""
    return {} if request.param == "root" else {"opts": ["--map-root-user"], "run": ordinary()}


@pytest.fixture
def canary(scratch):
    """What the links lead to, which anybody could write to."""
    top = scratch / "canary"
    (top / "sub").mkdir(parents=True)
    (top / "inner").write_text("canary\n")
    (top / "sub/secret").write_text("canary\n")
    for path in (top, top / "sub", top / "inner", top / "sub/secret"):
        path.chmod(0o777)
    return top


def look(top):
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        st = path.lstat()
        contents = path.read_bytes() if path.is_file() else sorted(os.listdir(path))
        found[str(path)] = (st.st_mode, st.st_uid, st.st_ino, contents)
    return found


def start_until(payloads, pairs, starts):
    """Starts, each by a call, until enough exchanges of `pairs` (A, B, the target of a link at B) were made."""
    swaps = 0
    for _ in range(MOST_STARTS):
        r, w = os.pipe()
        arguments = [word for a, b, target in pairs for word in ("x", a, b, target)]
        with subprocess.Popen(words([payloads["swapper"], r, 10 ** 9, TIMEOUT, *arguments]), pass_fds=[r],
                              stdout=subprocess.PIPE, text=True) as beside:
            try:
                for _ in range(5):
                    starts()
            finally:
                os.close(w)
                os.close(r)
                last = beside.communicate(timeout=TIMEOUT)[0].splitlines()[-1]
        swaps += int(last.split()[1])
        if swaps >= SWAPS:
            return
    pytest.fail(f"only {swaps} exchanges")


SCENES = {
    "dev": ("dev", ["--mount=type=devtmpfs,dst=/dev"], "ls /dev"),
    "below": ("top", ["--mount=type=devtmpfs,dst=/top/sub"], "ls /top/sub"),
    "device": ("top", ["--device=/dev/full:/top/sub/full"], "ls /top"),
    "made": ("top", ["--device=/dev/full:/top/new/deeper/full", "--mount=type=tmpfs,dst=/top/x"], "ls /top"),
    "copy": ("srv/top", ["--mount=type=tmpfs,dst=/srv,tmpcopyup"], "find /srv; cat /srv/top/* /srv/top/sub/* /srv/file"),
    "copied": ("srv", ["--mount=type=tmpfs,dst=/srv,tmpcopyup"], "find /srv; cat /srv/* /srv/sub/*"),
    "hide": ("top", ["--mask=/top/sub", "--mask=/top/inner", "--ro-path=/top", "--ro-path=/top/sub"],
             "touch /top/sub/x /top/x; echo x > /top/inner"),
    "cgroup": ("top", ["--mount=type=cgroup2,dst=/top/sub,ro"], "mkdir /top/sub/x"),
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("form", ["absolute", "climbing"])
def test_places_that_are_exchanged(bbox, canary, payloads, who, way, scene, form):  # noqa: F811
    name, opts, script = SCENES[scene]
    place = bbox / name
    (place / "sub").mkdir(parents=True, exist_ok=True)
    (place / "inner").write_text("own\n")
    (place / "sub/secret").write_text("own\n")
    pairs = [(place, bbox / ".spare", canary if form == "absolute" else "../" * 9 + str(canary)[1:])]
    if scene == "copy":
        (bbox / "srv/file").write_text("own\n")
        pairs.append((bbox / "srv/file", bbox / ".spare-file", canary / "inner"))
    if who and ROOT_CALLER:
        give(bbox)
    host = {n: os.lstat(f"/dev/{n}").st_ino for n in os.listdir("/dev")}
    before, points = look(canary), pathlib.Path("/proc/self/mountinfo").read_text()
    ends = []

    def start():
        proc = exec_in(bbox, "/bin/sh", "-c", f"{script}; true", opts=[*who.get("opts", []), *opts],
                       **who.get("run", {}), **way)
        assert proc.returncode in (0, 125), (proc.returncode, proc.stderr)
        ends.append((proc.returncode, proc.stderr))
        assert "canary\n" not in proc.stdout.replace(str(canary), ""), proc.stdout
    start_until(payloads, pairs, start)
    if not way:  # mount(2) has to find each mount again, and gives up if it can't
        assert any(code == 0 for code, _ in ends), ends
    assert look(canary) == before
    assert pathlib.Path("/proc/self/mountinfo").read_text() == points
    assert {n: os.lstat(f"/dev/{n}").st_ino for n in os.listdir("/dev")} == host
