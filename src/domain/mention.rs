//! Whether an address stands in a payload, however it is written there: JSON may escape any character
//! (`\u0040`), and an international domain is the same in letters and as `xn--`.

use serde_json::Value;

use super::email;
use crate::text;

/// An address that is looked for.
#[derive(Clone)]
pub struct Mention {
    /// Normalised.
    address: String,
    /// The same in lower case, with its domain in letters.
    in_letters: String,
}

impl Mention {
    pub fn of(address: &str) -> Mention {
        let in_letters = match address.rsplit_once('@') {
            Some((local, domain)) => format!("{local}@{}", idna::domain_to_unicode(domain).0),
            None => address.to_owned(),
        };
        Mention {
            address: address.to_owned(),
            in_letters: in_letters.to_lowercase(),
        }
    }

    /// Whether it is in the texts of a JSON document, alone or among other words.
    pub fn is_in(&self, payload: &str) -> bool {
        match serde_json::from_str::<Value>(payload) {
            Ok(value) => self.is_in_value(&value),
            Err(_) => self.is_in_text(payload),
        }
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in_text(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| self.is_in_text(name) || self.is_in_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn is_in_text(&self, text: &str) -> bool {
        // Shops keep JSON in metadata.
        if text.trim_start().starts_with(['{', '['])
            && serde_json::from_str(text).is_ok_and(|inner| self.is_in_value(&inner))
        {
            return true;
        }
        let seen: String = text.chars().filter(|it| text::is_seen(*it)).collect();
        let lower = seen.to_lowercase();
        lower.contains(&self.address)
            || lower.contains(&self.in_letters)
            || seen
                .split(|it: char| it.is_whitespace() || "<>()[]\",;:".contains(it))
                .any(|word| email::normalise(word.trim_matches(['.', '\''])) == self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_68_an_address_is_found_in_every_spelling() {
        let ascii = "ada@example.com";
        let letters = "ada@xn--mller-kva.de";
        for (address, payload, expected) in [
            (ascii, r#"{"a":"ada@example.com"}"#, true),
            (ascii, r#"{"a":"ada\u0040example.com"}"#, true),
            (ascii, r#"{"a":"\u0041DA@example\u002Ecom"}"#, true),
            (
                ascii,
                r#"{"a":["x",{"mail to ada\u0040example.com, please":1}]}"#,
                true,
            ),
            (ascii, "{\"a\":\"ada@exam\\u00adple.com\"}", true),
            (ascii, r#"{"a":"bob\u0040example.com"}"#, false),
            (ascii, r#"{"a":"ada\\u0040example.com"}"#, false),
            (letters, r#"{"a":"ada@m\u00fcller.de"}"#, true),
            (
                letters,
                r#"{"a":"Ada Lovelace <Ada@M\u00DCLLER.de>"}"#,
                true,
            ),
            (letters, "{\"a\":\"ada@mu\u{308}ller.de\"}", true),
            (letters, "{\"a\":\"to ada@m\u{fc}ller.de.\"}", true),
            (letters, r#"{"a":"ada@xn\u002d-mller-kva.de"}"#, true),
            (letters, r#"{"a":"ada@muller.de"}"#, false),
            (ascii, r#"{"a":"{\"b\":\"ada\\u0040example.com\"}"}"#, true),
            ("a/b@example.com", r#"{"a":"a\/b@example.com"}"#, true),
        ] {
            assert_eq!(Mention::of(address).is_in(payload), expected, "{payload}");
        }
    }
}
