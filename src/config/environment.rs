//! What is asked of the environment; nothing else in the program reads it.

use std::collections::HashMap;

use super::{SETTINGS, Setting};

/// The settings of this process, and those of `.env`, which do not override what is set already.
/// A missing `.env` is no fault; one that cannot be read is, and is not repeated.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn environment() -> Result<HashMap<String, String>, Vec<String>> {
    let mut settings = match dotenvy::dotenv_iter() {
        Ok(lines) => lines.collect::<Result<HashMap<_, _>, _>>(),
        Err(error) if error.not_found() => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
    .map_err(|error| {
        if matches!(&error, dotenvy::Error::Io(io) if io.kind() == std::io::ErrorKind::PermissionDenied) {
            return vec![".env may not be read by the user that this runs as. Give it to that user: chown USER .env".to_owned()];
        }
        vec![".env cannot be read. Each line must be NAME=value; a value with spaces goes between quotes.".to_owned()]
    })?;
    let read =
        |setting: &Setting| Some((setting.name.to_owned(), std::env::var(setting.name).ok()?));
    settings.extend(SETTINGS.iter().filter_map(read));
    settings.retain(|_, value| !value.trim().is_empty());
    Ok(settings)
}

/// The folder with the pages' files: `LEPTOS_SITE_ROOT`, else `site` beside the program, else
/// beside its folder, where a build leaves it.
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
    std::env::var("LEPTOS_SITE_ROOT").unwrap_or_else(|_| {
        beside().map_or_else(
            || "target/site".to_owned(),
            |path| path.display().to_string(),
        )
    })
}

/// What is logged: `RUST_LOG`, else what the command's user wants to read.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn log_filter(default: &str) -> tracing_subscriber::EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    tracing_subscriber::EnvFilter::new(wanted)
}

/// Whether what is printed may be coloured: on a terminal, unless `NO_COLOR` asks for none.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn has_color() -> bool {
    use std::io::IsTerminal;
    let is_unwanted = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_unwanted
}

/// What `cargo leptos watch` sets up: its folder, and the page's reloading.
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
