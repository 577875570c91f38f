#!/usr/bin/env bash
# What a change must pass before it is proposed: format, and the linters of Rust (server and browser) and of shell.
set -euo pipefail

script=lint
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/setup.sh" lint
use_toolchain
cd "$root"
cargo fmt --all --check
cargo clippy --workspace --no-default-features --features ssr --all-targets -- -D warnings
cargo clippy --no-default-features --features hydrate --lib --target wasm32-unknown-unknown -- -D warnings
if have cargo-deny; then
    # The advisories are a repository at GitHub.
    cargo deny check licenses bans sources
    cargo deny check advisories || say "the advisories found something, or could not be fetched"
else
    say "cargo-deny is not installed, so only the tests look at licences and sources, and nobody at advisories"
fi
if have shellcheck; then
    shellcheck -x scripts/*.sh .ci/run
else
    say "shellcheck is not installed, so the scripts were not looked at"
fi
