# SPDX-License-Identifier: MIT
"""What is read-only by mount(2), where the newer calls are missing or denied."""
from conftest import exec_in, need_root, private_mounts, run
from denying import way  # noqa: F401: a fixture

TRY = "for d in / /a /a/sub; do echo x 2>&- >$d/w && echo wrote $d; done; ls /a; true"


@need_root
@private_mounts
def test_read_only_root(bbox, way):  # noqa: F811
    """With a mount below."""
    (bbox / "a/sub").mkdir(parents=True)
    run("mount", "-t", "tmpfs", "below", bbox / "a/sub")
    proc = exec_in(bbox, "/bin/sh", "-c", TRY, opts=["--ro"], **way)
    assert proc.returncode == 0, proc.stderr
    assert "wrote" not in proc.stdout and "sub" in proc.stdout, (proc.stdout, proc.stderr)
