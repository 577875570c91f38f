//! Passwordless sign-in by mail: asking for a magic link, using the link, and typing its one-time code.
//!
//! A sign-in is bound to the browser that asked for it. The link works only in that browser. The code is typed there too, on
//! whatever device the mail is read. A link that a mail scanner opens, or that an attacker sends to a victim (login CSRF),
//! therefore signs no one in. For a short time the same browser may use a sign-in again ([`sign_in_retry`]).
//!
//! The lifetime of a sign-in is measured by the database's clock (`time`), which all processes share. Sessions and the audit
//! log use this machine's clock (`now`).

use futures::FutureExt;

use super::{
    App,
    audit::{self, What},
    browser::Visitor,
    code_guessing,
    email::Email,
    keys::{self, Keys, Purpose},
    known_device, limits,
    session::{self, Tokens},
    sign_in_retry,
    unsent::Why,
};
use crate::{
    clock::{self, Clock},
    config::Secret,
    log_throttle::LogThrottle,
    mask::shows,
    store::{
        self, Tx,
        outbox::{Kind, Mail},
        rate_limit::Rate,
        sign_in::{End, SignIn, Used},
    },
    text,
};

/// Lifetime of a link and its code, in seconds.
pub const LIFETIME: i64 = 10 * 60;
/// The most open sign-ins per address and per browser. A further request gets the same response and no mail. It must not push
/// out sign-ins that are about to be used, and a browser must not try one code against many addresses.
pub const MOST_LIVE: i64 = 3;
/// Seconds before a browser gets another mail to the same address.
pub const RESEND_AFTER: i64 = 60;
/// The most tries of a code against one sign-in (brute-force limit).
pub(super) const MOST_TRIES: i64 = 5;
const CODE_DIGITS: usize = 8;
/// The most used or expired sign-ins that stay bound to a browser. The browser is shown the newest address.
const MOST_SPENT: i64 = 8;

/// Why a code did not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The code is wrong, and tries are left.
    WrongCode,
    /// Used, expired, tried too often, or never existed.
    Spent,
    /// Rate limited: there were too many wrong codes, from any client. The code is not checked.
    Paused,
}

/// Why a link cannot be used in this browser.
enum Unusable {
    Spent,
    /// Another browser asked for it, for this address (masked).
    OtherBrowser(String),
}

/// What a link does in the browser that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It would sign in as this address (masked).
    Ready(String),
    /// It would sign in as this address (masked), but only in the browser that asked for it.
    Elsewhere(String),
    Spent,
}

/// What a successful sign-in gives the browser.
#[derive(Debug)]
pub struct Entry {
    pub tokens: Tokens,
    /// The value of the known-device cookie, which gives this browser a rate limit of its own next time.
    pub device: Secret,
}

/// What the asking browser sent: its cookies, and the ticket in the page's form.
#[derive(Clone, Copy, Default)]
pub struct Asking<'c> {
    pub browser: Option<&'c str>,
    pub device: Option<&'c str>,
    pub ticket: Option<&'c str>,
}

