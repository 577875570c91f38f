//! Sessions: a short access token (JWT, 5 minutes) and a rotating refresh token, checked against
//! the session's row on every request, so that signing out ends both at once.
//!
//! A refresh token is derived from session and generation. It can therefore be made again for a
//! second tab, or for a browser that lost the answer, without being stored.
//!
//! A session ends by signing out, by reuse, or at its limits ([`expiry`](super::expiry)). The end is
//! written when it is noticed, so that no clock that is set back revives it.

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::{
    App,
    audit::{self, What},
    changes::Change,
    jwt,
    keys::{self, Purpose},
};
use crate::{
    clock,
    config::Secret,
    store::{
        self, Principal, Tx,
        outbox::Mail,
        session::{Limits, Session},
    },
};

/// The generation that a session begins with.
pub const FIRST: i64 = 1;
/// Seconds that an access token works.
pub const ACCESS_LIFETIME: i64 = 5 * 60;
/// Seconds in which an old refresh token gets the same child again: tabs that renew at once.
const SAME_CHILD: i64 = 10;
/// Seconds between two notes that a session is in use: not every request is to write.
const NOTE_EVERY: i64 = 60;

/// The values of the two cookies.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: Secret,
    pub refresh: Secret,
}

/// Who sent a request, by its cookies.
#[derive(Debug)]
pub enum Identity {
    Nobody,
    Known(Principal),
    /// Known, and the cookies are to be replaced.
    Renewed(Principal, Tokens),
}

/// Nothing else: a claim that we do not make is no token of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    /// The session's id.
    sub: String,
    generation: i64,
    iat: i64,
    exp: i64,
}

/// A session of a browser that is described as `browser`.
pub fn new(email: String, browser: &str, now: i64) -> Session {
    Session {
        id: clock::new_id("ses"),
        email,
        generation: FIRST,
        parent_generation: 0,
        seen_generation: 0,
        rotated_at: now,
        active_at: now,
        created_at: now,
        ended_at: None,
        browser: browser.to_owned(),
    }
}

pub fn tokens(app: &App, session: &str, generation: i64) -> Tokens {
    let now = app.clock.now();
    let claims = Claims {
        iss: app.config.frontend_url.to_string(),
        aud: "billhook".to_owned(),
        sub: session.to_owned(),
        generation,
        iat: now,
        exp: now + ACCESS_LIFETIME,
    };
    let body = format!("{session}.{generation}");
    let tag = keys::encode(&app.keys.mac(Purpose::Refresh, &body));
    Tokens {
        access: Secret::new(jwt::encode(&claims, app.keys.signing_key())),
        refresh: Secret::new(format!("{body}.{tag}")),
    }
}

/// Finds out who sent a request, from that client. The signature is checked before the database is asked.
pub async fn identify(
    app: &App,
    access: Option<&str>,
    refresh: Option<&str>,
    client: &str,
) -> store::Result<Identity> {
    if let Some((session, generation)) = access.and_then(|token| read_access(app, token)) {
        let known = by_access(app, &session, generation).await?;
        if let Some(identity) = known {
            return Ok(identity);
        }
    }
    match refresh.and_then(|token| read_refresh(app, token)) {
        Some((session, generation)) => by_refresh(app, session, generation, client).await,
        None => Ok(Identity::Nobody),
    }
}

/// Finds out who sent a request that the browser makes by itself. It counts as no use of the
/// session, and renews nothing.
pub async fn peek(
    app: &App,
    access: Option<&str>,
    refresh: Option<&str>,
) -> store::Result<Identity> {
    let access = access.and_then(|token| read_access(app, token));
    let refresh = refresh.and_then(|token| read_refresh(app, token));
    for (id, generation) in access.into_iter().chain(refresh) {
        if let Some((principal, row)) = look_up(app, &id).await?
            && is_current(&row, generation)
        {
            return Ok(Identity::Known(principal));
        }
    }
    Ok(Identity::Nobody)
}

