# shellcheck shell=bash disable=SC2154 # the scripts sourced before this one set what it reads
# Chooses the Rust that builds Billhook, for the server and for the browser alike, and brings it into being.
# rustup's is right wherever it can fetch the wasm32 target. Where it cannot, Debian's rustc-web is used: a
# current Rust beside Debian's older one, whose standard library for wasm32 is built here from its own source.
# Sourced by setup.sh after lib.sh and packages.sh.

rust_min=1.94
# What a rustup that has nothing new enough is asked for; it stays beside the person's own toolchains.
rust_wanted=1.95.0
wasm=wasm32-unknown-unknown
debian_rust=(rustc-web cargo-web rust-web-src)

# rustc_of KIND: the compiler of that kind of toolchain.
rustc_of() {
    case $1 in
        debian) /usr/bin/rustc "${@:2}" ;;
        pinned) rustup run "$rust_wanted" rustc "${@:2}" ;;
        *) rustc "${@:2}" ;;
    esac
}

rust_new_enough() {
    local version
    version=$(rustc_of "$1" --version 2>/dev/null | cut -d ' ' -f 2)
    [ -n "$version" ] && at_least "${version%%-*}" "$rust_min"
}

# Where the toolchain looks for the browser's standard library.
wasm_library() { rustc_of "$1" --print target-libdir --target "$wasm" 2>/dev/null; }

has_wasm() {
    local library
    library=$(wasm_library "$1") && compgen -G "$library/libstd-*.rlib" >/dev/null
}

# The library that was built here must be of the compiler that reads it: Debian's updates replace the compiler.
debian_stamp() { printf '%s/billhook-%s' "$(wasm_library debian)" "$(rustc_of debian --version | tr -c 'A-Za-z0-9.\n' _)"; }

rust_ready() {
    rust_new_enough "$1" && has_wasm "$1" || return 1
    [ "$1" != debian ] || { [ -e "$(debian_stamp)" ] && [ -e "$(lld_link)" ]; }
}

# Without the answer of a server that is not there, rustup would try for minutes.
rustup_briefly() { RUSTUP_MAX_RETRIES=1 timeout "$1" rustup "${@:2}"; }

# Sets `rust` to own (the person's cargo), pinned (a rustup toolchain of our choice) or debian. What served the last
# time is taken again as long as it is whole: asking rustup's server at every start would take seconds.
choose_rust() {
    local wish=${BILLHOOK_TOOLCHAIN:-auto} before=
    [ ! -f "$toolchain_file" ] || before=$(sed -n 's/^BILLHOOK_RUST=//p' "$toolchain_file")
    case $wish in
        auto) ;;
        debian) rust=debian && return ;;
        rustup) [ "$before" != debian ] || before= ;;
        *) die "BILLHOOK_TOOLCHAIN must be auto, rustup or debian" ;;
    esac
    if [ -n "$before" ] && rust_ready "$before"; then
        rust=$before
    elif ! try_rustup; then
        [ "$wish" = auto ] || die "rustup has no Rust $rust_min or newer with the target $wasm"
        ! have rustup || say "rustup cannot fetch what is needed: Debian's Rust it is"
        rust=debian
    fi
}

# Debian's rustc-web in PATH is the kind `debian`: its wasm32 library is of our making.
own_is_debian() { [ "$(command -v rustc)" = /usr/bin/rustc ] && [ -d /usr/share/doc/rustc-web ]; }

try_rustup() {
    if own_is_debian; then
        return 1
    elif rust_new_enough own; then
        rust=own
        has_wasm own && return
        have rustup && slowly "wasm32 target by rustup" rustup_briefly 60 target add "$wasm" && has_wasm own && return
    elif have rustup; then
        rust=pinned
        rust_new_enough pinned && has_wasm pinned && return
        say "Rust $rust_wanted by rustup: about 1 minute, once (yours is older than $rust_min and stays)"
        slowly "Rust $rust_wanted" rustup_briefly 300 toolchain install "$rust_wanted" --profile minimal \
            --component rustfmt,clippy --target "$wasm" && has_wasm pinned && return
    fi
    rust=
    return 1
}

newest_lld() { apt-cache pkgnames lld- 2>/dev/null | grep -E '^lld-[0-9]+$' | sort -V | tail -n 1; }

