//! Characters that cannot be seen.

/// Whether a person can see that a character is there. White space counts as seen: it parts words.
///
/// Not seen are control characters, Unicode's format characters, and what its property
/// Default_Ignorable_Code_Point lists (<https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>).
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

/// Whether there is anything to see in a text.
pub fn is_visible(text: &str) -> bool {
    text.chars()
        .any(|character| is_seen(character) && !character.is_whitespace())
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
}
