//! The command line: parses arguments, prints errors, exits. The commands are in the library.

use std::process::ExitCode;

use billhook::{config, dev, log, mask::masked, operator, serve};
use clap::{Parser, Subcommand};

/// The self-hosted front door to Stripe's billing portal.
///
/// Settings are read from the environment and from the file `.env` in this folder; `billhook config` prints them.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "To try it: `billhook dev`. Before customers come, and when something is wrong: `billhook doctor`."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve customers and Stripe's webhooks (the default)
    Serve,
    /// Try everything on this machine, with a stand-in for Stripe and mail in the browser
    #[command(after_help = dev::help())]
    Dev {
        /// Forget what was changed in earlier trials, and start from the sample customers again
        #[arg(long)]
        reset: bool,
    },
    /// Print every setting in force and where it comes from, without secrets
    Config(operator::Settings),
    /// Look at settings, database, clock, mail server, Stripe key, customer portal and webhook
    /// endpoint, and say what to do about what is wrong
    ///
    /// Asks the mail server whether it would take a mail. Changes nothing, sends no mail and prints no secret; works with settings that keep the server from
    /// starting, and beside one that runs. Exits with 1 when something is wrong. Warnings alone do not count.
    Doctor(operator::doctor::Doctor),
    /// Put a copy of SQLite's database in its place, and erase again who was erased since
    ///
    /// The server must not run. The copy is read through first, and what is there is kept beside it under another
    /// name. Without FILE the database stays and only the erasures are done again, as every start of the server does:
    /// for a copy of Postgres' that pg_restore brought back.
    Restore(operator::Restore),
    #[command(flatten)]
    Operator(operator::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // `dev` prints the next steps to the terminal, other commands print their result; log entries would bury both.
    let is_for_a_person = matches!(
        cli.command,
        Some(
            Command::Dev { .. }
                | Command::Config(_)
                | Command::Doctor(_)
                | Command::Restore(_)
                | Command::Operator(_)
        )
    );
    log::start(if is_for_a_person {
        "warn"
    } else {
        "info,sqlx=warn"
    });
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("the program cannot start: {error}")])
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli.command.unwrap_or(Command::Serve)));
            // A DNS lookup that is still running would delay the exit.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Vec<String>> {
    let stop = serve::stop_on_signal();
    let told =
        |error: &dyn std::fmt::Display| vec![format!("billhook: {}", masked(&error.to_string()))];
    match command {
        Command::Serve => {
            let config = settings()?;
            serve::serve(config, stop)
                .await
                .map_err(|error| told(&error))
        }
        Command::Dev { reset } => dev::run(reset, stop).await.map_err(|error| told(&error)),
        Command::Config(settings) => settings.run(),
        Command::Doctor(doctor) => tokio::select! {
            () = stop.cancelled() => Err(vec!["billhook: stopped".to_owned()]),
            result = operator::doctor::run(doctor) => result,
        },
        Command::Restore(restore) => {
            let config = settings()?;
            tokio::select! {
                () = stop.cancelled() => Err(vec!["billhook: stopped".to_owned()]),
                result = restore.run(config) => result,
            }
        }
        Command::Operator(command) => {
            let config = settings()?;
            operator::run(command, config, stop).await
        }
    }
}

/// Loads the settings, or returns the errors. Likely mistakes are logged as warnings.
fn settings() -> Result<config::Config, Vec<String>> {
    let found = config::environment().map_err(with_advice)?;
    let config = config::read(&found.settings)
        .map_err(|faults| with_advice(faults.into_iter().chain(found.notes.clone()).collect()))?;
    for note in &found.notes {
        tracing::warn!("{note}");
    }
    Ok(config)
}

fn with_advice(faults: Vec<String>) -> Vec<String> {
    let mut lines = vec!["billhook does not start, because of its settings:".to_owned()];
    lines.extend(faults.into_iter().map(|fault| format!("  - {fault}")));
    lines.push("`billhook config` prints what is set and where, and with --table what there is to set; .env.example is a file to begin with. To try the program without any, run `billhook dev`.".to_owned());
    lines
}

fn complain(line: &str) {
    use std::io::Write;
    // If the terminal is closed, there is nowhere to report the error.
    let _ = writeln!(std::io::stderr(), "{line}");
}
