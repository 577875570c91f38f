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

/// The generation that a session begins with.
pub const FIRST: i64 = 1;
/// Seconds that an access token works.
pub const ACCESS_LIFETIME: i64 = 5 * 60;
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
    /// Whoever it was is signed out.
    Ended(Ended),
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
        Some((session, generation)) => by_refresh(app, &session, generation, client).await,
        None => Ok(Identity::Nobody),
    }
}

/// Finds out who asks for the stream, which a browser does by itself. It counts as no use of the session and
/// renews nothing, but the refresh token is looked at as any page does, and a copy ends the session. An
/// access token alone is not enough: a browser has both, and a copy would hear of changes unnoticed.
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

/// Who asks for the stream, and the generation of the token by which that is known.
#[derive(Debug)]
pub struct Peeked {
    pub identity: Identity,
    pub generation: i64,
}

/// Who has a page before them that is made without a look at its route, for the name at its top. Nothing is
/// renewed, noted or ended.
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

/// Whether a stream may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// So many seconds until its session reaches a limit, unless somebody uses it.
    Live(i64),
    /// Its token has been replaced. The browser has the new one, and may come back with it.
    Replaced,
    Over,
}

/// Looks after a stream that was opened with a token of that generation.
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

/// What has not ended now began and was used after these times.
pub fn limits(app: &App, now: i64) -> Limits {
    Limits {
        began_after: now - app.config.session_hours * 60 * 60,
        active_after: now - app.config.session_idle_minutes * 60,
    }
}

/// What there is of a session for which a good token was shown.
pub(super) enum Found {
    Live(Principal, Session),
    Ended(Ended),
}

/// Looks for a session. One that is seen to be beyond its limits ends.
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

/// The session, and whether it is beyond its limits and has not been ended for that.
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
        // Erased, or ended long ago.
        let nobody = Ended {
            email: String::new(),
            why: None,
            at: now,
        };
        return Ok((Found::Ended(nobody), false));
    };
    // The end may have been noticed long after the time was over.
    let idle_at = row.active_at.saturating_add(now - limits.active_after);
    let old_at = row.created_at.saturating_add(now - limits.began_after);
    if let Some(mut ended) = store::session::ended(tx, id).await? {
        ended.at = match ended.why {
            Some(Why::Idle) => ended.at.min(idle_at),
            Some(Why::Age) => ended.at.min(old_at),
            // By the clock of whoever ended it, which may be another than that of this process.
            _ => ended.at.max(row.active_at),
        };
        return Ok((Found::Ended(ended), false));
    }
    // Whichever was first.
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

/// Whether the browser may still hold tokens of this generation. Not of one that was lost on the way
/// and replaced: whoever shows those has taken them.
fn is_current(row: &Session, generation: i64) -> bool {
    generation == row.generation || generation == row.parent_generation
}

/// Nothing when the refresh token is to decide.
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
