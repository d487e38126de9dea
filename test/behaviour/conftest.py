# SPDX-License-Identifier: MIT
"""What every behaviour test stands on: run the binary, make roots, look at the host.

The suite runs as root and, in a second run, entirely as an ordinary user. What a machine or a
caller cannot do is skipped by name. INROOT names the binary (default: the one in the tree),
INROOT_SANITIZED=1 says that it is the dynamic ASan build. With INROOT_DENY=ENOSYS (or EPERM) no run has the newer mount
calls; what has no older way and is refused by name is skipped.
"""
import contextlib
import ctypes
import errno
import fcntl
import functools
import json
import os
import pathlib
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import traceback
import uuid

import pytest

import denying

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
INROOT = str((REPO / os.environ.get("INROOT", "inroot")).resolve())
DENY = os.environ.get("INROOT_DENY")
SANITIZED = os.environ.get("INROOT_SANITIZED") == "1"
ROOT_CALLER = os.geteuid() == 0
TIMEOUT = 60 if SANITIZED else 20
MARK = "INROOT_TEST_MARK"
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18
PR_SET_CHILD_SUBREAPER = 36
APPLETS = ("sh cat ls id echo env true false sleep pwd mount umount grep stat readlink touch mkdir rm "
           "mknod chroot kill ps wc head od test hostname sysctl seq dd ln cp mv chmod chown ip tr "
           "printf setsid sort cut find rmdir date trap unshare nohup tty").split()

libc = ctypes.CDLL(None, use_errno=True)


# -- who can do what ---------------------------------------------------------------------------

def as_user(uid=1000, gid=1000, groups=()):
    """Keyword arguments for subprocess: run as another id (the test itself runs as root)."""
    return {"user": uid, "group": gid, "extra_groups": list(groups)}


def ordinary(**kw):
    """As `as_user`, but in the ordinary user's own run: as who we are."""
    return as_user(**kw) if ROOT_CALLER else {}


def _probe_userns():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(["unshare", "-U", "true"], capture_output=True, timeout=10,
                              **ordinary()).returncode == 0
    return False


need_root = pytest.mark.skipif(not ROOT_CALLER, reason="needs root")
need_ordinary = pytest.mark.skipif(ROOT_CALLER, reason="is for the ordinary user's run")
need_userns = pytest.mark.skipif(not _probe_userns(),
                                 reason="needs user namespaces for ordinary users")
need_static = pytest.mark.skipif(SANITIZED, reason="needs the static binary, not the ASan build")


