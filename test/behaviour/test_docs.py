# SPDX-License-Identifier: MIT
"""The manual and the README against the program: nothing is missing, and nothing is made up."""
import json
import os
import re
import subprocess

import pytest

from conftest import INROOT, REPO, inroot, need_root, need_tool
from tarball import directory, file, gzip, tar, zstd

PAGES = sorted((REPO / "man").glob("*.[158]"))
COMMANDS = ["exec", "features", "unpack"]
LINKS = {"exec": "exec-in-root", "unpack": "unpack-in-root"}
EVERYWHERE = {"--help", "--version"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def source(page):
    """A page with its minus signs and backslashes as they are printed."""
    return (REPO / "man" / page).read_text().replace(r"\-", "-").replace(r"\e", "\\")


def helped(command):
    """The options that `inroot COMMAND --help` lists."""
    proc = inroot(command, "--help")
    assert proc.returncode == 0, proc
    return set(re.findall(r"^  (--[a-z0-9-]+)", proc.stdout, re.MULTILINE))


def described(page):
    """The options that have an entry of their own in a page."""
    entries = re.findall(r"^\.T[PQ].*\n(.+)$", source(page), re.MULTILINE)
    return {option for entry in entries for option in OPTION.findall(entry)}


# -- the manual --------------------------------------------------------------------------------

def test_every_command_has_a_page():
    listed = re.findall(r"^  ([a-z]+) ", inroot("--help").stdout, re.MULTILINE)
    assert sorted(listed) == COMMANDS
    assert [p.name for p in PAGES] == sorted(
        ["inroot.1", "inroot-config.5", "inroot-setuid.8", *(f"inroot-{c}.1" for c in COMMANDS)])
    for command in COMMANDS:
        assert re.search(rf"^\.B[R]? {command}\b", source("inroot.1"), re.MULTILINE), command


@need_tool("man")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page_is_clean(page):
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    proc = subprocess.run(["man", "--warnings", "-l", page], env=env, capture_output=True, text=True,
                          timeout=60)
    assert (proc.returncode, proc.stderr) == (0, ""), proc.stderr
    assert "SEE ALSO" in proc.stdout
    assert [line for line in proc.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_described(command):
    listed = helped(command)
    assert {"--help"} < listed
    assert described(f"inroot-{command}.1") == listed


@pytest.mark.parametrize("path", [*PAGES, REPO / "README.md"], ids=lambda p: p.name)
def test_no_option_is_made_up(path):
    text = path.read_text().replace(r"\-", "-")
    text = re.sub(r"`mmdebstrap [^`]*`", "", text)  # a command of its own
    # --map-... stands for several, as an option that ends in a hyphen.
    known = {"--map-", *EVERYWHERE}.union(*(helped(c) for c in COMMANDS))
    assert set(OPTION.findall(text)) <= known


@need_root
def test_default_capabilities_are_those_described():
    plan = json.loads(inroot("exec", "--dry-run", "/", "true").stdout)
    page = " ".join(source("inroot-exec.1").split())
    assert plan["capabilities"] and " ".join(plan["capabilities"]) + " .in" in page


def test_fields_of_features_are_described():
    page = source("inroot-features.1")
    for key in json.loads(inroot("features", "--json").stdout):
        assert re.search(rf"\b{key}\b", page), key


def test_fields_of_a_config_are_described():
    page = source("inroot-config.5")
    fields = {field for file in (REPO / "plan").glob("oci*.c")
              for field in re.findall(r'= \{"(\w+)", (?:JSON|OCI)_', file.read_text())}
    assert len(fields) > 80
    assert {field for field in fields if not re.search(rf"\b{field}\b", page)} == set()


def manual_examples(command):
    found = []
    for page in PAGES:
        for block in re.findall(r"^\.EX\n(.*?)^\.EE", source(page.name), re.DOTALL | re.MULTILINE):
            found += re.findall(rf"^inroot {command} (?:.*\\\n)*.*$", block, re.MULTILINE)
    return found


def test_manual_has_examples():
    assert len(manual_examples("exec")) >= 8 and len(manual_examples("unpack")) >= 6


@need_root
@pytest.mark.parametrize("number", range(len(manual_examples("exec"))))
def test_example_of_the_manual_is_accepted(scratch, number):
    """As a plan: what the examples name is not there. Descriptor 3 is the parent's socket in one."""
    line = manual_examples("exec")[number].replace("inroot exec", f"{INROOT} exec --dry-run")
    line = line.replace("/srv/debian", str(scratch))
    (scratch / "config.json").write_text('{"ociVersion":"1.0.2","process":{"cwd":"/","args":["sh"]}}')
    proc = subprocess.run(["sh", "-e", "-c", f"exec 3</dev/null\n{line}"], cwd=scratch, capture_output=True,
                          text=True, timeout=60)
    assert (proc.returncode, proc.stderr) == (0, ""), proc
    assert json.loads(proc.stdout)["command"]


@need_root
@pytest.mark.parametrize("number", range(len(manual_examples("unpack"))))
def test_unpack_example_of_the_manual(scratch, number):
    """Run: each with an archive that it can be about, in a root that has what it names."""
    root = scratch / "root"
    for name in ("srv/upload", "etc"):
        (root / name).mkdir(parents=True)
    data = tar([directory("d"), directory("d/etc"), file("d/etc/f"), file("d/etc/f.bak")])
    for name, archive in (("debian.tar.zst", zstd(data)), ("debian.tar.gz", gzip(data)),
                          ("upload.tar", data), ("backup.tar", data)):
        (scratch / name).write_bytes(archive)
    line = manual_examples("unpack")[number].replace("inroot", str(INROOT), 1)
    line = line.replace("/srv/debian", str(root))
    before = set(root.rglob("*"))
    proc = subprocess.run(["sh", "-e", "-c", line], cwd=scratch, capture_output=True, text=True, timeout=60)
    assert (proc.returncode, proc.stdout, proc.stderr) == (0, "", ""), proc
    made = {str(p.relative_to(root)) for p in root.rglob("*") if p not in before}
    below = {"d", "d/etc", "d/etc/f", "d/etc/f.bak"}
    assert made in (below, {f"srv/upload/{p}" for p in below}, {"etc/f"}), made


# -- links, and what is installed --------------------------------------------------------------

@pytest.mark.parametrize("command", LINKS)
def test_link_is_the_command(scratch, command):
    """By its name alone; options and operands are the command's."""
    link = scratch / LINKS[command]
    link.symlink_to(INROOT)
    for words in (["--help"], ["--nonsense"], []):
        by_link, plain = inroot(*words, program=link), inroot(command, *words)
        assert (by_link.returncode, by_link.stdout, by_link.stderr) == \
            (plain.returncode, plain.stdout, plain.stderr)
    assert f"{LINKS[command]} \\-" in (REPO / "man" / f"inroot-{command}.1").read_text()


@need_tool("make")
def test_everything_is_installed(scratch):
    """make install, as packagers run it, of a tree that is built."""
    if not (REPO / "inroot").exists():
        pytest.skip("needs ./inroot")
    make = ["make", "-C", REPO, "-o", "inroot", "install", f"DESTDIR={scratch}", "PREFIX=/usr"]
    proc = subprocess.run(make, capture_output=True, text=True, timeout=60)
    assert proc.returncode == 0, proc.stderr
    programs, pages = scratch / "usr/bin", scratch / "usr/share/man/man1"
    assert {p.name for p in programs.iterdir()} == {"inroot", *LINKS.values()}
    assert {p.name for p in pages.iterdir()} == \
        {p.name for p in PAGES if p.suffix == ".1"} | {f"{v}.1" for v in LINKS.values()}
    assert {p.name for p in (scratch / "usr/share/man/man8").iterdir()} == {"inroot-setuid.8"}
    assert not (scratch / "etc").exists()  # no AppArmor there
    for command, link in LINKS.items():
        assert os.readlink(programs / link) == "inroot"
        assert (pages / f"{link}.1").resolve() == (pages / f"inroot-{command}.1").resolve()
        assert (pages / f"{link}.1").is_file()


# -- the README --------------------------------------------------------------------------------

def test_readme_fits_on_two_screens():
    lines = (REPO / "README.md").read_text().splitlines()
    assert len(lines) <= 100 and max(map(len, lines)) <= 120


def test_readme_names_what_is_there():
    text = (REPO / "README.md").read_text()
    rules = (REPO / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b", text):
        assert re.search(rf"^{target}:", rules, re.MULTILINE), target
    for name in re.findall(r"`(?:man -l )?\.?/?((?:man|examples)/[\w./-]*|[\w-]+\.sh)`", text):
        assert (REPO / name).exists(), name
