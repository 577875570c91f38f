//! Parser for `.env`: lines of `NAME=value`. Values are literal, and no variables are substituted: programs that
//! read such files disagree about `$`, backslashes and quotes, and half a password looks like a whole one. A value
//! that those programs read differently is an error with its line number.

/// A line that sets a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: usize,
    pub name: String,
    pub value: String,
}

/// Parses the whole file, or returns an error for every line that cannot be parsed. No error repeats the line's
/// content, which may be a secret. Other programs use the same file with their own syntax: for a variable that
/// `is_ours` does not know, only the name is read, and its value is empty here.
pub fn parse(bytes: &[u8], is_ours: impl Fn(&str) -> bool) -> Result<Vec<Line>, Vec<String>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(vec![
            ".env is text of 16 bits. Save it as UTF-8.".to_owned(),
        ]);
    }
    // Editors on Windows write a byte order mark (BOM) at the beginning.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let all: Vec<_> = bytes
        .split(|byte| *byte == b'\n')
        .map(|bytes| bytes.strip_suffix(b"\r").unwrap_or(bytes))
        .collect();
    let (mut lines, mut faults, mut unclosed) = (Vec::new(), Vec::new(), Vec::new());
    let mut index = 0;
    while let Some(bytes) = all.get(index) {
        index += 1;
        let number = index;
        if let Some(foreign) = foreign(bytes, &is_ours) {
            lines.extend(foreign.name.map(|name| Line {
                number,
                name,
                value: String::new(),
            }));
            match foreign.open.map(|quote| until(quote, &all, index, &is_ours)) {
                None => {}
                Some(Until::Line(next)) => index = next,
                Some(Until::Never) => unclosed.push(number),
                Some(Until::Ours(line, name)) => faults.push(format!(
                    ".env line {number} begins a value with a quote, and {name} on line {line} stands before the quote that closes it. Close the quote where its value ends, or set {name} in the environment."
                )),
            }
            continue;
        }
        let read = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8. Save the file as UTF-8");
        match read.and_then(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => lines.push(Line {
                number,
                name,
                value,
            }),
            Err(why) => faults.push(format!(".env line {number} {why}.")),
        }
    }
    if faults.is_empty() {
        return Ok(lines);
    }
    // First, because the other errors may be lines of a value with an unclosed quote.
    let unclosed = unclosed.into_iter().map(|number| {
        format!(".env line {number} begins a value with a quote that is never closed. Close it.")
    });
    Err(unclosed.chain(faults).collect())
}

/// A line that sets a variable of another program.
struct Foreign {
    name: Option<String>,
    /// The quote that its value opens and does not close.
    open: Option<char>,
}

fn foreign(bytes: &[u8], is_ours: &impl Fn(&str) -> bool) -> Option<Foreign> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(BLANK);
    // CR line ends (old Mac): a setting of ours may follow.
    if text.starts_with('#') || text.contains('\r') {
        return None;
    }
    let Some((name, value)) = text.split_once('=') else {
        // `export NAME` without a value exports a variable that is set elsewhere.
        let mut names = exported(text)?.split(BLANK).filter(|name| !name.is_empty());
        let is_foreign = names.all(|name| is_name(name) && !is_ours(name));
        return is_foreign.then_some(Foreign {
            name: None,
            open: None,
        });
    };
    let name = named(name);
    if !is_name(name) || is_ours(name) {
        return None;
    }
    let value = value.trim_start_matches(BLANK);
    let quote = value.chars().next().filter(|it| "'\"".contains(*it));
    let rest = value.get(1..).unwrap_or_default();
    Some(Foreign {
        name: Some(name.to_owned()),
        open: quote.filter(|quote| !closes(rest, *quote)),
    })
}

/// Where a value that began on an earlier line ends.
enum Until {
    /// The index of the first line after it.
    Line(usize),
    /// A setting of ours comes before its end, or is in it.
    Ours(usize, String),
    Never,
}

