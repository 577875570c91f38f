//! Replies of a mail server (RFC 5321, 4.2), and whether a refusal is about the recipient or about us.

use super::Step;

/// A reply of one or several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// Without the reply codes.
    pub lines: Vec<String>,
}

/// Parses a line of a reply: code, whether it is the last line, text.
pub fn read_line(line: &str) -> Option<(u16, bool, &str)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code: u16 = digits.parse().ok()?;
    let (is_last, text) = match rest.chars().next() {
        None => (true, ""),
        Some(' ') => (true, rest.get(1..)?),
        Some('-') => (false, rest.get(1..)?),
        Some(_) => return None,
    };
    (200..600).contains(&code).then_some((code, is_last, text))
}

/// Phrases for servers that send no enhanced status code. These are about the recipient …
const OF_RECIPIENT: [&str; 12] = [
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "no such",
    "not exist",
    "not found",
    "no mailbox",
    "mailbox unavailable",
    "mailbox full",
    "over quota",
    "user disabled",
];
/// … and these about us.
const OF_US: [&str; 16] = [
    "relay",
    "rcpthosts",
    "authenti",
    "sender",
    "spf",
    "dkim",
    "dmarc",
    "spam",
    "block",
    "blacklist",
    "listed",
    "reputation",
    "policy",
    "denied",
    "not permitted",
    "not allowed",
];

impl Reply {
    /// The code and all lines, joined on one line.
    pub fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" "))
            .trim_end()
            .to_owned()
    }

    /// Whether the server permanently refuses this recipient, from any sender. All other errors are about us, and
    /// can end when the operator or the provider fixes something.
    pub fn is_about_recipient(&self, step: Step) -> bool {
        if !(500..600).contains(&self.code) {
            return false;
        }
        // RFC 3463: 5.1 is about the recipient's address, except 5.1.7 and 5.1.8, which are about the sender; 5.2
        // is about the mailbox.
        let by_status = match self.status() {
            Some((1, detail)) if detail > 0 => Some(!matches!(detail, 7 | 8)),
            Some((2, _)) => Some(true),
            // 5.0.0 carries no information.
            Some((0, _) | (1, 0)) | None => None,
            // Exchange Online reports an unknown user this way.
            Some((4, 1)) if step == Step::To && self.says_rejected() => Some(true),
            Some(_) => Some(false),
        };
        match step {
            Step::To => by_status.unwrap_or_else(|| self.names_recipient()),
            Step::Data | Step::End => by_status == Some(true),
            _ => false,
        }
    }

    fn says_rejected(&self) -> bool {
        let words = self.lines.join(" ").to_ascii_lowercase();
        words.contains("recipient address rejected")
    }

    fn names_recipient(&self) -> bool {
        let words = self.lines.join(" ").to_ascii_lowercase();
        // Words of an address must not match a phrase.
        let words: Vec<_> = words
            .split_whitespace()
            .filter(|word| !word.contains('@'))
            .collect();
        let words = words.join(" ");
        let says = |all: &[&str]| all.iter().any(|some| words.contains(some));
        matches!(self.code, 501 | 550..=553 | 556) && (says(&OF_RECIPIENT) || !says(&OF_US))
    }

    /// Subject and detail of the enhanced status code: at the beginning of the text, or as qmail writes it,
    /// `(#5.7.1)`.
    fn status(&self) -> Option<(u16, u16)> {
        let text = self.lines.join(" ");
        let mut words = text.split_whitespace();
        let first = words.next()?;
        let numbers = |word: &str| {
            let mut numbers = word.split('.').map(|part| part.parse::<u16>().ok());
            let found = (numbers.next()??, numbers.next()??, numbers.next()??);
            (numbers.next().is_none() && found.0 == self.code / 100).then_some((found.1, found.2))
        };
        let marked = |word: &str| {
            let (_, code) = word.split_once('#')?;
            numbers(code.trim_end_matches(|letter: char| !letter.is_ascii_digit()))
        };
        numbers(first).or_else(|| text.split_whitespace().find_map(marked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        let (code, _, text) = read_line(text).unwrap();
        let lines = vec![text.to_owned()];
        Reply { code, lines }
    }

    #[test]
    fn lines_of_answers_are_read() {
        assert_eq!(read_line("250 ok"), Some((250, true, "ok")));
        assert_eq!(read_line("250-a b"), Some((250, false, "a b")));
        assert_eq!(read_line("354"), Some((354, true, "")));
        for nonsense in [
            "",
            "25",
            "ok",
            "199 x",
            "600 x",
            "250x",
            "+50 x",
            "2\u{e9}0 x",
            "25\u{e9}",
        ] {
            assert_eq!(read_line(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_refusal_is_final_only_where_it_is_about_the_recipient() {
        for about_recipient in [
            "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown in relay recipient table",
            "550 5.1.1 unknown",
            "550 no such user",
            "550 Requested action not taken: mailbox unavailable",
            "550",
            "551 User not local",
            "552 5.2.2 mailbox full",
            "553 5.1.3 bad address",
            "501 5.1.3 Bad recipient address syntax",
            "556 5.1.10 Recipient address has null MX",
            "550 <relay@spam.example>: no mailbox here",
            "550 5.2.1 disabled",
            "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
            "550 5.1.0 Address rejected, no such user",
        ] {
            assert!(
                reply(about_recipient).is_about_recipient(Step::To),
                "{about_recipient}"
            );
            assert!(!reply(about_recipient).is_about_recipient(Step::From));
        }
        for about_us in [
            "550 5.7.1 Relaying denied",
            "554 5.7.1 <ada@example.com>: Relay access denied",
            "550 relay not permitted",
            "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
            "550 5.1.8 Bad sender's system address",
            "530 5.7.0 Authentication required",
            "530 Must issue a STARTTLS command first",
            "535 5.7.8 no",
            "503 5.5.1 MAIL first",
            "500 5.5.2 what?",
            "554 Service unavailable; Client host [192.0.2.1] blocked",
            "554 transaction failed",
            "550 5.3.4 too big",
            "550 SPF check failed",
            "550 5.1.0 <billing@example.com> sender rejected",
            "550 5.4.1 relay access denied",
            "451 4.1.1 later",
        ] {
            assert!(!reply(about_us).is_about_recipient(Step::To), "{about_us}");
        }
        assert!(!reply("554 5.7.1 this is spam").is_about_recipient(Step::End));
        assert!(!reply("550 no").is_about_recipient(Step::End));
        assert!(reply("550 5.1.1 nobody").is_about_recipient(Step::End));
        for said_too_late in [
            "550 5.4.1 Recipient address rejected: Access denied",
            "550 5.1.0 rejected",
        ] {
            assert!(!reply(said_too_late).is_about_recipient(Step::End));
        }
    }
}