# Asks for Debian's Rust, if this Debian has it and it goes together with what is installed; else gets rustup.
need_debian_rust() {
    local package absent=()
    [ "$rust" = debian ] && ! rust_ready debian || return 0
    have apt-get || { install_rustup; return; }
    ! can_be_root || apt_update
    for package in "${debian_rust[@]}" "$(newest_lld)"; do
        [ -z "$package" ] || dpkg -s "$package" >/dev/null 2>&1 || absent+=("$package")
    done
    if ! can_be_root || apt_could_install "${absent[@]}"; then
        need "${absent[@]}"
    elif [ "$purpose" = system ]; then
        die "this Debian has no Rust $rust_min or newer to install: let the user install it as https://rustup.rs says"
    else
        install_rustup
    fi
}

# After rustup failed and Debian has nothing either: rustup itself, into the person's own folder.
install_rustup() {
    if have curl; then
        say "rustup into ${CARGO_HOME:-$HOME/.cargo}: about 1 minute, once"
        slowly "rustup" sh -c 'curl --proto "=https" --tlsv1.2 -sSf --max-time 60 https://sh.rustup.rs |
            RUSTUP_MAX_RETRIES=1 sh -s -- -y --profile minimal --default-toolchain '"$rust_wanted"' \
            --component rustfmt --component clippy --target '"$wasm"' --no-modify-path' || true
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
        rust=own
        rust_new_enough own && has_wasm own && return
    fi
    die "Billhook needs Rust $rust_min or newer. Install it as https://rustup.rs says, then start again."
}

# Everything that Debian's Rust still lacks once its packages are there.
prepare_debian_rust() {
    [ "$rust" = debian ] || return 0
    if ! rust_ready debian; then
        can_be_root || ask_administrator "Rust's standard library for $wasm"
        link_lld
        build_wasm_library
    fi
    if [ "$purpose" != system ] && have rustup && [ ! -e "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/debian" ]; then
        slowly "rustup: Debian's Rust under the name debian" rustup toolchain link debian /usr ||
            fail_with_log "rustup could not link Debian's Rust"
    fi
}

lld_link() {
    local host
    host=$(rustc_of debian -vV | sed -n 's/^host: //p')
    printf '%s/lib/rustlib/%s/bin/rust-lld' "$(rustc_of debian --print sysroot)" "$host"
}

link_lld() {
    local link lld
    link=$(lld_link)
    [ ! -e "$link" ] || return 0
    lld=$(find /usr/bin -name 'lld-[0-9]*' | sort -V | tail -n 1)
    [ -n "$lld" ] || die "the linker lld is not installed"
    as_root mkdir -p "$(dirname "$link")"
    as_root ln -sfn "$lld" "$link"
}

# An empty crate makes cargo compile the standard library; the result goes where a target's library lives.
build_wasm_library() {
    local work library kept
    say "Rust's standard library for the browser: about 2 minutes, once"
    work=$(mktemp -d)
    mkdir "$work/src"
    printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/Cargo.toml"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    slowly "wasm32 standard library" env -C "$work" RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR="$work/target" \
        /usr/bin/cargo build --release -Zbuild-std=std,panic_abort,panic_unwind,proc_macro --target "$wasm" ||
        { rm -rf "$work"; fail_with_log "Rust's standard library for $wasm did not build"; }
    kept=("$work/target/$wasm/release/deps/"lib*.rlib)
    library=$(wasm_library debian)
    as_root mkdir -p "$library"
    as_root find "$library" -maxdepth 1 \( -name 'lib*.rlib' -o -name 'billhook-*' \) -delete
    as_root install -m 644 "${kept[@]}" "$library/"
    as_root find "$library" -maxdepth 1 -name 'libempty-*' -delete
    as_root touch "$(debian_stamp)"
    rm -rf "$work"
}

# Formatter and linter, which no build wants.
need_rust_lints() {
    if [ "$rust" = debian ]; then
        [ -x /usr/bin/cargo-fmt ] || need rustfmt-web
        [ -x /usr/bin/cargo-clippy ] || need rust-web-clippy
    elif [ "$rust" = own ] && have rustup && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
        slowly "rustfmt and clippy" rustup_briefly 120 component add rustfmt clippy ||
            fail_with_log "rustup could not fetch rustfmt and clippy"
    fi
}
