#!/usr/bin/env bash
# The crash run on both engines and with power cuts, with a Postgres of its own.
#
#   scripts/crash.sh [--full] [--seed NUMBER] [--engine sqlite|sqlite-power-cut|postgres]
set -euo pipefail

script=crash
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/setup.sh" test
use_toolchain
cd "$root"
answer=$(scripts/postgres.sh start)
folder=$(printf '%s\n' "$answer" | head -n 1)
trap 'scripts/postgres.sh stop "$folder"' EXIT
TEST_POSTGRES_URL=$(printf '%s\n' "$answer" | tail -n 1)
export TEST_POSTGRES_URL
cargo test --profile quick --no-default-features --features ssr --test crash -- "$@"
