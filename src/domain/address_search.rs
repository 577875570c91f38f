//! Searches payloads for an e-mail address in every spelling: JSON may escape any character (`\u0040`), and an international domain
//! (IDN) may be written in Unicode or in Punycode (`xn--`).

use serde_json::Value;

use super::email;
use crate::text;

/// The address to search for.
#[derive(Clone)]
pub struct Mention {
    /// Normalised.
    address: String,
    /// The same in lower case, with its domain in Unicode instead of Punycode.
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

    /// Whether any string of a JSON document contains the address, alone or within other text.
    pub fn is_in(&self, payload: &str) -> bool {
        let mut is_in = false;
        each_text(payload, &mut |text| {
            is_in |= self.is_in_text(text);
        });
        is_in
    }

    fn is_in_text(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let mut is_in = lower.contains(&self.address) || lower.contains(&self.in_letters);
        each_address(text, &mut |address| is_in |= address == self.address);
        is_in
    }
}

/// Calls `look` with every possible address in the strings of a JSON document, normalised. The rules are those of [`Mention::is_in`].
/// That one searches for a known address; this one serves a caller who knows only an address's hash.
pub fn addresses_in(payload: &str, look: &mut impl FnMut(String)) {
    each_text(payload, &mut |text| each_address(text, look));
}

/// Calls `look` with every string of a JSON document, field names included, without invisible characters. A string that is itself
/// JSON is parsed as well.
fn each_text(payload: &str, look: &mut dyn FnMut(&str)) {
    match serde_json::from_str::<Value>(payload) {
        Ok(value) => each_text_of(&value, look),
        Err(_) => look(&seen(payload)),
    }
}

fn each_text_of(value: &Value, look: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => {
            // Shops store JSON in the strings of Stripe's metadata.
            if text.trim_start().starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str::<Value>(text)
            {
                each_text_of(&inner, look);
            }
            look(&seen(text));
        }
        Value::Array(values) => values.iter().for_each(|value| each_text_of(value, look)),
        Value::Object(fields) => {
            for (name, value) in fields {
                look(&seen(name));
                each_text_of(value, look);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn seen(text: &str) -> String {
    text.chars().filter(|it| text::is_seen(*it)).collect()
}

/// Calls `look` with every possible address in a text: the whole text, and every combination of local part and domain around
/// each `@`. People and links put other text directly before and after an address, as in `?to=ada@example.com&x=1`.
fn each_address(text: &str, look: &mut impl FnMut(String)) {
    if !text.contains('@') {
        return;
    }
    look(email::normalise(text));
    for (place, _) in text.match_indices('@') {
        let (before, after) = (
            text.get(..place).unwrap_or_default(),
            text.get(place + 1..).unwrap_or_default(),
        );
        let locals = locals(before);
        for domain in domains(after) {
            for local in &locals {
                look(email::normalise(&format!("{local}@{domain}")));
            }
        }
    }
}

/// The special characters of `atext` (RFC 5322, 3.2.3), and the dot.
const SIGNS: &str = "!#$%&'*+-/=?^_`{|}~.";

/// The possible local parts before an `@`: the longest run of allowed characters, and each suffix of it that begins after a special
/// character, as `ada` in `to=ada`.
fn locals(before: &str) -> Vec<&str> {
    let is_local = |it: char| it.is_alphanumeric() || SIGNS.contains(it);
    let longest = before.trim_end_matches(is_local).len();
    let longest = before.get(longest..).unwrap_or_default();
    let signs = longest.match_indices(|it: char| SIGNS.contains(it));
    let starts = signs.map(|(place, sign)| place + sign.len());
    [0].into_iter()
        .chain(starts)
        .filter_map(|start| longest.get(start..))
        .filter(|local| !local.is_empty())
        // A local part has at most 64 characters (RFC 5321, 4.5.3.1.1).
        .filter(|local| local.len() <= MOST_OF_LOCAL)
        .collect()
}

/// In bytes: a character has at most four in UTF-8.
const MOST_OF_LOCAL: usize = 4 * 64;

/// The possible domains after an `@`: the longest run of domain characters in any script, and the longest in ASCII alone.
fn domains(after: &str) -> impl Iterator<Item = &str> {
    let in_ascii = |it: char| it.is_ascii_alphanumeric() || ".-".contains(it);
    // Includes the East Asian full stops, which IDNA treats as dots, and combining marks.
    let in_letters = move |it: char| {
        in_ascii(it)
            || it.is_alphanumeric()
            || "\u{3002}\u{ff0e}\u{ff61}".contains(it)
            || is_mark(it)
    };
    let until = |is_in: &dyn Fn(char) -> bool| {
        let end = after.find(|it: char| !is_in(it)).unwrap_or(after.len());
        let domain = after.get(..end).unwrap_or_default();
        domain.trim_end_matches(['.', '-'])
    };
    let (letters, ascii) = (until(&in_letters), until(&in_ascii));
    let ascii = (ascii != letters).then_some(ascii);
    [letters]
        .into_iter()
        .chain(ascii)
        .filter(|domain| !domain.is_empty())
}

fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{3099}' | '\u{309a}')
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
            // In the middle of other text.
            (letters, "{\"a\":\"?to=ada@m\u{fc}ller.de&x=1\"}", true),
            (letters, r#"{"a":"ada@muller.de"}"#, false),
            (ascii, r#"{"a":"{\"b\":\"ada\\u0040example.com\"}"}"#, true),
            ("a/b@example.com", r#"{"a":"a\/b@example.com"}"#, true),
            (ascii, r#"{"a":"mailto:ada@example.com?subject=x"}"#, true),
            (
                ascii,
                r#"{"a":"https://x.example/?to=ada@example.com&y"}"#,
                true,
            ),
            (ascii, r#"{"a":"'Ada@example.com'|bob@example.com"}"#, true),
            (ascii, "{\"a\":\"\u{201c}ada@example.com\u{201d}\"}", true),
            (
                letters,
                "{\"a\":\"\u{201e}ada@m\u{fc}ller.de\u{201c}\"}",
                true,
            ),
            (letters, "{\"a\":\"ada@m\u{fc}ller\u{3002}de\"}", true),
            (letters, "{\"a\":\"ada@m\u{fc}ller.de/x\"}", true),
            (
                "o'neil+x@example.com",
                r#"{"a":"<O'Neil+x@example.com>"}"#,
                true,
            ),
            (ascii, "no JSON, but ada@EXAMPLE.com.", true),
        ] {
            assert_eq!(Mention::of(address).is_in(payload), expected, "{payload}");
            let mut found = Vec::new();
            addresses_in(payload, &mut |address| found.push(address));
            let is_found = found.iter().any(|found| found == address);
            assert_eq!(is_found, expected, "{payload}: {found:?}");
        }
    }
}
