//! What the documents point at is there: files that they link to, headings, and paths that they name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Folders whose files documents may name, from the root.
const FOLDERS: [&str; 8] = [
    "benches/",
    "docs/",
    "end2end/",
    "migrations/",
    "scripts/",
    "src/",
    "style/",
    "tests/",
];
/// Not ours, or made by a build.
const FOREIGN: [&str; 5] = [".git", "node_modules", "target", "test-results", "data"];

fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !FOREIGN.contains(&name.as_ref()) {
            found.extend(documents(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// The targets of links and pictures: `[…](target)` and `src="target"`.
fn targets(text: &str) -> Vec<&str> {
    let links = text.split("](").skip(1).map(|rest| rest.split(')'));
    let pictures = text.split("src=\"").skip(1);
    let links = links.filter_map(|mut parts| parts.next());
    let pictures = pictures.filter_map(|rest| rest.split('"').next());
    links.chain(pictures).collect()
}

/// Names of headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter => letter.is_alphanumeric().then_some(letter),
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

/// Paths of files or folders of ours that stand in backticks. One with a placeholder names no file.
fn paths(text: &str) -> Vec<&str> {
    let quoted = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_path = |text: &&str| {
        FOLDERS.iter().any(|folder| text.starts_with(folder))
            && !text.contains(['*', '<', '…', ' ', ':', '{'])
    };
    quoted.filter(is_path).collect()
}

#[test]
fn documents_point_at_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for document in documents(root) {
        let text = fs::read_to_string(&document).unwrap();
        let name = document.strip_prefix(root).unwrap().display();
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let is_there = match anchor {
                "" => file.exists(),
                anchor => {
                    fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(anchor))
                }
            };
            if !is_there {
                faults.push(format!("{name} links to {target}"));
            }
        }
        // Of older versions the changelog says what was right then.
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let home = document.parent().unwrap();
        for path in paths(&text) {
            if !root.join(path).exists() && !home.join(path).exists() {
                faults.push(format!("{name} names {path}"));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "these are not there:\n{}",
        faults.join("\n")
    );
}

#[test]
fn links_headings_and_paths_are_found() {
    let text = "# What it _is_: a `test`\n[a](b.md#c) and ![d](e.png), <img src=\"f.png\">, `src/a.rs`, `tests/<noun>.rs`, `x`";
    assert_eq!(targets(text), ["b.md#c", "e.png", "f.png"]);
    assert_eq!(paths(text), ["src/a.rs"]);
    assert!(anchors(text).contains("what-it-_is_-a-test"));
}
