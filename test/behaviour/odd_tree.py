# SPDX-License-Identifier: MIT
"""A directory tree of everything that an archive can hold and that somebody's extractor got wrong, and which
of its names fit which tar format.
"""
import os
import posixpath
import stat
import struct

BYTES = bytes(range(256)) * 40
ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 16, 32
NOBODY = 0xFFFFFFFF
CAP_NET_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # revision 2, effective: =ep

# Seconds and nanoseconds of the mtime; before 1970 the fraction still counts upwards.
TIMES = {"epoch": 0, "one": 1, "fraction": 1_500_000_000_123_456_789,
         "small-fraction": 1_000_000_000_000_000_001, "half-before": -500_000_000,
         "before": -3_600_000_000_000, "before-fraction": -300_000_000_250_000_000,
         "1960": -315_619_200_000_000_000, "2037": 2_145_000_000_999_999_999}


def acl(*entries):
    """The value of system.posix_acl_access: (tag, permissions, id) in the kernel's order."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


ACCESS = acl((ACL_USER_OBJ, 6, NOBODY), (ACL_USER, 4, 4242), (ACL_USER, 7, 4343), (ACL_GROUP_OBJ, 4, NOBODY),
             (ACL_GROUP, 6, 77), (ACL_MASK, 6, NOBODY), (ACL_OTHER, 0, NOBODY))
DIRECTORY = acl((ACL_USER_OBJ, 7, NOBODY), (ACL_USER, 1, 4242), (ACL_GROUP_OBJ, 5, NOBODY),
                (ACL_MASK, 5, NOBODY), (ACL_OTHER, 5, NOBODY))
DEFAULT = acl((ACL_USER_OBJ, 7, NOBODY), (ACL_USER, 5, 4242), (ACL_GROUP_OBJ, 5, NOBODY),
              (ACL_MASK, 5, NOBODY), (ACL_OTHER, 0, NOBODY))


def _file(top, name, data=b"content\n", mode=0o644):
    path = os.path.join(top, os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path


def _sparse(top, name, size, regions):
    path = _file(top, name, b"")
    with open(path, "r+b") as file:
        file.truncate(size)
        for start, data in regions:
            file.seek(start)
            file.write(data)
    return path


def _names(top):
    for name in ("n" * 99, "n" * 100, "n" * 101, "n" * 255, "sub/" + "p" * 120, "p" * 80 + "/" + "q" * 80,
                 "/".join(["deep" * 30] * 4), "/".join(["d" * 200, "e" * 200, "f" * 200]), "snow\u2603man",
                 "e\u0301-combined", "\U0001f427", "-rf", "with space ", " lead", "new\nline", "tab\t",
                 "back\\slash", "quote\"'`$(x)", "esc\x1b[2Jx", "a -> b", "x link to y", "...", "..a", "a..",
                 "star*[?]", "%s%n", "="):
        _file(top, "names/" + name, name.encode())
    for name in (b"latin\xe9", b"\xff\xfe", b"\x01\x7f"):
        _file(top, b"names/" + name, name)
    os.makedirs(os.path.join(top, b"names", b"D" * 150, b"E" * 150))


def _links(top):
    where = os.path.join(top, b"links")
    _file(top, "links/one", b"three names")
    for name in (b"two", b"L" * 99, b"L" * 130, b"sub/three"):
        os.makedirs(os.path.dirname(os.path.join(where, name)), exist_ok=True)
        os.link(os.path.join(where, b"one"), os.path.join(where, name))
    _file(top, "links/setuid", b"#!", 0o4711)
    os.link(os.path.join(where, b"setuid"), os.path.join(where, b"setuid-too"))
    for name, target in ((b"dangling", b"nowhere"), (b"absolute", b"/etc/passwd"), (b"up", b"../files/empty"),
                         (b"out", b"../../../../../x"), (b"self", b"self"), (b"dir", b"sub"),
                         (b"to-root", b"/"), (b"long", b"t" * 150), (b"longer", b"u/" * 400 + b"v"),
                         (b"bytes", b"\xff\xfe"), (b"100", b"h" * 100), (b"101", b"h" * 101)):
        os.symlink(target, os.path.join(where, name))
    os.link(os.path.join(where, b"dangling"), os.path.join(where, b"dangling-too"), follow_symlinks=False)


def _files(top):
    for size in (0, 1, 511, 512, 513, 1024, 10240):
        _file(top, f"files/{size}", BYTES[:size])
    _file(top, "files/empty", b"")
    _file(top, "files/zeros", bytes(100_000))  # not a hole: dense it may stay
    for mode in (0o000, 0o400, 0o111, 0o4755, 0o2755, 0o6711, 0o1644, 0o777, 0o640, 0o4644):
        _file(top, f"modes/{mode:04o}", b"x", mode)


def _holes(top):
    part = 512 * 1024
    _sparse(top, "sparse/all-hole", part, [])
    _sparse(top, "sparse/hole-first", part + 5, [(part, b"tail!")])
    _sparse(top, "sparse/hole-last", part, [(0, b"head")])
    _sparse(top, "sparse/middle", 2 * part + 1, [(part, BYTES)])
    _sparse(top, "sparse/four", 4 * part, [(i * part, b"region") for i in range(4)])
    _sparse(top, "sparse/five", 5 * part, [(i * part, b"region") for i in range(5)])
    step = 32 * 1024
    _sparse(top, "sparse/many", 100 * step, [(i * step, bytes([i + 1]) * (1 + i * 37)) for i in range(100)])
    _sparse(top, "sparse/" + "s" * 150, part, [(part // 2, b"a long name")])


def _directories(top, zero):
    os.makedirs(os.path.join(top, b"directories/empty"))
    for name, mode in (("sticky", 0o1777), ("setgid", 0o2775), ("read-only", 0o555),
                       *([("write-only", 0o300), ("zero", 0)] if zero else [])):
        path = os.path.join(top, b"directories", name.encode())
        os.makedirs(os.path.join(path, b"below", b"further"))
        _file(top, f"directories/{name}/file")
        os.chmod(path, mode)


def _attributes(top, root):
    plain = {"user.text": b"value", "user.empty": b"", "user.bytes": b"a\0b\nc=d\xff\xfe",
             "user.long": b"v" * 1500, "user.dots.and-dashes_": b"1"}
    for name in ("file", "read-only"):
        path = _file(top, f"attributes/{name}")
        for key, value in plain.items():
            os.setxattr(path, key, value)
    os.chmod(path, 0o444)
    os.makedirs(os.path.join(top, b"attributes/directory"))
    os.setxattr(os.path.join(top, b"attributes/directory"), "user.of-a-directory", b"yes")
    path = _file(top, "attributes/acl", b"secret", 0o600)
    os.setxattr(path, "system.posix_acl_access", ACCESS)
    for name in (b"acl-directory", b"acl-directory/inherits", b"acl-plain"):
        os.makedirs(os.path.join(top, b"attributes", name))
    path = os.path.join(top, b"attributes/acl-directory")
    _file(top, "attributes/acl-directory/file-before", b"made before the default ACL")
    os.setxattr(path, "system.posix_acl_access", DIRECTORY)
    os.setxattr(path, "system.posix_acl_default", DEFAULT)
    _file(top, "attributes/acl-directory/file-after", b"inherits", 0o640)
    os.setxattr(os.path.join(path, b"inherits"), "system.posix_acl_default", DEFAULT)
    if root:
        path = _file(top, "attributes/capable", b"\x7fELF", 0o755)
        os.setxattr(path, "security.capability", CAP_NET_BIND)
        os.setxattr(path, "user.too", b"1")


def _owners(top, big):
    ids = [(0, 0), (1, 2), (33, 33), (65534, 65534), (1000, 100)]
    if big:
        ids += [(2097151, 0), (2097152, 7), (4294967294, 5), (3, 4294967294)]
    for uid, gid in ids:
        path = _file(top, f"owners/{uid}-{gid}", b"", 0o6755)
        os.chown(path, uid, gid)
        os.chmod(path, 0o6755)
        path = os.path.join(top, f"owners/link-{uid}-{gid}".encode())
        os.symlink(b"target", path)
        os.lchown(path, uid, gid)
        path = os.path.join(top, f"owners/directory-{uid}-{gid}".encode())
        os.mkdir(path)
        os.chown(path, uid, gid)


def _devices(top):
    os.makedirs(os.path.join(top, b"devices"))
    for name, kind, major, minor in (("null", stat.S_IFCHR, 1, 3), ("loop", stat.S_IFBLK, 7, 0),
                                     ("whiteout", stat.S_IFCHR, 0, 0),
                                     ("largest", stat.S_IFCHR, 4095, 1048575),
                                     ("minor", stat.S_IFBLK, 8, 300), ("linked", stat.S_IFCHR, 1, 5)):
        path = os.path.join(top, b"devices", name.encode())
        os.mknod(path, kind | 0o640, os.makedev(major, minor))
        os.chmod(path, 0o666 if minor == 3 else 0o640)
    os.link(os.path.join(top, b"devices/linked"), os.path.join(top, b"devices/linked-too"))


def _times(top):
    for name, when in TIMES.items():
        for path, extra in ((_file(top, f"times/{name}", b""), 0),
                            (os.path.join(top, b"times/d-" + name.encode()), 1),
                            (os.path.join(top, b"times/l-" + name.encode()), 2)):
            if extra == 1:
                os.mkdir(path)
                _file(path, "inside")
            elif extra == 2:
                os.symlink(name, path)
            os.utime(path, ns=(when + extra, when + extra), follow_symlinks=False)


def make(top, root=True, big=True):
    """Below top (which exists). root: with owners, devices, what only root can read; big: large ids."""
    top = os.fsencode(top)
    _names(top)
    _links(top)
    _files(top)
    _holes(top)
    _attributes(top, root)
    os.makedirs(os.path.join(top, b"fifos"))
    os.mkfifo(os.path.join(top, b"fifos/fifo"), 0o622)
    os.mkfifo(os.path.join(top, b"fifos/linked"), 0o600)
    os.link(os.path.join(top, b"fifos/linked"), os.path.join(top, b"fifos/linked-too"))
    if root:
        _owners(top, big)
        _devices(top)
    _times(top)
    _directories(top, root)
    if not root:  # what its owner could not pack
        for path in (b"modes/0000", b"modes/0111"):
            os.chmod(os.path.join(top, path), 0o500)


# -- what fits ---------------------------------------------------------------------------------

def _splits(name):
    """As ustar's prefix of 155 and name of 100 bytes."""
    return len(name) <= 100 or any(name[i:i + 1] == b"/" and i <= 155 and len(name) - i - 1 <= 100
                                   for i in range(1, len(name) - 1))


