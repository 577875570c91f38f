# shellcheck shell=bash disable=SC2154 # the scripts sourced before this one set what it reads
# What is checked without running Billhook: format, linters, what it is made of. `make lint` does only this, and `make test`
# begins with it. Sourced after lib.sh and parts.sh.

# The compiler's work on what Billhook depends on is shared with the build, so the profiles and folders are those of
# scripts/build.sh.
clippy_of_server() { cargo clippy --profile quick --workspace --no-default-features --features ssr --all-targets -- -D warnings; }

clippy_of_browser() {
    cargo clippy --profile wasm-release --no-default-features --features hydrate --lib \
        --target wasm32-unknown-unknown --target-dir target/front -- -D warnings
}

# Its list of those that are there twice is long and fails nothing.
parts_of_program() { cargo deny --log-level error check --hide-inclusion-graph licenses bans sources; }

# The advisories are a repository at GitHub, which not every machine reaches.
advisories() {
    local answer status=0
    answer=$(timeout 120 cargo deny --log-level error check advisories 2>&1) || status=$?
    if [ "$status" -ne 0 ] && { [ "$status" -eq 124 ] || grep -q 'failed to fetch advisory database' <<<"$answer"; }; then
        why_not="their database could not be fetched, so known vulnerabilities were not looked for"
        say "$why_not"
        return "$not_possible"
    fi
    printf '%s\n' "$answer"
    return "$status"
}

unused_dependencies() { cargo machete --skip-target-dir; }

shell_scripts() { shellcheck -x scripts/*.sh .ci/run; }

typescript() { npm --prefix end2end run --silent check; }

# Runs all of them, so that one look shows everything that is wrong. Gives 1 when something was.
run_checks() {
    local before=$failures
    part "format" "make fmt mends it" cargo fmt --all --check || true
    part "shell scripts" "above" shell_scripts || true
    part "types of the TypeScript" "above" typescript || true
    part "unused dependencies" "above" unused_dependencies || true
    part "licences, bans and sources of dependencies" "above" parts_of_program || true
    part "advisories about dependencies" "above" advisories || true
    part "clippy, the server and the tests" "above" clippy_of_server || true
    part "clippy, the browser" "above" clippy_of_browser || true
    [ "$failures" -eq "$before" ]
}
