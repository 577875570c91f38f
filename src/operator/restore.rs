//! `billhook restore`: puts a backup of SQLite's database in place, after applying the erasures since the backup
//! again.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{Form, told, write_down};
use crate::{
    clock::Clock,
    config::{Config, Secret},
    domain::{App, erase_again},
    mail::Mailer,
    say, serve,
    store::{
        self, Store,
        diagnostics::{self, Health},
        erasures, file,
    },
};

/// Timeout of the integrity check. A backup is always read completely, however large it is.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

#[derive(Args, Debug)]
pub struct Restore {
    /// What `billhook backup` wrote. Without it, the database stays, and what it should not have any more is
    /// erased from it again
    #[arg(value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

impl Restore {
    pub async fn run(self, config: Config) -> Result<(), Vec<String>> {
        let database = file::of_url(config.database_url.expose());
        let Some(from) = &self.from else {
            let app = assemble(config).await?;
            let done = erase_again::run(&app).await.map_err(|error| told(&error));
            app.store.close().await;
            self.report(&done?, None);
            return Ok(());
        };
        let Some(database) = database else {
            return Err(told(
                &"the database is Postgres: restore it with pg_restore, and then run `billhook restore` without a file",
            ));
        };
        // No server may have the database open.
        let _lock = serve::lock(&config).await.map_err(|error| told(&error))?;
        if file::resolved(from) == file::resolved(&database) {
            return Err(told(&"that is the database itself; nothing was done"));
        }
        let fresh = Fresh::new(file::beside(&database, "-restoring"))?;
        let done = make(from, &fresh.0, config).await?;
        let old = place(&fresh.0, &database)
            .map_err(|error| told(&format!("{}: {error}", database.display())))?;
        self.report(&done, Some((database.as_path(), old)));
        Ok(())
    }

    fn report(&self, done: &erase_again::Done, placed: Option<(&Path, Option<PathBuf>)>) {
        let old = placed.as_ref().and_then(|(_, old)| old.as_deref());
        if self.form.json {
            say(&serde_json::json!({
                "file": placed.as_ref().map(|(database, _)| database),
                "before": old,
                "erasures": done.all,
                "erased_again": done.again,
                "customers": done.customers,
                "records": done.records,
                "payloads": done.payloads,
                "unreadable": done.unread,
            })
            .to_string());
            return;
        }
        if let Some((database, _)) = &placed {
            say(&format!("restored to {}", database.display()));
        }
        say(&format!(
            "{} of {} erasures were not in it and were done again: {} customers, {} records, {} payloads",
            done.again, done.all, done.customers, done.records, done.payloads
        ));
        if done.unread > 0 {
            say(&format!(
                "{} lines of the list of erasures cannot be read",
                done.unread
            ));
        }
        if let Some(old) = old {
            say(&format!(
                "what was there before is {}; delete it when you do not need it any more",
                old.display()
            ));
        }
    }
}

/// The copy while it is being prepared. Dropping this removes its files, also when the command is cancelled.
struct Fresh(PathBuf);

impl Fresh {
    fn new(path: PathBuf) -> Result<Fresh, Vec<String>> {
        if file::all(&path).iter().any(|file| file.exists()) {
            let path = path.display();
            tracing::warn!("{path} is left from a restore that was killed; it is replaced");
        }
        remove(&path).map_err(|error| told(&format!("{}: {error}", path.display())))?;
        Ok(Fresh(path))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // An earlier error is the one to report.
        let _ = remove(&self.0);
    }
}

async fn assemble(config: Config) -> Result<App, Vec<String>> {
    let mailer = Mailer::of(&config).map_err(|error| told(&error))?;
    serve::assemble(config, Clock::default(), mailer)
        .await
        .map_err(|error| told(&error))
}

/// Prepares the copy: intact, of this program and mode, migrated, and without the people who were erased since the
/// backup.
async fn make(from: &Path, fresh: &Path, config: Config) -> Result<erase_again::Done, Vec<String>> {
    let shown = from.display();
    copy(from, fresh).map_err(|error| told(&format!("{shown} could not be copied: {error}")))?;
    let url = file::url(fresh);
    look(&url)
        .await
        .map_err(|says| told(&format!("{shown} {says}; nothing was done")))?;
    // The list of erasures of the database that is being replaced.
    let erasures_file = erasures::path(&config);
    let config = Config {
        database_url: Secret::new(url),
        erasures_file,
        ..config
    };
    let app = assemble(config).await?;
    let done = async {
        let done = erase_again::run(&app).await.map_err(|error| told(&error))?;
        write_down(&app, "restore").await?;
        store::erased::forget_log(&app.store)
            .await
            .map_err(|error| told(&error))?;
        Ok::<_, Vec<String>>(done)
    };
    let done = done.await;
    app.store.close().await;
    done
}

async fn look(url: &str) -> Result<(), String> {
    let store = Store::open(url)
        .await
        .map_err(|error| format!("cannot be used: {error}"))?;
    let found = async {
        let health = diagnostics::health(&store, PATIENCE).await?;
        Ok::<_, store::Error>((health, diagnostics::tables(&store).await?))
    };
    let found = found.await;
    store.close().await;
    match found {
        Err(error) => Err(format!("cannot be used: {error}")),
        Ok((Health::Damaged, _)) => Err("is damaged, SQLite says".to_owned()),
        Ok((_, tables)) if tables.unknown > 0 => {
            Err("is of a newer Billhook; install that version".to_owned())
        }
        Ok((_, tables)) if tables.applied == 0 => Err("is no database of Billhook's".to_owned()),
        Ok(_) => Ok(()),
    }
}

/// Copies the file and the write-ahead log, if there is one: then `billhook backup` did not make the file.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for (ending, is_needed) in [("", true), ("-wal", false)] {
        let mut source = match File::open(file::beside(from, ending)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_needed => continue,
            opened => opened?,
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut target = options.open(file::beside(to, ending))?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()?;
    }
    Ok(())
}

