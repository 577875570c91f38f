//! Sends the mails of the outbox, one at a time, again after a failure, and never after they are of no
//! more use: after the link in them has expired, or a day after a session ended by reuse. Here alone
//! it is decided whether an address gets mail: whoever asks cannot tell. Times are the database's
//! (`time`), as those of the sign-ins are.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{App, limits, sign_in};
use crate::{
    config::Secret,
    mail::{self, Letter, ReuseMail, SignInMail},
    seldom::Seldom,
    store::{self, Tx, outbox::Mail, session::Session, sign_in::SignIn},
};

/// Seconds after which a mail whose sender has died is tried by another.
const LEASE: i64 = 60;
/// Seconds of the lease in which nothing is sent any more.
const SPARE: i64 = 5;
/// Seconds between two warnings that mails have to wait.
const WARN_EVERY: i64 = 10 * 60;
/// Seconds that a mail about a reuse is tried.
const REUSE_LIFETIME: i64 = 24 * 60 * 60;
/// Nobody tells us of mails that other processes queue, so we look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sends what is due until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match step(&app).await {
            Ok(true) => {}
            Ok(false) => wait(&app, &stop).await,
            Err(error) => {
                tracing::error!(%error, "the outbox could not be read");
                wait(&app, &stop).await;
            }
        }
    }
}

/// What is to be done with a mail that was claimed.
enum Claim {
    /// It was never to be sent, or is not to be any more: nobody is under the address, the sign-in was
    /// refused or is used. It is settled as if it had been sent, so that no delay tells the difference.
    Decoy(Mail),
    /// It is of use before that second.
    Send(Mail, Letter, i64),
    Expired(Mail),
    /// There are more mails than may leave now: it was put off.
    Later,
    /// There are so many more that its turn would come too late.
    TooMany(Mail),
}

/// Handles one mail that is due. False when there is none.
pub async fn step(app: &App) -> store::Result<bool> {
    let began = app.clock.steady();
    let judge = app.clone();
    let claimed = app
        .store
        .write(move |tx| {
            async move {
                let time = judge.clock.of_database(tx.clock().await?);
                let Some(mail) = store::outbox::claim(tx, time, time + LEASE).await? else {
                    return Ok(None);
                };
                let claim = match mail.kind.as_str() {
                    Mail::SIGN_IN => about_sign_in(&judge, tx, mail, time).await?,
                    Mail::REUSE => about_reuse(&judge, tx, mail, time).await?,
                    _ => Claim::Expired(mail),
                };
                Ok(Some((claim, time)))
            }
            .boxed()
        })
        .await?;
    let Some((claim, time)) = claimed else {
        return Ok(false);
    };
    let (mail, sent) = match claim {
        Claim::Later => return Ok(true),
        Claim::TooMany(mail) => return drop_mail(app, mail.id).await.map(|()| true),
        Claim::Expired(mail) => {
            tracing::warn!(mail = mail.id, "a mail is dropped: it is of no more use");
            return drop_mail(app, mail.id).await.map(|()| true);
        }
        Claim::Decoy(mail) => (mail, Ok(())),
        Claim::Send(mail, letter, end) => {
            let seconds = (end - time).min(LEASE - SPARE);
            let left = Duration::from_secs(seconds.try_into().unwrap_or(0));
            (mail, send(app, letter, began + left).await)
        }
    };
    let clock = app.clock.clone();
    let delay = 1_i64 << mail.attempts.clamp(0, 6);
    app.store
        .write(move |tx| {
            async move {
                let time = clock.of_database(tx.clock().await?);
                match sent {
                    Ok(()) => store::outbox::sent(tx, &mail.id, time).await,
                    Err(error) if error.is_permanent() => {
                        tracing::error!(%error, mail = mail.id, "a mail was refused for good and is dropped");
                        store::outbox::drop_mail(tx, &mail.id).await
                    }
                    Err(error) => {
                        tracing::warn!(%error, mail = mail.id, tries = mail.attempts, "a mail could not be sent; it is tried again");
                        store::outbox::retry_at(tx, &mail.id, time + delay).await
                    }
                }
            }
            .boxed()
        })
        .await?;
    Ok(true)
}

