#!/usr/bin/env bash
# Builds Billhook for use: the server, and beside it the folder `site` with what browsers load. Sets up what is missing.
#
#   scripts/build.sh [--if-changed]    with --if-changed: only when a source is newer than the last build
set -euo pipefail

script=build
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

release=$root/target/release
stamp=$root/target/built

changed() {
    local sources=() name
    [ -x "$release/billhook" ] && [ -d "$release/site" ] && [ -e "$stamp" ] || return 0
    for name in src style public migrations build.rs .cargo Cargo.toml Cargo.lock build-tools/package-lock.json; do
        [ ! -e "$root/$name" ] || sources+=("$root/$name")
    done
    [ -n "$(find "${sources[@]}" -newer "$stamp" -print -quit)" ]
}

# The old site stays whole until the new one is, for a server that may be running from it.
place_site() {
    rm -rf "$release/site.new" "$release/site.old"
    cp -a "$root/target/site" "$release/site.new"
    [ ! -e "$release/site" ] || mv "$release/site" "$release/site.old"
    mv "$release/site.new" "$release/site"
    rm -rf "$release/site.old"
}

"$root/scripts/setup.sh" build
if [ "${1:-}" = --if-changed ] && ! changed; then
    exit 0
fi
use_toolchain
log=$root/target/build.log
: >"$log"
# What changes while the compiler runs belongs to the next build.
touch "$stamp.new"
[ -x "$release/billhook" ] || say "Billhook, for the server and for the browser: about 10 minutes the first time"
cd "$root"
slowly "Billhook" env RUST_BACKTRACE=0 cargo leptos build --release -P || fail_with_log "Billhook did not build"
place_site
mv "$stamp.new" "$stamp"
say "target/release/billhook, with target/release/site beside it"
