# SPDX-License-Identifier: MIT
"""Sources that are handed over: descriptors of directories and files, and mounts that are attached nowhere."""
import os

import pytest

from conftest import assert_fails, exec_in, host_state, inroot, need_root, need_userns, private_mounts, run
from denying import way  # noqa: F401: a fixture
from mountcalls import clone, new, opened
from mounting import Caller, who  # noqa: F401: a fixture

@pytest.fixture
def source(scratch):
    return make(scratch / "source", "source")


def make(path, which):
    path.mkdir()
    (path / "which").write_text(f"{which}\n")
    return path


@pytest.fixture
def hidden(scratch):
    """A source below a directory that uid 1000 can't pass."""
    (scratch / "closed").mkdir(mode=0o700)
    return make(scratch / "closed/source", "hidden")


# -- what can be handed over -------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("flags", [os.O_PATH, os.O_RDONLY], ids=["O_PATH", "O_RDONLY"])
def test_by_root_any_directory_or_file(bbox, hidden, flags, way, unchanged_host):  # noqa: F811
    with opened(hidden, hidden / "which", flags=flags) as (d, f):
        opts = [f"--volume=fd:{d}:/mnt", f"--mount=type=bind,src=fd:{f},dst=/etc/inside,ro"]
        proc = exec_in(bbox, "/bin/sh", "-c", "cat /mnt/which /etc/inside; echo x > /etc/inside", opts=opts,
                       pass_fds=(d, f), **way)
    assert proc.stdout == "hidden\nhidden\n" and "Read-only" in proc.stderr


@need_root
@need_userns
def test_by_root_into_a_user_namespace(bbox, hidden):
    """The mapped user can't get there by path: the descriptor was cloned before."""
    maps = ["--map-users=0:100000:65536", "--map-groups=0:100000:65536"]
    run("chown", "-R", "100000:100000", bbox)
    with opened(hidden) as (d,):
        proc = exec_in(bbox, "/bin/sh", "-c", "cat /m/which", opts=[*maps, f"--volume=fd:{d}:/m"], pass_fds=(d,))
    assert (proc.returncode, proc.stdout) == (0, "hidden\n"), proc.stderr


@need_root
@need_userns
@pytest.mark.parametrize("kind", ["open_tree", "fsmount", "file"])
def test_a_detached_mount_from_root_for_an_ordinary_user(bbox, hidden, kind):
    caller = Caller("user")
    caller.own(bbox)
    before = host_state(bbox)

    @private_mounts
    def check():
        fd = {"open_tree": lambda: clone(hidden), "file": lambda: clone(hidden / "which"),
              "fsmount": lambda: new("tmpfs", mode="1777")}[kind]()
        target, script = {"open_tree": ("/mnt", "cat /mnt/which"), "file": ("/etc/inside", "cat /etc/inside"),
                          "fsmount": ("/mnt", "echo hidden > /mnt/x; cat /mnt/x; stat -c %a /mnt >&2")}[kind]
        # Clones made in this namespace: who takes them lives in another that is its child.
        assert caller.inside(bbox, [f"--volume=fd:{fd}:{target}"], script, pass_fds=(fd,)) == "hidden\n"
        os.close(fd)
    check()
    before.check()


@need_root
@need_userns
def test_options_of_a_detached_mount_are_set(bbox, source):
    caller = Caller("user")
    caller.own(bbox)

    @private_mounts
    def check():
        fd = clone(source)
        mounts = caller.mounts(bbox, [f"--mount=type=bind,src=fd:{fd},dst=/mnt,ro,nosuid,noexec"], pass_fds=(fd,))
        assert mounts["/mnt"].options >= {"ro", "nosuid", "noexec"} and mounts["/mnt"].propagation == {}
    check()


@need_userns
@pytest.mark.parametrize("flags", [os.O_PATH, os.O_RDONLY], ids=["O_PATH", "O_RDONLY"])
def test_a_plain_descriptor_is_found_again(bbox, source, flags, way):  # noqa: F811
    caller = Caller("user")
    caller.own(bbox, source)
    with opened(source, source / "which", flags=flags) as (d, f):
        opts = [f"--volume=fd:{d}:/mnt", f"--volume=fd:{f}:/etc/inside"]
        assert caller.inside(bbox, opts, "cat /mnt/which /etc/inside", pass_fds=(d, f), **way) == "source\n" * 2


def replace(source, how):
    """Something else is at its path, and it itself has no name any more: of a new one the kernel would know."""
    run("rm", "-r", source)
    if how == "directory":
        make(source, "other")
    elif how == "file":
        source.write_text("other\n")


