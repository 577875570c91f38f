//! Detects misspelt setting names.

use super::{SETTINGS, Setting};

/// Where a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    File,
    /// The process environment, which also has the names of all other programs.
    Process,
}

/// The setting that an unknown name probably means.
pub fn meant(name: &str, place: Place) -> Option<&'static str> {
    if SETTINGS.iter().any(|setting| setting.name == name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_prefix("BILLHOOK_").unwrap_or(&upper);
    let candidates = SETTINGS.iter().filter_map(|setting| {
        let far = distance(plain, setting.name);
        is_near(plain, setting, far, place).then_some((far, setting.name))
    });
    candidates.min().map(|(_, name)| name)
}

fn is_near(name: &str, setting: &Setting, far: usize, place: Place) -> bool {
    let length = setting.name.len();
    let most = match place {
        Place::File => (length / 4).min(3),
        // Short names are similar to many other names.
        Place::Process => usize::from(length >= 8) + usize::from(length >= 12),
    };
    far <= most
        || squashed(name) == squashed(setting.name)
        || words(name) == words(setting.name)
        || place == Place::File && is_shorter(name, setting.name)
}

fn squashed(name: &str) -> String {
    name.replace(['_', '-', '.'], "")
}

fn words(name: &str) -> Vec<&str> {
    let mut words: Vec<_> = name.split(['_', '-', '.']).collect();
    words.sort_unstable();
    words
}

/// Whether the name has two or more words of a setting, such as `STRIPE_KEY`; also `STRIPE_SECRET_KEY`, as Stripe's
/// examples write it.
fn is_shorter(name: &str, setting: &str) -> bool {
    let (words, all) = (words(name), words(setting));
    let known = words.iter().filter(|word| all.contains(word)).count();
    let is_part = known == words.len() && known >= 2;
    is_part || (name, setting) == ("STRIPE_SECRET_KEY", "STRIPE_API_KEY")
}

/// Edit distance: insertions, deletions, substitutions and swaps of neighbours (Damerau-Levenshtein, optimal string
/// alignment).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (line, letter) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let change = at(&row, column).saturating_add(usize::from(letter != *other));
            let put = at(&next, column).saturating_add(1);
            let take = at(&row, column + 1).saturating_add(1);
            let earlier = column.checked_sub(1);
            let is_swap = last == Some(*other)
                && earlier.and_then(|earlier| right.get(earlier)) == Some(&letter);
            let swap = match earlier {
                Some(earlier) if is_swap => at(&before, earlier).saturating_add(1),
                _ => usize::MAX,
            };
            next.push(change.min(put).min(take).min(swap));
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_books() {
        for (left, right, wanted) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("SMPT_URL", "SMTP_URL", 1),
            ("ab", "ba", 1),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(left, right), wanted, "{left} {right}");
        }
    }

    #[test]
    fn near_misses_are_told_and_other_programs_left_alone() {
        for (name, wanted) in [
            ("SMPT_URL", "SMTP_URL"),
            ("SMTP_URI", "SMTP_URL"),
            ("smtp_url", "SMTP_URL"),
            ("SMTPURL", "SMTP_URL"),
            ("BILLHOOK_SMTP_URL", "SMTP_URL"),
            ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
            ("FRONTENT_URL", "FRONTEND_URL"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("SESSION_SERCET", "SESSION_SECRET"),
            ("STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET"),
            ("URL_SMTP", "SMTP_URL"),
        ] {
            for place in [Place::File, Place::Process] {
                assert_eq!(meant(name, place), Some(wanted), "{name} {place:?}");
            }
        }
        for (name, wanted) in [
            ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
            ("BNID", "BIND"),
            ("STRIPE_KEY", "STRIPE_API_KEY"),
            ("STRIPE_SECRET_KEY", "STRIPE_API_KEY"),
        ] {
            assert_eq!(meant(name, Place::File), Some(wanted), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "BIN",
            "FIND",
            "API_KEY",
            "HTTP_PROXY",
            "RUST_LOG",
            "MAIL",
            "PWD",
            "HOSTNAME",
            "APPDATA",
            "POSTGRES_PASSWORD",
            "TEST_POSTGRES_URL",
            "INVOCATION_ID",
        ] {
            assert_eq!(meant(name, Place::Process), None, "{name}");
        }
        for setting in SETTINGS {
            assert_eq!(meant(setting.name, Place::File), None);
        }
    }
}
