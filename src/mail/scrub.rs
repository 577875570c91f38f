//! Removes secrets and personal data from a mail server's replies: servers often repeat addresses, user names and
//! other input.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::server::Login;
use crate::mask::masked;

/// Characters of a reply that are kept; the rest is truncated.
const MOST: usize = 300;

/// Texts that are removed from replies.
#[derive(Clone, Default)]
pub struct Hidden {
    /// Removed anywhere in the text.
    everywhere: Vec<String>,
    /// Removed only as a whole word.
    words: Vec<String>,
}

crate::mask::shows!(Hidden:);

impl Hidden {
    pub fn new(login: Option<&Login>, recipient: &str) -> Hidden {
        let mut hidden = Hidden::default();
        if let Some(login) = login {
            let (user, password) = (&login.user, login.password.expose());
            let encoded = [
                format!("\0{user}\0{password}"),
                user.clone(),
                password.to_owned(),
            ];
            let encoded = encoded.map(|text| BASE64_STANDARD.encode(text));
            hidden.everywhere.extend(encoded);
            for secret in [password, user] {
                match secret.len() {
                    0..4 => hidden.words.push(secret.to_owned()),
                    _ => hidden.everywhere.push(secret.to_owned()),
                }
            }
        }
        if let Some((local, _)) = recipient.split_once('@') {
            hidden.everywhere.push(recipient.to_owned());
            hidden.words.push(local.to_owned());
        }
        // Longest first, because a password may begin with another secret.
        hidden
            .everywhere
            .sort_by_key(|text| std::cmp::Reverse(text.len()));
        hidden
    }

    /// The reply without secrets, for logs, the database and the operator.
    pub fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.everywhere {
            text = without(&text, secret, |_, _| true);
        }
        for word in &self.words {
            text = without(&text, word, |before, after| {
                let is_inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
                !is_inside(before) && !is_inside(after)
            });
        }
        shown(&text)
    }
}

/// The same for messages of the program or the system, which contain no secrets.
pub fn shown(text: &str) -> String {
    let plain = text.chars().take(MOST);
    let plain = plain.map(|letter| if letter.is_control() { '·' } else { letter });
    masked(&plain.collect::<String>())
}

/// The text without `part`, ignoring ASCII case, wherever `goes` accepts the characters before and after it.
fn without(text: &str, part: &str, goes: impl Fn(Option<char>, Option<char>) -> bool) -> String {
    let (lower, part) = (text.to_ascii_lowercase(), part.to_ascii_lowercase());
    if part.is_empty() {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for (place, _) in lower.match_indices(&part) {
        let end = place + part.len();
        let before = lower.get(..place).and_then(|text| text.chars().last());
        let after = lower.get(end..).and_then(|text| text.chars().next());
        if goes(before, after) {
            kept.push_str(text.get(from..place).unwrap_or_default());
            kept.push('…');
            from = end;
        }
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn an_answer_is_shown_without_secrets_and_addresses() {
        let login = Login {
            user: "shop".to_owned(),
            password: Secret::new("canary0"),
        };
        let hidden = Hidden::new(Some(&login), "ada@example.com");
        let token = BASE64_STANDARD.encode("\0shop\0canary0");
        for (said, shown) in [
            ("550 5.1.1 <ada@example.com>: no", "550 5.1.1 <…>: no"),
            (
                "550 no mailbox Ada here, adamant",
                "550 no mailbox … here, adamant",
            ),
            ("535 <CANARY0> is not it", "535 <…> is not it"),
            (&format!("501 {token}?"), "501 …?"),
            ("454 shop: bob@example.com\u{1b}[2J", "454 …: [address]"),
            (
                "250 2.0.0 Ok: queued as 4XkQ1",
                "250 2.0.0 Ok: queued as 4XkQ1",
            ),
        ] {
            assert!(
                hidden.shown(said).starts_with(shown),
                "{said}: {}",
                hidden.shown(said)
            );
        }
        assert!(hidden.shown(&"x".repeat(9_000)).len() <= MOST);
    }
}
