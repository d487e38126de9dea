# SPDX-License-Identifier: MIT
"""unpack makes of each format, by each way in, what `tar -xp` makes of it when the same caller runs it."""
import os
import pickle
import shutil
import socket
import subprocess
import threading

import pytest
from conftest import (INROOT, ROOT_CALLER, SANITIZED, _temp_dir, as_user, assert_fails, inroot, need_root,
                      need_tool, need_userns, run, words)
from many_runs import alone
from odd_tree import listing, make
from test_ids import subordinate_ids
from treedigest import differences, digest, is_sparse, report

SOAK = os.environ.get("INROOT_SOAK") == "1"
LEAST_FILES = 100_000
LONG = 1800 if SOAK else 120  # seconds for one run on a whole root

# Name -> (which names fit, the words that pack).
GNU = ["tar", "--numeric-owner", "--no-recursion", "--verbatim-files-from", "--sort=none"]
FULL = ["--xattrs", "--xattrs-include=*", "--acls"]
BSD = ["bsdtar", "--no-recursion", "--numeric-owner"]
FORMATS = {
    "v7": ("v7", [*GNU, "--format=v7"]),
    "ustar": ("ustar", [*GNU, "--format=ustar"]),
    "oldgnu": ("gnu", [*GNU, "--format=oldgnu", "--sparse"]),
    "gnu": ("gnu", [*GNU, "--format=gnu", "--sparse"]),
    "posix": ("pax", [*GNU, "--format=posix", *FULL, "--sparse"]),
    "posix-dense": ("pax", [*GNU, "--format=posix", *FULL]),
    "posix-0.0": ("pax", [*GNU, "--format=posix", *FULL, "--sparse", "--sparse-version=0.0"]),
    "posix-0.1": ("pax", [*GNU, "--format=posix", *FULL, "--sparse", "--sparse-version=0.1"]),
    "posix-1.0": ("pax", [*GNU, "--format=posix", *FULL, "--sparse", "--sparse-version=1.0"]),
    "bsd-ustar": ("ustar", [*BSD, "--format=ustar"]),
    "bsd-gnutar": ("gnu", [*BSD, "--format=gnutar"]),
    "bsd-pax": ("pax", [*BSD, "--format=pax", "--acls", "--xattrs"]),
}
KEEPS_HOLES = {name for name in FORMATS if "--sparse" in FORMATS[name][1]} | {"bsd-pax"}
QUIET = ["--warning=no-timestamp", "--warning=no-unknown-keyword"]
EXTRACT = ["tar", "-xp", "--xattrs", "--numeric-owner", *QUIET]
COMPARE = ["tar", "--compare", "--numeric-owner", *QUIET]
LAYER = ["--policy=layer", "--acls", "--xattrs=user.*,security.capability"]
DATA = ["--policy=data"]  # an ordinary user's namespace maps no id that an ACL could name

# Way in -> (who, what the tree holds, options).
USERNS = ["unshare", "--map-auto", "--map-root-user"]
WAYS = {
    "pivot": ("root", "all", [*LAYER, "--enter=pivot"]),
    "stacked": ("root", "all", [*LAYER, "--enter=pivot", "--pivot=stacked"]),
    "detached": ("root", "all", [*LAYER, "--enter=detached"]),
    "chroot": ("root", "all", [*LAYER, "--enter=chroot"]),
    "confined": ("root", "all", [*LAYER, "--enter=confined"]),
    "subuids": ("subuids", "mapped", [*LAYER, "--map-auto", "--map-root-user"]),
    "subuids-chroot": ("subuids", "mapped", [*LAYER, "--map-auto", "--map-root-user", "--enter=chroot"]),
    "data": ("user", "data", DATA),
    "data-confined": ("user", "data", [*DATA, "--enter=confined", "--acls"]),
}
WHAT = {"all": {}, "mapped": {"devices": False}, "data": {"devices": False, "closed_links": True}}

pytestmark = need_tool("tar")


def marked(way, *more):
    """A parameter with what it needs."""
    marks = {"subuids": [need_root, need_userns, need_tool("newuidmap", "newgidmap", "unshare")],
             "root": [need_root], "user": [need_userns] if ROOT_CALLER else []}[WAYS[way][0]]
    if any(word.startswith("bsd") for word in more):
        marks = [*marks, need_tool("bsdtar")]
    return pytest.param(way, *more, marks=marks)


# -- trees and archives ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def store():
    """Trees and archives, made when first asked for, by the tests' forked children too."""
    path = _temp_dir("formats")
    yield path
    if not ROOT_CALLER:
        run("chmod", "-R", "u+rwX", path)
    shutil.rmtree(path)


