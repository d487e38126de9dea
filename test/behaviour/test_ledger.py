# SPDX-License-Identifier: MIT
"""Flaws that container tools were published with, as far as they are of roots: each by the tests that try it here.

The tests of this file do first what the runtimes did (seed_ways.py), and see it go wrong on the very root that inroot
then gets.
"""
import ast
import ctypes
import os
import pty
import subprocess

import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import (INROOT, REPO, SANITIZED, assert_fails, exec_in, host_state, inroot, need_root, need_tool, words)
from many_runs import say  # noqa: F401: a fixture
from mountcalls import mount, opened
from mounting import Mount
from seed_ways import (CLONE_NEWNET, apart, is_proc, jailed, mask, read, secure_join, write_sysctl)
from treedigest import digest

pytestmark = need_root

# id -> its tests here, or why there is none
CVES = {
    "CVE-2018-15664": ["test_ledger::test_unpacking_stays_inside",
                       "test_unpack_races::test_swaps_during_extraction",
                       "test_unpack_lessons::test_no_link_leads_out_of_the_root"],
    "CVE-2019-5736": ["test_escape::test_executable_of_the_helper",
                      "test_escape::test_executable_of_the_helper_in_an_own_pid_namespace"],
    "CVE-2019-10152": ["test_ledger::test_unpacking_stays_inside",
                       "test_unpack_lessons::test_the_directory_is_a_boundary"],
    "CVE-2019-18466": ["test_ledger::test_unpacking_stays_inside",
                       "test_unpack_lessons::test_the_directory_is_a_boundary"],
    "CVE-2019-14271": ["test_build::test_file", "test_build::test_what_is_not_linked"],
    "CVE-2019-16884": ["test_ledger::test_a_volume_over_proc",
                       "test_ledger::test_an_overlay_that_calls_itself_proc",
                       "test_mount_guards::test_only_a_procfs_on_proc", "test_mount_guards::test_nothing_below_proc"],
    "CVE-2019-19921": ["test_ledger::test_a_proc_that_leads_to_a_volume",
                       "test_ledger::test_exchanged_at_each_call",
                       "test_mount_guards::test_a_link_is_no_place"],
    "CVE-2021-30465": ["test_ledger::test_exchanged_at_each_call",
                       "test_mount_swaps::test_exchanges_during_starts"],
    "CVE-2023-25809": ["test_mount_cgroup::test_cve_2023_25809_read_only_is_read_only",
                       "test_mount_cgroup::test_nothing_on_the_host_is_a_read_only_nothing"],
    "CVE-2023-27561": ["test_ledger::test_a_proc_that_leads_to_a_volume",
                       "test_mount_guards::test_a_link_is_no_place"],
    "CVE-2023-28642": ["test_ledger::test_a_proc_that_leads_to_a_volume",
                       "test_mount_guards::test_a_link_is_no_place_for_a_config_either"],
    "CVE-2024-21626": ["test_ledger::test_a_directory_that_was_left_open",
                       "test_options::test_workdir_through_proc_is_refused",
                       "test_escape::test_only_standard_and_passed_descriptors"],
    "CVE-2024-45310": ["test_ledger::test_places_are_made_inside", "test_ledger::test_exchanged_at_each_call",
                       "test_mount_swaps::test_exchanges_during_starts"],
    "CVE-2025-31133": ["test_ledger::test_masks_by_what_the_image_calls_null",
                       "test_mount_hide::test_cve_2025_31133_a_link_of_the_images",
                       "test_mount_hide::test_cve_2025_31133_the_hosts_is_checked"],
    "CVE-2025-52565": ["test_ledger::test_a_console_that_is_a_link",
                       "test_mount_dev::test_cve_2025_52565_another_file_at_its_name"],
    "CVE-2025-52881": ["test_ledger::test_a_sysctl_goes_to_the_kernel",
                       "test_mount_hide::test_no_mask_through_a_magic_link"],
    "CVE-2026-30892": ["test_odd_starts::test_number", "test_odd_starts::test_bad_root"],
    "CVE-2026-41579": ["test_ledger::test_a_dev_that_is_a_link", "test_mount_dev::test_cve_2026_41579_config",
                       "test_mount_dev::test_cve_2026_41579_dev_symlink_does_not_populate_outside_rootfs"],
    "CVE-2026-47766": ["test_ledger::test_a_dev_that_is_a_link", "test_mount_dev::test_config_ptmx"],
    "CVE-2026-41568": ["test_ledger::test_places_are_made_inside", "test_ledger::test_exchanged_at_each_call"],
    "CVE-2026-42306": ["test_ledger::test_exchanged_at_each_call",
                       "test_mount_swaps::test_exchanges_during_starts"],
    "CVE-2026-41567": ["test_ledger::test_a_decompressor_of_the_images", "test_unpack_cage::test_program", "test_unpack_cage::test_decoder"],
    "CVE-2026-55686": ["test_ledger::test_a_working_directory_behind_a_link",
                       "test_config_parse::test_cwd_is_made_by_the_helper"],
}
# Those of the requirements, in their order.
LEDGER = """CVE-2018-15664 CVE-2019-5736 CVE-2019-10152 CVE-2019-18466 CVE-2019-14271 CVE-2019-16884 CVE-2019-19921
CVE-2021-30465 CVE-2023-25809 CVE-2023-27561 CVE-2023-28642 CVE-2024-21626 CVE-2024-45310 CVE-2025-31133 CVE-2025-52565
CVE-2025-52881 CVE-2026-30892 CVE-2026-41579 CVE-2026-47766 CVE-2026-41568 CVE-2026-42306 CVE-2026-41567
CVE-2026-55686""".split()


