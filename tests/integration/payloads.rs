//! Every payload of `tests/payloads`, alone in an empty mirror: what becomes of the event, and the
//! rows that it leaves, against `tests/payloads/rows.txt`. When the mirror learns to read more, the
//! test says where it has written what it found now; look at each line before taking it over.

use std::{fmt::Write, path::Path, sync::Arc};

use billhook::{
    domain::sync::{self, Doubt, Outcome},
    store::{
        self, Store, Tx,
        customer::Customer,
        many::Cell,
        mirror::{
            self, CheckoutSession, Coupon, Discount, EntitlementSummary, Invoice, InvoicePayment,
            PaymentIntent, PaymentMethod, Price, Product, Subscription,
        },
        row::{self, PlainRow},
    },
    stripe::Event,
};
use futures::FutureExt;
use tokio::sync::Mutex;

use crate::engines::{Engine, database_url, on_both_engines};

on_both_engines!(every_payload_leaves_the_rows_that_it_should);

async fn every_payload_leaves_the_rows_that_it_should(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    let mut found = String::new();
    for folder in ["today", "2020-08-27", "2019-and-before"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let event = Event::parse(&std::fs::read(&file).unwrap()).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap();
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
                show::<Customer>(tx, &mut shown).await;
                show::<Subscription>(tx, &mut shown).await;
                show::<Product>(tx, &mut shown).await;
                show::<Price>(tx, &mut shown).await;
                show::<Invoice>(tx, &mut shown).await;
                show::<PaymentIntent>(tx, &mut shown).await;
                show::<InvoicePayment>(tx, &mut shown).await;
                show::<PaymentMethod>(tx, &mut shown).await;
                show::<CheckoutSession>(tx, &mut shown).await;
                show::<EntitlementSummary>(tx, &mut shown).await;
                show::<Coupon>(tx, &mut shown).await;
                show::<Discount>(tx, &mut shown).await;
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
        for item in mirror::items_of(tx, &[&id]).await.unwrap() {
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
