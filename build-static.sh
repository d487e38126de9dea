#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes ./inroot: one static-PIE executable of musl, libcap-ng, the inflate of ISA-L, the decoder of
# libzstd, the reader of jansson and the sources of this tree.
#
#   ./build-static.sh                  fetches the libraries' source packages with apt-get
#   SOURCES=DIR ./build-static.sh      offline: takes the tarballs from DIR
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

# Accepted source tarballs, of each package the preferred version first: package, version, compression,
# SHA-256. Mirrors drop old versions with a point release; a new one is read before it gets a row here.
# Upstream's files as they are: one of Debian's patches lets capng_apply() succeed when the bounding set
# was not dropped, and links syslog(); those of the other two are for s390x, the compressor and tests.
accepted='
libcap-ng 0.8.3        gz  bed6f6848e22bb2f83b5f764b2aef0ed393054e803a8e3a8711cb2a39e6b492d
libisal   2.30.0       xz  f363f1be3d657d5676cef5253ee2233e60116e2fa9c9de86881185bf81e0e4b8
libzstd   1.5.4+dfsg2  xz  8cf4bbb65e77ec348d052c8d6230eba66d435bddf64c8b5be2fcb16880c19953
jansson   2.14         gz  c739578bf6b764aa0752db9a2fdadcfe921c78f1228c7ec0bb47fa804c55d17b
'
packages='libcap-ng libisal libzstd jansson'

die() {
    printf 'build-static.sh: %s\n' "$1" >&2
    exit 1
}

# -- what the machine must have ----------------------------------------------------------------

need_tools() {
    arch=$(uname -m)
    multiarch=$arch-linux-gnu
    if command -v "$CC" >/dev/null; then
        multiarch=$("$CC" -print-multiarch)
        arch=${multiarch%%-*}
    fi
    case $arch in
        x86_64) assembler=nasm ;;
        aarch64) assembler= ;;
        *) die "the architecture \"$arch\" is not supported" ;;
    esac
    missing=
    for tool in "$CC" ld strip tar gzip xz sha256sum $assembler; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    musl=/usr/lib/$arch-linux-musl
    for file in "$musl/rcrt1.o" "$musl/libc.a" "/usr/include/$multiarch/asm/unistd.h"; do
        [ -e "$file" ] || missing="$missing $file"
    done
    [ -z "$missing" ] || die "missing:$missing
as root: apt-get install gcc binutils musl-tools linux-libc-dev xz-utils${assembler:+ $assembler}"
}

# -- the libraries' sources --------------------------------------------------------------------

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

# Fetches the source tarballs of the packages named into $sources, in an apt state directory of our own.
fetch() {
    command -v apt-get >/dev/null || die "no apt-get here: set SOURCES=DIR to where the tarballs of $* are"
    echo "fetching the source packages $*" >&2
    state=$PWD/build/apt
    rm -rf "$state"
    mkdir -p "$state/parts" "$state/lists/partial" "$state/cache/archives/partial" "$sources"
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
    (cd "$sources" && apt-get -qq -c "$state/apt.conf" source --download-only --tar-only "$@") ||
        die "can't fetch the source packages $*: set SOURCES=DIR to where their tarballs are"
    rm -rf "$state"
}

# Finds the accepted tarball of package $1 in $sources: sets $version, $sum and $tarball.
find_accepted() {
    while read -r name version compression sum; do
        tarball=$sources/${1}_$version.orig.tar.$compression
        [ "$name" != "$1" ] || [ ! -e "$tarball" ] || return 0
    done <<END
$accepted
END
    return 1
}

check_source() {
    if ! find_accepted "$1"; then
        found=$(cd "$sources" && echo "$1"_*.orig.tar.*)
        case $found in
            *\**) die "there is no source tarball of $1 in $sources" ;;
            *) die "unknown version of $1: $found (its version and SHA-256 are not in build-static.sh)" ;;
        esac
    fi
    printf '%s  %s\n' "$sum" "$tarball" | sha256sum --check --quiet - ||
        die "$tarball is not the accepted $1 $version: its SHA-256 is another"
}

