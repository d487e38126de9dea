# SPDX-License-Identifier: MIT
"""What arrives and what gets out: each propagation of a mount, each of the root, and what the host has to do with it."""
import subprocess

import pytest

from bundles import bundle, own_maps  # noqa: F401: a fixture
from conftest import INROOT, need_root, need_userns, ordinary, private_mounts, read_line, run
from denying import way  # noqa: F401: a fixture
from mountcalls import mount, propagate
from mounting import Caller, host_mounts, parse

pytestmark = need_root

KINDS = ["private", "slave", "shared", "unbindable"]
WORDS = [None, *KINDS, *(f"r{k}" for k in KINDS)]
SYS_ADMIN = {s: ["CAP_SYS_ADMIN"] for s in ("bounding", "effective", "permitted")}


def kind(m, group):
    """The optional fields in words; (host) is for the peer group of the host's shared mount."""
    return " ".join(f"{name}(host)" if number == group else name for name, number in sorted(m.propagation.items()))


class Host:
    """In a mount namespace of the test's own: a shared mount, and a private one."""

    def __init__(self, scratch):
        self.shared, self.private = scratch / "shared", scratch / "private"
        for path in (self.shared, self.private):
            path.mkdir(exist_ok=True)
            mount("host", path, "tmpfs")
            for name in ("in", "new"):
                (path / name).mkdir()
        propagate(self.shared, "shared")
        self.group = host_mounts()[str(self.shared)].propagation["shared"]
        self.before = host_mounts().keys()

    def sources(self):
        return {"s": self.shared, "p": self.private, "t": None}


def name_of(word):
    return word or "none"


def entries(host):
    """One mount of a config for each word and each source."""
    found = []
    for letter, source in host.sources().items():
        for word in WORDS:
            options = ([] if source is None else ["rbind"]) + ([word] if word else [])
            found.append({"destination": f"/m/{letter}-{name_of(word)}", "type": "tmpfs" if source is None else "bind",
                          "source": str(source or "tmpfs"), "options": options})
    return found


def of_mount(letter, word, rootfs, newer):
    """The optional fields of one of these mounts, by the runtimes' rules. A peer of the host's takes the newer calls."""
    plain = (word or "rprivate").removeprefix("r")
    peers = letter == "s"
    if plain == "private":
        kind = ""
    elif plain == "slave":
        kind = "master(host)" if peers else ""
    elif plain == "shared" and peers:
        kind = "shared(host)" if newer and (rootfs or "").endswith("shared") else "master(host) shared"
    else:
        kind = plain
    return after_root(kind, rootfs)


def after_root(kind, rootfs):
    """With r the word of the root is that of all mounts in it; but private is how it begins, and takes nothing away."""
    if rootfs == "rshared" and "shared" not in kind:
        return "shared" if kind in ("", "unbindable") else f"{kind} shared"
    if rootfs == "runbindable":
        return "unbindable"
    if rootfs == "rslave":
        return {"shared": "", "master(host) shared": "master(host)"}.get(kind, kind)
    return kind


def seen(text, host):
    return {p[3:]: kind(m, host.group) for p, m in parse(text).items() if p.startswith("/m/")}


def prepare(bundle, host, rootfs):
    bundle.config["mounts"] += entries(host)
    if rootfs:
        bundle.linux["rootfsPropagation"] = rootfs
    bundle.process["capabilities"] = SYS_ADMIN
    propagate(bundle.path, "shared")


# -- the matrix --------------------------------------------------------------------------------

@pytest.mark.parametrize("rootfs", WORDS)
def test_what_mountinfo_says(bundle, scratch, rootfs, way):  # noqa: F811
    @private_mounts
    def check():
        mount(bundle.path, bundle.path, None, "bind", "rec")
        host = Host(scratch)
        prepare(bundle, host, rootfs)
        proc = bundle.inroot("/bin/cat", "/proc/self/mountinfo", **way)
        assert proc.returncode == 0, proc.stderr
        assert seen(proc.stdout, host) == {f"{letter}-{name_of(word)}": of_mount(letter, word, rootfs, not way)
                                           for letter in "spt" for word in WORDS}
        own = parse(proc.stdout)["/"].propagation
        assert [*own] == {"shared": ["shared"], "slave": ["master"], "unbindable": ["unbindable"]}.get(
            (rootfs or "").removeprefix("r"), [])
        assert host_mounts().keys() == host.before
    check()


