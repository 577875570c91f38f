//! The names of the site's files. The build puts a hash of its bytes into the name of each that pages load,
//! and lists them in `assets.json`: a file of such a name never changes, so browsers keep it for good.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::config;

/// The list that the build writes beside the files.
const LIST: &str = "assets.json";

/// From names in the source to those of the build. Empty where no build made them: under
/// `cargo leptos watch`, and in tests.
static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let root = config::leptos_from_environment()
        .map_or_else(config::site_root, |options| options.site_root.to_string());
    std::fs::read(Path::new(&root).join(LIST))
        .ok()
        .and_then(|list| serde_json::from_slice(&list).ok())
        .unwrap_or_default()
});

/// What a build without [`LIST`] has in any case.
const USUAL: [&str; 3] = [
    "/pkg/billhook.css",
    "/pkg/billhook.js",
    "/pkg/billhook.wasm",
];

/// The first of the site's files that is not there. `cargo leptos watch` makes them while it runs.
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

/// Where a file such as `/pkg/billhook.css` is.
pub fn url(name: &'static str) -> &'static str {
    NAMES.get(name).map_or(name, String::as_str)
}

/// Whether the name of a file says what is in it.
pub fn is_hashed(path: &str) -> bool {
    NAMES.values().any(|name| name == path)
}