def _climbs(name, target):
    return target.startswith(b"/") or posixpath.normpath(
        posixpath.join(posixpath.dirname(name), target)).split(b"/")[0] == b".."


def fits(name, st, target, form="pax", devices=True, closed_links=False):
    """Whether form ("v7", "ustar", "gnu", "pax") can hold it. closed_links: no symlink that leaves the tree,
    and none with two names, one of which could.
    """
    device = stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode)
    if stat.S_ISSOCK(st.st_mode) or (device and not devices):
        return False
    if closed_links and stat.S_ISLNK(st.st_mode) and (_climbs(name, target) or st.st_nlink > 1):
        return False
    if form not in ("v7", "ustar"):
        return True
    stored = b"./" + name + (b"/" if stat.S_ISDIR(st.st_mode) else b"")
    linked = st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode)
    if form == "v7" and (device or stat.S_ISFIFO(st.st_mode)):
        return False
    if len(stored) > 99 and (form == "v7" or linked or not _splits(stored)):
        return False
    return len(target) < 100 and max(st.st_uid, st.st_gid) <= 0o7777777 and 0 <= st.st_mtime < 8 ** 11


def listing(top, **what):
    """The names below top that fit, b"." first, parents before what they hold and never without them."""
    top = os.fsencode(top)
    names, todo = [], [b""]
    while todo:
        directory = todo.pop()
        names.append(directory or b".")
        with os.scandir(os.path.join(top, directory)) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                name, st = os.path.join(directory, entry.name), entry.stat(follow_symlinks=False)
                target = os.readlink(entry.path) if stat.S_ISLNK(st.st_mode) else b""
                if not fits(name, st, target, **what):
                    continue
                if stat.S_ISDIR(st.st_mode):
                    todo.append(name)
                else:
                    names.append(name)
    return [b"./" + name if name != b"." else b"./" for name in names]
