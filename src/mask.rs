//! Redaction: keeps secrets and personal data out of logs and error columns. A `Debug` that shows only listed fields, and a mask
//! for keys and email addresses in foreign texts.

/// Implements `Debug` for a struct: shows the listed fields, and marks that there are others.
macro_rules! shows {
    ($name:ident $(<$life:lifetime>)?: $($field:ident),* $(,)?) => {
        impl $(<$life>)? std::fmt::Debug for $name $(<$life>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field).trim_start_matches("r#"), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use shows;

/// Prefixes of secrets.
pub const SECRETS: [&str; 5] = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];

/// Whether a text contains a secret key.
pub fn has_key(text: &str) -> bool {
    SECRETS.iter().any(|prefix| text.contains(prefix))
}

/// Masks keys and email addresses in a text. Idempotent: addresses that are already masked stay as they are.
pub fn masked(text: &str) -> String {
    text.split_inclusive(ends_word)
        .map(|piece| {
            let word = piece.strip_suffix(ends_word).unwrap_or(piece);
            let end = &piece[word.len()..];
            let mask = if has_key(word) {
                "[key]"
            } else if (word.contains('@') || word.contains("%40")) && !is_masked(word) {
                "[address]"
            } else {
                word
            };
            [mask, end].concat()
        })
        .collect()
}

/// Quotes do not end a word: an address may contain them.
fn ends_word(character: char) -> bool {
    character.is_whitespace() || "<>()[]{},;:\"".contains(character)
}

/// Whether a word is already masked: `a…a@example.com`, also after `email=`.
fn is_masked(word: &str) -> bool {
    let Some((before, domain)) = word.split_once('@') else {
        return false;
    };
    let local = before.rsplit('=').next().unwrap_or_default();
    let mut letters = local.chars();
    let dots_come_second = letters.next().is_some() && letters.next() == Some('…');
    dots_come_second && letters.count() < 2 && !domain.contains('@') && !word.contains("%40")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_66_what_is_masked_already_stays_as_it_is() {
        for stays in ["email=\"a…a@example.com\"", "email=a…@example.com", "a…b@x"] {
            assert_eq!(masked(stays), stays);
        }
        for (text, expected) in [
            ("ad…a@example.com", "[address]"),
            ("a…da@example.com", "[address]"),
            ("a…a@example.com@x", "[address]"),
            ("…@example.com", "[address]"),
            ("email=ada@example.com", "[address]"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }
}
