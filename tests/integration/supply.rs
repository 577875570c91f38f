//! What the program is made of: where it comes from, under which licences, and that none of it can
//! change unseen. `deny.toml` says the same to cargo-deny, which `make lint` runs.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// npm writes no hash of a package for other machines that it could not fetch. These are Stripe's
/// command line, which only the tests use.
const UNPINNED: [&str; 4] = [
    "node_modules/@stripe/cli-darwin-arm64",
    "node_modules/@stripe/cli-darwin-x64",
    "node_modules/@stripe/cli-linux-arm64",
    "node_modules/@stripe/cli-win32-x64",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// The packages of `Cargo.lock`, each as its lines.
fn locked() -> Vec<String> {
    let lock = read("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    packages.map(str::to_owned).collect()
}

/// The value of a line `key = "value"`.
fn value<'a>(lines: &'a str, key: &str) -> Option<&'a str> {
    lines.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        rest.strip_suffix('"')
    })
}

#[test]
fn checklist_73_every_crate_is_of_the_registry_and_has_a_checksum() {
    let packages = locked();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages {
        // Our own.
        if matches!(
            value(&package, "name"),
            Some("billhook" | "billhook-sandbox")
        ) {
            continue;
        }
        assert_eq!(value(&package, "source"), Some(REGISTRY), "{package}");
        let checksum = value(&package, "checksum").unwrap_or_default();
        assert_eq!(checksum.len(), 64, "{package}");
    }
}

#[test]
fn checklist_73_every_npm_package_has_a_hash_and_no_place_of_its_own() {
    for folder in ["build-tools", "end2end", "benches/peer"] {
        let lock: Value =
            serde_json::from_str(&read(&format!("{folder}/package-lock.json"))).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 1, "{folder}");
        for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
            let text = |key: &str| package[key].as_str().unwrap_or_default();
            // Without one it comes from the registry that npm is set to, and has to fit its hash.
            let place = text("resolved");
            assert!(
                place.is_empty() || place.starts_with("https://registry.npmjs.org/"),
                "{folder}: {path} comes from {place}"
            );
            let is_pinned = text("integrity").starts_with("sha512-");
            assert_ne!(
                is_pinned,
                UNPINNED.contains(&path.as_str()),
                "{folder}: {path}"
            );
        }
    }
}

/// Of both halves of the program, as `cargo deny` sees them.
#[test]
fn checklist_73_every_licence_is_one_that_deny_toml_allows() {
    let deny = read("deny.toml");
    let allowed: BTreeSet<_> = deny
        .lines()
        .filter_map(|line| line.strip_prefix("    \"")?.strip_suffix("\","))
        .collect();
    assert!(allowed.contains("MIT"), "{allowed:?}");
    let mut used = BTreeSet::new();
    for (features, target) in [
        ("ssr", host()),
        ("hydrate", "wasm32-unknown-unknown".into()),
    ] {
        for package in packages(features, &target) {
            let licence = package["license"].as_str().unwrap_or_default();
            assert!(
                allows(&allowed, licence),
                "{} is under {licence:?}",
                package["name"]
            );
            used.extend(allowed.iter().filter(|name| licence.contains(**name)));
        }
    }
    assert_eq!(used, allowed, "what is allowed is also needed");
}

#[test]
fn checklist_73_what_deny_toml_bans_is_not_there() {
    let deny = read("deny.toml");
    let banned: Vec<_> = deny
        .lines()
        .filter_map(|line| line.strip_prefix("    { crate = \"")?.split('"').next())
        .collect();
    assert_eq!(banned.len(), 4, "{banned:?}");
    for package in locked() {
        let name = value(&package, "name").unwrap_or_default();
        assert!(!banned.contains(&name), "{name}");
    }
}

#[test]
fn checklist_73_unsafe_is_forbidden_in_our_code() {
    let lints = "\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    assert!(read("Cargo.toml").contains(lints));
    for package in ["Cargo.toml", "sandbox/Cargo.toml"] {
        assert!(
            read(package).contains("\n[lints]\nworkspace = true\n"),
            "{package}"
        );
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The machine's own triple.
fn host() -> String {
    let about = cargo(&["--version", "--verbose"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

fn packages(features: &str, target: &str) -> Vec<Value> {
    let output = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--no-default-features",
        "--features",
        features,
        "--filter-platform",
        target,
    ]);
    let metadata: Value = serde_json::from_str(&output).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{features}: {}", packages.len());
    packages.clone()
}

/// Whether an SPDX expression can be met. `/` is how `OR` was written once.
fn allows(allowed: &BTreeSet<&str>, licence: &str) -> bool {
    let spaced = licence.replace('/', " OR ");
    let spaced = spaced.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    any_of(allowed, &mut words) && words.is_empty()
}

fn any_of(allowed: &BTreeSet<&str>, words: &mut &[&str]) -> bool {
    let mut met = all_of(allowed, words);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        met |= all_of(allowed, words);
    }
    met
}

fn all_of(allowed: &BTreeSet<&str>, words: &mut &[&str]) -> bool {
    let mut met = one(allowed, words);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        met &= one(allowed, words);
    }
    met
}

fn one(allowed: &BTreeSet<&str>, words: &mut &[&str]) -> bool {
    let Some((first, rest)) = words.split_first() else {
        return false;
    };
    *words = rest;
    if *first == "(" {
        let met = any_of(allowed, words);
        return words.split_off_first() == Some(&")") && met;
    }
    // An exception is a licence of its own.
    if words.first() == Some(&"WITH") {
        *words = words.get(2..).unwrap_or_default();
        return false;
    }
    allowed.contains(first)
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for (licence, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR GPL-3.0) AND BSD-3-Clause", false),
        ("MIT WITH exception OR ISC", true),
        ("MIT WITH exception", false),
        ("(MIT", false),
        ("MIT)", false),
    ] {
        assert_eq!(allows(&allowed, licence), met, "{licence}");
    }
}

/// What customers load is made by these tools.
#[test]
fn checklist_73_tools_are_installed_locked() {
    let scripts = std::fs::read_dir(format!("{ROOT}/scripts")).unwrap();
    let mut installs = 0;
    for script in scripts {
        let path = script.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim) {
            let is_of_cargo = line.contains("cargo install") || line.contains("cargo binstall");
            let is_of_npm = line.contains("npm ci") || line.contains("npm install");
            if line.starts_with('#') || !(is_of_cargo || is_of_npm) {
                continue;
            }
            installs += 1;
            if is_of_cargo {
                assert!(line.contains("--locked"), "{}: {line}", path.display());
            }
            if line.contains("binstall") {
                assert!(line.contains("quick-install"), "others' binaries: {line}");
            }
            // Node itself, for the tests alone, has no lock file: its version is named.
            if line.contains("npm install") {
                assert!(line.contains("$state/node"), "{}: {line}", path.display());
            }
        }
    }
    assert!(installs >= 4, "{installs}");
    let lock: Value = serde_json::from_str(&read("build-tools/package-lock.json")).unwrap();
    for (name, package) in lock["packages"].as_object().unwrap() {
        assert!(
            name.is_empty() || package["integrity"].is_string(),
            "{name}"
        );
    }
}
