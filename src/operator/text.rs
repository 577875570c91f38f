//! Formats text for a terminal.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A time in UTC; empty if the number is out of range.
pub fn time(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Untrusted text without control characters: nothing that moves the cursor, starts a line or reverses the text
/// direction (terminal injection).
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if is_odd(letter) { '·' } else { letter })
        .collect()
}

/// JSON on one line, safe for a terminal: control characters are escaped, and programs read the original text.
pub fn json(value: &Value) -> String {
    escaped(&value.to_string())
}

/// The same for people, on several lines.
pub fn pretty(value: &Value) -> String {
    let lines = format!("{value:#}");
    lines.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Escapes control and invisible characters that JSON leaves unescaped. In JSON output they only occur inside
/// strings, so escaping them is safe.
fn escaped(json: &str) -> String {
    let escape = |letter: char| format!("\\u{:04x}", u32::from(letter));
    json.chars()
        .map(|letter| {
            if is_odd(letter) {
                escape(letter)
            } else {
                letter.into()
            }
        })
        .collect()
}

/// C0 and C1 control characters and invisible characters: direction marks, joiners, line separators. All have four
/// hex digits.
fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns as wide as their widest text; the last column is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let widths = rows.iter().filter_map(|row| row.get(column));
        widths.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(text, width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Parses `30m`, `12h` or `7d` into seconds.
pub fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time such as 30m, 12h or 7d");
    let number = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_breaks_them() {
        let rows = [["a", "bcd", "e"], ["aaa", "b", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    bcd  e\naaa  b");
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}c\u{9b}"), "a·[31m·b·c·");
        assert_eq!(time(1_804_032_000), "2027-03-03T00:00:00Z");
        assert_eq!(time(i64::MAX), "");
    }

    #[test]
    fn checklist_67_no_text_moves_the_terminal() {
        let evil = "\u{1b}[2J\r\n\u{9b}31m\u{7f}\u{85}\u{202e}\u{2028}\u{200b}é<b>";
        let value = serde_json::json!({ evil: [evil] });
        for shown in [plain(evil), json(&value), pretty(&value).replace('\n', "")] {
            assert!(
                shown.contains("é<b>") && !shown.contains(is_odd),
                "{shown:?}"
            );
        }
        assert!(!plain(evil).contains('\n') && !json(&value).contains('\n'));
        for shown in [json(&value), pretty(&value)] {
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("2d"), Ok(172_800));
        for wrong in [
            "",
            "7",
            "d",
            "1w",
            "-1h",
            "99999999999999999999d",
            "9223372036854775807d",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
