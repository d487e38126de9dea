# SPDX-License-Identifier: MIT
"""The build: what the binary is, what is not in it, and that it comes out the same twice."""
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

from conftest import INROOT, REPO, ROOT_CALLER, need_static, need_tool, ordinary, run

pytestmark = need_static
BUILD = REPO / "build-static.sh"


@need_tool("file")
def test_file():
    text = run("file", "-b", INROOT)
    assert "ELF 64-bit" in text and "static-pie linked" in text and ", stripped" in text


@need_tool("readelf")
def test_hardening():
    headers = run("readelf", "-lW", INROOT)
    assert "GNU_RELRO" in headers and "INTERP" not in headers
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert "E" not in stack.split()[-2], stack
    for line in headers.splitlines():
        if line.strip().startswith("LOAD"):
            flags = "".join(line.split()[6:-1])
            assert not ("W" in flags and "E" in flags), line
    dynamic = run("readelf", "-dW", INROOT)
    assert re.search(r"FLAGS_1.*NOW", dynamic) and re.search(r"FLAGS_1.*PIE", dynamic)
    assert "TEXTREL" not in dynamic and "NEEDED" not in dynamic


@need_tool("readelf")
def test_nothing_but_code_and_data():
    sections = run("readelf", "-SW", INROOT)
    assert ".symtab" not in sections and ".debug" not in sections
LIBRARIES = ("libcap-ng", "libisal", "libzstd", "jansson")


def test_size():
    assert os.stat(INROOT).st_size <= 600 * 1024


FORBIDDEN = re.compile(r"^(getpw\w*|getgr(?!oups)\w*|initgroups|dlopen|dlsym|iconv\w*|syslog|vsyslog|openlog|"
                       r"getaddrinfo|gethostby\w*|system|popen|setlocale|tzset|__tz\w*|getenv)$")


@need_tool("nm")
def test_what_is_not_linked():
    """Nothing that reads passwd, groups, locale or timezone data, from the unstripped twin or the map."""
    twins = [p for p in REPO.glob("build/**/inroot*") if p.is_file() and os.access(p, os.X_OK)]
    names = set()
    for twin in twins:
        proc = subprocess.run(["nm", twin], capture_output=True, text=True)
        names |= {line.split()[-1] for line in proc.stdout.splitlines()}
    for link_map in REPO.glob("build/**/inroot*.map"):
        kept = link_map.read_text().split("Linker script and memory map")[-1]
        names |= set(re.findall(r"^\s+0x[0-9a-f]+\s+(\w+)$", kept, re.M))
    if not names:
        pytest.skip("needs the link map or the unstripped twin below build/")
    assert "main" in names or "_start" in names
    assert not sorted(n for n in names if FORBIDDEN.match(n))


def source_copy(target):
    """The files of the tree as git would give them, without what a build made."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=REPO, capture_output=True)
    if listed.returncode != 0:
        pytest.skip("needs a git tree")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPO / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, target / name)
    return target


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def cached_sources():
    """The directory below build/ that holds the fetched source packages."""
    sources = REPO / "build/third-party/sources"
    if not all(list(sources.glob(f"{name}_*.orig.tar.?z")) for name in LIBRARIES):
        pytest.skip("needs the fetched sources below build/")
    return sources


def build(folder, sources, umask="022"):
    return subprocess.run(["sh", "-c", f"umask {umask}; exec ./build-static.sh"], cwd=folder, timeout=600,
                          env={**os.environ, "SOURCES": str(sources), "LC_ALL": "C"},
                          capture_output=True, text=True)


@need_tool("musl-gcc", "git")
def test_two_builds_are_identical(scratch):
    sums = []
    for name in ("one", "a/longer name/of the folder"):
        folder = source_copy(scratch / name)
        proc = build(folder, cached_sources(), umask="027")
        assert proc.returncode == 0, proc.stderr[-2000:]
        sums.append(sha256(folder / "inroot"))
    assert sums[0] == sums[1]


@need_tool("musl-gcc", "git")
@pytest.mark.parametrize("name", LIBRARIES)
def test_only_accepted_sources(scratch, name):
    """A tarball that is missing, of another version or of other content is named, and nothing is built."""
    folder = source_copy(scratch / "tree")
    sources = shutil.copytree(cached_sources(), scratch / "sources")
    tarball, = sources.glob(f"{name}_*.orig.tar.?z")
    with tarball.open("ab") as file:
        file.write(b"\0")
    changed = build(folder, sources)
    unknown = tarball.rename(sources / f"{name}_99.1.orig.tar.xz")
    newer = build(folder, sources)
    unknown.unlink()
    missing = build(folder, sources)
    assert f"{tarball} is not the accepted {name}" in changed.stderr
    assert f"unknown version of {name}: {unknown.name}" in newer.stderr
    assert f"no source tarball of {name}" in missing.stderr
    assert changed.returncode and newer.returncode and missing.returncode
    assert not (folder / "inroot").exists()


@need_tool("git")
def test_missing_tools_are_named(scratch):
    """An ordinary user without the tools gets the exact command, and nothing is changed."""
    tools = scratch / "bin"
    tools.mkdir()
    for name in ("sh bash env cat sed awk grep id uname dirname basename mkdir rm cp mv ls tr head cut "
                 "sort sha256sum printf test [ true false expr readlink realpath mktemp nproc dpkg "
                 "dpkg-query pwd touch chmod find xargs tar").split():
        if shutil.which(name):
            (tools / name).symlink_to(shutil.which(name))
    folder = source_copy(scratch / "tree")
    if ROOT_CALLER:
        run("chown", "-R", "1000:1000", folder)
    proc = subprocess.run([shutil.which("bash"), "./build-static.sh"] if not os.access(BUILD, os.X_OK)
                          else ["./build-static.sh"], cwd=folder, capture_output=True, text=True,
                          env={"PATH": str(tools), "HOME": str(scratch)}, timeout=60, **ordinary())
    assert proc.returncode != 0
    assert re.search(r"apt(-get)? install .*musl", proc.stdout + proc.stderr), proc
    if platform.machine() == "x86_64":
        assert re.search(r"missing:.* nasm\b", proc.stderr) and re.search(r"install .* nasm\b", proc.stderr), proc
    assert not (folder / "inroot").exists()
