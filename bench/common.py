# SPDX-License-Identifier: MIT
"""What the parts of the bench share: a mount namespace, programs, many mounts, the verdict."""
import ctypes
import os
import pathlib
import platform
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent
INROOT = (REPO / os.environ.get("INROOT", "inroot")).resolve()
PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
EXTRA_MOUNTS = 1000
MS_BIND = 4096
STATIC_TRUE = REPO / "test/behaviour/src/static_true.c"

libc = ctypes.CDLL(None, use_errno=True)


class Report:
    """What is said at the end: targets, what was skipped, and whether what is ours ran."""

    def __init__(self):
        self.targets = []
        self.skipped = {}
        self.failed = False

    def tool(self, name):
        path = shutil.which(name, path=PATH)
        if not path:
            self.skipped[name] = "not installed"
        return path

    def fail(self, name, proc):
        self.failed = True
        print(f"FAILED {name}: status {proc.returncode}: {proc.stderr.strip()}", flush=True)

    def target(self, name, figure, wanted, reached, note=""):
        self.targets.append((name, figure, wanted, "reached" if reached else "MISSED", note))

    def print_verdict(self):
        """The exit status."""
        if self.targets:
            print("\ntargets")
        width = max((len(target[0]) for target in self.targets), default=0)
        for name, figure, wanted, verdict, note in self.targets:
            print(f"  {name:{width}} {figure:>9}   {wanted:9} {verdict:8} {note}".rstrip())
        for name, reason in self.skipped.items():
            print(f"skipped: {name}: {reason}")
        return 1 if self.failed else 0


def build_program(top, source, *more):
    """A C program, static as inroot itself is. MORE: sources and flags."""
    arch = subprocess.check_output(["gcc", "-print-multiarch"], text=True).strip()
    kernel = [f"-idirafter{path}" for path in ("/usr/include", f"/usr/include/{arch}")]
    subprocess.run(["musl-gcc", "-static", "-O2", "-std=gnu17", "-D_GNU_SOURCE", *kernel, *more,
                    "-o", top / source.stem.replace("_", "-"), source], check=True)


def build_programs(top, *sources):
    """Several; and a copy of inroot itself, because an ordinary user need not reach the tree."""
    for source in sources:
        build_program(top, source)
    shutil.copy(INROOT, top / "inroot")


def mount(source, target, kind, flags, data=None):
    if libc.mount(os.fsencode(source), os.fsencode(target), kind, flags, data) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def add_mounts(many):
    """EXTRA_MOUNTS mounts below the new directory `many`."""
    many.mkdir()
    mount("none", many, b"tmpfs", 0)
    for number in range(1, EXTRA_MOUNTS):
        place = many / str(number)
        place.mkdir()
        mount(place, place, None, MS_BIND)


def count_mounts():
    return len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def is_shared(mount_point):
    """Whether that mount of ours sends its events on to others."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == mount_point and " shared:" in line for line in lines)


def fs_of(path):
    return subprocess.check_output(["df", "--output=fstype", path], text=True).split()[-1]


def describe_host():
    return (f"Linux {platform.release()}, {os.cpu_count()} processors, "
            f"load {os.getloadavg()[0]:.1f}, / {'shared' if is_shared('/') else 'private'}")


def run_inside(script, *args):
    """The script itself, as root in a mount namespace that is private (unshare's default)."""
    command = [sys.executable, script, *args]
    if os.geteuid() == 0:
        # Nothing may reach the host, but a host whose mounts are shared shall cost what it costs.
        shared = "mount --make-rshared / && " if is_shared("/") else ""
        command = ["unshare", "-m", "sh", "-c", f'{shared}exec "$@"', "sh", *command]
    with subprocess.Popen(command) as inner:
        try:
            return inner.wait()
        finally:
            if inner.poll() is None:
                inner.terminate()
                inner.wait()


def need_inroot():
    if not os.access(INROOT, os.X_OK):
        sys.exit(f"bench: {INROOT} is missing: run ./build-static.sh first")
