//! The patches in `tests/mutants` that `make mutants` applies, one at a time. Here it is only checked that each still fits the
//! code and names tests that exist, so that none is out of date on the day when somebody runs them.

use std::{collections::BTreeSet, fs, process::Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// `scripts/mutants.sh` starts no Postgres.
const ENGINES: [&str; 2] = ["sqlite", "sqlite-power-cut"];
/// A mutant breaks one line. What it takes to break that may be a few more.
const MOST_LINES: usize = 6;

#[derive(Debug, Default)]
struct Mutant {
    promise: String,
    /// The kind of test and its name.
    caught_by: Vec<(String, String)>,
    hunks: Vec<Hunk>,
}

/// Lines of a file, before and after.
#[derive(Debug, Default)]
struct Hunk {
    file: String,
    /// How many lines its head says that there are before and after.
    said: (usize, usize),
    before: Vec<String>,
    after: Vec<String>,
    changed: usize,
}

/// Reads a patch, as `git diff` makes it, with its head.
fn parse(text: &str) -> Mutant {
    let mut mutant = Mutant::default();
    let mut file = String::new();
    for line in text.lines() {
        if let Some(hunk) = mutant.hunks.last_mut()
            && (hunk.before.len(), hunk.after.len()) != hunk.said
        {
            hunk.add(line);
        } else if let Some(promise) = line.strip_prefix("# promise: ") {
            mutant.promise = promise.to_owned();
        } else if let Some(catcher) = line.strip_prefix("# caught-by: ") {
            let (kind, test) = catcher.split_once(' ').expect("a kind and a test");
            mutant.caught_by.push((kind.to_owned(), test.to_owned()));
        } else if let Some(path) = line.strip_prefix("+++ b/") {
            file = path.to_owned();
        } else if let Some(numbers) = line.strip_prefix("@@ -") {
            mutant.hunks.push(Hunk {
                file: file.clone(),
                said: counts(numbers),
                ..Hunk::default()
            });
        }
    }
    mutant
}

impl Hunk {
    fn add(&mut self, line: &str) {
        let (mark, rest) = line.split_at_checked(1).expect("a mark before each line");
        if mark != "+" {
            self.before.push(rest.to_owned());
        }
        if mark != "-" {
            self.after.push(rest.to_owned());
        }
        self.changed += usize::from(mark != " ");
    }
}

/// The number of lines before and after in `1,7 +1,8 @@`.
fn counts(numbers: &str) -> (usize, usize) {
    let mut counts = numbers.split(' ').map(|range| match range.split_once(',') {
        Some((_, count)) => count.parse().unwrap(),
        None => 1,
    });
    (counts.next().unwrap(), counts.next().unwrap())
}

/// In how many places of the file the lines stand that the hunk is to change.
fn places(hunk: &Hunk, text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let windows = lines.windows(hunk.before.len());
    windows.filter(|window| *window == hunk.before).count()
}

/// All tests of this binary.
fn integration_tests() -> BTreeSet<String> {
    let binary = std::env::current_exe().unwrap();
    let output = Command::new(binary).arg("--list").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// Whether a module of the library has that unit test, by its text: its binary may not be built.
fn is_unit_test(path: &str) -> bool {
    let Some((module, name)) = path.split_once("::tests::") else {
        return false;
    };
    let file = format!("{ROOT}/src/{}.rs", module.replace("::", "/"));
    let text = fs::read_to_string(file).unwrap_or_default();
    text.contains("mod tests {") && text.contains(&format!("    fn {name}()"))
}

#[test]
fn every_mutant_fits_the_code_and_names_tests_that_exist() {
    let tests = integration_tests();
    let mut promises = BTreeSet::new();
    for entry in fs::read_dir(format!("{ROOT}/tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display();
        assert!(path.extension().is_some_and(|it| it == "patch"), "{name}");
        let mutant = parse(&fs::read_to_string(&path).unwrap());
        assert!(!mutant.promise.is_empty(), "{name} names no promise");
        assert!(!mutant.caught_by.is_empty(), "{name} names no test");
        for (kind, test) in &mutant.caught_by {
            let exists = match kind.as_str() {
                "integration" => tests.contains(test) && !test.contains("::postgres::"),
                "lib" => is_unit_test(test),
                "crash" => ENGINES.contains(&test.as_str()),
                _ => false,
            };
            assert!(exists, "{name}: there is no {kind} {test}");
        }
        assert!(!mutant.hunks.is_empty(), "{name} changes nothing");
        let changed: usize = mutant.hunks.iter().map(|hunk| hunk.changed).sum();
        assert!(changed <= MOST_LINES, "{name} changes {changed} lines");
        for hunk in &mutant.hunks {
            let counted = (hunk.before.len(), hunk.after.len());
            assert_eq!(hunk.said, counted, "{name}: {hunk:?}");
            assert_ne!(hunk.before, hunk.after, "{name}");
            assert!(hunk.file.starts_with("src/"), "{name}: {}", hunk.file);
            let text = fs::read_to_string(format!("{ROOT}/{}", hunk.file)).unwrap_or_default();
            assert_eq!(
                places(hunk, &text),
                1,
                "{name} does not fit {} any more, or fits it twice; make it again: {:#?}",
                hunk.file,
                hunk.before
            );
        }
        promises.insert(mutant.promise);
    }
    assert!(promises.len() >= 15, "{promises:#?}");
}

#[test]
fn a_patch_that_is_out_of_date_is_found() {
    const PATCH: &str = "\
# promise: two and two is four
# caught-by: lib sum::tests::four

--- a/src/sum.rs
+++ b/src/sum.rs
@@ -1,3 +1,3 @@
 fn sum() {
-    2 + 2
+    2 - 2
 }
";
    const CODE: &str = "fn sum() {\n    2 + 2\n}\n";
    let mutant = parse(PATCH);
    assert_eq!(mutant.promise, "two and two is four");
    let [hunk] = &mutant.hunks[..] else {
        panic!("{mutant:?}");
    };
    assert_eq!((hunk.file.as_str(), hunk.said), ("src/sum.rs", (3, 3)));
    assert_eq!((hunk.before.len(), hunk.after.len()), (3, 3));
    assert_eq!(places(hunk, CODE), 1);
    assert_eq!(places(hunk, &CODE.repeat(2)), 2);
    for other in [
        "",
        "fn sum() {\n    2 + 3\n}\n",
        "fn add() {\n    2 + 2\n}\n",
    ] {
        assert_eq!(places(hunk, other), 0, "{other}");
    }
    assert!(!is_unit_test("cookies::tests::no_such_test"));
    assert!(!is_unit_test("no_such_module::tests::four"));
}
