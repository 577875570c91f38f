# shellcheck shell=bash disable=SC2154 # the scripts sourced before this one set what it reads
# Debian packages: which are missing, and how they get in. Each step names what it lacks with `need`; one
# installation then brings all of it. Nothing that is installed is ever removed. Sourced by setup.sh after lib.sh.

missing=()
updated=no

need() { missing+=("$@"); }

need_command() { have "$1" || need "${@:2}"; }

# Package lists may be old, or absent altogether on a fresh machine.
apt_update() {
    [ "$updated" = no ] || return 0
    have apt-get || no_apt
    slowly "list of Debian packages" as_root apt-get update || fail_with_log "apt-get update failed"
    updated=yes
}

# Whether these packages exist here and would push nothing else out.
apt_could_install() { apt-get install --simulate --no-remove --no-install-recommends "$@" >>"$log" 2>&1; }

no_apt() {
    die "there is no apt-get here. Install by your own means what is missing, then start again: ${missing[*]}"
}

# What no user but root can do, and who cannot be root here.
ask_administrator() {
    local command="$root/scripts/setup.sh system $wanted_for"
    [ "$rust" = debian ] && command="$command debian" || command="$command rustup"
    if have sudo; then command="sudo $command"; else command="su -c '$command'"; fi
    say "missing: $*" >&2
    say "An administrator must run this once; then start again:" >&2
    printf '\n    %s\n\n' "$command" >&2
    exit 1
}

install_packages() {
    [ ${#missing[@]} -gt 0 ] || return 0
    have apt-get || no_apt
    can_be_root || ask_administrator "${missing[*]}"
    say "Debian packages (${missing[*]}): about 3 minutes, once"
    apt_update
    keep_postgres_quiet
    slowly "Debian packages" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-remove --no-install-recommends "${missing[@]}" ||
        { forget_postgres_wish; fail_with_log "apt-get could not install: ${missing[*]}"; }
    forget_postgres_wish
    hash -r
    missing=()
}

# Debian's package sets up a database server and starts it. The tests run their own, so there is no need for one:
# this file says so while the package is installed.
postgres_wish=/etc/postgresql-common/createcluster.d/billhook-tests.conf

keep_postgres_quiet() {
    case " ${missing[*]} " in
        *" postgresql "*)
            as_root mkdir -p "${postgres_wish%/*}"
            printf 'create_main_cluster = false\n' | as_root tee "$postgres_wish" >/dev/null
            ;;
    esac
}

forget_postgres_wish() { [ ! -e "$postgres_wish" ] || as_root rm -f "$postgres_wish"; }

# A compiler for the C in SQLite and in the TLS library, and certificates for every download.
need_basics() {
    need_command cc gcc
    [ -e /usr/include/stdlib.h ] || need libc6-dev
    need_command pkg-config pkg-config
    need_command git git
    [ -s /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
}

# Browsers of all three engines with at least one font, a screen that nobody sees for the one that needs it, certificates
# for the servers, and Postgres.
need_for_tests() {
    [ -n "$(find_chromium)" ] || need chromium
    [ -n "$(find_firefox)" ] || need firefox-esr
    need_command WebKitWebDriver webkit2gtk-driver
    need_command Xvfb xvfb
    need_command openssl openssl
    compgen -G '/usr/share/fonts/*type/*' >/dev/null || need fonts-dejavu-core
    need_postgres
}

need_postgres() { [ -n "$(postgres_bin)" ] || need postgresql; }
