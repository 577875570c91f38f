//! Renders each mail as text and as HTML with the same content.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{Error, Letter};
use crate::{mask::masked, model::escape};

/// The whole message. It is marked as automatically generated (RFC 3834), so that no auto-responder answers it.
pub fn message(mail: &Letter, from: &Mailbox, app_name: &str) -> Result<Message, Error> {
    let problem = |error: &dyn std::fmt::Display| Error::Message(masked(&error.to_string()));
    let to: Address = mail.to().parse().map_err(|error| problem(&error))?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject(mail, app_name))
        .message_id(Some(format!("<{}@{}>", mail.id(), from.email.domain())))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(
            text(mail, app_name),
            html(mail, app_name),
        ))
        .map_err(|error| problem(&error))
}

pub fn subject(mail: &Letter, app_name: &str) -> String {
    match mail {
        Letter::SignIn(_) => format!("Sign in to {app_name} billing"),
        Letter::Reuse(_) => format!("You were signed out of {app_name} billing"),
        Letter::Test(_) => format!("A test of the mail of {app_name} billing"),
    }
}

pub fn text(mail: &Letter, app_name: &str) -> String {
    let template = match mail {
        Letter::SignIn(_) => include_str!("sign_in.txt"),
        Letter::Reuse(_) => include_str!("reuse.txt"),
        Letter::Test(_) => include_str!("test.txt"),
    };
    fill(template, mail, app_name, str::to_owned)
}

pub fn html(mail: &Letter, app_name: &str) -> String {
    let template = match mail {
        Letter::SignIn(_) => include_str!("sign_in.html"),
        Letter::Reuse(_) => include_str!("reuse.html"),
        Letter::Test(_) => include_str!("test.html"),
    };
    fill(template, mail, app_name, escape)
}

/// Fills in a template in a single pass, so that braces in a value are not replaced again (template injection).
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

/// `1234 5678`: easier to read. The form accepts the space.
pub fn spaced(code: &str) -> String {
    code.split_at_checked(4)
        .map_or_else(|| code.to_owned(), |(a, b)| format!("{a} {b}"))
}

/// A sentence about the browser that requested the sign-in; empty if it is not known.
pub fn asked_from(browser: &str) -> String {
    match browser {
        "" => String::new(),
        browser => format!("It was asked for from {browser}."),
    }
}

/// The browser, as it follows "Your sign-in with".
pub fn signed_in_with(browser: &str) -> String {
    match browser {
        "" => "a browser that we cannot name".to_owned(),
        browser => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_is_not_known_is_not_named() {
        assert_eq!(asked_from(""), "");
        assert_eq!(
            asked_from("Firefox on Linux"),
            "It was asked for from Firefox on Linux."
        );
        assert_eq!(signed_in_with(""), "a browser that we cannot name");
        assert_eq!(signed_in_with("Edge on Windows"), "Edge on Windows");
    }
}
