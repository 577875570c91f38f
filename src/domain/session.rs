//! Sessions: a short-lived access token (JWT, 5 minutes) and a rotating refresh token. Every request checks them against the
//! session's row, so signing out revokes both at once.
//!
//! A refresh token is derived from session and generation. The server can therefore issue the same token again, for a second
//! tab or for a browser that lost the response, without storing it.
//!
//! A session ends by signing out, by reuse of a refresh token, or at its idle or age limit ([`expiry`](super::expiry)). The
//! server writes the end when it notices it, so setting a clock back does not revive a session.

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::{
    App,
    audit::{self, What},
    changes::Change,
    jwt,
    keys::{self, Purpose},
    renewal::{self, How, Renewal},
};
use crate::{
    clock,
    config::Secret,
    store::{
        self, Principal, Tx,
        session::{Ended, Limits, Session, Why},
    },
};

/// The first generation of a session.
pub const FIRST: i64 = 1;
/// Lifetime of an access token in seconds.
pub const ACCESS_LIFETIME: i64 = 5 * 60;
/// Seconds between two writes of "last used", so that not every request writes to the database.
const NOTE_EVERY: i64 = 60;

/// The values of the two cookies.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: Secret,
    pub refresh: Secret,
}

/// Who sent a request, according to its cookies.
#[derive(Debug)]
pub enum Identity {
    Nobody,
    /// The session of these tokens has ended.
    Ended(Ended),
    Known(Principal),
    /// Known, and the response must replace the cookies.
    Renewed(Principal, Tokens),
}

/// Unknown claims are rejected: only tokens with exactly our claims are ours.
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

/// Creates a session. `browser` describes the browser.
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

/// Authenticates a request from `client`. It verifies the signature before it queries the database.
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
        Some((session, generation)) => by_refresh(app, &session, generation, client).await,
        None => Ok(Identity::Nobody),
    }
}

/// Authenticates the request for the event stream (server-sent events), which the browser opens by itself. It does not count as
/// activity and renews nothing. It does check the refresh token as any page does, and reuse of a copy ends the session. An
/// access token alone is not enough: a browser has both, and a thief with a copied access token could listen unnoticed.
pub async fn peek(app: &App, refresh: Option<&str>, client: &str) -> store::Result<Peeked> {
    let nobody = |identity| Peeked {
        identity,
        generation: 0,
    };
    let Some((id, generation)) = refresh.and_then(|token| read_refresh(app, token)) else {
        return Ok(nobody(Identity::Nobody));
    };
    let (principal, row) = match look_up(app, &id).await? {
        Found::Live(principal, row) => (principal, row),
        Found::Ended(ended) => return Ok(nobody(Identity::Ended(ended))),
    };
    if !renewal::may_hold(&row, generation, app.clock.now()) {
        let renewal = renewal::ask(app, &id, generation, client, How::Look).await?;
        if let Renewal::Over(ended) | Renewal::Copied(ended) = renewal {
            return Ok(nobody(Identity::Ended(ended)));
        }
    } else if row.seen_generation < generation {
        let at = row.active_at;
        app.store
            .write(move |tx| {
                async move { store::session::seen(tx, &id, generation, at).await }.boxed()
            })
            .await?;
    }
    Ok(Peeked {
        identity: Identity::Known(principal),
        generation,
    })
}

/// Who asks for the stream, and the generation of the token that proves it.
#[derive(Debug)]
pub struct Peeked {
    pub identity: Identity,
    pub generation: i64,
}

/// Who is signed in, for the name at the top of a page that is rendered outside the page routes (such as an error page). It renews,
/// records and ends nothing.
pub async fn glance(app: &App, access: Option<&str>, refresh: Option<&str>) -> Option<Principal> {
    let access = access.and_then(|token| read_access(app, token));
    let refresh = refresh.and_then(|token| read_refresh(app, token));
    let (id, generation) = access.or(refresh)?;
    let (now, livemode) = (app.clock.now(), app.config.livemode());
    let limits = limits(app, now);
    let found = app.store.look(move |tx| {
        async move { store::session::principal(tx, &id, limits, livemode).await }.boxed()
    });
    let (principal, row) = found.await.ok()??;
    is_current(&row, generation).then_some(principal)
}

/// Whether the session is live and still has its first tokens.
pub async fn is_new(tx: &mut Tx, app: &App, id: &str) -> store::Result<bool> {
    let limits = limits(app, app.clock.now());
    let live = store::session::principal(tx, id, limits, app.config.livemode()).await?;
    Ok(live.is_some_and(|(_, row)| row.generation == FIRST))
}

