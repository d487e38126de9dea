#!/bin/bash
# SPDX-License-Identifier: MIT
# The runs of `make check`, after the build. All are made, even when one fails. Then the skips are
# listed by name, and last come the runners' own summary lines. As root everything runs, the behaviour
# suite also as an ordinary user in a copy of the tree; started by an ordinary user, only his part does.
set -u
umask 022
cd "$(dirname "$0")/.." || exit 1
logs=build/check
rm -rf "$logs"
mkdir -p "$logs"
export PYTHONDONTWRITEBYTECODE=1

# run NAME COMMAND…: shown and kept in a log; no run may hang.
run() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    timeout -k 10 1200 "$@" 2>&1 | tee "$logs/$name.log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || echo "$name" >> "$logs/failed"
}

# The same beside another one; it is shown by `together`, when that has ended.
beside() {
    local name=$1
    shift
    timeout -k 10 1200 "$@" > "$logs/$name.log" 2>&1 || echo "$name" >> "$logs/failed"
}

together() {
    local name
    wait
    for name; do
        printf '\n== %s\n' "$name"
        cat "$logs/$name.log"
    done
}

pytest=(/usr/bin/python3 -m pytest -p no:cacheprovider -q -rs -o junit_family=xunit1)

unit_programs() {
    local program bad=0 count=0
    for program in build/dynamic/unit/*; do
        case $program in *.d|*.o|*\*) continue ;; esac
        echo "== ${program##*/}"
        "$program" || bad=$((bad + 1))
        count=$((count + 1))
    done
    echo "$count unit test programs, $bad failed"
    [ "$bad" -eq 0 ]
}

# A fixed-seed share of `make fuzz`, after all seeds.
fuzz_programs() {
    local program name bad=0 count=0 seeds
    for program in build/fuzz/bin/*; do
        [ -x "$program" ] && [ ! -d "$program" ] || continue
        name=${program##*/}
        seeds=test/fuzz/seeds/$name
        [ -d "$seeds" ] || seeds=
        rm -rf "build/fuzz/short/$name"
        mkdir -p "build/fuzz/found/$name" "build/fuzz/short/$name"
        "$program" -seed=1 -runs=100000 -max_total_time=7 -timeout=60 -verbosity=0 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/short/$name" ${seeds:+"$seeds"} ||
            bad=$((bad + 1))
        count=$((count + 1))
    done
    echo "$count fuzz targets, $bad failed"
    [ "$bad" -eq 0 ]
}
export -f unit_programs fuzz_programs

# The tree for uid 1000, who may not be able to enter or to write to ours; with what the build made.
copy_for_user() {
    user_home=$(mktemp -d /tmp/inroot-check.XXXXXX) || exit 1
    trap 'rm -rf "$user_home"' EXIT
    chmod 755 "$user_home"
    mkdir -p "$user_home/tree/build" "$user_home/tmp"
    tar -cf - --exclude=./build . | tar -xf - -C "$user_home/tree"
    cp -r build/third-party build/inroot.debug build/inroot.map "$user_home/tree/build"
    chown -R 1000:1000 "$user_home"
    local made
    for made in build/debian-*; do
        [ ! -d "$made" ] || cp -a "$made" "$user_home/tree/build"
    done
}

# Two at a time: none of them uses a processor's whole time, and what they look at is their own.
sanitized=(env INROOT=build/dynamic/inroot INROOT_SANITIZED=1
           "${pytest[@]}" --junit-xml="$logs/behaviour-sanitized.xml" test/behaviour)
(
    beside unit bash -c unit_programs
    beside fuzz bash -c fuzz_programs
    beside behaviour-sanitized "${sanitized[@]}"
) &
if [ "$(id -u)" -eq 0 ]; then
    run behaviour-root "${pytest[@]}" --junit-xml="$logs/behaviour-root.xml" test/behaviour
    together unit fuzz behaviour-sanitized
    copy_for_user
    beside faults "${pytest[@]}" --junit-xml="$logs/faults.xml" test/faults &
    run behaviour-user env -C "$user_home/tree" setpriv --reuid=1000 --regid=1000 --clear-groups \
        env HOME="$user_home" TMPDIR="$user_home/tmp" \
        "${pytest[@]}" --junit-xml="$user_home/tmp/skips.xml" test/behaviour
    cp "$user_home/tmp/skips.xml" "$logs/behaviour-user.xml"
    together faults
    names="unit fuzz behaviour-root behaviour-user behaviour-sanitized faults"
else
    run behaviour-user "${pytest[@]}" --junit-xml="$logs/behaviour-user.xml" test/behaviour
    run faults "${pytest[@]}" --junit-xml="$logs/faults.xml" test/faults
    together unit fuzz behaviour-sanitized
    names="unit fuzz behaviour-user behaviour-sanitized faults"
fi

/usr/bin/python3 test/skips.py "$logs"/*.xml
/usr/bin/python3 test/rows.py "$logs" || echo rows >> "$logs/failed"
failed=$([ ! -e "$logs/failed" ] || tr '\n' ' ' < "$logs/failed")
printf '\n== summary%s\n' "${failed:+, FAILED: $failed}"
for name in $names; do
    printf '%s:\n%s\n' "$name" "$(grep -v '^$' "$logs/$name.log" | tail -n 1)"
done
[ -z "$failed" ]
