//! Modules use those below them alone, so that each can be read without those above.

use std::{fs, path::PathBuf};

/// Each layer with those that it may use.
const LAYERS: [(&str, &[&str]); 10] = [
    ("wire", &[]),
    ("shapes", &["wire"]),
    ("state", &["wire"]),
    ("storage", &["state"]),
    ("objects", &["shapes", "state", "wire"]),
    ("delivery", &["objects", "state", "wire"]),
    ("seed", &["objects", "shapes", "state", "wire"]),
    ("pages", &["objects", "shapes", "state", "wire"]),
    ("routes", &["objects", "shapes", "state", "wire"]),
    ("router", &["pages", "routes", "state", "wire"]),
];

#[test]
fn no_module_uses_one_above_it() {
    let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut seen = 0;
    for (layer, below) in LAYERS {
        let mut waiting = vec![source.join(layer), source.join(format!("{layer}.rs"))];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(
                    fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            seen += 1;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(
                !code.contains("super::"),
                "{}: name it by crate::",
                path.display()
            );
            for import in code.split("crate::").skip(1) {
                let import = import.split(';').next().unwrap_or_default();
                for word in import.split(|c: char| !c.is_alphanumeric() && c != '_') {
                    let is_layer = LAYERS.iter().any(|(name, _)| *name == word);
                    assert!(
                        !is_layer || word == layer || below.contains(&word),
                        "{} uses {word}",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(seen > 80, "{seen}");
}
