//! Proving an inbox: asking for a link, using it, and typing its code.
//!
//! A sign-in is bound to the browser that asked. The link works there alone; the code is typed
//! there too, whatever device the mail was read on. So a link that a mail scanner opens, or that
//! somebody sends to a stranger, signs nobody in.

use futures::FutureExt;

use super::{
    App,
    audit::{self, What},
    email::Email,
    keys::{self, Keys, Purpose},
    session::{self, Tokens},
};
use crate::{
    clock,
    store::{self, outbox::Mail, sign_in::SignIn},
};

/// How long a link and its code work, in seconds.
pub const LIFETIME: i64 = 10 * 60;
/// How many sign-ins an address may have open, and a browser. One more is answered like the others
/// and sends nothing: it must not push out those that somebody is about to use, and no browser is
/// to try one code against many addresses.
const MOST_LIVE: i64 = 3;
/// How many codes may be tried against one sign-in.
const MOST_TRIES: i64 = 5;

/// Why a link or a code did not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another code is needed; tries are left.
    WrongCode,
    /// Used, expired, tried too often, or never existed.
    Spent,
    /// The link was asked for in another browser.
    OtherBrowser,
}

/// What a link is good for in the browser that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It would sign in as this address (masked).
    Ready(String),
    Refused(Refusal),
}

