//! Checks whether customers can sign in: mails that were dropped, and brute-force attempts at codes.

use futures::FutureExt;

use super::Finding;
use crate::{
    clock::Clock,
    config::Around,
    domain::{code_guessing, mail_limit},
    store::{self, Store, diagnostics, file},
};

const CHECK: &str = "sign-in";

pub async fn examine(around: &Around, clock: &Clock) -> Vec<Finding> {
    let Some(config) = around.with(&["DATABASE_URL"]) else {
        let says = "not looked at: that needs DATABASE_URL";
        return vec![Finding::skipped(CHECK, says)];
    };
    let url = config.database_url.expose();
    let is_missing = file::of_url(url).is_some_and(|file| !file.exists());
    let looked = if is_missing {
        Ok(None)
    } else {
        look(url, clock).await
    };
    match looked {
        Ok(Some(findings)) => findings,
        Ok(None) => vec![Finding::skipped(
            CHECK,
            "not looked at: there are no tables yet",
        )],
        Err(error) => {
            tracing::debug!(%error, "mails and codes could not be looked at");
            let says = "not looked at: the database cannot be used";
            vec![Finding::skipped(CHECK, says)]
        }
    }
}

async fn look(url: &str, clock: &Clock) -> store::Result<Option<Vec<Finding>>> {
    let store = Store::open(url).await?;
    let looked = ask(&store, clock).await;
    store.close().await;
    looked
}

async fn ask(store: &Store, clock: &Clock) -> store::Result<Option<Vec<Finding>>> {
    let tables = diagnostics::tables(store).await?;
    if tables.missing > 0 || tables.unknown > 0 {
        return Ok(None);
    }
    let clock = clock.clone();
    let read = store.read(move |tx| {
        async move {
            let time = clock.of_database(tx.clock().await?);
            let dropped = mail_limit::dropped(tx, time).await?;
            Ok((dropped, code_guessing::were_spent(tx, time).await?))
        }
        .boxed()
    });
    let (dropped, were_spent) = read.await?;
    let mut findings = Vec::new();
    if dropped > 0 {
        let mails = match dropped {
            1 => "One sign-in mail was".to_owned(),
            many => format!("{many} sign-in mails were"),
        };
        findings.push(Finding::failure(
            CHECK,
            format!("{mails} dropped lately: there were more than MAILS_PER_HOUR allows, and some customers got none."),
            "Set MAILS_PER_HOUR higher, as far as the mail server takes it, or take it out. If nobody sent a \
             newsletter, `billhook audit list` shows who asks.",
        ));
    }
    if were_spent {
        findings.push(Finding::warning(
            CHECK,
            "In the last day there were more wrong codes than are allowed in all: somebody is guessing. No code \
             was taken then; links worked.",
            "`billhook audit list` shows from where they came. Keep those clients out at the proxy.",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "in the last day no mail was dropped for MAILS_PER_HOUR, and nobody guessed codes",
        ));
    }
    Ok(Some(findings))
}
