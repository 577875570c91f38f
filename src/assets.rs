//! Names of the site's static files. The build puts a content hash into the name of each file that pages load, and lists the names
//! in `assets.json`. A file with a hashed name never changes, so browsers cache it for good.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::config;

/// The manifest that the build writes beside the files.
const LIST: &str = "assets.json";

/// Maps names in the source to hashed names. Empty without a build: under `cargo leptos watch`, and in tests.
static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let root = config::leptos_from_environment()
        .map_or_else(config::site_root, |options| options.site_root.to_string());
    std::fs::read(Path::new(&root).join(LIST))
        .ok()
        .and_then(|list| serde_json::from_slice(&list).ok())
        .unwrap_or_default()
});

/// Files that every build has, even without [`LIST`].
const USUAL: [&str; 3] = [
    "/pkg/billhook.css",
    "/pkg/billhook.js",
    "/pkg/billhook.wasm",
];

/// The first missing file of the site. `cargo leptos watch` creates the files while the server runs.
pub fn missing() -> Option<PathBuf> {
    if config::leptos_from_environment().is_some() {
        return None;
    }
    let root = PathBuf::from(config::site_root());
    let names: Vec<&str> = match NAMES.is_empty() {
        true => USUAL.to_vec(),
        false => NAMES.values().map(String::as_str).collect(),
    };
    let files = names
        .into_iter()
        .map(|name| root.join(name.trim_start_matches('/')));
    files.filter(|file| !file.is_file()).min()
}

/// The URL path of a file such as `/pkg/billhook.css`.
pub fn url(name: &'static str) -> &'static str {
    NAMES.get(name).map_or(name, String::as_str)
}

/// Whether the file's name contains a content hash.
pub fn is_hashed(path: &str) -> bool {
    NAMES.values().any(|name| name == path)
}