/// Starts a sign-in: a row and a mail in one transaction. Returns the value of the cookie that
/// marks the asking browser, which is `browser` where that is one of ours.
pub async fn ask(
    app: &App,
    email: &Email,
    browser: Option<&str>,
    asked_from: &str,
) -> store::Result<String> {
    let now = app.clock.now();
    let browser = match browser {
        Some(value) if is_token(value) => value.to_owned(),
        _ => clock::random_token(),
    };
    let id = clock::new_id("sgn");
    let mut row = SignIn {
        email: email.as_str().to_owned(),
        token_hash: keys::sha256_hex(&token(app, &id)),
        code_hash: hex::encode(
            app.keys
                .mac(Purpose::CodeHash, &format!("{id}.{}", code(app, &id))),
        ),
        browser_hash: keys::sha256_hex(&browser),
        attempts: 0,
        created_at: now,
        expires_at: now + LIFETIME,
        used_at: None,
        id,
    };
    let mail = Mail {
        id: clock::new_id("mail"),
        kind: Mail::SIGN_IN.to_owned(),
        sign_in_id: Some(row.id.clone()),
        session_id: None,
        asked_from: asked_from.to_owned(),
        attempts: 0,
        due_at: now,
        sent_at: None,
    };
    let masked = email.masked();
    let entry = audit::entry(&app.keys, now, What::Asked, email.as_str()).about(&row.id);
    app.store
        .write(move |tx| {
            async move {
                tx.lock(&[&row.email, &row.browser_hash]).await?;
                let (of_address, of_browser) =
                    store::sign_in::count_live(tx, &row.email, &row.browser_hash, now, MOST_TRIES)
                        .await?;
                let refused = of_address >= MOST_LIVE || of_browser >= MOST_LIVE;
                row.used_at = refused.then_some(now);
                store::sign_in::insert(tx, &row).await?;
                store::audit::insert(tx, &entry).await?;
                if refused {
                    tracing::info!(
                        email = masked,
                        "sign-in asked for too often: no mail is sent"
                    );
                } else {
                    store::outbox::insert(tx, &mail).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await?;
    app.outbox_due.notify_one();
    Ok(browser)
}

/// The address that a browser last asked a link for, while that sign-in has not expired.
pub async fn asked_for(app: &App, browser: &str) -> store::Result<Option<String>> {
    let (hash, now) = (keys::sha256_hex(browser), app.clock.now());
    let newest = app
        .store
        .read(move |tx| {
            async move { store::sign_in::newest_of_browser(tx, &hash, now).await }.boxed()
        })
        .await?;
    Ok(newest.map(|row| row.email))
}

/// Looks at a link without using it.
pub async fn look(app: &App, token: &str, browser: Option<&str>) -> store::Result<Link> {
    let (hash, now) = (keys::sha256_hex(token), app.clock.now());
    let row = app
        .store
        .read(move |tx| async move { store::sign_in::by_token(tx, &hash).await }.boxed())
        .await?;
    Ok(match usable(row, browser, now) {
        Ok(row) => Link::Ready(super::email::mask(&row.email)),
        Err(refusal) => Link::Refused(refusal),
    })
}

/// Uses a link. Of any number of parallel calls exactly one gets a session. `words` describe the
/// browser.
pub async fn confirm(
    app: &App,
    token: &str,
    browser: Option<&str>,
    words: &str,
) -> store::Result<Result<Tokens, Refusal>> {
    let (hash, now) = (keys::sha256_hex(token), app.clock.now());
    let row = app
        .store
        .read(move |tx| async move { store::sign_in::by_token(tx, &hash).await }.boxed())
        .await?;
    let tried = row.as_ref().map(|row| {
        audit::entry(&app.keys, now, What::LinkFailed, &row.email)
            .about(&row.id)
            .once_for(&row.id)
    });
    match usable(row, browser, now) {
        Ok(row) => Ok(consume(app, row, words).await?.ok_or(Refusal::Spent)),
        Err(refusal) => {
            // Using a link twice is no attack.
            if let (Refusal::OtherBrowser, Some(entry)) = (refusal, tried) {
                audit::note(app, entry);
            }
            Ok(Err(refusal))
        }
    }
}

/// Tries a code against the sign-ins of the asking browser.
pub async fn enter_code(
    app: &App,
    typed: &str,
    browser: Option<&str>,
    words: &str,
) -> store::Result<Result<Tokens, Refusal>> {
    let Some(browser) = browser else {
        return Ok(Err(Refusal::Spent));
    };
    let (hash, now) = (keys::sha256_hex(browser), app.clock.now());
    let code: String = typed.chars().filter(char::is_ascii_digit).collect();
    let keys = app.keys.clone();
    // A transaction of its own: the try is counted, and a wrong one written down, before anybody is
    // told how it went.
    let (open, hit) = app
        .store
        .write(move |tx| {
            async move {
                let open = store::sign_in::count_try(tx, &hash, now, MOST_TRIES).await?;
                let hit = open.iter().position(|row| is_code_of(&keys, row, &code));
                if hit.is_none() {
                    for row in &open {
                        let entry = audit::entry(&keys, now, What::CodeFailed, &row.email);
                        store::audit::insert(tx, &entry.about(&row.id)).await?;
                    }
                }
                Ok((open, hit))
            }
            .boxed()
        })
        .await?;
    let tries_left = open.iter().any(|row| row.attempts < MOST_TRIES);
    let hit = hit.and_then(|place| open.into_iter().nth(place));
    match hit {
        Some(row) => Ok(consume(app, row, words).await?.ok_or(Refusal::Spent)),
        None if tries_left => Ok(Err(Refusal::WrongCode)),
        None => Ok(Err(Refusal::Spent)),
    }
}

/// The token of a link. It is derived, so that the outbox need not hold it.
pub fn token(app: &App, id: &str) -> String {
    token_by(&app.keys, id)
}

/// The 8 digits of a sign-in.
pub fn code(app: &App, id: &str) -> String {
    code_by(&app.keys, id)
}

/// Token and code of a sign-in that may have been asked for before the secret was changed. Nothing when
/// its secret is not known any more.
pub fn token_and_code(app: &App, row: &SignIn) -> Option<(String, String)> {
    app.keys.each().find_map(|keys| {
        let token = token_by(&keys, &row.id);
        let is_its = keys::sha256_hex(&token) == row.token_hash;
        is_its.then(|| (token, code_by(&keys, &row.id)))
    })
}

fn token_by(keys: &Keys, id: &str) -> String {
    keys::encode(&keys.mac(Purpose::Link, id))
}

fn code_by(keys: &Keys, id: &str) -> String {
    let mac = keys.mac(Purpose::Code, id);
    let number = mac[..8]
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{:08}", number % 100_000_000)
}

/// A value that [`clock::random_token`] or [`token`] may have made: 256 bits in 43 characters.
pub fn is_token(value: &str) -> bool {
    value.len() == 43 && keys::decode(value).is_some_and(|bytes| bytes.len() == 32)
}

fn is_code_of(keys: &Keys, row: &SignIn, code: &str) -> bool {
    hex::decode(&row.code_hash)
        .is_ok_and(|tag| keys.verify(Purpose::CodeHash, &format!("{}.{code}", row.id), &tag))
}

fn usable(row: Option<SignIn>, browser: Option<&str>, now: i64) -> Result<SignIn, Refusal> {
    // Too many wrong codes end the link with them.
    let is_open =
        |row: &SignIn| row.used_at.is_none() && row.expires_at > now && row.attempts < MOST_TRIES;
    let row = row.filter(is_open).ok_or(Refusal::Spent)?;
    match browser {
        Some(value) if keys::sha256_hex(value) == row.browser_hash => Ok(row),
        _ => Err(Refusal::OtherBrowser),
    }
}

async fn consume(app: &App, row: SignIn, words: &str) -> store::Result<Option<Tokens>> {
    let now = app.clock.now();
    let entry = audit::entry(&app.keys, now, What::SignedIn, &row.email).about(&row.id);
    let (masked, words) = (super::email::mask(&row.email), words.to_owned());
    let session = app
        .store
        .write(move |tx| {
            async move {
                // Two links of one address used at once would otherwise wait for each other's row.
                tx.lock(&[&row.email]).await?;
                let used = store::sign_in::consume(tx, &row.id, &row.browser_hash, now).await?;
                let Some(email) = used else {
                    return Ok(None);
                };
                store::sign_in::end_all(tx, &email, now).await?;
                let session = session::new(email, &words, now);
                store::session::insert(tx, &session).await?;
                store::audit::insert(tx, &entry.with_session(&session.id)).await?;
                Ok(Some(session))
            }
            .boxed()
        })
        .await?;
    if let Some(session) = &session {
        tracing::info!(email = masked, session = session.id, "signed in");
    }
    Ok(session.map(|session| session::tokens(app, &session.id, session.generation)))
}
