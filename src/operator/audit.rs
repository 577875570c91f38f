//! `billhook audit`: lists the audit log, who did what and when.

use clap::{Args, Subcommand};
use futures::FutureExt;
use serde_json::{Value, json};

use super::{
    Form,
    text::{self, plain, seconds, table, time},
    told,
};
use crate::{
    domain::{
        App,
        audit::{self, What},
        email,
    },
    mask::shows,
    say,
    store::audit::{Entry, Filter},
};

#[derive(Args, Debug)]
pub struct Audit {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the newest entries
    ///
    /// One for each sign-in that was asked for, done or failed, each portal that was opened, each session that
    /// was ended, and each operator's command that changes something. Addresses are shown masked. With --json, an
    /// object a line.
    List(List),
}

#[derive(Args)]
struct List {
    /// Only of this kind
    #[arg(long, value_parser = What::ALL.map(What::name))]
    what: Option<String>,
    /// Only about this e-mail address, since SESSION_SECRET was last changed
    #[arg(long, value_name = "ADDRESS")]
    who: Option<String>,
    /// Only of the last minutes (30m), hours (12h) or days (7d)
    #[arg(long, value_name = "AGE", value_parser = seconds)]
    since: Option<i64>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

shows!(List: what, since, limit);

impl Audit {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        match self.command {
            Command::List(list) => list.run(app, self.form).await,
        }
    }
}

impl List {
    async fn run(self, app: &App, form: Form) -> Result<(), Vec<String>> {
        let who = |address: String| audit::who(&app.keys, &email::normalise(&address));
        let filter = Filter {
            what: self.what,
            who: self.who.map(who),
            since: self.since.map(|seconds| app.clock.now() - seconds),
        };
        let limit = self.limit;
        let entries = app.store.read(move |tx| {
            async move { crate::store::audit::list(tx, &filter, limit).await }.boxed()
        });
        let entries = entries.await.map_err(|error| told(&error))?;
        if form.json {
            let lines = entries.iter().map(object);
            lines.for_each(|line| say(&text::json(&line)));
        } else if entries.is_empty() {
            say("no such entries");
        } else {
            say(&in_columns(&entries));
        }
        Ok(())
    }
}

fn in_columns(entries: &[Entry]) -> String {
    let heads = ["at", "what", "who", "client", "session", "detail"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let cell = |text: &Option<String>| plain(text.as_deref().unwrap_or("-"));
    lines.extend(entries.iter().map(|entry| {
        vec![
            time(entry.at),
            plain(&entry.what),
            cell(&entry.shown),
            cell(&entry.client),
            cell(&entry.session),
            cell(&entry.detail),
        ]
    }));
    table(&lines)
}

fn object(entry: &Entry) -> Value {
    json!({
        "at": entry.at,
        "what": entry.what,
        "who": entry.who,
        "shown": entry.shown,
        "client": entry.client,
        "session": entry.session,
        "detail": entry.detail,
    })
}
