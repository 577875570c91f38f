//! Refresh token rotation: which token gets which successor, and how reuse of a stolen copy is detected.

use futures::FutureExt;

use super::{
    App,
    audit::{self, What},
    changes::Change,
    session::{self, Found},
};
use crate::{
    clock,
    store::{
        self, Principal, Tx,
        outbox::{Kind, Mail},
        session::{Ended, Session, Why},
    },
};

/// Grace period in seconds in which an old refresh token gets the same successor again, for tabs that renew in parallel.
const SAME_CHILD: i64 = 10;

/// Whether the browser may legitimately hold tokens of this generation: the present ones, or their parents where the browser
/// may not have received the present ones yet.
pub fn may_hold(row: &Session, generation: i64, now: i64) -> bool {
    generation == row.generation
        || generation == row.parent_generation && (is_at_once(row, now) || is_unheard(row))
}

/// In absolute value, because the clocks of two processes can differ a little and a clock may be set back.
fn is_at_once(row: &Session, now: i64) -> bool {
    (now - row.rotated_at).abs() <= SAME_CHILD
}

/// The present tokens were never used: the response that carried them may be lost.
fn is_unheard(row: &Session) -> bool {
    row.seen_generation < row.generation
}

/// What the caller wants from a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    Renew,
    /// Check whether the token is valid, without renewing.
    Look,
}

/// Renews the session of a valid refresh token, or ends the session on reuse.
pub async fn ask(
    app: &App,
    id: &str,
    generation: i64,
    client: &str,
    how: How,
) -> store::Result<Renewal> {
    let now = app.clock.now();
    let (of, id, client) = (app.clone(), id.to_owned(), client.to_owned());
    let renewal = app
        .store
        .write(move |tx| {
            async move { renew(tx, &of, (&id, generation), &client, now, how).await }.boxed()
        })
        .await?;
    if let Renewal::Copied(ended) = &renewal {
        app.outbox_due.notify_one();
        app.changes.tell(Change::Of(ended.email.clone()));
    }
    Ok(renewal)
}

/// The answer to a refresh token.
pub enum Renewal {
    /// The generation whose tokens the browser gets.
    Granted(Principal, i64),
    Over(Ended),
    /// Reuse was detected: a copy was used, and the session is ended.
    Copied(Ended),
}

/// The rotation rule.
///
/// - The present token: issue the next generation.
/// - Its parent, within the grace period: return the present generation again (tabs that renew in parallel; idempotent).
/// - Its parent, later, and the present token was never used: the response was lost, so issue the next generation. The parent
///   of that generation is the token that was shown, so the lost one becomes invalid.
/// - Any other token, or the parent although the present token is in use: reuse of a copy. The session ends, and its owner
///   gets a mail.
async fn renew(
    tx: &mut Tx,
    app: &App,
    (id, generation): (&str, i64),
    client: &str,
    now: i64,
    how: How,
) -> store::Result<Renewal> {
    tx.lock(&[id]).await?;
    let limits = session::limits(app, now);
    let found = session::find(tx, id, limits, app.config.livemode(), now).await?;
    let (principal, row) = match found {
        (Found::Live(principal, row), _) => (principal, row),
        (Found::Ended(ended), is_over) => {
            if let (Some(why), true) = (ended.why, is_over) {
                store::session::end_for(tx, id, why, now).await?;
            }
            return Ok(Renewal::Over(ended));
        }
    };
    if !may_hold(&row, generation, now) {
        tracing::warn!(
            session = id,
            "a used refresh token came again: the session is ended"
        );
        store::session::end_for(tx, id, Why::Copied, now).await?;
        // The outbox uses the database's clock.
        let due_at = app.clock.of_database(tx.clock().await?);
        store::outbox::insert(tx, &reuse_mail(id, due_at)).await?;
        let entry = audit::entry(&app.keys, now, What::Reuse, &row.email)
            .with_session(id)
            .with_client(client);
        store::audit::insert(tx, &entry).await?;
        return Ok(Renewal::Copied(Ended {
            email: row.email,
            why: Some(Why::Copied),
            at: now,
        }));
    }
    let is_parent = generation != row.generation;
    if how == How::Look || is_parent && is_at_once(&row, now) {
        return Ok(Renewal::Granted(principal, row.generation));
    }
    store::session::seen(tx, id, generation, now).await?;
    store::session::rotate(tx, id, row.generation, generation, now).await?;
    Ok(Renewal::Granted(principal, row.generation + 1))
}

fn reuse_mail(session: &str, due_at: i64) -> Mail {
    Mail {
        id: clock::new_id("mail"),
        kind: Kind::Reuse,
        sign_in_id: None,
        session_id: Some(session.to_owned()),
        asked_from: String::new(),
        attempts: 0,
        due_at,
        sent_at: None,
        withheld_at: None,
    }
}
