//! The outbox worker. It sends queued mails, several at a time, and retries failures with backoff. It drops a mail that is of
//! no more use: a sign-in mail after its link has expired, a reuse warning a day after the session ended.
//!
//! Only this worker decides whether an address gets a mail. A [`decoy`] takes as long as a real delivery, so timing does not
//! reveal whether the address is known (user enumeration).
//!
//! Times are the database's (`time`), like those of the sign-ins.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    App,
    decoy::{self, Delivery},
    delivery, mail_limit, sign_in,
    unsent::Why,
};
use crate::{
    backoff::Backoff,
    config::Secret,
    mail::{self, Letter, ReuseMail, SignInMail, Taken},
    store::{
        self, Tx,
        outbox::{Kind, Mail},
        session::Session,
        sign_in::SignIn,
    },
};

/// Mails that are sent in parallel, so that one slow delivery does not block the others. Mail servers accept this
/// many connections from one client, some of them not many more.
const PLACES: usize = 10;
/// Lease in seconds: when the process that claimed a mail dies, another process takes the mail after this time.
const LEASE: i64 = 60;
/// Safety margin in seconds: sending stops this long before the lease ends, so that no two processes send the same mail.
const SPARE: i64 = 5;
/// Seconds for which a reuse warning is retried.
const REUSE_LIFETIME: i64 = 24 * 60 * 60;
/// Backoff between tries of a mail. Without jitter, so that the retries of a mail and of a decoy have the same timing.
const BETWEEN_TRIES: Backoff = Backoff::new(Duration::from_secs(2), 2, Duration::from_secs(64));
/// Poll interval. Other processes also queue mails and do not notify this one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sends due mails until `stop`, then drains: it returns when the deliveries in progress are done, or at `cut` at the latest.
/// Deliveries cut off there, decoys included, are retried after their lease ends.
pub async fn run(app: App, stop: CancellationToken, cut: CancellationToken) {
    let places = Arc::new(Semaphore::new(PLACES));
    let mut begun = JoinSet::new();
    while !stop.is_cancelled() {
        while let Some(done) = begun.try_join_next() {
            told(done);
        }
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        match claim(&app).await {
            Ok(Some(claimed)) => {
                let app = app.clone();
                begun.spawn(async move {
                    let done = finish(&app, claimed).await;
                    drop(place);
                    done
                });
            }
            Ok(None) => {
                drop(place);
                wait(&app, &stop).await;
            }
            Err(error) => {
                drop(place);
                tracing::error!(%error, "the outbox could not be read");
                wait(&app, &stop).await;
            }
        }
    }
    let rest = async {
        while let Some(done) = begun.join_next().await {
            told(done);
        }
    };
    if cut.run_until_cancelled(rest).await.is_none() {
        let count = begun.len();
        begun.shutdown().await;
        tracing::warn!(
            count,
            "mails were under way when the server ended; they are tried again in a minute"
        );
    }
}

fn told(done: Result<store::Result<()>, tokio::task::JoinError>) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "what became of a mail could not be written down; it is tried again");
        }
        Err(_) => tracing::error!("the sending of a mail broke off; it is tried again"),
    }
}

/// What to do with a mail.
enum Claim {
    /// It must not be sent: the sign-in was refused (by rate limits, which do not depend on whether the address is known) or is
    /// used already.
    Unwanted,
    /// Send it before this second.
    Send(Letter, i64),
    /// No customer has the address. The decoy copies the duration and the result of an earlier real delivery.
    Decoy(Delivery, i64),
    Expired,
    /// `MAILS_PER_HOUR` is used up for now: the mail was postponed.
    Later,
    /// `MAILS_PER_HOUR` is used up until after the link expires.
    TooMany,
}

/// A mail leased to this process for [`LEASE`] seconds.
struct Claimed {
    mail: Mail,
    claim: Claim,
    time: i64,
    /// By the monotonic clock.
    began: Duration,
}

/// Handles one due mail. Returns false when there is none.
pub async fn step(app: &App) -> store::Result<bool> {
    match claim(app).await? {
        Some(claimed) => finish(app, claimed).await.map(|()| true),
        None => Ok(false),
    }
}

