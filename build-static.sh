#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes ./inroot: one static-PIE executable of musl, libcap-ng and the sources of this tree.
#
#   ./build-static.sh                  fetches libcap-ng's source package with apt-get
#   SOURCES=DIR ./build-static.sh      offline: takes the tarball from DIR
#
# Needs no root and changes nothing on the system: all that is made lies below build/, and ./inroot.
# CC names another gcc (a cross compiler too, with musl of that architecture installed).
set -eu
umask 022
export LC_ALL=C                 # globs, and so the order of objects in the link, are the same everywhere
offline=${SOURCES:+$(cd "$SOURCES" && pwd)}
cd "$(dirname "$0")"

CC=${CC:-gcc}
out=build/static
store=build/third-party

# Accepted source tarballs, the preferred version first: name, version, SHA-256. Mirrors drop old versions
# with a point release; a new one is read before it gets a row here. Upstream's files as they are: one of
# Debian's patches lets capng_apply() succeed when the bounding set was not dropped, and links syslog().
accepted='
libcap-ng 0.8.3 bed6f6848e22bb2f83b5f764b2aef0ed393054e803a8e3a8711cb2a39e6b492d
'

die() {
    printf 'build-static.sh: %s\n' "$1" >&2
    exit 1
}

# -- what the machine must have ----------------------------------------------------------------

need_tools() {
    missing=
    for tool in "$CC" ld strip tar gzip sha256sum; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    arch=$(uname -m)
    multiarch=$arch-linux-gnu
    if command -v "$CC" >/dev/null; then
        multiarch=$("$CC" -print-multiarch)
        arch=${multiarch%%-*}
    fi
    case $arch in x86_64|aarch64) ;; *) die "the architecture \"$arch\" is not supported" ;; esac
    musl=/usr/lib/$arch-linux-musl
    for file in "$musl/rcrt1.o" "$musl/libc.a" "/usr/include/$multiarch/asm/unistd.h"; do
        [ -e "$file" ] || missing="$missing $file"
    done
    [ -z "$missing" ] || die "missing:$missing
as root: apt-get install gcc binutils musl-tools linux-libc-dev"
}

# -- libcap-ng's source ------------------------------------------------------------------------

# The sources that apt itself would read, as deb-src entries, into directory $1. Options, Signed-By,
# suites and disabled entries stay as they are.
derive_sources() {
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "$list" "${parts%/}"/*.list "${parts%/}"/*.sources; do
        case ${file##*/} in *[!A-Za-z0-9_.-]*) continue ;; esac     # apt ignores such names
        [ -r "$file" ] || continue
        case $file in
            *.sources)
                # A field is a line that starts with its name; it goes on in lines that start with a blank.
                awk '/^[^ \t]/ { types = 0 }
                     tolower($0) ~ /^types[ \t]*:/ { print "Types: deb-src"; types = 1 }
                     !types
                     END { print "" }' "$file" >> "$1/all.sources" ;;
            *)
                sed -nE 's/^[ \t]*deb(-src)?[ \t]/deb-src /p' "$file" >> "$1/all.list" ;;
        esac
    done
    [ ! -e "$1/all.list" ] || sort -u -o "$1/all.list" "$1/all.list"    # "deb" and "deb-src" of one place
}

# Fetches the source tarballs of package $1 into directory $2, in an apt state directory of our own.
fetch() {
    command -v apt-get >/dev/null || die "no apt-get here: set SOURCES=DIR to where the tarball of $1 is"
    echo "fetching the source package $1" >&2
    state=$PWD/build/apt
    rm -rf "$state"
    mkdir -p "$state/parts" "$state/lists/partial" "$state/cache/archives/partial" "$2"
    derive_sources "$state/parts"
    # The hooks that are cleared work on the system's own state; without a sandbox user apt neither
    # warns of a directory that _apt can't enter nor needs one.
    cat > "$state/apt.conf" <<END
Dir::State "$state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$state/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$state/parts";
APT::Sandbox::User "";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
    # One source out of order does not matter as long as the package is found: the checksum decides.
    apt-get -qq -c "$state/apt.conf" update || true
    (cd "$2" && apt-get -qq -c "$state/apt.conf" source --download-only --tar-only "$1") ||
        die "can't fetch the source package $1: set SOURCES=DIR to where its tarball is"
    rm -rf "$state"
}

# Finds the accepted tarball of package $1 in directory $2: sets $version, $sum and $tarball.
find_accepted() {
    while read -r name version sum; do
        tarball=$2/${1}_$version.orig.tar.gz
        [ "$name" != "$1" ] || [ ! -e "$tarball" ] || return 0
    done <<END
$accepted
END
    return 1
}