/// Removes the files of a database, if they exist.
fn remove(database: &Path) -> io::Result<()> {
    file::all(database)
        .iter()
        .try_for_each(|file| remove_one(file))
}

fn remove_one(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The server may run as another user than the operator, who may be root: it must be able to open files that root
/// creates.
fn give_to_owner(fresh: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let owner = fs::metadata(target).or_else(|_| fs::metadata(folder))?;
    let own = fs::metadata(fresh)?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(fresh, Some(owner.uid()), Some(owner.gid()))
}

/// Moves the fresh database into place, and keeps the old one beside it. Atomic: a database file exists at every
/// moment.
fn place(fresh: &Path, database: &Path) -> io::Result<Option<PathBuf>> {
    let target = file::resolved(database);
    let now = Clock::default().now();
    let old = file::beside(database, &format!("-before-{now}"));
    let log = file::beside(fresh, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(io::Error::other(format!(
            "{} could not be emptied into its database",
            log.display()
        )));
    }
    for ending in ["-wal", "-shm"] {
        remove_one(&file::beside(fresh, ending))?;
    }
    give_to_owner(fresh, &target)?;
    File::open(fresh)?.sync_all()?;
    let is_there = target.exists();
    let (log, old_log) = (file::beside(database, "-wal"), file::beside(&old, "-wal"));
    let mut has_log = false;
    if is_there {
        fs::hard_link(&target, &old)?;
        // The log belongs to the old database; SQLite would replay it into the new one.
        has_log = match fs::rename(&log, &old_log) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
    }
    let placed =
        remove_one(&file::beside(database, "-shm")).and_then(|()| fs::rename(fresh, &target));
    if let Err(error) = placed {
        // The old database stays in use, and needs its log.
        if has_log {
            fs::rename(&old_log, &log)?;
        }
        return Err(error);
    }
    if let Some(folder) = target.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(is_there.then_some(old))
}
