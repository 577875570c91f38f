//! Every payload of `tests/payloads`, alone in an empty mirror: what becomes of the event, and the
//! rows that it leaves, against `tests/payloads/rows.txt`. When the mirror learns to read more, the
//! test says where it has written what it found now; look at each line before taking it over.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use billhook::{
    domain::{
        mirror::{self, Kind, Noun, Visit},
        sync::{self, Doubt, Outcome},
    },
    store::{
        self, Store, Tx,
        bulk::Cell,
        mirror::items_of,
        row::{self, PlainRow},
    },
    stripe::Event,
};
use futures::FutureExt;
use tokio::sync::Mutex;

use crate::engines::{Engine, database_url, on_both_engines};

on_both_engines!(every_payload_leaves_the_rows_that_it_should);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

/// The payloads of a folder by their names.
pub fn events_in(folder: &str) -> Vec<(String, Event)> {
    let files = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let event = Event::parse(&std::fs::read(&file).unwrap()).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        (name.to_owned(), event)
    };
    files.into_iter().map(read).collect()
}

async fn every_payload_leaves_the_rows_that_it_should(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let root = root();
    let mut found = String::new();
    for folder in ["today", "2020-08-27", "2019-and-before"] {
        for (name, event) in events_in(folder) {
            writeln!(found, "{folder}/{name}").unwrap();
            found.push_str(&rows_after(&store, event).await);
        }
    }
    let expected = std::fs::read_to_string(root.join("rows.txt")).unwrap_or_default();
    let written = std::env::temp_dir().join(format!("rows-{engine:?}.txt"));
    std::fs::write(&written, &found).unwrap();
    let differing = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        found == expected,
        "what was found is in {}: {differing:#?}",
        written.display()
    );
}

/// Applies the event, looks, and takes it back.
async fn rows_after(store: &Store, event: Event) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let shown = seen.clone();
    let taken_back: store::Result<()> = store
        .write(move |tx| {
            async move {
                let events = [event];
                let received =
                    sync::receive(tx, &events, &sync::Ours::default(), 1_900_000_000).await?;
                let mut shown = shown.lock().await;
                writeln!(shown, "  {:?}", received.outcomes[0]).unwrap();
                if received.outcomes[0] == Outcome::Pending {
                    let settled = sync::apply(
                        tx,
                        &events,
                        &sync::Ours::default(),
                        Doubt::Settle,
                        1_900_000_000,
                    )
                    .await?;
                    let outcome = settled.outcomes[0];
                    writeln!(shown, "  {outcome:?} where Stripe cannot be asked").unwrap();
                }
                let shown = &mut *shown;
                mirror::visit_all(&mut Show { tx, shown }).await;
                Err(store::Error::RowNotFound)
            }
            .boxed()
        })
        .await;
    assert!(
        matches!(taken_back, Err(store::Error::RowNotFound)),
        "{taken_back:?}"
    );
    let shown = seen.lock().await;
    shown.clone()
}

struct Show<'t> {
    tx: &'t mut Tx,
    shown: &'t mut String,
}

impl Visit for Show<'_> {
    async fn visit<N: Noun>(&mut self, _kind: Kind) {
        show::<N::Plain>(self.tx, self.shown).await;
    }
}

/// All rows of a table, a line each, without what is nothing.
async fn show<R: PlainRow>(tx: &mut Tx, shown: &mut String) {
    let sql = sqlx::AssertSqlSafe(format!("SELECT id FROM {} ORDER BY id", R::TABLE));
    let ids: Vec<String> = match tx {
        Tx::Sqlite(tx) => sqlx::query_scalar(sql).fetch_all(&mut **tx).await.unwrap(),
        Tx::Postgres(tx) => sqlx::query_scalar(sql).fetch_all(&mut **tx).await.unwrap(),
    };
    for id in ids {
        let row: R = row::find(tx, &id).await.unwrap().unwrap();
        write!(shown, "  {}:", R::TABLE).unwrap();
        for (column, cell) in R::COLUMNS.iter().zip(row.cells()) {
            match cell {
                Cell::Text(Some(text)) => write!(shown, " {column}={text:?}").unwrap(),
                Cell::Number(Some(number)) => write!(shown, " {column}={number}").unwrap(),
                Cell::Text(None) | Cell::Number(None) => {}
            }
        }
        shown.push('\n');
        for item in items_of(tx, &[&id]).await.unwrap() {
            let price = item.price_id.as_deref().unwrap_or("no price");
            writeln!(
                shown,
                "    {} {price} of {} × {:?}, {:?} to {:?}",
                item.id.as_deref().unwrap_or("no id"),
                item.product_id.as_deref().unwrap_or("no product"),
                item.quantity,
                item.current_period_start,
                item.current_period_end
            )
            .unwrap();
        }
    }
}
