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
    for name in src style public migrations build.rs .cargo Cargo.toml Cargo.lock build-tools/package-lock.json scripts/build.sh build-tools/compress.mjs; do
        [ ! -e "$root/$name" ] || sources+=("$root/$name")
    done
    [ -n "$(find "${sources[@]}" -newer "$stamp" -print -quit)" ]
}

wasm=wasm32-unknown-unknown
made=$root/target/site.new

# The program for the browser, beside it what loads it, and the style: small, and packed.
make_site() {
    local front=$root/target/front
    local bound=$front/bindgen
    rm -rf "$made" &&
        mkdir -p "$made/pkg" &&
        cp -a "$root/public/." "$made/" &&
        cargo build --lib --target "$wasm" --profile wasm-release --no-default-features --features hydrate \
            --target-dir "$front" &&
        wasm-bindgen --target web --no-typescript --out-name billhook --out-dir "$bound" \
            "$front/$wasm/wasm-release/billhook.wasm" &&
        wasm-opt -Oz --all-features "$bound/billhook_bg.wasm" -o "$made/pkg/billhook.wasm" &&
        esbuild --log-level=warning --minify --format=esm "$bound/billhook.js" --outfile="$made/pkg/billhook.js" &&
        esbuild --log-level=warning --minify "$root/style/main.css" --outfile="$made/pkg/billhook.css" &&
        node "$root/build-tools/compress.mjs" "$made"
}

make_server() { cargo build --release --bin billhook --no-default-features --features ssr; }

# The old site stays whole until the new one is, for a server that may be running from it.
place_site() {
    rm -rf "$release/site.old"
    [ ! -e "$release/site" ] || mv "$release/site" "$release/site.old"
    mv "$made" "$release/site"
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
first=
[ -x "$release/billhook" ] || first=", about 5 minutes the first time"
cd "$root"
export RUST_BACKTRACE=0
say "Billhook for the browser${first/5/2}"
slowly "Billhook for the browser" make_site || fail_with_log "Billhook for the browser did not build"
say "Billhook for the server$first"
slowly "Billhook for the server" make_server || fail_with_log "Billhook for the server did not build"
place_site
mv "$stamp.new" "$stamp"
say "target/release/billhook, with target/release/site beside it"
