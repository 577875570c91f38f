//! The file `.env`: lines of `NAME=value`. A value is what stands there, and nothing is substituted: programs
//! that read such files disagree about `$`, backslashes and quotes, and half a password looks like a whole one.
//! What they read in different ways is refused with its line.

/// A line that sets something.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: usize,
    pub name: String,
    pub value: String,
}

/// Reads the whole file, or says of every line that cannot be read why. No fault repeats what stands there,
/// which may be a secret.
pub fn parse(bytes: &[u8]) -> Result<Vec<Line>, Vec<String>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(vec![
            ".env is text of 16 bits. Save it as UTF-8.".to_owned(),
        ]);
    }
    // Windows' editors begin a file with this mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for (index, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
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
        Ok(lines)
    } else {
        Err(faults)
    }
}

const BLANK: [char; 2] = [' ', '\t'];
const NO_LINE: &str = "cannot be read. It must be NAME=value";

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
    let name = match name.strip_prefix("export") {
        Some(rest) if rest.starts_with(BLANK) => rest,
        _ => name,
    };
    let name = name.trim_matches(BLANK);
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

/// All of it up to the next quote.
fn single(text: &str) -> Result<String, Fault> {
    let (value, rest) = text.split_once('\'').ok_or(UNCLOSED)?;
    end(rest)?;
    Ok(value.to_owned())
}

/// The same, where `\"` is a quote.
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

/// Without quotes: up to a comment, which begins after white space.
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

/// After the closing quote only a comment may stand.
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
        parse(format!("A=1\r\n{text}\n").as_bytes())
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
        let marked = parse(b"\xef\xbb\xbfA=1\n\n  # x\nB=2").unwrap();
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
        let faults = parse(b"A=\xff\nB=1\nC").unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with(".env line 1 ") && faults[1].starts_with(".env line 3 "));
        assert!(parse(b"\xff\xfeA\0=\0").unwrap_err()[0].contains("UTF-8"));
    }
}