async fn claim(app: &App) -> store::Result<Option<Claimed>> {
    let began = app.clock.steady();
    let judge = app.clone();
    app.store
        .write(move |tx| {
            async move {
                let time = judge.clock.of_database(tx.clock().await?);
                let Some(mail) = store::outbox::claim(tx, time, time + LEASE).await? else {
                    return Ok(None);
                };
                let claim = match mail.kind {
                    Kind::SignIn => about_sign_in(&judge, tx, &mail, time).await?,
                    Kind::Reuse => about_reuse(&judge, tx, &mail, time).await?,
                };
                Ok(Some(Claimed {
                    mail,
                    claim,
                    time,
                    began,
                }))
            }
            .boxed()
        })
        .await
}

async fn finish(app: &App, claimed: Claimed) -> store::Result<()> {
    let Claimed {
        mail,
        claim,
        time,
        began,
    } = claimed;
    // The timeout: before the mail expires and before its lease ends.
    let until = |end: i64| {
        let seconds = (end - time).min(LEASE - SPARE);
        began + Duration::from_secs(seconds.try_into().unwrap_or(0))
    };
    match claim {
        Claim::Later => Ok(()),
        Claim::TooMany => drop_mail(app, mail).await,
        Claim::Expired => {
            tracing::warn!(mail = mail.id, "a mail is dropped: it is of no more use");
            drop_mail(app, mail).await
        }
        Claim::Unwanted => settle(app, mail, Outcome::Unsent, None).await,
        Claim::Decoy(delivery, end) => {
            let left = until(end).saturating_sub(app.clock.steady());
            tokio::time::sleep(delivery.took().min(left)).await;
            let outcome = match delivery.is_retried {
                true => Outcome::Retried,
                false => Outcome::Unsent,
            };
            settle(app, mail, outcome, None).await
        }
        Claim::Send(letter, end) => {
            let started = Instant::now();
            let sent = send(app, letter, until(end)).await;
            let took = started.elapsed();
            let outcome = match &sent {
                Ok(_) => Outcome::Sent,
                Err(error) if error.is_permanent() => {
                    tracing::error!(%error, mail = mail.id, "a mail was refused for good and is dropped");
                    Outcome::Dropped
                }
                Err(error) => {
                    tracing::warn!(%error, mail = mail.id, tries = mail.attempts, "a mail could not be sent; it is tried again");
                    Outcome::Retried
                }
            };
            let delivery = Delivery::new(took, outcome == Outcome::Retried);
            settle(app, mail, outcome, Some((delivery, sent))).await
        }
    }
}

/// The result of handling a mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The mail server accepted it.
    Sent,
    /// Not sent, but settled with the same statements as a sent mail, so that both take the same time.
    Unsent,
    Retried,
    Dropped,
}

/// `sent` holds the duration and the result when the mail was handed to the mail server.
async fn settle(
    app: &App,
    mail: Mail,
    outcome: Outcome,
    sent: Option<(Delivery, Result<Taken, mail::Error>)>,
) -> store::Result<()> {
    let (judge, clock) = (app.clone(), app.clock.clone());
    let pause = BETWEEN_TRIES.exact(mail.attempts);
    let delay = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
    app.store
        .write(move |tx| {
            async move {
                lock_address(tx, &mail).await?;
                let time = clock.of_database(tx.clock().await?);
                let (delivery, result) = sent.unzip();
                decoy::remember(tx, delivery, time).await?;
                if let Some(result) = &result {
                    delivery::tried(&judge, tx, &mail, result, time).await?;
                }
                if let (Outcome::Sent, Some(sign_in)) = (outcome, &mail.sign_in_id) {
                    store::sign_in::hand_over(tx, sign_in, time).await?;
                }
                match outcome {
                    Outcome::Sent => store::outbox::sent(tx, &mail.id, time).await,
                    Outcome::Unsent => store::outbox::withhold(tx, &mail.id, time).await,
                    Outcome::Retried => store::outbox::retry_at(tx, &mail.id, time + delay).await,
                    Outcome::Dropped => store::outbox::drop_mail(tx, &mail.id).await,
                }
            }
            .boxed()
        })
        .await
}

