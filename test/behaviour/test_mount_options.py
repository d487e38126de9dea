# SPDX-License-Identifier: MIT
"""The grammar of mounts from outside, and that a run does what --dry-run says: no more, no less, in that order."""
import json
import os
import re
import stat

import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import assert_fails, exec_in, host_state, inroot, need_root, need_tool, private_mounts, run

DRY = ["--dry-run"]


def plan_of(root, *opts, **kw):
    proc = exec_in(root, "/bin/true", opts=[*DRY, *opts], **kw)
    assert (proc.returncode, proc.stderr) == (0, ""), proc.stderr
    return json.loads(proc.stdout)


# -- what is said of a mount -------------------------------------------------------------------

SHOWN = {
    "src=/a,dst=/b": {"type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "rprivate"]},
    "type=bind,source=/a,destination=/b,bind,slave": {
        "type": "bind", "source": "/a", "target": "/b", "options": ["bind", "slave"]},
    "src=/a,dst=/b,readonly,nosuid": {
        "type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "ro", "nosuid", "rro", "rprivate"]},
    "src=/a,dst=/b,ro,bind-recursive=writable": {
        "type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "ro", "rprivate"]},
    "src=/a,dst=/b,bind,ro": {"type": "bind", "source": "/a", "target": "/b", "options": ["bind", "ro", "rprivate"]},
    "src=/a,dst=/b,rw,dev,rnosuid,rnoatime": {
        "type": "bind", "source": "/a", "target": "/b",
        "options": ["rbind", "rw", "dev", "rnosuid", "rnoatime", "rprivate"]},
    "src=/a,dst=/b,overlay,bind-propagation=rshared": {
        "type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "rshared", "overlay"]},
    "\"src=/a,b\",dst=/c": {"type": "bind", "source": "/a,b", "target": "/c", "options": ["rbind", "rprivate"]},
    "dst=/proc,remount,ro": {"type": "bind", "target": "/proc", "options": ["ro", "rprivate", "remount"]},
    "type=tmpfs,dst=/t,tmpfs-size=1m,a=b=c,tmpcopyup,strictatime,sync": {
        "type": "tmpfs", "target": "/t", "options": ["strictatime", "rprivate", "sync", "tmpcopyup"],
        "data": "size=1m,a=b=c"},
    "type=overlay,dst=/o,lowerdir=/a:/b": {
        "type": "overlay", "target": "/o", "options": ["rprivate"], "data": "lowerdir=/a:/b"},
}


@need_root
@pytest.mark.parametrize("value", SHOWN)
def test_what_a_mount_becomes(bbox, value):
    assert plan_of(bbox, f"--mount={value}")["mounts"] == [SHOWN[value]]


@need_root
def test_short_forms_are_mounts(bbox):
    plan = plan_of(bbox, "--volume=/a:/b:ro", "--tmpfs=/t:size=1m,exec", "--volume=/c:/d")
    assert plan["mounts"] == [
        {"type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "ro", "rro", "rprivate"]},
        {"type": "tmpfs", "target": "/t", "options": ["nosuid", "nodev", "exec", "rprivate"], "data": "size=1m"},
        {"type": "bind", "source": "/c", "target": "/d", "options": ["rbind", "rprivate"]}]


# Each is one line that says what is wrong; what all can be is in the unit tests.
REFUSED = {
    "--mount=dst=/t": "the type is missing",
    "--mount=type=ext4,dst=/t": "no such type",
    "--mount=type=tmpfs,dst=t": "not an absolute path",
    "--mount=type=tmpfs,dst=/a/..": "over the root itself",
    "--mount=src=/a,dst=/t,dst=/u": "the destination can't be given again",
    "--mount=src=/a,dst=/t,size=1": "no options of a file system",
    "--mount=src=/a,dst=/t,rw,rro": "options conflict: Writable && ReadOnlyForceRecursive",
    "--mount=type=tmpfs,dst=/t,dev,rnodev": "excludes",
    "--mount=type=tmpfs,dst=/t,\"a": "a quotation mark",
    "--mount=type=proc,dst=/proc,tmpcopyup": "tmpcopyup is for a tmpfs",
    "--mount=type=devtmpfs,dst=/dev,sync": "not for cgroups or a devtmpfs",
    "--volume=/a": "not SRC:DST",
    "--tmpfs=/t:type=bind": "fields of --mount",
    "--mask=etc": "neither an absolute path nor none",
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_is_refused(bbox, option, unchanged_host):
    assert_fails(exec_in(bbox, "/bin/true", opts=[option]), 125, "usage", REFUSED[option])


@need_root
def test_an_option_of_a_file_system_that_is_too_long(bbox, unchanged_host):
    option = "--mount=type=tmpfs,dst=/tmp,"
    assert_fails(exec_in(bbox, "/bin/true", opts=[option + "x" * 256]), 125, "longer than 255 bytes")
    # The last that fsconfig(2) takes is the file system's to judge.
    proc = exec_in(bbox, "/bin/true", opts=[option + "x" * 255])
    assert proc.returncode == 125 and "longer" not in proc.stderr


# -- what a layer inherits ---------------------------------------------------------------------

FLAGS = {"noexec", "nosuid", "nodev"}


def flags_at(root, point, opts):
    script = f"while read a b c d p o x; do test $p = {point} && l=$o; done < /proc/self/mountinfo; echo $l"
    proc = exec_in(root, "/bin/sh", "-c", script, opts=[*opts, "--unshare=pid", "--mount=type=proc,dst=/proc"])
    assert proc.returncode == 0, proc.stderr
    return set(proc.stdout.strip().split(","))


@need_root
@private_mounts
def test_an_overlay_has_the_sources_flags(bbox, scratch):
    """S1-19: nothing runs by being copied up that did not before."""
    run("mount", "-t", "tmpfs", "-o", ",".join(sorted(FLAGS)), "none", scratch)
    assert FLAGS <= flags_at(bbox, "/mnt", [f"--mount=src={scratch},dst=/mnt,overlay"])
    assert FLAGS - flags_at(bbox, "/mnt", [f"--mount=src={scratch},dst=/mnt,overlay,exec"]) == {"noexec"}


@need_root
@pytest.mark.parametrize("word", ["nosuid", "rnosuid", "rnoexec"])
@pytest.mark.parametrize("kind", ["directory", "file"])
def test_an_overlay_has_the_flags_that_are_named(bbox, scratch, kind, word):
    source, place = (scratch, "/mnt") if kind == "directory" else (scratch / "file", "/etc/inside")
    (scratch / "file").write_text("host\n")
    flag = word.removeprefix("r")
    assert flag not in flags_at(bbox, place, [f"--mount=src={source},dst={place},overlay"])
    assert flag in flags_at(bbox, place, [f"--mount=src={source},dst={place},overlay,{word}"])


@need_root
@private_mounts
def test_places_that_are_made_up_have_the_roots_flags(bbox):
    run("mount", "--bind", bbox, bbox)
    run("mount", "-o", "remount,bind,ro,nosuid,nodev", bbox)
    assert {"ro", "nosuid", "nodev"} <= flags_at(bbox, "/", ["--tmpfs=/not/there"])


# -- S1-36: the plan is what a run does --------------------------------------------------------

CALLS = "open_tree,move_mount,mount_setattr,fsopen,fsconfig,fsmount,mount,umount2,mknodat"
BITS = {"ro": 0x1, "nosuid": 0x2, "nodev": 0x4, "noexec": 0x8, "nodiratime": 0x80, "nosymfollow": 0x200000}
CLEAR = {"rw": 0x1, "suid": 0x2, "dev": 0x4, "exec": 0x8, "diratime": 0x80, "symfollow": 0x200000}
TIMES = {"relatime": 0, "noatime": 0x10, "strictatime": 0x20}
TIME = 0x70
KINDS = {"private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20, "unbindable": 1 << 17}
RECURSIVE, SET_FLAG, SET_STRING = 0x8000, 0, 1
NODES = [("null", 0o666, (1, 3)), ("zero", 0o666, (1, 5)), ("full", 0o666, (1, 7)), ("random", 0o666, (1, 8)),
         ("urandom", 0o666, (1, 9)), ("tty", 0o666, (5, 0))]


class Change:
    """What attributes become: some cleared, then some set; of the mount (top) and of those below."""

    def __init__(self):
        self.top, self.below, self.propagation = (0, 0), (0, 0), None

    @staticmethod
    def then(before, clear, bits):
        return before[0] | clear | bits, (before[1] & ~clear) | bits

    def add(self, flags, clear, bits, propagation):
        self.top = self.then(self.top, clear, bits)
        if flags & RECURSIVE:
            self.below = self.then(self.below, clear, bits)
        if propagation:
            self.propagation = (propagation, bool(flags & RECURSIVE))

    def seen(self):
        return self.top, self.below, self.propagation


def bits_of(options, prefix=""):
    """The words of a plan with that prefix: (clear, set)."""
    clear = bits = 0
    for word in options:
        if not word.startswith(prefix):
            continue
        word = word[len(prefix):]
        if word in TIMES:
            clear, bits = clear | TIME, bits | TIMES[word]
        clear, bits = clear | CLEAR.get(word, 0), bits | BITS.get(word, 0)
    return clear, bits


def propagation_of(options):
    word = next(w for w in options if w.removeprefix("r") in KINDS)
    return KINDS[word.removeprefix("r")], word.startswith("r") and word not in KINDS


class Trace:
    """The mount calls of a run, as what stands afterwards: a list in order."""

    LINE = re.compile(rf"^(?:\d+ +)?({CALLS.replace(',', '|')})\((.*)\) += (-?\d+|0x[0-9a-f]+)")
    FD = re.compile(r"^(-?\d+)(?:<(.*?)(?:<char [^>]*>)?>)?$")

    def __init__(self, text, root):
        self.root, self.events = str(root), []
        self.contexts, self.mounts = {}, {}
        for line in text.splitlines():
            if (found := self.LINE.match(line)) and not found[3].startswith("-"):
                arguments = self.split(found[2])
                getattr(self, found[1])(int(found[3], 0), *arguments)

    @staticmethod
    def split(text):
        return [a.strip() for a in re.findall(r'(?:"(?:[^"\\]|\\.)*"|\{[^}]*\}|<[^>]*>+|[^,])+', text)]

    def fd(self, word):
        found = self.FD.match(word)
        return int(found[1]), found[2]

    def inside(self, path):
        assert path == self.root or path.startswith(self.root + "/"), path
        return path[len(self.root):] or "/"

    def fsopen(self, result, kind, _flags):
        self.contexts[result] = {"kind": json.loads(kind), "data": []}

    def fsconfig(self, _result, fs, command, key, value, _aux):
        context = self.contexts[self.fd(fs)[0]]
        if int(command, 0) == SET_FLAG:
            context["data"].append(json.loads(key))
        elif int(command, 0) == SET_STRING:
            context["data"].append(f"{json.loads(key)}={json.loads(value)}")

    def fsmount(self, result, fs, _flags, attributes):
        context = self.contexts[self.fd(fs)[0]]
        change = Change()
        change.add(0, 0, int(attributes, 0), 0)
        self.mounts[result] = (context["kind"], context["data"], change)

    def open_tree(self, result, at, path, flags):
        flags, (_, where), path = int(flags, 0), self.fd(at), json.loads(path)
        if flags & 1:
            source = path if path.startswith("/") else where
            self.mounts[result] = ("rbind" if flags & RECURSIVE else "bind", source, Change())
    
    def mount_setattr(self, _result, at, _path, flags, attributes, _size):
        fd, where = self.fd(at)
        value = {k: int(v, 0) for k, v in re.findall(r"(\w+)=(\w+)", attributes)}
        if where != "/":  # what is attached has a path
            assert value["propagation"] == 0
            self.events.append(("change", self.inside(where), value["attr_clr"], value["attr_set"]))
        else:
            self.mounts[fd][2].add(int(flags, 0), value["attr_clr"], value["attr_set"], value["propagation"])

    def move_mount(self, _result, at, _path, to, path, _flags):
        fd, target = self.fd(at)[0], self.inside(self.fd(to)[1])
        what, source, change = self.mounts[fd]
        self.events.append((what, target, source, change.seen()))

    def mknodat(self, _result, at, name, mode, device):
        path = self.inside(self.fd(at)[1]) + "/" + json.loads(name)
        number = int(device, 0)
        self.events.append(("node", path, int(mode, 8), (os.major(number), os.minor(number))))

    def mount(self, _result, source, target, _kind, flags, _data):
        self.events.append(("mount(2)", source, json.loads(target), int(flags, 0)))

    def umount2(self, _result, target, _flags):
        self.events.append(("umount2", json.loads(target)))


def nodes_at(directory):
    return [("node", f"{directory}/{name}", stat.S_IFCHR | mode, number) for name, mode, number in NODES]


def new_mount(m, later):
    """A new file system of the plan: what shall be seen of it."""
    options, data = m["options"], m.get("data", "").split(",") if m.get("data") else []
    clear, bits = bits_of(options)
    bits |= bits_of(options, "r")[1]
    kind, own = m["type"], {"tmpfs", "devtmpfs"}
    if kind in own and bits & BITS["ro"]:
        bits &= ~BITS["ro"]
        later.append(("change", m["target"], 0, BITS["ro"]))
    if kind == "devtmpfs":
        kind, data = "tmpfs", ["mode=755", "size=65536k", *data]
        bits |= (0 if clear & BITS["nosuid"] else BITS["nosuid"]) | (0 if clear & TIME else TIMES["strictatime"])
    propagation = propagation_of(options)[0]
    change = Change()
    change.add(0, 0, bits, 0 if propagation == KINDS["private"] else propagation)
    events = [(kind, m["target"], [f"source={m.get('source', kind)}", *data], change.seen())]
    return events + (nodes_at(m["target"]) if m["type"] == "devtmpfs" else [])


def bind(m):
    options, change = m["options"], Change()
    how = "rbind" if "rbind" in options else "bind"
    flags = RECURSIVE if how == "rbind" else 0
    kind, all_of_them = propagation_of(options)
    change.add(flags, *bits_of(options, "r"), 0)
    change.add(0, *bits_of(options), 0)
    change.add(flags if all_of_them else 0, 0, 0, kind)
    return (how, m["target"], m["source"], change.seen())


def remount(m):
    clear, bits = bits_of(m["options"])
    return ("change", m["target"], clear, bits)


def hidden(path, exists, state):
    """A mask: the first of a directory is a tmpfs, every other a bind of that; of the rest /dev/null's."""
    change = Change()
    if os.path.isdir(exists):
        change.add(0, 0, BITS["ro"] | BITS["nosuid"] | BITS["nodev"] | BITS["noexec"], KINDS["private"])
        first, state["first"] = state.get("first"), state.get("first", path)
        if first is None:
            return ("tmpfs", path, ["source=tmpfs", "mode=755", "nr_blocks=1", "nr_inodes=1"], change.seen())
        return ("bind", path, first, change.seen())
    change.add(0, 0, BITS["ro"] | BITS["nosuid"] | BITS["noexec"], KINDS["private"])
    return ("bind", path, "/dev/null", change.seen())


def read_only(path):
    change = Change()
    change.add(RECURSIVE, 0, BITS["ro"], KINDS["private"])
    return ("rbind", path, path, change.seen())


def expected(plan, where):
    """All events of a plan; `where` finds on the host what a path is in there."""
    change, events, later, state = Change(), [], [], {}
    change.add(RECURSIVE, 0, 0, KINDS["private"])
    events.append(("mount(2)", "NULL", "/", KINDS["slave"] | 0x4000))
    events.append(("rbind", "/", None, change.seen()))
    for m in plan.get("mounts", []):
        if "remount" in m["options"]:
            events.append(remount(m))
        else:
            events += [bind(m)] if m["type"] == "bind" else new_mount(m, later)
    for d in plan.get("devices", []):
        if "source" in d:
            st = os.stat(d["source"])
            events.append(("node", d["target"], st.st_mode, (os.major(st.st_rdev), os.minor(st.st_rdev))))
        else:
            kind = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[d["type"]]
            events.append(("node", d["target"], kind | int(d["mode"], 8), (d["major"], d["minor"])))
    if "dev" in plan:
        events += nodes_at("/dev")
    events += [read_only(p) for p in plan.get("read_only_paths", []) if os.path.exists(where(p))]
    events += [hidden(p, where(p), state) for p in plan.get("masks", []) if os.path.exists(where(p))]
    return [*events, *later, ("mount(2)", "NULL", ".", KINDS["private"] | 0x4000), ("umount2", ".")]


def comparable(events, root, plan):
    """Without what the plan leaves open: the mode that a tmpfs takes from what it covers, and a tmpfs of /tmp."""
    modes = {m["target"]: "mode=" in m.get("data", "") for m in plan.get("mounts", []) if m["type"] == "tmpfs"}
    found = []
    for event in events:
        what, target, *rest = event
        if what == "tmpfs" and modes.get(target) is False:
            rest[0] = [w for w in rest[0] if not w.startswith("mode=")]
        elif what in ("bind", "rbind"):
            inside = str(rest[0]).startswith(f"{root}/") if rest[0] else False
            rest[0] = None if target == "/" else rest[0][len(str(root)):] if inside else rest[0]
        found.append((what, target, *rest))
    return found


def traced(root, scratch, args):
    """(plan, events) of a run of these arguments."""
    args = ["exec", "--enter=pivot", "--pivot=stacked", *args]
    proc = inroot(args[0], "--dry-run", *args[1:])
    assert proc.returncode == 0, proc.stderr
    plan, trace = json.loads(proc.stdout), scratch / "trace"
    strace = ["strace", "-f", "-qq", "-yy", "-X", "raw", "-s", "4096", "-o", trace, "-e", f"trace={CALLS}"]
    proc = inroot(*args, wrapper=strace)
    if "ptrace" in proc.stderr.lower():
        pytest.skip("needs a strace that may trace")
    assert proc.returncode == 0, proc.stderr
    return plan, Trace(trace.read_text(), root).events


def on_the_host(root, plan):
    """What a path in the root is, before anything is mounted there: in a procfs or sysfs, as in ours."""
    ours = tuple(m["target"] + "/" for m in plan.get("mounts", []) if m["target"] in ("/proc", "/sys"))

    def where(path):
        return path if path.startswith(ours) else str(root) + path
    return where


def sources(scratch):
    (scratch / "a/below").mkdir(parents=True)
    (scratch / "file").write_text("x\n")
    return scratch / "a", scratch / "file"


PLANS = {
    "nothing": [],
    "defaults": ["--default-mounts", "--unshare=pid,ipc"],
    "binds": ["--volume=DIR:/mnt:ro", "--volume=FILE:/etc/inside", "--mount=src=DIR,dst=/tmp/a,bind,nosuid,noatime",
              "--mount=src=DIR,dst=/tmp/b,rro,rnodev,slave", "--mount=src=FILE,dst=/tmp/file,rw,exec,private",
              "--mount=src=DIR,dst=/tmp/c,ro,bind-recursive=writable,rshared",
              "--mount=src=DIR,dst=/tmp/d,bind-nonrecursive,strictatime,nosymfollow,unbindable"],
    "file systems": ["--tmpfs=/tmp/t:size=1m,mode=700,noatime", "--tmpfs=/tmp/t/u:ro", "--unshare=pid,net,ipc",
                     "--mount=type=proc,dst=/proc,hidepid=2,rnosuid", "--mount=type=mqueue,dst=/mnt,nodev",
                     "--mount=type=tmpfs,src=word,dst=/tmp/v,nr_inodes=9,rshared", "--mount=type=sysfs,dst=/tmp/s,ro",
                     "--mount=type=devpts,dst=/tmp/p,newinstance,ptmxmode=0600"],
    "devices": ["--mount=type=devtmpfs,dst=/dev,ro,noexec", "--tmpfs=/tmp/d:dev,mode=755", "--device=/dev/zero:/tmp/d/z",
                "--device=/dev/null:/dev/another"],
    "hidden": ["--mask=/etc", "--mask=/root", "--mask=/secret", "--mask=/not/there", "--ro-path=/tmp",
               "--ro-path=/mnt", "--ro-path=/nor/this"],
    "changed": ["--tmpfs=/mnt", "--mount=dst=/mnt,remount,ro,exec", "--mount=dst=/mnt,remount,relatime"],
}


@need_root
@need_tool("strace")
@pytest.mark.parametrize("name", PLANS)
def test_the_plan_is_what_a_run_does(bbox, scratch, name):
    directory, file = sources(scratch)
    opts = [o.replace("DIR", str(directory)).replace("FILE", str(file)) for o in PLANS[name]]
    (bbox / "tmp/stays").write_text("")  # else --default-mounts would decide when it sees it
    (bbox / "sys").mkdir()
    (bbox / "secret").write_text("")
    before = host_state(bbox)
    plan, events = traced(bbox, scratch, [*opts, bbox, "--", "/bin/echo"])
    where = on_the_host(bbox, plan)
    before.check()
    assert comparable(events, bbox, plan) == comparable(expected(plan, where), bbox, plan)


@need_root
@need_tool("strace")
def test_the_plan_of_a_config_is_what_a_run_does(bundle, scratch):  # noqa: F811
    directory, _ = sources(scratch)
    flags = ["nosuid", "noexec", "nodev"]
    bundle.config["mounts"] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*flags, "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": flags},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*flags, "ro"]},
        {"destination": "/mnt", "type": "bind", "source": str(directory), "options": ["rbind", "ro", "rnosuid"]}]
    bundle.linux["namespaces"] += [{"type": "ipc"}]
    bundle.linux["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640}]
    bundle.linux["maskedPaths"] = ["/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware", "/etc"]
    bundle.linux["readonlyPaths"] = ["/proc/bus", "/proc/sys", "/proc/sysrq-trigger"]
    plan, events = traced(bundle.root, scratch, [f"--config={bundle.write()}"])
    where = on_the_host(bundle.root, plan)
    assert comparable(events, bundle.root, plan) == comparable(expected(plan, where), bundle.root, plan)
