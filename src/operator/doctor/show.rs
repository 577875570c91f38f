//! Renders findings for a terminal: marks and words in columns, with the advice below each.

use super::{Finding, State};
use crate::operator::text::plain;

/// Maximum width of lines.
const WIDTH: usize = 80;

/// The whole output. Without colours it has no marks either, only words, for logs and mails.
pub fn page(findings: &[Finding], has_color: bool) -> String {
    let names = findings.iter().map(|finding| finding.check.len());
    let check = names.max().unwrap_or_default();
    let word = "warning".len();
    let indent = (if has_color { 4 } else { 2 }) + word + 2 + check + 2;
    let mut lines = vec![String::new()];
    for finding in findings {
        let (color, mark, name) = look(finding.state);
        let mut texts = wrapped(&plain(&finding.says), WIDTH - indent).into_iter();
        let first = texts.next().unwrap_or_default();
        let label = format!("{name:word$}");
        let label = if has_color {
            format!("{} {}", painted(color, mark), painted(color, &label))
        } else {
            label
        };
        lines.push(format!("  {label}  {:check$}  {first}", finding.check));
        lines.extend(texts.map(|text| format!("{:indent$}{text}", "")));
        let advice = finding.advice.as_deref().map(plain).unwrap_or_default();
        for (number, text) in wrapped(&advice, WIDTH - indent - 3).into_iter().enumerate() {
            let arrow = match (number, has_color) {
                (0, true) => "→  ",
                (0, false) => "-> ",
                _ => "   ",
            };
            lines.push(format!("{:indent$}{arrow}{text}", ""));
        }
    }
    lines.push(String::new());
    lines.push(format!("  {}", conclusion(findings)));
    lines.join("\n")
}

fn look(state: State) -> (&'static str, &'static str, &'static str) {
    match state {
        State::Ok => ("32", "✓", "ok"),
        State::Warning => ("33", "!", "warning"),
        State::Failure => ("1;31", "✗", "FAILED"),
        State::Skipped => ("2", "-", "skipped"),
    }
}

fn painted(color: &str, text: &str) -> String {
    format!("\u{1b}[{color}m{text}\u{1b}[0m")
}

fn conclusion(findings: &[Finding]) -> String {
    let count = |state: State| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let told = |number: usize, word: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {word}{plural}")
    };
    match (count(State::Failure), count(State::Warning)) {
        (0, 0) if count(State::Skipped) == 0 => "Everything is as it should be.".to_owned(),
        (0, 0) => "Nothing is wrong with what could be looked at.".to_owned(),
        (0, warnings) => format!("It works, with {}.", told(warnings, "warning")),
        (failures, 0) => format!(
            "{} to put right; run `billhook doctor` again after that.",
            told(failures, "failure")
        ),
        (failures, warnings) => format!(
            "{} to put right and {}; run `billhook doctor` again after that.",
            told(failures, "failure"),
            told(warnings, "warning")
        ),
    }
}

/// Wraps text at words. A word that is too long gets its own line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_are_for_terminals() {
        let long = "word ".repeat(30);
        let findings = [
            Finding::ok("settings", "fine"),
            Finding::failure("key", "evil \u{1b}[2J", long),
        ];
        let page = page(&findings, false);
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines[1], "  ok       settings  fine");
        assert_eq!(lines[2], "  FAILED   key       evil ·[2J");
        assert!(
            lines[3].starts_with("                     -> word"),
            "{page}"
        );
        assert!(
            lines[4].starts_with("                        word"),
            "{page}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(page.ends_with("1 failure to put right; run `billhook doctor` again after that."));
        assert!(!page.contains('\u{1b}'));
        let colored = super::page(&findings, true);
        assert!(colored.contains("\u{1b}[1;31m✗\u{1b}[0m"), "{colored}");
    }
}