# All of them, before anything is built; what is missing comes with one call of apt-get.
get_sources() {
    sources=${offline:-$store/sources}
    wanted=
    for package in $packages; do
        find_accepted "$package" || wanted="$wanted $package"
    done
    [ -n "$offline" ] || [ -z "$wanted" ] || fetch $wanted
    for package in $packages; do
        check_source "$package"
    done
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

# $1 object, $2 source, further flags (nasm knows -O2 and -I too).
# Relative names and the prefix map keep the folder out of the result.
compile() {
    object=$1 source=$2
    shift 2
    case $source in
        *.asm) nasm -f elf64 "$@" -o "$object" "$source" ;;
        *) "$CC" "@$out/flags" "-ffile-prefix-map=$PWD=." "$@" -c -o "$object" "$source" ;;
    esac
}

# Flags $1, further sources: compiled a few at a time; $objects in their order.
compile_all() {
    flags=$1
    shift
    cpus=$(nproc)
    objects=
    count=0
    for source; do
        [ -e "$source" ] || continue    # a glob without a match
        object=$out/obj/${source%.*}.o
        objects="$objects $object"
        mkdir -p "${object%/*}"
        rm -f "$object"
        compile "$object" "$source" $flags &
        count=$((count + 1))
        [ $((count % cpus)) -ne 0 ] || wait
    done
    wait
    for object in $objects; do
        [ -e "$object" ] || die "not compiled: $object"
    done
}

# -- the libraries -----------------------------------------------------------------------------

# Package $1, once for each version, compiler and text of this script: from $src come the archive $lib/$1.a
# and $lib/include, with the headers where Debian's -dev package has them. Adds both to the link and the
# compiler's flags.
build_library() {
    find_accepted "$1"
    key=$({ "$CC" --version; [ -z "$assembler" ] || "$assembler" --version
            sha256sum "$musl/libc.a"; cat "$out/flags" build-static.sh; } | sha256sum | cut -c1-12)
    lib=$store/$1-$version-$key
    src=$lib/src
    archives="$archives $lib/$1.a"
    includes="$includes -isystem $lib/include"
    [ ! -e "$lib/$1.a" ] || return 0
    rm -rf "$lib"
    mkdir -p "$src" "$lib/include"
    case $1 in
        libcap-ng) build_libcap_ng ;;
        libisal) build_libisal ;;
        libzstd) build_libzstd ;;
        jansson) build_jansson ;;
    esac
    "$("$CC" -print-prog-name=ar)" rcsD "$lib/$1.a" $objects
}

# What the patterns name in the tarball, without its top folder.
unpack() {
    tar -xf "$tarball" -C "$src" --strip-components=1 --no-same-owner --wildcards "$@"
}

# Two files need no configure: these are the answers it would give for musl, without pthread.h (its only use
# is an atfork handler).
build_libcap_ng() {
    unpack '*/src/*.[ch]'
    cp "$src/src/cap-ng.h" "$lib/include"
    cat > "$src/config.h" <<'END'
#define HAVE_LINUX_MAGIC_H 1
#define HAVE_LINUX_SECUREBITS_H 1
#define HAVE_SYSCALL_H 1
#define HAVE_SYS_XATTR_H 1
END
    compile_all "-I$src" "$src/src/cap-ng.c" "$src/src/lookup_table.c"
}

# Inflate alone: the link drops the rest of these files, and with it all that they want of the compressor.
# Upstream's own dispatch by CPU would keep that, so here is one of the same macros for what inflate calls.
# Adler-32 is zlib's checksum: nothing here needs it to be fast.
build_libisal() {
    unpack '*/include' '*/igzip' '*/crc'
    mkdir "$lib/include/isa-l"
    cp "$src/include/igzip_lib.h" "$src/include/types.h" "$lib/include/isa-l"
    case $arch in
        x86_64)
            cat > "$src/dispatch.asm" <<'END'
default rel
%include "reg_sizes.asm"
%include "multibinary.asm"
extern adler32_base
extern crc32_gzip_refl_base, crc32_gzip_refl_by8, crc32_gzip_refl_by8_02
extern decode_huffman_code_block_stateless_base
extern decode_huffman_code_block_stateless_01, decode_huffman_code_block_stateless_04

