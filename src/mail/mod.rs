//! Mail: what is sent and how. There are two kinds, the sign-in mail and the one after a reuse, each
//! as text and as HTML that say the same.

use std::sync::{Arc, Mutex};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp,
};

use crate::{
    config::Secret,
    mask::{masked, shows},
    model::escape,
};

/// A mail of either kind.
#[derive(Clone, Debug)]
pub enum Letter {
    SignIn(SignInMail),
    Reuse(ReuseMail),
}

/// What a mail says after a copy of a session's tokens was used.
#[derive(Clone)]
pub struct ReuseMail {
    /// The local part of its Message-ID, the same on every try.
    pub id: String,
    pub to: String,
    /// The browser that signed in, in words.
    pub browser: String,
    /// Where to sign in again.
    pub start: String,
}

shows!(ReuseMail: id);

/// What a sign-in mail says.
#[derive(Clone)]
pub struct SignInMail {
    /// The local part of its Message-ID, the same on every try.
    pub id: String,
    pub to: String,
    pub link: Secret,
    /// 8 digits.
    pub code: Secret,
    /// How long both work.
    pub minutes: i64,
    /// A sentence about the browser that asked, or nothing.
    pub asked_from: String,
}

shows!(SignInMail: id);

/// Why a mail was not sent. Safe to log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the mail could not be put together: {0}")]
    Message(String),
    #[error("the mail server did not take it: {words}")]
    Smtp {
        /// Its own, as [`masked`] leaves them: they often repeat the address.
        words: String,
        is_permanent: bool,
    },
    #[error("the mail server took too long")]
    TooLate,
}

impl Error {
    /// Whether trying again is of no use: the mail server has said no for good (SMTP 5yz).
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Message(_) => true,
            Error::Smtp { is_permanent, .. } => *is_permanent,
            Error::TooLate => false,
        }
    }
}

impl From<smtp::Error> for Error {
    fn from(error: smtp::Error) -> Error {
        Error::Smtp {
            words: masked(&error.to_string()),
            is_permanent: error.is_permanent(),
        }
    }
}

/// A mail as it would have been sent, for `billhook dev`.
#[derive(Clone)]
pub struct KeptMail {
    pub to: String,
    pub subject: String,
    pub text: Secret,
    pub html: Secret,
    /// When it was sent, in unix seconds.
    pub at: i64,
}

shows!(KeptMail: subject, at);

/// How mail leaves.
#[derive(Clone)]
pub enum Mailer {
    Smtp {
        transport: AsyncSmtpTransport<Tokio1Executor>,
        from: Mailbox,
        app_name: String,
    },
    /// It does not: `billhook dev` shows it in the browser.
    Kept {
        mails: Arc<Mutex<Vec<KeptMail>>>,
        app_name: String,
        clock: crate::clock::Clock,
    },
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mailer::Smtp { .. } => "Smtp",
            Mailer::Kept { .. } => "Kept",
        })
    }
}

/// `billhook dev` forgets the oldest beyond this.
const MOST_KEPT: usize = 50;

impl Mailer {
    /// By SMTP, as `SMTP_URL` says.
    pub fn smtp(url: &str, from: Mailbox, app_name: &str) -> Result<Mailer, Error> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?
            .timeout(Some(std::time::Duration::from_secs(10)))
            .build();
        Ok(Mailer::Smtp {
            transport,
            from,
            app_name: app_name.to_owned(),
        })
    }

    /// Sends the mail, or keeps it.
    pub async fn send(&self, mail: Letter) -> Result<(), Error> {
        match self {
            Mailer::Smtp {
                transport,
                from,
                app_name,
            } => {
                transport.send(message(&mail, from, app_name)?).await?;
            }
            Mailer::Kept {
                mails,
                app_name,
                clock,
            } => {
                let kept = KeptMail {
                    subject: subject(&mail, app_name),
                    text: Secret::new(text(&mail, app_name)),
                    html: Secret::new(html(&mail, app_name)),
                    to: mail.to().to_owned(),
                    at: clock.now(),
                };
                let mut mails = mails
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                mails.push(kept);
                let surplus = mails.len().saturating_sub(MOST_KEPT);
                mails.drain(..surplus);
            }
        }
        Ok(())
    }
}

impl Letter {
    fn id(&self) -> &str {
        match self {
            Letter::SignIn(mail) => &mail.id,
            Letter::Reuse(mail) => &mail.id,
        }
    }

    fn to(&self) -> &str {
        match self {
            Letter::SignIn(mail) => &mail.to,
            Letter::Reuse(mail) => &mail.to,
        }
    }

    /// The value of one of its template's blanks.
    fn value(&self, name: &str) -> Option<String> {
        match (self, name) {
            (Letter::SignIn(mail), "link") => Some(mail.link.expose().to_owned()),
            (Letter::SignIn(mail), "code") => Some(spaced(mail.code.expose())),
            (Letter::SignIn(mail), "minutes") => Some(mail.minutes.to_string()),
            (Letter::SignIn(mail), "asked_from") => Some(mail.asked_from.clone()),
            (Letter::Reuse(mail), "browser") => Some(mail.browser.clone()),
            (Letter::Reuse(mail), "start") => Some(mail.start.clone()),
            _ => None,
        }
    }
}