async fn about_sign_in(app: &App, tx: &mut Tx, mail: &Mail, time: i64) -> store::Result<Claim> {
    let sign_in = match &mail.sign_in_id {
        Some(id) => store::sign_in::by_id(tx, id).await?,
        None => None,
    };
    let Some(sign_in) = sign_in.filter(SignIn::is_unused) else {
        return Ok(Claim::Unwanted);
    };
    if sign_in.expires_at <= time {
        return Ok(Claim::Expired);
    }
    // The secret that derived its token and code may have been removed from the configuration.
    let Some(letter) = sign_in_mail(app, mail, &sign_in) else {
        return Ok(Claim::Expired);
    };
    let is_real = store::customer::exists(tx, &sign_in.email, app.config.livemode()).await?
        || app.config.is_of_nobody(&sign_in.email);
    if !is_real && mail.attempts <= 1 {
        app.unsent
            .note(&sign_in.email, Why::Unknown, app.clock.now());
    }
    // A retry was counted at the first try. Mails for known devices have rate limits of their own, so that a flood of requests
    // by strangers cannot delay them.
    let is_counted = sign_in.device.is_some() || mail.attempts > 1;
    if !is_counted && let Err(free_at) = mail_limit::take(app, tx, time).await? {
        if free_at >= sign_in.expires_at {
            if is_real {
                mail_limit::note_dropped(app, tx, time).await?;
            }
            app.unsent
                .note(&sign_in.email, Why::TooMany, app.clock.now());
            return Ok(Claim::TooMany);
        }
        // Not due before then, so it does not delay mails for known devices.
        store::outbox::put_off(tx, &mail.id, free_at).await?;
        return Ok(Claim::Later);
    }
    // The clock has whole seconds, and the current one may be almost over.
    let end = sign_in.expires_at - 1;
    Ok(match is_real {
        true => Claim::Send(Letter::SignIn(letter), end),
        false => Claim::Decoy(decoy::draw(tx, &app.mailer, time).await?, end),
    })
}

async fn about_reuse(app: &App, tx: &mut Tx, mail: &Mail, time: i64) -> store::Result<Claim> {
    let session = match &mail.session_id {
        Some(id) => store::session::find(tx, id).await?,
        None => None,
    };
    let end = |row: &Session| row.ended_at.map(|ended_at| ended_at + REUSE_LIFETIME);
    Ok(
        match session.and_then(|row| end(&row).map(|end| (row, end))) {
            Some((row, end)) if time < end => {
                let letter = Letter::Reuse(reuse_mail(app, mail, row));
                Claim::Send(letter, end)
            }
            _ => Claim::Expired,
        },
    )
}

/// Hands the mail to the mail server, with a timeout at `end` (monotonic clock): before the mail expires and before its lease
/// ends. `end` counts from before the claim, because claiming takes time too when the database is slow.
async fn send(app: &App, letter: Letter, end: Duration) -> Result<Taken, mail::Error> {
    let left = end.saturating_sub(app.clock.steady());
    if left.is_zero() {
        return Err(mail::Error::TooLate);
    }
    tokio::time::timeout(left, app.mailer.send(letter))
        .await
        .unwrap_or(Err(mail::Error::TooLate))
}

fn sign_in_mail(app: &App, mail: &Mail, sign_in: &SignIn) -> Option<SignInMail> {
    let (token, code) = sign_in::token_and_code(app, sign_in)?;
    let path = format!("/sign-in/link?token={}", token.expose());
    Some(SignInMail {
        id: mail.id.clone(),
        to: sign_in.email.clone(),
        link: Secret::new(app.config.url(&path)),
        code,
        minutes: sign_in::LIFETIME / 60,
        asked_from: mail.asked_from.clone(),
    })
}

fn reuse_mail(app: &App, mail: &Mail, session: Session) -> ReuseMail {
    ReuseMail {
        id: mail.id.clone(),
        to: session.email,
        browser: session.browser,
        start: app.config.url("/"),
    }
}

/// Locks the address first, as every writer of an address's rows does. An erasure touches the rows in another order, and
/// without this lock the two could deadlock.
async fn lock_address(tx: &mut Tx, mail: &Mail) -> store::Result<()> {
    match store::outbox::address(tx, mail).await? {
        Some(address) => tx.lock(&[&address]).await,
        None => Ok(()),
    }
}

async fn drop_mail(app: &App, mail: Mail) -> store::Result<()> {
    let (judge, clock) = (app.clone(), app.clock.clone());
    app.store
        .write(move |tx| {
            async move {
                lock_address(tx, &mail).await?;
                let time = clock.of_database(tx.clock().await?);
                delivery::dropped(&judge, tx, &mail.id, time).await?;
                store::outbox::drop_mail(tx, &mail.id).await
            }
            .boxed()
        })
        .await
}

async fn wait(app: &App, stop: &CancellationToken) {
    tokio::select! {
        () = app.outbox_due.notified() => {}
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
}