def functions_in(name):
    text = (REPO / "test/behaviour" / f"{name}.py").read_text(encoding="utf-8")
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def test_the_ledger_is_whole(say):  # noqa: F811
    assert list(CVES) == LEDGER
    named = {test.partition("::")[::2] for tests in CVES.values() for test in tests}
    assert [f"{file}::{name}" for file, name in sorted(named) if name not in functions_in(file)] == []
    for cve, tests in CVES.items():
        say(f"{cve}: {' '.join(tests)}")


@pytest.fixture
def outside(scratch):
    """What of the host a root may want to reach."""
    path = scratch / "outside"
    (path / "d/sub").mkdir(parents=True)
    (path / "f").write_text("host\n")
    return path


# -- /proc -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,kind", [("proc", "proc"), ("sys", "sysfs")])
def test_a_proc_that_leads_to_a_volume(bbox, outside, name, kind):
    """CVE-2019-19921, 2023-27561, 2023-28642: the volume's owner then says what is in it, and what is masked."""
    if (bbox / name).exists():
        (bbox / name).rmdir()
    (bbox / "vol").mkdir()
    (bbox / name).symlink_to("/vol/fake")
    (outside / "fake").mkdir()

    def seed():
        mount(outside, bbox / "vol", None, "bind")
        place = secure_join(bbox, f"/{name}")
        assert os.path.isdir(place) and not os.path.islink(place)  # its check, after resolving
        mount(kind, place, kind)
        return os.path.ismount(bbox / "vol/fake")
    assert apart(seed)
    opts = ["--unshare=pid,net", f"--volume={outside}:/vol", f"--mount=type={kind},dst=/{name}"]
    assert_fails(exec_in(bbox, "/bin/echo", "RAN", opts=opts), 125, "must be mounted on an ordinary directory")


def test_a_volume_over_proc(bbox, outside):
    """CVE-2019-16884: what then goes to /proc/self/attr/exec is written to a file."""
    (outside / "self").mkdir()
    (outside / "self/attr").write_text("")

    def seed():
        mount(outside, bbox / "proc", None, "bind")
        os.chroot(bbox)
        with open("/proc/self/attr", "w", encoding="utf-8") as file:
            file.write("label")
        return True
    assert apart(seed) and (outside / "self/attr").read_text() == "label"
    volume = f"--volume={outside}:/proc"
    for opts in ([volume], ["--unshare=pid", "--mount=type=proc,dst=/proc", volume]):
        assert_fails(exec_in(bbox, "/bin/echo", "RAN", opts=opts), 125, "only a procfs may be mounted on /proc")


