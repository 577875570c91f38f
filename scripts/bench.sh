#!/usr/bin/env bash
# The figures: the release build on SQLite and on a Postgres that flushes to the disk, beside another mirror.
#
#   scripts/bench.sh [ingest] [pages] [portal] [volume]
set -euo pipefail

script=bench
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/build.sh" --if-changed
"$root/scripts/setup.sh" bench
use_toolchain
cd "$root"
answer=$(scripts/postgres.sh start --durable)
folder=$(printf '%s\n' "$answer" | head -n 1)
trap 'scripts/postgres.sh stop "$folder"' EXIT
BENCH_POSTGRES_URL=$(printf '%s\n' "$answer" | tail -n 1)
export BENCH_POSTGRES_URL BENCH_PEER=$root/benches/peer/host.mjs BILLHOOK_BIN=$root/target/release/billhook
cargo bench --no-default-features --features ssr --bench load -- "$@"
