//! The names of the site's files. The build puts a hash of its bytes into the name of each that pages load,
//! and lists them in `assets.json`: a file of such a name never changes, so browsers keep it for good.

use std::{collections::HashMap, path::Path, sync::LazyLock};

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

/// Where a file such as `/pkg/billhook.css` is.
pub fn url(name: &'static str) -> &'static str {
    NAMES.get(name).map_or(name, String::as_str)
}

/// Whether the name of a file says what is in it.
pub fn is_hashed(path: &str) -> bool {
    NAMES.values().any(|name| name == path)
}
