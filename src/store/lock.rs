//! Allows one server per SQLite file: an operating-system lock (advisory) on a file beside the database. The system
//! releases it when the process ends, however it ends. Commands do not take the lock; they run beside a server.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::file::beside;

/// Timeout for the previous server to exit when it is being replaced.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The process id of the holder, if known.
    Held(Option<u32>),
    Io(PathBuf, io::Error),
}

/// Takes the lock of a database's file, with a short timeout.
pub async fn take(database: &Path) -> Result<Lock, Refusal> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt(database) {
            Err(Refusal::Held(_)) if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}

fn attempt(database: &Path) -> Result<Lock, Refusal> {
    let path = beside(database, "-lock");
    let failed = |error| Refusal::Io(path.clone(), error);
    // The file is never removed: removing it could remove a file that another process has locked since.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Refusal::Held(number(&mut file))),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    give_to_owner(database, &path);
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(failed)?;
    Ok(Lock { _file: file })
}

/// A command run by root must not create a lock file that the server, another user, cannot open.
fn give_to_owner(database: &Path, lock: &Path) {
    let folder = database.parent().unwrap_or(Path::new("."));
    let owner = std::fs::metadata(database).or_else(|_| std::fs::metadata(folder));
    if let Ok(owner) = owner {
        // Only root can change the owner, and only root needs to.
        let _ = chown(lock, Some(owner.uid()), Some(owner.gid()));
    }
}

/// The process id of the server that holds the lock, if there is one. Changes nothing.
pub fn holder(database: &Path) -> Option<Option<u32>> {
    let mut file = File::open(beside(database, "-lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(number(&mut file)),
        _ => None,
    }
}

fn number(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
