# SPDX-License-Identifier: MIT
"""What a payload sees of its container, as a flat dict that two runtimes can be compared by."""
import os
import re

from bundles import status
from joining import TYPES

# A line "@@ SECTION" before each part. Nothing is written: files are opened for appending, directories get a directory
# for a moment.
PROBE = r"""
echo "@@ mounts"; cat /proc/self/mountinfo
echo "@@ dev"; busybox find /dev -exec busybox stat -c '%n %F %a %u %g %t:%T' {} +
echo "@@ links"; for f in $(busybox find /dev -type l); do echo "$f $(readlink $f)"; done
echo "@@ status"; cat /proc/$$/status
echo "@@ limits"; cat /proc/self/limits
echo "@@ env"; env
echo "@@ place"; echo "cwd $(pwd)"; echo "hostname $(hostname)"; echo "umask $(umask)"; echo "id $(id)"
echo "oom $(cat /proc/self/oom_score_adj)"; echo "root $(stat -c '%a %u %g' /)"; echo "pid $$"
echo "@@ namespaces"; for n in $NAMESPACES; do echo "$n $(readlink /proc/self/ns/$n)"; done
echo "@@ network"; cat /proc/net/dev | tail -n +3 | cut -d: -f1; echo "flags $(cat /sys/class/net/lo/flags)"
echo "@@ descriptors"; for f in /proc/$$/fd/*; do echo "$f"; done
echo "@@ paths"
for p in $PROBES $MORE; do
    if [ ! -e "$p" ]; then echo "$p absent"; continue; fi
    if [ -d "$p" ]; then
        w=no; mkdir "$p/.probe" 2>/dev/null && rmdir "$p/.probe" && w=yes
        l=$(ls -A "$p" 2>/dev/null | wc -l); [ "$l" = 0 ] || l=some
        echo "$p directory, writable: $w, entries: $l"
    else
        w=no; (: >> "$p") 2>/dev/null && w=yes
        r=$(busybox timeout 5 head -c 1 "$p" 2>/dev/null | wc -c)
        echo "$p file, opens for writing: $w, bytes: $r"
    fi
done
echo "@@ end"
"""


MORE = ("/", "/proc", "/dev", "/dev/shm", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/tmp", "/dev/null",
        "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/irq/default_smp_affinity",
        "/proc/self/oom_score_adj", "/proc/fs/ext4", "/proc/bus/pci", "/sys/kernel/mm/ksm/run", "/sys/power/state")


def command():
    return ["/bin/sh", "-c", PROBE]


def environment(config):
    """For process.env: what the probe is to look at."""
    linux = config["linux"]
    probes = [*linux.get("maskedPaths", ()), *linux.get("readonlyPaths", ())]
    return [f"PROBES={' '.join(probes)}", f"MORE={' '.join(MORE)}", f"NAMESPACES={' '.join(TYPES)}"]


def sections(text):
    found, lines = {}, None
    for line in text.splitlines():
        if line.startswith("@@ "):
            lines = found[line[3:]] = []
        elif lines is not None:
            lines.append(line)
    assert "end" in found, text
    return found


STATUS = ("Umask", "Uid", "Gid", "Groups", "NSpid", "NSpgid", "NSsid", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm",
          "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Speculation_Store_Bypass",
          "Cpus_allowed_list", "Threads", "THP_enabled")


def _mount(line, root, names, seen):
    """Mount point -> all the rest but numbers; what lies over another mount of the same place gets a #2."""
    left, _, right = line.partition(" - ")
    _, _, device, inside, point, flags, *propagation = left.split()
    kind, source, options = right.split(" ", 2)
    inside = inside.replace(str(root), "ROOT")
    inside = re.sub(r"/inroot-[^/]*$", "", inside) or "/"
    propagation = " ".join(sorted(word.split(":")[0] for word in propagation)) or "private"
    names.setdefault(device, f"{kind}")
    seen[point] = seen.get(point, 0) + 1
    key = point if seen[point] == 1 else f"{point}#{seen[point]}"
    return key, f"{kind} {inside} {source} {flags} [{propagation}] {','.join(sorted(options.split(',')))}"


def view(text, root):
    """{"section key": value}"""
    parts, flat, seen = sections(text), {}, {}
    for line in parts["mounts"]:
        key, value = _mount(line, root, {}, seen)
        flat[f"mount {key}"] = value
    for section in ("dev", "links", "place", "paths"):
        for line in parts[section]:
            key, _, value = line.partition(" ")
            flat[f"{section} {key}"] = value
    said = status("\n".join(parts["status"]))
    for key in STATUS:
        flat[f"status {key}"] = said.get(key)
    for key in ("SigBlk", "SigIgn"):
        # Signals 32 to 34 are those of C libraries: what a runtime hands on of them depends on the library it has.
        flat[f"status {key}"] = f"{int(said[key], 16) & ~(7 << 31):016x}"
    for line in parts["limits"][1:]:
        flat[f"limit {line[:25].strip()}"] = " ".join(line[25:].split())
    for line in parts["env"]:
        key, _, value = line.partition("=")
        flat[f"env {key}"] = value
    for line in parts["namespaces"]:
        key, _, value = line.partition(" ")
        flat[f"namespace {key}"] = "host's" if value == os.readlink(f"/proc/self/ns/{key}") else "its own"
    flat["network"] = " ".join(" ".join(parts["network"]).split())
    flat["descriptors"] = " ".join(name.rpartition("/")[2] for name in parts["descriptors"])
    return flat


def differences(theirs, ours):
    """[(what, theirs, ours)]; None where one has nothing of that name."""
    return [(key, theirs.get(key), ours.get(key)) for key in sorted(theirs.keys() | ours.keys())
            if theirs.get(key) != ours.get(key)]
