# SPDX-License-Identifier: MIT
"""Owners, modes, devices, extended attributes and ACLs, by policy and by option."""
import base64
import errno
import os
import stat

import pytest

from conftest import ROOT_CALLER, assert_fails, error_line, need_root, need_userns, ordinary
from tarball import block, char, directory, fifo, file, hard, pax, sym, tar
from unpacking import (ACL_ACCESS, ACL_DEFAULT, ACL_GROUP, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER,  # noqa: F401
                       ACL_USER, ACL_USER_OBJ, CAPABILITY, MODES, NO_ID, acl, emptied, given, in_modes, names,
                       record, root, unpack, unpack_records, unpacked, xattr)

LAYER = "--policy=layer"


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def ids_of(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid


def attributes(path):
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("system.")}


# -- owners ------------------------------------------------------------------------------------

OWNED = tar([directory("d", uid=10, gid=20), file("f", uid=11, gid=21), sym("s", "f", uid=12, gid=22),
             fifo("p", uid=13, gid=23), file("root"), file("big", uid=4294967294, gid=4000000000)])
OWNERS = {"d": (10, 20), "f": (11, 21), "s": (12, 22), "p": (13, 23), "root": (0, 0),
          "big": (4294967294, 4000000000)}


@need_root
@pytest.mark.parametrize("opts,expected", [
    ([], OWNERS),
    ([LAYER], OWNERS),
    ([LAYER, "--same-owner"], OWNERS),
    (["--policy=data", "--same-owner"], OWNERS),
    (["--policy=data"], dict.fromkeys(OWNERS, (0, 0))),
    (["--policy=strict"], dict.fromkeys(OWNERS, (0, 0))),
    ([LAYER, "--no-same-owner"], dict.fromkeys(OWNERS, (0, 0))),
    (["--chown=5:6"], dict.fromkeys(OWNERS, (5, 6))),
    (["--policy=data", "--chown=5:4294967294"], dict.fromkeys(OWNERS, (5, 4294967294))),
    (["--map-uid=0:100000:65536", "--map-uid=4294967294:7:1", "--map-gid=0:0:100",
      "--map-gid=4000000000:800:2"],
     {"d": (100010, 20), "f": (100011, 21), "s": (100012, 22), "p": (100013, 23), "root": (100000, 0),
      "big": (7, 800)}),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_owners(opts, expected, root):
    unpacked(root, OWNED, *opts)
    assert {name: ids_of(root / name) for name in OWNERS} == expected


@need_root
def test_implied_parents_belong_to_the_caller_or_the_mapped_root(root):
    unpacked(root, tar([file("a/b/c", uid=5, gid=5)]))
    assert ids_of(root / "a") == ids_of(root / "a/b") == (0, 0)


@need_root
@pytest.mark.parametrize("opts,entry", [
    (["--map-uid=0:100000:10"], file("a", uid=10)),
    (["--map-gid=5:0:1"], file("a", gid=4)),
    (["--map-uid=0:0:10", "--map-uid=20:20:5"], directory("a", uid=15)),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_an_id_that_is_not_mapped(opts, entry, root):
    """The entry is refused by name; nothing of another owner is left."""
    proc, records = unpack_records(root, tar([entry]), *opts)
    assert_fails(proc, 1, '"a"')
    assert record(records, "error")["path"] == "a"
    assert names(root) == []


@need_root
def test_ids_that_are_none(root):
    """(uid_t)-1 and what is wider: never taken for something else."""
    for fields in ({"uid": 4294967295}, {"gid": 4294967295}, {"uid": 4294967296}, {"uid": -1}):
        assert_fails(unpack(root, tar([file("a", mode=0o4755, **fields)])), 1, '"a"')
    for key in ("uid", "gid"):
        for value in ("4294967295", "4294967296", "18446744073709551616", "-1", "x", ""):
            assert_fails(unpack(root, tar([pax({key: value}), file("a", mode=0o4755)])), 1)
    assert names(root) == []


@need_userns
def test_an_id_outside_of_the_user_namespace(root):
    given(root, "userns")
    proc, records = unpack_records(root, tar([file("a"), file("b", uid=5, gid=0)]), LAYER, **ordinary())
    line = assert_fails(proc, 125, '"b"')
    assert "5" in line and "hint: " in proc.stderr
    assert record(records, "error")["path"] == "b"
    assert not (root / "b").exists() or ids_of(root / "b") == ids_of(root / "a")
    unpacked(root, tar([file("c", uid=5, gid=5)]), "--policy=layer", "--no-same-owner", **ordinary())
    me = 1000 if ROOT_CALLER else os.getuid()
    assert os.lstat(root / "c").st_uid == me


@pytest.mark.parametrize("mode", ["confined"])
def test_owners_without_privilege(mode, root):
    """The default is data: one's own ids; asked for others it fails and says so."""
    opts, kw = MODES[mode]
    given(root, mode)
    unpacked(root, tar([file("a", uid=77, gid=77)]), *opts, **kw)
    me = 1000 if ROOT_CALLER else os.getuid()
    assert os.lstat(root / "a").st_uid == me
    for asked in ("--same-owner", "--chown=77:77"):
        proc, _ = unpack_records(root, tar([file("b", uid=77, gid=77)]), *opts, asked, **kw)
        assert_fails(proc, 125, '"b"', "EPERM")


@need_root
def test_owner_of_a_hard_link_entry_is_not_applied(root):
    unpacked(root, tar([file("a", mode=0o600, uid=5, gid=5),
                        hard("b", "a", mode=0o777, uid=9, gid=9, mtime=1)]))
    assert ids_of(root / "b") == (5, 5) and mode_of(root / "a") == 0o600
    assert os.stat(root / "a").st_mtime == 1_500_000_000


# -- modes -------------------------------------------------------------------------------------

MODED = tar([directory("d", mode=0o3777), file("f", mode=0o6755), file("g", mode=0o666),
             fifo("p", mode=0o622), file("zero", mode=0), directory("closed", mode=0),
             file("closed/in", mode=0o400), file("i/mplied")])
BITS = {"d": 0o3777, "f": 0o6755, "g": 0o666, "p": 0o622, "zero": 0, "closed": 0, "i": 0o755,
        "i/mplied": 0o644}


def modes_in(root):
    return {name: mode_of(root / name) for name in BITS}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o777, 0])
def test_modes_whatever_the_umask(umask, root):
    """layer: all bits; data: no setuid, setgid, sticky."""
    policy = LAYER if ROOT_CALLER else "--policy=data"
    unpacked(root, MODED, policy, umask=umask)
    assert modes_in(root) == {k: v if ROOT_CALLER else v & 0o777 for k, v in BITS.items()}
    os.chmod(root / "closed", 0o700)


@pytest.mark.parametrize("policy", ["data", "strict"])
def test_modes_of_data(policy, root):
    unpacked(root, MODED, f"--policy={policy}", umask=0o027)
    assert modes_in(root) == {k: v & 0o777 for k, v in BITS.items()}
    os.chmod(root / "closed", 0o700)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
def test_no_same_permissions(umask, root):
    policy = [LAYER] if ROOT_CALLER else []
    unpacked(root, MODED, *policy, "--no-same-permissions", umask=umask)
    found = modes_in(root)
    implied = found.pop("i")
    assert implied in (0o755, 0o755 & ~umask)
    assert found == {k: v & 0o777 & ~umask for k, v in BITS.items() if k != "i"}
    os.chmod(root / "closed", 0o700)


@need_root
def test_setuid_survives_chown_and_data(root):
    unpacked(root, tar([file("a", bytes(70000), mode=0o6711, uid=5, gid=6),
                        directory("d", mode=0o2775, gid=7), file("d/f", gid=8)]))
    assert (mode_of(root / "a"), ids_of(root / "a")) == (0o6711, (5, 6))
    assert mode_of(root / "d") == 0o2775 and ids_of(root / "d/f") == (0, 8)


def test_a_setgid_directory_does_not_spread(root):
    """ROOT's own setgid bit and group, and default ACLs on the way, are not the archive's."""
    if ROOT_CALLER:
        os.chown(root, 0, 1234)
    root.chmod(0o2755)
    unpacked(root, tar([directory("d"), file("d/f")]))
    if ROOT_CALLER:
        assert ids_of(root / "d/f") == (0, 0)
    assert mode_of(root / "d") == 0o755


# -- devices -----------------------------------------------------------------------------------

DEVICES = tar([char("null", 1, 3, mode=0o666), block("loop", 7, 200, mode=0o660, gid=6), file("after")])


@need_root
@pytest.mark.parametrize("mode", ["pivot", "detached", "chroot"])
def test_devices_are_made(mode, root):
    unpacked(root, DEVICES, *MODES[mode][0])
    for name, kind, number, bits in (("null", stat.S_IFCHR, (1, 3), 0o666),
                                     ("loop", stat.S_IFBLK, (7, 200), 0o660)):
        st = os.lstat(root / name)
        assert (stat.S_IFMT(st.st_mode), (os.major(st.st_rdev), os.minor(st.st_rdev))) == (kind, number)
        assert stat.S_IMODE(st.st_mode) == bits


@need_root
@pytest.mark.parametrize("opts,result", [
    ([LAYER, "--devices=create"], "made"), (["--policy=data", "--devices=create"], "made"),
    ([LAYER, "--devices=skip"], "skipped"), (["--policy=data", "--devices=skip"], "skipped"),
    ([LAYER, "--devices=refuse"], "refused"), (["--policy=data"], "refused"),
    (["--policy=strict"], "refused"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else v)
def test_devices(opts, result, root):
    proc, records = unpack_records(root, DEVICES, *opts)
    told = record(records, "summary")
    if result == "refused":
        assert_fails(proc, 1, '"null"')
        assert names(root) == []
        return
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert names(root) == (["after", "loop", "null"] if result == "made" else ["after"])
    assert (told["devices"], told["skipped"]) == ((2, 0) if result == "made" else (0, 2))


@in_modes("userns", "confined")
def test_devices_without_the_right(mode, root):
    """Refused for data; where the user insists, the kernel's no is told."""
    opts, kw = MODES[mode]
    given(root, mode)
    proc = unpack(root, DEVICES, *opts, "--devices=create", "--no-same-owner", **kw)
    assert_fails(proc, 125, '"null"', "EPERM")
    assert names(root) == []
    unpacked(root, DEVICES, *opts, "--devices=skip", "--no-same-owner", **kw)
    assert names(root) == ["after"]


@need_root
def test_device_numbers(root):
    unpacked(root, tar([char("wide", 4095, 1048575), char("a", 300, 70000)]))
    assert os.lstat(root / "wide").st_rdev == os.makedev(4095, 1048575)
    for number in ((4096, 0), (0, 1048576), (2 ** 33, 1), (-1, 0)):
        assert_fails(unpack(root, tar([char("x", *number)])), 1, '"x"')


# -- extended attributes -----------------------------------------------------------------------

NAMED = ["user.a", "user.b.c", "user.overlay.opaque", "trusted.x", "trusted.overlay.opaque",
         "security.capability", "security.selinux", "security.ima"]
VALUES = {name: CAPABILITY if name == "security.capability" else b"y\0\nz" for name in NAMED}


def attributed(kind="SCHILY"):
    if kind == "SCHILY":
        return {f"SCHILY.xattr.{k}": v for k, v in VALUES.items()}
    return {"LIBARCHIVE.xattr." + k.replace("s", "%73"): base64.b64encode(v).rstrip(b"=")
            for k, v in VALUES.items()}


PICKED = {
    "layer": ([LAYER], ["user.a", "user.b.c", "security.capability"]),
    "data": (["--policy=data"], ["user.a", "user.b.c"]),
    "strict": (["--policy=strict"], ["user.a", "user.b.c"]),
    "none": (["--xattrs=none"], []),
    "one": (["--xattrs=user.a"], ["user.a"]),
    "two": (["--xattrs=user.a,user.b*"], ["user.a", "user.b.c"]),
    "twice": (["--xattrs=user.a", "--xattrs=user.b.c"], None),
    "star": (["--xattrs=*"], ["user.a", "user.b.c", "security.capability"]),
    "user": (["--xattrs=user.*"], ["user.a", "user.b.c"]),
    "user-overlay": (["--xattrs=user.overlay.*"], ["user.overlay.opaque"]),
    "question": (["--xattrs=?ser.a,*.x,*.opaque,[t]rusted.x,se*x"], ["user.a"]),
    "trusted": (["--xattrs=trusted.*"], ["trusted.x"]),
    "trusted-overlay": (["--xattrs=trusted.overlay.*"], ["trusted.overlay.opaque"]),
    "trusted-both": (["--xattrs=trusted.x,trusted.overlay.opaque,user.a"],
                     ["trusted.x", "trusted.overlay.opaque", "user.a"]),
    "not-overlay": (["--xattrs=trusted.ov*,user.ov*"], []),
    "data-trusted": (["--policy=data", "--xattrs=trusted.*"], ["trusted.x"]),
}


@need_root
@pytest.mark.parametrize("kind", ["SCHILY", "LIBARCHIVE"])
@pytest.mark.parametrize("name", PICKED)
def test_extended_attributes(name, kind, root):
    opts, expected = PICKED[name]
    records = {k: v for k, v in attributed(kind).items() if not k.endswith("ima")}
    data = tar([pax(records), file("f"), pax(records), directory("d")])
    unpacked(root, data, *opts)
    if expected is not None:
        for path in ("f", "d"):
            assert attributes(root / path) == {n: VALUES[n] for n in expected}


@need_root
def test_selinux_only_by_name(root):
    data = tar([pax({"SCHILY.xattr.security.selinux": "system_u:object_r:etc_t:s0\0"}), file("f")])
    for opts in ([], ["--xattrs=*"], ["--xattrs=security.*"]):
        unpacked(root, data, *opts)
        assert "security.selinux" not in attributes(root / "f")
    proc = unpack(root, data, "--xattrs=security.selinux")
    assert proc.returncode in (0, 125)
    if proc.returncode == 0:
        assert "security.selinux" in attributes(root / "f")


@need_root
def test_trusted_attributes_of_links_and_fifos(root):
    record_ = pax({"SCHILY.xattr.trusted.x": "1"})
    unpacked(root, tar([record_ + sym("s", "nowhere"), record_ + fifo("p"), record_ + char("c", 1, 3)]),
             "--xattrs=trusted.*")
    assert [attributes(root / n) for n in "spc"] == [{"trusted.x": b"1"}] * 3


def test_user_attributes_are_not_for_links(root):
    """The kernel refuses them there: an error, not silence, unless they were not selected."""
    data = tar([xattr(user_a="1") + sym("s", "nowhere")])
    proc = unpack(root, data)
    assert proc.returncode in (1, 125) and '"s"' in error_line(proc)
    unpacked(root, data, "--xattrs=none")


def test_attributes_by_default_as_anyone(root):
    unpacked(root, tar([xattr(user_a="1", user_empty="", **{"user_b": b"\0\xff"}) + file("f", mode=0o400)]))
    assert attributes(root / "f") == {"user.a": b"1", "user.empty": b"", "user.b": b"\0\xff"}


@need_root
def test_capability_is_set_after_the_owner(root):
    """chown and writing drop it."""
    unpacked(root, tar([xattr(security_capability=CAPABILITY) + file("f", bytes(100000), mode=0o755, uid=5)]))
    assert attributes(root / "f") == {"security.capability": CAPABILITY} and ids_of(root / "f") == (5, 0)


def test_attribute_that_is_too_long(root):
    for records in ({"SCHILY.xattr.user.big": "v" * 70000}, {"SCHILY.xattr.user." + "n" * 300: "v"}):
        proc = unpack(root, tar([pax(records), file("f")]))
        assert proc.returncode in (1, 125) and '"f"' in error_line(proc)


# -- ACLs --------------------------------------------------------------------------------------

TEXT = "user::rw-,user:1234:r--,group::r--,group:77:rwx,mask::rwx,other::---"
BINARY = acl((ACL_USER_OBJ, 6, NO_ID), (ACL_USER, 4, 1234), (ACL_GROUP_OBJ, 4, NO_ID), (ACL_GROUP, 7, 77),
             (ACL_MASK, 7, NO_ID), (ACL_OTHER, 0, NO_ID))
DEFAULT_TEXT = "user::rwx,group::r-x,other::r-x,mask::rwx,user:5:rwx"
DEFAULT_BINARY = acl((ACL_USER_OBJ, 7, NO_ID), (ACL_USER, 7, 5), (ACL_GROUP_OBJ, 5, NO_ID),
                     (ACL_MASK, 7, NO_ID), (ACL_OTHER, 5, NO_ID))
SPELLINGS = {
    "gnu": TEXT,
    "short": "u::rw-,u:1234:r--,g::r--,g:77:rwx,m::rwx,o::---",
    "newlines": TEXT.replace(",", "\n") + "\n",
    "spaces": TEXT.replace(",", ", "),
    "star": "user::rw-,user:joe:r--:1234,group::r--,group:staff:rwx:77,mask::rwx,other::---",
    "order": "other::---,mask::rwx,group:77:rwx,group::r--,user:1234:r--,user::rw-",
    "solaris": TEXT.replace("mask::", "mask:").replace("other::", "other:"),
}
MUST = {"gnu", "newlines", "star", "order", "short"}


def acl_of(path, name=ACL_ACCESS):
    try:
        return os.getxattr(path, name)
    except OSError as problem:
        if problem.errno == errno.ENODATA:
            return None
        raise


@need_root
@pytest.mark.parametrize("mode", ["pivot", "detached", "chroot"])
def test_acls(mode, root):
    data = tar([pax({"SCHILY.acl.access": TEXT}), file("f", mode=0o670),
                pax({"SCHILY.acl.access": TEXT.replace("rw-", "rwx"), "SCHILY.acl.default": DEFAULT_TEXT}),
                directory("d", mode=0o770),
                pax({"SCHILY.xattr." + ACL_ACCESS: BINARY}), file("g", mode=0o670),
                pax({"SCHILY.xattr." + ACL_DEFAULT: DEFAULT_BINARY}), directory("e"),
                file("d/in"), directory("e/in")])
    opts = MODES[mode][0]
    unpacked(root, data, *opts)
    assert all(acl_of(root / n) is None for n in ("f", "g", "d", "e"))
    unpacked(emptied(root), data, "--acls", *opts)
    assert acl_of(root / "f") == acl_of(root / "g") == BINARY and mode_of(root / "f") == 0o670
    assert acl_of(root / "d", ACL_DEFAULT) == acl_of(root / "e", ACL_DEFAULT) == DEFAULT_BINARY
    # what is made below a default ACL has what the archive says, and no more
    assert acl_of(root / "d/in") is None and mode_of(root / "d/in") == 0o644
    assert acl_of(root / "e/in", ACL_DEFAULT) is None


@need_root
@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_of_acls(name, root):
    proc = unpack(root, tar([pax({"SCHILY.acl.access": SPELLINGS[name]}), file("f", mode=0o670)]), "--acls")
    if name in MUST or proc.returncode == 0:
        assert (proc.returncode, acl_of(root / "f")) == (0, BINARY), proc
    else:
        assert proc.returncode == 1, proc


@need_root
@pytest.mark.parametrize("text", ["user::rw-,user:joe:r--,group::r--,mask::r--,other::---",
                                  "user::rw-,group::r--,group:staff:r--,mask::r--,other::---"])
def test_names_in_acls_are_refused(text, root):
    """Ids are numeric only."""
    proc = unpack(root, tar([pax({"SCHILY.acl.access": text}), file("f")]), "--acls")
    assert_fails(proc, 1, '"f"')
    assert "hint: " in proc.stderr and "numeric" in proc.stderr


@need_root
@pytest.mark.parametrize("text", ["nonsense", "user::rw-", "user::rwz,group::r--,other::---",
                                  "user::rw-,,other::---,x",
                                  "user::rw-,group::r--,other::---,user:4294967295:r--,mask::r--",
                                  "user::rw-,user::rw-,group::r--,other::---",
                                  "user::rw-,user:1:r--,group::r--,other::---", "user:::", ":", ",",
                                  "user::rw-,group::r--,other::---," + "user:1:rwx," * 9000])
def test_malformed_acls(text, root):
    proc = unpack(root, tar([pax({"SCHILY.acl.access": text}), file("f")]), "--acls")
    assert_fails(proc, 1, '"f"')
    unpacked(root, tar([pax({"SCHILY.acl.access": text}), file("f")]))


@need_root
@pytest.mark.parametrize("value", [b"", b"x", acl(), BINARY[:-3], BINARY + b"x", b"\1" + BINARY[1:]])
def test_malformed_acl_attributes(value, root):
    proc = unpack(root, tar([pax({"SCHILY.xattr." + ACL_ACCESS: value}), file("f")]), "--acls")
    if proc.returncode == 0:
        assert acl_of(root / "f") is None  # what says nothing more than the mode
    else:
        assert proc.returncode in (1, 125) and '"f"' in error_line(proc)


@need_root
def test_default_acl_on_a_file(root):
    proc = unpack(root, tar([pax({"SCHILY.acl.default": DEFAULT_TEXT}), file("f")]), "--acls")
    assert proc.returncode in (1, 125) and '"f"' in error_line(proc)


def test_acls_of_ones_own(root):
    """An ordinary user may set them on his files."""
    data = tar([pax({"SCHILY.acl.access": TEXT}), file("f", mode=0o670)])
    given(root, "confined")
    unpacked(root, data, "--acls", "--enter=confined", **ordinary())
    assert acl_of(root / "f") == BINARY