@need_userns
@pytest.mark.parametrize("rootfs", WORDS)
def test_what_mountinfo_says_in_a_user_namespace(bundle, scratch, rootfs, way):  # noqa: F811
    """Nothing in there can be the host's peer, whatever the words say."""
    @private_mounts
    def check():
        mount(bundle.path, bundle.path, None, "bind", "rec")
        host = Host(scratch)
        prepare(bundle, host, rootfs)
        del bundle.process["capabilities"]
        bundle.linux.update(own_maps(), namespaces=[{"type": t} for t in ("mount", "pid", "user")])
        run("chown", "-Rh", "1000:1000", bundle.root)
        proc = bundle.inroot("/bin/cat", "/proc/self/mountinfo", **ordinary(), **way)
        assert proc.returncode == 0, proc.stderr
        assert seen(proc.stdout, host) == {f"{letter}-{name_of(word)}": of_mount(letter, word, rootfs, False)
                                           for letter in "spt" for word in WORDS}
        assert host_mounts().keys() == host.before
    check()


# -- what happens then -------------------------------------------------------------------------

class Inside:
    """A run that answers a line with what the shell makes of it."""

    def __init__(self, command, **kw):
        self.proc = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.communicate()

    def ask(self, words):
        self.proc.stdin.write(f"{words}\n".encode())
        self.proc.stdin.flush()
        answer = read_line(self.proc.stdout.fileno())
        assert answer, self.proc.stderr.read()
        return answer.rstrip("\n")


def start(bundle, *args):
    bundle.process["args"] = ["/bin/sh"]
    bundle.process["capabilities"] = SYS_ADMIN
    return Inside([INROOT, "exec", f"--config={bundle.write()}", *args])


@pytest.mark.parametrize("rootfs", [None, "slave", "shared", "rshared", "rprivate", "unbindable"])
def test_what_the_host_mounts_afterwards(bundle, scratch, rootfs):  # noqa: F811
    """It arrives where slave or shared was asked for, and only there."""
    @private_mounts
    def check():
        mount(bundle.path, bundle.path, None, "bind", "rec")
        host = Host(scratch)
        prepare(bundle, host, rootfs)
        with start(bundle) as inside:
            assert inside.ask("echo started") == "started"
            mount("late", host.shared / "new", "tmpfs")
            mount("late", host.private / "new", "tmpfs")
            mount("late", bundle.root / "mnt", "tmpfs")
            arrived = inside.ask("grep ' - tmpfs late' /proc/self/mountinfo | cut -d' ' -f5 | sort | tr '\\n' ' '; echo")
        asked = {f"/m/s-{word}/new" for word in ("slave", "rslave", "shared", "rshared")}
        if rootfs == "slave":
            asked.add("/mnt")
        assert set(arrived.split()) == asked
    check()


@pytest.mark.parametrize("rootfs", [None, "slave", "shared", "rshared", "rslave", "unbindable"])
def test_what_is_mounted_inside(bundle, scratch, rootfs):  # noqa: F811
    """It gets out only where the root and the mount are shared by their words."""
    @private_mounts
    def check():
        mount(bundle.path, bundle.path, None, "bind", "rec")
        host = Host(scratch)
        prepare(bundle, host, rootfs)
        before = host_mounts()
        with start(bundle) as inside:
            mounts = "; ".join(f"mount -t tmpfs inner /m/{e['destination'][3:]}/in 2>/dev/null" for e in entries(host)
                               if e["type"] == "bind")
            assert inside.ask(f"{mounts}; mount -t tmpfs inner /mnt; echo mounted") == "mounted"
            out = {p for p, m in host_mounts().items() if m.source == "inner"}
        assert out == ({str(host.shared / "in")} if rootfs in ("shared", "rshared") else set())
        if rootfs not in ("shared", "rshared"):
            assert host_mounts().keys() == before.keys()
        assert [m.propagation for p, m in host_mounts().items() if p in before] == \
            [m.propagation for m in before.values()]
    check()


