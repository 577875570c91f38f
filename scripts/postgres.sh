#!/usr/bin/env bash
# A Postgres cluster of the tests' own: in a temporary folder, on a free port of the loopback address, with a password,
# and without the care for power cuts that makes a real one slow. It needs Debian's `postgresql` installed, not running.
#
#   scripts/postgres.sh start [--durable]   prints its folder and, on the next line, the URL of the database
#   scripts/postgres.sh stop FOLDER         stops it and removes the folder
#
#   --durable    with that care, as Postgres comes
#
# The URL is that of `billhook_test`, who owns the database, may make roles and databases, and is no superuser: row-level
# security binds it as it does in production.
set -euo pipefail

script=postgres
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Postgres refuses to run as root.
unprivileged() {
    local user=postgres
    if is_root; then
        id postgres >/dev/null 2>&1 || user=nobody
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups env -C / HOME=/nonexistent "$@"
    else
        "$@"
    fi
}

random_word() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

make_cluster() {
    local secret=$folder/secret
    (umask 077 && printf '%s' "$1" >"$secret")
    if is_root; then
        chown -R "$(unprivileged id -u):$(unprivileged id -g)" "$folder"
    fi
    unprivileged "$bin/initdb" --pgdata="$folder/data" --username=postgres --pwfile="$secret" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >"$messages" 2>&1 || fail "initdb failed"
    cat <<'SETTINGS' | unprivileged tee -a "$folder/data/postgresql.conf" >/dev/null
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
SETTINGS
    [ "$durable" = yes ] || cat <<'SETTINGS' | unprivileged tee -a "$folder/data/postgresql.conf" >/dev/null
fsync = off
synchronous_commit = off
full_page_writes = off
SETTINGS
}

# Below the range from which the system hands out ports by itself. A port that somebody has is met by trying another.
start_cluster() {
    local attempt
    for attempt in 1 2 3 4 5 6 7 8; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        unprivileged "$bin/pg_ctl" start --wait --silent --timeout=60 --pgdata="$folder/data" --log="$folder/log" \
            --options="-p $port" >>"$messages" 2>&1 && return
        grep -q 'could not bind\|could not create any TCP' "$folder/log" || break
    done
    cat "$folder/log" >>"$messages" 2>/dev/null || true
    fail "Postgres did not start (try $attempt)"
}

# What Postgres keeps of a password: as it would make it by itself, but that it is hashed once and not 4096 times over. The tests
# open thousands of connections, and half of their time went into this hash. The password is random and longer than a guess.
kept_of() {
    if [ "$durable" = yes ] || ! have node; then
        printf '%s' "$1"
        return
    fi
    node - "$1" <<'SCRIPT'
const { createHash, createHmac, pbkdf2Sync, randomBytes } = require('node:crypto');
const [rounds, salt] = [1, randomBytes(16)];
const salted = pbkdf2Sync(process.argv[2], salt, rounds, 32, 'sha256');
const of = (text) => createHmac('sha256', salted).update(text).digest();
const stored = createHash('sha256').update(of('Client Key')).digest('base64');
process.stdout.write(`SCRAM-SHA-256$${rounds}:${salt.toString('base64')}$${stored}:${of('Server Key').toString('base64')}`);
SCRIPT
}

# Some roles, and the database that the URL names.
make_database() {
    local kept
    kept=$(kept_of "$2")
    PGPASSWORD=$1 "$bin/psql" --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --host=127.0.0.1 --port="$port" \
        --username=postgres --dbname=postgres >>"$messages" 2>&1 <<SQL || fail "the test role could not be made"
create role billhook_test login createrole createdb nosuperuser nobypassrls password '$kept';
create database billhook_test owner billhook_test;
SQL
}

fail() {
    tail -n 20 "$messages" >&2
    stop "$folder"
    rm -f "$messages"
    die "$1"
}

start() {
    local master word
    bin=$(postgres_bin)
    [ -n "$bin" ] || die "no Postgres server is installed (Debian: postgresql)"
    folder=$(mktemp -d "${TMPDIR:-/tmp}/billhook-postgres.XXXXXX")
    messages=$(mktemp)
    trap 'fail "stopped while starting"' INT TERM
    master=$(random_word)
    word=$(random_word)
    make_cluster "$master"
    start_cluster
    make_database "$master" "$word"
    rm -f "$messages"
    printf '%s\n%s\n' "$folder" "postgres://billhook_test:$word@127.0.0.1:$port/billhook_test"
}

stop() {
    local bin
    bin=$(postgres_bin)
    if [ -e "$1/data/postmaster.pid" ]; then
        unprivileged "$bin/pg_ctl" stop --silent --mode=immediate --pgdata="$1/data" >/dev/null 2>&1 || true
    fi
    rm -rf "$1"
}

durable=no
case ${1:-} in
    start)
        case ${2:-} in
            "") ;;
            --durable) durable=yes ;;
            *) die "usage: scripts/postgres.sh start [--durable] | stop FOLDER" ;;
        esac
        start
        ;;
    stop)
        case ${2:-} in
            */billhook-postgres.*) stop "$2" ;;
            *) die "usage: scripts/postgres.sh stop FOLDER" ;;
        esac
        ;;
    *) die "usage: scripts/postgres.sh start [--durable] | stop FOLDER" ;;
esac
