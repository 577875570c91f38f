//! Mail: its contents and how it is sent. There are three kinds: the sign-in mail, the warning after a token reuse,
//! and the operator's test mail. Each has a text part and an HTML part with the same content.

mod error;
mod reply;
mod scrub;
mod server;
mod smtp;
mod talk;
mod text;

use std::sync::{Arc, Mutex};

use lettre::message::Mailbox;

pub use self::{
    error::{Error, Refusal, Step},
    server::{Server, Tls, ehlo_name},
    smtp::{LIMIT, Post},
};
use crate::{
    config::{Config, Secret},
    mask::shows,
};

/// A mail of any kind.
#[derive(Clone, Debug)]
pub enum Letter {
    SignIn(SignInMail),
    Reuse(ReuseMail),
    Test(TestMail),
}

/// The mail of `billhook mail test`.
#[derive(Clone)]
pub struct TestMail {
    /// The local part of the Message-ID.
    pub id: String,
    pub to: String,
    /// The URL of the Billhook that sends it.
    pub start: String,
}

shows!(TestMail: id);

/// The warning after a refresh token was reused.
#[derive(Clone)]
pub struct ReuseMail {
    /// The local part of the Message-ID, the same on every retry (idempotent).
    pub id: String,
    pub to: String,
    /// The browser that signed in: `Firefox on Linux`, or empty if it is not known.
    pub browser: String,
    /// The URL to sign in again.
    pub start: String,
}

shows!(ReuseMail: id);

/// The contents of a sign-in mail.
#[derive(Clone)]
pub struct SignInMail {
    /// The local part of the Message-ID, the same on every retry (idempotent).
    pub id: String,
    pub to: String,
    pub link: Secret,
    /// 8 digits.
    pub code: Secret,
    /// How long the link and the code work.
    pub minutes: i64,
    /// The browser that requested the sign-in: `Firefox on Linux`, or empty if it is not known.
    pub asked_from: String,
}

shows!(SignInMail: id);

/// The mail server accepted the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The server's reply, without addresses and secrets. It often contains the mail's id in the server's log.
    pub answer: String,
}

/// A mail that `billhook dev` keeps instead of sending it.
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

/// How mail is sent.
#[derive(Clone)]
pub enum Mailer {
    Smtp {
        post: Arc<Post>,
        from: Mailbox,
        app_name: String,
    },
    /// Mail is not sent: `billhook dev` shows it in the browser.
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

/// `billhook dev` drops the oldest mails beyond this number.
const MOST_KEPT: usize = 50;

impl Mailer {
    /// The mailer that the settings configure.
    pub fn of(config: &Config) -> Result<Mailer, Error> {
        Ok(Mailer::Smtp {
            post: Arc::new(post(config)?),
            from: config.mail_from.clone(),
            app_name: config.app_name.clone(),
        })
    }

    /// A mailer that sends by SMTP to the server of `SMTP_URL`.
    pub fn smtp(url: &str, from: Mailbox, app_name: &str) -> Result<Mailer, Error> {
        let server = Server::read(url).ok_or(Error::Address)?;
        Ok(Mailer::Smtp {
            post: Arc::new(Post::new(server, "[127.0.0.1]".to_owned())),
            from,
            app_name: app_name.to_owned(),
        })
    }

    /// Sends the mail, or keeps it. Returns within the timeout [`LIMIT`].
    pub async fn send(&self, mail: Letter) -> Result<Taken, Error> {
        match self {
            Mailer::Smtp {
                post,
                from,
                app_name,
            } => {
                let message = text::message(&mail, from, app_name)?.formatted();
                let answer = post.deliver(&sender(from), mail.to(), &message).await?;
                Ok(Taken { answer })
            }
            Mailer::Kept {
                mails,
                app_name,
                clock,
            } => {
                let kept = KeptMail {
                    subject: text::subject(&mail, app_name),
                    text: Secret::new(text::text(&mail, app_name)),
                    html: Secret::new(text::html(&mail, app_name)),
                    to: mail.to().to_owned(),
                    at: clock.now(),
                };
                let mut mails = mails
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                mails.push(kept);
                let surplus = mails.len().saturating_sub(MOST_KEPT);
                mails.drain(..surplus);
                Ok(Taken {
                    answer: "kept, not sent".to_owned(),
                })
            }
        }
    }
}

/// The mail submission server that the settings configure.
pub fn post(config: &Config) -> Result<Post, Error> {
    let server = Server::read(config.smtp_url.expose()).ok_or(Error::Address)?;
    Ok(Post::new(server, config.ehlo_name.clone()))
}

/// The sender's address for SMTP commands, with the domain in ASCII (punycode).
pub fn sender(from: &Mailbox) -> String {
    let address: &str = from.email.as_ref();
    let (user, domain) = (from.email.user(), from.email.domain());
    match idna::domain_to_ascii(domain) {
        Ok(ascii) => format!("{user}@{ascii}"),
        Err(_) => address.to_owned(),
    }
}

impl Letter {
    fn id(&self) -> &str {
        match self {
            Letter::SignIn(mail) => &mail.id,
            Letter::Reuse(mail) => &mail.id,
            Letter::Test(mail) => &mail.id,
        }
    }

    fn to(&self) -> &str {
        match self {
            Letter::SignIn(mail) => &mail.to,
            Letter::Reuse(mail) => &mail.to,
            Letter::Test(mail) => &mail.to,
        }
    }

    /// The value of a placeholder in the mail's template.
    fn value(&self, name: &str) -> Option<String> {
        match (self, name) {
            (Letter::SignIn(mail), "link") => Some(mail.link.expose().to_owned()),
            (Letter::SignIn(mail), "code") => Some(text::spaced(mail.code.expose())),
            (Letter::SignIn(mail), "minutes") => Some(mail.minutes.to_string()),
            (Letter::SignIn(mail), "asked_from") => Some(text::asked_from(&mail.asked_from)),
            (Letter::Reuse(mail), "browser") => Some(text::signed_in_with(&mail.browser)),
            (Letter::Reuse(mail), "start") => Some(mail.start.clone()),
            (Letter::Test(mail), "start") => Some(mail.start.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        text::{html, message, subject, text},
        *,
    };

    fn mail() -> Letter {
        Letter::SignIn(SignInMail {
            id: "mail_1".to_owned(),
            to: "ada@example.com".to_owned(),
            link: Secret::new("https://billing.example.com/sign-in/link?token=abc"),
            code: Secret::new("12345678"),
            minutes: 10,
            asked_from: "{{link}} <Firefox>".to_owned(),
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
        // RFC 3834: keeps auto-responders from answering.
        assert!(formatted.contains("\r\nAuto-Submitted: auto-generated\r\n"));
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
                super::text::message(&trick_mail, &from, "Northwind").is_err(),
                "{trick}"
            );
        }
    }
}
