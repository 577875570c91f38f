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

crash() { cargo test --profile quick --no-default-features --features ssr,teeth --test crash -- --seed 1 --engine sqlite; }

say "the crash run with nothing broken"
crash >"$logs/whole.log" 2>&1 || { cat "$logs/whole.log"; die "it must pass first"; }
missed=0
for tooth in AnswerBeforeCommit NoTieRule NoTombstone DedupeInMemory; do
    if BILLHOOK_TOOTH=$tooth crash >"$logs/$tooth.log" 2>&1; then
        say "$tooth: NOT FOUND"
        missed=$((missed + 1))
    else
        say "$tooth: found. $(grep -m 1 '^crash sqlite: [0-9e]' "$logs/$tooth.log" | cut -c 15-140)"
    fi
done
[ "$missed" -eq 0 ] || die "$missed broken promises were not found (logs in target/teeth)"
