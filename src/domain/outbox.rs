//! Sends the mails of the outbox, one at a time, again after a failure, and never after the link in
//! them has expired. Here alone it is decided whether an address gets mail: whoever asks cannot tell.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{App, limits, sign_in};
use crate::{
    mail::{self, SignInMail},
    store::{self, Tx, allowance::Rate, outbox::Mail, sign_in::SignIn},
};

/// Seconds after which a mail whose sender has died is tried by another.
const LEASE: i64 = 60;
/// Seconds of the lease in which nothing is sent any more.
const SPARE: i64 = 5;
/// Seconds after which a mail is looked at again that was one too many.
const LOOK_AGAIN: i64 = 10;
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
    Send(Mail, SignIn),
    Expired(Mail),
    /// There are more mails than may leave now.
    Later,
}

/// Handles one mail that is due. False when there is none.
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    let (livemode, rate) = (app.config.livemode(), limits::mails(app));
    let claimed = app
        .store
        .write(move |tx| {
            async move {
                let Some(mail) = store::outbox::claim(tx, now, now + LEASE).await? else {
                    return Ok(None);
                };
                judge(tx, mail, now, livemode, rate).await.map(Some)
            }
            .boxed()
        })
        .await?;
    let (mail, sent) = match claimed {
        None => return Ok(false),
        Some(Claim::Later) => return Ok(true),
        Some(Claim::Expired(mail)) => {
            tracing::warn!(mail = mail.id, "a mail is dropped: its link has expired");
            return drop_mail(app, mail.id).await.map(|()| true);
        }
        Some(Claim::Decoy(mail)) => (mail, Ok(())),
        Some(Claim::Send(mail, sign_in)) => {
            let sent = send(app, &mail, &sign_in, now + LEASE).await;
            (mail, sent)
        }
    };
    let now = app.clock.now();
    let delay = 1_i64 << mail.attempts.clamp(0, 6);
    app.store
        .write(move |tx| {
            async move {
                match sent {
                    Ok(()) => store::outbox::sent(tx, &mail.id, now).await,
                    Err(error) if error.is_permanent() => {
                        tracing::error!(%error, mail = mail.id, "a mail was refused for good and is dropped");
                        store::outbox::drop_mail(tx, &mail.id).await
                    }
                    Err(error) => {
                        tracing::warn!(%error, mail = mail.id, tries = mail.attempts, "a mail could not be sent; it is tried again");
                        store::outbox::retry_at(tx, &mail.id, now + delay).await
                    }
                }
            }
            .boxed()
        })
        .await?;
    Ok(true)
}

async fn judge(
    tx: &mut Tx,
    mail: Mail,
    now: i64,
    livemode: bool,
    rate: Rate,
) -> store::Result<Claim> {
    let sign_in = store::sign_in::by_id(tx, &mail.sign_in_id).await?;
    let Some(sign_in) = sign_in.filter(|row| row.used_at.is_none()) else {
        return Ok(Claim::Decoy(mail));
    };
    if sign_in.expires_at <= now {
        return Ok(Claim::Expired(mail));
    }
    if !store::customer::exists(tx, &sign_in.email, livemode).await? {
        return Ok(Claim::Decoy(mail));
    }
    // A mail that is tried again has been counted. Those that known devices ask for have limits of
    // their own, so that a flood of others cannot hold them up.
    let is_counted = sign_in.device.is_some() || mail.attempts > 1;
    if !is_counted && !store::allowance::take(tx, limits::MAILS, now * 1000, rate).await? {
        tracing::warn!(mail = mail.id, "more mails than MAILS_PER_HOUR: one waits");
        store::outbox::put_off(tx, &mail.id, now + LOOK_AGAIN).await?;
        return Ok(Claim::Later);
    }
    Ok(Claim::Send(mail, sign_in))
}

/// Hands the mail over while its link works and nobody else may take it, which ends before
/// `lease_until`. The clock is read again, since claiming takes time when the database is slow.
async fn send(
    app: &App,
    mail: &Mail,
    sign_in: &SignIn,
    lease_until: i64,
) -> Result<(), mail::Error> {
    // The clock shows whole seconds: one may be over already.
    let end = (sign_in.expires_at - 1).min(lease_until - SPARE);
    let left = u64::try_from(end - app.clock.now()).unwrap_or(0);
    if left == 0 {
        return Err(mail::Error::TooLate);
    }
    let sending = app.mailer.send(compose(app, mail, sign_in));
    tokio::time::timeout(Duration::from_secs(left), sending)
        .await
        .unwrap_or(Err(mail::Error::TooLate))
}

fn compose(app: &App, mail: &Mail, sign_in: &SignIn) -> SignInMail {
    SignInMail {
        id: mail.id.clone(),
        to: sign_in.email.clone(),
        link: app.config.url(&format!(
            "/sign-in/link?token={}",
            sign_in::token(app, &sign_in.id)
        )),
        code: sign_in::code(app, &sign_in.id),
        minutes: sign_in::LIFETIME / 60,
        asked_from: mail.asked_from.clone(),
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
