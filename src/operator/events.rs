//! `billhook events`: what came, what became of it, and once more.

use clap::{Args, Subcommand};
use futures::FutureExt;
use serde_json::{Value, json};

use super::{
    Form, mask,
    text::{self, plain, seconds, table, time},
    told, write_down,
};
use crate::{
    domain::{App, worker},
    say,
    store::{
        self,
        event::{Event, Filter},
    },
};

/// Ids of at most so many failed and dead events are replayed at once.
const MOST: i64 = 100_000;
/// So many of them are named in the audit log.
const NAMED: usize = 10;

#[derive(Args, Debug)]
pub struct Events {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The newest events
    List(List),
    /// One event with its payload. Who it is about, and links, are shown as …
    Show {
        /// `evt_…`
        id: String,
        /// Show the payload as it came. That is written to the audit log
        #[arg(long)]
        reveal: bool,
    },
    /// Apply events again: safe however often. Shows what it would do; does it with --yes
    Replay(Replay),
}

#[derive(Args, Debug)]
struct List {
    /// applied, stale, ignored, pending, failed or dead
    #[arg(long, value_parser = ["applied", "stale", "ignored", "pending", "failed", "dead"])]
    state: Option<String>,
    /// A type, or its beginning with a star: `customer.*`
    #[arg(long)]
    r#type: Option<String>,
    /// `cus_…`
    #[arg(long)]
    customer: Option<String>,
    /// Received in the last 30m, 12h or 7d
    #[arg(long, value_parser = seconds)]
    since: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

#[derive(Args, Debug)]
struct Replay {
    /// `evt_…`, several if you like
    #[arg(required_unless_present = "failed")]
    ids: Vec<String>,
    /// All that failed or are dead
    #[arg(long, conflicts_with = "ids")]
    failed: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
}

impl Events {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        match self.command {
            Command::List(list) => list.run(app, self.form).await,
            Command::Show { id, reveal } => show(app, id, reveal, self.form).await,
            Command::Replay(replay) => replay.run(app, self.form).await,
        }
    }
}

impl List {
    async fn run(self, app: &App, form: Form) -> Result<(), Vec<String>> {
        let filter = Filter {
            state: self.state,
            r#type: self.r#type,
            customer: self.customer,
            since: self.since.map(|seconds| app.clock.now() - seconds),
        };
        let limit = self.limit;
        let rows = read(app, move |tx| {
            async move { store::event::list(tx, &filter, limit).await }.boxed()
        })
        .await?;
        if form.json {
            rows.iter().for_each(|row| say(&text::json(&object(row))));
            return Ok(());
        }
        let counts = read(app, |tx| {
            async move { store::event::counts(tx).await }.boxed()
        })
        .await?;
        if rows.is_empty() {
            say("no such events");
        } else {
            say(&in_columns(&rows));
        }
        let counts = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"));
        say(&format!(
            "\nin all: {}",
            counts.collect::<Vec<_>>().join(", ")
        ));
        Ok(())
    }
}

impl Replay {
    async fn run(self, app: &App, form: Form) -> Result<(), Vec<String>> {
        let rows = if self.failed {
            failed(app).await?
        } else {
            by_id(app, self.ids).await?
        };
        let (gone, there): (Vec<_>, Vec<_>) = rows.into_iter().partition(|found| found.is_gone);
        let ids: Vec<_> = there.into_iter().map(|found| found.row.id).collect();
        let gone = gone.len();
        if !form.json && gone > 0 {
            say(&format!(
                "{gone} cannot be replayed: their payloads have been deleted"
            ));
        }
        if self.yes && !ids.is_empty() {
            apply(app, ids.clone()).await?;
        }
        let rows = by_id(app, ids).await?;
        let rows: Vec<_> = rows.into_iter().map(|found| found.row).collect();
        if form.json {
            rows.iter().for_each(|row| say(&text::json(&object(row))));
            return Ok(());
        }
        if rows.is_empty() {
            say("nothing to replay");
        } else {
            say(&in_columns(&rows));
        }
        if !self.yes && !rows.is_empty() {
            say(&format!(
                "\n{} would be applied again. Do it with --yes.",
                rows.len()
            ));
        }
        Ok(())
    }
}

