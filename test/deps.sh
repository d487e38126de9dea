#!/bin/sh
# SPDX-License-Identifier: MIT
# test/deps.sh GROUP…: the Debian packages that the groups need are installed (root), or the one
# command that installs what is missing is printed (anyone else) and the exit status is 1.
set -eu

libraries="libcap-ng-dev libisal-dev libzstd-dev libjansson-dev"
packages=
for group; do
    case $group in
        build) packages="$packages gcc binutils musl-tools linux-libc-dev xz-utils"
               [ "$(uname -m)" != x86_64 ] || packages="$packages nasm" ;;
        demo)  packages="$packages busybox-static util-linux" ;;
        bench) packages="$packages gcc libc6-dev musl-tools python3 busybox-static bubblewrap runc crun time
                                   util-linux tar gzip zstd isal pigz libarchive-tools mmdebstrap e2fsprogs
                                   golang-go golang-github-docker-docker-dev" ;;
        fuzz)  packages="$packages clang libclang-rt-dev libc6-dev $libraries" ;;
        lint)  packages="$packages gcc libc6-dev $libraries clang-tidy cppcheck" ;;
        check) packages="$packages libc6-dev $libraries libcmocka-dev libseccomp-dev python3-pytest strace file git
                                   busybox-static bubblewrap mmdebstrap uidmap util-linux libcap2-bin runc crun
                                   squashfs-tools e2fsprogs golang-go man-db procps
                                   golang-github-docker-docker-dev" ;;
        *) echo "test/deps.sh: unknown group \"$group\"" >&2; exit 2 ;;
    esac
done

missing=
for package in $packages; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) case " $missing " in *" $package "*) ;; *) missing="${missing:+$missing }$package" ;; esac ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages; as root: apt-get install $missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: $missing"
apt-get -qq update
# shellcheck disable=SC2086 # a list of words
apt-get -qq -y install --no-install-recommends $missing >/dev/null
