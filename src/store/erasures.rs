//! The list of erasures, in an append-only file separate from the database, so that restoring an older backup does
//! not undo an erasure. Each erasure adds one line; no line is ever changed. The file holds hashes instead of
//! addresses and ids: they recognise an address or id, and do not reveal it.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file;
use crate::{config::Config, mask::shows};

/// One erasure.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Unique id. A database that knows it has applied this erasure.
    pub id: String,
    pub at: i64,
    pub livemode: bool,
    /// The hash of the address.
    pub address: String,
    /// The hashes of the ids of the customers and of all their objects.
    pub ids: BTreeSet<String>,
}

shows!(Erasure: id, at, livemode);

/// The file that the configuration names, or the default beside SQLite's database.
pub fn path(config: &Config) -> Option<PathBuf> {
    let beside = || Some(file::beside(&database(config)?, "-erased"));
    let file = config.erasures_file.clone().or_else(beside)?;
    Some(std::path::absolute(&file).unwrap_or(file))
}

fn database(config: &Config) -> Option<PathBuf> {
    file::of_url(config.database_url.expose())
}

/// The hash of a normalised address.
pub fn hash_of_address(address: &str) -> String {
    hash("billhook erased address", address)
}

/// The hash of an id.
pub fn hash_of_id(id: &str) -> String {
    hash("billhook erased id", id)
}

/// Not keyed: the server's keys change, and erased data must stay recognisable.
fn hash(label: &str, text: &str) -> String {
    hex::encode(Sha256::digest(format!("{label}\0{text}").as_bytes()))
}

/// Appends an erasure. It is on disk (synced) when this returns.
pub fn append(config: &Config, erasure: &Erasure) -> io::Result<()> {
    let Some(path) = path(config) else {
        return Ok(());
    };
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(&path).map_err(|error| named(&path, &error))?;
    let mut line = serde_json::to_string(erasure)?;
    // A power cut may have left a truncated last line. Start on a new line, so that this one stays readable.
    if is_torn(&mut file).map_err(|error| named(&path, &error))? {
        line.insert(0, '\n');
    }
    line.push('\n');
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| named(&path, &error))?;
    if is_new {
        give_to_owner(config, &path);
        if let Some(folder) = path.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| named(folder, &error))?;
        }
    }
    Ok(())
}

/// The server must be able to read the file, and may run as another user than the operator.
fn give_to_owner(config: &Config, path: &Path) {
    let owner = database(config).and_then(|file| std::fs::metadata(file).ok());
    if let Some(owner) = owner {
        // Only root can change the owner, and only root needs to.
        let _ = chown(path, Some(owner.uid()), Some(owner.gid()));
    }
}

fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// All erasures of a configuration, and the number of lines that cannot be parsed.
pub fn read(config: &Config) -> io::Result<(Vec<Erasure>, usize)> {
    let Some(path) = path(config) else {
        return Ok((Vec::new(), 0));
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(named(&path, &error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let erasures: Vec<Erasure> = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let unread = lines.len() - erasures.len();
    Ok((erasures, unread))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