async fn show(app: &App, id: String, reveal: bool, form: Form) -> Result<(), Vec<String>> {
    let name = id.clone();
    let row = read(app, move |tx| {
        async move { store::event::find(tx, &id).await }.boxed()
    });
    let row = row.await?.ok_or_else(|| vec![no_event(&name)])?;
    let mut shown = object(&row);
    let mut payload = serde_json::from_str(&row.payload).unwrap_or(Value::Null);
    if reveal {
        write_down(app, &format!("reveal of {}", row.id)).await?;
    } else {
        payload = mask::masked(&payload);
    }
    if let Some(map) = shown.as_object_mut() {
        map.insert("payload".to_owned(), payload);
    }
    say(&match form.json {
        true => text::json(&shown),
        false => text::pretty(&shown),
    });
    Ok(())
}

/// Makes them due, and does what a worker does until none of them is.
async fn apply(app: &App, ids: Vec<String>) -> Result<(), Vec<String>> {
    let first: Vec<_> = ids.iter().take(NAMED).map(String::as_str).collect();
    let more = if ids.len() > NAMED { " and more" } else { "" };
    let act = format!("replay of {}: {}{more}", ids.len(), first.join(", "));
    write_down(app, &act).await?;
    worker::replay(&app.store, &ids, app.clock.now())
        .await
        .map_err(|error| told(&error))?;
    while worker::step(app).await.map_err(|error| told(&error))? {}
    Ok(())
}

/// An event without its payload, which may be large.
struct Found {
    row: Event,
    /// Its payload has been deleted.
    is_gone: bool,
}

async fn failed(app: &App) -> Result<Vec<Found>, Vec<String>> {
    let mut ids = Vec::new();
    for state in ["failed", "dead"] {
        let filter = Filter {
            state: Some(state.to_owned()),
            ..Filter::default()
        };
        let rows = read(app, move |tx| {
            async move { store::event::list(tx, &filter, MOST).await }.boxed()
        });
        ids.extend(rows.await?.into_iter().map(|row| row.id));
    }
    by_id(app, ids).await
}

async fn by_id(app: &App, ids: Vec<String>) -> Result<Vec<Found>, Vec<String>> {
    let (rows, missing) = read(app, move |tx| {
        async move {
            let (mut rows, mut missing) = (Vec::new(), Vec::new());
            for id in ids {
                match store::event::find(tx, &id).await? {
                    Some(mut row) => {
                        let is_gone = std::mem::take(&mut row.payload).is_empty();
                        rows.push(Found { row, is_gone });
                    }
                    None => missing.push(no_event(&id)),
                }
            }
            Ok((rows, missing))
        }
        .boxed()
    })
    .await?;
    if missing.is_empty() {
        Ok(rows)
    } else {
        Err(missing)
    }
}

fn no_event(id: &str) -> String {
    format!("billhook: there is no event {}", plain(id))
}

async fn read<T: Send + 'static>(
    app: &App,
    work: impl for<'t> FnOnce(&'t mut store::Tx) -> futures::future::BoxFuture<'t, store::Result<T>>
    + Send
    + 'static,
) -> Result<T, Vec<String>> {
    app.store.read(work).await.map_err(|error| told(&error))
}

fn in_columns(rows: &[Event]) -> String {
    let heads = [
        "received", "id", "type", "object", "state", "tries", "error",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            time(row.received_at),
            plain(&row.id),
            plain(&row.r#type),
            plain(row.object_id.as_deref().unwrap_or("-")),
            row.state.clone(),
            row.attempts.to_string(),
            plain(row.error.as_deref().unwrap_or_default()),
        ]
    }));
    table(&lines)
}

fn object(row: &Event) -> Value {
    json!({
        "id": row.id,
        "type": row.r#type,
        "object": row.object_id,
        "customer": row.customer_id,
        "created": row.created,
        "livemode": row.livemode == 1,
        "api_version": row.api_version,
        "state": row.state,
        "attempts": row.attempts,
        "error": row.error,
        "received_at": row.received_at,
        "processed_at": row.processed_at,
        "due_at": row.due_at,
    })
}
