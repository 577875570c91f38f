//! SQLite's database file: its location, permissions and backups.

use std::{
    fs::{OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{FsWord, NFS_SUPER_MAGIC, statfs, statvfs};
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use super::{Error, Result, Store};

/// File system types of network file systems besides NFS: CIFS, SMB 2 and 9p.
const OTHER_NETWORKS: [FsWord; 3] = [0xFF53_4D42, 0xFE53_4D42, 0x0102_1997];

/// The file of a `sqlite:` URL.
pub fn of_url(url: &str) -> Option<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).ok();
    let options = options.filter(|_| url.starts_with("sqlite:"))?;
    // An in-memory database has such a name, and no file.
    let file = options.get_filename();
    if file.to_string_lossy().starts_with("file:") {
        return None;
    }
    // The path is made absolute for messages: readers may not know the working directory of the service.
    Some(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()))
}

/// The file that a path resolves to through symbolic links. SQLite keeps its other files beside it.
pub fn resolved(file: &Path) -> PathBuf {
    if let Ok(whole) = file.canonicalize() {
        return whole;
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

/// The path of a file beside the database file: the database's name with `ending` appended.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = resolved(database).into_os_string();
    name.push(ending);
    name.into()
}

/// SQLite's files of a database: the database, the write-ahead log and the shared memory. All of them hold data.
pub fn all(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| beside(database, ending))
}

/// The files that users other than the owner may open.
pub fn open_to_others(database: &Path) -> Vec<PathBuf> {
    let is_open = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    };
    all(database).into_iter().filter(is_open).collect()
}

/// Makes a database's files private to their owner, and creates a missing database file as private: SQLite creates
/// its other files with the same mode.
pub fn keep_private(database: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600);
    // If this fails, SQLite fails for the same reason and reports it.
    if made.open(resolved(database)).is_ok() {
        return Ok(());
    }
    for file in open_to_others(database) {
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The `sqlite:` URL of a file.
pub fn url(file: &Path) -> String {
    let path = file.display().to_string();
    let path = path
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    format!("sqlite://{path}")
}

/// The nearest existing ancestor of the file: a folder, unless something is wrong.
pub fn nearest(file: &Path) -> Option<&Path> {
    let folders = file.ancestors().skip(1).map(|folder| {
        if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }
    });
    folders.into_iter().find(|folder| folder.exists())
}

/// Whether the folder is on a network file system. SQLite's locks do not work there, and it loses data
/// (<https://sqlite.org/howtocorrupt.html>).
pub fn is_remote(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|system| is_network(system.f_type))
}

fn is_network(r#type: FsWord) -> bool {
    let kind = r#type & 0xFFFF_FFFF;
    kind == NFS_SUPER_MAGIC || OTHER_NETWORKS.contains(&kind)
}

/// The name of a database in messages: the file, or the server and database name. Never the password.
pub fn place(url: &str) -> String {
    if let Some(file) = of_url(url) {
        return file.display().to_string();
    }
    let Ok(options) = PgConnectOptions::from_str(url) else {
        return "of DATABASE_URL".to_owned();
    };
    let name = options.get_database().unwrap_or(options.get_username());
    format!("{} at {}:{}", name, options.get_host(), options.get_port())
}

/// Free disk space of a folder, in megabytes.
pub fn room(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}

/// Copies a database, in use or not, into a new file that only its owner can read. The copy is on disk (synced)
/// when this returns.
pub async fn back_up(store: &Store, to: &Path) -> Result<()> {
    let Store::Sqlite { readers, .. } = store else {
        let says = "Postgres is copied by pg_dump";
        return Err(Error::Configuration(says.into()));
    };
    // SQLite writes into an existing empty file. If it created the file itself, other users could read it.
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(to)?;
    let copied = async {
        let name = to.to_str().ok_or(io::Error::other("its name is no text"))?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(readers)
            .await?;
        file.sync_all()?;
        Ok(())
    };
    let copied = copied.await;
    if copied.is_err() {
        // An incomplete copy must not be mistaken for a backup.
        std::fs::remove_file(to)?;
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_59_network_file_systems_are_told_from_disks() {
        for network in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997] {
            assert!(is_network(network), "{network:x}");
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs
        for disk in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630] {
            assert!(!is_network(disk), "{disk:x}");
        }
        assert!(!is_remote(&std::env::temp_dir()));
    }

    #[test]
    fn the_file_and_the_folder_above_it_are_found() {
        let file = of_url("sqlite:///nowhere/at/all/billhook.db?mode=rwc").unwrap();
        assert_eq!(file, Path::new("/nowhere/at/all/billhook.db"));
        assert_eq!(nearest(&file), Some(Path::new("/")));
        assert_eq!(nearest(Path::new("billhook.db")), Some(Path::new(".")));
        assert_eq!(of_url("postgres://localhost/billhook"), None);
        assert!(room(Path::new("/")).is_some_and(|megabytes| megabytes > 0));
    }
}
