# SPDX-License-Identifier: MIT
"""The configs of `runc spec` and `runc spec --rootless`, as they are generated: the payload sees the same under inroot
and under runc and, where that runs, crun. What differs is a row of DIFFERENCES, with its reason."""
import json
import os
import re
import subprocess

import pytest

import container_view
from bundles import bundle  # noqa: F401 (a fixture)
from conftest import need_root, need_tool, need_userns, ordinary

# What (a whole match), and why.
DIFFERENCES = []


def generated(where, *options, **who):
    """What `runc spec` writes, with the terminal off."""
    subprocess.run(["runc", "spec", *options], cwd=where, check=True, timeout=20, **who)
    file = where / "config.json"
    config = json.loads(file.read_text())
    file.unlink()
    config["process"]["terminal"] = False
    return config


def prepare(bundle, config):
    config["process"]["env"] += container_view.environment(config)
    config["process"]["args"] = container_view.command()
    bundle.config = config


def ours(bundle, **who):
    got = bundle.inroot(**who)
    assert got.returncode == 0, got.stderr
    return container_view.view(got.stdout, bundle.root)


def theirs(bundle, runtime, state, **who):
    got = bundle.runtime(runtime, state, **who)
    if got.returncode != 0 and "@@ mounts" not in got.stdout:
        pytest.skip(f"{runtime} does not run here: {got.stderr.strip()[-200:]}")
    return container_view.view(got.stdout, bundle.root)


def judge(theirs, ours):
    """Prints each difference with its reason; those that have none are a failure."""
    unexplained = []
    for what, their, our in container_view.differences(theirs, ours):
        reason = next((why for pattern, why in DIFFERENCES if re.fullmatch(pattern, what)), None)
        print(f"{what}\n  theirs: {their}\n  ours:   {our}\n  {reason or 'NOT EXPLAINED'}")
        if reason is None:
            unexplained.append(what)
    assert not unexplained


runtimes = pytest.mark.parametrize("runtime", [pytest.param("runc", marks=need_tool("runc")),
                                               pytest.param("crun", marks=[need_tool("runc"), need_tool("crun")])])


@need_root
@runtimes
def test_as_root(bundle, runtime, scratch, tmp_path):
    prepare(bundle, generated(scratch))
    judge(theirs(bundle, runtime, tmp_path), ours(bundle))


@need_userns
@runtimes
def test_as_a_user(bundle, runtime, scratch):
    who = ordinary()
    state = scratch / "state"
    state.mkdir()
    uid, gid = who.get("user", os.getuid()), who.get("group", os.getgid())
    for path in (scratch, state):
        os.chown(path, uid, gid)
    who["env"] = os.environ | {"XDG_RUNTIME_DIR": str(state), "HOME": str(state)}
    prepare(bundle, generated(scratch, "--rootless", **who))
    judge(theirs(bundle, runtime, state, **who), ours(bundle, **who))
