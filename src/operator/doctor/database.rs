//! Checks the database without creating or changing anything.

use std::{path::Path, time::Duration};

use rustix::fs::{Access, access};

use super::Finding;
use crate::{
    clock::Clock,
    config::Around,
    domain::{disk_space::LITTLE, mode},
    store::{
        self, Store,
        diagnostics::{self, Health},
        file::{self, nearest},
        lock,
    },
};

const CHECK: &str = "database";
pub const NEEDED: &str = "DATABASE_URL";
/// Timeout for the integrity check: reading a file of many gigabytes takes longer than an operator waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The findings, and the database's mode, live or test, if it has one.
pub async fn examine(around: &Around, clock: &Clock) -> (Vec<Finding>, Option<bool>) {
    let Some(config) = around.with(&[NEEDED]) else {
        let says = format!("not looked at: that needs {NEEDED}");
        return (vec![Finding::skipped(CHECK, says)], None);
    };
    let url = config.database_url.expose();
    let mut findings = Vec::new();
    let mut server = None;
    if url.starts_with("sqlite:") {
        let Some(file) = file::of_url(url) else {
            let finding = Finding::failure(
                CHECK,
                "DATABASE_URL cannot be read.",
                "Write sqlite:// and a file, such as sqlite://data/billhook.db.",
            );
            return (vec![finding], None);
        };
        findings.extend(place(&file));
        if !file.exists() {
            findings.push(future(&file));
            return (findings, None);
        }
        server = lock::holder(&file);
    }
    let (mut mode, mut health) = (None, Health::Whole);
    match Store::open(url).await {
        Ok(store) => {
            let looked = look(&store, clock, &mut findings, &mut mode).await;
            match looked {
                Ok(found) => health = found,
                Err(error) => findings.push(broken(&error)),
            }
            store.close().await;
        }
        Err(error) => findings.push(broken(&error)),
    }
    if findings.is_empty() {
        findings.extend(file::of_url(url).as_deref().and_then(seen_by_others));
    }
    if findings.is_empty() {
        findings.push(praise(health, server));
    }
    (findings, mode)
}

async fn look(
    store: &Store,
    clock: &Clock,
    findings: &mut Vec<Finding>,
    mode: &mut Option<bool>,
) -> store::Result<Health> {
    let health = diagnostics::health(store, PATIENCE).await?;
    if health == Health::Damaged {
        findings.push(damaged());
        return Ok(health);
    }
    let tables = diagnostics::tables(store).await?;
    if tables.unknown > 0 {
        findings.push(Finding::failure(
            CHECK,
            "A newer Billhook has changed the tables; this one would not know them.",
            "Install that version, or the backup from before it.",
        ));
        return Ok(health);
    }
    if tables.missing > 0 {
        findings.push(Finding::ok(
            CHECK,
            format!(
                "it answers; `billhook serve` makes {} of its changes to the tables when it starts",
                tables.missing
            ),
        ));
        if !diagnostics::may_make_role(store).await? {
            findings.push(Finding::failure(
                CHECK,
                "The database's user may not make the role billhook_customer.",
                "As an administrator of Postgres, run `CREATE ROLE billhook_customer NOLOGIN`, or give the \
                 user CREATEROLE.",
            ));
        }
        return Ok(health);
    }
    *mode = mode::of(store).await?;
    if let Err(error) = diagnostics::rehearse(store, clock.now()).await {
        tracing::debug!(%error, "a row could not be written");
        findings.push(Finding::failure(
            CHECK,
            format!("It can be read and not written: {}", reason(&error)),
            "Give the user that runs Billhook the right to write the file and its folder, or, with \
             Postgres, connect to the primary as the tables' owner. See that the disk is not full.",
        ));
    }
    Ok(health)
}

fn praise(health: Health, server: Option<Option<u32>>) -> Finding {
    let runs = match server {
        None => String::new(),
        Some(None) => "; a server runs on it".to_owned(),
        Some(Some(number)) => format!("; a server runs on it, process {number}"),
    };
    let whole = match health {
        Health::WholeSoFar => format!(
            "has no damage in what could be read of it in {} seconds",
            PATIENCE.as_secs()
        ),
        _ => "is whole".to_owned(),
    };
    Finding::ok(
        CHECK,
        format!(
            "it answers, {whole}, can be written, and its tables are those of this program{runs}"
        ),
    )
}

/// Checks where a file is or will be: on a local disk with free space.
fn place(file: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(folder) = nearest(file) else {
        return findings;
    };
    if file::is_remote(folder) {
        findings.push(Finding::failure(
            CHECK,
            "The file is on a network file system, where SQLite loses data.",
            "Set DATABASE_URL to a file on a disk of this machine, or use Postgres.",
        ));
    }
    if let Some(megabytes) = file::room(folder)
        && megabytes < LITTLE
    {
        findings.push(Finding::warning(
            CHECK,
            format!("The disk has {megabytes} MB left."),
            "Make room. When it is full, Stripe's events are refused until there is some; none is lost \
             for three days.",
        ));
    }
    findings
}

/// Warns about files that users other than the server's can open.
fn seen_by_others(file: &Path) -> Option<Finding> {
    let open = file::open_to_others(file);
    if open.is_empty() {
        return None;
    }
    let names: Vec<_> = open.iter().map(|file| file.display().to_string()).collect();
    Some(Finding::warning(
        CHECK,
        format!(
            "Other users of this machine may open {}.",
            names.join(" and ")
        ),
        format!(
            "Run `chmod 600 {}`, or start the server as the files' owner, which does that.",
            names.join(" ")
        ),
    ))
}

/// Checks whether a missing file can be created.
fn future(file: &Path) -> Finding {
    let may_write = |folder: &Path| {
        folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    };
    if nearest(file).is_some_and(may_write) {
        return Finding::ok(
            CHECK,
            "its file is not there yet; `billhook serve` makes it when it starts",
        );
    }
    Finding::failure(
        CHECK,
        "Its file is not there, and cannot be made where it would be.",
        "Make the folder that DATABASE_URL names, and give it to the user that runs Billhook.",
    )
}

fn damaged() -> Finding {
    Finding::failure(
        CHECK,
        "The file is damaged, SQLite says.",
        "Stop the server, put the last backup in its place, start it and run `billhook import`.",
    )
}

fn broken(error: &store::Error) -> Finding {
    // Some damage is found before the integrity check: SQLITE_CORRUPT, SQLITE_NOTADB
    // (<https://sqlite.org/rescode.html>). Postgres' codes have five letters.
    let code = error.as_database_error().and_then(|error| error.code());
    if code.is_some_and(|code| code == "11" || code == "26") {
        return damaged();
    }
    Finding::failure(
        CHECK,
        format!("It cannot be used: {}", reason(error)),
        "See that DATABASE_URL is right, that the database runs and can be reached from here, and that \
         its user and password, or the file's owner, are right.",
    )
}

/// The database's error message. No error of a driver contains a password or a row; the message about a URL might
/// contain a password.
fn reason(error: &store::Error) -> String {
    match error {
        store::Error::Configuration(_) => "its address makes no sense.".to_owned(),
        store::Error::PoolTimedOut => "it did not answer in time.".to_owned(),
        error => format!("{error}."),
    }
}