/// Whether the session is live and its first tokens are its present ones.
pub async fn is_new(tx: &mut Tx, app: &App, id: &str) -> store::Result<bool> {
    let limits = limits(app, app.clock.now());
    let live = store::session::principal(tx, id, limits, app.config.livemode()).await?;
    Ok(live.is_some_and(|(_, row)| row.generation == FIRST))
}

/// Ends a session in the database. Its tokens are worth nothing from then on.
pub async fn end(app: &App, principal: &Principal, client: &str) -> store::Result<()> {
    let (id, now) = (principal.session().to_owned(), app.clock.now());
    let entry = audit::of(app, principal, What::SignedOut, client);
    app.store
        .write(move |tx| {
            async move {
                store::session::end(tx, &id, now).await?;
                store::audit::insert(tx, &entry).await
            }
            .boxed()
        })
        .await?;
    // Its other open pages find out.
    app.changes.tell(Change::Of(principal.email().to_owned()));
    Ok(())
}

/// The seconds until the principal's session reaches a limit, unless somebody uses it; nothing when it
/// has ended.
pub async fn seconds_left(app: &App, principal: &Principal) -> store::Result<Option<i64>> {
    let now = app.clock.now();
    let limits = limits(app, now);
    Ok(look_up(app, principal.session()).await?.map(|(_, row)| {
        (row.created_at - limits.began_after).min(row.active_at - limits.active_after)
    }))
}

/// What has not ended now began and was used after these times.
pub fn limits(app: &App, now: i64) -> Limits {
    Limits {
        began_after: now - app.config.session_hours * 60 * 60,
        active_after: now - app.config.session_idle_minutes * 60,
    }
}

/// A session that has not ended. One that is seen to be beyond its limits ends.
async fn look_up(app: &App, id: &str) -> store::Result<Option<(Principal, Session)>> {
    let now = app.clock.now();
    let (limits, livemode) = (limits(app, now), app.config.livemode());
    let of = id.to_owned();
    let (live, is_over) = app
        .store
        .look(move |tx| async move { find(tx, &of, limits, livemode).await }.boxed())
        .await?;
    if is_over {
        end_by_id(app, id).await?;
    }
    Ok(live)
}

/// The session if it is live, and whether it would be but for its limits.
async fn find(
    tx: &mut Tx,
    id: &str,
    limits: Limits,
    livemode: bool,
) -> store::Result<(Option<(Principal, Session)>, bool)> {
    let live = store::session::principal(tx, id, limits, livemode).await?;
    if live.is_some() {
        return Ok((live, false));
    }
    let row = store::session::find(tx, id).await?;
    Ok((None, row.is_some_and(|row| row.ended_at.is_none())))
}

async fn end_by_id(app: &App, id: &str) -> store::Result<()> {
    let (id, now) = (id.to_owned(), app.clock.now());
    app.store
        .write(move |tx| async move { store::session::end(tx, &id, now).await }.boxed())
        .await
}

/// Whether the browser may still hold tokens of this generation. Not of one that was lost on the way
/// and replaced: whoever shows those has taken them.
fn is_current(row: &Session, generation: i64) -> bool {
    generation == row.generation || generation == row.parent_generation
}

/// Nothing when the refresh token is to decide.
async fn by_access(app: &App, id: &str, generation: i64) -> store::Result<Option<Identity>> {
    let Some((principal, row)) = look_up(app, id).await? else {
        return Ok(Some(Identity::Nobody));
    };
    if !is_current(&row, generation) {
        return Ok(None);
    }
    let now = app.clock.now();
    if row.seen_generation < generation || now - row.active_at >= NOTE_EVERY {
        let id = id.to_owned();
        app.store
            .write(move |tx| {
                async move { store::session::seen(tx, &id, generation, now).await }.boxed()
            })
            .await?;
    }
    Ok(Some(Identity::Known(principal)))
}