/// Ends a session in the database, which revokes its tokens.
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
    // Notifies its other open pages.
    app.changes.tell(Change::Of(principal.email().to_owned()));
    Ok(())
}

/// Whether a stream may continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Seconds until the session reaches a limit, unless it is used before.
    Live(i64),
    /// The token was rotated. The browser has the new one and can reconnect with it.
    Replaced,
    Over,
}

/// Checks the session of a stream that was opened with a token of that generation.
pub async fn watch(app: &App, principal: &Principal, generation: i64) -> store::Result<Watched> {
    let now = app.clock.now();
    let limits = limits(app, now);
    Ok(match look_up(app, principal.session()).await? {
        Found::Ended(_) => Watched::Over,
        Found::Live(_, row) if !renewal::may_hold(&row, generation, now) => Watched::Replaced,
        Found::Live(_, row) => Watched::Live(
            (row.created_at - limits.began_after).min(row.active_at - limits.active_after),
        ),
    })
}

/// A live session began and was last used after these times.
pub fn limits(app: &App, now: i64) -> Limits {
    Limits {
        began_after: now - app.config.session_hours * 60 * 60,
        active_after: now - app.config.session_idle_minutes * 60,
    }
}

/// What is stored about the session of a valid token.
pub(super) enum Found {
    Live(Principal, Session),
    Ended(Ended),
}

/// Finds a session. It ends a session that is past its limits.
async fn look_up(app: &App, id: &str) -> store::Result<Found> {
    let now = app.clock.now();
    let (limits, livemode) = (limits(app, now), app.config.livemode());
    let of = id.to_owned();
    let (found, is_over) = app
        .store
        .look(move |tx| async move { find(tx, &of, limits, livemode, now).await }.boxed())
        .await?;
    if let (Found::Ended(Ended { why: Some(why), .. }), true) = (&found, is_over) {
        let (id, why) = (id.to_owned(), *why);
        app.store
            .write(move |tx| {
                async move { store::session::end_for(tx, &id, why, now).await }.boxed()
            })
            .await?;
    }
    Ok(found)
}

/// Returns the session, and whether it is past its limits but not marked as ended yet.
pub(super) async fn find(
    tx: &mut Tx,
    id: &str,
    limits: Limits,
    livemode: bool,
    now: i64,
) -> store::Result<(Found, bool)> {
    let live = store::session::principal(tx, id, limits, livemode).await?;
    if let Some((principal, row)) = live {
        return Ok((Found::Live(principal, row), false));
    }
    let Some(row) = store::session::find(tx, id).await? else {
        // The customer was erased, or the session ended long ago and was purged.
        let nobody = Ended {
            email: String::new(),
            why: None,
            at: now,
        };
        return Ok((Found::Ended(nobody), false));
    };
    // The server may notice the end long after the limit, so compute when the limit was reached.
    let idle_at = row.active_at.saturating_add(now - limits.active_after);
    let old_at = row.created_at.saturating_add(now - limits.began_after);
    if let Some(mut ended) = store::session::ended(tx, id).await? {
        ended.at = match ended.why {
            Some(Why::Idle) => ended.at.min(idle_at),
            Some(Why::Age) => ended.at.min(old_at),
            // By the clock of the process that ended it, which can differ from this one's.
            _ => ended.at.max(row.active_at),
        };
        return Ok((Found::Ended(ended), false));
    }
    // The limit that was reached first.
    let (why, at) = if old_at <= idle_at {
        (Why::Age, old_at)
    } else {
        (Why::Idle, idle_at)
    };
    let ended = Ended {
        email: row.email,
        why: Some(why),
        at,
    };
    Ok((Found::Ended(ended), true))
}

/// Whether the browser may still hold tokens of this generation. Excludes a generation whose response was lost and that was
/// replaced: only a thief can show its tokens.
fn is_current(row: &Session, generation: i64) -> bool {
    generation == row.generation || generation == row.parent_generation
}

/// `None` when the refresh token has to decide.
async fn by_access(app: &App, id: &str, generation: i64) -> store::Result<Option<Identity>> {
    let (principal, row) = match look_up(app, id).await? {
        Found::Live(principal, row) => (principal, row),
        Found::Ended(ended) => return Ok(Some(Identity::Ended(ended))),
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

async fn by_refresh(app: &App, id: &str, generation: i64, client: &str) -> store::Result<Identity> {
    let renewal = renewal::ask(app, id, generation, client, How::Renew).await?;
    Ok(match renewal {
        Renewal::Granted(principal, generation) => {
            let tokens = tokens(app, principal.session(), generation);
            Identity::Renewed(principal, tokens)
        }
        Renewal::Over(ended) | Renewal::Copied(ended) => Identity::Ended(ended),
    })
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
