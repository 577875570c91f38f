#!/usr/bin/env bash
# Builds Billhook: the server, and beside it the folder `site` with what browsers load. Sets up what is missing.
#
#   scripts/build.sh [--quick] [--if-changed]
#
#   --quick         for trial and tests, in target/quick: the same program, built in less time. Without it for use, in
#                   target/release
#   --if-changed    only when a source is newer than the last build
set -euo pipefail

script=build
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

profile=release
if_changed=no
for option; do
    case $option in
        --quick) profile=quick ;;
        --if-changed) if_changed=yes ;;
        *) die "usage: scripts/build.sh [--quick] [--if-changed]" ;;
    esac
done
folder=$root/target/$profile
stamp=$folder/built

changed() {
    local sources=() name
    [ -x "$folder/billhook" ] && [ -x "$folder/billhook-sandbox" ] && [ -d "$folder/site" ] && [ -e "$stamp" ] || return 0
    for name in src sandbox style public migrations build.rs .cargo Cargo.toml Cargo.lock build-tools/package-lock.json scripts/build.sh scripts/sbom.mjs build-tools/compress.mjs build-tools/hash.mjs; do
        [ ! -e "$root/$name" ] || sources+=("$root/$name")
    done
    [ -n "$(find "${sources[@]}" -newer "$stamp" -print -quit)" ]
}

wasm=wasm32-unknown-unknown
# What Rust's compiler uses, and every browser has. With all that wasm-opt knows it writes what no browser reads yet.
wasm_features=(--enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
    --enable-reference-types --enable-sign-ext)
# Smaller than -Oz alone, by 2 kB of what goes over the wire. Memory starts out empty, and nothing lies in its first kB,
# which is the far end of the stack.
wasm_smaller=(--zero-filled-memory --low-memory-unused --merge-similar-functions --flatten --rereloop -Oz -Oz)
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
        wasm-opt "${wasm_smaller[@]}" "${wasm_features[@]}" "$bound/billhook_bg.wasm" -o "$made/pkg/billhook.wasm" &&
        esbuild --log-level=warning --minify --format=esm "$bound/billhook.js" --outfile="$made/pkg/billhook.js" &&
        esbuild --log-level=warning --minify "$root/style/main.css" --outfile="$made/pkg/billhook.css" &&
        node "$root/build-tools/hash.mjs" "$made" &&
        node "$root/build-tools/compress.mjs" "$made"
}

# Beside the program, what it is made of (CycloneDX).
list_parts() { node "$root/scripts/sbom.mjs" "$folder/billhook.cdx.json"; }

# With the stand-in for Stripe beside it.
make_server() { cargo build --profile "$profile" --workspace --bins --no-default-features --features ssr; }

# The old site stays whole until the new one is, for a server that may be running from it.
place_site() {
    rm -rf "$folder/site.old"
    [ ! -e "$folder/site" ] || mv "$folder/site" "$folder/site.old"
    mv "$made" "$folder/site"
    rm -rf "$folder/site.old"
}

"$root/scripts/setup.sh" build
if [ "$if_changed" = yes ] && ! changed; then
    exit 0
fi
use_toolchain
log=$root/target/build.log
: >"$log"
# What changes while the compiler runs belongs to the next build.
mkdir -p "$folder"
touch "$stamp.new"
often=", again"
[ -x "$folder/billhook" ] || often=", about 8 minutes the first time"
cd "$root"
export RUST_BACKTRACE=0
say "Billhook for the browser${often/8/4}"
slowly "Billhook for the browser" make_site || fail_with_log "Billhook for the browser did not build"
say "Billhook for the server$often"
slowly "Billhook for the server" make_server || fail_with_log "Billhook for the server did not build"
if [ "$profile" = release ]; then
    list_parts >>"$log" 2>&1 || fail_with_log "the list of what the program is made of could not be written"
fi
place_site
mv "$stamp.new" "$stamp"
[ "$profile" = quick ] || say "target/release/billhook, with target/release/site beside it, and what it is made of in billhook.cdx.json"