def test_an_overlay_that_calls_itself_proc(bbox, outside):
    """runc cdff09ab8: by its source it was one."""
    def seed():
        assert is_proc("/proc")
        if ctypes.CDLL(None).mount(b"/proc", os.fsencode(bbox / "proc"), b"overlay", 0,
                                   b"lowerdir=" + os.fsencode(outside) + b":" + os.fsencode(bbox / "etc")) != 0:
            return "skip"
        return read(bbox / "proc/f")
    if (seen := apart(seed)) == "skip":
        pytest.skip("needs overlayfs")
    assert seen == "host\n"
    option = f"--mount=type=overlay,src=/proc,dst=/proc,lowerdir={outside}:/usr"
    assert_fails(exec_in(bbox, "/bin/echo", "RAN", opts=[option]), 125, "only a procfs may be mounted on /proc")


def test_a_sysctl_goes_to_the_kernel(bbox, outside):
    """CVE-2025-52881: to a file of the image's, or to another setting than was meant."""
    key, name = "net.ipv4.ip_default_ttl", "proc/sys/net/ipv4/ip_default_ttl"
    (bbox / name).parent.mkdir(parents=True)
    (bbox / "etc/victim").write_text("")
    (bbox / name).symlink_to("/etc/victim")
    jailed(bbox, lambda: write_sysctl(key, "77"), namespaces=CLONE_NEWNET)
    assert (bbox / "etc/victim").read_text() == "77"
    (bbox / "etc/victim").write_text("")
    opts = ["--unshare=net,pid", f"--sysctl={key}=77", "--mount=type=proc,dst=/look"]
    proc = exec_in(bbox, "/bin/cat", f"/look/{name[5:]}", opts=opts)
    assert (proc.returncode, proc.stdout) == (0, "77\n"), proc.stderr
    assert (bbox / "etc/victim").read_text() == ""


# -- /dev --------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["link", "missing"])
def test_masks_by_what_the_image_calls_null(bbox, kind):
    """CVE-2025-31133: it is bound somewhere else, or the mask is left out."""
    (bbox / "etc/shadow").write_text("secret\n")
    if kind == "link":
        (bbox / "dev/null").symlink_to("/etc/inside")

    def seed():
        mask("/etc/shadow")
        return read("/etc/shadow")
    assert jailed(bbox, seed) == ("inside\n" if kind == "link" else "secret\n")
    script = "stat -c %t:%T /etc/shadow; cat /etc/shadow; echo x > /etc/shadow; cat /etc/inside"
    proc = exec_in(bbox, "/bin/sh", "-c", script, opts=["--mask=/etc/shadow"])
    assert proc.stdout == "1:3\ninside\n", proc


def test_a_dev_that_is_a_link(bbox, outside):
    """CVE-2026-41579, 2026-47766: the host's ptmx was removed, and links made beside it."""
    (outside / "ptmx").write_text("host\n")
    (bbox / "dev").rmdir()
    (bbox / "dev").symlink_to(outside)

    def seed():
        os.remove(f"{bbox}/dev/ptmx")
        os.symlink("pts/ptmx", f"{bbox}/dev/ptmx")
        os.symlink("/proc/self/fd", f"{bbox}/dev/fd")
    apart(seed)
    assert os.readlink(outside / "ptmx") == "pts/ptmx" and (outside / "fd").is_symlink()
    (outside / "ptmx").unlink()
    (outside / "fd").unlink()
    (outside / "ptmx").write_text("host\n")
    before = digest(outside)
    for opts in (["--mount=type=devtmpfs,dst=/dev"], ["--default-mounts", "--unshare=pid"], ["--device=/dev/full"],
                 ["--volume=/dev/full:/dev/full"], ["--tmpfs=/dev/shm"]):
        exec_in(bbox, "/bin/true", opts=opts)
        assert digest(outside) == before, opts