shows!(Asking<'c>:);

/// Starts a sign-in. It inserts a row and a mail in one transaction for every request and every address, so that timing reveals
/// nothing (user enumeration); the outbox decides whether to send the mail. Returns a new value for the cookie that identifies
/// the asking browser: an attacker may have planted the old one (session fixation). It is idempotent per form: a form that is
/// sent twice gets the same value twice.
pub async fn ask(
    app: &App,
    email: &Email,
    asking: Asking<'_>,
    visitor: &Visitor,
) -> store::Result<String> {
    let now = app.clock.now();
    let browser = mark(app, asking.ticket);
    let browser_hash = keys::sha256_hex(&browser);
    let old_hash = asking
        .browser
        .map_or_else(|| browser_hash.clone(), keys::sha256_hex);
    let device = known_device::of(app, email, asking.device).await?;
    let allowance = limits::allowance(app, email, device);
    let id = clock::new_id("sgn");
    let mut row = SignIn {
        email: email.as_str().to_owned(),
        token_hash: keys::sha256_hex(&token(app, &id)),
        code_hash: hex::encode(
            app.keys
                .mac(Purpose::CodeHash, &format!("{id}.{}", code(app, &id))),
        ),
        browser_hash,
        attempts: 0,
        // Set below, by the database's clock.
        created_at: 0,
        expires_at: 0,
        used_at: None,
        ended_at: None,
        ended_for: None,
        device: allowance.device,
        id,
    };
    let mut mail = Mail {
        id: clock::new_id("mail"),
        kind: Kind::SignIn,
        sign_in_id: Some(row.id.clone()),
        session_id: None,
        asked_from: visitor.browser.clone(),
        attempts: 0,
        due_at: 0,
        sent_at: None,
        withheld_at: None,
    };
    let masked = email.masked();
    let (clock, unsent) = (app.clock.clone(), app.unsent.clone());
    // At most one entry per hour, address and client: this request can be repeated at will, and the audit log never shrinks.
    let who = audit::who(&app.keys, email.as_str());
    let entry = audit::entry(&app.keys, now, What::Asked, email.as_str())
        .with_client(&visitor.client)
        .about(&row.id)
        .once_for(&format!("{who} {} {}", visitor.client, now / (60 * 60)));
    app.store
        .write(move |tx| {
            async move {
                let hashes = [old_hash.as_str(), &row.browser_hash];
                let time = lock(tx, &clock, &hashes, Some(&row.email)).await?;
                (row.created_at, row.expires_at) = (time, time + LIFETIME);
                mail.due_at = time;
                store::sign_in::rebind(tx, &old_hash, &row.browser_hash, time).await?;
                store::sign_in::let_go(
                    tx,
                    &row.browser_hash,
                    time,
                    MOST_TRIES,
                    MOST_LIVE,
                    MOST_SPENT,
                )
                .await?;
                let live = store::sign_in::count_live(
                    tx,
                    &row.email,
                    &row.browser_hash,
                    time,
                    MOST_TRIES,
                    time - RESEND_AFTER,
                )
                .await?;
                let is_known = row.device.is_some();
                let is_full = live.of_address >= MOST_LIVE;
                let mut refused = live.of_browser >= MOST_LIVE
                    || live.asked_just_now > 0
                    || (is_full && !is_known);
                // A refused request runs the same statement, to take the same time. It consumes nothing from the rate limit.
                let rate = match refused {
                    true => Rate { burst: 1, pause: 0 },
                    false => allowance.rate,
                };
                for earlier in &allowance.earlier {
                    store::rate_limit::rename(tx, earlier, &allowance.name).await?;
                }
                refused |= !store::rate_limit::take(tx, &allowance.name, time * 1000, rate).await?;
                if is_full && !refused {
                    // Strangers cannot lock out a known device: it replaces the oldest sign-in of a stranger.
                    refused =
                        !store::sign_in::end_oldest_of_strangers(tx, &row.email, time).await?;
                }
                row.ended_at = refused.then_some(time);
                row.ended_for = refused.then_some(End::Refused);
                store::sign_in::insert(tx, &row).await?;
                store::outbox::insert(tx, &mail).await?;
                store::audit::insert(tx, &entry).await?;
                static REFUSED: LogThrottle = LogThrottle::few(10, 60);
                if refused {
                    let why = match () {
                        () if live.asked_just_now > 0 => Why::Pause,
                        () if live.of_browser >= MOST_LIVE => Why::Browser,
                        () if is_full && !is_known => Why::Address,
                        () => Why::Allowance,
                    };
                    unsent.note(&row.email, why, now);
                }
                if refused && let Some(count) = REFUSED.count(now) {
                    tracing::info!(
                        email = masked,
                        count,
                        "sign-in asked for too often: no mail is sent"
                    );
                }
                Ok(())
            }
            .boxed()
        })
        .await?;
    app.outbox_due.notify_one();
    Ok(browser)
}

/// The value that identifies the asking browser. After a double click the browser may keep either response, so both must carry
/// the same value: it is derived from the form's ticket. A ticket is as new as its page, and others can neither read it nor
/// send it. Without a ticket each response gets a random value.
fn mark(app: &App, ticket: Option<&str>) -> String {
    match ticket.filter(|ticket| is_token(ticket)) {
        Some(ticket) => keys::encode(&app.keys.mac(Purpose::Browser, ticket)),
        None => clock::random_token(),
    }
}

/// Checks a link without using it.
pub async fn look(app: &App, token: &str, browser: Option<&str>) -> store::Result<Link> {
    let (row, time) = by_token(app, token).await?;
    if let (Some(row), Some(browser)) = (&row, browser)
        && let hash = keys::sha256_hex(browser)
        && sign_in_retry::look(app, row, hash, time).await?.is_some()
    {
        return Ok(Link::Ready(super::email::mask(&row.email)));
    }
    Ok(match usable(row, browser, time) {
        Ok(row) => Link::Ready(super::email::mask(&row.email)),
        Err(Unusable::OtherBrowser(masked)) => Link::Elsewhere(masked),
        Err(Unusable::Spent) => Link::Spent,
    })
}

/// The address that a link signs in, to compare it with the session's address.
pub async fn address_of(app: &App, token: &str) -> store::Result<Option<String>> {
    Ok(by_token(app, token).await?.0.map(|row| row.email))
}

/// Uses a link, if this browser may. Idempotent: any number of parallel calls get one session. `visitor` is the client.
pub async fn confirm(
    app: &App,
    token: &str,
    browser: Option<&str>,
    visitor: &Visitor,
) -> store::Result<Option<Entry>> {
    let now = app.clock.now();
    let (row, time) = by_token(app, token).await?;
    let tried = row.as_ref().map(|row| {
        audit::entry(&app.keys, now, What::LinkFailed, &row.email)
            .with_client(&visitor.client)
            .about(&row.id)
            .once_for(&row.id)
    });
    if let (Some(row), Some(browser)) = (&row, browser) {
        let entry = sign_in_retry::look(app, row, keys::sha256_hex(browser), time).await?;
        if entry.is_some() {
            return Ok(entry);
        }
    }
    match usable(row, browser, time) {
        Ok(row) => consume(app, row, visitor).await,
        Err(unusable) => {
            // Using a link twice is not an attack, so only the use in another browser is audited.
            if let (Unusable::OtherBrowser(_), Some(entry)) = (unusable, tried) {
                audit::note(app, entry);
            }
            Ok(None)
        }
    }
}

/// Checks a typed code against the open sign-ins of the asking browser.
pub async fn enter_code(
    app: &App,
    typed: &str,
    browser: Option<&str>,
    visitor: &Visitor,
) -> store::Result<Result<Entry, Refusal>> {
    let Some(browser) = browser else {
        return Ok(Err(Refusal::Spent));
    };
    let (hash, now) = (keys::sha256_hex(browser), app.clock.now());
    let code = text::digits(typed);
    if code.len() != CODE_DIGITS {
        // A typing error: no code has this length, so it does not count as a try.
        return Ok(Err(Refusal::WrongCode));
    }
    let (keys, client) = (app.keys.clone(), visitor.client.clone());
    let (clock, share) = (
        app.clock.clone(),
        code_guessing::Share::of(app, &visitor.client),
    );
    // In its own transaction, so that the try is counted and a wrong one is audited before the response reveals the result.
    let of = app.clone();
    let tried = app
        .store
        .write(move |tx| {
            async move {
                let time = lock(tx, &clock, &[&hash], None).await?;
                // Before a try is counted: typing the right code twice is not a wrong try.
                if let Some(entry) = sign_in_retry::by_code(tx, &of, &hash, &code, time).await? {
                    return Ok(Tried::Again(entry));
                }
                if let Some(row) = sign_in_retry::under_way(tx, &of, &hash, &code, time).await? {
                    return Ok(Tried::Counted(vec![row], Some(0)));
                }
                let live = store::sign_in::of_browser(tx, &hash, time).await?;
                let is_open = |row: &&SignIn| row.is_unused() && row.attempts < MOST_TRIES;
                let open = live.iter().filter(is_open);
                let strangers = open.filter(|row| row.device.is_none()).count();
                let taken = match strangers {
                    0 => Ok(()),
                    _ => share.take(tx, time).await?,
                };
                let spent = taken.err();
                // Even when the budget is spent, codes of known devices are checked.
                let tried = match spent {
                    None => store::sign_in::count_try(tx, &hash, time, MOST_TRIES).await?,
                    Some(_) => {
                        store::sign_in::count_try_of_devices(tx, &hash, time, MOST_TRIES).await?
                    }
                };
                let hit = tried.iter().position(|row| is_code_of(&keys, row, &code));
                let has_taken = strangers > 0 && spent.is_none();
                if let Some(row) = hit.and_then(|place| tried.get(place)) {
                    store::sign_in::was_right(tx, &row.id, time).await?;
                    if has_taken {
                        share.give_back(tx).await?;
                    }
                } else {
                    if has_taken {
                        share.take_more(tx, time, strangers - 1).await?;
                    }
                    for row in &tried {
                        let entry = audit::entry(&keys, now, What::CodeFailed, &row.email)
                            .with_client(&client);
                        store::audit::insert(tx, &entry.about(&row.id)).await?;
                    }
                }
                Ok(match (hit, spent) {
                    (None, Some(spent)) => Tried::Paused(spent),
                    _ => Tried::Counted(tried, hit),
                })
            }
            .boxed()
        })
        .await?;
    let (open, hit) = match tried {
        Tried::Paused(spent) => {
            code_guessing::tell(app, spent, &visitor.client);
            return Ok(Err(Refusal::Paused));
        }
        Tried::Again(entry) => return Ok(Ok(entry)),
        Tried::Counted(open, hit) => (open, hit),
    };
    let tries_left = open.iter().any(|row| row.attempts < MOST_TRIES);
    let hit = hit.and_then(|place| open.into_iter().nth(place));
    match hit {
        Some(row) if code_guessing::counts(app, &row.id).await? => {
            Ok(consume(app, row, visitor).await?.ok_or(Refusal::Spent))
        }
        _ if tries_left => Ok(Err(Refusal::WrongCode)),
        _ => Ok(Err(Refusal::Spent)),
    }
}

/// The result of a typed code.
enum Tried {
    /// Too many wrong codes were typed.
    Paused(code_guessing::Spent),
    /// The code signed this browser in a moment ago.
    Again(Entry),
    /// The sign-ins that it was checked against, and the index of the match.
    Counted(Vec<SignIn>, Option<usize>),
}

/// The token of a link. It is derived from the id, so the outbox does not store it.
pub fn token(app: &App, id: &str) -> String {
    token_by(&app.keys, id)
}

/// The 8-digit code of a sign-in.
pub fn code(app: &App, id: &str) -> String {
    code_by(&app.keys, id)
}

/// Token and code of a sign-in, also when the secret was rotated since. `None` when its secret is no longer configured.
pub fn token_and_code(app: &App, row: &SignIn) -> Option<(Secret, Secret)> {
    app.keys.each().find_map(|keys| {
        let token = token_by(&keys, &row.id);
        let is_its = keys::sha256_hex(&token) == row.token_hash;
        is_its.then(|| (Secret::new(token), Secret::new(code_by(&keys, &row.id))))
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

/// Whether the value has the form of [`clock::random_token`] and [`token`]: 256 bits in 43 characters.
pub fn is_token(value: &str) -> bool {
    value.len() == 43 && keys::decode(value).is_some_and(|bytes| bytes.len() == 32)
}

pub(super) fn is_code_of(keys: &Keys, row: &SignIn, code: &str) -> bool {
    hex::decode(&row.code_hash)
        .is_ok_and(|tag| keys.verify(Purpose::CodeHash, &format!("{}.{code}", row.id), &tag))
}

/// Locks the browsers first, then `email` and every address that one of these browsers asks for. Every writer of a sign-in has
/// exclusive access to its address. All transactions use this lock order, so they cannot deadlock. Returns the time.
async fn lock(
    tx: &mut Tx,
    clock: &Clock,
    browsers: &[&str],
    email: Option<&str>,
) -> store::Result<i64> {
    tx.lock(browsers).await?;
    let time = clock.of_database(tx.clock().await?);
    let mut addresses = Vec::new();
    for browser in browsers {
        addresses.extend(store::sign_in::addresses(tx, browser, time).await?);
    }
    let addresses = addresses.iter().map(String::as_str).chain(email);
    tx.lock(&addresses.collect::<Vec<_>>()).await?;
    Ok(time)
}

/// The sign-in of a token, and the time.
async fn by_token(app: &App, token: &str) -> store::Result<(Option<SignIn>, i64)> {
    let (hash, clock) = (keys::sha256_hex(token), app.clock.clone());
    app.store
        .read(move |tx| {
            async move {
                let row = store::sign_in::by_token(tx, &hash).await?;
                Ok((row, clock.of_database(tx.clock().await?)))
            }
            .boxed()
        })
        .await
}

fn usable(row: Option<SignIn>, browser: Option<&str>, time: i64) -> Result<SignIn, Unusable> {
    // Too many wrong codes also invalidate the link.
    let is_open =
        |row: &SignIn| row.is_unused() && row.expires_at > time && row.attempts < MOST_TRIES;
    let row = row.filter(is_open).ok_or(Unusable::Spent)?;
    match browser {
        Some(value) if keys::sha256_hex(value) == row.browser_hash => Ok(row),
        _ => Err(Unusable::OtherBrowser(super::email::mask(&row.email))),
    }
}

async fn consume(app: &App, row: SignIn, visitor: &Visitor) -> store::Result<Option<Entry>> {
    let now = app.clock.now();
    let entry = audit::entry(&app.keys, now, What::SignedIn, &row.email)
        .with_client(&visitor.client)
        .about(&row.id);
    let (masked, words) = (super::email::mask(&row.email), visitor.browser.clone());
    let (before, clock, of) = (visitor.session.clone(), app.clock.clone(), app.clone());
    let given = app
        .store
        .write(move |tx| {
            async move {
                // In the lock order of `lock`: everything written here belongs to this one address.
                tx.lock(&[&row.email]).await?;
                let time = clock.of_database(tx.clock().await?);
                let used = store::sign_in::consume(tx, &row.id, &row.browser_hash, time).await?;
                let Some(email) = used else {
                    // The same browser may have used it a moment ago.
                    let entry =
                        sign_in_retry::entry(tx, &of, &row.id, &row.browser_hash, time).await?;
                    return Ok(entry.map(|entry| (entry, None)));
                };
                store::sign_in::end_all(tx, &email, time).await?;
                let session = session::new(email, &words, now);
                if let Some(before) = &before {
                    // End the old session (session fixation): an attacker may have planted its tokens and still hold them.
                    store::session::end(tx, before, now).await?;
                }
                store::session::insert(tx, &session).await?;
                store::sign_in::gave(tx, &row.id, &session.id).await?;
                store::audit::insert(tx, &entry.with_session(&session.id)).await?;
                let used = Used {
                    email: session.email,
                    session_id: session.id,
                    used_at: time,
                };
                let entry = sign_in_retry::give(tx, &of, &row.id, &used).await?;
                Ok(Some((entry, Some(used.session_id))))
            }
            .boxed()
        })
        .await?;
    if let Some((_, Some(session))) = &given {
        tracing::info!(email = masked, session, "signed in");
    }
    Ok(given.map(|(entry, _)| entry))
}