get_source() {
    sources=${offline:-$store/sources}
    [ -n "$offline" ] || find_accepted "$1" "$sources" || fetch "$1" "$sources"
    if ! find_accepted "$1" "$sources"; then
        found=$(cd "$sources" && echo "$1"_*.tar.*)
        case $found in
            *\**) die "there is no source tarball of $1 in $sources" ;;
            *) die "unknown version of $1: $found (its version and SHA-256 are not in build-static.sh)" ;;
        esac
    fi
    printf '%s  %s\n' "$sum" "$tarball" | sha256sum --check --quiet - ||
        die "$tarball is not the accepted $1 $version: its SHA-256 is another"
}

# -- compiling ---------------------------------------------------------------------------------

# -Os: start-up is page faults, and there are fewer of them in less code.
# No unwind tables: nothing unwinds.
write_flags() {
    mkdir -p "$out/include"
    # musl's include path lacks the kernel's headers; the rest of /usr/include is glibc's and must stay out.
    ln -sfn /usr/include/linux "$out/include/linux"
    ln -sfn /usr/include/asm-generic "$out/include/asm-generic"
    ln -sfn "/usr/include/$multiarch/asm" "$out/include/asm"
    cat > "$out/flags" <<END
-std=gnu17 -D_GNU_SOURCE -Os -g -fPIE -ffunction-sections -fdata-sections
-fstack-protector-strong -fno-asynchronous-unwind-tables -fno-unwind-tables
-nostdinc -isystem /usr/include/$arch-linux-musl -isystem $("$CC" -print-file-name=include)
-idirafter $out/include
END
}

warnings='-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type'

# $1 object, $2 source, further flags. Relative names and the prefix map keep the folder out of the result.
compile() {
    object=$1 source=$2
    shift 2
    "$CC" "@$out/flags" "-ffile-prefix-map=$PWD=." "$@" -c -o "$object" "$source"
}

# libcap-ng once for each version, compiler and set of flags. Two files need no configure: these are the
# answers it would give for musl, without pthread.h (its only use is an atfork handler).
build_capng() {
    config='#define HAVE_LINUX_MAGIC_H 1
#define HAVE_LINUX_SECUREBITS_H 1
#define HAVE_SYSCALL_H 1
#define HAVE_SYS_XATTR_H 1'
    key=$({ "$CC" --version; sha256sum "$musl/libc.a"; cat "$out/flags"; echo "$config"; } | sha256sum | cut -c1-12)
    capng=$store/libcap-ng-$version-$key
    [ ! -e "$capng/libcap-ng.a" ] || return 0
    rm -rf "$capng"
    mkdir -p "$capng"
    tar -xzf "$tarball" -C "$capng" --strip-components=2 --no-same-owner \
        "libcap-ng-$version/src/cap-ng.c" "libcap-ng-$version/src/cap-ng.h" \
        "libcap-ng-$version/src/lookup_table.c" "libcap-ng-$version/src/captab.h"
    printf '%s\n' "$config" > "$capng/config.h"
    compile "$capng/cap-ng.o" "$capng/cap-ng.c" "-I$capng"
    compile "$capng/lookup_table.o" "$capng/lookup_table.c" "-I$capng"
    ar rcsD "$capng/libcap-ng.a" "$capng/cap-ng.o" "$capng/lookup_table.o"
}

# Every source, a few at a time; $objects in the order of the globs.
build_objects() {
    rm -rf "$out/obj"
    cpus=$(nproc)
    objects=
    count=0
    for source in helper.c cmd/*.c plan/*.c root/*.c archive/*.c seccomp/*.c sys/*.c; do
        [ -e "$source" ] || continue
        object=$out/obj/${source%.c}.o
        objects="$objects $object"
        mkdir -p "${object%/*}"
        compile "$object" "$source" -iquote . "-I$capng" $warnings &
        count=$((count + 1))
        [ $((count % cpus)) -ne 0 ] || wait
    done
    wait
    for object in $objects; do
        [ -e "$object" ] || die "not compiled: $object"
    done
}

# By hand, with rcrt1.o: musl-gcc's spec file ignores -static-pie.
# noseparate-code: code and constants share one segment, so there are fewer pages to map and to fault in.
link_inroot() {
    "$CC" -nostdlib -static-pie -o "$out/inroot.debug" \
        -Wl,--no-dynamic-linker,--gc-sections,--build-id=none \
        -Wl,-z,relro,-z,now,-z,text,-z,noexecstack,-z,noseparate-code \
        -Wl,-Map="$out/inroot.map" \
        "$musl/rcrt1.o" "$musl/crti.o" $objects "$capng/libcap-ng.a" "$musl/libc.a" \
        "$("$CC" -print-libgcc-file-name)" "$musl/libc.a" "$musl/crtn.o"
    strip --strip-all --remove-section=.comment -o "$out/inroot" "$out/inroot.debug"
    mv "$out/inroot.debug" "$out/inroot.map" build
    mv "$out/inroot" inroot             # a rename: an inroot that runs is left alone
}

need_tools
get_source libcap-ng
write_flags
build_capng
build_objects
link_inroot
