# shellcheck shell=bash disable=SC2154 # the scripts sourced before this one set what it reads
# The tools around the compiler: wasm-bindgen, wasm-opt and esbuild, cargo-leptos for those who watch, and node. What
# is there in the right version is used, wherever it came from. Sourced by setup.sh after lib.sh, packages.sh and rust.sh.

# 0.3.11 wants a newer Rust than the one that Billhook asks for.
leptos_version=0.3.10
deny_version=0.20.2
machete_version=0.9.2
# Comes from npm, for machines whose own node is older than the tests need.
node_version=22.23.3
npm_version=10.9.4

build_tools=$root/build-tools/node_modules/.bin
cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
own_node=$state/node/node_modules/.bin
own_servers=$state/caddy/usr/bin:$state/nginx/usr/sbin

locked_wasm_bindgen() { awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$root/Cargo.lock"; }

leptos_fits() {
    local version
    version=$(cargo-leptos --version 2>/dev/null | cut -d ' ' -f 2)
    [ "${version%.*}" = "${leptos_version%.*}" ] && at_least "$version" "$leptos_version"
}

wasm_bindgen_fits() { [ "$(wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $(locked_wasm_bindgen)" ]; }

# Tools that only run during a build need no slow optimisation of their own: it would take 20 minutes.
quick_release() {
    env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
        CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback "$@"
}

# Only what the tool's own authors released: quick-install's binaries are built by others.
by_binstall() {
    have cargo-binstall &&
        slowly "$1 $2 by binstall" timeout 300 cargo binstall --no-confirm --locked --disable-strategies compile,quick-install "$1@$2"
}

install_cargo_tools() {
    local bindgen
    bindgen=$(locked_wasm_bindgen)
    if ! wasm_bindgen_fits && ! { by_binstall wasm-bindgen-cli "$bindgen" && wasm_bindgen_fits; }; then
        say "wasm-bindgen $bindgen: about 3 minutes, once"
        slowly "wasm-bindgen" quick_release cargo install wasm-bindgen-cli --version "$bindgen" --locked --force ||
            fail_with_log "wasm-bindgen did not build"
    fi
    case $wanted_for in lint | test) install_lint_tools ;; esac
    [ "$wanted_for" = watch ] || return 0
    if ! leptos_fits && ! { by_binstall cargo-leptos "$leptos_version" && leptos_fits; }; then
        say "cargo-leptos $leptos_version: 12 minutes and more, once"
        slowly "cargo-leptos" quick_release cargo install cargo-leptos --version "$leptos_version" --locked --force \
            --features no_downloads || fail_with_log "cargo-leptos did not build"
    fi
}

# at_version VERSION TOOL: whether the tool is there, in this version or a newer one. One says its name first.
at_version() {
    local version
    version=$("$2" --version 2>/dev/null) && at_least "${version##* }" "$1"
}

# What looks at the licences and sources of all dependencies, and for those that nothing uses.
install_lint_tools() {
    install_lint_tool cargo-deny "$deny_version" "about 2 minutes"
    install_lint_tool cargo-machete "$machete_version" "about 1 minute"
}

install_lint_tool() {
    ! at_version "$2" "$1" || return 0
    ! by_binstall "$1" "$2" || ! at_version "$2" "$1" || return 0
    say "$1 $2: $3, once"
    slowly "$1" quick_release cargo install "$1" --version "$2" --locked --force || fail_with_log "$1 did not build"
}

# The number in end2end's `"node": ">=20"`.
node_for_tests() {
    local number
    number=$(sed -n 's/.*"node": *">=\([0-9]*\).*/\1/p' "$root/end2end/package.json" | head -n 1)
    printf '%s' "${number:-18}"
}

node_at_least() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [ "${version%%.*}" -ge "$1" ]
}

# wasm-opt and esbuild come from npm, and node runs them.
need_node() {
    need_command node nodejs
    need_command npm npm
}

# Debian 12 has node 18. The registry has node itself as a package, and npm with it, because Debian's npm runs
# under Debian's node alone.
install_newer_node() {
    local cpu
    node_at_least "$(node_for_tests)" && return
    case $(uname -m) in
        x86_64) cpu=x64 ;;
        aarch64) cpu=arm64 ;;
        *) die "the tests need node $(node_for_tests) or newer" ;;
    esac
    say "node $node_version for the tests (this machine's is older): about 1 minute, once"
    mkdir -p "$state/node"
    slowly "node $node_version" npm install --prefix "$state/node" --ignore-scripts --no-save --no-package-lock \
        --no-audit --no-fund "node-linux-$cpu@$node_version" "npm@$npm_version" || fail_with_log "npm could not fetch node"
    mkdir -p "$own_node"
    ln -sf "../node-linux-$cpu/bin/node" "$own_node/node"
    hash -r
    node_at_least "$(node_for_tests)" || die "node $node_version does not run here"
}