def need_tool(*names):
    missing = [n for n in names if not shutil.which(n, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    return pytest.mark.skipif(bool(missing), reason="needs " + " ".join(missing or names))


# -- running the binary ------------------------------------------------------------------------

def words(args):
    return [a if isinstance(a, (bytes, str)) else os.fspath(a) if isinstance(a, os.PathLike)
            else str(a) for a in args]


def inroot(*args, **kw):
    """Run `inroot ARGS`; output is captured as text unless text=False; 20 s at most.

    wrapper: words of a program that runs it (setpriv …); program: another path of the binary.
    """
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("timeout", TIMEOUT)
    if kw.setdefault("text", True):
        kw.setdefault("errors", "backslashreplace")
    if "stdout" not in kw and "stderr" not in kw:
        kw["capture_output"] = True
    command = [*kw.pop("wrapper", ()), kw.pop("program", INROOT), *args]
    if not DENY:
        return subprocess.run(words(command), **kw)
    kw.setdefault("preexec_fn", denying.deny(getattr(errno, DENY)))
    proc = subprocess.run(words(command), **kw)
    if proc.returncode == 125 and denying.is_refusal(proc.stderr):
        pytest.skip("is refused by name without the newer mount calls")
    return proc


def exec_in(root, *cmd, opts=(), **kw):
    return inroot("exec", *opts, root, "--", *cmd, **kw)


def report_in(root, *opts, args=(), **kw):
    """Run the `report` payload in root; what it saw, as a dict."""
    proc = exec_in(root, "/bin/report", *args, opts=opts, **kw)
    assert proc.returncode == 0, (proc.returncode, proc.stderr)
    return json.loads(proc.stdout)


def _drain(fd):
    """All there is in a pipe, without waiting for a writer that is still about."""
    os.set_blocking(fd, False)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(fd, 65536):
            data += chunk
    return data


def parse_records(data):
    """One JSON object a line, each line one write of at most 4096 bytes."""
    assert data == b"" or data.endswith(b"\n"), data
    lines = data.split(b"\n")[:-1]
    assert all(len(line) < 4096 for line in lines)
    records = [json.loads(line.decode("utf-8")) for line in lines]
    assert all(isinstance(r, dict) and isinstance(r.get("type"), str) for r in records), records
    return records


def status_of(command, *args, **kw):
    """Run `inroot COMMAND --status-fd=N ARGS`: (process, records)."""
    r, w = os.pipe()
    try:
        kw["pass_fds"] = (*kw.get("pass_fds", ()), w)
        proc = inroot(command, f"--status-fd={w}", *args, **kw)
        os.close(w)
        w = -1
        return proc, parse_records(_drain(r))
    finally:
        os.close(r)
        if w >= 0:
            os.close(w)


class Running:
    """A run that is under way: a Popen with its status records, killed on leaving the block."""

    def __init__(self, command, *args, **kw):
        self.fd, w = os.pipe()
        self.buffer = b""
        self.before = children()
        kw["pass_fds"] = (*kw.get("pass_fds", ()), w)
        for name in ("stdin", "stdout", "stderr"):
            kw.setdefault(name, subprocess.PIPE)
        program = kw.pop("program", INROOT)
        wrapper = words(kw.pop("wrapper", ()))
        self.proc = subprocess.Popen([*wrapper, program, command, f"--status-fd={w}", *words(args)],
                                     **kw)
        os.close(w)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait(10)
        for pid in children() - self.before:  # what a test that failed leaves; we are its subreaper
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for stream in (self.proc.stdin, self.proc.stdout, self.proc.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        os.close(self.fd)

    def record(self, kind=None, timeout=TIMEOUT):
        """The next record (of that type); None at end of file."""
        end = time.monotonic() + timeout
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                found = parse_records(line + b"\n")[0]
                if kind in (None, found["type"]):
                    return found
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"no {kind} record")
            if not (chunk := os.read(self.fd, 65536)):
                return None
            self.buffer += chunk

    def line(self, timeout=TIMEOUT):
        """The next line that the payload wrote to its standard output."""
        return read_line(self.proc.stdout.fileno(), timeout)


def read_line(fd, timeout=TIMEOUT):
    data, end = b"", time.monotonic() + timeout
    while not data.endswith(b"\n"):
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            raise TimeoutError(f"no line, only {data!r}")
        if not (chunk := os.read(fd, 1)):
            break
        data += chunk
    return data.decode()


def error_line(proc):
    """The one error line of a failed run (a hint line may follow it)."""
    lines = proc.stderr.splitlines()
    assert lines and lines[0].startswith("inroot"), proc.stderr
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), proc.stderr
    return lines[0]


def assert_fails(proc, code=125, *parts):
    assert proc.returncode == code, (proc.returncode, proc.stdout, proc.stderr)
    line = error_line(proc)
    for part in parts:
        assert part in line, line
    return proc.stderr


def wait_until(what, timeout=10):
    """Poll until what() is true; its last value."""
    end = time.monotonic() + timeout
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


# -- private mounts ----------------------------------------------------------------------------

def unshare_mounts():
    for call in (lambda: libc.unshare(CLONE_NEWNS),
                 lambda: libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)):
        if call() != 0:
            raise OSError(ctypes.get_errno(), "private mount namespace")


def private_mounts(test):
    """Decorator: the body of the test runs in a forked child with mounts of its own."""
    @functools.wraps(test)
    def wrapper(*args, **kw):
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            verdict = ["passed", ""]
            try:
                unshare_mounts()
                test(*args, **kw)
            except pytest.skip.Exception as skip:
                verdict = ["skipped", str(skip)]
            except BaseException:
                verdict = ["failed", traceback.format_exc()]
            os.write(w, json.dumps(verdict).encode()[-60000:])
            os._exit(0)
        os.close(w)
        with open(r, "rb") as pipe:
            data = pipe.read()
        os.waitpid(pid, 0)
        kind, text = json.loads(data) if data else ("failed", "the child died")
        if kind == "skipped":
            pytest.skip(text)
        if kind == "failed":
            pytest.fail(text, pytrace=False)
    return wrapper


def run(*cmd, **kw):
    """A tool of the host that must work."""
    proc = subprocess.run(words(cmd), capture_output=True, text=True, timeout=60, **kw)
    assert proc.returncode == 0, (cmd, proc.stderr)
    return proc.stdout


# -- the host, before and after ----------------------------------------------------------------

def children():
    """Live children of this process. It is a subreaper, so strays of a run are among them."""
    found, pids = set(), []
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            pids = (task / "children").read_text().split()
        for pid in pids:
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.add(int(pid))
    return found


def marked():
    """Live processes that carry the mark of the running test in their environment."""
    mark, found = f"{MARK}={os.environ.get(MARK)}".encode(), set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in pathlib.Path("/proc", entry, "environ").read_bytes().split(b"\0"):
                    found.add(int(entry))
    return found