def test_the_end_of_a_shared_mount_is_not_the_hosts(bundle, scratch):  # noqa: F811
    """Peers: when the namespace goes, what the host has stays."""
    @private_mounts
    def check():
        host = Host(scratch)
        prepare_simple(bundle, host)
        mount("kept", host.shared / "new", "tmpfs")
        before = host_mounts().keys()
        assert bundle.inroot("/bin/true").returncode == 0
        assert host_mounts().keys() == before
    check()


def prepare_simple(bundle, host):
    bundle.config["mounts"] += entries(host)
    bundle.linux["rootfsPropagation"] = "rshared"


# -- options, not a config ---------------------------------------------------------------------

@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
@pytest.mark.parametrize("word", WORDS[1:])
def test_by_options(bbox, scratch, name, word, way):  # noqa: F811
    """In a user namespace all that is inherited is a slave at most."""
    caller = Caller(name)
    caller.own(bbox)

    @private_mounts
    def check():
        host = Host(scratch)
        opts = [f"--mount=type=bind,src={host.shared},dst=/m/s-x,{word}", f"--volume={host.private}:/m/p-x:{word}",
                f"--mount=type=tmpfs,dst=/m/t-x,{word}"]
        mounts = caller.mounts(bbox, opts, **way)
        assert {p: kind(m, host.group) for p, m in mounts.items() if p.startswith("/m/")} == {
            f"/m/{letter}-x": of_mount(letter, word, None, not way) for letter in "spt"}
        assert mounts["/"].propagation == {}
        assert host_mounts().keys() == host.before
    check()


@pytest.mark.parametrize("word", ["private", "rprivate", "slave", "rslave", "shared", "rshared"])
def test_the_engines_word(bbox, scratch, word):
    @private_mounts
    def check():
        host = Host(scratch)
        mounts = Caller("root").mounts(bbox, [f"--mount=type=bind,src={host.shared},dst=/m,bind-propagation={word}"])
        assert kind(mounts["/m"], host.group) == of_mount("s", word, None, True)
    check()


@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_the_word_without_r_is_of_one_mount(bbox, scratch, name, way):  # noqa: F811
    """A mount below keeps what it has from the host, but for being its peer."""
    caller = Caller(name)
    caller.own(bbox)

    @private_mounts
    def check():
        host = Host(scratch)
        mount("below", host.shared / "new", "tmpfs")
        opts = [f"--mount=type=bind,src={host.shared},dst=/{w},{w}" for w in ("private", "rprivate", "rslave", "rshared")]
        mounts = caller.mounts(bbox, opts, **way)
        below = {w: " ".join(sorted(mounts[f"/{w}/new"].propagation)) for w in ("rprivate", "rslave", "rshared")}
        assert below == {"rprivate": "", "rslave": "master", "rshared": "master shared"}
        assert mounts["/private"].propagation == {} and [*mounts["/private/new"].propagation] == ["master"]
    check()


def test_a_mount_of_roots_own_is_private(bbox, way):  # noqa: F811
    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        mount("below", bbox / "mnt", "tmpfs")
        propagate(bbox, "shared", True)
        mounts = Caller("root").mounts(bbox, [], **way)
        assert mounts["/"].propagation == mounts["/mnt"].propagation == {}
    check()


def test_an_unbindable_source(bbox, scratch):
    """As the caller sees it; in the namespace that the older calls bind in it is none any more."""
    @private_mounts
    def check():
        host = Host(scratch)
        propagate(host.private, "unbindable")
        proc = Caller("root").start(bbox, [f"--volume={host.private}:/m"], "true")
        assert proc.returncode == 125 and "EINVAL" in proc.stderr
    check()
