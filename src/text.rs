//! Unicode characters: invisible ones, and digits.

/// Whether a character is visible. White space counts as visible, since it separates words.
///
/// Invisible are control characters, Unicode's format characters, and those with its property Default_Ignorable_Code_Point
/// (<https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>).
pub fn is_seen(character: char) -> bool {
    if character.is_whitespace() {
        return true;
    }
    let is_ignorable = matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    !character.is_control() && !is_ignorable
}

/// Whether a text contains a visible character.
pub fn is_visible(text: &str) -> bool {
    text.chars()
        .any(|character| is_seen(character) && !character.is_whitespace())
}

/// The zero of every script that has digits (Unicode's category Nd); the other nine digits follow it.
#[rustfmt::skip]
const ZEROS: [char; 74] = [
    '\u{30}', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}',
    '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}',
    '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}',
    '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}', '\u{a900}',
    '\u{a9d0}', '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}', '\u{10d30}',
    '\u{10d40}', '\u{11066}', '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}',
    '\u{114d0}', '\u{11650}', '\u{116c0}', '\u{116d0}', '\u{116da}', '\u{11730}', '\u{118e0}',
    '\u{11950}', '\u{11bf0}', '\u{11c50}', '\u{11d50}', '\u{11da0}', '\u{11f50}', '\u{16a60}',
    '\u{16ac0}', '\u{16b50}', '\u{1ccf0}', '\u{1d7ce}', '\u{1d7d8}', '\u{1d7e2}', '\u{1d7ec}',
    '\u{1d7f6}', '\u{1e140}', '\u{1e2f0}', '\u{1e4f0}', '\u{1e5f1}', '\u{1e950}', '\u{1fbf0}',
];

/// Extracts the digits of a text, in any script, as ASCII.
pub fn digits(text: &str) -> String {
    text.chars().filter_map(digit).collect()
}

fn digit(character: char) -> Option<char> {
    let after = ZEROS.partition_point(|zero| *zero <= character);
    let zero = ZEROS.get(after.checked_sub(1)?)?;
    char::from_digit(u32::from(character) - u32::from(*zero), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_fillers_are_not_seen() {
        for character in
            "\0\u{7f}\u{85}\u{ad}\u{200b}\u{200e}\u{200f}\u{202e}\u{2060}\u{feff}\u{3164}\u{e0001}"
                .chars()
        {
            let is_space = character.is_whitespace();
            assert_eq!(is_seen(character), is_space, "{character:?}");
        }
        assert!("aZ7 \t\u{a0}ä字@.é🚢".chars().all(is_seen));
        assert!(is_visible(" \u{200b}x"));
        assert!(!is_visible(" \u{200b}\u{a0}\u{ad}\t"));
        assert!(!is_visible(""));
    }

    #[test]
    fn digits_of_every_script_are_digits() {
        for (text, expected) in [
            ("1234 5678", "12345678"),
            ("\u{ff11}\u{ff12}\u{ff13}\u{ff10}", "1230"),
            ("\u{661}\u{662}\u{669}\u{660}", "1290"),
            ("\u{6f1}\u{6f9}\u{966}\u{96f}", "1909"),
            ("\u{1d7ce}\u{1d7ff}\u{1fbf5}", "095"),
            (
                "\u{2160}\u{b2}\u{2460}\u{4e00}x/:\u{65f}\u{66a}\u{ff1a}",
                "",
            ),
        ] {
            assert_eq!(digits(text), expected, "{text}");
        }
        assert!(ZEROS.is_sorted());
    }
}