class HostState:
    """What a run must leave as it was."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        st = os.stat(root)
        self.mountinfo = pathlib.Path("/proc/self/mountinfo").read_text()
        self.listing = sorted(os.listdir(root))
        self.owner = (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
        self.children = children()

    def strays(self):
        return (children() - self.children) | marked()

    def check(self, listing=True):
        assert not [n for n in os.listdir(self.root) if n.startswith(".pivot_root")]
        wait_until(lambda: not self.strays(), 3)
        assert self.strays() == set(), "stray processes"
        now = HostState(self.root)
        assert now.mountinfo == self.mountinfo
        assert now.owner == self.owner
        if listing:
            assert now.listing == self.listing


def host_state(root):
    return HostState(root)


@pytest.fixture(autouse=True)
def mark():
    """A mark in the environment of everything that the test starts."""
    os.environ[MARK] = value = str(uuid.uuid4())
    yield value
    del os.environ[MARK]


@pytest.fixture
def unchanged_host(bbox):
    """The host looks the same after the test: mounts, ROOT's listing, mode, owner, processes."""
    before = HostState(bbox)
    yield before
    before.check()


def pytest_configure(config):
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def binary():
    if not os.access(INROOT, os.X_OK):
        pytest.exit(f"{INROOT} is missing: run ./build-static.sh first", 3)
    return INROOT


# -- roots and payloads ------------------------------------------------------------------------

def _temp_dir(prefix):
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"inroot-{prefix}.", dir="/tmp"))
    path.chmod(0o755)
    return path


@pytest.fixture
def scratch():
    """A directory of the test's own that uid 1000 can reach."""
    path = _temp_dir("scratch")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def payloads():
    """Name -> path of the static payloads and launchers, compiled from src/*.c."""
    compiler = shutil.which("musl-gcc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("needs musl-gcc or gcc for the payloads")
    out = _temp_dir("payloads")
    kernel = ["-idirafter", "/usr/include", "-idirafter",
              "/usr/include/" + run("gcc", "-print-multiarch").strip()]
    found = {}
    for source in sorted((HERE / "src").glob("*.c")):
        target = out / source.stem.replace("_", "-")
        run(compiler, "-static", "-O1", "-std=gnu17", "-Wall", "-Wextra", *kernel, "-o", target, source)
        found[target.name] = target
    yield found
    shutil.rmtree(out, ignore_errors=True)


def make_bbox(path, payloads):
    """A small root: static busybox with links, the payloads in /bin, some directories."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("needs busybox-static")
    for name in ("bin", "proc", "dev", "tmp", "etc", "root", "mnt"):
        (path / name).mkdir(parents=True)
        (path / name).chmod(0o755)
    (path / "tmp").chmod(0o1777)
    shutil.copy(busybox, path / "bin/busybox")
    (path / "bin/busybox").chmod(0o755)
    for name in APPLETS:
        (path / "bin" / name).symlink_to("busybox")
    for name, file in payloads.items():
        shutil.copy(file, path / "bin" / name)
        (path / "bin" / name).chmod(0o755)
    (path / "etc/inside").write_text("inside\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bbox(payloads):
    """A busybox root of the test's own; owned by who runs the tests."""
    top = _temp_dir("root")
    yield make_bbox(top / "root", payloads)
    shutil.rmtree(top, ignore_errors=True)


def give(root, uid=1000, gid=1000):
    """Make root (and all below) the property of uid."""
    run("chown", "-Rh", f"{uid}:{gid}", root)
    return root


def debian_suite():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


@pytest.fixture(scope="session")
def debian_root():
    """A real Debian minbase root below build/, made once for each suite; not to be written to."""
    suite = debian_suite()
    target = REPO / "build" / f"debian-{suite}"
    if target.is_dir():
        return target
    if not ROOT_CALLER:
        pytest.skip(f"needs {target}, which a run as root makes")
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap")
    target.parent.mkdir(exist_ok=True)
    with open(target.parent / f".debian-{suite}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        fresh = pathlib.Path(tempfile.mkdtemp(prefix="debian-new.", dir=target.parent))
        proc = subprocess.run(["unshare", "-m", "mmdebstrap", "--variant=minbase", "--mode=root",
                               suite, fresh],
                              capture_output=True, text=True, timeout=900)
        if proc.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            pytest.skip("needs a Debian mirror: " + proc.stderr[-200:])
        fresh.chmod(0o755)
        fresh.rename(target)
    return target


# -- a share of the large tables ---------------------------------------------------------------

def pytest_collection_modifyitems(config, items):
    """`make check` takes each third row of the larger tables of mounts, and its sanitized run, where what differs is
    the memory and not the kernel, each fourth. INROOT_SOAK=1 takes every row."""
    large, share = 8, 4 if SANITIZED else 3
    if os.environ.get("INROOT_SOAK") == "1" or config.option.file_or_dir != ["test/behaviour"]:
        return
    tables = {}
    for item in items:
        if item.path.name.startswith("test_mount_"):
            tables.setdefault((item.path, item.originalname), []).append(item)
    left_out = [item for rows in tables.values() if len(rows) > large
                for number, item in enumerate(rows) if number % share]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
