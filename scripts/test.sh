#!/usr/bin/env bash
# The whole proof: sets up what is missing, checks what needs no build, builds, runs the tests in Rust on both engines and then
# the tests that drive the finished program with browsers, a mail server and Stripe's own clients. What it starts it stops,
# however it ends. The last line counts the tests; the exit status is 0 only when every part passed.
set -euo pipefail

script="test"
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/parts.sh
. "$(dirname "$0")/parts.sh"
# shellcheck source=scripts/checks.sh
. "$(dirname "$0")/checks.sh"

logs=$root/target/test-logs
postgres=

clean_up() {
    [ -z "$postgres" ] || "$root/scripts/postgres.sh" stop "$postgres"
    postgres=
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# tests NAME COMMAND...: a part in sight of the person that also keeps what it printed, to be counted at the end.
tests() { part "$1" "target/test-logs/$1.log" keep "$@"; }

keep() { "${@:2}" 2>&1 | tee "$logs/$1.log"; }

start_postgres() {
    local answer
    answer=$("$root/scripts/postgres.sh" start)
    postgres=$(printf '%s\n' "$answer" | head -n 1)
    TEST_POSTGRES_URL=$(printf '%s\n' "$answer" | tail -n 1)
    export TEST_POSTGRES_URL
}

# More at once than there are cores: a good part of them waits, for a timeout that they are about.
rust_tests() {
    RUST_TEST_THREADS=$(($(nproc) * 2)) cargo test --profile quick --workspace --no-default-features --features ssr
}

# Delays, with nothing else about.
timing_tests() {
    cargo test --profile quick --no-default-features --features ssr --test integration -- \
        --ignored --test-threads=1 timing::
}

browser_tests() { npm --prefix end2end test; }

# count WORD: how many tests the logs say passed or failed: cargo in "test result:" lines, the others in lines such as
# "  42 passed (1.2m)" and "# pass 42".
count() {
    cat "$logs"/*.log 2>/dev/null | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' | awk -v word="$1" '
        /^test result:/ {
            for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1)
            next
        }
        $0 ~ "^ +[0-9]+ " word "( |$)" { sum += $1 }
        $0 ~ "^(#|ℹ) " substr(word, 1, 4) " [0-9]+$" { sum += $NF }
        END { print sum + 0 }'
}

finish() {
    local failed
    failed=$(count failed)
    [ "$failed" -ge "$failures" ] || failed=$failures
    print_summary
    printf '%s passed, %s failed\n' "$(count passed)" "$failed"
    [ "$failures" -eq 0 ]
}

cd "$root"
scripts/setup.sh test
use_toolchain
rm -rf "$logs"
mkdir -p "$logs"
[ ! -t 1 ] || export CARGO_TERM_COLOR=always FORCE_COLOR=1
if ! run_checks; then
    summary+=("not run         build and tests: the checks that failed are quicker to mend")
elif part build target/build.log scripts/build.sh --quick --if-changed; then
    CHROMIUM=$(find_chromium)
    FIREFOX=$(find_firefox)
    export BILLHOOK_BIN=$root/target/quick/billhook CHROMIUM FIREFOX PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
    start_postgres
    tests rust rust_tests || true
    tests timing timing_tests || true
    tests end2end browser_tests || true
fi
finish
