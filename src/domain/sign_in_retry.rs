//! Makes the use of a sign-in idempotent. A button is pressed twice, or the response is lost: for a short time the browser that
//! used a sign-in gets the same session again, so that no orphaned session is left.

use futures::FutureExt;

use super::{
    App, known_device, session,
    sign_in::{self, Entry, MOST_TRIES},
};
use crate::{
    config::Secret,
    store::{
        self, Tx,
        sign_in::{SignIn, Used},
    },
};

/// Seconds in which a used sign-in returns the same session again.
const FOR: i64 = 60;
/// The most tries of a code against one sign-in, before and after its use together.
const MOST_TRIES_AGAIN: i64 = 2 * MOST_TRIES;

/// The session that the sign-in gave to this browser a moment ago, if it is unchanged: neither ended nor renewed. Only a browser
/// that holds its tokens can do either.
pub async fn entry(
    tx: &mut Tx,
    app: &App,
    id: &str,
    browser_hash: &str,
    time: i64,
) -> store::Result<Option<Entry>> {
    let Some(used) = store::sign_in::used(tx, id, browser_hash, time - FOR).await? else {
        return Ok(None);
    };
    if !session::is_new(tx, app, &used.session_id).await? {
        return Ok(None);
    }
    give(tx, app, id, &used).await.map(Some)
}

/// The tokens and the device cookie for a used sign-in.
pub async fn give(tx: &mut Tx, app: &App, id: &str, used: &Used) -> store::Result<Entry> {
    let mark = known_device::mark(tx, &app.keys, &used.email).await?;
    let device = known_device::new(&app.keys, &used.email, id, used.used_at, mark.as_deref());
    Ok(Entry {
        tokens: session::tokens(app, &used.session_id, session::FIRST),
        device: Secret::new(device),
    })
}

/// Like [`entry`], in a transaction of its own.
pub async fn look(
    app: &App,
    row: &SignIn,
    browser_hash: String,
    time: i64,
) -> store::Result<Option<Entry>> {
    if row.used_at.is_none() {
        return Ok(None);
    }
    let (of, id) = (app.clone(), row.id.clone());
    app.store
        .read(move |tx| async move { entry(tx, &of, &id, &browser_hash, time).await }.boxed())
        .await
}

/// The session that this browser got for the same code a moment ago. A wrong code is counted.
pub async fn by_code(
    tx: &mut Tx,
    app: &App,
    browser_hash: &str,
    code: &str,
    time: i64,
) -> store::Result<Option<Entry>> {
    let after = time - FOR;
    let used = store::sign_in::all_used(tx, browser_hash, after, MOST_TRIES_AGAIN).await?;
    let mut rows = used.iter();
    match rows.find(|row| sign_in::is_code_of(&app.keys, row, code)) {
        Some(row) => entry(tx, app, &row.id, browser_hash, time).await,
        None if used.is_empty() => Ok(None),
        None => {
            store::sign_in::count_try_again(tx, browser_hash, after).await?;
            Ok(None)
        }
    }
}

/// The sign-in whose code this browser typed a moment ago and sends again before the first response arrives. The first try was
/// counted, perhaps as the last permitted one.
pub async fn under_way(
    tx: &mut Tx,
    app: &App,
    browser_hash: &str,
    code: &str,
    time: i64,
) -> store::Result<Option<SignIn>> {
    let rows = store::sign_in::right_lately(tx, browser_hash, time - FOR, time).await?;
    let mut rows = rows.into_iter();
    Ok(rows.find(|row| sign_in::is_code_of(&app.keys, row, code)))
}