def small_tree(store, what):
    path = store / f"small-{what}"
    if not path.exists():
        path.mkdir()
        make(path, root=ROOT_CALLER, big=what == "all")
    return path


def whole_root(store, debian_root):
    path = store / "whole"
    if not path.exists():
        run("cp", "-a", debian_root, path)
        (path / "odd").mkdir()
        make(path / "odd", big=False)
    return path


def pack(archive, tree, form, what):
    """The archive, packed from the tree by a list of names; kept for whoever asks for it again."""
    fit, command = FORMATS[form]
    if not archive.exists():
        names = listing(tree, form=fit, **WHAT[what])
        if what == "data":  # GNU tar gives a file its attributes before it opens it for writing
            names = [name for name in names if not name.endswith(b"attributes/read-only")]
        proc = subprocess.run(words([*command, "--null", "-C", tree, "-cf", archive, "-T", "/dev/stdin"]),
                              timeout=LONG, capture_output=True, input=b"".join(n + b"\0" for n in names),
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert proc.returncode == 0, (form, proc.stderr[-2000:])
        archive.chmod(0o644)
    return archive


def fast_place(scratch):
    """On tmpfs where that takes user.* attributes; in the test's private mount namespace."""
    place = scratch / "place"
    place.mkdir()
    place.chmod(0o755)
    if ROOT_CALLER:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        try:
            os.setxattr(place, "user.probe", b"1")
            os.removexattr(place, "user.probe")
        except OSError:
            run("umount", place)
    return place


# -- the two who extract -----------------------------------------------------------------------

def caller(who):
    return as_user() if who != "root" and ROOT_CALLER else {}


def fresh(place, name, who):
    path = place / name
    path.mkdir()
    path.chmod(0o755)
    if who != "root" and ROOT_CALLER:
        os.chown(path, 1000, 1000)
    return path


def by_tar(archive, root, way):
    who, _, options = WAYS[way]
    command = [*(USERNS if who == "subuids" else []), *EXTRACT,
               *(["--acls", "--xattrs-include=*"] if "--acls" in options else ["--xattrs-include=user.*"])]
    if who == "user":
        command.append("--no-same-owner")
    proc = subprocess.run(words([*command, "-f", archive, "-C", root]), capture_output=True, text=True,
                          timeout=LONG,
                          errors="backslashreplace", **caller(who))
    assert proc.returncode == 0, (command, proc.stderr[-2000:])
    return digest(root)


def by_inroot(archive, root, way, *opts, **kw):
    """Under a umask that must not matter."""
    who, _, options = WAYS[way]
    proc = inroot("unpack", *options, *opts, root, *([archive] if archive else []), umask=0o077, timeout=LONG,
                  **caller(who), **kw)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    return digest(root)


def expected_of(archive, place, way):
    """What tar makes of it, kept beside the archive; policy data applied."""
    who, _, options = WAYS[way]
    kept = archive.with_name(f"{archive.name}.{who}{'-acls' * ('--acls' in options)}")
    if not kept.exists():
        root = fresh(place, "by-tar", who)
        kept.write_bytes(pickle.dumps(by_tar(archive, root, way)))
        remove(root)
    found = pickle.loads(kept.read_bytes())
    return as_data(found) if who == "user" else found


def remove(root):
    if not ROOT_CALLER:
        run("chmod", "-R", "u+rwX", root)
    shutil.rmtree(root)


def as_data(entries):
    """Policy data next to `tar -p`: no setuid, setgid, sticky bits and no attributes but user.* and ACLs."""
    return {name: {**entry, **({"mode": entry["mode"] & 0o777} if "mode" in entry else {}),
                   "xattrs": {k: v for k, v in entry["xattrs"].items() if not k.startswith("security.")}}
            for name, entry in entries.items()}


def compare(archive, root, found):
    """GNU tar's own opinion of the tree. Where there is an ACL a mode's group bits are its mask's: not so in
    headers that bsdtar writes.
    """
    proc = subprocess.run(words([*COMPARE, "-f", archive, "-C", root]), capture_output=True, timeout=LONG)
    other = [line for line in proc.stdout.splitlines() if not (
        line.endswith(b": Mode differs") and
        "system.posix_acl_access" in found[line[2:].removesuffix(b": Mode differs")]["xattrs"])]
    assert (proc.returncode in (0, 1), other, proc.stderr) == (True, [], b""), proc


def same(archive, place, way, form, *opts, **kw):
    """The heart of the module."""
    who = WAYS[way][0]
    expected = expected_of(archive, place, way)
    root = fresh(place, "by-inroot", who)
    found = by_inroot(None if "stdin" in kw else archive, root, way, *opts, **kw)
    wrong = differences(expected, found)
    assert not wrong, report(wrong)
    assert len(found) > 50
    if who == "root":  # tar --compare knows nothing of maps and policies
        compare(archive, root, found)
    if form in KEEPS_HOLES:
        assert sum(map(is_sparse, found.values())) >= 7
    remove(root)


# -- the tests ---------------------------------------------------------------------------------

ALL_FORMS = ("pivot", "confined", "subuids", "data-confined")
SOME_FORMS = ("ustar", "gnu", "posix", "bsd-pax")


def odd(way, form):
    """A long run makes all of it."""
    if SANITIZED:
        return form != "posix-1.0" and way in ("pivot", "confined", "data-confined")
    return SOAK or form == "posix" or (form != "posix-1.0" and way in ALL_FORMS) or (
        form in SOME_FORMS and way in ("detached", "chroot", "data"))


@pytest.mark.parametrize("way,form", [marked(w, f) for w in WAYS for f in FORMATS if odd(w, f)])
@alone
def test_odd_things(way, form, store, scratch):
    who, what, _ = WAYS[way]
    if who == "subuids":
        subordinate_ids(scratch)
    tree = small_tree(store, what)
    same(pack(store / f"small-{what}-{form}.tar", tree, form, what), fast_place(scratch), way, form)


def whole(way, form):
    """Each format as the first way goes, and each way in one format; all of both in a long run."""
    return SOAK or (way == "pivot" and not form.startswith("posix-")) or (
        form == "posix" and way not in ("stacked", "subuids-chroot", "data-confined"))


@need_root
@pytest.mark.skipif(SANITIZED, reason="the odd things are enough for the ASan build")
@pytest.mark.parametrize("way,form", [marked(w, f) for w in WAYS for f in FORMATS if whole(w, f)])
@alone
def test_debian_root(way, form, store, scratch, debian_root):
    who, what, _ = WAYS[way]
    if who == "subuids":
        subordinate_ids(scratch)
    place = fast_place(scratch)
    kept = store if form == "posix" else place  # the archive that every way takes is made once
    archive = pack(kept / f"whole-{what}-{form}.tar", whole_root(store, debian_root), form, what)
    same(archive, place, way, form)


COMPRESSED = {"gz": ["gzip", "-1"], "zst": ["zstd", "-q", "-1"], "xz": ["xz", "-0"], "bz2": ["bzip2", "-1"],
              "lz4": ["lz4", "-q", "-1"]}
SOURCES = ("file", "stdin", "fd", "pipe", "socket")


def feed(writer, path):
    """All of the file into a pipe or socket, by a thread; whoever reads gets end of file then."""
    def copy():
        with open(path, "rb") as file, open(writer, "wb", buffering=0, closefd=True) as out:
            shutil.copyfileobj(file, out)
    thread = threading.Thread(target=copy)
    thread.start()
    return thread


def from_source(source, archive, root, way):
    """The digest of what unpack made of it, read in that way."""
    if source == "file":
        return by_inroot(archive, root, way)
    if source in ("stdin", "fd"):
        with open(archive, "rb") as file:
            if source == "stdin":
                return by_inroot(None, root, way, stdin=file)
            return by_inroot(f"fd:{file.fileno()}", root, way, pass_fds=[file.fileno()])
    if source == "pipe":
        reader, writer = os.pipe()
    else:
        one, two = socket.socketpair()
        reader, writer = one.detach(), two.detach()
    thread = feed(writer, archive)
    try:
        return by_inroot("-" if source == "pipe" else None, root, way, stdin=reader)
    finally:
        os.close(reader)
        thread.join()


@pytest.mark.parametrize("way,source", [
    *(marked("pivot", s) for s in SOURCES),
    *(marked("data-confined", s) for s in SOURCES if not ROOT_CALLER or s in ("file", "pipe"))])
@pytest.mark.parametrize("compression", [
    "none", *(pytest.param(n, marks=need_tool(c[0])) for n, c in COMPRESSED.items())])
@alone
def test_compressed(way, compression, source, store, scratch):
    who, what, _ = WAYS[way]
    place = fast_place(scratch)
    plain = pack(store / f"small-{what}-posix.tar", small_tree(store, what), "posix", what)
    expected = expected_of(plain, place, way)
    archive = plain
    if compression != "none":
        archive = plain.with_name(f"{plain.name}.{compression}")
        if not archive.exists():
            archive.write_bytes(subprocess.run([*COMPRESSED[compression], "-c", plain], check=True,
                                               timeout=60, capture_output=True).stdout)
    found = from_source(source, archive, fresh(place, "by-inroot", who), way)
    wrong = differences(expected, found)
    assert not wrong, report(wrong)
    remove(place / "by-inroot")


@pytest.mark.parametrize("form", ["posix", pytest.param("bsd-pax", marks=need_tool("bsdtar"))])
@pytest.mark.parametrize("key", ["user.a=b", "user.a%3Db", "user.%", "user.=", "user.a%b"])
@alone
def test_attribute_names_that_are_escaped(key, form, store, scratch):
    """A record ends its key at the first "=": both write %3D for it, and %25 for "%"."""
    place = fast_place(scratch)
    way = "pivot" if ROOT_CALLER else "data"
    tree = fresh(place, "tree", "root")
    (tree / "file").write_text("x")
    os.setxattr(tree / "file", key, b"value=1")
    archive = pack(place / "a.tar", tree, form, "all")
    root = fresh(place, "by-tar", "root")
    by_tar(archive, root, way)
    assert os.listxattr(root / "file") == [key]
    root = fresh(place, "by-inroot", "root")
    by_inroot(archive, root, way)
    assert {n: os.getxattr(root / "file", n) for n in os.listxattr(root / "file")} == {key: b"value=1"}


@alone
def test_read_only_file_with_attributes(store, scratch):
    """What GNU tar can't do for an ordinary user: it opens the file again."""
    place = fast_place(scratch)
    tree = small_tree(store, "data")
    archive = place / "a.tar"
    run(*GNU, "--format=posix", *FULL, "-C", tree / "attributes", "-cf", archive, "read-only")
    expected = digest(tree / "attributes")[b"read-only"]
    found = by_inroot(archive, fresh(place, "by-inroot", "user"), "data-confined")
    assert set(found) == {b".", b"read-only"}
    wrong = differences({b"f": expected}, {b"f": found[b"read-only"]}, ignore=["uid", "gid"])
    assert not wrong, report(wrong)


@need_root
@need_userns
@alone
def test_acl_of_an_id_that_is_not_mapped(store, scratch):
    """The namespace of an ordinary user: the ACL is not dropped, nor written for another id."""
    place = fast_place(scratch)
    archive = place / "a.tar"
    run(*GNU, "--format=posix", *FULL, "-C", small_tree(store, "data") / "attributes", "-cf", archive, "acl")
    root = fresh(place, "by-inroot", "user")
    proc = inroot("unpack", "--policy=data", "--acls", root, archive, **as_user())
    assert_fails(proc, 125, '"acl"')
    assert "hint: " in proc.stderr and "not mapped" in proc.stderr, proc


# -- the machine's own /usr --------------------------------------------------------------------

@need_root
@pytest.mark.skipif(SANITIZED, reason="the odd things are enough for the ASan build")
@pytest.mark.skipif(not SOAK, reason="takes minutes and gigabytes: set INROOT_SOAK=1")
def test_usr_of_this_machine(scratch):
    """100,000 files and more, streamed from tar to both; nothing but the two trees is on the disk."""
    count = sum(len(files) + len(directories) for _, directories, files in os.walk("/usr"))
    if count < LEAST_FILES:
        pytest.skip(f"needs a /usr of {LEAST_FILES} files, this one has {count}")
    size = int(run("du", "-sxk", "/usr").split()[0]) * 1024
    if shutil.disk_usage(scratch).free < 2.5 * size:
        pytest.skip(f"needs {2.5 * size / 1e9:.0f} GB of disk space")
    packing = ["tar", "--format=posix", *FULL, "--sparse", "--numeric-owner", "--one-file-system",
               "-C", "/usr", "-cf", "-", "."]
    source = digest("/usr")
    one, two = fresh(scratch, "by-tar", "root"), fresh(scratch, "by-inroot", "root")
    for command in ([*EXTRACT, "--acls", "--xattrs-include=*", "-f", "-", "-C", one],
                    [INROOT, "unpack", *LAYER, "--enter=pivot", two]):
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packer:
            proc = subprocess.run(words(command), stdin=packer.stdout, capture_output=True, text=True,
                                  timeout=LONG)
        assert (packer.returncode, proc.returncode, proc.stderr) == (0, 0, ""), (command, proc.stderr[-2000:])
    expected, found = digest(one), digest(two)
    wrong = differences(expected, found)
    assert not wrong, report(wrong)
    assert len(found) >= LEAST_FILES and len(found) == len(source)
    with subprocess.Popen(packing, stdout=subprocess.PIPE) as packer:
        proc = subprocess.run(words([*COMPARE, "-f", "-", "-C", two]), stdin=packer.stdout,
                              capture_output=True, text=True, timeout=LONG)
    assert (proc.returncode, proc.stdout, proc.stderr) == (0, "", ""), proc.stderr[-2000:]