async fn by_refresh(
    app: &App,
    id: String,
    generation: i64,
    client: &str,
) -> store::Result<Identity> {
    let now = app.clock.now();
    let (of, client) = (app.clone(), client.to_owned());
    let renewal = app
        .store
        .write(move |tx| {
            async move { renew(tx, &of, (&id, generation), &client, now).await }.boxed()
        })
        .await?;
    Ok(match renewal {
        Renewal::Granted(principal, generation) => {
            let tokens = tokens(app, principal.session(), generation);
            Identity::Renewed(principal, tokens)
        }
        Renewal::Over => Identity::Nobody,
        Renewal::Reused(email) => {
            app.outbox_due.notify_one();
            app.changes.tell(Change::Of(email));
            Identity::Nobody
        }
    })
}

/// What a refresh token is answered.
enum Renewal {
    /// The generation whose tokens the browser is to have.
    Granted(Principal, i64),
    Over,
    /// A copy was used: the session of this address is ended.
    Reused(String),
}

/// The rule of rotation.
///
/// - The present token: the next generation.
/// - Its parent, at once: the present generation again (tabs that renew together).
/// - Its parent, later, and the present one never came back: the answer was lost, so the next
///   generation. Its parent is the one that came: the lost one is worth nothing from then on.
/// - Anything else, or the parent although the present one is in use: somebody holds a copy. The
///   session ends, and its owner is told by mail.
async fn renew(
    tx: &mut Tx,
    app: &App,
    (id, generation): (&str, i64),
    client: &str,
    now: i64,
) -> store::Result<Renewal> {
    tx.lock(&[id]).await?;
    let found = find(tx, id, limits(app, now), app.config.livemode()).await?;
    let (principal, row) = match found {
        (Some(live), _) => live,
        (None, is_over) => {
            if is_over {
                store::session::end(tx, id, now).await?;
            }
            return Ok(Renewal::Over);
        }
    };
    let is_present = generation == row.generation;
    let is_parent = generation == row.parent_generation;
    // Two processes' clocks may differ a little, and one may be set back: that is not "at once".
    if is_parent && (now - row.rotated_at).abs() <= SAME_CHILD {
        return Ok(Renewal::Granted(principal, row.generation));
    }
    let answer_was_lost = is_parent && row.seen_generation < row.generation;
    if !is_present && !answer_was_lost {
        tracing::warn!(
            session = id,
            "a used refresh token came again: the session is ended"
        );
        store::session::end(tx, id, now).await?;
        // The outbox goes by the database's clock.
        let due_at = app.clock.of_database(tx.clock().await?);
        store::outbox::insert(tx, &reuse_mail(id, due_at)).await?;
        let entry = audit::entry(&app.keys, now, What::Reuse, &row.email)
            .with_session(id)
            .with_client(client);
        store::audit::insert(tx, &entry).await?;
        return Ok(Renewal::Reused(row.email));
    }
    store::session::seen(tx, id, generation, now).await?;
    store::session::rotate(tx, id, row.generation, generation, now).await?;
    Ok(Renewal::Granted(principal, row.generation + 1))
}

fn reuse_mail(session: &str, due_at: i64) -> Mail {
    Mail {
        id: clock::new_id("mail"),
        kind: Mail::REUSE.to_owned(),
        sign_in_id: None,
        session_id: Some(session.to_owned()),
        asked_from: String::new(),
        attempts: 0,
        due_at,
        sent_at: None,
    }
}

fn read_access(app: &App, token: &str) -> Option<(String, i64)> {
    let claims: Claims = jwt::decode(
        token,
        app.keys.access_keys(),
        app.config.frontend_url.as_str(),
        "billhook",
    )?;
    let now = app.clock.now();
    let is_over = claims.exp.saturating_add(jwt::LEEWAY) <= now;
    let is_early = claims.iat.saturating_sub(jwt::LEEWAY) > now;
    let valid = !is_over && !is_early;
    valid.then_some((claims.sub, claims.generation))
}

fn read_refresh(app: &App, token: &str) -> Option<(String, i64)> {
    let (body, tag) = token.rsplit_once('.')?;
    let (session, generation) = body.rsplit_once('.')?;
    app.keys
        .verify(Purpose::Refresh, body, &keys::decode(tag)?)
        .then(|| Some((session.to_owned(), generation.parse().ok()?)))?
}
