# shellcheck shell=bash
# A run that has parts: each is named and timed, and a summary at the end has a line for each, whatever became of it.
# Sourced after lib.sh.

summary=()
failures=0
# What a part answers that cannot be done here. It is told in the summary, and is no failure.
not_possible=77

# part NAME WHERE COMMAND...: runs one part, and notes how it went, how long it took and where to read on if it failed.
part() {
    local name=$1 where=$2 began status=0
    shift 2
    began=$(date +%s)
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    case $status in
        0) summary+=("ok        $(minutes_since "$began")  $name") ;;
        "$not_possible") summary+=("skipped   $(minutes_since "$began")  $name: ${why_not:-it cannot be done here}") && status=0 ;;
        *)
            summary+=("FAILED    $(minutes_since "$began")  $name ($where)")
            failures=$((failures + 1))
            ;;
    esac
    return "$status"
}

print_summary() {
    printf '\n'
    printf '%s\n' "${summary[@]}"
}
