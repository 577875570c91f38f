//! Sends the mails of the outbox, one at a time, again after a failure, and never after the link in
//! them has expired.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{App, sign_in};
use crate::{
    mail::SignInMail,
    store::{self, outbox::Mail, sign_in::SignIn},
};

/// Seconds after which a mail whose sender has died is tried by another.
const LEASE: i64 = 60;
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

/// Handles one mail that is due. False when there is none.
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    let claimed = app
        .store
        .write(move |tx| {
            async move {
                let Some(mail) = store::outbox::claim(tx, now, now + LEASE).await? else {
                    return Ok(None);
                };
                let sign_in = store::sign_in::by_id(tx, &mail.sign_in_id).await?;
                Ok(Some((mail, sign_in)))
            }
            .boxed()
        })
        .await?;
    let Some((mail, sign_in)) = claimed else {
        return Ok(false);
    };
    let live = sign_in.filter(|row| row.used_at.is_none() && row.expires_at > now);
    let sent = match live {
        Some(sign_in) => app.mailer.send(compose(app, &mail, &sign_in)).await,
        None => {
            tracing::warn!(
                mail = mail.id,
                "a mail is dropped: its link is used or has expired"
            );
            return drop_mail(app, mail.id).await.map(|()| true);
        }
    };
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
