#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo`: makes a root from the Debian package busybox-static and enters it, as root and as an
# ordinary user in a user namespace; then packs it, and unpacks it as both. Started by an ordinary user,
# it does his part only.
set -eu
umask 022
cd "$(dirname "$0")/.."

top=$(mktemp -d /tmp/inroot-demo.XXXXXX)
trap 'rm -rf "$top"' EXIT
root=$top/root

# The files of the package, and the links that its maintainer scripts leave to the administrator.
dpkg -L busybox-static | while read -r file; do
    [ -f "$file" ] || continue
    mkdir -p "$root${file%/*}"
    cp -p "$file" "$root$file"
done
[ -e "$root/bin" ] || ln -s usr/bin "$root/bin"
for name in $(busybox --list); do
    [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"
done
mkdir -p "$root/tmp" "$root/root"
cp inroot "$top"                # the tree may be where uid 1000 can't go
chmod 755 "$top"
mounts=$(cat /proc/self/mountinfo)

echo "1. $root: $(find "$root" | wc -l) files from $(dpkg-query -W busybox-static | tr '\t' ' ')"

# $1 who, then the words that make us him. The status record goes to the payload's standard error.
show() {
    who=$1
    shift
    record=$("$@" "$top/inroot" exec --status-fd=2 "$root" -- true 2>&1) || { echo "$record"; return 1; }
    echo "$who: $record"
    "$@" "$top/inroot" exec "$root" -- sh -c 'echo "   inside: uid $(id -u), cwd $(pwd), / holds: $(echo /*)"
        [ -e /etc/passwd ] || echo "   inside: the files of the host are out of sight"'
}

if [ "$(id -u)" -eq 0 ]; then
    show "2. root" env
    set -- setpriv --reuid=1000 --regid=1000 --clear-groups
    who="3. uid 1000"
else
    set --
    who="2. uid $(id -u)"
fi
if "$@" unshare --user true 2>/dev/null; then
    show "$who, in a user namespace" env "$@"
else
    echo "$who: this machine denies user namespaces to ordinary users"
fi

# The other way round: an archive becomes a root. And one that wants to be elsewhere does not.
archive=$top/root.tar.gz
tar -czf "$archive" -C "$root" .
tar -cPf "$top/hostile.tar" --transform='s,^,../../,' -C "$top" inroot

# $1 who, $2 the new root, then the words that make us him.
unpack() {
    who=$1 into=$2
    shift 2
    echo "$who: $archive, $(wc -c <"$archive") bytes"
    summary=$("$@" "$top/inroot" unpack --json "$into" "$archive")
    echo "   $summary"
    diff -rq --no-dereference "$root" "$into" >/dev/null || { echo "   it is another tree"; return 1; }
    if "$@" "$top/inroot" unpack "$into" "$top/hostile.tar" 2>"$top/refused"; then
        echo "   the hostile archive was unpacked"
        return 1
    fi
    sed 's/^/   /' "$top/refused"
}

mkdir "$top/by-root" "$top/by-user"
if [ "$(id -u)" -eq 0 ]; then
    unpack "4. root" "$top/by-root" env
    chown 1000:1000 "$top/by-user"
    unpack "5. uid 1000" "$top/by-user" env "$@"
else
    unpack "3. uid $(id -u)" "$top/by-user" env
fi

[ "$mounts" = "$(cat /proc/self/mountinfo)" ] || { echo "the host's mounts have changed"; exit 1; }
[ -z "$(find "$root" -name '.pivot_root.*')" ] || { echo "a directory was left in the root"; exit 1; }
echo "afterwards: the host's mounts and the root are as before"
