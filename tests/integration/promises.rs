//! `docs/promises.md` against the tests: a promise is claimed where tests prove it, and nowhere else. Read from the sources,
//! so that a test that did not run is no excuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const PROMISES: u32 = 95;
const CLAIMED: &str = " — claimed";
const OPEN: &str = " — not claimed yet";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A line of the list.
#[derive(Debug, PartialEq)]
struct Promise {
    is_claimed: bool,
    /// Tests and runs that carry no number, as they are named after it.
    named: Vec<String>,
}

/// The promises by number, and what is wrong with the list.
fn promises(text: &str) -> (BTreeMap<u32, Promise>, Vec<String>) {
    let (mut promises, mut faults) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        let Some((number, rest)) = line.split_once(". ") else {
            continue;
        };
        let Ok(number) = number.parse() else {
            continue;
        };
        let promise = if rest.ends_with(OPEN) {
            Promise {
                is_claimed: false,
                named: Vec::new(),
            }
        } else if let Some((_, named)) = rest.rsplit_once(CLAIMED) {
            Promise {
                is_claimed: true,
                named: quoted(named),
            }
        } else {
            faults.push(format!(
                "{number} says neither `claimed` nor `not claimed yet`"
            ));
            continue;
        };
        if promises.insert(number, promise).is_some() {
            faults.push(format!("{number} stands twice"));
        }
    }
    for number in (1..=PROMISES).filter(|number| !promises.contains_key(number)) {
        faults.push(format!("{number} is missing"));
    }
    (promises, faults)
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The names of all tests in a file of Rust.
fn tests_in_rust(source: &str) -> BTreeSet<String> {
    let (mut found, mut is_test, mut in_list) = (BTreeSet::new(), false, false);
    for line in source.lines().map(str::trim) {
        if in_list || line.starts_with("on_both_engines!(") {
            let names = line.trim_start_matches("on_both_engines!(");
            in_list = !names.contains(')');
            let names = names.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            found.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, name)) = line.split_once("fn ") {
            found.extend(name.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
    }
    found
}

/// The numbers that titles of browser tests begin with: `'checklist 2, 35: …'`.
fn numbers_in_titles(source: &str) -> BTreeSet<u32> {
    let titles = ["'checklist ", "\"checklist ", "`checklist "];
    let titles = titles.iter().flat_map(|start| source.split(start).skip(1));
    let lists = titles.filter_map(|title| title.split_once(": "));
    lists
        .flat_map(|(list, _)| list.split(", "))
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn number_of(test: &str) -> Option<u32> {
    let (number, _) = test.strip_prefix("checklist_")?.split_once('_')?;
    number.parse().ok()
}

/// The files below a folder whose names end so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !["node_modules", "target"].contains(&name.as_ref()) {
            found.extend(files(&path, end));
        } else if name.ends_with(end) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_claimed_promise_has_tests_and_every_numbered_test_a_promise() {
    let text = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let (promises, mut faults) = promises(&text);
    let (mut tests, mut proven) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["src", "tests", "sandbox"] {
        for file in files(&root().join(folder), ".rs") {
            tests.extend(tests_in_rust(&fs::read_to_string(file).unwrap()));
        }
    }
    proven.extend(tests.iter().filter_map(|test| number_of(test)));
    for file in files(&root().join("end2end"), ".spec.ts") {
        proven.extend(numbers_in_titles(&fs::read_to_string(file).unwrap()));
    }
    for (number, promise) in &promises {
        for name in &promise.named {
            let is_there = match name.contains('/') {
                true => root().join(name).is_file(),
                false => tests.contains(name),
            };
            if !is_there {
                faults.push(format!("{number} names `{name}`, which is no test"));
            }
        }
        match promise.is_claimed {
            true if promise.named.is_empty() && !proven.contains(number) => {
                faults.push(format!("{number} is claimed, and no test proves it"));
            }
            false if proven.contains(number) => {
                faults.push(format!("{number} has tests, and is not claimed"));
            }
            _ => {}
        }
    }
    for number in proven
        .iter()
        .filter(|number| !promises.contains_key(number))
    {
        faults.push(format!(
            "tests carry the number {number}, which is no promise"
        ));
    }
    assert!(
        faults.is_empty(),
        "docs/promises.md:\n{}",
        faults.join("\n")
    );
}

#[test]
fn promises_and_tests_are_read_as_they_are_written() {
    let list = (1..=PROMISES).map(|number| match number {
        2 => "2. It is open. — not claimed yet\n".to_owned(),
        3 => "3. `.env` is read. — claimed: `one`, `tests/run/main.rs`\n".to_owned(),
        number => format!("{number}. It holds. — claimed\n"),
    });
    let list = list.collect::<String>();
    let (read, faults) = promises(&list);
    assert!(faults.is_empty(), "{faults:?}");
    assert!(!read[&2].is_claimed);
    assert_eq!(read[&3].named, ["one", "tests/run/main.rs"]);
    assert_eq!((read[&4].is_claimed, read[&4].named.len()), (true, 0));
    for (without, fault) in [
        (
            list.replace("2. It is open. — not claimed yet\n", ""),
            "2 is missing",
        ),
        (format!("{list}7. Twice. — claimed\n"), "7 stands twice"),
        (
            list.replace("7. It holds. — claimed", "7. It holds."),
            "7 says neither `claimed` nor `not claimed yet`",
        ),
    ] {
        let (_, faults) = promises(&without);
        assert!(faults.iter().any(|found| found == fault), "{faults:?}");
    }

    // A line each, so that none looks like a test of this file.
    let source = [
        "#[test]",
        "fn a() {",
        "fn helper() {",
        "#[tokio::test(flavor = \"multi_thread\")]",
        "#[ignore]",
        "async fn b() {",
        "on_both_engines!(",
        "checklist_6_c,",
        "d,",
        ");",
        "fn checklist_7_of_no_list() {",
        "on_both_engines!(e, f);",
        "fn g()",
    ]
    .join("\n");
    let wanted = ["a", "b", "checklist_6_c", "d", "e", "f"];
    assert!(tests_in_rust(&source).iter().eq(wanted.iter()));
    assert_eq!(number_of("checklist_61_x"), Some(61));
    assert_eq!(number_of("x_checklist_61_x"), None);

    let source =
        "test('checklist 2, 35: x', …); test(`checklist 38: ${status}`); // checklist 9: a comment";
    assert!(numbers_in_titles(source).iter().eq([2, 35, 38].iter()));
}
