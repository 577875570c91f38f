//! `billhook events`: lists, shows and replays events.

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
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
        event::{Event, Filter, State},
    },
};

/// Batch size in which failed and dead events are read from the database.
const PART: i64 = 1000;
/// Maximum of replayed events listed for a person; JSON output lists all.
const SHOWN: usize = 50;
/// Batch size in which events are read to be listed.
const AT_ONCE: usize = 100;
/// Maximum of these events that the audit log names.
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
    /// List the newest events, and count all by state
    ///
    /// `applied`: its effect is in the database. `stale`: something newer was there already. `ignored`: of
    /// a kind, mode or account that is not mirrored. `pending`: Stripe is being asked. `failed`: it is tried
    /// again, after growing pauses. `dead`: it is not tried any more; see `billhook events replay --help`. With
    /// --json, an object a line.
    List(List),
    /// Show one event: what became of it, why it failed if it did, and its payload. Who it is about, and
    /// links, are shown as …
    Show {
        /// Its id, `evt_…`, as `billhook events list` and Stripe's dashboard show it
        #[arg(value_name = "EVENT")]
        id: String,
        /// Show the payload as it came. That is written to the audit log
        #[arg(long)]
        reveal: bool,
    },
    /// Apply events again. Shows which; does it with --yes
    ///
    /// For those that failed or are dead, after their cause has been put right. It is safe however often: an
    /// event never overwrites what is newer. Each has twelve tries again.
    Replay(Replay),
}

#[derive(Args, Debug)]
struct List {
    /// Only in this state
    #[arg(long, value_parser = states())]
    state: Option<State>,
    /// Only of this type, or with a star of those that begin so: 'customer.*'
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only about this customer, by Stripe's id: cus_…
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Only those received in the last minutes (30m), hours (12h) or days (7d)
    #[arg(long, value_name = "AGE", value_parser = seconds)]
    since: Option<i64>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

#[derive(Args, Debug)]
struct Replay {
    /// Ids, evt_…, one or several
    #[arg(value_name = "EVENT", required_unless_present = "failed")]
    ids: Vec<String>,
    /// All events that failed or are dead
    #[arg(long, conflicts_with = "ids")]
    failed: bool,
    /// Do it, instead of showing what would be done
    #[arg(long)]
    yes: bool,
}

fn states() -> impl TypedValueParser<Value = State> {
    let words = State::ALL.iter().map(|state| state.as_str());
    PossibleValuesParser::new(words).try_map(State::try_from)
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
            .map(|(state, count)| format!("{count} {}", state.as_str()));
        say(&format!(
            "\nin all: {}",
            counts.collect::<Vec<_>>().join(", ")
        ));
        Ok(())
    }
}

impl Replay {
    async fn run(self, app: &App, form: Form) -> Result<(), Vec<String>> {
        let all = if self.failed {
            failed(app).await?
        } else {
            known(app, self.ids).await?
        };
        let count = all.len();
        let ids: Vec<_> = all
            .into_iter()
            .filter_map(|(id, has_payload)| has_payload.then_some(id))
            .collect();
        let gone = count - ids.len();
        if !form.json && gone > 0 {
            say(&format!(
                "{gone} cannot be replayed: their payloads have been deleted"
            ));
        }
        if ids.is_empty() {
            if !form.json {
                say("nothing to replay");
            }
            return Ok(());
        }
        if self.yes {
            apply(app, &ids).await?;
        }
        if form.json {
            for some in ids.chunks(AT_ONCE) {
                let rows = by_id(app, some).await?;
                rows.iter().for_each(|row| say(&text::json(&object(row))));
            }
            return Ok(());
        }
        let first = ids.get(..SHOWN).unwrap_or(&ids);
        say(&in_columns(&by_id(app, first).await?));
        if ids.len() > first.len() {
            say(&format!("… and {} more", ids.len() - first.len()));
        }
        if !self.yes {
            say(&format!(
                "\n{} would be applied again. Do it with --yes.",
                ids.len()
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

/// Requeues the events, and runs a worker's loop until none of them is due.
async fn apply(app: &App, ids: &[String]) -> Result<(), Vec<String>> {
    let first: Vec<_> = ids.iter().take(NAMED).map(String::as_str).collect();
    let more = if ids.len() > NAMED { " and more" } else { "" };
    let act = format!("replay of {}: {}{more}", ids.len(), first.join(", "));
    write_down(app, &act).await?;
    worker::replay(&app.store, ids, app.clock.now())
        .await
        .map_err(|error| told(&error))?;
    while worker::step(app).await.map_err(|error| told(&error))? {}
    Ok(())
}

/// Every failed or dead event, and whether it still has its payload.
async fn failed(app: &App) -> Result<Vec<(String, bool)>, Vec<String>> {
    let mut all: Vec<(String, bool)> = Vec::new();
    loop {
        let after = all.last().map(|(id, _)| id.clone()).unwrap_or_default();
        let part = read(app, move |tx| {
            async move { store::event::failed_after(tx, &after, PART).await }.boxed()
        });
        let part = part.await?;
        if part.is_empty() {
            return Ok(all);
        }
        all.extend(part);
    }
}

/// These events, and whether they still have their payloads. An unknown id is an error.
async fn known(app: &App, ids: Vec<String>) -> Result<Vec<(String, bool)>, Vec<String>> {
    let found = read(app, move |tx| {
        async move {
            let mut found = Vec::new();
            for id in ids {
                let row = store::event::find(tx, &id).await?;
                found.push((id, row.map(|row| !row.payload.is_empty())));
            }
            Ok(found)
        }
        .boxed()
    });
    let (mut known, mut missing) = (Vec::new(), Vec::new());
    for (id, has_payload) in found.await? {
        match has_payload {
            Some(has_payload) => known.push((id, has_payload)),
            None => missing.push(no_event(&id)),
        }
    }
    if missing.is_empty() {
        Ok(known)
    } else {
        Err(missing)
    }
}

/// The current rows of these events, without their payloads, which may be large.
async fn by_id(app: &App, ids: &[String]) -> Result<Vec<Event>, Vec<String>> {
    let ids = ids.to_vec();
    read(app, move |tx| {
        async move {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.extend(store::event::find(tx, &id).await?.map(|row| Event {
                    payload: String::new(),
                    ..row
                }));
            }
            Ok(rows)
        }
        .boxed()
    })
    .await
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
            row.state.as_str().to_owned(),
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
        "state": row.state.as_str(),
        "attempts": row.attempts,
        "error": row.error,
        "received_at": row.received_at,
        "processed_at": row.processed_at,
        "due_at": row.due_at,
    })
}
