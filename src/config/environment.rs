//! Reads environment variables; no other file in the program does.

use std::{collections::HashMap, io::ErrorKind, path::PathBuf};

use super::{
    SETTINGS, Setting,
    dotenv::{self, Line},
    typos::{self, Place},
};
use crate::mask::shows;

/// Only this file is read, from the working directory and none of its parents.
const FILE: &str = ".env";
/// Variables that are read before `.env`, or by other code, so they only work in the process environment.
const PROCESS_ALONE: [&str; 4] = ["RUST_LOG", "NO_COLOR", "LEPTOS_SITE_ROOT", "LEPTOS_WATCH"];

/// The source of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Process,
    /// The line number in `.env`.
    File(usize),
    Default,
}

/// The settings that are set, and their sources.
pub struct Environment {
    pub settings: HashMap<String, String>,
    lines: HashMap<String, usize>,
    /// Warnings about probable mistakes, one sentence each.
    pub notes: Vec<String>,
}

// Debug output must not show the settings: they contain every secret.
shows!(Environment: notes);

impl Environment {
    pub fn origin(&self, name: &str) -> Origin {
        match (self.settings.contains_key(name), self.lines.get(name)) {
            (false, _) => Origin::Default,
            (true, Some(line)) => Origin::File(*line),
            (true, None) => Origin::Process,
        }
    }
}

/// The settings of the process environment and of `.env`, which does not override the environment. A missing `.env`
/// is not an error. One that cannot be read is an error, whose message does not repeat the content.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn environment() -> Result<Environment, Vec<String>> {
    let of_file = file()?;
    let mut found = Environment {
        settings: HashMap::new(),
        lines: HashMap::new(),
        notes: Vec::new(),
    };
    for line in of_file {
        found.take(line);
    }
    let mut faults = Vec::new();
    for Setting { name, .. } in SETTINGS {
        match std::env::var(name) {
            // Compose passes unset variables as empty text.
            Ok(value) if value.trim().is_empty() => {}
            Ok(value) => {
                found.settings.insert((*name).to_owned(), value);
                found.lines.remove(*name);
            }
            Err(std::env::VarError::NotPresent) => {}
            // The operator meant this value, so `.env` must not replace it.
            Err(std::env::VarError::NotUnicode(_)) => {
                faults.push(format!(
                    "{name} in the environment is not UTF-8. Set it anew."
                ));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut misses: Vec<_> = names
        .filter_map(|name| Some((typos::meant(&name, Place::Process)?, name)))
        .collect();
    misses.sort_unstable();
    let told =
        |(meant, name)| format!("{name} in the environment is no setting. Do you mean {meant}?");
    found.notes.extend(misses.into_iter().map(told));
    found.settings.retain(|_, value| !value.trim().is_empty());
    Ok(found)
}

impl Environment {
    fn take(&mut self, line: Line) {
        let Line {
            number,
            name,
            value,
        } = line;
        if let Some(meant) = typos::meant(&name, Place::File) {
            self.notes.push(format!(
                "{name} in {FILE}, line {number}, is no setting. Do you mean {meant}?"
            ));
        } else if PROCESS_ALONE.contains(&name.as_str()) {
            self.notes.push(format!(
                "{name} in {FILE}, line {number}, has no effect. Set it in the environment of the process."
            ));
        }
        if !is_setting(&name) {
            return;
        }
        if let Some(earlier) = self.lines.insert(name.clone(), number) {
            self.notes.push(format!(
                "{name} stands twice in {FILE}, in lines {earlier} and {number}. The last one counts; take the other out."
            ));
        }
        self.settings.insert(name, value);
    }
}

fn file() -> Result<Vec<Line>, Vec<String>> {
    let path = std::path::absolute(FILE).unwrap_or_else(|_| FILE.into());
    let path = path.display();
    match std::fs::read(FILE) {
        Ok(bytes) => dotenv::parse(&bytes, is_setting).map_err(|faults| {
            // The message has the absolute path: readers may not know the working directory of the service.
            let whole = |fault| format!("{fault} The file is {path}.");
            faults.into_iter().map(whole).collect()
        }),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(Vec::new()),
            ErrorKind::PermissionDenied => Err(vec![format!(
                "{path} may not be read by the user that this runs as. Give it to that user: chown USER {path}"
            )]),
            _ => Err(vec![format!(
                "{path} cannot be read: {error}. It must be a file of lines NAME=value."
            )]),
        },
    }
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name)
}

/// The folder with the site's files: `LEPTOS_SITE_ROOT`, else `site` beside the program, else beside its parent
/// folder, where a build puts it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn site_root() -> String {
    let beside = || {
        let program = std::env::current_exe().ok()?;
        let folders = program.ancestors().skip(1).take(2);
        folders
            .map(|folder| folder.join("site"))
            .find(|site| site.join("pkg").is_dir())
    };
    let root = std::env::var("LEPTOS_SITE_ROOT").map_or_else(
        |_| beside().unwrap_or_else(|| "target/site".into()),
        PathBuf::from,
    );
    let root = std::path::absolute(&root).unwrap_or(root);
    root.display().to_string()
}

/// The log filter: `RUST_LOG`, else the default of the command.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn log_filter(default: &str) -> tracing_subscriber::EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    tracing_subscriber::EnvFilter::new(wanted)
}

/// Whether output may use colours: on a terminal, unless `NO_COLOR` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn has_color() -> bool {
    use std::io::IsTerminal;
    let is_unwanted = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_unwanted
}

/// The settings of `cargo leptos watch`: its output folder, and live reload.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn leptos_from_environment() -> Option<leptos::prelude::LeptosOptions> {
    std::env::var("LEPTOS_WATCH").ok()?;
    leptos::prelude::get_configuration(None)
        .ok()
        .map(|config| config.leptos_options)
}
