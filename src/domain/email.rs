//! E-mail addresses. [`normalise`] alone decides whether two addresses are equal, and [`Email::parse`] alone decides what mail may be
//! sent to.

use crate::text;

/// Normalises an address. All comparisons use this form: without invisible characters and surrounding white space, ASCII letters in
/// lower case, and an international domain (IDN) in its ASCII form (RFC 5891, 4.4). Nothing else is folded: a `+tag` is kept, dots count,
/// and letters outside ASCII before the `@` stay as they are. To fold those would make different people's addresses equal (homographs).
pub fn normalise(address: &str) -> String {
    let seen: String = address.chars().filter(|it| text::is_seen(*it)).collect();
    let plain = seen.trim().to_ascii_lowercase();
    match plain.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => match idna::domain_to_ascii_strict(domain) {
            Ok(ascii) => format!("{local}@{ascii}"),
            // The domain is not a valid IDN, so no mail server has it.
            Err(_) => plain,
        },
        _ => plain,
    }
}

/// A single normalised address that mail may be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

impl Email {
    /// Parses what a visitor typed. `None` for anything but a single plain address: ASCII except for the domain, at most 254 characters
    /// (RFC 5321, 4.5.3.1.3, less the angle brackets), without display name or quoting, and with a dot in the domain. This prevents
    /// header injection and a second recipient.
    pub fn parse(typed: &str) -> Option<Email> {
        let address = normalise(typed);
        let (local, domain) = address.split_once('@')?;
        let fits = address.len() <= 254 && (1..=64).contains(&local.len());
        (fits
            && is_dot_atom(local, is_atom_character)
            && domain.contains('.')
            && domain.split('.').all(is_domain_label))
        .then_some(Email(address))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The masked address, for logs and for pages that others may see: of the local part only the first and last letter.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

/// Masks an address: `ada@example.com` becomes `a…a@example.com`.
pub fn mask(address: &str) -> String {
    let Some((local, domain)) = address.split_once('@') else {
        return "…".to_owned();
    };
    let first = local.chars().next().map(String::from).unwrap_or_default();
    let last = local.chars().last().filter(|_| local.chars().count() > 2);
    format!(
        "{first}…{}@{domain}",
        last.map(String::from).unwrap_or_default()
    )
}

fn is_dot_atom(text: &str, allowed: fn(u8) -> bool) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
}

/// RFC 5322, 3.2.3, `atext`.
fn is_atom_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// RFC 1035, 2.3.1, but a digit may be first (RFC 1123, 2.1).
fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checklist_14_plain_addresses_are_read_and_normalised() {
        for (typed, read) in [
            ("ada@example.com", "ada@example.com"),
            ("  Ada@Example.COM \n", "ada@example.com"),
            ("a+tag@example.co.uk", "a+tag@example.co.uk"),
            ("ADA+TAG@EXAMPLE.COM", "ada+tag@example.com"),
            ("ada@xn--exmple-cua.com", "ada@xn--exmple-cua.com"),
            ("Ada@EX\u{c4}MPLE.com", "ada@xn--exmple-cua.com"),
            ("ada@exa\u{308}mple.com", "ada@xn--exmple-cua.com"),
            ("ada\0@example.com", "ada@example.com"),
            ("\u{feff}ada@example.com\u{a0}", "ada@example.com"),
            ("a\u{200b}da@exam\u{ad}ple\u{200f}.com\t", "ada@example.com"),
            (&longest(254), &longest(254)),
            ("o'neil.x@sub.example.com", "o'neil.x@sub.example.com"),
        ] {
            assert_eq!(Email::parse(typed).unwrap().as_str(), read);
        }
    }

