#!/usr/bin/env bash
# Breaks one promise at a time and demands that the tests named for it fail: a test that cannot fail proves nothing.
#
#   scripts/mutants.sh [NAME...]    all patches of tests/mutants/, or only NAME.patch
#   scripts/mutants.sh --list       their names and what they break
#
# Each patch is applied to a copy of the project in target/mutants. It has to compile, each of its tests has to fail by
# an assertion, and all of them have to pass on the copy without a patch. The lines before the diff say what it breaks
# and what must notice:
#
#   # promise: WORDS
#   # caught-by: lib TEST | integration TEST | crash ENGINE    (once or more)
#
# To add one, break a line of src/, `git diff >tests/mutants/NAME.patch`, write its head, and take the change back.
#
# With two cores: 10 minutes for the copy, then 1 to 4 minutes a patch. Logs are in target/mutants/logs.
set -euo pipefail

script=mutants
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

patches=$root/tests/mutants
work=$state/mutants
tree=$work/tree
logs=$work/logs
# A test that hangs is stopped: that proves nothing either.
longest=900

usage() { sed -n '2,/^set /{ s/^# \{0,1\}//p }' "$0"; }

promise_of() { sed -n 's/^# promise: //p' "$patches/$1.patch"; }

# The tests of these patches, each once: one line "KIND TEST" for each.
catchers_of() {
    local name
    for name in "$@"; do sed -n 's/^# caught-by: //p' "$patches/$name.patch"; done | sort -u
}

names_of_all() {
    local file
    for file in "$patches"/*.patch; do basename "$file" .patch; done
}

# New files with new times, so that nothing of an earlier run counts as built.
copy_project() {
    rm -rf "$tree" "$logs"
    mkdir -p "$tree" "$logs"
    tar -C "$root" --exclude=./.git --exclude=./target --exclude=./data --exclude=./.env --exclude=node_modules -cf - . |
        tar -C "$tree" -xmf -
}

# The copy is inside the project's repository, where git would look for the files of the patch.
apply() { (cd "$tree" && GIT_CEILING_DIRECTORIES=$work git apply "${@:2}" "$patches/$1.patch"); }

check_that_all_apply() {
    local name bad=()
    for name in "$@"; do
        apply "$name" --check || bad+=("$name")
    done
    [ ${#bad[@]} -eq 0 ] || die "these patches do not apply any more: ${bad[*]}. Make them again for the code as it is"
}

in_tree() { (cd "$tree" && "$@"); }

cargo_test() { in_tree timeout "$longest" cargo test --profile quick --no-default-features --features ssr "$@"; }

# build KIND...: compiles what the tests of these kinds need.
build() {
    local kind targets=()
    for kind in "$@"; do
        case $kind in
            lib) targets+=(--lib) ;;
            *) targets+=(--test "$kind") ;;
        esac
    done
    in_tree cargo test --profile quick --no-default-features --features ssr --no-run "${targets[@]}"
}

# run KIND TEST: runs that test alone.
run() {
    case $1 in
        lib) cargo_test --lib -- --exact "$2" ;;
        integration) cargo_test --test integration -- --exact "$2" ;;
        crash) cargo_test --test crash -- --seed 1 --engine "$2" ;;
    esac
}

# Prints "passed", "failed" or, where the test was not found, crashed or hung, "gave no result".
result_in() {
    local line
    line=$(grep -E '^test result: ' "$1" | tail -n 1 || true)
    case $line in
        "test result: ok. 1 passed; 0 failed"*) echo passed ;;
        "test result: FAILED. 0 passed; 1 failed"*) echo failed ;;
        *) echo "gave no result" ;;
    esac
}

# examine NAME WANTED CATCHER...: builds the copy as it is and runs these tests. Sets `verdict` to WANTED if that is the result
# of each, and otherwise to what went wrong.
examine() {
    local name=$1 wanted=$2 number=0 kind test found kinds
    shift 2
    log=$logs/$name.build.log
    mapfile -t kinds < <(printf '%s\n' "$@" | cut -d ' ' -f 1 | sort -u)
    if ! slowly "$name: build" build "${kinds[@]}"; then
        verdict="does not compile ($log)"
        return
    fi
    verdict=$wanted
    for catcher in "$@"; do
        read -r kind test <<<"$catcher"
        number=$((number + 1))
        log=$logs/$name.$number.log
        slowly "$name: $catcher" run "$kind" "$test" || true
        found=$(result_in "$log")
        if [ "$found" != "$wanted" ]; then
            verdict="$catcher $found ($log)"
            return
        fi
    done
}

names=()
for argument in "$@"; do
    case $argument in
        -h | --help)
            usage
            exit
            ;;
        --list)
            for name in $(names_of_all); do printf '%-24s %s\n' "$name" "$(promise_of "$name")"; done
            exit
            ;;
        *)
            [ -f "$patches/$argument.patch" ] || die "there is no $argument in tests/mutants (scripts/mutants.sh --list names them)"
            names+=("$argument")
            ;;
    esac
done
mapfile -t all < <(names_of_all)
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

have git || die "git is needed: it applies the patches"
"$root/scripts/setup.sh" test
use_toolchain
# Only the crate itself is compiled again for each patch, and of it only what changed.
export CARGO_TARGET_DIR=$work/target CARGO_INCREMENTAL=1 CARGO_TERM_COLOR=never
copy_project
check_that_all_apply "${all[@]}"
say "${#all[@]} patches apply; ${#names[@]} to try"

mapfile -t catchers < <(catchers_of "${names[@]}")
examine unchanged passed "${catchers[@]}"
[ "$verdict" = passed ] || die "nothing is broken yet, and still: $verdict"

summary=()
survivors=0
for name in "${names[@]}"; do
    began=$(date +%s)
    mapfile -t catchers < <(catchers_of "$name")
    apply "$name"
    examine "$name" failed "${catchers[@]}"
    apply "$name" --reverse
    if [ "$verdict" = failed ]; then
        word=caught
        detail=$(promise_of "$name")
    else
        word="NOT CAUGHT"
        detail=$verdict
        survivors=$((survivors + 1))
    fi
    summary+=("$(printf '%-10s  %5s  %-24s %s' "$word" "$(minutes_since "$began")" "$name" "$detail")")
    say "$name: $word"
done
printf '\n'
printf '%s\n' "${summary[@]}"
[ "$survivors" -eq 0 ] || die "$survivors of ${#names[@]} patches were not caught"
say "all ${#names[@]} were caught"