def test_a_console_that_is_a_link(bbox):
    """CVE-2025-52565: of the terminal's name in the root it was a bind, before anything was masked."""
    leader, follower = pty.openpty()
    try:
        name = os.ttyname(follower)
        (bbox / "dev/pts").mkdir()
        (bbox / name[1:]).symlink_to("/etc/inside")
        (bbox / "dev/console").write_text("")

        def seed():
            mount(name, "/dev/console", None, "bind")
            return read("/dev/console")
        assert jailed(bbox, seed) == "inside\n"
        proc = exec_in(bbox, "/bin/sh", "-c", "stat -c %t:%T /dev/console; echo x > /dev/console; cat /etc/inside",
                       opts=["--mount=type=devtmpfs,dst=/dev,console"], stdin=follower, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
        number = os.fstat(follower).st_rdev
        assert proc.stdout == f"{os.major(number):x}:{os.minor(number):x}\ninside\n", proc
    finally:
        os.close(leader)
        os.close(follower)


# -- the working directory ---------------------------------------------------------------------

def test_a_directory_that_was_left_open(bbox, bundle, outside):  # noqa: F811
    """CVE-2024-21626: a descriptor of the host's is a working directory, and the way out."""
    with opened(outside, flags=os.O_RDONLY | os.O_DIRECTORY) as (fd,):
        def seed():
            os.chdir(f"/proc/self/fd/{fd}")
            return sorted(os.listdir("."))
        assert jailed(bbox, seed, procfs=True) == ["d", "f"]
        numbers = [*range(3, 24), fd]
        for number in numbers:
            place = f"/proc/self/fd/{number}"
            opts = ["--unshare=pid", "--mount=type=proc,dst=/proc"]
            proc = exec_in(bbox, "/bin/ls", opts=[*opts, f"--workdir={place}"], pass_fds=(fd,))
            assert proc.returncode == 125 and proc.stdout == "", (number, proc)
            bundle.process["cwd"] = place
            proc = bundle.inroot("/bin/ls", pass_fds=(fd,))
            assert proc.returncode == 125 and proc.stdout == "", (number, proc)


@pytest.mark.parametrize("form", ["{}", "../../../../../../..{}"])
def test_a_working_directory_behind_a_link(bundle, outside, form):  # noqa: F811
    """CVE-2026-55686: it was made, and given away, where the link leads to on the host."""
    (bundle.root / "work").symlink_to(form.format(outside))
    apart(lambda: os.makedirs(f"{bundle.root}/work/new"))
    assert (outside / "new").is_dir()
    (outside / "new").rmdir()
    before = digest(outside)
    bundle.process.update(cwd="/work/new", user={"uid": 1000, "gid": 1000})
    bundle.inroot("/bin/true")
    for opts in ([], ["--user=1000"], ["--ro"], ["--overlay=tmpfs"]):
        exec_in(bundle.root, "/bin/true", opts=["--workdir=/work/new", *opts])
    assert digest(outside) == before


# -- what is resolved and then used ------------------------------------------------------------

LINKS = ["{}", "../../../../../../..{}", "/etc/../../../../../..{}"]


@pytest.mark.parametrize("form", LINKS)
def test_places_are_made_inside(bbox, outside, form):
    """CVE-2024-45310, 2026-41568: directories and files of mount points, through a link that came after the look."""
    place = secure_join(bbox, "/link/new")
    (bbox / "link").symlink_to(form.format(outside))
    apart(lambda: os.makedirs(place))
    apart(lambda: open(f"{os.path.dirname(place)}/file", "w", encoding="utf-8").close())
    assert (outside / "new").is_dir() and (outside / "file").is_file()
    (outside / "new").rmdir()
    (outside / "file").unlink()
    (bbox / "dangling").symlink_to(form.format(outside / "none"))
    before, state = digest(outside), host_state(bbox.parent)
    for place in ("/link/new", "/link/new/deeper", "/dangling", "/dangling/new"):
        for option in (f"--tmpfs={place}", f"--volume={outside}/f:{place}", f"--volume={outside}/d:{place}:ro",
                       f"--mount=type=devtmpfs,dst={place}", f"--device=/dev/full:{place}"):
            exec_in(bbox, "/bin/true", opts=[option])
            assert digest(outside) == before, option
    state.check()


def test_unpacking_stays_inside(bbox, outside, scratch):
    """CVE-2018-15664, 2019-10152, 2019-18466: copies into a container, by a path that its links changed."""
    (bbox / "link").symlink_to(outside)
    (scratch / "in/sub").mkdir(parents=True)
    (scratch / "in/sub/new").write_text("new\n")
    subprocess.run(["tar", "-C", scratch / "in", "-cf", scratch / "a.tar", "sub"], check=True)
    apart(lambda: subprocess.run(["tar", "-C", f"{bbox}/link", "-xf", scratch / "a.tar"], check=True).returncode)
    assert (outside / "sub/new").exists()
    (outside / "sub/new").unlink()
    (outside / "sub").rmdir()
    before = digest(outside)
    for directory in ("/link", "/link/d", "/etc/../link"):
        inroot("unpack", f"--directory={directory}", bbox, scratch / "a.tar")
        assert digest(outside) == before, directory


@need_tool("xz")
def test_a_decompressor_of_the_images(bbox, scratch):
    """CVE-2026-41567: xz was looked for when the root was entered."""
    for name in ("usr/bin", "bin", "usr/local/bin"):
        (bbox / name).mkdir(parents=True, exist_ok=True)
        (bbox / name / "xz").write_text("#!/bin/sh\necho > /RAN\nexec cat\n")
        (bbox / name / "xz").chmod(0o755)
    (scratch / "new").write_text("new\n")
    subprocess.run(["tar", "-C", scratch, "-cJf", scratch / "a.tar.xz", "new"], check=True)
    with open(scratch / "a.tar.xz", "rb") as archive:
        jailed(bbox, lambda: subprocess.run(["xz", "-dc"], stdin=archive, capture_output=True, check=True).returncode)
    assert (bbox / "RAN").exists()
    (bbox / "RAN").unlink()
    proc = inroot("unpack", bbox, scratch / "a.tar.xz")
    assert proc.returncode == 0 and (bbox / "new").read_text() == "new\n", proc
    assert not (bbox / "RAN").exists()


STEP = 41 if SANITIZED else 5


class Stopped:
    """A run of inroot as root, stopped at its N-th system-call stop."""

    def __init__(self, payloads, number, *command):
        self.proc = subprocess.Popen(words([payloads["stop-at"], 0, number, *command]), text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.is_stopped = self.proc.stdout.readline().startswith("stopped")

    def finish(self):
        return self.proc.communicate("\n", timeout=30)


def swap(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        raise OSError(ctypes.get_errno(), "exchange")


@pytest.mark.parametrize("name", ["a", "a/d", "a/f", "proc"])
def test_exchanged_at_each_call(bbox, outside, payloads, name):
    """CVE-2021-30465 and its kin: the place of a mount becomes a link, at each moment in turn (every fifth call)."""
    (bbox / "a/d").mkdir(parents=True)
    (bbox / "a/f").write_text("")
    (bbox / "spare").symlink_to({"a": outside, "proc": outside / "d"}.get(name, outside / name[2:]))

    def seed():
        place = secure_join(bbox, f"/{name}")
        swap(bbox / name, bbox / "spare")
        if name == "a/f":
            mount("/etc/passwd", place, None, "bind")
        else:
            mount("tmpfs", f"{place}/d" if name == "a" else place, "tmpfs")
        lands = outside / "f" if name == "a/f" else outside / "d"
        swap(bbox / name, bbox / "spare")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return any(line.split()[4] == str(lands) for line in file)
    assert apart(seed)
    before = digest(outside)
    opts = ["--unshare=pid", "--mask=none", "--ro-path=none", "--mount=type=proc,dst=/proc",
            "--mount=type=proc,dst=/.look", "--tmpfs=/a/d", "--tmpfs=/a/d/new/deep",
            f"--volume={outside}/f:/a/f", "--mask=/a/f"]
    command = [INROOT, "exec", *opts, bbox, "/bin/cat", "/.look/self/mountinfo"]
    number, ran, refused = 1, 0, 0
    while (run := Stopped(payloads, number, *command)).is_stopped:
        swap(bbox / name, bbox / "spare")
        out, err = run.finish()
        swap(bbox / name, bbox / "spare")
        # Whatever they are called by now: all of them are in the root, or there was no run.
        mounts = [Mount(line) for line in out.splitlines() if " - " in line]
        if mounts:
            ran += 1
            kinds = [m.type for m in mounts]
            assert (kinds.count("proc"), kinds.count("tmpfs")) == (2, 2), (number, out)
            assert any(m.root.endswith("/outside/f") for m in mounts), (number, out)
        else:
            refused += 1
            assert err.startswith("inroot exec: "), (number, out, err)
        assert digest(outside) == before, number
        number += STEP
    run.finish()
    assert ran > 0 and (refused > 0 or name != "proc"), (ran, refused)
