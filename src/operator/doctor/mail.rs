//! Checks the mail server: connection, encryption, sign-in, and whether it accepts a recipient. No mail is sent.

use futures::FutureExt;

use super::{Finding, database};
use crate::{
    config::Around,
    domain::delivery::{self, Trouble},
    mail::{self, Error, Post, Refusal, Server, Step, Tls},
    operator::text::{plain, time},
    store::Store,
};

const CHECK: &str = "mail";
const NEEDED: &str = "SMTP_URL";
const SENDER: &str = "MAIL_FROM";

pub async fn examine(around: &Around) -> Vec<Finding> {
    let Some(config) = around.with(&[NEEDED]) else {
        let says = format!("not looked at: that needs {NEEDED}");
        return vec![Finding::skipped(CHECK, says)];
    };
    let post = match mail::post(config) {
        Ok(post) => post,
        Err(error) => return vec![told(&error)],
    };
    let sender = around
        .with(&[SENDER])
        .map(|config| mail::sender(&config.mail_from));
    let now = rehearse(&post, sender.as_deref()).await;
    let earlier = match around.with(&[database::NEEDED]) {
        Some(config) => trouble(config.database_url.expose()).await,
        None => None,
    };
    let is_well = now.state == super::State::Ok;
    let mut findings = vec![now];
    findings.extend(earlier.map(|trouble| recent(&trouble, is_well)));
    findings
}

async fn rehearse(post: &Post, sender: Option<&str>) -> Finding {
    match post.rehearse(sender).await {
        Ok(answer) => Finding::ok(CHECK, praise(&post.server, answer.as_deref())),
        Err(Error::Refused(refusal)) if refusal.is_about_recipient => Finding::warning(
            CHECK,
            format!(
                "The server takes mail, but none to the address in MAIL_FROM: {}.",
                plain(&refusal.answer)
            ),
            "Replies of customers are lost, and some servers take no mail from such a sender. Make that \
             mailbox, or use one that there is.",
        ),
        Err(error) => told(&error),
    }
}

fn praise(server: &Server, answer: Option<&str>) -> String {
    let encrypted = match server.tls {
        Tls::FromTheStart => "TLS holds",
        Tls::Demanded => "STARTTLS holds",
        Tls::IfOffered => "TLS is not demanded",
        Tls::Never => "it is on this machine, without TLS",
    };
    let signed_in = match server.login {
        Some(_) => "user and password are taken",
        None => "it asks for no password",
    };
    let took = match answer {
        Some(answer) => format!(", and it takes sender and recipient: {}", plain(answer)),
        None => String::new(),
    };
    format!("the server answers, {encrypted}, {signed_in}{took}")
}

/// The mail trouble that the running server has recorded in the database.
async fn trouble(url: &str) -> Option<Trouble> {
    let file = crate::store::file::of_url(url);
    if file.is_some_and(|file| !file.exists()) {
        return None;
    }
    // Another check reports errors of the database.
    let store = Store::open(url).await.ok()?;
    let found = store
        .look(|tx| async move { delivery::trouble(tx).await }.boxed())
        .await;
    store.close().await;
    found.ok().flatten()
}

fn recent(trouble: &Trouble, is_well: bool) -> Finding {
    let says = format!(
        "No mail has left since {}, {} tries were in vain. The last, at {}: {}.",
        time(trouble.since),
        trouble.count,
        time(trouble.at),
        plain(&trouble.says)
    );
    if is_well {
        let advice = "It works from here now. Try `billhook mail test ADDRESS`: this goes away with the next \
                      mail that is taken.";
        Finding::warning(CHECK, says, advice)
    } else {
        let advice = "Put right what stands above; mails are tried again while their links live.";
        Finding::failure(CHECK, says, advice)
    }
}

/// The error and the advice for it. `billhook mail test` uses it too.
pub fn told(error: &Error) -> Finding {
    let failure = |says: String, advice: &str| Finding::failure(CHECK, says, advice);
    let (step, reason) = match error {
        Error::Refused(refusal) => return refused(refusal),
        Error::Broken { step, reason } => (*step, plain(reason)),
        Error::TooLate => {
            return failure(
                "The mail server took too long.".to_owned(),
                "See that host and port in SMTP_URL are right, and that nothing between here and there \
                 holds the connection up.",
            );
        }
        Error::Address | Error::Message(_) => {
            return failure(
                format!("No mail can be sent: {error}."),
                "See SMTP_URL and MAIL_FROM.",
            );
        }
    };
    match step {
        Step::Connect => failure(
            format!("The mail server cannot be reached: {reason}."),
            "See that host and port in SMTP_URL are right and that this machine may connect out. Many \
             providers block port 25: use 465 with smtps:// or 587 with ?tls=required.",
        ),
        Step::Tls if reason.contains("STARTTLS is not offered") => failure(
            "The mail server offers no STARTTLS, so nothing was sent to it.".to_owned(),
            "Use smtps:// (port 465), or another port: 587 is for STARTTLS.",
        ),
        Step::Tls => failure(
            format!("TLS with the mail server failed: {reason}."),
            "The host in SMTP_URL must be the name in the server's certificate, and that must be of a known \
             authority. smtps:// is for port 465, smtp://…?tls=required for port 587.",
        ),
        Step::Auth if reason.contains("not offered") => failure(
            format!("The mail server lets nobody sign in this way: {reason}."),
            "Take user and password out of SMTP_URL, or use the port where it asks for them (465 or 587).",
        ),
        step => failure(
            format!("The mail server broke off at {step}: {reason}."),
            "Port 465 wants smtps://, ports 587 and 25 smtp://. If that is right, its log says more.",
        ),
    }
}

fn refused(refusal: &Refusal) -> Finding {
    let Refusal {
        step, code, answer, ..
    } = refusal;
    let says = format!(
        "The mail server refused, with {}, as its answer to {step}.",
        plain(answer)
    );
    let advice = match (code, step) {
        (534 | 535 | 538, _) | (500.., Step::Auth) => {
            "User or password in SMTP_URL are wrong, or the provider wants a password made for programs."
        }
        (530, _) => {
            "The mail server wants a user and password, or TLS before them: smtps://user:password@host."
        }
        (400..500, _) => {
            "It says that this passes: wait, and run `billhook doctor` again. Where it stays, ask the provider."
        }
        (_, Step::Connect | Step::Greeting) => {
            "It takes nothing from this machine. Use the server that your provider names for programs."
        }
        (_, Step::Hello) => "Set EHLO_NAME to this machine's name in DNS, or to its IP address.",
        (_, Step::To) if refusal.is_about_recipient => {
            "No server can deliver to that address. See how it is written."
        }
        (_, Step::From | Step::To) if *step == Step::From || names_sender(answer) => {
            "Set MAIL_FROM to an address that this user may send from, of a domain that the server knows."
        }
        (_, Step::To) => {
            "It passes nothing on for us: give it a user and password in SMTP_URL, or let it take mail from \
             this machine's address."
        }
        _ => "Ask the provider what that means for you; its log has more.",
    };
    Finding::failure(CHECK, says, advice)
}

/// Postfix reports a refusal of the sender only in its reply to RCPT.
fn names_sender(answer: &str) -> bool {
    const WORDS: [&str; 5] = [
        "sender address",
        "this sender",
        "sender verif",
        " 5.1.7 ",
        " 5.1.8 ",
    ];
    let answer = answer.to_ascii_lowercase();
    WORDS.iter().any(|words| answer.contains(words))
}
