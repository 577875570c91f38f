# shellcheck shell=bash
# What every script here shares: the project's folders, how a person is told about progress, and how root is
# reached. It is sourced, never run. A slow command writes to a log; a terminal shows one line that moves, a
# plain output one line now and then, and the end of the log is shown only when the command fails.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${BILLHOOK_STATE:-$root/target}
log=$state/setup.log
toolchain_file=$state/toolchain.env

say() { printf '%s: %s\n' "${script:-setup}" "$*"; }

# The last words of a script that cannot go on.
die() {
    printf '%s: %s\n' "${script:-setup}" "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# True when version $1 is $2 or newer; both are numbers with dots.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

minutes_since() { printf '%d:%02d' $((($(date +%s) - $1) / 60)) $((($(date +%s) - $1) % 60)); }

running=
# The command and all that it started: `slowly` gives each a process group of its own.
stop_running() { [ -z "$running" ] || kill -- "-$running" 2>/dev/null || true; }

# slowly WHAT COMMAND...: runs the command into the log, says what it is doing while it runs, how long it took
# when it is done, and why when it failed. Gives the command's own exit status.
slowly() {
    local what=$1 began status=0
    shift
    began=$(date +%s)
    mkdir -p "$state"
    printf '\n== %s: %s\n' "$what" "$*" >>"$log"
    trap 'stop_running; exit 130' INT
    trap 'stop_running; exit 143' TERM
    set -m
    "$@" >>"$log" 2>&1 </dev/null &
    running=$!
    set +m
    show_life "$what" "$began"
    wait "$running" || status=$?
    running=
    trap - INT TERM
    if [ "$status" -eq 0 ]; then
        say "$what: done in $(minutes_since "$began")"
    fi
    return "$status"
}

# Until the running command ends: a moving line on a terminal, elsewhere one line every two minutes.
show_life() {
    local what=$1 began=$2 next=120 columns=${COLUMNS:-80} line
    while kill -0 "$running" 2>/dev/null; do
        if [ -t 1 ]; then
            line=$(tail -c 400 "$log" | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1 || true)
            line="  $(minutes_since "$began")  $line"
            printf '\r\033[K%s' "${line:0:$((columns - 1))}"
        elif [ $(($(date +%s) - began)) -ge "$next" ]; then
            say "$what: still at it after $((next / 60)) min"
            next=$((next + 120))
        fi
        sleep 0.2
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

# What the log says of a failure: the compiler's errors if there are any, else its last lines. Ends the script.
fail_with_log() {
    local first
    first=$(grep -nP -m 1 '^(\x1b\[[0-9;]*m)*error' "$log" | cut -d : -f 1 || true)
    printf '\n' >&2
    if [ -n "$first" ]; then
        tail -n "+$first" "$log" | grep -vE '^ +(Compiling|Downloaded|Checking) ' | head -n 60 >&2 || true
    else
        tail -n 30 "$log" >&2
    fi
    die "$1 (all of it: $log)"
}

is_root() { [ "$(id -u)" -eq 0 ]; }

can_be_root() { is_root || sudo -n true >/dev/null 2>&1; }

as_root() {
    if is_root; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Puts the toolchain that setup chose into this shell.
use_toolchain() {
    [ -f "$toolchain_file" ] || die "$toolchain_file is not there: run scripts/setup.sh first"
    # shellcheck source=/dev/null
    . "$toolchain_file"
}

# Postgres' own folder of programs: Debian keeps them out of PATH.
postgres_bin() {
    local found
    found=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] || found=$(command -v initdb || true)
    [ -z "$found" ] || dirname "$found"
}

# The first of these programs that is there; an empty name stands for a variable that nobody set.
first_of() {
    local name
    for name in "$@"; do
        if [ -n "$name" ] && have "$name"; then
            command -v "$name"
            return
        fi
    done
}

# The browsers of the tests: the one that is named in CHROMIUM and FIREFOX, or the first of the usual names.
find_chromium() { first_of "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; }

find_firefox() { first_of "${FIREFOX:-}" firefox-esr firefox; }