mbin_interface crc32_gzip_refl
mbin_dispatch_init_clmul crc32_gzip_refl, crc32_gzip_refl_base, \
    crc32_gzip_refl_by8, crc32_gzip_refl_by8_02, crc32_gzip_refl_by8_02

mbin_interface decode_huffman_code_block_stateless
mbin_dispatch_init5 decode_huffman_code_block_stateless, decode_huffman_code_block_stateless_base, \
    decode_huffman_code_block_stateless_01, decode_huffman_code_block_stateless_01, \
    decode_huffman_code_block_stateless_04

mbin_interface isal_adler32
mbin_dispatch_init2 isal_adler32, adler32_base
END
            dispatch="$src/dispatch.asm $src/igzip/rfc1951_lookup.asm
                $src/igzip/igzip_decode_block_stateless_01.asm $src/igzip/igzip_decode_block_stateless_04.asm
                $src/crc/crc32_gzip_refl_by8.asm $src/crc/crc32_gzip_refl_by8_02.asm" ;;
        *)
            dispatch="$src/igzip/igzip_base_aliases.c $src/crc/crc_base_aliases.c" ;;
    esac
    compile_all "-O2 -I$src/include/ -I$src/igzip/" $dispatch "$src/igzip/igzip_inflate.c" \
        "$src/igzip/igzip.c" "$src/igzip/hufftables_c.c" "$src/igzip/adler32_base.c" "$src/crc/crc_base.c"
}

# The decoder alone, of the current format, in one thread; it finds out by itself if the CPU has BMI2.
build_libzstd() {
    unpack '*/lib/common' '*/lib/decompress' '*/lib/zstd*.h'
    cp "$src/lib/zstd.h" "$src/lib/zstd_errors.h" "$lib/include"
    compile_all '-O2 -DZSTD_LEGACY_SUPPORT=0 -DZSTD_STRIP_ERROR_STRINGS -DZSTD_TRACE=0 -DXXH_NAMESPACE=ZSTD_' \
        "$src"/lib/common/*.c "$src"/lib/decompress/*.[cS]
}

# The reader: the link drops the writer and the packer. Without a configuration of its own it opens no
# /dev/urandom; locales, which would give numbers another point, aren't there either. Nothing that is read here is
# nested deeply.
build_jansson() {
    unpack '*/src/*.[ch]'
    cp "$src/src/jansson.h" "$lib/include"
    cat > "$lib/include/jansson_config.h" <<'END'
#define JSON_INLINE inline
#define JSON_INTEGER_IS_LONG_LONG 1
#define JSON_HAVE_LOCALECONV 0
#define JSON_HAVE_ATOMIC_BUILTINS 0
#define JSON_HAVE_SYNC_BUILTINS 0
#define JSON_PARSER_MAX_DEPTH 64
END
    : > "$src/src/jansson_private_config.h"
    compile_all "-I$lib/include -DHAVE_STDINT_H" "$src"/src/[!dp]*.c
}

# -- inroot ------------------------------------------------------------------------------------

# By hand, with rcrt1.o: musl-gcc's spec file ignores -static-pie.
# noseparate-code: code and constants share one segment, so there are fewer pages to map and to fault in.
link_inroot() {
    "$CC" -nostdlib -static-pie -o "$out/inroot.debug" \
        -Wl,--no-dynamic-linker,--gc-sections,--build-id=none \
        -Wl,-z,relro,-z,now,-z,text,-z,noexecstack,-z,noseparate-code \
        -Wl,-Map="$out/inroot.map" \
        "$musl/rcrt1.o" "$musl/crti.o" $objects $archives "$musl/libc.a" \
        "$("$CC" -print-libgcc-file-name)" "$musl/libc.a" "$musl/crtn.o"
    "$("$CC" -print-prog-name=strip)" --strip-all --remove-section=.comment -o "$out/inroot" "$out/inroot.debug"
    mv "$out/inroot.debug" "$out/inroot.map" build
    mv "$out/inroot" inroot             # a rename: an inroot that runs is left alone
}

need_tools
write_flags
get_sources
archives='' includes=''
for package in $packages; do
    build_library "$package"
done
compile_all "-iquote . $includes $warnings" \
    helper.c cmd/*.c plan/*.c root/*.c archive/*.c seccomp/*.c sys/*.c
link_inroot
