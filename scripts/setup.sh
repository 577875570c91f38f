#!/usr/bin/env bash
# Brings in what is missing on this machine to run, test, build or lint Billhook, and nothing else. It asks nothing,
# says what it installs and how long that takes, and is done in a moment when nothing is missing.
#
#   scripts/setup.sh run|build|test|bench|lint|fmt|watch
#   scripts/setup.sh system run|build|test|bench|lint|fmt|watch debian|rustup    the part that needs root, for an administrator
#
# BILLHOOK_TOOLCHAIN=auto|rustup|debian chooses the Rust (auto: rustup's where it can fetch the wasm32 target).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
purpose=${1:-}
if [ "$purpose" = system ]; then
    BILLHOOK_STATE=$(mktemp -d)
    trap 'rm -rf "$BILLHOOK_STATE"' EXIT
fi
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"
# shellcheck source=scripts/rust.sh
. "$here/rust.sh"
# shellcheck source=scripts/tools.sh
. "$here/tools.sh"

usage() { die "usage: scripts/setup.sh run|build|test|bench|lint|fmt|watch"; }

install_system_parts() {
    need_basics
    need_debian_rust
    case $wanted_for in lint | fmt | test) need_rust_lints ;; esac
    case $wanted_for in lint | test) need_command shellcheck shellcheck ;; esac
    need_node
    [ "$wanted_for" != test ] || need_for_tests
    [ "$wanted_for" != bench ] || need_postgres
    install_packages
    prepare_debian_rust
}

set_up_for_user() {
    mkdir -p "$state"
    : >"$log"
    PATH=$cargo_bin:$PATH
    choose_rust
    install_system_parts
    set_paths
    install_cargo_tools
    case $wanted_for in lint | test | bench) install_newer_node ;; esac
    [ "$wanted_for" != test ] || unpack_servers
    install_npm_packages
    write_toolchain
}

case $purpose in
    run | build | test | bench | lint | fmt | watch)
        wanted_for=$purpose
        set_up_for_user
        ;;
    system)
        wanted_for=${2:-}
        rust=${3:-}
        case $wanted_for:$rust in
            run:* | build:* | test:* | bench:* | lint:* | fmt:* | watch:*) ;;
            *) usage ;;
        esac
        case $rust in
            debian) ;;
            rustup) rust=own ;;
            *) usage ;;
        esac
        is_root || die "this part is for root"
        install_system_parts
        say "done; now start again as yourself"
        ;;
    *) usage ;;
esac