@need_userns
@pytest.mark.parametrize("how", ["directory", "file", "gone"])
def test_a_plain_descriptor_that_was_replaced(bbox, source, how):
    caller = Caller("user")
    caller.own(bbox, source)
    before = host_state(bbox)
    with opened(source) as (d,):
        replace(source, how)
        proc = caller.start(bbox, [f"--volume=fd:{d}:/mnt"], "cat /mnt/which", pass_fds=(d,))
    assert "hint: a detached mount" in assert_fails(proc, 125, "fd:")
    before.check()


@need_userns
def test_a_plain_descriptor_that_was_renamed(bbox, source):
    caller = Caller("user")
    caller.own(bbox, source)
    with opened(source) as (d,):
        source.rename(source.with_name("new"))
        assert caller.inside(bbox, [f"--volume=fd:{d}:/mnt"], "cat /mnt/which", pass_fds=(d,)) == "source\n"


@need_root
@need_userns
def test_a_plain_descriptor_of_what_the_user_cannot_reach(bbox, hidden, unchanged_host):
    caller = Caller("user")
    with opened(hidden) as (d,):
        proc = caller.start(bbox, [f"--volume=fd:{d}:/mnt"], "true", pass_fds=(d,))
    assert "hint: a detached mount" in assert_fails(proc, 125, "EACCES")


@need_root
@need_userns
def test_another_mount_over_its_path_is_not_taken(bbox, source):
    """Device, inode and type must agree: what was mounted over it meanwhile is another directory."""
    caller = Caller("user")
    caller.own(bbox, source)

    @private_mounts
    def check():
        with opened(source) as (d,):
            run("mount", "-t", "tmpfs", "tmpfs", source)
            proc = caller.start(bbox, [f"--volume=fd:{d}:/mnt"], "true", pass_fds=(d,))
            assert "hint: " in assert_fails(proc, 125, "ESTALE")
    check()


@need_root
def test_a_descriptor_means_what_was_opened(bbox, source, way):  # noqa: F811
    """Root's are cloned: its path may lead elsewhere by now. Without the calls for that it is refused then."""
    with opened(source) as (d,):
        source.rename(source.with_name("old"))
        make(source, "other")
        proc = exec_in(bbox, "/bin/sh", "-c", "cat /mnt/which", opts=[f"--volume=fd:{d}:/mnt"], pass_fds=(d,), **way)
    assert (proc.returncode, proc.stdout) == (0, "source\n"), proc.stderr


# -- numbers -----------------------------------------------------------------------------------

@need_root
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_standard_descriptor_as_source_is_null_for_the_payload(bbox, source, number):
    with opened(source) as (d,):
        names = {0: "stdin", 1: "stdout", 2: "stderr"}
        kw = {names[number]: d}
        if number:
            kw[names[3 - number]] = -1  # the other one is captured
        out = 1 if number != 1 else 2
        script = f"cat /mnt/which >&{out}; seen=$(stat -L -c %t:%T /proc/$$/fd/{number}); echo $seen >&{out}"
        opts = ["--unshare=pid", "--mount=type=proc,dst=/proc", f"--volume=fd:{number}:/mnt"]
        proc = exec_in(bbox, "/bin/sh", "-c", script, opts=opts, **kw)
    assert (proc.stderr if number == 1 else proc.stdout) == "source\n1:3\n"


@pytest.mark.parametrize("value", ["fd:", "fd:x", "fd:-1", "fd:01", "fd:99999999999"])
def test_what_is_no_number(bbox, value, unchanged_host):
    assert_fails(inroot("exec", f"--volume={value}:/mnt", bbox, "/bin/true"), 125, "--volume")


def test_a_number_that_is_not_open(bbox, unchanged_host):
    assert_fails(inroot("exec", "--volume=fd:77:/mnt", bbox, "/bin/true"), 125, "77")


def test_a_number_twice(bbox, source, unchanged_host):
    with opened(source) as (d,):
        for opts in ([f"--volume=fd:{d}:/mnt", f"--volume=fd:{d}:/tmp"], [f"--volume=fd:{d}:/mnt", f"--pass-fd={d}"],
                     [f"--mount-fds={d}", "--volume=fd:/mnt", f"--volume=fd:{d}:/tmp"]):
            assert_fails(inroot("exec", *opts, bbox, "/bin/true", pass_fds=(d,)), 125, "twice")


@pytest.mark.parametrize("option", ["--mount=type=tmpfs,src=fd:{},dst=/m", "--mount=type=proc,src=fd:{},dst=/m"])
def test_only_binds_take_one(bbox, source, option, unchanged_host):
    with opened(source) as (d,):
        assert_fails(inroot("exec", option.format(d), bbox, "/bin/true", pass_fds=(d,)), 125, "descriptor")


# -- --mount-fds -------------------------------------------------------------------------------

@pytest.fixture
def three(scratch):
    with opened(*(make(scratch / n, n) for n in "abc")) as fds:
        yield fds


VOLUMES = [f"--mount=type=bind,src=fd,dst=/m/{i}" for i in range(3)]


