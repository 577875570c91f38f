#!/usr/bin/env bash
# Breaks one promise of the inbox at a time and shows that the crash run finds out: a run that cannot fail proves nothing.
set -euo pipefail

script=teeth
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/setup.sh" test
use_toolchain
cd "$root"
logs=$root/target/teeth
mkdir -p "$logs"

# The run that cuts the power, where that is what shows the fault.
crash() { cargo test --profile quick --no-default-features --features ssr,teeth --test crash -- --seed 1 --engine "$1"; }

for engine in sqlite sqlite-power-cut; do
    say "the crash run with nothing broken, $engine"
    crash "$engine" >"$logs/whole.log" 2>&1 || { cat "$logs/whole.log"; die "it must pass first"; }
done
missed=0
for tooth in AnswerBeforeCommit NoTieRule NoTombstone DedupeInMemory SynchronousOff; do
    engine=sqlite
    [ "$tooth" != SynchronousOff ] || engine=sqlite-power-cut
    if BILLHOOK_TOOTH=$tooth crash "$engine" >"$logs/$tooth.log" 2>&1; then
        say "$tooth: NOT FOUND"
        missed=$((missed + 1))
    else
        say "$tooth: found. $(grep -m 1 "^crash $engine: [0-9e]" "$logs/$tooth.log" | cut -d ' ' -f 3- | cut -c -125)"
    fi
done
[ "$missed" -eq 0 ] || die "$missed broken promises were not found (logs in target/teeth)"
