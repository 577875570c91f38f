//! Sessions: a short access token (JWT, 5 minutes) and a rotating refresh token, checked against
//! the session's row on every request, so that signing out ends both at once.
//!
//! A refresh token is derived from session and generation. It can therefore be made again for a
//! second tab, or for a browser that lost the answer, without being stored.

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
    store::{self, Principal, Tx, session::Session},
};

/// Seconds that an access token works.
pub const ACCESS_LIFETIME: i64 = 5 * 60;
/// Seconds after which everybody signs in again, however busy (OWASP ASVS 7.3.2).
pub const ABSOLUTE_LIFETIME: i64 = 24 * 60 * 60;
/// Seconds without a request after which a session is over (OWASP ASVS 7.3.1).
const IDLE_LIFETIME: i64 = 30 * 60;
/// Seconds in which an old refresh token gets the same child again: tabs that renew at once.
const SAME_CHILD: i64 = 10;

/// The values of the two cookies. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens([redacted])")
    }
}

/// Who sent a request, by its cookies.
#[derive(Debug)]
pub enum Identity {
    Nobody,
    Known(Principal),
    /// Known, and the cookies are to be replaced.
    Renewed(Principal, Tokens),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The session's id.
    sub: String,
    generation: i64,
    iat: i64,
    exp: i64,
}

pub fn new(email: String, now: i64) -> Session {
    Session {
        id: clock::new_id("ses"),
        email,
        generation: 1,
        seen_generation: 0,
        rotated_at: now,
        created_at: now,
        ended_at: None,
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
        access: jwt::encode(&claims, &app.keys.key(Purpose::Access)),
        refresh: format!("{body}.{tag}"),
    }
}

/// Finds out who sent a request. The signature is checked before the database is asked.
pub async fn identify(
    app: &App,
    access: Option<&str>,
    refresh: Option<&str>,
) -> store::Result<Identity> {
    if let Some((session, generation)) = access.and_then(|token| read_access(app, token)) {
        return by_access(app, session, generation).await;
    }
    match refresh.and_then(|token| read_refresh(app, token)) {
        Some((session, generation)) => by_refresh(app, session, generation).await,
        None => Ok(Identity::Nobody),
    }
}

/// Ends a session in the database. Its tokens are worth nothing from then on.
pub async fn end(app: &App, principal: &Principal) -> store::Result<()> {
    let (id, now) = (principal.session().to_owned(), app.clock.now());
    let entry = audit::of(app, principal, What::SignedOut);
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

/// Whether the session has not ended since the principal was made.
pub async fn is_live(app: &App, principal: &Principal) -> store::Result<bool> {
    let id = principal.session().to_owned();
    let (began_after, livemode) = (app.clock.now() - ABSOLUTE_LIFETIME, app.config.livemode());
    app.store
        .read(move |tx| {
            async move { store::session::principal(tx, &id, began_after, livemode).await }.boxed()
        })
        .await
        .map(|found| found.is_some())
}

async fn by_access(app: &App, id: String, generation: i64) -> store::Result<Identity> {
    let (began_after, livemode) = (app.clock.now() - ABSOLUTE_LIFETIME, app.config.livemode());
    let of = id.clone();
    let found = app
        .store
        .read(move |tx| {
            async move { store::session::principal(tx, &of, began_after, livemode).await }.boxed()
        })
        .await?;
    let Some((principal, session)) = found else {
        return Ok(Identity::Nobody);
    };
    if session.seen_generation < generation {
        app.store
            .write(move |tx| async move { store::session::seen(tx, &id, generation).await }.boxed())
            .await?;
    }
    Ok(Identity::Known(principal))
}

async fn by_refresh(app: &App, id: String, generation: i64) -> store::Result<Identity> {
    let (now, livemode) = (app.clock.now(), app.config.livemode());
    let renewed = app
        .store
        .write(move |tx| async move { renew(tx, &id, generation, now, livemode).await }.boxed())
        .await?;
    Ok(match renewed {
        Some((principal, generation)) => {
            let tokens = tokens(app, principal.session(), generation);
            Identity::Renewed(principal, tokens)
        }
        None => Identity::Nobody,
    })
}

/// The rule of rotation. Returns the generation whose tokens the browser is to have.
///
/// - The present token: the next generation.
/// - The one before it, at once: the present generation again (tabs that renew together).
/// - The one before it, later, and the present one never came back: the answer was lost, so the
///   next generation.
/// - Anything older, or the one before it although the present one is in use: somebody holds a
///   copy. The session ends.
async fn renew(
    tx: &mut Tx,
    id: &str,
    generation: i64,
    now: i64,
    livemode: bool,
) -> store::Result<Option<(Principal, i64)>> {
    tx.lock(&[id]).await?;
    let began_after = now - ABSOLUTE_LIFETIME;
    let Some((principal, row)) = store::session::principal(tx, id, began_after, livemode).await?
    else {
        return Ok(None);
    };
    let is_present = generation == row.generation;
    let is_previous = generation == row.generation - 1;
    let since_rotation = now - row.rotated_at;
    if since_rotation > IDLE_LIFETIME {
        store::session::end(tx, id, now).await?;
        return Ok(None);
    }
    if is_previous && since_rotation <= SAME_CHILD {
        return Ok(Some((principal, row.generation)));
    }
    let answer_was_lost = is_previous && row.seen_generation < row.generation;
    if !is_present && !answer_was_lost {
        tracing::warn!(
            session = id,
            "a used refresh token came again: the session is ended"
        );
        store::session::end(tx, id, now).await?;
        return Ok(None);
    }
    store::session::seen(tx, id, generation).await?;
    store::session::rotate(tx, id, row.generation, now).await?;
    Ok(Some((principal, row.generation + 1)))
}

fn read_access(app: &App, token: &str) -> Option<(String, i64)> {
    let claims: Claims = jwt::decode(
        token,
        &app.keys.key(Purpose::Access),
        app.config.frontend_url.as_str(),
        "billhook",
    )?;
    let now = app.clock.now();
    let valid = now < claims.exp + jwt::LEEWAY && claims.iat - jwt::LEEWAY <= now;
    valid.then_some((claims.sub, claims.generation))
}

fn read_refresh(app: &App, token: &str) -> Option<(String, i64)> {
    let (body, tag) = token.rsplit_once('.')?;
    let (session, generation) = body.rsplit_once('.')?;
    app.keys
        .verify(Purpose::Refresh, body, &keys::decode(tag)?)
        .then(|| Some((session.to_owned(), generation.parse().ok()?)))?
}