def test_first_in_first_out(bbox, who, three, way):  # noqa: F811
    if not who.is_root:
        pytest.skip("sources are found again there: test_a_plain_descriptor_is_found_again")
    numbers = ",".join(map(str, three))
    opts = [VOLUMES[0], "--tmpfs=/t", f"--mount-fds={numbers}", *VOLUMES[1:]]
    script = "cat /m/0/which /m/1/which /m/2/which"
    assert who.inside(bbox, opts, script, pass_fds=three, **way) == "a\nb\nc\n"
    opts[2] = f"--mount-fds={','.join(map(str, reversed(three)))}"
    assert who.inside(bbox, opts, script, pass_fds=three, **way) == "c\nb\na\n"


@need_userns
def test_first_in_first_out_for_an_ordinary_user(bbox, three):
    caller = Caller("user")
    caller.own(bbox)
    opts = [f"--mount-fds={','.join(map(str, three))}", *VOLUMES]
    assert caller.inside(bbox, opts, "cat /m/0/which /m/1/which /m/2/which", pass_fds=three) == "a\nb\nc\n"


def test_the_root_takes_the_first(bbox, who, three):  # noqa: F811
    with opened(bbox) as (root,):
        fds = [root, *three[:2]]
        opts = [f"--mount-fds={','.join(map(str, fds))}", *VOLUMES[:2]]
        out = who.inside("fd", opts, "cat /etc/inside /m/0/which /m/1/which", pass_fds=fds)
    assert out == "inside\na\nb\n"


@pytest.mark.parametrize("count,word", [(1, "fewer"), (2, "fewer"), (0, None)])
def test_too_few(bbox, three, count, word, unchanged_host):
    fds = three[:count]
    proc = inroot("exec", f"--mount-fds={','.join(map(str, fds))}", *VOLUMES, bbox, "/bin/true", pass_fds=three)
    assert_fails(proc, 125, "--mount-fds", word or "")


def test_the_short_form_takes_from_the_queue_too(bbox, three):
    opts = [f"--mount-fds={three[0]},{three[1]}", "--volume=fd:/mnt:ro", "--volume=fd:/tmp"]
    proc = exec_in(bbox, "/bin/sh", "-c", "cat /mnt/which /tmp/which", opts=opts, pass_fds=three)
    assert (proc.returncode, proc.stdout) == (0, "a\nb\n"), proc.stderr


def test_left_over(bbox, three, unchanged_host):
    proc = inroot("exec", f"--mount-fds={','.join(map(str, three))}", *VOLUMES[:2], bbox, "/bin/true", pass_fds=three)
    assert_fails(proc, 125, "--mount-fds", "more")


def test_other_mounts_take_none(bbox, three, scratch, unchanged_host):
    """A path, a number of its own, another type: only those named `fd` are in the queue."""
    opts = [f"--mount-fds={three[0]},{three[1]}", f"--volume={scratch}:/x", "--tmpfs=/t", *VOLUMES[:1]]
    assert_fails(inroot("exec", *opts, bbox, "/bin/true", pass_fds=three), 125, "more")


def test_without_any_queue_the_word_is_a_path(bbox, scratch, unchanged_host):
    assert_fails(inroot("exec", VOLUMES[0], bbox, "/bin/true", cwd=scratch), 125, '"fd"', "ENOENT")


def test_in_the_plan_as_well(bbox, three, unchanged_host):
    opts = ["--dry-run", f"--mount-fds={three[0]}", *VOLUMES]
    assert_fails(inroot("exec", *opts, bbox, "/bin/true", pass_fds=three), 125, "fewer")


def test_given_twice(bbox, three, unchanged_host):
    opts = [f"--mount-fds={three[0]}", f"--mount-fds={three[1]}", *VOLUMES[:2]]
    assert_fails(inroot("exec", *opts, bbox, "/bin/true", pass_fds=three), 125, "--mount-fds")


# -- none of them stays ------------------------------------------------------------------------

def test_the_payload_gets_none_of_them(bbox, who, three):  # noqa: F811
    opts = ["--unshare=pid", "--mount=type=proc,dst=/proc", f"--mount-fds={','.join(map(str, three))}", *VOLUMES]
    assert who.inside(bbox, opts, "ls /proc/$$/fd; true", pass_fds=three).split() == ["0", "1", "2"]


@need_root
@private_mounts
def test_a_root_with_a_procfs(bbox):
    """The helper runs itself a second time then, with the same words."""
    run("mount", "-t", "proc", "proc", bbox / "proc")
    with opened(bbox) as (d,):
        proc = inroot("exec", "--allow-host-proc", "--enter", "pivot", f"--mount-fds={d}", "fd", "/bin/true", pass_fds=(d,))
    assert proc.returncode == 0, proc
