//! Sends the mails of the outbox, one at a time, again after a failure, and never after they are of no
//! more use: after the link in them has expired, or a day after a session ended by reuse.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{App, sign_in};
use crate::{
    mail::{Letter, ReuseMail, SignInMail},
    store::{self, Tx, outbox::Mail, session::Session, sign_in::SignIn},
};

/// Seconds after which a mail whose sender has died is tried by another.
const LEASE: i64 = 60;
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

/// Handles one mail that is due. False when there is none.
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    let for_letter = app.clone();
    let claimed = app
        .store
        .write(move |tx| {
            async move {
                let Some(mail) = store::outbox::claim(tx, now, now + LEASE).await? else {
                    return Ok(None);
                };
                let letter = letter(&for_letter, tx, &mail, now).await?;
                Ok(Some((mail, letter)))
            }
            .boxed()
        })
        .await?;
    let Some((mail, letter)) = claimed else {
        return Ok(false);
    };
    let sent = match letter {
        Some(letter) => app.mailer.send(letter).await,
        None => {
            tracing::warn!(mail = mail.id, "a mail is dropped: it is of no more use");
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

/// What the mail says, if it is still of use.
async fn letter(app: &App, tx: &mut Tx, mail: &Mail, now: i64) -> store::Result<Option<Letter>> {
    match (mail.kind.as_str(), &mail.sign_in_id, &mail.session_id) {
        (Mail::SIGN_IN, Some(id), _) => {
            let sign_in = store::sign_in::by_id(tx, id).await?;
            let live = sign_in.filter(|row| row.used_at.is_none() && row.expires_at > now);
            Ok(live
                .and_then(|row| about_sign_in(app, mail, &row))
                .map(Letter::SignIn))
        }
        (Mail::REUSE, _, Some(id)) => {
            let session = store::session::find(tx, id).await?;
            let until = |row: &Session| row.ended_at.map(|ended_at| ended_at + REUSE_LIFETIME);
            let recent = session.filter(|row| until(row).is_some_and(|until| now < until));
            Ok(recent.map(|row| Letter::Reuse(about_reuse(app, mail, row))))
        }
        _ => Ok(None),
    }
}

fn about_sign_in(app: &App, mail: &Mail, sign_in: &SignIn) -> Option<SignInMail> {
    let (token, code) = sign_in::token_and_code(app, sign_in)?;
    Some(SignInMail {
        id: mail.id.clone(),
        to: sign_in.email.clone(),
        link: app.config.url(&format!("/sign-in/link?token={token}")),
        code,
        minutes: sign_in::LIFETIME / 60,
        asked_from: mail.asked_from.clone(),
    })
}

fn about_reuse(app: &App, mail: &Mail, session: Session) -> ReuseMail {
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