fn message(mail: &Letter, from: &Mailbox, app_name: &str) -> Result<Message, Error> {
    let problem = |error: &dyn std::fmt::Display| Error::Message(masked(&error.to_string()));
    let to: lettre::Address = mail.to().parse().map_err(|error| problem(&error))?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject(mail, app_name))
        .message_id(Some(format!("<{}@{}>", mail.id(), from.email.domain())))
        .multipart(MultiPart::alternative_plain_html(
            text(mail, app_name),
            html(mail, app_name),
        ))
        .map_err(|error| problem(&error))
}

fn subject(mail: &Letter, app_name: &str) -> String {
    match mail {
        Letter::SignIn(_) => format!("Sign in to {app_name} billing"),
        Letter::Reuse(_) => format!("You were signed out of {app_name} billing"),
    }
}

fn text(mail: &Letter, app_name: &str) -> String {
    let template = match mail {
        Letter::SignIn(_) => include_str!("sign_in.txt"),
        Letter::Reuse(_) => include_str!("reuse.txt"),
    };
    fill(template, mail, app_name, str::to_owned)
}

fn html(mail: &Letter, app_name: &str) -> String {
    let template = match mail {
        Letter::SignIn(_) => include_str!("sign_in.html"),
        Letter::Reuse(_) => include_str!("reuse.html"),
    };
    fill(template, mail, app_name, escape)
}

/// Puts the values into a template. In one pass, so that a value with braces in it stays a value.
fn fill(template: &str, mail: &Letter, app_name: &str, escape: fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(template.len() + 512);
    let mut rest = template;
    while let Some((before, name, after)) = next_name(rest) {
        filled.push_str(before);
        let value = match name {
            "app_name" => app_name.to_owned(),
            name => mail
                .value(name)
                .unwrap_or_else(|| format!("{{{{{name}}}}}")),
        };
        filled.push_str(&escape(&value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The text before the next `{{name}}`, the name, and the text after it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// `1234 5678`: easier to read out, and the form takes the space.
fn spaced(code: &str) -> String {
    code.split_at_checked(4)
        .map_or_else(|| code.to_owned(), |(a, b)| format!("{a} {b}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Letter {
        Letter::SignIn(SignInMail {
            id: "mail_1".to_owned(),
            to: "ada@example.com".to_owned(),
            link: Secret::new("https://billing.example.com/sign-in/link?token=abc"),
            code: Secret::new("12345678"),
            minutes: 10,
            asked_from: "It was asked for from {{link}} <Firefox>.".to_owned(),
        })
    }

    #[test]
    fn the_mail_after_a_reuse_says_the_same_twice_and_leaves_no_blank_unfilled() {
        let mail = Letter::Reuse(ReuseMail {
            id: "mail_2".to_owned(),
            to: "ada@example.com".to_owned(),
            browser: "Firefox on Linux".to_owned(),
            start: "https://billing.example.com/".to_owned(),
        });
        for body in [text(&mail, "Northwind"), html(&mail, "Northwind")] {
            for words in [
                "Firefox on Linux",
                "https://billing.example.com/",
                "Northwind",
            ] {
                assert!(body.contains(words), "{words}: {body}");
            }
            assert!(!body.contains("{{"), "{body}");
        }
        assert_eq!(
            subject(&mail, "Northwind"),
            "You were signed out of Northwind billing"
        );
        assert!(!format!("{mail:?}").contains("ada@"));
    }

    #[test]
    fn text_and_html_say_the_same_and_leave_no_blank_unfilled() {
        for body in [
            text(&mail(), "Northwind & Co"),
            html(&mail(), "Northwind & Co"),
        ] {
            assert!(
                body.contains("1234 5678") && body.contains("token=abc"),
                "{body}"
            );
            assert!(body.contains("10 minutes") && body.contains("Northwind"));
            assert_eq!(
                body.matches("{{").count(),
                1,
                "only the value's own braces: {body}"
            );
        }
        assert!(html(&mail(), "A <b> & c").contains("A &lt;b&gt; &amp; c"));
        assert!(html(&mail(), "x").contains("&lt;Firefox&gt;"));
    }

    #[test]
    fn checklist_14_the_message_has_one_recipient_and_a_stable_id() {
        let from: Mailbox = "Northwind <billing@example.com>".parse().unwrap();
        let message = message(&mail(), &from, "Northwind").unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        let formatted = String::from_utf8(message.formatted()).unwrap();
        assert!(
            formatted.contains("Message-ID: <mail_1@example.com>"),
            "{formatted}"
        );
        assert_eq!(formatted.matches("\r\nTo: ").count(), 1, "{formatted}");
        for trick in [
            "ada@example.com\r\nBcc: eve@example.org",
            "ada@example.com, eve@example.org",
            "Ada <ada@example.com>",
        ] {
            let Letter::SignIn(usual) = mail() else {
                panic!("a mail with a link");
            };
            let trick_mail = Letter::SignIn(SignInMail {
                to: trick.to_owned(),
                ..usual
            });
            assert!(
                super::message(&trick_mail, &from, "Northwind").is_err(),
                "{trick}"
            );
        }
    }
}
