# SPDX-License-Identifier: MIT
"""Each attribute on each kind of mount: what is named is so, what is not named stays as the source has it."""
import pytest

from bundles import bundle  # noqa: F401: a fixture
from conftest import assert_fails, inroot, need_root, need_userns, private_mounts
from denying import way  # noqa: F401: a fixture
from mountcalls import mount, unmount
from mounting import Caller

# What mountinfo has before and after each word, but for times.
SWITCHES = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec", "nodiratime": "diratime",
            "nosymfollow": "symfollow"}
CLEARING = {clear: flag for flag, clear in SWITCHES.items()}
TIMES = {"noatime": {"noatime"}, "relatime": {"relatime"}, "strictatime": set(), "atime": {"relatime"},
         "norelatime": {"relatime"}, "nostrictatime": {"relatime"}}
WORDS = [*SWITCHES, *CLEARING, *TIMES]

BASES = {"plain": {"rw", "relatime"}, "strict": {"rw"},
         "guarded": {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"}}


def after(options, word):
    """The options of a mount when the word was carried out."""
    options = set(options)
    if word in SWITCHES:
        return options - {"rw"} | {word} if word == "ro" else options | {word}
    if word in CLEARING:
        return (options - {CLEARING[word]}) | ({"rw"} if word == "rw" else set())
    return options - {"noatime", "relatime"} | TIMES[word]


def is_locked(options, word):
    """Of a mount that a user namespace took over: no flag is cleared, and times stay as they are."""
    if word in TIMES or word in ("nodiratime", "diratime"):
        return after(options, word) != set(options)
    return word in CLEARING and word != "symfollow" and after(options, word) != set(options)


@pytest.fixture
def sources(scratch):
    """What will be mounts of the host's: a file, a directory, and a directory with a mount below."""
    (scratch / "f").write_text("f\n")
    (scratch / "d").mkdir()
    (scratch / "r").mkdir()
    return scratch


def mount_sources(sources, base):
    """In a mount namespace of the test's own. Each is a mount with the base's options."""
    flags = [o for o in BASES[base] if o != "rw"] or ["strictatime"]
    for name in ("f", "d"):
        mount(sources / name, sources / name, None, "bind")
    mount("t", sources / "r", "tmpfs")
    (sources / "r/sub").mkdir()
    mount("below", sources / "r/sub", "tmpfs")
    for name in ("r/sub", "f", "d", "r"):
        mount(None, sources / name, None, "remount", "bind", *flags)


def binds(sources, word):
    return {"f": f"--mount=type=bind,src={sources}/f,dst=/etc/inside,{word}",
            "d": f"--mount=type=bind,src={sources}/d,dst=/d,bind,{word}",
            "r": f"--mount=type=bind,src={sources}/r,dst=/r,rbind,{word}"}


def check_binds(caller, root, sources, base, word, recursive, kw):
    mount_sources(sources, base)
    options = BASES[base]
    expected = after(options, word)
    below = expected if recursive or word == "ro" else options
    form = f"r{word}" if recursive else word
    if not caller.is_root and is_locked(options, word):
        for option in binds(sources, form).values():
            assert "locked" in assert_fails(caller.start(root, [option], "true", **kw), 125, "EPERM")
        return
    mounts = caller.mounts(root, binds(sources, form).values(), **kw)
    seen = {p: mounts[p].options for p in ("/etc/inside", "/d", "/r", "/r/sub")}
    assert seen == {"/etc/inside": expected, "/d": expected, "/r": expected, "/r/sub": below}


@need_root
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_binds(bbox, sources, name, word, base):
    caller = Caller(name)
    caller.own(bbox)
    before = bbox.stat()

    @private_mounts
    def check():
        for recursive in (False, True):
            check_binds(caller, bbox, sources, base, word, recursive, {})
            unmount(sources / "r", sources / "f", sources / "d")
    check()
    assert bbox.stat().st_mode == before.st_mode


@need_root
@pytest.mark.parametrize("base", ["plain", "guarded"])
@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_binds_in_both_ways(bbox, sources, name, recursive, base, way):  # noqa: F811
    """Without the newer calls, and one word of each kind: the same."""
    caller = Caller(name)
    caller.own(bbox)

    @private_mounts
    def check():
        for word in ("ro", "nosuid", "dev", "noatime", "strictatime", "nodiratime", "nosymfollow"):
            check_binds(caller, bbox, sources, base, word, recursive, way)
            unmount(sources / "r", sources / "f", sources / "d")
    check()


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("name", [pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def test_a_new_file_system(bbox, name, recursive, way):  # noqa: F811
    caller = Caller(name)
    caller.own(bbox)
    opts = [f"--mount=type=tmpfs,dst=/t/{word},{'r' if recursive else ''}{word}" for word in WORDS]
    mounts = caller.mounts(bbox, opts, **way)
    assert {w: mounts[f"/t/{w}"].options for w in WORDS} == {w: after({"rw", "relatime"}, w) for w in WORDS}


COMBINED = [("noexec,nosuid,nodev", {"rw", "noexec", "nosuid", "nodev", "relatime"}), ("nosuid,suid", {"rw", "relatime"}),
            ("suid,nosuid", {"rw", "nosuid", "relatime"}), ("noatime,nodiratime", {"rw", "noatime", "nodiratime"}),
            ("noatime,relatime", {"rw", "relatime"}), ("strictatime,noatime", {"rw", "noatime"}),
            ("defaults", {"rw", "relatime"}), ("ro,noexec,rnosuid", {"ro", "noexec", "nosuid", "relatime"})]


@pytest.mark.parametrize("words,options", COMBINED)
@pytest.mark.parametrize("name", [pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def test_the_last_word_counts(bbox, scratch, name, words, options, way):  # noqa: F811
    caller = Caller(name)
    caller.own(bbox)
    mounts = caller.mounts(bbox, [f"--mount=type=tmpfs,dst=/t,{words}"], **way)
    assert mounts["/t"].options == options


# -- what they do ------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def test_they_hold(bbox, scratch, name, way):  # noqa: F811
    caller = Caller(name)
    (scratch / "tool").write_text("#!/bin/sh\necho tool\n")
    (scratch / "tool").chmod(0o755)
    (scratch / "link").symlink_to("tool")
    caller.own(bbox, scratch)
    opts = [f"--volume={scratch}:/{o}:{o}" for o in ("ro", "noexec", "nosymfollow")]
    script = "/ro/tool; touch /ro/x; /noexec/tool; cat /noexec/tool > /noexec/copy; cat /nosymfollow/link; true"
    proc = caller.start(bbox, opts, script, **way)
    assert proc.stdout == "tool\n" and (scratch / "copy").exists() and not (scratch / "x").exists()
    assert [w for w in ("Read-only", "Permission denied", "Too many levels") if w not in proc.stderr] == []


# -- layers ------------------------------------------------------------------------------------

LAYERS = {
    "a mount below a read-only bind": (["--mount=type=bind,src={}/d,dst=/d,ro", "--tmpfs=/d/new"], "/d"),
    "a bind with an overlay": (["--mount=type=bind,src={}/d,dst=/d,overlay"], "/d"),
    "a file with an overlay": (["--mount=type=bind,src={}/f,dst=/etc/inside,overlay"], "/etc/inside"),
}


@need_root
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("base", ["plain", "strict", "guarded"])
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_a_layer_forbids_what_the_source_does(bbox, sources, name, layer, base):
    caller = Caller(name)
    opts, place = LAYERS[layer]
    caller.own(bbox, sources)

    @private_mounts
    def check():
        mount_sources(sources, base)
        mounts = caller.mounts(bbox, [o.format(sources) for o in opts])
        assert mounts[place].type in ("overlay", "tmpfs")
        assert mounts[place].options - {"ro", "rw"} == BASES[base] - {"ro", "rw"}
        opts[0] += ",nodev,rnosuid"
        mounts = caller.mounts(bbox, [o.format(sources) for o in opts])
        assert mounts[place].options - {"ro", "rw"} == BASES[base] - {"ro", "rw"} | {"nodev", "nosuid"}
    opts = list(opts)
    check()


@need_root
@pytest.mark.parametrize("option", ["--overlay=tmpfs", "--ro"])
@pytest.mark.parametrize("name", ["root", pytest.param("user", marks=need_userns)])
def test_a_layer_over_the_root_too(bbox, name, option):
    caller = Caller(name)
    caller.own(bbox)

    @private_mounts
    def check():
        mount(bbox, bbox, None, "bind")
        mount(None, bbox, None, "remount", "bind", "nosuid", "nodev", "noatime")
        mounts = caller.mounts(bbox, [option, "--tmpfs=/new"])
        assert mounts["/"].type == "overlay"
        assert mounts["/"].options - {"ro", "rw"} == {"nosuid", "nodev", "noatime"}
    check()


@pytest.mark.parametrize("word", ["ro", "rro", "readonly", "bind-recursive=readonly"])
def test_an_overlay_is_written_to(bbox, scratch, word, unchanged_host):
    opts = [f"--mount=type=bind,src={scratch},dst=/m,overlay,{word}"]
    assert_fails(inroot("exec", *opts, bbox, "/bin/true"), 125, "overlay and ro")


# -- the word of a config ----------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("words,top,below", [(["rbind", "ro"], "ro", "rw"), (["rbind", "rro"], "ro", "ro"),
                                             (["rbind"], "rw", "rw"), (["bind", "ro"], "ro", None),
                                             (["rbind", "ro", "rro"], "ro", "ro")])
def test_ro_of_a_config_is_not_recursive(bundle, sources, words, top, below, way):  # noqa: F811
    """The specification's rbind,ro, as the runtimes do it; `rro` is for the rest."""
    @private_mounts
    def check():
        mount_sources(sources, "plain")
        bundle.config["mounts"].append({"destination": "/m", "type": "bind", "source": f"{sources}/r", "options": words})
        proc = bundle.inroot("/bin/cat", "/proc/self/mountinfo", **way)
        found = {line.split()[4]: line.split()[5].split(",")[0] for line in proc.stdout.splitlines()}
        assert (found.get("/m"), found.get("/m/sub")) == (top, below), proc.stderr
    check()


# -- changed afterwards ------------------------------------------------------------------------

@pytest.mark.parametrize("name", [pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def test_remount_changes_what_is_there(bbox, scratch, name, way):  # noqa: F811
    caller = Caller(name)
    caller.own(bbox, scratch)
    opts = [f"--volume={scratch}:/m:noexec", "--tmpfs=/m/t:mode=700", "--mount=dst=/m,remount,ro"]
    mounts = caller.mounts(bbox, opts, **way)
    assert mounts["/m"].options >= {"ro", "noexec"} and "rw" in mounts["/m/t"].options


@pytest.mark.parametrize("target,error", [("/etc", "EINVAL"), ("/etc/inside", "EINVAL"), ("/none", "ENOENT")])
@pytest.mark.parametrize("name", [pytest.param("root", marks=need_root), pytest.param("user", marks=need_userns)])
def test_remount_of_what_is_no_mount(bbox, name, target, error, way):  # noqa: F811
    caller = Caller(name)
    caller.own(bbox)
    proc = caller.start(bbox, [f"--mount=dst={target},remount,noexec"], "true", **way)
    assert_fails(proc, 125, target, error, "nothing is mounted there" if error == "EINVAL" else "")