fn until(quote: char, all: &[&[u8]], from: usize, is_ours: &impl Fn(&str) -> bool) -> Until {
    let mut ours = None;
    for (index, bytes) in all.iter().enumerate().skip(from) {
        let text = String::from_utf8_lossy(bytes);
        if let Some((name, _)) = text.split_once('=')
            && let name = named(name.trim_matches(BLANK))
            && is_ours(name)
        {
            ours.get_or_insert_with(|| (index + 1, name.to_owned()));
        }
        if closes(&text, quote) {
            return match ours {
                Some((line, name)) => Until::Ours(line, name),
                None => Until::Line(index + 1),
            };
        }
    }
    Until::Never
}

/// Whether the text contains the closing quote. A `"` may be escaped with a backslash.
fn closes(text: &str, quote: char) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == quote {
            return true;
        }
        if letter == '\\' && quote == '"' {
            letters.next();
        }
    }
    false
}

/// The text after `export`, if the line begins with it.
fn exported(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("export")?;
    rest.starts_with(BLANK).then_some(rest)
}

/// The name in the text before `=`.
fn named(text: &str) -> &str {
    exported(text).unwrap_or(text).trim_matches(BLANK)
}

const BLANK: [char; 2] = [' ', '\t'];
const NO_LINE: &str = "cannot be read. It must be NAME=value, or begin with # if it is for people alone; a value of several lines, which another program may have, stands between quotes";

type Fault = &'static str;

fn line(text: &str) -> Result<Option<(String, String)>, Fault> {
    let text = text.trim_matches(BLANK);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text
        .chars()
        .any(|letter| letter.is_control() && letter != '\t')
    {
        return Err("holds a control character. Take it out; lines end with a line feed");
    }
    let (name, value) = text.split_once('=').ok_or(NO_LINE)?;
    let name = named(name);
    if !is_name(name) {
        return Err(NO_LINE);
    }
    let has_space = value.starts_with(BLANK);
    let value = value.trim_matches(BLANK);
    let value = if let Some(rest) = value.strip_prefix('\'') {
        single(rest)?
    } else if let Some(rest) = value.strip_prefix('"') {
        double(rest)?
    } else if value.starts_with(['“', '”', '„', '‘', '’', '‚', '«', '`']) {
        return Err("has quotes of another kind. Use straight ones, ' or \"");
    } else if value.starts_with('#') {
        if !has_space {
            return Err(
                "has a # right after the =. Put the value between quotes, or a space before the comment",
            );
        }
        String::new()
    } else {
        bare(value)?
    };
    Ok(Some((name.to_owned(), value)))
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_letter)
        && text
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit() || b".-".contains(&byte))
}

/// A single-quoted value: literal up to the next quote.
fn single(text: &str) -> Result<String, Fault> {
    let (value, rest) = text.split_once('\'').ok_or(UNCLOSED)?;
    end(rest)?;
    Ok(value.to_owned())
}

/// A double-quoted value, where `\"` is a quote.
fn double(text: &str) -> Result<String, Fault> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                end(letters.as_str())?;
                return Ok(value);
            }
            '\\' => match letters.clone().next() {
                Some('"') => {
                    letters.next();
                    value.push('"');
                }
                Some('\\' | '\'' | '$' | '`' | 'n' | 'r' | 't') => return Err(BACKSLASH),
                _ => value.push('\\'),
            },
            letter => value.push(letter),
        }
    }
    Err(UNCLOSED)
}

