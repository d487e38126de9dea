# SPDX-License-Identifier: MIT
"""Who the payload and every process of the helper are after the set-up, as the kernel tells it from outside.

One table: for each kind of caller, and with each kind of company, the lines Uid, Gid, Groups, Cap*, NoNewPrivs and
Seccomp of /proc/PID/status. It is printed, and held against what the manual promises.
"""
import os
import pathlib
import tarball

import pytest

from conftest import Running, as_user, need_root, need_userns, wait_until
from many_runs import say  # noqa: F401
from setuid_host import GID, GROUPS, UID, opened, setuid  # noqa: F401

pytestmark = need_root

NAMES = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
         "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin "
         "sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap").split()


def bits(words):
    return sum(1 << NAMES.index(w) for w in words.split())


DEFAULT = bits("chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot audit_write setfcap")
KILL = bits("kill")
AFTER_CHROOT = DEFAULT & ~bits("sys_chroot")
ROOT, HIS = (0, 0, []), (UID, GID, sorted(GROUPS))
ALONE = (UID, GID, [])
NESTED = ["unshare", "--user", "--map-root-user"]

# caller -> (options, keywords, payload's ids as the host sees them, its capabilities, helper's capabilities)
CALLERS = {
    "root": ([], {}, ROOT, DEFAULT, KILL),
    "root, user 1000": (["--user=1000"], {}, ALONE, 0, KILL),
    "root, user 1000 with net_raw": (["--user=1000", "--cap-add=net_raw"], {}, ALONE, bits("net_raw"), KILL),
    "root, nothing": (["--cap-drop=ALL"], {}, ROOT, 0, KILL),
    "chroot only": (["--enter=chroot"], {"wrapper": ["setpriv", "--bounding-set=-sys_admin"]}, ROOT, AFTER_CHROOT, KILL),
    "set-uid": ([], "set-uid", HIS, 0, 0),
    "user namespace": ([], as_user(), ALONE, DEFAULT, KILL),
    "user namespace, current user": (["--map-current-user"], as_user(), ALONE, 0, KILL),
    "nested user namespace": (["--map-root-user"], {"wrapper": NESTED, **as_user()}, ALONE, DEFAULT, KILL),
    "in a user namespace": ([], {"wrapper": NESTED, **as_user()}, ALONE, DEFAULT, KILL),
}
COMPANY = {"alone": [], "pid": ["--unshare=pid"], "init": ["--init"]}


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: v.split() for k, _, v in (line.partition(":") for line in text.splitlines())}


def family(pid):
    """The process and all below it, parents first."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop(0)
        found.append(pid)
        for task in os.listdir(f"/proc/{pid}/task"):
            todo += [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return found


def row(seen):
    sets = {name: int(seen[f"Cap{name}"][0], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    return {"uid": [int(v) for v in seen["Uid"]], "gid": [int(v) for v in seen["Gid"]], "groups": sorted(map(int, seen["Groups"])),
            **sets, "nnp": int(seen["NoNewPrivs"][0]), "seccomp": int(seen["Seccomp"][0])}


def shown(who, what, r):
    sets = " ".join(f"{name} {r[name]:011x}" for name in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    return (f"{who:30} {what:8} Uid {','.join(map(str, r['uid']))} Gid {','.join(map(str, r['gid']))} "
            f"Groups {','.join(map(str, r['groups'])) or '-'} {sets} NoNewPrivs {r['nnp']} Seccomp {r['seccomp']}")


def check_payload(r, ids, caps, bounding):
    uid, gid, groups = ids
    assert r["uid"] == [uid] * 4 and r["gid"] == [gid] * 4 and r["groups"] in (groups, [gid] if groups == [] else groups)
    assert r["Prm"] == r["Eff"] == caps and r["Bnd"] == bounding
    # Of another id than 0 they are handed over by the ambient set; root's come of the bounding one.
    ambient = caps if r["Amb"] else 0
    assert r["Inh"] == r["Amb"] == ambient
    assert (r["nnp"], r["seccomp"]) == (1, 2)


def check_helper(r, ids, caps):
    uid, gid, _ = ids
    assert r["Prm"] == r["Eff"] == caps & r["Prm"] and r["Inh"] == r["Amb"] == 0
    assert r["nnp"] == 1
    if caps == 0:  # set-uid
        assert r["uid"] == [uid] * 4 and r["gid"] == [gid] * 4 and r["Bnd"] == 0


@pytest.mark.parametrize("company", COMPANY)
@pytest.mark.parametrize("caller", [pytest.param(name, marks=[need_userns] if "namespace" in name else []) for name in CALLERS])
def test_after_exec(setuid, bbox, caller, company, say):
    opts, kw, ids, caps, helpers = CALLERS[caller]
    kw = {"program": setuid, **opened()} if kw == "set-uid" else dict(kw)
    if caller == "chroot only" and company != "alone":
        del kw["wrapper"]  # other namespaces need what it takes away
    with Running("exec", *opts, *COMPANY[company], bbox, "/bin/sh", "-c", "echo up; read x", **kw) as running:
        assert running.line() == "up\n", running.proc.stderr.read()
        processes = family(running.proc.pid)
        rows = [row(status(pid)) for pid in processes]
        running.proc.stdin.write(b"\n")
        running.proc.stdin.close()
        assert running.proc.wait(10) == 0
    names = {1: ["payload"], 2: ["helper", "payload"], 3: ["helper", "pid 1", "payload"]}[len(rows)]
    assert len(rows) == {"alone": 1, "pid": 2, "init": 3}[company]
    for name, r in zip(names, rows):
        say(shown(caller, name, r))
    for r in rows[:-1]:
        check_helper(r, ids, helpers)
    # Of a payload with an id of its own it is what root's would have: no_new_privs makes nothing of it.
    own = ids[0] != 0 and "--user=1000" in opts or "--map-current-user" in opts
    check_payload(rows[-1], ids, caps, DEFAULT if own else caps)


@pytest.mark.parametrize("caller", ["root", "set-uid", "user namespace"])
def test_while_unpacking(setuid, scratch, caller, say):
    """The process that extracts, and the one that decodes; the archive's end is awaited."""
    _, kw, ids, _, _ = CALLERS[caller]
    kw = {"program": setuid, **opened()} if kw == "set-uid" else dict(kw)
    root = scratch / "root"
    root.mkdir()
    os.chown(root, ids[0], ids[1])
    data = tarball.gzip(tarball.tar([tarball.file("first", b"x" * 300000), tarball.file("second", os.urandom(3 << 20))]))
    with Running("unpack", root, **kw) as running:
        running.proc.stdin.write(data[: len(data) // 2])
        running.proc.stdin.flush()
        assert wait_until((root / "first").exists)
        processes = family(running.proc.pid)
        rows = [row(status(pid)) for pid in processes]
        running.proc.stdin.write(data[len(data) // 2:])
        running.proc.stdin.close()
        assert running.proc.wait(20) == 0
    assert len(rows) == 2
    for name, r in zip(("extractor", "decoder"), rows):
        say(shown(caller, name, r))
        assert r["Inh"] == r["Amb"] == 0 and r["Prm"] == r["Eff"] and r["nnp"] == 1 and r["seccomp"] == 2
    assert rows[1]["Prm"] == 0
    if caller == "set-uid":
        assert all(r["uid"] == [UID] * 4 and r["gid"] == [GID] * 4 and r["Prm"] == r["Bnd"] == 0 for r in rows)