    #[test]
    fn checklist_14_anything_else_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(130));
        for typed in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "ada@example.com,bob@example.com",
            "ada@example.com bob@example.com",
            "Ada <ada@example.com>",
            "\"a b\"@example.com",
            "ada@example.com\r\nBcc: x@example.com",
            "ada@exam ple.com",
            "ada@example.com.",
            "ada@-example.com",
            ".ada@example.com",
            "ada..b@example.com",
            "ad\u{0430}@example.com",
            "ada@[127.0.0.1]",
            "ada@example.com\nada@example.org",
            "ada@example.com;bob@example.com",
            "ada@example.com%0d%0aBcc:x@example.com",
            "<ada@example.com>",
            "ada@example.com (Bob)",
            "bob@example.org <ada@example.com>",
            // Letters whose other case is an ASCII letter, and characters that look like or contain ASCII.
            "\u{130}da@example.com",
            "ad\u{131}@example.com",
            "\u{212a}im@example.com",
            "ada\u{ff20}example.com",
            "ada@\u{2100}.example.com",
            "ada@-\u{e4}.example.com",
            "ada@\u{e4}\nBcc: x@example.com",
            &longest(255),
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(typed), None, "{typed:?}");
        }
    }

    /// An address of `length` characters, with every part at its maximum length.
    fn longest(length: usize) -> String {
        let (local, label) = ("a".repeat(64), "b".repeat(63));
        let rest = "c".repeat(length - 64 - 1 - 2 * 64);
        format!("{local}@{label}.{label}.{rest}")
    }

    #[test]
    fn a_masked_address_shows_two_letters() {
        assert_eq!(mask("ada@example.com"), "a…a@example.com");
        assert_eq!(mask("ab@example.com"), "a…@example.com");
        assert_eq!(mask("nonsense"), "…");
    }

    /// Parts of addresses, and of attacks with them.
    const PIECES: &[&str] = &[
        "ada",
        "A",
        "1",
        "@",
        "@",
        ".",
        "..",
        "-",
        "+tag",
        "_",
        "'",
        "example",
        "example.com",
        ".com",
        "xn--",
        " ",
        "\t",
        "\r\n",
        "\n",
        "\0",
        "\u{7f}",
        "<",
        ">",
        "\"",
        "\\",
        "(",
        ")",
        ",",
        ";",
        ":",
        "[",
        "]",
        "%0a",
        "=?utf-8?q?",
        "\r\nBcc: eve@example.org",
        "\u{130}",
        "\u{131}",
        "\u{212a}",
        "\u{430}",
        "\u{e4}",
        "e\u{301}",
        "\u{202e}",
        "\u{200b}",
        "\u{ff20}",
        "\u{fffd}",
    ];

    /// Derives a text from a seed. A proptest strategy for each letter would be slow.
    fn text(mut seed: u64) -> String {
        let mut next = |most: usize| {
            // Marsaglia's xorshift.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as usize % most
        };
        // Half of the texts begin as a valid address, into which few pieces are inserted.
        let (start, pieces) = match next(2) {
            0 => ("ada.b@shop.example.com", next(3)),
            _ => ("", next(9)),
        };
        let mut letters: Vec<char> = start.chars().collect();
        for _ in 0..pieces {
            let piece = PIECES[next(PIECES.len())];
            let times = if next(40) == 0 { next(80) } else { 1 };
            let place = next(letters.len() + 1);
            letters.splice(place..place, piece.repeat(times).chars());
        }
        letters.into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn checklist_14_what_is_let_through_is_one_recipient(seed in 1..u64::MAX) {
            let typed = text(seed);
            prop_assert!(!mask(&typed).is_empty());
            let normalised = normalise(&typed);
            prop_assert_eq!(&normalise(&normalised), &normalised);
            if let Some(email) = Email::parse(&typed) {
                let address = email.as_str();
                prop_assert!(address.len() <= 254 && address.matches('@').count() == 1);
                prop_assert!(address.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!address.contains([',', ';', ':', '<', '>', '(', ')', '"', '\\']));
                prop_assert_eq!(Email::parse(address), Some(email.clone()));
                // The mail library, lettre, also parses it as a single address.
                let read: Result<lettre::message::Mailboxes, _> = address.parse();
                let read: Vec<_> = read.map(|all| all.into_iter().collect()).unwrap_or_default();
                prop_assert!(read.len() == 1 && read[0].name.is_none());
                prop_assert_eq!(read[0].email.to_string(), address);
            }
        }
    }

    #[test]
    fn the_texts_of_the_test_above_hold_addresses_and_others() {
        let good = (1..=10_000).filter(|n| Email::parse(&text(n * 7_919)).is_some());
        assert!((10..9_000).contains(&good.count()));
    }
}
