//! Keeps the state in a file, when asked to: read at the start, written soon after a change and at
//! the end, always whole (a new file takes the place of the old one).

use std::{
    io::{Error, ErrorKind, Result},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::state::{Shared, State};

/// Changes come in bursts; one writing covers those that came during the pause.
const PAUSE: Duration = Duration::from_millis(300);

/// Nothing when there is no file yet. A file that cannot be read is an error: starting afresh would
/// overwrite it.
pub fn load(file: &Path) -> Result<Option<State>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain(file, "cannot be read", &error)),
    };
    let state = serde_json::from_slice(&text).map_err(|error| {
        explain(
            file,
            "is not a state of the stand-in (move it away to begin afresh)",
            &Error::other(error),
        )
    })?;
    Ok(Some(state))
}

/// Writes after changes, and a last time when `closing` resolves: one task alone writes, so that no
/// two writings meet.
pub async fn keep(app: Shared, file: PathBuf, mut closing: oneshot::Receiver<()>) -> Result<()> {
    loop {
        tokio::select! {
            () = app.changed.notified() => {}
            _ = &mut closing => return save(&app, &file).await,
        }
        if let Err(error) = save(&app, &file).await {
            tracing::error!(%error, "the state of the stand-in was not saved");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut closing => return save(&app, &file).await,
        }
    }
}

async fn save(app: &Shared, file: &Path) -> Result<()> {
    let text = serde_json::to_vec(&*app.read()).map_err(Error::other)?;
    let new = file.with_extension("new");
    let write = async {
        if let Some(folder) = file.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(&new, text).await?;
        tokio::fs::rename(&new, file).await
    };
    write
        .await
        .map_err(|error| explain(file, "cannot be written", &error))
}

fn explain(file: &Path, what: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("the state file {} {what}: {error}", file.display()),
    )
}