# The servers of the tests: two reverse proxies and a mail server. Debian's packages are unpacked and not installed, for
# that would start them.
unpack_servers() {
    have caddy || unpack_debian caddy usr/bin/caddy
    have nginx || unpack_debian nginx usr/sbin/nginx
    [ -x /usr/lib/postfix/sbin/master ] || unpack_debian postfix usr/lib/postfix/sbin/master
    hash -r
}

# unpack_debian PACKAGE PROGRAM: into a folder of its own, with the libraries that it wants and this machine lacks.
unpack_debian() {
    local package=$1 program=$2 folder=$state/$1 deb library
    [ ! -x "$folder/$program" ] || return 0
    have apt-get || no_apt
    say "$package, a server of the tests: about 1 minute, once"
    rm -rf "$folder"
    mkdir -p "$folder/packages"
    fetch_debian "$folder" "$package" || { apt_update && fetch_debian "$folder" "$package"; } ||
        fail_with_log "apt-get could not fetch $package"
    for library in $(libraries_of "$folder"/packages/"$package"_*.deb); do
        [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$library" 2>/dev/null)" = installed ] ||
            fetch_debian "$folder" "$library" || fail_with_log "apt-get could not fetch $library, which $package needs"
    done
    for deb in "$folder"/packages/*.deb; do
        dpkg-deb --extract "$deb" "$folder" || die "$deb could not be unpacked"
    done
    [ -x "$folder/$program" ] || die "Debian's package $package has no $program"
}

fetch_debian() { slowly "$2" env -C "$1/packages" apt-get download "$2"; }

# Libraries' packages end with the number of their interface.
libraries_of() {
    dpkg-deb --field "$1" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*[0-9]\)\( .*\)\?$/\1/p'
}

# npm_packages FOLDER WHAT: exactly what the lock file says, when it was not done since the lock file changed.
npm_packages() {
    local done_file=$1/node_modules/.package-lock.json
    [ -e "$done_file" ] && [ ! "$1/package-lock.json" -nt "$done_file" ] && return
    slowly "$2" env -C "$1" PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --no-audit --no-fund ||
        fail_with_log "npm could not install what $1/package-lock.json names"
    touch "$done_file"
}

install_npm_packages() {
    npm_packages "$root/build-tools" "wasm-opt and esbuild from npm"
    case $wanted_for in
        lint | test) npm_packages "$root/end2end" "npm packages of the tests" ;;
        bench) npm_packages "$root/benches/peer" "npm packages of the bench" ;;
    esac
}

# What every later command of a build, a test or a bench sees; see use_toolchain.
write_toolchain() {
    mkdir -p "$state"
    {
        printf '# Written by scripts/setup.sh: the tools that build and test Billhook here.\n'
        printf 'BILLHOOK_RUST=%s\n' "$rust"
        # shellcheck disable=SC2016 # the file's reader has the PATH that counts
        printf 'PATH=%q:$PATH\nexport PATH\n' "$(IFS=: && printf '%s' "${paths[*]}")"
        [ ! -d "$state/postfix" ] || printf 'export POSTFIX=%q\n' "$state/postfix"
        [ -z "${RUSTUP_TOOLCHAIN:-}" ] || printf 'export RUSTUP_TOOLCHAIN=%q\n' "$RUSTUP_TOOLCHAIN"
    } >"$toolchain_file.new"
    mv "$toolchain_file.new" "$toolchain_file"
}

# The chosen tools first, also for the rest of the set-up.
set_paths() {
    paths=("$build_tools" "$own_node" "$own_servers" "$cargo_bin")
    if [ "$rust" = debian ] && have rustup; then
        export RUSTUP_TOOLCHAIN=debian
    elif [ "$rust" = debian ]; then
        paths+=(/usr/bin)
    elif [ "$rust" = pinned ]; then
        export RUSTUP_TOOLCHAIN=$rust_wanted
    fi
    PATH=$(IFS=: && printf '%s' "${paths[*]}"):$PATH
    export PATH
}
