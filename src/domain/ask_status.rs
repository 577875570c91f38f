//! What the page says after a visitor requested a sign-in link. It depends only on the requests of this browser and on the global
//! rate limit. So it does not reveal whether a customer has the address (user enumeration), nor what other visitors requested for it.

use futures::FutureExt;

use super::{App, keys, mail_limit, sign_in};
use crate::{
    mask::shows,
    store::{
        self,
        sign_in::{End, SignIn},
    },
};

/// The address for which a browser last requested a link, until that sign-in expires.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    pub address: String,
    /// Seconds until this browser can get the next mail. Set if its last request was rate limited, so that no mail was sent.
    pub wait: Option<i64>,
    /// The global rate limit of mails is reached: all mails wait.
    pub is_busy: bool,
}

shows!(Asked: wait, is_busy);

pub async fn last(app: &App, browser: &str) -> store::Result<Option<Asked>> {
    let (hash, reader) = (keys::sha256_hex(browser), app.clone());
    app.store
        .read(move |tx| {
            async move {
                let time = reader.clock.of_database(tx.clock().await?);
                let rows = store::sign_in::of_browser(tx, &hash, time).await?;
                if rows.is_empty() {
                    return Ok(None);
                }
                let wait = next_at(&rows).map(|at| at - time).filter(|left| *left > 0);
                let is_busy = mail_limit::is_reached(&reader, tx, time).await?;
                let newest = rows.into_iter().max_by_key(in_order);
                Ok(newest.map(|row| Asked {
                    address: row.email,
                    wait,
                    is_busy,
                }))
            }
            .boxed()
        })
        .await
}

/// The sort key of sign-ins by time. Of two in the same second, the refused one came later.
fn in_order(row: &SignIn) -> (i64, bool) {
    (row.created_at, was_refused(row))
}

fn was_refused(row: &SignIn) -> bool {
    row.ended_for == Some(End::Refused)
}

/// When the next mail is possible, if the rate limit of this browser refused its newest request. The rate limit of the address is
/// not reported: it would reveal that others request links for it.
fn next_at(rows: &[SignIn]) -> Option<i64> {
    let newest = rows.iter().max_by_key(|row| in_order(row))?;
    if !was_refused(newest) {
        return None;
    }
    let mut mailed: Vec<&SignIn> = rows.iter().filter(|row| !was_refused(row)).collect();
    mailed.sort_by_key(|row| row.created_at);
    let same = mailed.iter().rev().find(|row| row.email == newest.email);
    let pause = same.map(|row| row.created_at + sign_in::RESEND_AFTER);
    let most = usize::try_from(sign_in::MOST_LIVE).unwrap_or(usize::MAX);
    let oldest = mailed.iter().rev().nth(most.saturating_sub(1));
    let room = oldest.map(|row| row.expires_at);
    pause.max(room).filter(|at| *at > newest.created_at)
}
