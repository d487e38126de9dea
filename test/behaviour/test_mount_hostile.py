# SPDX-License-Identifier: MIT
"""Images, sources and namespaces that lead a mount elsewhere."""
import json

import pytest

from conftest import assert_fails, exec_in, inroot, need_root, private_mounts


@need_root
@pytest.mark.parametrize("data", ["lowerdir=lower", "lowerdir=/usr:lower", "lowerdir+=lower", "lowerdir=/usr::lower",
                                  "lowerdir=/usr,upperdir=lower,workdir=/work", "lowerdir=/usr,workdir=lower,upperdir=/up"])
@private_mounts
def test_relative_layers_of_an_overlay(bbox, scratch, data):
    """The working directory is ROOT, whose links the kernel would follow."""
    (scratch / "host").mkdir()
    (scratch / "host/secret").write_text("host\n")
    (bbox / "lower").symlink_to(scratch / "host")
    opts = [f"--mount=type=overlay,dst=/mnt,{data}"]
    assert_fails(exec_in(bbox, "/bin/cat", "/mnt/secret", opts=opts), 125, "must be absolute")
    config = scratch / "config.json"
    mount = {"destination": "/mnt", "type": "overlay", "source": "overlay", "options": data.split(",")}
    config.write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": str(bbox)}, "mounts": [mount],
        "process": {"cwd": "/", "args": ["/bin/cat", "/mnt/secret"]}, "linux": {"namespaces": [{"type": "mount"}]}}))
    assert_fails(inroot("exec", f"--config={config}"), 125, "must be absolute")
    assert not (bbox / "mnt/secret").exists()