/// An unquoted value: up to a comment, which begins after white space.
fn bare(text: &str) -> Result<String, Fault> {
    let comment = [" #", "\t#"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    let value = text.get(..comment.unwrap_or(text.len())).unwrap_or(text);
    let escapes = ['\\', '\'', '"', '$', '`', ' ', '#'];
    if value
        .chars()
        .zip(value.chars().skip(1))
        .any(|(letter, next)| letter == '\\' && escapes.contains(&next))
    {
        return Err(BACKSLASH);
    }
    Ok(value.trim_end_matches(BLANK).to_owned())
}

/// Only a comment may follow the closing quote.
fn end(rest: &str) -> Result<(), Fault> {
    let text = rest.trim_start_matches(BLANK);
    if text.is_empty() || (text.starts_with('#') && text.len() < rest.len()) {
        Ok(())
    } else {
        Err("goes on after the closing quote. Put the whole value between quotes of the other kind")
    }
}

const UNCLOSED: Fault = "has a quote that is not closed on it. A value is on one line, and begins and ends with the same quote";
const BACKSLASH: Fault = "has a backslash that other programs would take out. Nothing is escaped or substituted here: put the value between single quotes, in which everything stands for itself";

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, Vec<String>> {
        parse(format!("A=1\r\n{text}\n").as_bytes(), |_| true)
            .map(|lines| lines.into_iter().next_back().unwrap().value)
    }

    #[test]
    fn a_value_is_what_stands_there() {
        for (line, wanted) in [
            ("B=pa$word9", "pa$word9"),
            ("B=${HOME}$A`id`$(id)", "${HOME}$A`id`$(id)"),
            ("B='pa$word9'", "pa$word9"),
            ("B=\"pa$word9 ${A}\"", "pa$word9 ${A}"),
            ("B=a#b", "a#b"),
            ("B='a #b'", "a #b"),
            ("B=\"a #b\" # c", "a #b"),
            ("B=a b # c", "a b"),
            ("B=a\t#c", "a"),
            ("B= # c", ""),
            ("B=", ""),
            ("B=''", ""),
            ("B=' a '", " a "),
            ("  B  =  a b  ", "a b"),
            ("export B=a", "a"),
            ("export\tB='a'", "a"),
            ("exported=a", "a"),
            ("B=a=b==", "a=b=="),
            ("B=it's \"so\"", "it's \"so\""),
            ("B='say \"so\"'", "say \"so\""),
            ("B=\"say \\\"so\\\"\"", "say \"so\""),
            ("B=\"it's\"", "it's"),
            ("B=C:\\dir", "C:\\dir"),
            ("B='a\\nb\\\\'", "a\\nb\\\\"),
            ("B=\"C:\\dir\"", "C:\\dir"),
            ("B=Ærø — 日本", "Ærø — 日本"),
        ] {
            assert_eq!(value(line).as_deref(), Ok(wanted), "{line}");
            assert_eq!(value(&format!("{line}\r")).as_deref(), Ok(wanted), "{line}");
        }
        let marked = parse(b"\xef\xbb\xbfA=1\n\n  # x\nB=2", |_| true).unwrap();
        let numbers: Vec<_> = marked
            .iter()
            .map(|line| (line.number, &*line.name))
            .collect();
        assert_eq!(numbers, [(1, "A"), (4, "B")]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line_and_not_repeated() {
        for line in [
            "canary",
            "canary canary=1",
            "=canary",
            "9A=canary",
            "set A=canary",
            "B: canary",
            "export B",
            "B=\"canary",
            "B='canary",
            "B=canary\u{0}",
            "B=one\rC=canary",
            "B=\"canary\"x",
            "B='it'\\''s canary'",
            "B=\"canary\"#x",
            "B=#canary",
            "B=“canary”",
            "B=canary\\$",
            "B=\"canary\\$\"",
            "B=\"canary\\n\"",
            "B=canary\\ x",
        ] {
            let faults = value(line).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with(".env line 2 "),
                "{line}: {faults:?}"
            );
            assert!(!faults[0].contains("canary"), "{faults:?}");
        }
        let faults = parse(b"A=\xff\nB=1\nC", |_| true).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with(".env line 1 ") && faults[1].starts_with(".env line 3 "));
        assert!(parse(b"\xff\xfeA\0=\0", |_| true).unwrap_err()[0].contains("UTF-8"));
    }
}