async fn about_sign_in(app: &App, tx: &mut Tx, mail: Mail, time: i64) -> store::Result<Claim> {
    let sign_in = match &mail.sign_in_id {
        Some(id) => store::sign_in::by_id(tx, id).await?,
        None => None,
    };
    let Some(sign_in) = sign_in.filter(|row| row.used_at.is_none()) else {
        return Ok(Claim::Decoy(mail));
    };
    if sign_in.expires_at <= time {
        return Ok(Claim::Expired(mail));
    }
    if !store::customer::exists(tx, &sign_in.email, app.config.livemode()).await? {
        return Ok(Claim::Decoy(mail));
    }
    // The secret that it was made with may be gone.
    let Some(letter) = sign_in_mail(app, &mail, &sign_in) else {
        return Ok(Claim::Expired(mail));
    };
    // A mail that is tried again has been counted. Those that known devices ask for have limits of
    // their own, so that a flood of others cannot hold them up.
    let is_counted = sign_in.device.is_some() || mail.attempts > 1;
    let rate = limits::mails(app);
    if !is_counted && !store::allowance::take(tx, limits::MAILS, time * 1000, rate).await? {
        return wait_for_turn(app, tx, mail, &sign_in, time).await;
    }
    // The clock shows whole seconds: one may be over already.
    let end = sign_in.expires_at - 1;
    Ok(Claim::Send(mail, Letter::SignIn(letter), end))
}

/// Nobody looks at the mail again before there is an allowance: decoys, and the mails of known devices,
/// are not to stand behind it.
async fn wait_for_turn(
    app: &App,
    tx: &mut Tx,
    mail: Mail,
    sign_in: &SignIn,
    time: i64,
) -> store::Result<Claim> {
    static WAITING: Seldom = Seldom::new(WARN_EVERY);
    if let Some(count) = WAITING.count(app.clock.now()) {
        tracing::warn!(
            count,
            limit = app.config.mails_per_hour,
            "more mails than MAILS_PER_HOUR: they wait, and are dropped where their links expire before their turn"
        );
    }
    let free_at = store::allowance::free_at(tx, limits::MAILS, limits::mails(app)).await?;
    // The first whole second of it.
    let due_at = free_at.map_or(time, |millis| millis.div_euclid(1000)) + 1;
    if due_at >= sign_in.expires_at {
        return Ok(Claim::TooMany(mail));
    }
    store::outbox::put_off(tx, &mail.id, due_at).await?;
    Ok(Claim::Later)
}

async fn about_reuse(app: &App, tx: &mut Tx, mail: Mail, time: i64) -> store::Result<Claim> {
    let session = match &mail.session_id {
        Some(id) => store::session::find(tx, id).await?,
        None => None,
    };
    let end = |row: &Session| row.ended_at.map(|ended_at| ended_at + REUSE_LIFETIME);
    Ok(
        match session.and_then(|row| end(&row).map(|end| (row, end))) {
            Some((row, end)) if time < end => {
                let letter = Letter::Reuse(reuse_mail(app, &mail, row));
                Claim::Send(mail, letter, end)
            }
            _ => Claim::Expired(mail),
        },
    )
}

/// Hands the mail over before that moment of the steady clock: while it is of use, and while nobody else
/// may take it. Claiming takes time too, when the database is slow.
async fn send(app: &App, letter: Letter, end: Duration) -> Result<(), mail::Error> {
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
        browser: match session.browser {
            words if words.is_empty() => "a browser that we cannot name".to_owned(),
            words => words,
        },
        start: app.config.url("/"),
    }
}

async fn drop_mail(app: &App, id: String) -> store::Result<()> {
    app.store
        .write(move |tx| async move { store::outbox::drop_mail(tx, &id).await }.boxed())
        .await
}

async fn wait(app: &App, stop: &CancellationToken) {
    tokio::select! {
        () = app.outbox_due.notified() => {}
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
}
