//! One server for one file of SQLite: a lock of the operating system beside the database, which goes with the
//! process that holds it, however that ends. Commands do not take it; they work beside a server.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::file::beside;

/// A server that is being replaced has this long to go.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is none.
#[derive(Debug)]
pub enum Refusal {
    /// The number of the process that has it, where that is known.
    Held(Option<u32>),
    Io(PathBuf, io::Error),
}

/// Takes the lock of a database's file, and waits a moment for it.
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
    // It stays when the lock goes: whoever removed it could remove another one's.
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

/// A command that root ran must not keep the server, another user, from the lock.
fn give_to_owner(database: &Path, lock: &Path) {
    let folder = database.parent().unwrap_or(Path::new("."));
    let owner = std::fs::metadata(database).or_else(|_| std::fs::metadata(folder));
    if let Ok(owner) = owner {
        // Only root can, and only then it is needed.
        let _ = chown(lock, Some(owner.uid()), Some(owner.gid()));
    }
}

/// Which server has the lock, if one has. Changes nothing.
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
