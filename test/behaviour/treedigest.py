# SPDX-License-Identifier: MIT
"""What a tree is made of, as data that can be kept and compared: everything but inode and block numbers,
access and change times. As root nothing is left out; an ordinary user's view lacks what he can't open.
"""
import hashlib
import os
import stat

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFCHR: "character device", stat.S_IFBLK: "block device", stat.S_IFSOCK: "socket"}
SPARSE_BELOW = 50  # a file with less than this share of its size in blocks counts as sparse
BLOCK_SLACK = 64 * 1024
UNREADABLE = "(can't be opened)"


def _content(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        return UNREADABLE


def _xattrs(path):
    """Name -> value, ACLs among them (system.posix_acl_*), the link's own for a symlink."""
    try:
        return {name: os.getxattr(path, name, follow_symlinks=False)
                for name in os.listxattr(path, follow_symlinks=False)}
    except PermissionError:
        return {UNREADABLE: b""}


def _entry(path, st):
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    found = {"type": kind, "uid": st.st_uid, "gid": st.st_gid, "mtime": st.st_mtime_ns,
             "xattrs": _xattrs(path)}
    if kind == "symlink":
        found["target"] = os.readlink(path)
        return found
    found["mode"] = stat.S_IMODE(st.st_mode)
    if kind == "file":
        found["size"] = st.st_size
        found["content"] = _content(path)
        found["blocks"] = st.st_blocks * 512
    elif "device" in kind:
        found["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    return found


def digest(root):
    """Name below root (bytes; b"." is root itself) -> its properties."""
    top = os.fsencode(root)
    device = os.lstat(top).st_dev
    found, groups = {b".": _entry(top, os.lstat(top))}, {}
    todo = [b""]
    while todo:
        directory = todo.pop()
        try:
            with os.scandir(os.path.join(top, directory)) as listing:
                entries = sorted(listing, key=lambda e: e.name)
        except PermissionError:
            found[directory or b"."]["listing"] = UNREADABLE
            continue
        for entry in entries:
            name, st = os.path.join(directory, entry.name), entry.stat(follow_symlinks=False)
            found[name] = _entry(entry.path, st)
            if stat.S_ISDIR(st.st_mode):
                if st.st_dev == device:  # /proc or the like below is no part of the tree
                    todo.append(name)
            elif st.st_nlink > 1:
                groups.setdefault((st.st_dev, st.st_ino), []).append(name)
    for names in groups.values():
        names.sort()
        for name in names:
            found[name]["links"] = tuple(names)
    return found


def is_sparse(entry):
    return entry.get("size", 0) > 4 * BLOCK_SLACK and entry["blocks"] * 100 < entry["size"] * SPARSE_BELOW


def _too_dense(expected, found):
    """A file that is sparse in the one tree must be about as sparse in the other."""
    return (is_sparse(expected) and "blocks" in found and
            found["blocks"] > expected["blocks"] + found["size"] * 5 // 100 + BLOCK_SLACK)


def differences(expected, found, ignore=(), sparse=True):
    """A readable list, empty when the two are the same.

    ignore: properties that are not looked at, such as "mtime"; sparse: found has no more blocks either.
    """
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        shown = ascii(os.fsdecode(name))
        if name not in found or name not in expected:
            where, entry = ("missing", expected[name]) if name not in found else ("too many", found[name])
            lines.append(f"{where}: {shown} ({entry['type']})")
            continue
        one, two = expected[name], found[name]
        for key in sorted((one.keys() | two.keys()) - set(ignore) - {"blocks"}):
            if one.get(key) != two.get(key):
                lines.append(f"{shown}: {key} is {shown_value(key, two)}, not {shown_value(key, one)}")
        if sparse and _too_dense(one, two):
            lines.append(f"{shown}: {two['blocks']} bytes allocated, not {one['blocks']}")
    return lines


def shown_value(key, entry):
    value = entry.get(key)
    return oct(value) if key == "mode" and value is not None else str(value)


def report(lines, most=40):
    """For an assertion's message."""
    more = f"\n… and {len(lines) - most} more" if len(lines) > most else ""
    return f"{len(lines)} differences:\n" + "\n".join(line[:400] for line in lines[:most]) + more
