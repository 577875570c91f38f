//! The operator's commands: checks, import, events and replays, status of an address, ending its sessions, erasing
//! its data, and a test mail. They work on the database of a running server, beside it.

mod account;
mod account_status;
mod audit;
mod backup;
mod config;
pub mod doctor;
mod events;
mod import;
mod mail;
mod mask;
mod restore;
mod text;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::Config,
    domain::{self, App, purge, sweep},
    mail::Mailer,
    mask::masked,
    say, serve,
};

pub use account::Account;
pub use audit::Audit;
pub use backup::Backup;
pub use config::Settings;
pub use events::Events;
pub use import::Import;
pub use mail::Mail;
pub use restore::Restore;

const STOPPED: &str = "billhook: stopped";
/// Maximum of events that a sweep lists for a person.
const SHOWN: usize = 20;

/// The options of every command.
#[derive(Args, Clone, Copy, Debug)]
pub struct Form {
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct Purge {
    /// Do it, instead of showing how much it would be
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read every object of Stripe's once, and go on where an earlier import stopped
    ///
    /// For what was there before Billhook, and whenever something looks wrong: it never overwrites what is
    /// newer, and finds out which customers have been deleted. It works beside a running server. Ctrl-C stops
    /// it, and for a week the same command goes on from there. Of two at once the second is refused. It exits
    /// with 1 when something could not be read, and names that.
    Import(Import),
    /// Look at the events that came, and replay them
    Events(Events),
    /// Look at who did what: sign-ins, portals, operators' commands
    Audit(Audit),
    /// Ask Stripe for the events that never arrived
    Sweep(Form),
    /// Delete expired data: payloads of events after EVENT_RETENTION_DAYS, sign-ins, sessions.
    /// Shows how much there is; deletes it with --yes
    Purge(Purge),
    /// Copy SQLite's database, in use or not, into a file that can be put in its place
    Backup(Backup),
    /// Say why an address gets mail or none, sign it out of all its sessions, or erase what is kept about it
    Account(Account),
    /// Send a test mail
    Mail(Mail),
}

/// Runs a command. The errors are for the operator to read, one line each.
pub async fn run(
    command: Command,
    config: Config,
    stop: CancellationToken,
) -> Result<(), Vec<String>> {
    let Some(app) = stop.run_until_cancelled(build(config)).await else {
        return Err(vec![STOPPED.to_owned()]);
    };
    let app = app.map_err(|error| told(&error))?;
    let result = match command {
        Command::Import(import) => import.run(&app, stop).await,
        Command::Events(events) => unless(&stop, events.run(&app)).await,
        Command::Audit(audit) => unless(&stop, audit.run(&app)).await,
        Command::Sweep(form) => unless(&stop, sweep_now(&app, form)).await,
        Command::Purge(purge) => unless(&stop, purge.run(&app)).await,
        Command::Backup(backup) => unless(&stop, backup.run(&app)).await,
        Command::Account(account) => unless(&stop, account.run(&app)).await,
        Command::Mail(mail) => unless(&stop, mail.run(&app)).await,
    };
    app.store.close().await;
    result
}

/// Cancels the work on shutdown. What was committed until then stays.
async fn unless(
    stop: &CancellationToken,
    work: impl Future<Output = Result<(), Vec<String>>>,
) -> Result<(), Vec<String>> {
    tokio::select! {
        () = stop.cancelled() => Err(vec![STOPPED.to_owned()]),
        result = work => result,
    }
}

/// The app without its server.
async fn build(config: Config) -> Result<App, serve::Error> {
    let mailer = Mailer::of(&config)?;
    serve::build(config, Clock::default(), mailer).await
}

async fn sweep_now(app: &App, form: Form) -> Result<(), Vec<String>> {
    let swept = sweep::sweep(app).await.map_err(|error| told(&error))?;
    if form.json {
        let json = serde_json::json!({
            "seen": swept.seen, "new": swept.found.len(), "ids": swept.found, "gap_seconds": swept.gap,
        });
        say(&text::json(&json));
    } else {
        let (seen, found) = (swept.seen, swept.found.len());
        say(&format!(
            "{seen} events at Stripe, {found} of them had not arrived"
        ));
        for id in swept.found.iter().take(SHOWN) {
            say(&format!("  {}", text::plain(id)));
        }
        if found > SHOWN {
            say(&format!(
                "  and {} more, all of them with --json",
                found - SHOWN
            ));
        }
    }
    if swept.gap > 0 {
        return Err(vec![format!(
            "billhook: the last sweep was more than 30 days ago, and Stripe has forgotten the events of {} days: run `billhook import`",
            swept.gap / (24 * 60 * 60) + 1
        )]);
    }
    Ok(())
}

/// Writes the action to the audit log before it is done. If that fails, the action must not be done.
async fn write_down(app: &App, act: &str) -> Result<(), Vec<String>> {
    let entry = domain::audit::operator(app.clock.now(), act);
    domain::audit::write(app, entry)
        .await
        .map_err(|error| told(&error))
}

impl Purge {
    async fn run(self, app: &App) -> Result<(), Vec<String>> {
        if !self.yes {
            let count = purge::due(app).await.map_err(|error| told(&error))?;
            say(&if self.form.json {
                serde_json::json!({ "payloads_to_delete": count }).to_string()
            } else {
                format!(
                    "{count} payloads would be deleted, and sign-ins and sessions whose time is over. Do it with --yes."
                )
            });
            return Ok(());
        }
        write_down(app, "purge").await?;
        let purged = purge::purge(app).await.map_err(|error| told(&error))?;
        say(&if self.form.json {
            serde_json::json!({
                "payloads_deleted": purged.payloads,
                "sign_ins_deleted": purged.sign_ins,
                "sessions_deleted": purged.sessions,
            })
            .to_string()
        } else {
            format!(
                "{} payloads, {} sign-ins and {} sessions deleted",
                purged.payloads, purged.sign_ins, purged.sessions
            )
        });
        Ok(())
    }
}

fn told(error: &dyn std::fmt::Display) -> Vec<String> {
    vec![format!("billhook: {}", masked(&error.to_string()))]
}
